# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What every bus does: one suite, run on RabbitMQ and in memory."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.conftest import PREFETCH, World
from tests.support import PATIENCE_SECONDS, eventually, reason_for
from wazo_busd.bus import ConsumerState
from wazo_busd.outcome import Outcome


@pytest.mark.parametrize('exchange', ['xivo', 'wazo-headers'])
async def test_an_event_of_either_upstream_arrives_once(world: World, exchange: str) -> None:
    calls = await world.attach('calls', 'calls.#')

    await world.send(exchange, 'calls.call.created', 1)
    await world.send(exchange, 'calls.call.ended', 2)

    await calls.count(2)
    assert [each['data'] for each in calls.bodies] == [1, 2]


async def test_a_delivery_has_what_was_published(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')

    await world.send('wazo-headers', 'calls.call.created', {'call_id': '1'}, name='call_created', tenant_uuid='t')

    (delivery,) = await calls.count(1)
    assert (delivery.exchange, delivery.routing_key, delivery.body, dict(delivery.properties.headers)) == (
        'wazo-headers',
        'calls.call.created',
        b'{"data":{"call_id":"1"}}',
        {'name': 'call_created', 'tenant_uuid': 't'},
    )


async def test_a_handler_gets_only_what_it_matches(world: World) -> None:
    held = await world.attach('held', 'calls.hold.*', 'faxes.#')

    for key in ('calls.call.created', 'calls.hold.created', 'faxes', 'calls.hold', 'faxes.outbound.1.2.failed'):
        await world.send('xivo', key)

    await held.count(3)
    assert [each.routing_key for each in held.deliveries] == [
        'calls.hold.created',
        'faxes',
        'faxes.outbound.1.2.failed',
    ]


async def test_two_handlers_get_a_copy_each(world: World) -> None:
    one, two = await world.attach('one', 'calls.#'), await world.attach('two', '#')

    await world.send('xivo', 'calls.missed', 1)

    assert (await one.count(1))[0].body == (await two.count(1))[0].body


async def test_an_event_that_two_patterns_match_comes_once(world: World) -> None:
    calls = await world.attach('calls', 'calls.#', '#.created')

    await world.send('xivo', 'calls.call.created', 1)
    await world.send('xivo', 'calls.call.ended', 2)

    await calls.count(2)
    assert [each['data'] for each in calls.bodies] == [1, 2]


async def test_what_is_done_does_not_come_again(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)
    (delivery,) = await calls.count(1)

    delivery.settle(Outcome.DONE)
    await world.bus.cancel('calls')
    await world.bus.detach('calls', 1.0)
    again = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 2)

    await again.count(1)
    assert [each['data'] for each in again.bodies] == [2]


