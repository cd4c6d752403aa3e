# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Retries on a real broker: what failed comes back to who failed, once, as it was; and nothing in between loses it."""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress
from functools import partial
from typing import Any, cast

import aio_pika
import pytest
from aiormq.abc import AbstractChannel, ChannelFrame
from aiormq.channel import Channel
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.frame import marshal

from tests.conftest import Broker
from tests.integration.conftest import MakeStation, Station, history_of
from tests.support import PATIENCE_SECONDS, Collected, Service, eventually, eventually_async, reason_for
from wazo_busd.amqp import returns
from wazo_busd.amqp.exchange import declare_exchange
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.bus import ConsumerState
from wazo_busd.delivery import Delivery
from wazo_busd.outcome import Outcome
from wazo_busd.topology import Exchange

SHORT = 0.1
"""A delay that a test can wait for."""

WHILE = 3.0
"""A delay that leaves time to do something before it is over, on a busy machine too."""


async def send(service: Service, *numbers: int, key: str = 'calls.missed') -> None:
    for number in numbers:
        await service.send('xivo', key, b'{"data":%d}' % number, {'name': 'call_missed'})


async def send_raw(service: Service, body: bytes, properties: bytes) -> None:
    """Publish with properties as raw bytes, as somebody does who means harm."""
    channel = cast('Channel', await service.channel.get_underlay_channel())
    payload = struct.pack('>HHQ', 60, 0, len(body)) + properties
    frames = [
        marshal(commands.Basic.Publish(exchange='xivo', routing_key='calls.x'), channel.number),
        struct.pack('>BHI', 2, channel.number, len(payload)) + payload + b'\xce',
        marshal(ContentBody(body), channel.number),
    ]
    channel.delivery_tag += 1
    await channel.write_queue.put(ChannelFrame(payload=b''.join(frames), should_close=False))


def retry(delivery: Delivery) -> None:
    delivery.settle(Outcome.RETRY, history=history_of(delivery))


async def empty(service: Service, *queues: str) -> None:
    """Wait until nothing lies in these queues."""

    async def is_empty() -> bool:
        return not any([await service.depth(queue) for queue in queues])

    await eventually_async(is_empty)


@pytest.fixture
async def calls(station: Station) -> Collected:
    """A handler with a short delay queue."""
    return await station.attach('calls', 'calls.#', delays_seconds=[SHORT])


async def test_what_failed_comes_back_as_it_was(calls: Collected, service: Service) -> None:
    await send(service, 1)
    (first,) = await calls.count(1)
    retry(first)
    _, second = await calls.count(2)

    assert (second.body, second.exchange, second.routing_key, second.properties.headers, second.redelivered) == (
        first.body,
        'xivo',
        'calls.missed',
        {'name': 'call_missed'},
        False,
    )


async def test_what_failed_comes_back_with_what_was_tried(calls: Collected, service: Service) -> None:
    await send(service, 1)
    (first,) = await calls.count(1)
    retry(first)
    _, second = await calls.count(2)
    history = second.history
    assert history is not None

    assert (history.event_id, history.attempts, history.rounds, history.first_at, history.first_error) == (
        first.event_id,
        1,
        1,
        1_700_000_000.0,
        'ValueError: it does not fit',
    )


async def test_what_fails_again_and_again_comes_back_again_and_again(calls: Collected, service: Service) -> None:
    await send(service, 1)
    for number in range(1, 5):
        retry((await calls.count(number))[-1])
    deliveries = await calls.count(5)

    assert [each.history.attempts if each.history else 0 for each in deliveries] == [0, 1, 2, 3, 4]


async def test_what_failed_comes_back_once(calls: Collected, service: Service) -> None:
    await send(service, *range(20))
    for each in await calls.count(20):
        retry(each)
    for each in (await calls.count(40))[20:]:
        each.settle(Outcome.DONE)
    await send(service, 99)
    (await calls.count(41))[-1].settle(Outcome.DONE)
    await empty(service, 'wazo-busd.calls', 'wazo-busd.retry.100ms')

    assert sorted(each['data'] for each in calls.bodies[20:]) == [*range(20), 99]


