# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus in memory: what is its own; what every bus does is in the conformance suite."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.unit.rig import PATIENCE_SECONDS, make_history, patiently, started, turn
from tests.unit.test_delivery import REASON
from wazo_busd.bus import ConsumerState, ConsumerStatus
from wazo_busd.codec import Limits
from wazo_busd.config import QueueConfig
from wazo_busd.delivery import Delivery, History
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.errors import Retry
from wazo_busd.event import Event
from wazo_busd.memory import DeadLetter, MemoryBus
from wazo_busd.outcome import Outcome
from wazo_busd.plugin import handler
from wazo_busd.topology import HandlerQueue


class Taken(list[Delivery]):
    """What a handler was given."""

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self]

    def settle(self, outcome: Outcome = Outcome.DONE) -> None:
        """Settle everything that is not settled."""
        for delivery in self:
            if delivery.settled is None:
                delivery.settle(outcome, reason=REASON if outcome is Outcome.DEAD else None)


async def came(taken: Taken, number: int) -> None:
    """Wait until a handler was given so much."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(taken) < number:
            await asyncio.sleep(0.001)


def queue_of(bus: MemoryBus, handler: str, *patterns: str, max_length: int = 1000) -> HandlerQueue:
    return bus.hub.handler_queue(handler, patterns, QueueConfig(max_length=max_length))


def send(bus: MemoryBus, *bodies: bytes, routing_key: str = 'calls.call.created') -> None:
    for body in bodies:
        bus.send('wazo-headers', routing_key, body, {'name': 'call_created'})


async def test_an_event_reaches_the_handlers_that_match_it() -> None:
    # Given two handlers
    bus, calls, faxes = MemoryBus(), Taken(), Taken()
    bus.attach(queue_of(bus, 'calls', 'calls.#'), calls.append)
    bus.attach(queue_of(bus, 'faxes', 'faxes.#'), faxes.append)

    # When an event comes that one of them matches
    send(bus, b'1')
    await turn()

    # Then that one gets it
    assert (calls.bodies, faxes.bodies) == ([b'1'], [])


async def test_a_delivery_has_what_was_published() -> None:
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)

    bus.send('xivo', 'calls.x', b'body', {'name': 'x'})
    await turn()

    (delivery,) = taken
    assert (delivery.exchange, delivery.routing_key, delivery.body, delivery.properties.headers) == (
        'xivo',
        'calls.x',
        b'body',
        {'name': 'x'},
    )


async def test_a_derived_event_comes_from_the_hub() -> None:
    bus, taken = MemoryBus('another'), Taken()
    bus.attach(queue_of(bus, 'calls', 'busd.#'), taken.append)

    await bus.publish('busd.call.missed', b'1', {})
    await turn()

    assert [(each.exchange, each.body) for each in taken] == [('another', b'1')]


async def test_nothing_is_delivered_before_the_publisher_has_gone_on() -> None:
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)

    send(bus, b'1')

    assert taken == []


async def test_no_more_than_the_prefetch_is_unsettled() -> None:
    bus, taken = MemoryBus(prefetch=2), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)

    send(bus, b'1', b'2', b'3', b'4')
    await turn()

    assert taken.bodies == [b'1', b'2']


async def test_more_is_delivered_when_something_is_settled() -> None:
    # Given a handler whose prefetch is used up
    bus, taken = MemoryBus(prefetch=2), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)
    send(bus, b'1', b'2', b'3', b'4')
    await turn()

    # When it settles what it has
    taken.settle()
    await turn()

    # Then it gets the rest
    assert taken.bodies == [b'1', b'2', b'3', b'4']


async def test_a_dead_letter_is_kept_with_its_reason() -> None:
    # Given a handler that gives up
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    send(bus, b'1')
    await turn()

    # When it says so
    taken.settle(Outcome.DEAD)

    # Then the event lies among its dead letters, and no longer in its queue
    assert bus.dead_letters == {
        'test': [DeadLetter(b'1', 'wazo-headers', 'calls.call.created', {'name': 'call_created'}, REASON)]
    }
    assert bus.backlog('test') == 0


async def test_a_queue_without_an_entrance_gathers() -> None:
    # Given a handler that has not started
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), None)
    send(bus, b'1', b'2')
    await turn()

    # When it has
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)
    await turn()

    # Then it gets what came meanwhile
    assert taken.bodies == [b'1', b'2']


async def test_a_full_queue_drops_its_oldest_event() -> None:
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'calls', '#', max_length=2), None)
    send(bus, b'1', b'2', b'3')

    bus.attach(queue_of(bus, 'calls', '#', max_length=2), taken.append)
    await turn()

    assert taken.bodies == [b'2', b'3']


async def test_after_cancel_nothing_is_delivered_and_what_was_can_be_settled() -> None:
    # Given a handler with a delivery
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)
    send(bus, b'1')
    await turn()

    # When it takes no more
    await bus.cancel('calls')
    send(bus, b'2')
    await turn()
    taken.settle()

    # Then only the other one is left
    assert (taken.bodies, bus.backlog('calls')) == ([b'1'], 1)


async def test_what_is_not_settled_comes_again_in_its_order_and_says_so() -> None:
    # Given a handler that leaves two of three events
    bus, taken, again = MemoryBus(), Taken(), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)
    send(bus, b'1', b'2', b'3')
    await turn()
    taken[1].settle(Outcome.DONE)
    taken.settle(Outcome.INTERRUPTED)

    # When it is detached and attached again
    await bus.detach('calls', 0.0)
    send(bus, b'4')
    bus.attach(queue_of(bus, 'calls', '#'), again.append)
    await turn()

    # Then they come before everything else
    assert [(each.body, each.redelivered) for each in again] == [(b'1', True), (b'3', True), (b'4', False)]


@pytest.mark.parametrize('outcome', [Outcome.DONE, Outcome.DEAD])
async def test_a_settlement_that_comes_too_late_settles_nothing(outcome: Outcome) -> None:
    # Given a delivery that was given back
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'calls', '#'), taken.append)
    send(bus, b'1')
    await turn()
    await bus.detach('calls', 0.0)

    # When it is settled
    taken.settle(outcome)

    # Then the event is still there
    assert (bus.backlog('calls'), bus.dead_letters) == (1, {})


# ---- again


async def two_of_one_event(bus: MemoryBus) -> tuple[Taken, Taken]:
    """Two handlers that were given the same event."""
    failing, other = Taken(), Taken()
    bus.attach(queue_of(bus, 'failing', '#'), failing.append)
    bus.attach(queue_of(bus, 'other', '#'), other.append)
    send(bus, b'{"name": "call_created"}')
    await turn()
    return failing, other


def history_of(delivery: Delivery, **said: Any) -> History:
    return make_history(event_id=delivery.event_id, **said)


async def test_what_is_to_be_tried_again_comes_back_to_the_handler_that_failed_and_to_no_other() -> None:
    # Given two handlers with the same event
    bus = MemoryBus()
    failing, other = await two_of_one_event(bus)

    # When one of them is to try it again, and the other one is done
    failing[0].settle(Outcome.RETRY, history=history_of(failing[0]))
    other.settle()
    await came(failing, 2)

    # Then only that one gets it again
    assert (len(failing), len(other), bus.backlog('other')) == (2, 1, 0)


async def test_what_comes_back_is_the_same_event_with_its_history() -> None:
    bus = MemoryBus()
    failing, _ = await two_of_one_event(bus)
    first = failing[0]
    history = history_of(first)

    first.settle(Outcome.RETRY, history=history)
    await came(failing, 2)

    again = failing[1]
    assert (again.event_id, again.history, again.redelivered) == (first.event_id, history, False)
    assert (again.exchange, again.routing_key, again.body, again.properties.headers) == (
        first.exchange,
        first.routing_key,
        first.body,
        first.properties.headers,
    )


async def test_a_handler_gets_the_same_event_as_its_second_attempt() -> None:
    # Given a handler that fails at its first attempt
    bus = MemoryBus()
    got: list[tuple[int, str]] = []
    done = asyncio.Event()

    @handler
    async def ring(event: Event) -> None:
        got.append((event.attempt, event.id))
        if event.attempt == 1:
            raise Retry
        done.set()

    dispatcher = Dispatcher(await started(ring, retry={'in_place': 0, 'backoff': '100ms'}), Limits())
    bus.attach(queue_of(bus, 'test', '#'), dispatcher.accept, dispatcher.forget)

    # When an event comes
    send(bus, b'{"name": "call_created"}')
    await patiently(done.wait())
    await patiently(dispatcher.drain(0.0))

    # Then both attempts are at the same one
    assert ([attempt for attempt, _ in got], len({event_id for _, event_id in got}), bus.backlog('test')) == (
        [1, 2],
        1,
        0,
    )


async def test_what_is_to_be_tried_again_does_not_count_as_unsettled_meanwhile() -> None:
    # Given a handler with one delivery at a time
    bus, taken = MemoryBus(prefetch=1), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    send(bus, b'1', b'2')
    await turn()

    # When it is to try the first event again in an hour
    taken[0].settle(Outcome.RETRY, history=history_of(taken[0], due_at=time.time() + 3600.0))
    await turn()

    # Then it gets the next one
    assert taken.bodies == [b'1', b'2']


async def test_what_comes_back_while_its_handler_is_not_started_waits_for_it() -> None:
    # Given a handler that is to try an event again, and is detached
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    send(bus, b'1')
    await turn()
    taken[0].settle(Outcome.RETRY, history=history_of(taken[0]))
    await bus.detach('test', 0.0)

    # When it is attached again
    again = Taken()
    bus.attach(queue_of(bus, 'test', '#'), again.append)
    await came(again, 1)

    # Then it gets it
    assert [each.history for each in again] == [history_of(taken[0])]


async def test_what_is_given_back_comes_again_and_says_so() -> None:
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    send(bus, b'1')
    await turn()

    taken[0].give_back()
    await turn()

    assert [(each.body, each.redelivered) for each in taken] == [(b'1', False), (b'1', True)]


async def test_a_copy_that_is_given_back_keeps_its_history() -> None:
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    send(bus, b'1')
    await turn()
    taken[0].settle(Outcome.RETRY, history=history_of(taken[0]))
    await came(taken, 2)

    taken[1].give_back()
    await came(taken, 3)

    assert taken[2].history == history_of(taken[0])


# ---- how many


async def test_a_handler_that_takes_none_is_given_none() -> None:
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)

    bus.limit('test', 0, 'its server is out')
    send(bus, b'1')
    await turn()

    assert (taken.bodies, bus.backlog('test')) == ([], 1)


async def test_a_handler_that_takes_one_is_given_one_at_a_time() -> None:
    # Given a handler that takes one
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    bus.limit('test', 1, 'one event is tried')
    send(bus, b'1', b'2', b'3')
    await turn()
    first = taken.bodies

    # When it settles that one
    taken.settle()
    await turn()

    # Then it is given the next one
    assert (first, taken.bodies) == ([b'1'], [b'1', b'2'])


async def test_a_handler_that_takes_as_many_as_before_is_given_all() -> None:
    bus, taken = MemoryBus(prefetch=2), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    bus.limit('test', 0, 'its server is out')
    send(bus, b'1', b'2', b'3')
    await turn()

    bus.limit('test', None, '')
    await turn()

    assert taken.bodies == [b'1', b'2']


async def test_a_handler_that_takes_none_can_settle_what_it_has() -> None:
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    send(bus, b'1')
    await turn()

    bus.limit('test', 0, 'its server is out')
    taken.settle()

    assert bus.backlog('test') == 0


async def test_a_handler_that_is_attached_again_takes_as_many_as_configured() -> None:
    # Given a handler that took none, and was detached
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    bus.limit('test', 0, 'its server is out')
    await bus.detach('test', 0.0)

    # When it is attached again
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    send(bus, b'1')
    await turn()

    # Then it gets what comes
    assert taken.bodies == [b'1']


@pytest.mark.parametrize(
    ('count', 'reason', 'status'),
    [
        (0, 'its server is out', ConsumerStatus(ConsumerState.PAUSED, 'its server is out')),
        (1, 'one event is tried', ConsumerStatus(ConsumerState.CONSUMING, 'one event is tried')),
        (None, '', ConsumerStatus(ConsumerState.CONSUMING)),
    ],
)
async def test_the_status_says_that_a_handler_rests_and_why(
    count: int | None, reason: str, status: ConsumerStatus
) -> None:
    bus = MemoryBus()
    bus.attach(queue_of(bus, 'test', '#'), Taken().append)

    bus.limit('test', count, reason)

    assert bus.status().consumers['test'] == status


async def test_a_handler_that_takes_no_more_for_good_is_not_let_go_on() -> None:
    # Given a handler that is cancelled
    bus, taken = MemoryBus(), Taken()
    bus.attach(queue_of(bus, 'test', '#'), taken.append)
    await bus.cancel('test')

    # When somebody lets it take as many as before
    bus.limit('test', None, '')
    send(bus, b'1')
    await turn()

    # Then it gets nothing
    assert (taken.bodies, bus.status().consumers['test'].state) == ([], ConsumerState.CANCELLED)


async def test_handlers_that_are_not_kept_get_nothing_more() -> None:
    bus = MemoryBus()
    for name in ('old', 'new'):
        bus.attach(queue_of(bus, name, '#'), None)

    await bus.keep_only({'new'})
    send(bus, b'1')

    assert (bus.backlog('old'), bus.backlog('new')) == (0, 1)


@pytest.mark.parametrize(
    ('last', 'state'),
    [('gather', ConsumerState.WAITING), ('attach', ConsumerState.CONSUMING), ('cancel', ConsumerState.CANCELLED)],
)
async def test_the_status_says_how_a_queue_fares(last: str, state: ConsumerState) -> None:
    bus = MemoryBus()
    bus.attach(queue_of(bus, 'calls', '#'), None if last == 'gather' else Taken().append)
    if last == 'cancel':
        await bus.cancel('calls')

    assert bus.status().consumers['calls'].state is state


async def test_a_handler_that_is_detached_is_not_in_the_status() -> None:
    bus = MemoryBus()
    bus.attach(queue_of(bus, 'calls', '#'), Taken().append)

    await bus.detach('calls', 0.0)

    assert bus.status().consumers == {}


async def test_every_change_of_the_status_is_told() -> None:
    told: list[int] = []
    bus = MemoryBus(on_change=lambda: told.append(1))

    bus.attach(queue_of(bus, 'calls', '#'), Taken().append)
    await bus.cancel('calls')
    await bus.detach('calls', 0.0)

    assert len(told) == 3


async def test_it_runs_until_it_is_closed() -> None:
    # Given a bus that runs
    bus = MemoryBus()
    running = asyncio.create_task(bus.run())
    await turn()
    ended_before = running.done()

    # When it is closed
    await bus.close()
    await patiently(running)

    # Then, and not before, it ends
    assert not ended_before
