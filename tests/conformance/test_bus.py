# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What every bus does: one suite, run on RabbitMQ and in memory."""

from __future__ import annotations

import asyncio

import pytest

from tests.conformance.conftest import PREFETCH, World
from tests.support import PATIENCE_SECONDS, eventually, reason_for
from wazo_busd.bus import ConsumerState
from wazo_busd.delivery import Delivery, History
from wazo_busd.event import identity
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

    delivery.settle(Outcome.DEAD, reason=reason_for('calls'))

    assert await world.dead_letters('calls', 1) == [(b'{"data":1}', 'ValueError')]


async def test_dead_letters_of_two_handlers_lie_apart(world: World) -> None:
    one, two = await world.attach('one', '#'), await world.attach('two', '#')
    await world.send('xivo', 'calls.missed', 1)

    (await one.count(1))[0].settle(Outcome.DEAD, reason=reason_for('one', 'KeyError'))
    (await two.count(1))[0].settle(Outcome.DEAD, reason=reason_for('two', 'OSError'))

    assert [await world.dead_letters(name, 1) for name in ('one', 'two')] == [
        [(b'{"data":1}', 'KeyError')],
        [(b'{"data":1}', 'OSError')],
    ]


def retry(delivery: Delivery, *, attempts: int = 1, rounds: int = 1) -> History:
    """Settle a delivery that is to be tried again soon."""
    history = History(
        event_id=delivery.event_id,
        attempts=attempts,
        rounds=rounds,
        first_at=1_700_000_000.5,
        first_error='ValueError: it does not fit',
        due_at=1_700_000_001.25,
    )
    delivery.settle(Outcome.RETRY, history=history)
    return history


async def test_what_is_to_be_tried_again_comes_back_to_the_handler_that_failed_alone(world: World) -> None:
    # Given two handlers with the same event, of which one is done
    failing, other = await world.attach('failing', 'calls.#'), await world.attach('other', '#')
    await world.send('xivo', 'calls.missed', 1)
    (await other.count(1))[0].settle(Outcome.DONE)

    # When the other one is to try it again
    retry((await failing.count(1))[0])
    await failing.count(2)

    # Then that one gets it, before what comes later, and nobody else does
    await world.send('xivo', 'calls.missed', 2)
    await failing.count(3)
    await other.count(2)
    assert [[each['data'] for each in one.bodies] for one in (failing, other)] == [[1, 1, 2], [1, 2]]


async def test_what_comes_back_is_the_same_event_as_it_was_published(world: World) -> None:
    # Given an event of a service
    calls = await world.attach('calls', 'calls.#')
    await world.send('wazo-headers', 'calls.call.created', {'call_id': '1'}, name='call_created', tenant_uuid='t')
    (first,) = await calls.count(1)

    # When it comes back
    retry(first)
    again = (await calls.count(2))[1]

    # Then exchange, key, body, headers and identity are those it had
    assert (again.exchange, again.routing_key, again.body, dict(again.properties.headers), again.event_id) == (
        'wazo-headers',
        'calls.call.created',
        b'{"data":{"call_id":"1"}}',
        {'name': 'call_created', 'tenant_uuid': 't'},
        first.event_id,
    )


async def test_what_comes_back_says_what_was_tried(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)

    history = retry((await calls.count(1))[0], attempts=3, rounds=2)

    again = (await calls.count(2))[1]
    assert (again.history, again.redelivered) == (history, False)


async def test_an_event_comes_back_as_often_as_it_is_to_be_tried(world: World) -> None:
    # Given an event
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)

    # When it is to be tried again three times, and is done then
    for number in range(1, 4):
        retry((await calls.count(number))[-1], attempts=number, rounds=number)
    last = (await calls.count(4))[-1]
    last.settle(Outcome.DONE)

    # Then it is still the same one, and does not come again
    await world.send('xivo', 'calls.missed', 2)
    await calls.count(5)
    assert ({each.event_id for each in calls.deliveries[:4]}, [each['data'] for each in calls.bodies]) == (
        {calls.deliveries[0].event_id},
        [1, 1, 1, 1, 2],
    )


