# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rates: how many events a second handlers take, by what was counted when somebody looked the last time."""

from __future__ import annotations

from collections.abc import Mapping

_SHORTEST_SECONDS = 0.2
_LONGEST_SECONDS = 10.0
"""After nobody has looked for longer than that, what came since says little of now."""


class Rates:
    """Events a second of each handler."""

    def __init__(self) -> None:
        self._rates: dict[str, float] = {}
        self._counts: Mapping[str, int] = {}
        self._seen_at = float('-inf')

    def see(self, counts: Mapping[str, int], now: float) -> None:
        """Take note of what was counted.

        Args:
            counts: how many events each handler has taken since it started.
            now: the time, in seconds of any clock that only goes on.
        """
        seconds = now - self._seen_at
        if seconds < _SHORTEST_SECONDS:
            return
        before, self._counts, self._seen_at = self._counts, dict(counts), now
        self._rates = {}
        if seconds <= _LONGEST_SECONDS:
            # One that has started again counts anew.
            self._rates = {
                name: max(0, count - before[name]) / seconds for name, count in counts.items() if name in before
            }

    @property
    def all(self) -> int | None:
        """Of all handlers together; `None` where that is not known yet."""
        return round(sum(self._rates.values())) if self._rates else None

    def of(self, handler: str) -> int | None:
        """Of one handler; `None` where that is not known yet."""
        rate = self._rates.get(handler)
        return None if rate is None else round(rate)
