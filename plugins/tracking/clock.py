# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The clock of a tracker: as late as the events say while they come, as late as the wall clock says when none wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_GRACE_SECONDS = 1.0
"""So long an event may be on its way: what is due is done after those that happened before it have come."""
QUIET_SECONDS = 5.0
"""After so long without an event, of a queue that is consumed, none that is old is waiting any more."""
_BACK_SECONDS = 10.0
"""An event can be ahead of the wall clock by half of it; what comes after the clock was put back would be too old."""


class Clock:
    """Tells a tracker what time it is.

    A queue may be full of old events, after a restart or a lost connection: what they say is no news of now, and that
    none comes is none either as long as nobody consumes, or as others wait behind one that is in hand.

    Args:
        consuming_seconds: tells for how long the queue has been consumed without interruption.
    """

    def __init__(self, consuming_seconds: Callable[[], float]) -> None:
        self.time = 0.0
        """The latest time that it was, in Unix seconds."""
        self._consuming_seconds = consuming_seconds
        self._heard_at = time.monotonic()
        self._in_hand = 0

    def hear(self, at: float) -> None:
        """An event has come that happened at so many Unix seconds."""
        self._heard_at = time.monotonic()
        if at > self.time:
            self.time = at

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let no time pass while an event is in hand for long; then those that wait behind it come."""
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1
            self._heard_at = time.monotonic()

    def was_ahead(self, received_at: float) -> bool:
        """Whether the wall clock has been put back: an event came at a time that is long over, and it is so again.

        Args:
            received_at: when the event came, in Unix seconds. It may have waited here since.
        """
        over = self.time - _BACK_SECONDS
        return received_at < over and time.time() < over

    def now(self) -> float:
        """What time it is, in Unix seconds."""
        quiet = 0.0 if self._in_hand else min(time.monotonic() - self._heard_at, self._consuming_seconds())
        wall = time.time() - _GRACE_SECONDS
        return max(self.time, wall if quiet >= QUIET_SECONDS else min(wall, self.time + quiet))

    @property
    def is_behind(self) -> bool:
        """Whether it is later by the wall clock, to which it goes over when nothing more comes."""
        return self.now() < time.time() - _GRACE_SECONDS
