# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The outcomes: what became of the events of a test, and what the plugin has published meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wazo_busd.codec import Limits, decode
from wazo_busd.delivery import History
from wazo_busd.outcome import Outcome, Reason


@dataclass(frozen=True, slots=True)
class Emitted:
    """A derived event that the plugin has published.

    Attributes:
        name: its name.
        data: what it says, as those who match it get it: dates, for example, are texts by then.
        routing_key: the key it was published with.
    """

    name: str
    data: Any
    routing_key: str


class Outcomes(list[Outcome]):
    """What became of the events, in their order.

    Attributes:
        reasons: why the plugin gave up, for each event that is dead.
        retries: what was noted of each event that is to be tried again: the error, and when.
        emitted: the derived events that it published.
    """

    def __init__(
        self, outcomes: Iterable[Outcome], reasons: list[Reason], retries: list[History], emitted: list[Emitted]
    ) -> None:
        super().__init__(outcomes)
        self.reasons = reasons
        self.retries = retries
        self.emitted = emitted


def emitted(routing_key: str, body: bytes, headers: Mapping[str, Any]) -> Emitted:
    """What arrives at those who match a derived event.

    Args:
        routing_key: the key it was published with.
        body: its body.
        headers: its headers.
    """
    event = decode(
        body,
        headers=headers,
        routing_key=routing_key,
        exchange='',
        received_at=time.time(),
        redelivered=False,
        limits=Limits(),
    )
    return Emitted(event.name, event.data, routing_key)
