# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The entry: one event on its way into a store."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from wazo_busd.api import Event


@dataclass(slots=True, eq=False)
class Entry:
    """One try of one event to get into a store.

    Attributes:
        id: the identity of the event.
        redelivered: whether the broker gave it out before.
        attempt: the ordinal of the try.
        received_at: when the event came, Unix seconds.
        form: what the store makes of the record.
        written: done when what the event needs is on disk; cancelled when nobody waits for it any more, so that its
            event has failed and comes again.
        claim: what a row that is there already was taken from; see `Claims`.
    """

    id: str
    redelivered: bool
    attempt: int
    received_at: float
    form: Any = field(repr=False)
    written: asyncio.Future[None]
    claim: Counter[str] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, event: Event, form: Any) -> Entry:
        """The entry of an event, in the running loop.

        Args:
            event: the event.
            form: what the store makes of its record.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return cls(event.id, event.redelivered, event.attempt, event.received_at, form, written)

    @property
    def is_first(self) -> bool:
        """Whether its event comes for the first time, so that no row of it can be there."""
        return not self.redelivered and self.attempt == 1
