# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rates: how many events a second handlers take, by what was counted at the last looks."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

_SHORTEST_SECONDS = 0.2


class Rates:
    """Events a second of each handler.

    Args:
        steps: over how many steps from one look to the next a rate is taken.
        longest_seconds: after nobody has looked for longer than that, what came since says little of now.
    """

    def __init__(self, steps: int = 1, *, longest_seconds: float = 10.0) -> None:
        self._longest_seconds = longest_seconds
        self._looks: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=steps + 1)
        self._rates: dict[str, float] = {}

    def see(self, counts: Mapping[str, int], now: float) -> None:
        """Take note of what was counted.

        Args:
            counts: how many events each handler has taken since it started.
            now: the time, in seconds of any clock that only goes on.
        """
        seconds = now - self._looks[-1][0] if self._looks else 0.0
        if self._looks and seconds < _SHORTEST_SECONDS:
            return
        if seconds > self._longest_seconds:
            self._looks.clear()
        self._looks.append((now, dict(counts)))
        self._rates = {name: rate for name in counts if (rate := self._rate(name)) is not None}

    async def keep(self, counts: Callable[[], Mapping[str, int]], every_seconds: float) -> None:
        """Look now and then, until cancelled.

        Args:
            counts: gives how many events each handler has taken since it started.
            every_seconds: how often.
        """
        while True:
            self.see(counts(), time.monotonic())
            await asyncio.sleep(every_seconds)

    @property
    def all(self) -> float | None:
        """Of all handlers together; `None` where that is not known yet."""
        return sum(self._rates.values()) if self._rates else None

    def of(self, handler: str) -> float | None:
        """Of one handler; `None` where that is not known yet."""
        return self._rates.get(handler)

    def _rate(self, name: str) -> float | None:
        steps = list(self._steps(name))
        return sum(grown for grown, _ in steps) / sum(seconds for _, seconds in steps) if steps else None

    def _steps(self, name: str) -> Iterator[tuple[int, float]]:
        """By how much a count has grown in each step in which it was there, and how long that took."""
        for (began, before), (ended, after) in pairwise(self._looks):
            if name in before and name in after:
                # One that has started again counts anew.
                yield max(0, after[name] - before[name]), ended - began
