# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A queue is made anew on a real broker, killed again and again, while somebody publishes."""

from __future__ import annotations

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.conftest import Broker
from tests.integration.conftest import MakeStation, Station, history_of
from tests.support import Service, eventually_async
from wazo_busd.amqp import Queues, Relocation, found, places
from wazo_busd.amqp.carrier import Binding
from wazo_busd.amqp.copy import Copy
from wazo_busd.config import BusConfig, QueueConfig
from wazo_busd.errors import BusError
from wazo_busd.outcome import Outcome
from wazo_busd.topology import Hub

HUB = Hub('wazo-busd')
WANTED = HUB.handler_queue('crm', ['calls.#'], QueueConfig(max_length=100_000, expires=3 * 86_400.0))
OWN, DEAD = places(WANTED, HUB)


KILLS = ((6, None), (None, 30), (13, None), (16, None), (None, 90), (12, None))
"""At which request, or after which publication, each run is killed."""


class Mortal(Queues):
    """Whose process is killed, at a request or at a publication that is confirmed."""

    def __init__(self, config: BusConfig, state_dir: Path, request: int | None, publication: int | None) -> None:
        super().__init__(config, state_dir)
        self.kill_at_request, self.kill_at_publication = request, publication
        self.requests = self.publications = 0

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._publish, self._carrier._publish = self._carrier._publish, self._confirmed  # type: ignore[method-assign]
        return self

    def _request(self, name: str) -> AbstractAsyncContextManager[Any]:
        self.requests += 1
        if self.kill_at_request is not None and self.requests >= self.kill_at_request:
            self._die()
        return super()._request(name)

    async def look(self, name: str) -> Any:
        self._request(name)
        return await super().look(name)

    async def _confirmed(self, made: Copy, binding: Binding) -> None:
        await self._publish(made, binding)
        self.publications += 1
        if self.kill_at_publication is not None and self.publications >= self.kill_at_publication:
            self._die()

    def _die(self) -> None:
        self._link.abort()
        raise BusError('killed')


class Publisher:
    """Publishes numbered events until it is told to stop."""

    def __init__(self, service: Service) -> None:
        self.count = 0
        self._service = service
        self._stopping = asyncio.Event()

    async def publish(self, count: int) -> None:
        for _ in range(count):
            body = json.dumps({'data': self.count}).encode()
            await self._service.send('wazo-headers', 'calls.call.created', body, {'name': 'call_created'})
            self.count += 1

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            await self.publish(1)
            await asyncio.sleep(0.002)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way for long here."""
    monkeypatch.setattr('wazo_busd.amqp.relocation._SETTLE_SECONDS', 0.1)


async def old_queue(station: Station) -> None:
    """Leave the queue of another kind behind, with a retry of the first of its events on the way."""
    await station.attach('crm', 'calls.#', delays_seconds=[2.0])
    await station.bus.cancel('crm')
    await station.bus.detach('crm', 1.0)


async def test_nothing_is_lost_though_it_is_killed_again_and_again_while_somebody_publishes(
    broker: Broker, make_station: MakeStation, service: Service, tmp_path: Path
) -> None:
    station = await make_station(broker, prefetch=60_000)
    await old_queue(station)
    publisher = Publisher(service)
    await publisher.publish(100)
    config = BusConfig(host=broker.host, port=broker.port, vhost=broker.vhost)
    killed = 0
    async with publisher:
        for request, publication in KILLS:
            queues = Mortal(config, tmp_path, request, publication)
            try:
                async with queues:
                    await queues.unless_lost(Relocation(queues, OWN).run())
            except BusError:
                killed += 1
        async with Queues(config, tmp_path) as alive:
            moved = await Relocation(alive, OWN).run()
            await Relocation(alive, DEAD).run()

    new = await station.attach('crm', 'calls.#', max_length=100_000, expires=3 * 86_400.0)
    deliveries = await new.count(publisher.count)
    await eventually_async(lambda: _has(new.bodies, publisher.count))
    first = deliveries[0]
    assert (killed, moved > 0) == (len(KILLS), True)
    assert (first.exchange, first.routing_key, first.history, dict(first.properties.headers)) == (
        'wazo-headers',
        'calls.call.created',
        None,
        {'name': 'call_created'},
    )


async def _has(bodies: list[Any], count: int) -> bool:
    return {each['data'] for each in bodies} >= set(range(count))


async def test_tries_and_dead_letters_go_along_with_their_history(
    broker: Broker, make_station: MakeStation, service: Service, tmp_path: Path
) -> None:
    station = await make_station(broker)
    old = await station.attach('crm', 'calls.#', delays_seconds=[2.0])
    await service.send('wazo-headers', 'calls.call.created', b'{"data": 1}', {})
    (delivery,) = await old.count(1)
    delivery.settle(Outcome.RETRY, history=history_of(delivery))
    (*_, again) = await old.count(2)
    await station.bus.cancel('crm')
    await station.bus.detach('crm', 1.0)
    async with Queues(BusConfig(host=broker.host, port=broker.port, vhost=broker.vhost), tmp_path) as queues:
        before = await found(queues, OWN)
        await Relocation(queues, OWN).run()
        await Relocation(queues, DEAD).run()
        after = await found(queues, OWN)

    new = await station.attach('crm', 'calls.#', max_length=100_000, expires=3 * 86_400.0)
    (moved,) = await new.count(1)
    assert (moved.history, moved.body) == (again.history, b'{"data": 1}')
    assert ([each.argument for each in before.differences or ()], after.differences) == (
        ['x-expires', 'x-max-length'],
        (),
    )
