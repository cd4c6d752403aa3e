# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The ear on a real broker: what it hears, what it makes there, what it may, and what it says of faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from tests.conftest import Broker
from tests.integration.conftest import MakeStation, Station
from tests.integration.test_topology import DOCUMENTED, _add_user, _declare_upstreams
from tests.support import Service, eventually, eventually_async
from wazo_busd.amqp import Cut, Ear
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError


class Hearing:
    """An ear, and what it hears and tells."""

    def __init__(self, broker: Broker, directory: Path, patterns: Sequence[str], **config: Any) -> None:
        self.cuts: list[Cut] = []
        self.told: list[str] = []
        self._changed = asyncio.Event()
        given = {'host': broker.host, 'port': broker.port, 'vhost': broker.vhost, **config}
        self.ear = Ear(BusConfig(**given), directory, patterns, self._hear, self._tell)
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self.ear.open()
        self._task = asyncio.create_task(self.ear.run())

    async def keys(self, count: int) -> list[bytes]:
        """Wait for the keys of the first events."""
        await eventually(lambda: len(self.cuts) >= count, self._changed)
        return [cut.routing_key for cut in self.cuts]

    async def says(self, text: str) -> str:
        """Wait until it tells something."""
        await eventually(lambda: any(text in each for each in self.told), self._changed)
        return next(each for each in self.told if text in each)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.ear.close()

    def _hear(self, cuts: list[Cut]) -> None:
        self.cuts += cuts
        self._changed.set()

    def _tell(self, text: str) -> None:
        self.told.append(text)
        self._changed.set()


Listen = Callable[..., Hearing]


@pytest.fixture
async def listen(broker: Broker, tmp_path: Path) -> AsyncIterator[Listen]:
    """Makes ears; they are closed in the end."""
    made: list[Hearing] = []

    def make(*patterns: str, **config: Any) -> Hearing:
        made.append(Hearing(broker, tmp_path, patterns or ('#',), **config))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_both_exchanges_are_heard(service: Service, listen: Listen, way: str) -> None:
    hearing = listen()
    await hearing.open()
    await service.send('xivo', 'auth.users.1.created', b'{}', {'name': 'x'})
    await service.send('wazo-headers', 'calls.call.created', b'{}', {'name': 'y'})

    assert sorted(await hearing.keys(2)) == [b'auth.users.1.created', b'calls.call.created']


async def test_only_what_is_asked_for_comes(service: Service, listen: Listen) -> None:
    hearing = listen('calls.#')
    await hearing.open()
    await service.send('wazo-headers', 'ami.Hangup', b'{}', {})
    await service.send('wazo-headers', 'calls.missed', b'{}', {})

    assert await hearing.keys(1) == [b'calls.missed']


async def test_nothing_is_taken_away_from_a_handler(
    service: Service, listen: Listen, make_station: MakeStation, broker: Broker
) -> None:
    calls = await (await make_station(broker)).attach('calls', 'calls.#')
    hearing = listen('calls.#')
    await hearing.open()
    await service.send('wazo-headers', 'calls.missed', b'{}', {})
    await hearing.keys(1)

    assert len(await calls.count(1)) == 1


async def test_its_queue_is_exclusive_and_goes_by_itself(broker: Broker, listen: Listen) -> None:
    hearing = listen()
    await hearing.open()
    table = broker.node.ctl('list_queues', '-p', broker.vhost, 'name', 'exclusive', 'auto_delete', 'durable')
    row = next(line.split('\t') for line in table.splitlines() if line.startswith('wazo-busd.tail-'))

    assert row == [hearing.ear.queue, 'true', 'true', 'false']


async def test_its_queue_is_bounded_and_drops_the_oldest(broker: Broker, listen: Listen) -> None:
    hearing = listen()
    await hearing.open()
    table = broker.node.ctl('list_queues', '-p', broker.vhost, 'name', 'arguments')
    (row,) = [line for line in table.splitlines() if line.startswith('wazo-busd.tail-')]

    assert [each for each in ('x-max-length', 'x-max-length-bytes', 'drop-head') if each not in row] == []


async def test_nothing_of_it_is_left(broker: Broker, listen: Listen) -> None:
    hearing = listen()
    await hearing.open()
    await hearing.close()

    assert 'tail-' not in broker.node.ctl('list_queues', '-p', broker.vhost, 'name')


async def test_where_the_daemon_never_ran_the_hub_is_made_and_that_is_said(listen: Listen) -> None:
    hearing = listen()
    await hearing.open()

    assert hearing.told == [
        'the exchange wazo-busd was not there: it is made, and bound to xivo and wazo-headers, as the daemon does'
    ]


