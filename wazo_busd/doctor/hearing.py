# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The hearing: what came on the exchanges of Wazo and to the hub while the doctor listened."""

from __future__ import annotations

import time
from collections import Counter
from functools import cached_property

from wazo_busd.amqp import Cut, heard
from wazo_busd.codec import Limits
from wazo_busd.event import Event

_MOST_KEPT = 5_000
"""Of so many events it is looked at what they say; the others are counted."""


class Hearing:
    """Counts what comes, and keeps some of it.

    Args:
        limits: what a body may be at most.
    """

    def __init__(self, limits: Limits) -> None:
        self.seconds = 0.0
        """For how long it was listened."""
        self.upstream: Counter[str] = Counter()
        """How many events came on each exchange of Wazo."""
        self.hub: Counter[str] = Counter()
        """How many of each exchange came to the hub."""
        self._limits = limits
        self._kept: dict[str, list[tuple[Cut, float]]] = {'upstream': [], 'hub': []}

    def hear_upstream(self, cuts: list[Cut]) -> None:
        """Take what came on the exchanges of Wazo."""
        self._take(cuts, self.upstream, 'upstream')

    def hear_hub(self, cuts: list[Cut]) -> None:
        """Take what came to the hub."""
        self._take(cuts, self.hub, 'hub')

    def _take(self, cuts: list[Cut], counts: Counter[str], where: str) -> None:
        now, kept = time.time(), self._kept[where]
        counts.update(cut.exchange.decode('utf-8', 'backslashreplace') for cut in cuts)
        kept += [(cut, now) for cut in cuts[: _MOST_KEPT - len(kept)]]

    @property
    def moved(self) -> int:
        """How many events came on the exchanges of Wazo."""
        return self.upstream.total()

    @cached_property
    def sample(self) -> list[Event]:
        """Events as they came upstream, the first ones; those that cannot be read are left out."""
        found = (heard(cut, at, self._limits) for cut, at in self._kept['upstream'])
        return [each.event for each in found if not each.error]

    @property
    def weight(self) -> float:
        """How many events each one of the sample stands for."""
        return self.moved / len(self.sample) if self.sample else 0.0

    @cached_property
    def hub_sample(self) -> list[Event]:
        """Events as they came to the hub, derived ones too."""
        found = (heard(cut, at, self._limits) for cut, at in self._kept['hub'])
        return [each.event for each in found if not each.error]

    @property
    def hub_weight(self) -> float:
        """How many events each one of that sample stands for."""
        return self.hub.total() / len(self.hub_sample) if self.hub_sample else 0.0