async def test_what_has_come_back_can_become_a_dead_letter_with_the_body_it_had(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)
    retry((await calls.count(1))[0])

    (await calls.count(2))[1].settle(Outcome.DEAD, reason=reason_for('calls'))

    assert await world.dead_letters('calls', 1) == [(b'{"data":1}', 'ValueError')]


async def test_what_comes_back_while_its_handler_is_not_there_waits_for_it(world: World) -> None:
    # Given a handler that is to try an event again, and ends
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)
    history = retry((await calls.count(1))[0])
    await world.bus.cancel('calls')
    await world.bus.detach('calls', PATIENCE_SECONDS)

    # When it is there again
    again = await world.attach('calls', 'calls.#')

    # Then it gets the event
    assert [each.history for each in await again.count(1)] == [history]


async def test_what_is_to_be_tried_again_takes_no_place_of_others(world: World) -> None:
    # Given a handler that is to try as many events again as it takes
    calls = await world.attach('calls', 'calls.#')
    for number in range(PREFETCH * 2):
        await world.send('xivo', 'calls.missed', number)

    # When it does so with each that comes for the first time
    settled = 0
    while settled < PREFETCH * 4:
        await calls.count(settled + 1)
        for each in calls.deliveries[settled:]:
            if each.history is None:
                retry(each)
            else:
                each.settle(Outcome.DONE)
        settled = len(calls.deliveries)

    # Then it gets all of them, and each again
    assert sorted(each['data'] for each in calls.bodies) == sorted([*range(PREFETCH * 2)] * 2)


async def test_what_is_given_back_comes_again_and_says_so(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)
    (delivery,) = await calls.count(1)

    delivery.give_back()

    again = (await calls.count(2))[1]
    assert (again.body, again.redelivered, again.event_id) == (b'{"data":1}', True, delivery.event_id)


async def test_what_is_given_back_among_others_takes_none_of_them_along(world: World) -> None:
    # Given a handler with three events
    calls = await world.attach('calls', 'calls.#')
    for number in range(3):
        await world.send('xivo', 'calls.missed', number)
    first, second, third = await calls.count(3)

    # When it gives back the one between two that are done
    first.settle(Outcome.DONE)
    second.give_back()
    third.settle(Outcome.DONE)

    # Then that one comes again
    await world.send('xivo', 'calls.missed', 3)
    await calls.count(5)
    assert sorted(each['data'] for each in calls.bodies[3:]) == [1, 3]


async def test_what_has_come_back_and_is_given_back_keeps_its_history(world: World) -> None:
    calls = await world.attach('calls', 'calls.#')
    await world.send('xivo', 'calls.missed', 1)
    history = retry((await calls.count(1))[0])

    (await calls.count(2))[1].give_back()

    again = (await calls.count(3))[2]
    assert (again.history, again.redelivered) == (history, True)


async def test_a_handler_that_takes_none_gets_none_until_it_takes_as_many_as_before(world: World) -> None:
    # Given a handler that takes none, and another one
    calls, other = await world.attach('calls', 'calls.#'), await world.attach('other', '#')
    await world.limit('calls', 0, 'its server is out')

    # When events come, which the other one gets
    for number in range(3):
        await world.send('xivo', 'calls.missed', number)
    await other.count(3)
    before = calls.bodies
    await world.limit('calls', None)

    # Then, and not before, it gets them
    await calls.count(3)
    assert (before, [each['data'] for each in calls.bodies]) == ([], [0, 1, 2])


async def test_a_handler_that_takes_none_can_still_settle_what_it_has(world: World) -> None:
    # Given a handler with three events
    calls = await world.attach('calls', 'calls.#')
    for number in range(3):
        await world.send('xivo', 'calls.missed', number)
    done, given_back, left = await calls.count(3)

    # When it takes no more, and settles them
    await world.limit('calls', 0, 'its server is out')
    done.settle(Outcome.DONE)
    given_back.give_back()
    left.settle(Outcome.INTERRUPTED)
    await world.bus.cancel('calls')
    await world.bus.detach('calls', 1.0)
    again = await world.attach('calls', 'calls.#')

    # Then all but the one that is done come again
    await again.count(2)
    assert sorted(each['data'] for each in again.bodies) == [1, 2]


