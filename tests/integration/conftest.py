# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A bus on a real broker, and a service that publishes there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker
from tests.support import Collected, Service, eventually
from wazo_busd.amqp import AmqpBus
from wazo_busd.bus import ConsumerState
from wazo_busd.config import BusConfig, QueueConfig
from wazo_busd.delivery import Delivery, History
from wazo_busd.topology import Hub


class Station:
    """A running bus on a broker."""

    def __init__(self, config: BusConfig, state_dir: Path) -> None:
        self.config = config
        self.changed = asyncio.Event()
        self.bus = AmqpBus(config, state_dir, self.changed.set)
        self.hub = Hub(config.namespace)
        self._task = asyncio.create_task(self.bus.run())

    async def attach(
        self, handler: str, *patterns: str, delays_seconds: Iterable[float] = (), **queue: Any
    ) -> Collected:
        """Attach a handler and return when it consumes."""
        collected = self.attach_soon(handler, *patterns, delays_seconds=delays_seconds, **queue)
        await self.consuming(handler)
        return collected

    def attach_soon(
        self, handler: str, *patterns: str, delays_seconds: Iterable[float] = (), **queue: Any
    ) -> Collected:
        """Attach a handler."""
        collected = Collected()
        wanted = self.hub.handler_queue(handler, patterns, QueueConfig(**queue), delays_seconds)
        self.bus.attach(wanted, collected.accept)
        return collected

    async def consuming(self, handler: str) -> None:
        """Wait until a handler consumes."""
        await self.reached(handler, ConsumerState.CONSUMING)

    async def reached(self, handler: str, state: ConsumerState) -> None:
        """Wait until a handler's queue is in a state."""
        await eventually(lambda: self.state(handler) is state, self.changed)

    async def told(self, text: str) -> str:
        """Wait until the summary has a text in it."""
        await eventually(lambda: text in self.bus.status().summary, self.changed)
        return self.bus.status().summary

    async def detail(self, handler: str, text: str) -> str:
        """Wait until the detail of a handler's status has a text in it."""
        await eventually(lambda: text in self.bus.status().consumers[handler].detail, self.changed)
        return self.bus.status().consumers[handler].detail

    def state(self, handler: str) -> ConsumerState:
        return self.bus.status().consumers[handler].state

    async def close(self) -> None:
        if self._task.done():
            return
        for handler in list(self.bus.status().consumers):
            await self.bus.cancel(handler)
            await self.bus.detach(handler, 1.0)
        await self.bus.close()
        await self._task


def history_of(delivery: Delivery) -> History:
    """What the copy of an event says that has failed once more, and is to be tried again in a moment."""
    before = delivery.history
    return History(
        event_id=delivery.event_id,
        attempts=before.attempts + 1 if before else 1,
        rounds=before.rounds + 1 if before else 1,
        first_at=before.first_at if before else 1_700_000_000.0,
        first_error=before.first_error if before else 'ValueError: it does not fit',
        due_at=time.time() + 0.05,
    )


MakeStation = Callable[..., Awaitable[Station]]


@pytest.fixture
async def make_station(tmp_path: Path) -> AsyncIterator[MakeStation]:
    """Makes running buses; they are closed in the end."""
    stations: list[Station] = []

    async def make(broker: Broker, **config: Any) -> Station:
        given = {'host': broker.host, 'port': broker.port, 'vhost': broker.vhost, **config}
        stations.append(Station(BusConfig(**given), tmp_path))
        return stations[-1]

    yield make
    for station in stations:
        await station.close()


@pytest.fixture
async def station(broker: Broker, make_station: MakeStation) -> Station:
    """A running bus."""
    return await make_station(broker)


@pytest.fixture
async def service(broker: Broker) -> AsyncIterator[Service]:
    """Someone who publishes."""
    async with Service(broker) as service:
        yield service