async def test_what_failed_comes_back_to_nobody_else(station: Station, calls: Collected, service: Service) -> None:
    others = await station.attach('others', 'calls.#', delays_seconds=[SHORT])
    await send(service, 1)
    retry((await calls.count(1))[0])
    await calls.count(2)
    await send(service, 2)
    await others.count(2)

    assert [each['data'] for each in others.bodies] == [1, 2]


PROPERTIES = {
    'steering': commands.Basic.Properties(
        content_type='application/json',
        headers={
            'name': 'x',
            'CC': ['wazo-busd.others'],
            'BCC': ['wazo-busd.others'],
            'x-delay': 5,
            'busd-attempts': 77,
            'busd-delay': 1,
        },
        expiration='60000',
        delivery_mode=1,
        priority=9,
        reply_to='elsewhere',
        message_id='1',
    ).marshal(),
    'not UTF-8': struct.pack('>H', 0x8000) + b'\x02\xff\xfe',
    'a timestamp past the year 9999': struct.pack('>HQ', 0x40, 2**62),
    'very large': commands.Basic.Properties(headers={'a': 'x' * 120_000}).marshal(),
}


@pytest.mark.parametrize('kind', PROPERTIES)
async def test_properties_come_back_to_the_byte(calls: Collected, service: Service, kind: str) -> None:
    await send_raw(service, b'{"name":"x"}', PROPERTIES[kind])
    (first,) = await calls.count(1)
    # What is settled lets go of them.
    before = cast('WireProperties', first.properties).raw
    retry(first)
    _, second = await calls.count(2)

    assert (cast('WireProperties', second.properties).raw, second.body) == (before, first.body)


async def test_a_large_body_comes_back_whole(calls: Collected, service: Service) -> None:
    body = b'{"data": "' + b'x' * 1_000_000 + b'"}'
    await service.send('xivo', 'calls.missed', body, {})
    retry((await calls.count(1))[0])
    _, second = await calls.count(2)

    assert second.body == body


async def test_a_large_body_with_large_properties_comes_back_whole(calls: Collected, service: Service) -> None:
    body = b'{"data": "' + b'x' * 1_040_000 + b'"}'
    await service.send('xivo', 'calls.missed', body, {'a': 'x' * 60_000})
    retry((await calls.count(1))[0])
    _, second = await calls.count(2)

    assert (second.body, second.properties.headers) == (body, {'a': 'x' * 60_000})


