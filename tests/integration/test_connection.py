# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The connection to a real broker: what keeps it away is told, and when it is cured the bus goes on."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Broker
from tests.integration.conftest import MakeStation, Station
from tests.proxy import Proxy
from tests.support import PATIENCE_SECONDS, Service, eventually, reason_for
from wazo_busd.bus import ConsumerState
from wazo_busd.outcome import Outcome


async def test_a_broker_that_is_away_is_told_with_what_to_type(broker: Broker, make_station: MakeStation) -> None:
    station = await make_station(broker, port=1)

    assert (await station.told('nothing listens')).endswith('systemctl status rabbitmq-server')


async def test_a_wrong_password_is_told(broker: Broker, make_station: MakeStation) -> None:
    station = await make_station(broker, password='wrong')

    assert "refuses the user 'guest' or its password" in await station.told('refuses')


async def test_a_vhost_that_is_missing_is_told_and_used_when_it_is_there(
    broker: Broker, make_station: MakeStation
) -> None:
    station = await make_station(broker, vhost=f'{broker.vhost}-later')
    station.attach_soon('calls', 'calls.#')
    summary = await station.told('has no vhost')

    broker.node.add_vhost(f'{broker.vhost}-later')

    await station.consuming('calls')
    assert f"rabbitmqctl add_vhost '{broker.vhost}-later'" in summary


async def test_a_vhost_that_is_forbidden_is_told(broker: Broker, make_station: MakeStation) -> None:
    broker.node.add_user(f'user-{broker.vhost}', 'secret')
    station = await make_station(broker, username=f'user-{broker.vhost}', password='secret')

    assert 'rabbitmqctl set_permissions' in await station.told('may not use the vhost')


async def test_several_hosts_are_tried_in_turn(broker: Broker, make_station: MakeStation) -> None:
    station = await make_station(broker, hosts=['localhost:1', f'{broker.host}:{broker.port}'])

    await station.told(f'connected to {broker.host}:{broker.port}')


async def test_a_connection_that_the_broker_closes_is_made_again(
    broker: Broker, station: Station, service: Service
) -> None:
    calls = await station.attach('calls', 'calls.#')
    broker.node.evaluate('rabbit_networking:close_all_connections(<<"by a test">>)')
    await eventually(lambda: station.state('calls') is not ConsumerState.CONSUMING, station.changed)
    await station.consuming('calls')

    async with Service(broker) as again:
        await again.send('xivo', 'calls.missed', b'{}', {})
        await calls.count(1)


async def test_an_unsettled_event_comes_again_over_the_next_connection(broker: Broker, station: Station) -> None:
    calls = await station.attach('calls', 'calls.#')
    async with Service(broker) as service:
        await service.send('xivo', 'calls.missed', b'{"data":1}', {})
        (first,) = await calls.count(1)
        broker.node.evaluate('rabbit_networking:close_all_connections(<<"by a test">>)')
        _, second = await calls.count(2)

        first.settle(Outcome.DONE)
        second.settle(Outcome.DONE)
        assert (second.redelivered, second.body) == (True, b'{"data":1}')


async def test_a_dead_letter_survives_the_connection_it_was_made_on(broker: Broker, station: Station) -> None:
    calls = await station.attach('calls', 'calls.#')
    async with Service(broker) as service:
        await service.send('xivo', 'calls.missed', b'{"data":1}', {})
        (first,) = await calls.count(1)
        broker.node.evaluate('rabbit_networking:close_all_connections(<<"by a test">>)')
        first.settle(Outcome.DEAD, reason=reason_for('calls'))
        _, second = await calls.count(2)
        second.settle(Outcome.DEAD, reason=reason_for('calls'))
    async with Service(broker) as service:
        found: list[bytes] = []
        while not found:
            found = [each.body for each in await service.take('wazo-busd.calls.dead')]

        assert set(found) == {b'{"data":1}'}


async def test_a_queue_that_is_deleted_is_made_again(broker: Broker, station: Station, service: Service) -> None:
    calls = await station.attach('calls', 'calls.#')

    await service.channel.queue_delete('wazo-busd.calls')
    await eventually(lambda: station.state('calls') is not ConsumerState.CONSUMING, station.changed)
    await station.consuming('calls')
    await service.send('xivo', 'calls.missed', b'{}', {})

    await calls.count(1)


async def test_a_dead_letter_queue_that_is_deleted_is_made_again(
    broker: Broker, station: Station, service: Service
) -> None:
    calls = await station.attach('calls', 'calls.#')
    await service.channel.queue_delete('wazo-busd.calls.dead')
    await service.send('xivo', 'calls.missed', b'{}', {})
    (delivery,) = await calls.count(1)

    delivery.settle(Outcome.DEAD, reason=reason_for('calls'))
    await station.bus.cancel('calls')
    await station.bus.detach('calls', 20.0)

    assert len(await service.take('wazo-busd.calls.dead')) == 1


@pytest.mark.parametrize('exchange', ['xivo', 'wazo-headers', 'wazo-busd'])
async def test_an_exchange_that_is_deleted_is_bound_again(
    broker: Broker, station: Station, service: Service, exchange: str
) -> None:
    calls = await station.attach('calls', 'calls.#')

    await service.channel.exchange_delete(exchange)
    upstream = 'xivo' if exchange == 'wazo-busd' else exchange
    kind = 'headers' if upstream == 'wazo-headers' else 'topic'
    await service.channel.declare_exchange(upstream, kind, durable=True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not calls.deliveries:
            await service.send(upstream, 'calls.missed', b'{}', {})

    assert calls.bodies[0] == {}


async def test_a_connection_that_is_half_open_is_found_out_and_made_again(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    async with Proxy(broker.host, broker.port) as proxy:
        station = await make_station(broker, host='127.0.0.1', port=proxy.port)
        calls = await station.attach('calls', 'calls.#')

        proxy.freeze()
        await eventually(lambda: station.state('calls') is not ConsumerState.CONSUMING, station.changed)
        await station.consuming('calls')
        await service.send('xivo', 'calls.missed', b'{}', {})

        await calls.count(1)
        await station.close()


async def test_a_connection_that_is_reset_is_made_again(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    async with Proxy(broker.host, broker.port) as proxy:
        station = await make_station(broker, host='127.0.0.1', port=proxy.port)
        calls = await station.attach('calls', 'calls.#')

        proxy.reset()
        await eventually(lambda: station.state('calls') is not ConsumerState.CONSUMING, station.changed)
        await station.consuming('calls')
        await service.send('xivo', 'calls.missed', b'{}', {})

        await calls.count(1)
        await station.close()


async def test_an_upstream_that_comes_later_is_bound(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    broker.node.add_user(broker.vhost, 'secret')
    own, read = '^wazo-busd([.].*)?$', '^(xivo|wazo-headers|wazo-busd([.].*)?)$'
    broker.node.set_permissions(broker.vhost, broker.vhost, own, own, read)
    station = await make_station(broker, username=broker.vhost, password='secret')
    calls = await station.attach('calls', 'calls.#')

    await service.channel.declare_exchange('xivo', 'topic', durable=True)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not calls.deliveries:
            await service.send('xivo', 'calls.missed', b'{}', {})

    assert calls.bodies[0] == {}
