# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The deadlines: ends calls that take too long, with two timers for all calls of a handler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from wazo_busd.work import Work

_GRACE_SECONDS = 5.0
"""How long a call may take to end after it was cancelled."""


class Deadlines:
    """Watches the calls of one handler. All have the same time, so the first that began is the first that is late.

    Args:
        seconds: how long a call may take.
        expire: told of a call that has taken so long: it is to be cancelled.
        abandon: told of a call that goes on, seconds after it was: it is to be given up.
    """

    def __init__(self, seconds: float, *, expire: Callable[[Work], None], abandon: Callable[[Work], None]) -> None:
        self._seconds = seconds
        self._expire = expire
        self._abandon = abandon
        self._running: dict[Work, float] = {}
        self._late: dict[Work, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        """For the first that runs, or one that began before it."""
        self._late_timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def began(self, work: Work, now: float) -> None:
        """A call begins.

        Args:
            work: what is tried by it.
            now: the time, on the monotonic clock.
        """
        self._running[work] = now
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._seconds, self._look)

    def ended(self, work: Work) -> None:
        """A call has ended, in time or not."""
        if self._running.pop(work, None) is None:
            self._late.pop(work, None)

    def close(self) -> None:
        """Watch no longer."""
        self._running.clear()
        self._late.clear()
        for timer in (self._timer, self._late_timer):
            if timer is not None:
                timer.cancel()

    def _look(self) -> None:
        """End those that have taken too long."""
        now = time.monotonic()
        try:
            for work, began in list(self._running.items()):
                if began + self._seconds > now:
                    break
                if self._running.pop(work, None) is not None:
                    self._late[work] = now
                    self._expire(work)
        finally:
            # Also after a mistake of ours: the other calls are still to be ended.
            self._timer = None
            if self._running:
                self._timer = self._loop.call_at(_first(self._running) + self._seconds, self._look)
            # A timer of its own: the next call that begins may have to be ended long before this one is given up.
            if self._late and self._late_timer is None:
                self._late_timer = self._loop.call_at(_first(self._late) + _GRACE_SECONDS, self._look_at_late)

    def _look_at_late(self) -> None:
        """Give up those that go on."""
        now = time.monotonic()
        try:
            for work, since in list(self._late.items()):
                if since + _GRACE_SECONDS > now:
                    break
                if self._late.pop(work, None) is not None:
                    self._abandon(work)
        finally:
            self._late_timer = None
            if self._late:
                self._late_timer = self._loop.call_at(_first(self._late) + _GRACE_SECONDS, self._look_at_late)


def _first(begun: dict[Work, float]) -> float:
    return next(iter(begun.values()))