async def test_least_privilege_is_enough_to_try_again(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    await declare_upstreams(service)
    grant(broker)
    station = await make_station(broker, username=broker.vhost, password='secret')
    calls = await station.attach('calls', 'calls.#', delays_seconds=[SHORT])
    await send(service, 1)
    retry((await calls.count(1))[0])

    await calls.count(2)


@pytest.mark.parametrize('junk', [{}, {'busd-id': 'x'}, {'busd-attempts': 2**62, 'busd-trailer': -1}], ids=str)
async def test_junk_where_retries_come_from_is_an_event_like_any_other(
    calls: Collected, service: Service, junk: dict[str, Any]
) -> None:
    await service.send('wazo-busd.return', 'calls', b'{"data":1}', junk)
    (first,) = await calls.count(1)

    assert (first.history, first.exchange, first.properties.headers) == (None, 'wazo-busd.return', junk)


async def test_a_forged_copy_that_is_published_as_an_event_is_one(calls: Collected, service: Service) -> None:
    await send(service, 1)
    retry((await calls.count(1))[0])
    await service.send('xivo', 'calls.missed', b'{}', {'busd-attempts': 77, 'busd-id': 'x', 'busd-delay': 100})
    forged = next(each for each in await calls.count(3) if each.body == b'{}')

    assert forged.history is None


async def orphaned(station: Station, service: Service, calls: Collected) -> None:
    """Let the handler `calls` be gone with its queue before what it failed on comes back."""
    await send(service, 1)
    retry((await calls.count(1))[0])
    await station.bus.cancel('calls')
    await station.bus.detach('calls', PATIENCE_SECONDS)
    await service.channel.queue_delete('wazo-busd.calls')


async def test_what_a_handler_failed_on_that_is_gone_is_kept(station: Station, service: Service) -> None:
    calls = await station.attach('calls', 'calls.#', delays_seconds=[WHILE])
    await orphaned(station, service, calls)

    async def is_there() -> bool:
        return await service.depth('wazo-busd.return.orphans') == 1

    await eventually_async(is_there)
    (kept,) = await service.take('wazo-busd.return.orphans')
    assert (kept.body, kept.routing_key, kept.headers['busd-exchange']) == (b'{"data":1}', 'calls', 'xivo')


async def test_what_a_handler_failed_on_that_is_gone_holds_up_nobody_else(station: Station, service: Service) -> None:
    calls = await station.attach('calls', 'calls.#', delays_seconds=[WHILE])
    faxes = await station.attach('faxes', 'faxes.#', delays_seconds=[WHILE])
    await orphaned(station, service, calls)
    await send(service, 2, key='faxes.failed')
    retry((await faxes.count(1))[0])

    await faxes.count(2)


async def test_what_is_given_back_comes_again(calls: Collected, service: Service) -> None:
    await send(service, 1)
    (first,) = await calls.count(1)
    first.give_back()
    _, second = await calls.count(2)

    assert (second.body, second.redelivered, second.history) == (first.body, True, None)


async def test_what_is_given_back_among_what_is_done_comes_again_alone(calls: Collected, service: Service) -> None:
    await send(service, *range(10))
    for each in await calls.count(10):
        if each.tag == 4:
            each.give_back()
        else:
            each.settle(Outcome.DONE)
    (await calls.count(11))[-1].settle(Outcome.DONE)
    await send(service, 99)
    (await calls.count(12))[-1].settle(Outcome.DONE)

    assert [each['data'] for each in calls.bodies[10:]] == [3, 99]


async def test_what_came_back_and_is_given_back_comes_again_with_what_was_tried(
    calls: Collected, service: Service
) -> None:
    await send(service, 1)
    retry((await calls.count(1))[0])
    (await calls.count(2))[-1].give_back()
    _, second, third = await calls.count(3)

    assert (third.history, third.redelivered) == (second.history, True)


async def until_done(calls: Collected, wanted: set[int]) -> None:
    """Handle what comes, and let each event fail the first time, until all that are wanted are done."""
    done: set[int] = set()
    number = 0
    while not wanted <= done:
        number += 1
        each = (await calls.count(number))[-1]
        if each.history is None:
            retry(each)
        else:
            each.settle(Outcome.DONE)
            done.add(json.loads(each.body)['data'])


@pytest.mark.parametrize('exchange', ['wazo-busd.retry', 'wazo-busd.orphans', 'wazo-busd'])
async def test_an_exchange_of_ours_that_is_deleted_under_load_loses_nothing_that_has_come(
    station: Station, service: Service, calls: Collected, exchange: str
) -> None:
    wanted = set(range(100))
    await send(service, *wanted)
    await calls.count(100)
    doing = asyncio.create_task(until_done(calls, wanted))
    await service.channel.exchange_delete(exchange)

    await doing


async def test_the_exchange_that_retries_come_from_is_deleted_under_load_and_loses_nothing(
    mortal_broker: Broker, make_station: MakeStation
) -> None:
    # What found no way is tried again by RabbitMQ after three minutes, unless it is told otherwise.
    mortal_broker.node.evaluate('application:set_env(rabbit, dead_letter_worker_publisher_confirm_timeout, 500)')
    broker = mortal_broker
    station = await make_station(broker)
    calls = await station.attach('calls', 'calls.#', delays_seconds=[SHORT])
    async with Service(broker) as service:
        wanted = set(range(100))
        await send(service, *wanted)
        await calls.count(100)
        doing = asyncio.create_task(until_done(calls, wanted))
        await service.channel.exchange_delete('wazo-busd.return')

        await doing


async def test_a_delay_queue_that_is_deleted_is_made_again(
    station: Station, service: Service, calls: Collected
) -> None:
    await empty(service, 'wazo-busd.calls')
    await send(service, 1)
    retry((await calls.count(1))[0])
    await calls.count(2)
    await service.channel.queue_delete('wazo-busd.retry.100ms')
    await send(service, *range(2, 50))
    for each in (await calls.count(50))[2:]:
        retry(each)

    await calls.count(98)
    assert {each['data'] for each in calls.bodies[50:]} == set(range(2, 50))


async def test_a_handler_queue_that_is_deleted_under_load_gets_what_waits_for_another_try(
    station: Station, service: Service
) -> None:
    calls = await station.attach('calls', 'calls.#', delays_seconds=[WHILE])
    await send(service, *range(20))
    for each in await calls.count(20):
        retry(each)

    async def all_wait() -> bool:
        return await service.depth('wazo-busd.retry.3s') == 20

    await eventually_async(all_wait)
    await service.channel.queue_delete('wazo-busd.calls')
    came = await calls.count(40)

    assert sorted(calls.bodies[came.index(each)]['data'] for each in came[20:]) == list(range(20))


async def test_a_dead_letter_exchange_that_is_deleted_is_made_again(
    station: Station, service: Service, calls: Collected
) -> None:
    await service.channel.exchange_delete('wazo-busd.dead')
    await send(service, 1)
    (first,) = await calls.count(1)
    first.settle(Outcome.DEAD, reason=reason_for('calls'))

    async def is_there() -> bool:
        return await service.depth('wazo-busd.calls.dead') == 1

    await eventually_async(is_there)


async def test_a_queue_that_is_deleted_while_it_rests_is_made_again(
    station: Station, service: Service, calls: Collected
) -> None:
    station.bus.limit('calls', 0, 'its web server is out')
    await station.reached('calls', ConsumerState.PAUSED)
    await service.channel.queue_delete('wazo-busd.calls')

    async def is_there() -> bool:
        try:
            await service.depth('wazo-busd.calls')
        except aio_pika.exceptions.ChannelNotFoundEntity:
            return False
        return True

    await eventually_async(is_there)


async def test_a_queue_that_has_rested_brings_what_has_gathered(
    station: Station, service: Service, calls: Collected
) -> None:
    station.bus.limit('calls', 0, 'its web server is out')
    await station.reached('calls', ConsumerState.PAUSED)
    await send(service, *range(10))
    before = len(calls.deliveries)
    station.bus.limit('calls', None, '')
    await calls.count(10)

    assert (before, [each['data'] for each in calls.bodies]) == (0, list(range(10)))


async def test_a_probe_brings_one_event_at_a_time(station: Station, service: Service, calls: Collected) -> None:
    station.bus.limit('calls', 0, 'its web server is out')
    await station.reached('calls', ConsumerState.PAUSED)
    await send(service, 1, 2)
    station.bus.limit('calls', 1, 'a probe')
    (first,) = await calls.count(1)
    open_at_once = []
    for number in (1, 2):
        came = (await calls.count(number))[-1]
        open_at_once.append(sum(each.settled is None for each in calls.deliveries))
        came.settle(Outcome.DONE)

    assert (first.body, open_at_once) == (b'{"data":1}', [1, 1])


async def declare_upstreams(service: Service) -> None:
    await service.channel.declare_exchange('xivo', 'topic', durable=True)
    await service.channel.declare_exchange('wazo-headers', 'headers', durable=True)


def grant(broker: Broker) -> None:
    """Give a user of the test's own the least that the daemon needs."""
    if broker.vhost not in broker.node.ctl('list_users'):
        broker.node.add_user(broker.vhost, 'secret')
    own, read = r'^wazo-busd(\..*)?$', r'^(xivo|wazo-headers|wazo-busd(\..*)?)$'
    broker.node.set_permissions(broker.vhost, broker.vhost, own, own, read)


async def test_what_failed_waits_for_a_permission_that_was_withdrawn(
    broker: Broker, make_station: MakeStation, service: Service
) -> None:
    await declare_upstreams(service)
    grant(broker)
    station = await make_station(broker, username=broker.vhost, password='secret')
    calls = await station.attach('calls', 'calls.#', delays_seconds=[SHORT])
    await send(service, 1)
    (first,) = await calls.count(1)

    broker.node.set_permissions(broker.vhost, broker.vhost, '^$', '^$', '^$')
    drop(broker, broker.vhost)
    await eventually(lambda: 'may not use' in station.bus.status().summary, station.changed)
    retry(first)
    grant(broker)
    await station.consuming('calls')
    came = await calls.count(3)

    # It comes again as it was, for its channel is gone; a dispatcher recognises that. And its copy comes.
    assert sorted((each.history is None, each.body) for each in came[1:]) == [
        (False, b'{"data":1}'),
        (True, b'{"data":1}'),
    ]


def drop(broker: Broker, user: str) -> None:
    """End the connections of a user."""
    broker.node.ctl('close_all_user_connections', user, 'by a test')


async def test_what_failed_survives_a_broker_that_is_killed(mortal_broker: Broker, make_station: MakeStation) -> None:
    broker = mortal_broker
    station = await make_station(broker)
    calls = await station.attach('calls', 'calls.#', delays_seconds=[2.0])
    async with Service(broker) as service:
        await send(service, *range(20))
        for each in await calls.count(20):
            retry(each)

        async def all_wait() -> bool:
            return await service.depth('wazo-busd.retry.2s') == 20

        await eventually_async(all_wait)
    for queue in ('wazo-busd.calls', 'wazo-busd.retry.2s', 'wazo-busd.return.orphans'):
        await eventually(partial(broker.has_written, queue))
    mortal_broker.node.kill()
    mortal_broker.node.start()

    await eventually(lambda: len({each.event_id for each in calls.deliveries if each.history}) == 20)


async def test_in_a_memory_alarm_events_are_consumed_while_copies_wait(
    mortal_broker: Broker, make_station: MakeStation
) -> None:
    broker = mortal_broker
    station = await make_station(broker, prefetch=8)
    calls = await station.attach('calls', 'calls.#', delays_seconds=[SHORT])
    async with Service(broker) as service:
        await send(service, *range(40))
    await calls.count(8)
    mortal_broker.node.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.0)')
    for number in range(40):
        each = (await calls.count(number + 1))[number]
        if number % 8 == 0:
            retry(each)
        else:
            each.settle(Outcome.DONE)

    await until_unacknowledged(broker, 5)
    waiting = len(calls.deliveries)
    mortal_broker.node.evaluate('vm_memory_monitor:set_vm_memory_high_watermark(0.6)')
    came = await calls.count(45)
    for each in came[40:]:
        each.settle(Outcome.DONE)
    await until_unacknowledged(broker, 0)

    assert (waiting, sorted(each['data'] for each in calls.bodies[40:])) == (40, [0, 8, 16, 24, 32])


