# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gathering: lets a few deliveries come together before they are read, as a network card gathers interrupts.

At a steady thousand events a second, what costs most is not the events but to wake up for each of them: to read, to
acknowledge and to write for one event what could be done for five. So while they come fast, reading rests for a moment
after each batch. While they come slowly each is read at once, and while they come as fast as they can be handled they
gather by themselves.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

_ENOUGH = 32
"""Where a read brought so many, they gather by themselves."""

_LEAST_EXPECTED = 2.0
"""Fewer than this are not worth waiting for."""

_SHORTEST_SECONDS = 0.0006
"""A rest that is shorter is none: the loop counts in milliseconds."""

_MEMORY_SECONDS = 0.04
"""What came so long ago counts a third in the rate. Deliveries come unevenly, several at a time and then none for some
milliseconds, so a shorter memory would take a busy bus for a quiet one each time."""


class Gathering:
    """Decides, after each read, whether reading is to rest.

    Args:
        max_latency_seconds: how long it may rest; 0 never lets it.
        pause: stops reading.
        resume: reads again.
        call_later: calls something after a number of seconds, as the loop does.
    """

    def __init__(
        self,
        max_latency_seconds: float,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle],
    ) -> None:
        self._max_latency_seconds = max_latency_seconds
        self._pause = pause
        self._resume = resume
        self._call_later = call_later
        self._read_at = -math.inf
        self._is_awaited = False
        self._rate = 0.0
        """How many deliveries came a second lately."""
        self._timer: asyncio.TimerHandle | None = None

    def came(self, count: int, now: float) -> None:
        """Deliveries were read.

        Args:
            count: how many.
            now: when, on the loop's clock.
        """
        latency = self._max_latency_seconds
        if not latency:
            return
        faded = math.exp((self._read_at - now) / _MEMORY_SECONDS)
        self._rate = self._rate * faded + count / _MEMORY_SECONDS
        self._read_at = now
        is_awaited, self._is_awaited = self._is_awaited, False
        if is_awaited or count >= _ENOUGH or self._timer is not None:
            return
        if self._rate * latency <= _LEAST_EXPECTED:
            return
        # No longer than until there are enough: the broker gives out no more than the prefetch, and would wait. At full
        # speed that was half of what can be handled.
        rest = min(latency, _ENOUGH / self._rate)
        if rest >= _SHORTEST_SECONDS:
            self._pause()
            self._timer = self._call_later(rest, self._go_on)

    @property
    def is_on(self) -> bool:
        """Whether reading rests."""
        return self._timer is not None

    def read_on(self) -> None:
        """Do not rest after the present read: the broker waits until what it brought is acknowledged."""
        self._is_awaited = True

    def close(self) -> None:
        """Nothing is read any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _go_on(self) -> None:
        self._timer = None
        self._resume()