async def test_a_handler_that_takes_one_gets_one_at_a_time(world: World) -> None:
    # Given a handler that takes one
    calls, other = await world.attach('calls', 'calls.#'), await world.attach('other', '#')
    await world.limit('calls', 1, 'one event is tried')
    for number in range(3):
        await world.send('xivo', 'calls.missed', number)
    await other.count(3)

    # When it settles each that comes
    at_a_time = []
    for number in range(1, 4):
        await calls.count(number)
        at_a_time.append(len(calls.deliveries) - number + 1)
        calls.deliveries[-1].settle(Outcome.DONE)

    # Then there never were two
    assert (at_a_time, [each['data'] for each in calls.bodies]) == ([1, 1, 1], [0, 1, 2])


async def test_a_handler_that_is_attached_again_takes_as_many_as_configured(world: World) -> None:
    # Given a handler that took none when it ended
    await world.attach('calls', 'calls.#')
    await world.limit('calls', 0, 'its server is out')
    await world.bus.cancel('calls')
    await world.bus.detach('calls', 1.0)

    # When it is there again
    calls = await world.attach('calls', 'calls.#')

    # Then it gets what comes
    await world.send('xivo', 'calls.missed', 1)
    await calls.count(1)
    assert [each['data'] for each in calls.bodies] == [1]


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


async def test_what_is_for_one_handler_alone_comes_to_it_alone_and_says_where_it_comes_from(world: World) -> None:
    one, other = await world.attach('one', '#'), await world.attach('other', '#')

    await world.bus.hand('one', 'busd.burst', 'calls.missed', b'{"data":1}', 'call_missed')
    await world.send('xivo', 'calls.missed', 2)
    (delivery, _) = await one.count(2)
    await other.count(1)

    assert (delivery.exchange, delivery.routing_key, delivery.body) == ('busd.burst', 'calls.missed', b'{"data":1}')
    assert delivery.history is not None
    assert (delivery.history.attempts, delivery.event_id) == (
        0,
        identity('busd.burst', 'calls.missed', b'{"data":1}'),
    )
    assert other.bodies == [{'data': 2}]


async def test_what_is_for_one_handler_alone_is_kept_as_any_event_when_it_is_dead(world: World) -> None:
    one = await world.attach('one', '#')
    await world.bus.hand('one', 'busd.burst', 'calls.missed', b'{"data":1}', 'call_missed')

    (await one.count(1))[0].settle(Outcome.DEAD, reason=reason_for('one'))

    assert await world.dead_letters('one', 1) == [(b'{"data":1}', 'ValueError')]


async def test_what_waits_behind_that_in_hand_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.upkeep._WATCH_SECONDS', 0.02)
    calls = await world.attach('calls', 'calls.#')
    for number in range(PREFETCH + 5):
        await world.send('xivo', 'calls.call.created', number)
    in_hand = await calls.count(PREFETCH)
    await eventually(lambda: world.bus.status().consumers['calls'].waiting == 5)
    for delivery in in_hand:
        delivery.settle(Outcome.DONE)
    for delivery in (await calls.count(PREFETCH + 5))[PREFETCH:]:
        delivery.settle(Outcome.DONE)

    await eventually(lambda: world.bus.status().consumers['calls'].waiting == 0)
    assert len(calls.deliveries) == PREFETCH + 5


async def test_what_gathers_for_a_handler_that_rests_or_is_not_started_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.upkeep._WATCH_SECONDS', 0.02)
    await world.attach('early', 'calls.#', gather=True)
    await world.attach('calls', 'calls.#')
    await world.limit('calls', 0, 'it rests')
    for number in range(3):
        await world.send('xivo', 'calls.call.created', number)

    await eventually(lambda: [world.bus.status().consumers[each].waiting for each in ('early', 'calls')] == [3, 3])