def unacknowledged(broker: Broker) -> int:
    """How many events of the handler's queue are given out and not acknowledged."""
    name = f'rabbit_misc:r(<<"{broker.vhost}">>, queue, <<"wazo-busd.calls">>)'
    found = broker.node.evaluate(
        f'rabbit_amqqueue:info(element(2, rabbit_amqqueue:lookup({name})), [messages_unacknowledged])'
    )
    return int(found.removeprefix('[{messages_unacknowledged, ').removesuffix('}]'))


async def until_unacknowledged(broker: Broker, number: int) -> None:
    """Wait until so many are. The loop goes on meanwhile: what is to be acknowledged is."""

    async def are() -> bool:
        return await asyncio.to_thread(unacknowledged, broker) == number

    await eventually_async(are)


async def test_what_comes_back_as_soon_as_that_exchange_is_there_again_is_no_orphan(
    station: Station, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = await station.attach('calls', 'calls.#', delays_seconds=[SHORT])

    async def nobodys_is_kept() -> bool:
        await service.send('wazo-busd.return', 'nobody', b'{}', {})
        with suppress(aio_pika.exceptions.ChannelNotFoundEntity):
            return await service.depth('wazo-busd.return.orphans') > 0
        return False

    await eventually_async(nobodys_is_kept)
    too_soon = asyncio.Event()

    async def declare_and_use(channel: AbstractChannel, exchange: Exchange) -> None:
        await declare_exchange(channel, exchange)
        if exchange.name == 'wazo-busd.return':
            await service.send('wazo-busd.return', 'calls', b'{"data":1}', {})
            too_soon.set()

    monkeypatch.setattr(returns, 'declare_exchange', declare_and_use)
    await service.channel.exchange_delete('wazo-busd.return')
    await asyncio.wait_for(too_soon.wait(), PATIENCE_SECONDS)
    await send(service, 2)
    retry((await calls.count(1))[0])
    await calls.count(2)

    assert {each.routing_key for each in await service.take('wazo-busd.return.orphans')} == {'nobody'}
