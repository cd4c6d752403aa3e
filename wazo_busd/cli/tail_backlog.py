# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The backlog of `wazo-busd tail`: what was heard and is not printed yet. It never grows without end."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from wazo_busd.amqp import Cut

MOST_EVENTS = 20_000
MOST_BYTES = 64 * 1024 * 1024


class Taken(NamedTuple):
    """What is to be printed next.

    Attributes:
        skipped: how many events were thrown away right before these.
        cuts: each with the time when it came, Unix seconds; nothing when there will be no more.
    """

    skipped: int
    cuts: list[tuple[float, Cut]]


class Backlog:
    """Between the loop, which hears, and the thread, which prints and may be held up by a slow terminal.

    Where printing falls behind, the oldest are thrown away, and counted.

    Args:
        most_events: how many wait here at most.
        most_bytes: how many bytes of bodies wait here at most.
    """

    def __init__(self, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_events = most_events
        self._most_bytes = most_bytes
        self._waiting: deque[tuple[float, Cut]] = deque()
        self._bytes = 0
        self._skipped = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, cuts: Iterable[Cut], now: float) -> None:
        """Add what came at `now`, Unix seconds; after it was closed nothing is added."""
        with self._changed:
            if self._is_closed:
                return
            for cut in cuts:
                self._waiting.append((now, cut))
                self._bytes += len(cut.body)
            while len(self._waiting) > self._most_events or (self._bytes > self._most_bytes and len(self._waiting) > 1):
                _, oldest = self._waiting.popleft()
                self._bytes -= len(oldest.body)
                self._skipped += 1
            self._changed.notify()

    def take(self, most: int) -> Taken:
        """Wait for what comes next.

        Args:
            most: how many are given at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            cuts = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            self._bytes -= sum(len(cut.body) for _, cut in cuts)
            skipped, self._skipped = self._skipped, 0
            return Taken(skipped, cuts)

    def close(self) -> None:
        """There will be no more; what waits can still be taken."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def clear(self) -> int:
        """Throw away what waits.

        Returns:
            How many these were.
        """
        with self._changed:
            count = len(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            return count
