# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rate: how much of something may happen in a second, and how much of it at once (a token bucket)."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """Says whether something may happen once more.

    Args:
        per_second: how often it may happen on and on.
        at_once: how often after a while in which it did not.
        clock: tells the time, in seconds.
    """

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._at_once = float(at_once)
        self._clock = clock
        self._left = self._at_once
        self._seen_at = clock()

    def allows(self) -> bool:
        """Whether it may happen now; then it has."""
        now = self._clock()
        self._left = min(self._at_once, self._left + (now - self._seen_at) * self._per_second)
        self._seen_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
