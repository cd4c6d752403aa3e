# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The show: plays the day on the bus, at speed, and tells when all of it is done with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from wazo_busd.bus import Bus, Gap
from wazo_busd.codec import encode
from wazo_busd.config import Config
from wazo_busd.demo.bus import DemoBus
from wazo_busd.demo.day import Day

START = datetime(2026, 5, 4, 8)  # noqa: DTZ001 — local time, as the services of a host send it
_BROKEN_AFTER_SECONDS = 3600.0
_BROKEN = b'{"name": "call_created", "data": {'
"""What a service sent that ran out of memory: half of an event."""
_AT_ONCE = 50
_TURN_SECONDS = 0.005
_LATE_SECONDS = 0.02
_LOOK_SECONDS = 0.02
_LOOKS = 3


class Opened(Protocol):
    """What is open while the show goes on."""

    async def open(self) -> None:
        """Open it."""


class Show:
    """One time that the day is played.

    Args:
        seed: which day.
        hours: how long the day is.
        speed: how many times as fast as it was; `None` for as fast as it goes.
        office: is open meanwhile.
        when_over: called when all of it is done with.
    """

    def __init__(
        self, seed: int, hours: float, speed: float | None, office: Opened, when_over: Callable[[], None]
    ) -> None:
        self._hours = hours
        self.events = 0
        """How many events were published."""
        self.bus: DemoBus | None = None
        self.is_over = False
        self._day = Day(seed, 'now', start=START)
        self._speed = speed
        self._office = office
        self._when_over = when_over
        self._at_seconds = 0.0
        self._due = 0.0
        """When the next event is to be published, on the monotonic clock."""
        self._playing: asyncio.Task[None] | None = None
        """Kept, as nobody else would."""

    @property
    def time(self) -> str:
        """What time it is on that day."""
        return (START + timedelta(seconds=self._at_seconds)).strftime('%H:%M:%S')

    @property
    def until(self) -> str:
        """How late it was when it was over, or is now."""
        return (START + timedelta(hours=self._hours)).strftime('%H:%M') if self.is_over else self.time[:5]

    def _now(self) -> float:
        return START.timestamp() + self._at_seconds

    def make_bus(self, config: Config, on_change: Callable[[], None], on_gap: Callable[[Gap], None]) -> Bus:
        """The bus, on which the day begins when all handlers have started; see `wazo_busd.bus.MakeBus`."""
        self.bus = DemoBus(config.bus.namespace, on_change=on_change, clock=self._now)
        self._playing = asyncio.create_task(self._play(self.bus, len(config.handlers)), name='the day')
        return self.bus

    async def _play(self, bus: DemoBus, handlers: int) -> None:
        await self._office.open()
        while bus.consuming < handlers:  # noqa: ASYNC110 — who looks is told by nobody
            await asyncio.sleep(_LOOK_SECONDS)
        self._due = time.monotonic()
        is_broken = False
        for moment in self._day:
            if moment.at_seconds > self._hours * 3600:
                break
            await self._wait(bus, moment.at_seconds)
            self._at_seconds = moment.at_seconds
            if not is_broken and moment.at_seconds > _BROKEN_AFTER_SECONDS:
                is_broken = True
                bus.send('wazo-headers', 'calls.call.created', _BROKEN, {'name': 'call_created'})
                self.events += 1
            said = moment.publication
            bus.send(said.exchange, said.routing_key, encode(said.body), dict(said.headers))
            self.events += 1
        await self._settle(bus)
        self.is_over = True
        self._when_over()

    async def _wait(self, bus: DemoBus, at_seconds: float) -> None:
        """Wait until it is so late, at the speed of the show; without one, until handlers have taken most of it."""
        if self._speed is None:
            if self.events % _AT_ONCE == 0:
                while bus.waiting > 10 * _AT_ONCE:  # noqa: ASYNC110 — who looks is told by nobody
                    await asyncio.sleep(_TURN_SECONDS)
            return
        # What has made the day late, such as a library that is loaded, is not made up for: people could not read it.
        self._due = max(self._due + (at_seconds - self._at_seconds) / self._speed, time.monotonic() - _LATE_SECONDS)
        left = self._due - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)

    async def _settle(self, bus: DemoBus) -> None:
        """Wait until all that was published, and what followed from it, is done with."""
        looks = 0
        while looks < _LOOKS:
            await asyncio.sleep(_LOOK_SECONDS)
            looks = 0 if bus.waiting else looks + 1