async def test_where_the_daemon_ran_nothing_is_said(listen: Listen, station: Station) -> None:
    await station.attach('calls', 'calls.#')
    hearing = listen()
    await hearing.open()

    assert hearing.told == []


async def test_least_privilege_is_enough(broker: Broker, service: Service, listen: Listen) -> None:
    await _declare_upstreams(service)
    hearing = listen('calls.#', username=_add_user(broker, *DOCUMENTED), password='secret')
    await hearing.open()
    await service.send('wazo-headers', 'calls.missed', b'{}', {})

    assert await hearing.keys(1) == [b'calls.missed']


async def test_an_upstream_that_is_missing_is_told_and_bound_when_it_is_there(
    broker: Broker, service: Service, listen: Listen
) -> None:
    hearing = listen('calls.#', username=_add_user(broker, *DOCUMENTED), password='secret')
    await hearing.open()
    await hearing.says('the exchange wazo-headers does not exist')
    await _declare_upstreams(service)
    await hearing.says('events come from both exchanges of Wazo now')
    await service.send('wazo-headers', 'calls.missed', b'{}', {})

    assert await hearing.keys(1) == [b'calls.missed']


async def test_a_missing_right_is_told_with_the_command_that_gives_it(
    broker: Broker, service: Service, listen: Listen
) -> None:
    await _declare_upstreams(service)
    hearing = listen(username=_add_user(broker, '^$', '^$', '^$'), password='secret')

    with pytest.raises(BusError, match='rabbitmqctl set_permissions'):
        await hearing.open()


async def test_a_broker_that_is_away_is_told(listen: Listen) -> None:
    with pytest.raises(BusError, match=r'nothing listens on .*; systemctl status rabbitmq-server'):
        await listen(port=1).open()


async def test_a_lost_connection_is_told_and_made_again(broker: Broker, service: Service, listen: Listen) -> None:
    hearing = listen('calls.#')
    await hearing.open()
    link = hearing.ear.link
    assert link is not None
    link.transport.abort()
    await hearing.says('listening again, on ')
    await service.send('wazo-headers', 'calls.missed', b'{}', {})

    assert (await hearing.keys(1), 'what comes meanwhile is not heard' in await hearing.says('not listening')) == (
        [b'calls.missed'],
        True,
    )


async def test_a_hub_that_is_deleted_is_told_and_made_again(broker: Broker, service: Service, listen: Listen) -> None:
    hearing = listen('calls.#')
    await hearing.open()
    await service.channel.exchange_delete('wazo-busd')
    told = await hearing.says('was deleted')
    await hearing.says('listening again, on ')
    await service.send('wazo-headers', 'calls.missed', b'{}', {})

    assert (await hearing.keys(1), told.split(';')[0]) == (
        [b'calls.missed'],
        'not listening any more: the exchange wazo-busd was deleted',
    )


async def test_nothing_but_the_hub_is_made(listen: Listen, service: Service) -> None:
    await listen().open()

    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await service.channel.declare_exchange('wazo-busd.return', passive=True)


async def test_a_hub_that_somebody_else_has_made_again_is_heard(listen: Listen, service: Service) -> None:
    hearing = listen('calls.#')
    await hearing.open()
    await service.channel.exchange_delete('wazo-busd')
    hub = await service.channel.declare_exchange('wazo-busd', aio_pika.ExchangeType.TOPIC, durable=True)
    await hub.bind('xivo', '#')

    async def is_heard() -> bool:
        await service.send('xivo', 'calls.missed', b'{}', {})
        return bool(hearing.cuts)

    await eventually_async(is_heard)
    assert not any('was deleted' in each for each in hearing.told)


async def test_a_hub_that_is_gone_is_left_to_the_daemon_to_make(
    listen: Listen, station: Station, service: Service
) -> None:
    # Which has begun after the ear was made.
    hearing = listen()
    calls = await station.attach('calls', 'calls.#')
    await service.channel.exchange_delete('wazo-busd')
    await hearing.open()
    await service.send('xivo', 'calls.missed', b'{}', {})

    await calls.count(1)


async def test_a_queue_that_an_administrator_deletes_is_made_again(
    broker: Broker, service: Service, listen: Listen
) -> None:
    hearing = listen('calls.#')
    await hearing.open()
    broker.node.ctl('delete_queue', '-p', broker.vhost, hearing.ear.queue)
    await hearing.says('somebody has deleted the queue')
    await hearing.says('listening again, on ')
    await service.send('wazo-headers', 'calls.missed', b'{}', {})

    assert await hearing.keys(1) == [b'calls.missed']
