# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The two buses, behind one face."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker
from tests.support import Collected, Service, eventually, eventually_async
from wazo_busd.amqp import AmqpBus
from wazo_busd.bus import NOT_STARTED, Bus, ConsumerState, ConsumerStatus
from wazo_busd.codec import encode
from wazo_busd.config import BusConfig, QueueConfig
from wazo_busd.memory import MemoryBus
from wazo_busd.topology import Hub

PREFETCH = 8

DELAYS_SECONDS = (0.1,)


class World(ABC):
    """A running bus, someone who publishes on it, and someone who looks into its queues."""

    def __init__(self, bus: Callable[[Callable[[], None]], Bus], hub: Hub) -> None:
        self.hub = hub
        self.changed = asyncio.Event()
        self.bus = bus(self.changed.set)

    @abstractmethod
    async def send(self, exchange: str, routing_key: str, data: Any = None, **headers: Any) -> None:
        """Publish an event; when this returns, it is in the queues."""

    @abstractmethod
    async def dead_letters(self, handler: str, number: int) -> list[tuple[bytes, str]]:
        """Body and error class of a handler's dead letters, when there are so many."""

    async def attach(self, handler: str, *patterns: str, gather: bool = False) -> Collected:
        """Attach a handler; return when it consumes, or, with `gather`, when its queue is there."""
        collected = Collected()
        queue = self.hub.handler_queue(handler, patterns, QueueConfig(), DELAYS_SECONDS)
        self.bus.attach(queue, None if gather else collected.accept)

        def is_there() -> bool:
            status = self.bus.status().consumers.get(handler)
            if status is None:
                return False
            return status.detail == NOT_STARTED if gather else status.state is ConsumerState.CONSUMING

        await eventually(is_there, self.changed)
        return collected

    async def limit(self, handler: str, count: int | None, reason: str = '') -> None:
        """Say how many deliveries a handler takes; return when that is so."""
        self.bus.limit(handler, count, reason)
        state = ConsumerState.PAUSED if count == 0 else ConsumerState.CONSUMING
        await eventually(lambda: self.bus.status().consumers[handler] == ConsumerStatus(state, reason), self.changed)


class MemoryWorld(World):
    """The bus in memory."""

    def __init__(self) -> None:
        super().__init__(self._make, Hub('wazo-busd'))

    def _make(self, on_change: Callable[[], None]) -> Bus:
        self._memory = MemoryBus(prefetch=PREFETCH, on_change=on_change)
        return self._memory

    async def send(self, exchange: str, routing_key: str, data: Any = None, **headers: Any) -> None:
        self._memory.send(exchange, routing_key, encode({'data': data}), headers)

    async def dead_letters(self, handler: str, number: int) -> list[tuple[bytes, str]]:
        await eventually(lambda: len(self._memory.dead_letters.get(handler, [])) >= number)
        return [(each.body, each.reason.error) for each in self._memory.dead_letters[handler]]


class RabbitmqWorld(World):
    """The bus on a real broker."""

    def __init__(self, broker: Broker, service: Service, state_dir: Path) -> None:
        config = BusConfig(host=broker.host, port=broker.port, vhost=broker.vhost, prefetch=PREFETCH)
        super().__init__(partial(AmqpBus, config, state_dir), Hub(config.namespace))
        self._service = service

    async def send(self, exchange: str, routing_key: str, data: Any = None, **headers: Any) -> None:
        await self._service.send(exchange, routing_key, encode({'data': data}), headers)

    async def dead_letters(self, handler: str, number: int) -> list[tuple[bytes, str]]:
        queue = f'{self.hub.queue_name(handler)}.dead'

        async def are_there() -> bool:
            return await self._service.depth(queue) >= number

        await eventually_async(are_there)
        return [(each.body, str(each.headers['busd-error'])) for each in await self._service.take(queue)]


@pytest.fixture(params=['memory', 'rabbitmq', 'rabbitmq-fallback'])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Each of the two buses in turn, RabbitMQ by both ways that deliveries can come by."""
    if request.param == 'memory':
        async with _running(MemoryWorld()) as running:
            yield running
        return
    if request.param == 'rabbitmq-fallback':
        monkeypatch.setenv('WAZO_BUSD_TAP', 'off')
    broker = request.getfixturevalue('broker')
    async with Service(broker) as service, _running(RabbitmqWorld(broker, service, tmp_path)) as running:
        yield running


@asynccontextmanager
async def _running(world: World) -> AsyncIterator[World]:
    task = asyncio.create_task(world.bus.run())
    await eventually(lambda: world.bus.status().connected, world.changed)
    yield world
    for handler in list(world.bus.status().consumers):
        await world.bus.cancel(handler)
        await world.bus.detach(handler, 1.0)
    await world.bus.close()
    await task