async def test_what_is_left_comes_again_in_its_order_and_says_so(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    for number in range(5):
        await world.send('xivo', 'calls.missed', number)
    deliveries = await calls.count(5)

    deliveries[1].settle(Outcome.DONE)
    for each in (deliveries[0], *deliveries[2:]):
        each.settle(Outcome.INTERRUPTED)
    await world.bus.cancel('calls')
    await world.bus.detach('calls', 1.0)
    again = await world.attach('calls', 'calls.#')

    await again.count(4)
    assert [
        (each['data'], delivery.redelivered) for each, delivery in zip(again.bodies, again.deliveries, strict=True)
    ] == [
        (0, True),
        (2, True),
        (3, True),
        (4, True),
    ]


async def test_what_is_dead_is_kept_with_the_reason_and_does_not_come_again(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)
    (delivery,) = await calls.count(1)

    delivery.settle(Outcome.DEAD, reason_for('calls'))

    assert await world.dead_letters('calls', 1) == [(b'{"data":1}', 'ValueError')]


async def test_dead_letters_of_two_handlers_lie_apart(world: World) -> None:
    one, two = await world.attach('one', '#'), await world.attach('two', '#')
    await world.send('xivo', 'calls.missed', 1)

    (await one.count(1))[0].settle(Outcome.DEAD, reason_for('one', 'KeyError'))
    (await two.count(1))[0].settle(Outcome.DEAD, reason_for('two', 'OSError'))

    assert [await world.dead_letters(name, 1) for name in ('one', 'two')] == [
        [(b'{"data":1}', 'KeyError')],
        [(b'{"data":1}', 'OSError')],
    ]


async def test_no_more_is_delivered_than_the_prefetch(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    for number in range(PREFETCH + 3):
        await world.send('xivo', 'calls.missed', number)
    await calls.count(PREFETCH)

    calls.deliveries[0].settle(Outcome.DONE)

    await calls.count(PREFETCH + 1)
    assert len(calls.deliveries) == PREFETCH + 1


async def test_a_slow_event_does_not_keep_others_from_coming(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    for number in range(PREFETCH * 3):
        await world.send('xivo', 'calls.missed', number)

    settled = 1
    while len(calls.deliveries) < PREFETCH * 3:
        await calls.count(settled + 1)
        for each in calls.deliveries[settled:]:
            each.settle(Outcome.DONE)
        settled = len(calls.deliveries)

    assert [each['data'] for each in calls.bodies] == list(range(PREFETCH * 3))


async def test_a_cancelled_handler_gets_no_more_and_can_still_settle(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)
    (delivery,) = await calls.count(1)

    await world.bus.cancel('calls')
    await world.send('xivo', 'calls.missed', 2)
    delivery.settle(Outcome.DONE)
    await world.bus.detach('calls', 1.0)
    again = await world.attach('calls', 'calls.#')

    await again.count(1)
    assert ([each['data'] for each in calls.bodies], [each['data'] for each in again.bodies]) == ([1], [2])


async def test_events_gather_for_a_handler_that_is_not_started(world: World) -> None:
    await world.attach('calls', 'calls.#', gather=True)
    await world.send('xivo', 'calls.missed', 1)

    await world.bus.detach('calls', 0.0)
    calls = await world.attach('calls', 'calls.#')

    await calls.count(1)
    assert [each['data'] for each in calls.bodies] == [1]


async def test_a_pattern_that_is_no_longer_asked_for_is_unbound(world: World) -> None:
    await world.attach('calls', 'calls.#', 'faxes.#', gather=True)
    await world.bus.detach('calls', 0.0)
    calls = await world.attach('calls', 'calls.#')

    await world.send('xivo', 'faxes.outbound.created', 1)
    await world.send('xivo', 'calls.missed', 2)

    await calls.count(1)
    assert [each['data'] for each in calls.bodies] == [2]


async def test_a_handler_that_is_gone_gathers_no_more(world: World) -> None:
    await world.attach('gone', '#', gather=True)
    await world.bus.detach('gone', 0.0)

    await world.bus.keep_only({'calls'})
    await world.send('xivo', 'calls.missed', 1)
    back = await world.attach('gone', '#')
    await world.send('xivo', 'calls.missed', 2)

    await back.count(1)
    assert [each['data'] for each in back.bodies] == [2]


async def test_a_derived_event_reaches_the_handlers_that_match_it(world: World) -> None:
    missed = await world.attach('missed', 'busd.call.#')

    await world.bus.publish('busd.call.missed', b'{"name":"busd.call.missed"}', {'name': 'busd.call.missed'})

    (delivery,) = await missed.count(1)
    assert (delivery.exchange, delivery.routing_key) == ('wazo-busd', 'busd.call.missed')


async def test_a_derived_event_that_nobody_matches_is_no_error(world: World) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await world.bus.publish('busd.call.missed', b'{}', {})


async def test_the_status_says_that_a_cancelled_handler_does_not_consume(world: World) -> None:
    await world.attach('calls', 'calls.#')

    await world.bus.cancel('calls')

    assert world.bus.status().consumers['calls'].state is ConsumerState.CANCELLED


async def test_a_body_of_many_frames_arrives_whole(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')

    await world.send('xivo', 'calls.missed', 'x' * 500_000)

    (delivery,) = await calls.count(1)
    assert len(delivery.body) == 500_000 + len('{"data":""}')


async def test_a_thousand_events_arrive_in_their_order(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')

    for number in range(1000):
        await world.send('wazo-headers', 'calls.missed', number)
        for each in calls.deliveries:
            if each.settled is None:
                each.settle(Outcome.DONE)
    while len(calls.deliveries) < 1000:
        for each in calls.deliveries:
            if each.settled is None:
                each.settle(Outcome.DONE)
        seen = len(calls.deliveries)
        await eventually(lambda seen=seen: len(calls.deliveries) > seen)  # type: ignore[misc]

    assert [each['data'] for each in calls.bodies] == list(range(1000))
