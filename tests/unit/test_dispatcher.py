# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The dispatcher: from a delivery to its outcome, whatever the plugin does."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import (
    PATIENCE_SECONDS,
    Rig,
    Settlements,
    log_lines,
    make_context,
    make_delivery,
    make_handler,
    make_history,
    patiently,
    started,
    turn,
)
from wazo_busd import dispatcher as module
from wazo_busd.blackbox import read
from wazo_busd.breaker import BreakerState
from wazo_busd.codec import Limits, encode
from wazo_busd.context import Context
from wazo_busd.delivery import Delivery
from wazo_busd.errors import Discard, Permanent, Retry, Stop, Undecodable
from wazo_busd.event import Event
from wazo_busd.language import PlainText
from wazo_busd.options import BaseOptions
from wazo_busd.outcome import Outcome
from wazo_busd.plugin import handler
from wazo_busd.suspects import Suspects
from wazo_busd.work import Work, current_work

Ring = Callable[[Event], Awaitable[None]]


class Bell:
    """A plugin that rings until the test lets it stop."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.rung: list[Any] = []
        self._came = asyncio.Event()

        @handler
        async def ring(event: Event) -> None:
            self.rung.append(event.data)
            self._came.set()
            await self.release.wait()

        self.ring = ring

    async def count(self, number: int) -> None:
        """Wait until so many events have reached it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.rung) < number:
                self._came.clear()
                await self._came.wait()


class Hang:
    """A plain function that hangs in a thread until the test lets it go on."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.hangs = asyncio.Event()
        loop = asyncio.get_running_loop()

        @handler
        def hang(event: Event) -> None:
            if event.data == 'hang':
                loop.call_soon_threadsafe(self.hangs.set)
                self.release.wait()

        self.plugin = hang


@pytest.fixture
async def hang() -> AsyncIterator[Hang]:
    """A plain function that hangs; it is let go in the end."""
    made = Hang()
    yield made
    made.release.set()


def allow_time(rig: Rig) -> None:
    """Let calls take any time from now on: a thread that is slow on a busy machine is not late."""
    rig.dispatcher._tries._deadlines._seconds = 3600.0


def raising(error: BaseException | type[BaseException]) -> Ring:
    @handler
    async def fail(event: Event) -> None:
        raise error

    return fail


def raising_in_a_thread(error: BaseException | type[BaseException]) -> Callable[[Event], None]:
    @handler
    def fail(event: Event) -> None:
        raise error

    return fail


ONCE = {'attempts': 1}
"""A policy with which what fails is dead."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds, where nothing tells."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)


async def run_on_one(target: Any, *, retry: Mapping[str, Any] = ONCE, **config: Any) -> Rig:
    """Run a plugin on one event, to its settlement; what fails is not tried again, unless said."""
    rig = Rig(await started(target, retry=retry, **config))
    rig.give({'call_id': '1'})
    await rig.all_settled()
    return rig


# ---- outcomes


async def test_an_event_whose_handler_returns_is_acknowledged() -> None:
    @handler
    async def ring(event: Event) -> None: ...

    rig = await run_on_one(ring)

    assert len(rig.settlements.acked) == rig.settlements.number == 1


async def test_an_event_whose_handler_discards_it_is_acknowledged() -> None:
    rig = await run_on_one(raising(Discard('not now')))

    assert [each.settled for each in rig.settlements.acked] == [Outcome.DISCARDED]


async def test_a_failing_event_is_dead_with_the_class_of_its_error() -> None:
    rig = await run_on_one(raising(ValueError('it does not fit')))

    assert (rig.settlements.reason.error, rig.settlements.reason.text) == ('ValueError', 'it does not fit')


async def test_an_event_to_be_retried_is_dead_when_its_tries_are_used_up() -> None:
    rig = await run_on_one(raising(Retry('the server is out')))

    assert (rig.settlements.reason.error, rig.settlements.reason.text) == ('Retry', 'the server is out')


@pytest.mark.parametrize(
    ('error', 'name'),
    [
        (BaseException('x'), 'BaseException'),
        (SystemExit(3), 'SystemExit'),
        (KeyboardInterrupt(), 'KeyboardInterrupt'),
        (GeneratorExit(), 'GeneratorExit'),
        (asyncio.CancelledError(), 'HandlerExited'),
        (StopIteration('x'), 'RuntimeError'),
        (StopAsyncIteration('x'), 'StopAsyncIteration'),
        (MemoryError(), 'MemoryError'),
        (RecursionError(), 'RecursionError'),
        (ExceptionGroup('several', [ValueError(), SystemError()]), 'ExceptionGroup'),
        (TimeoutError('no answer'), 'TimeoutError'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_whatever_an_async_handler_raises_its_event_is_dead(error: BaseException, name: str) -> None:
    rig = await run_on_one(raising(error))

    assert rig.settlements.reason.error == name


@pytest.mark.parametrize(
    ('error', 'name'),
    [
        (ValueError('x'), 'ValueError'),
        (BaseException('x'), 'BaseException'),
        (SystemExit(3), 'SystemExit'),
        (KeyboardInterrupt(), 'KeyboardInterrupt'),
        (GeneratorExit(), 'HandlerExited'),
        (asyncio.CancelledError(), 'HandlerExited'),
        (StopIteration('x'), 'HandlerExited'),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_whatever_a_plain_handler_raises_its_event_is_dead(error: BaseException, name: str) -> None:
    rig = await run_on_one(raising_in_a_thread(error))

    assert rig.settlements.reason.error == name


@pytest.mark.parametrize('make', [raising, raising_in_a_thread])
@pytest.mark.parametrize(
    'error',
    [ValueError, BaseException, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError, StopIteration],
)
async def test_after_whatever_a_handler_raised_the_next_event_is_handled(
    make: Callable[[type[BaseException]], Any], error: type[BaseException]
) -> None:
    # Given a handler that raised
    rig = Rig(await started(make(error), retry=ONCE))
    rig.give(1)
    await rig.all_settled()

    # When another event comes
    rig.give(2)

    # Then it is handled as well
    await rig.all_settled()
    assert rig.dispatcher.counts.outcomes[Outcome.DEAD] == 2


async def test_an_event_whose_handler_awaits_a_task_that_was_cancelled_is_dead() -> None:
    @handler
    async def ring(event: Event) -> None:
        task = asyncio.create_task(asyncio.sleep(3600))
        task.cancel()
        await task

    rig = await run_on_one(ring)

    assert rig.settlements.reason.text == 'the handler was cancelled from within'


@pytest.mark.parametrize('error', [GeneratorExit(), BaseException('x'), asyncio.CancelledError()], ids=repr)
async def test_whatever_ended_a_future_that_a_handler_awaits_its_event_is_settled_and_the_next_one_is_handled(
    error: BaseException,
) -> None:
    # Given a handler that awaits what ends with anything
    @handler
    async def ring(event: Event) -> None:
        if event.data == 1:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_exception, error)
            await future

    rig = Rig(await started(ring, retry={'backoff': '1h'}))

    # When two events come
    first, second = rig.give(1), rig.give(2)
    await rig.all_settled()

    # Then the first one was tried twice, and both are settled
    assert (first.settled, second.settled, rig.settlements.history.attempts) == (Outcome.RETRY, Outcome.DONE, 2)


async def test_an_event_whose_handler_cancels_its_own_task_is_dead() -> None:
    @handler
    async def ring(event: Event) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    rig = await run_on_one(ring)

    assert rig.settlements.reason.error == 'HandlerExited'


async def test_a_handler_that_cancelled_its_own_task_gets_the_next_event_all_the_same() -> None:
    # Given a handler that cancels the task that it is in, and returns
    @handler
    async def ring(event: Event) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    rig = await run_on_one(ring)
    await turn()

    # When another event comes
    rig.give(2)

    # Then it is handled
    await rig.all_settled()
    assert len(rig.settlements.acked) == 2


async def test_an_error_that_cannot_be_told_does_not_keep_its_event_from_being_settled() -> None:
    # Given a handler whose error has no text
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError('no text')

    # When it raises it
    rig = await run_on_one(raising(Odd()))

    # Then the event is dead all the same
    assert (rig.settlements.reason.error, rig.settlements.reason.text) == ('Odd', '<exception str() failed>')


async def test_a_cancellation_that_cannot_be_told_does_not_keep_its_event_from_being_settled() -> None:
    class Odd(asyncio.CancelledError):
        def __repr__(self) -> str:
            raise RuntimeError('no text')

    rig = await run_on_one(raising(Odd()))

    assert rig.settlements.reason.error == 'HandlerExited'


# ---- the reason


async def test_the_reason_says_where_in_the_plugin_it_went_wrong() -> None:
    @handler
    async def ring_the_bell(event: Event) -> None:
        raise ValueError('it does not fit')

    rig = await run_on_one(ring_the_bell)

    assert 'in ring_the_bell' in rig.settlements.reason.traceback


async def test_the_reason_of_a_plain_function_says_where_it_went_wrong() -> None:
    @handler
    def ring_the_bell(event: Event) -> None:
        next(iter(()))

    rig = await run_on_one(ring_the_bell)

    assert 'in ring_the_bell' in rig.settlements.reason.traceback


async def test_the_traceback_of_the_reason_begins_in_the_plugin() -> None:
    @handler
    async def ring_the_bell(event: Event) -> None:
        raise ValueError('it does not fit')

    rig = await run_on_one(ring_the_bell)

    assert rig.settlements.reason.traceback.splitlines()[1].endswith('in ring_the_bell')


async def test_the_reason_names_handler_plugin_and_version() -> None:
    reason = (await run_on_one(raising(ValueError), name='bell')).settlements.reason

    assert (reason.handler, reason.plugin, reason.plugin_version) == ('bell', 'test', '1')


async def test_the_reason_names_the_event() -> None:
    seen: list[str] = []

    @handler
    async def ring(event: Event) -> None:
        seen.append(event.id)
        raise ValueError

    rig = await run_on_one(ring)

    assert [rig.settlements.reason.event_id] == seen


async def test_the_reason_says_when_it_was_tried_and_how_often() -> None:
    before = time.time()
    reason = (await run_on_one(raising(ValueError))).settlements.reason

    assert before <= reason.first_at <= reason.last_at <= time.time()
    assert reason.attempts == 1


# ---- what is no event, or none of the handler's


class Headers:
    """Properties whose headers cannot be read."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @property
    def headers(self) -> Mapping[str, Any]:
        raise self.error


async def rig_of_nothing(limits: Limits | None = None, **config: Any) -> Rig:
    """A dispatcher whose handler must not be called."""

    @handler
    async def never(event: Event) -> None:
        pytest.fail(f'called with {event}')

    return Rig(await started(never, **config), limits)


@pytest.mark.parametrize(
    ('body', 'text'),
    [
        (b'', 'the body is empty'),
        (b'{', 'the body is not JSON'),
        (b'[]', 'the body is a list, not a JSON object'),
        (b'"None"', 'the body is a string, not a JSON object'),
        (b'{"name": "\xff"}', 'the body is not UTF-8 at byte 10'),
        (b'\x80\x04}q\x00.', 'the body is not UTF-8 at byte 0'),
        (b'[' * 100_000, 'the body is not JSON'),
        (b'{"a":' * 65 + b'1' + b'}' * 65, 'the body is nested deeper than 64 levels'),
    ],
    ids=['empty', 'cut off', 'list', 'string', 'not UTF-8', 'pickle', 'endless', 'deep'],
)
async def test_a_body_that_is_no_event_is_dead_with_what_it_is_instead(body: bytes, text: str) -> None:
    rig = await rig_of_nothing()

    rig.give_body(body)

    assert (rig.settlements.reason.error, rig.settlements.reason.text[: len(text)]) == ('Undecodable', text)


async def test_a_body_over_the_limit_is_dead_with_its_true_size() -> None:
    rig = await rig_of_nothing(Limits(size=10))

    rig.give_body(b'{"name": "', size=5000)

    assert rig.settlements.reason.text.startswith('the body has 5,000 bytes, the limit is 10')


async def test_headers_that_cannot_be_read_are_dead_with_the_reason() -> None:
    rig = await rig_of_nothing()

    rig.give_body(b'{}', properties=Headers(Undecodable('the headers are cut off')))

    assert (rig.settlements.reason.error, rig.settlements.reason.text) == ('Undecodable', 'the headers are cut off')


async def test_a_mistake_of_ours_in_reading_does_not_lose_the_event() -> None:
    rig = await rig_of_nothing()

    rig.give_body(b'{}', properties=Headers(RuntimeError('a mistake of ours')))

    assert rig.settlements.reason.error == 'RuntimeError'


async def test_what_is_no_event_was_never_tried() -> None:
    rig = await rig_of_nothing()

    rig.give_body(b'{')

    assert (rig.settlements.reason.attempts, rig.settlements.reason.traceback) == (0, '')


async def test_what_is_no_event_is_told_in_one_line_of_the_log(log: StringIO) -> None:
    rig = await rig_of_nothing()

    rig.give_body(b'{', routing_key='calls.call.created')

    (line,) = log_lines(log, 'event_dead')
    assert (line['error'], line['routing_key'], line['outcome']) == ('Undecodable', 'calls.call.created', 'dead')


async def test_an_event_that_does_not_match_is_acknowledged() -> None:
    rig = await rig_of_nothing(match='faxes.#')

    delivery = rig.give(routing_key='calls.call.created')

    assert rig.settlements.acked == [delivery]


async def test_an_event_that_does_not_match_is_counted_as_that_and_nothing_else() -> None:
    rig = await rig_of_nothing(match='faxes.#')

    rig.give(routing_key='calls.call.created')

    counts = rig.dispatcher.counts
    assert (counts.received, counts.unmatched, sum(counts.outcomes.values())) == (1, 1, 0)


@given(st.binary(max_size=40), st.text(max_size=10))
async def test_whatever_arrives_is_settled_once_and_accept_raises_nothing(body: bytes, routing_key: str) -> None:
    # Given a handler that takes anything
    rig = Rig(make_handler(lambda_plugin()))
    await rig.dispatcher.handler.start(make_context())

    # When whatever bytes arrive
    delivery = rig.give_body(body, routing_key=routing_key)
    await rig.all_settled()
    await rig.dispatcher.drain(0.0)

    # Then they are settled
    assert (rig.settlements.number, delivery.settled is None) == (1, False)


def lambda_plugin() -> Ring:
    @handler
    async def ring(event: Event) -> None: ...

    return ring


# ---- settled once


async def test_each_of_many_events_is_settled_once_whatever_became_of_it() -> None:
    # Given a handler that does something else with every event
    @handler
    async def ring(event: Event) -> None:
        await asyncio.sleep(0)
        match event.data % 5:
            case 0:
                raise Discard
            case 1:
                raise ValueError
            case 2:
                raise SystemExit
            case 3:
                raise Permanent

    rig = Rig(await started(ring, concurrency=7, retry={'in_place': 0}))

    # When many events come
    deliveries = [rig.give(number) for number in range(250)]
    await rig.all_settled()
    await turn()

    # Then each was settled, and the broker was told as often
    assert (rig.settlements.number, {each.settled for each in deliveries}) == (
        250,
        {Outcome.DONE, Outcome.DISCARDED, Outcome.DEAD, Outcome.RETRY},
    )


async def test_counts_say_how_events_ended() -> None:
    # Given a handler that fails with one event and discards another
    @handler
    async def ring(event: Event) -> None:
        if event.data:
            raise event_errors[event.data]

    event_errors = {1: ValueError(), 2: Discard(), 3: Permanent()}
    rig = Rig(await started(ring, retry={'in_place': 0}))

    # When it was run on five
    for number in (0, 1, 2, 0, 3):
        rig.give(number)
    await rig.all_settled()

    # Then they are counted
    counts = rig.dispatcher.counts
    assert (counts.received, counts.unmatched, counts.outcomes) == (
        5,
        0,
        {Outcome.DONE: 2, Outcome.DISCARDED: 1, Outcome.RETRY: 1, Outcome.DEAD: 1, Outcome.INTERRUPTED: 0},
    )


@pytest.mark.interpreted
async def test_counts_say_how_much_time_the_plugin_took(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a plugin whose calls take time, two seconds by the clock
    clock = itertools.count(1.0, 2.0)
    monkeypatch.setattr('wazo_busd.tries.time', SimpleNamespace(monotonic=lambda: next(clock)))
    rig = Rig(await started(lambda_plugin()))

    # When it is run on two events
    rig.give()
    rig.give()
    await rig.all_settled()

    # Then it is the time of both
    assert rig.dispatcher.counts.seconds == 4.0


# ---- timeouts


async def test_an_event_whose_handler_takes_too_long_is_dead() -> None:
    rig = await run_on_one(Bell().ring, timeout='10ms')

    assert rig.settlements.reason.error == 'HandlerTimeout'


async def test_an_event_whose_handler_swallows_the_timeout_and_returns_is_dead() -> None:
    @handler
    async def ring(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    rig = await run_on_one(ring, timeout='10ms')

    assert rig.settlements.reason.error == 'HandlerTimeout'


async def test_after_a_timeout_the_next_event_is_handled() -> None:
    # Given a handler that hangs with the first event
    @handler
    async def ring(event: Event) -> None:
        if event.data == 1:
            await asyncio.Event().wait()

    rig = Rig(await started(ring, timeout='10ms', retry=ONCE))

    # When two events come
    first, second = rig.give(1), rig.give(2)
    await rig.all_settled()

    # Then the second one is done
    assert (first.settled, second.settled) == (Outcome.DEAD, Outcome.DONE)


async def test_an_event_whose_plain_handler_hangs_is_dead_and_the_next_one_is_handled(hang: Hang) -> None:
    # Given a plain function that hangs with the first event
    rig = Rig(await started(hang.plugin, timeout='10ms', retry=ONCE))

    # When another one comes behind it
    first = rig.give('hang')
    await rig.all_settled()
    allow_time(rig)
    second = rig.give('go')
    await rig.all_settled()

    # Then that is done, in another thread
    assert (first.settled, second.settled) == (Outcome.DEAD, Outcome.DONE)


# ---- plain functions


async def test_a_plain_function_does_not_block_the_loop(hang: Hang) -> None:
    # Given a plain function that hangs
    rig = Rig(await started(hang.plugin))
    rig.give('hang')
    await patiently(hang.hangs.wait())

    # When the loop is asked to do something else
    await turn()
    hang.release.set()

    # Then it does
    await rig.all_settled()
    assert len(rig.settlements.acked) == 1


async def test_a_plain_function_knows_the_work_that_it_is_at() -> None:
    seen: list[Work | None] = []

    @handler
    def ring(event: Event) -> None:
        seen.append(current_work.get())

    rig = await run_on_one(ring)

    assert [work and work.delivery for work in seen] == rig.settlements.acked


async def test_what_a_plain_function_logs_names_handler_and_event(log: StringIO) -> None:
    @handler
    def ring(event: Event, context: Context) -> None:
        context.log.info('rang')

    await run_on_one(ring, name='bell')

    assert log_lines(log, 'rang') == [{'level': 'INFO', 'handler': 'bell', 'event_name': 'call_created'}]


async def test_a_plain_function_that_gives_a_coroutine_is_awaited() -> None:
    # Given an async function behind a decorator that hides that it is one
    rung: list[Event] = []

    async def ring(event: Event) -> None:
        await asyncio.sleep(0)
        rung.append(event)

    @handler
    def wrapper(event: Event) -> Awaitable[None]:
        return ring(event)

    # When an event comes
    await run_on_one(wrapper)

    # Then the function has run
    assert len(rung) == 1


async def test_what_a_coroutine_of_a_plain_function_raises_makes_its_event_dead() -> None:
    @handler
    def wrapper(event: Event) -> Awaitable[None]:
        return raising(ValueError)(event)

    rig = await run_on_one(wrapper)

    assert rig.settlements.reason.error == 'ValueError'


# ---- concurrency and order


async def test_as_many_events_are_handled_at_a_time_as_is_allowed() -> None:
    # Given a handler that may run on two at a time
    bell = Bell()
    rig = Rig(await started(bell.ring, concurrency=2))

    # When three events come
    for number in range(3):
        rig.give(number)
    await bell.count(2)
    await turn()

    # Then two of them are being handled
    assert bell.rung == [0, 1]


async def test_the_backlog_is_what_waits_and_what_runs() -> None:
    bell = Bell()
    rig = Rig(await started(bell.ring))

    for number in range(3):
        rig.give(number)
    await bell.count(1)

    assert rig.dispatcher.backlog == 3


@pytest.mark.parametrize(
    ('order_by', 'data'),
    [
        ('data.key', {'key': '1'}),
        ('data.key', {'key': ''}),
        ('data.key', {'key': 1}),
        ('data.key', {'key': 0}),
        ('data.key', {'key': 1.5}),
        ('data.key', {'key': True}),
        ('data.key', {'key': False}),
        ('data.call.id', {'call': {'id': 1}}),
        ('data', 'text'),
        ('name', None),
        ('routing_key', None),
        ('headers.name', None),
        ('metadata.data.key', {'key': 1}),
    ],
)
async def test_events_of_the_same_key_wait_for_each_other(order_by: str, data: Any) -> None:
    # Given a handler that keeps an order
    bell = Bell()
    rig = Rig(await started(bell.ring, concurrency=2, order_by=order_by))

    # When two events of the same key come
    rig.give(data)
    rig.give(data)
    await bell.count(1)
    await turn()

    # Then one is being handled
    assert len(bell.rung) == 1


@pytest.mark.parametrize(
    ('order_by', 'data'),
    [
        ('data.key', {'key': None}),
        ('data.key', {'key': [1]}),
        ('data.key', {'key': {'a': 1}}),
        ('data.key', {}),
        ('data.key', None),
        ('data.key', 'text'),
        ('data.key', ['key']),
        ('data.key.more', {'key': 1}),
        ('data.key.more', {'key': None}),
        ('data', {'key': 1}),
        ('tenant_uuid', None),
        ('headers.missing', None),
    ],
)
async def test_events_without_a_key_that_can_be_compared_do_not_wait(order_by: str, data: Any) -> None:
    # Given a handler that keeps an order
    bell = Bell()
    rig = Rig(await started(bell.ring, concurrency=2, order_by=order_by))

    # When two events come that have no such key
    rig.give(data)
    rig.give(data)

    # Then both are being handled
    await bell.count(2)
    assert len(bell.rung) == 2


async def test_events_of_one_key_are_handled_in_the_order_they_came() -> None:
    # Given a handler that keeps an order, and takes long with early events
    handled: list[tuple[str, int]] = []

    @handler
    async def ring(event: Event) -> None:
        await turn(10 - event.data['number'] // 3)
        handled.append((event.data['key'], event.data['number']))

    rig = Rig(await started(ring, concurrency=4, order_by='data.key'))

    # When events of three keys come
    for number in range(30):
        rig.give({'key': 'abc'[number % 3], 'number': number})
    await rig.all_settled()

    # Then those of each key were handled in their order
    assert sorted(handled, key=lambda each: each[0]) == [
        (key, number) for start, key in enumerate('abc') for number in range(start, 30, 3)
    ]


async def test_without_a_key_an_event_that_takes_long_holds_no_other_up() -> None:
    # Given a handler for two, whose first event takes long
    bell = Bell()

    @handler
    async def ring(event: Event) -> None:
        if event.data == 0:
            await bell.release.wait()

    rig = Rig(await started(ring, concurrency=2))

    # When more events come
    for number in range(10):
        rig.give(number)
    await rig.settlements.count(9)

    # Then all but that one are done
    assert rig.dispatcher.backlog == 1


# ---- the log


async def test_a_handled_event_is_one_line_with_what_one_asks_for(log: StringIO) -> None:
    await run_on_one(lambda_plugin(), name='bell')

    (line,) = log_lines(log, 'event_handled')
    duration = float(line.pop('duration_ms'))
    assert line == {
        'level': 'INFO',
        'event_name': 'call_created',
        'handler': 'bell',
        'outcome': 'done',
        'attempt': '1',
    }
    assert 0 <= duration < 1000 * PATIENCE_SECONDS


@pytest.mark.parametrize('reason', [404, ValueError('an internal call'), ['an', 'internal', 'call'], b'internal'])
async def test_an_event_that_is_discarded_with_a_reason_that_is_no_text_is_acknowledged(reason: Any) -> None:
    rig = await run_on_one(raising(Discard(reason)))

    assert [each.settled for each in rig.settlements.acked] == [Outcome.DISCARDED]


async def test_a_discarded_event_is_one_line_with_the_reason(log: StringIO) -> None:
    await run_on_one(raising(Discard('an internal call')))

    (line,) = log_lines(log, 'event_handled')
    assert (line['outcome'], line['reason'], line['level']) == ('discarded', 'an internal call', 'INFO')


async def test_an_event_that_is_discarded_without_a_reason_names_none(log: StringIO) -> None:
    await run_on_one(raising(Discard))

    (line,) = log_lines(log, 'event_handled')
    assert 'reason' not in line


async def test_a_dead_event_is_one_line_with_what_one_asks_for(log: StringIO) -> None:
    rig = await run_on_one(raising(ValueError('it does not fit')), name='bell')

    (line,) = log_lines(log, 'event_dead')
    del line['duration_ms']
    assert line == {
        'level': 'ERROR',
        'event_name': 'call_created',
        'routing_key': 'calls.call.created',
        'event_id': rig.settlements.reason.event_id,
        'handler': 'bell',
        'outcome': 'dead',
        'attempt': '1',
        'error': 'ValueError',
        'error_text': 'it does not fit',
    }


async def test_a_dead_event_is_not_told_as_handled_too(log: StringIO) -> None:
    await run_on_one(raising(ValueError))

    assert log_lines(log, 'event_handled') == []


async def test_a_long_text_of_an_error_is_cut_in_the_log_and_whole_in_the_reason(log: StringIO) -> None:
    rig = await run_on_one(raising(ValueError('x' * 5000)))

    (line,) = log_lines(log, 'event_dead')
    assert (len(line['error_text']), len(rig.settlements.reason.text)) == (200, 5000)


async def test_an_error_that_has_a_line_end_stays_in_its_line(log: StringIO) -> None:
    await run_on_one(raising(ValueError('a\n2026-01-01 00:00:00,000 INFO     forged')))

    assert log_lines(log, 'forged') == []


# ---- drain


async def test_an_event_that_arrives_during_the_drain_is_left() -> None:
    # Given a dispatcher that drains
    rig = await rig_of_nothing()
    await patiently(rig.dispatcher.drain(0.0))

    # When an event arrives
    delivery = rig.give()

    # Then it is left
    assert rig.settlements.left == [delivery]


async def test_the_drain_waits_for_what_runs() -> None:
    # Given a handler that runs
    bell = Bell()
    rig = Rig(await started(bell.ring))
    delivery = rig.give()
    await bell.count(1)

    # When the dispatcher is drained, and the handler returns
    draining = asyncio.create_task(rig.dispatcher.drain(3600.0))
    await turn()
    drained_before = draining.done()
    bell.release.set()
    await patiently(draining)

    # Then, and not before, it is drained, and the event is done
    assert (drained_before, delivery.settled) == (False, Outcome.DONE)


async def test_the_drain_gives_back_what_has_not_begun_at_once() -> None:
    # Given a handler that runs, and events behind it, in its lane and in none
    bell = Bell()
    rig = Rig(await started(bell.ring, order_by='data.key'))
    running, *waiting = [rig.give({'key': key}) for key in ('a', 'a', 'b', None)]
    await bell.count(1)

    # When the dispatcher is drained
    draining = asyncio.create_task(rig.dispatcher.drain(3600.0))
    await turn()
    left = list(rig.settlements.left)
    bell.release.set()
    await patiently(draining)

    # Then those are left while the one still runs, and are not run
    assert sorted(left, key=lambda each: each.tag) == waiting
    assert (running.settled, len(bell.rung)) == (Outcome.DONE, 1)


async def test_the_drain_of_a_dispatcher_without_work_ends_at_once() -> None:
    rig = await rig_of_nothing()

    await patiently(rig.dispatcher.drain(3600.0))

    assert rig.settlements.number == 0


async def test_after_the_drain_the_threads_of_the_handler_end() -> None:
    # Given a plain function that has run in a thread
    threads: list[threading.Thread] = []

    @handler
    def ring(event: Event) -> None:
        threads.append(threading.current_thread())

    rig = await run_on_one(ring)

    # When its dispatcher is drained
    await patiently(rig.dispatcher.drain(0.0))
    await asyncio.to_thread(threads[0].join, PATIENCE_SECONDS)

    # Then the thread is gone
    assert not threads[0].is_alive()


async def test_a_handler_that_is_late_is_named(log: StringIO) -> None:
    # Given a handler that runs
    bell = Bell()
    rig = Rig(await started(bell.ring, name='bell'))
    rig.give()
    await bell.count(1)

    # When the drain waits no longer
    await patiently(rig.dispatcher.drain(0.0))

    # Then the log names it, with its event
    (line,) = log_lines(log, 'handler_late')
    assert (line['level'], line['handler'], line['event_name'], len(line['event_id'])) == (
        'WARNING',
        'bell',
        'call_created',
        32,
    )


async def test_a_handler_that_is_in_time_is_not_named(log: StringIO) -> None:
    await (await run_on_one(lambda_plugin())).dispatcher.drain(0.0)

    assert log_lines(log, 'handler_late') == []


async def test_the_event_of_a_handler_that_is_late_is_left() -> None:
    bell = Bell()
    rig = Rig(await started(bell.ring))
    delivery = rig.give()
    await bell.count(1)

    await patiently(rig.dispatcher.drain(0.0))

    assert (rig.settlements.left, delivery.settled) == ([delivery], Outcome.INTERRUPTED)


async def test_the_event_of_a_plain_function_that_is_late_is_left(hang: Hang) -> None:
    rig = Rig(await started(hang.plugin))
    delivery = rig.give('hang')
    await patiently(hang.hangs.wait())

    await patiently(rig.dispatcher.drain(0.0))

    assert rig.settlements.left == [delivery]


@pytest.mark.parametrize('error', [ValueError, SystemExit, ConnectionResetError, Retry])
async def test_the_event_of_a_late_handler_that_answers_the_cancellation_with_an_error_is_left(
    error: type[BaseException],
) -> None:
    # Given a handler that raises something else when it is cancelled, as some libraries do
    begun = asyncio.Event()

    @handler
    async def ring(event: Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise error from None

    rig = Rig(await started(ring))
    delivery = rig.give()
    await patiently(begun.wait())

    # When it is late
    await patiently(rig.dispatcher.drain(0.0))

    # Then its event is given out again and no dead letter
    assert rig.settlements.left == [delivery]


async def test_the_event_of_a_late_handler_that_returns_when_it_is_cancelled_is_done() -> None:
    # Given a handler that finishes quickly when it is cancelled
    begun = asyncio.Event()

    @handler
    async def ring(event: Event) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    rig = Rig(await started(ring))
    delivery = rig.give()
    await patiently(begun.wait())

    # When it is late
    await patiently(rig.dispatcher.drain(0.0))

    # Then its event is done
    assert rig.settlements.acked == [delivery]


async def test_a_late_handler_that_ignores_its_cancellation_is_named(
    log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a handler that ignores its cancellation
    monkeypatch.setattr(module, '_CUT_GRACE_SECONDS', 0.0)
    begun, release = asyncio.Event(), asyncio.Event()

    @handler
    async def ring(event: Event) -> None:
        begun.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    rig = Rig(await started(ring, name='bell'))
    rig.give()
    await patiently(begun.wait())

    # When it is late
    await patiently(rig.dispatcher.drain(0.0))
    release.set()

    # Then the drain ends without it, and the log names it
    assert log_lines(log, 'handler_ignores_cancellation') == [
        {'level': 'ERROR', 'handler': 'bell', 'event_name': 'call_created'}
    ]


async def test_hurry_ends_the_waiting_of_a_drain() -> None:
    # Given a drain that waits for a handler
    bell = Bell()
    rig = Rig(await started(bell.ring))
    delivery = rig.give()
    await bell.count(1)
    draining = asyncio.create_task(rig.dispatcher.drain(3600.0))
    await turn()

    # When it is to hurry
    rig.dispatcher.hurry()
    await patiently(draining)

    # Then it waits no longer
    assert rig.settlements.left == [delivery]


async def test_a_drain_that_was_hurried_before_it_began_does_not_wait() -> None:
    bell = Bell()
    rig = Rig(await started(bell.ring))
    delivery = rig.give()
    await bell.count(1)

    rig.dispatcher.hurry()
    await patiently(rig.dispatcher.drain(3600.0))

    assert rig.settlements.left == [delivery]


@given(number=st.integers(0, 12), concurrency=st.integers(1, 4), turns=st.integers(0, 5), ended=st.booleans())
async def test_whenever_it_is_drained_every_event_is_settled_once(
    number: int, concurrency: int, turns: int, ended: bool
) -> None:
    # Given a dispatcher somewhere in its work
    bell = Bell()
    rig = Rig(await started(bell.ring, concurrency=concurrency, order_by='data'))
    deliveries: list[Delivery] = [rig.give(each % 3) for each in range(number)]
    await turn(turns)

    # When it is drained
    if ended:
        bell.release.set()
    await patiently(rig.dispatcher.drain(0.0 if not ended else 3600.0))

    # Then everything is settled, once
    assert (rig.settlements.number, all(each.settled for each in deliveries)) == (number, True)


# ---- a channel that is gone


async def test_what_came_by_a_channel_that_is_gone_and_has_not_begun_never_runs() -> None:
    begun = []
    goes_on = asyncio.Event()

    @handler('#')
    async def slow(event: Event) -> None:
        begun.append(event.data)
        await goes_on.wait()

    # Given a handler with one event running and two behind it
    rig = Rig(await started(slow, order_by='data'))
    deliveries = [rig.give('a') for _ in range(3)]
    await turn()

    # When their channel is gone, and an event comes by another
    rig.dispatcher.forget(rig.settlements)
    given_back = [each.settled for each in deliveries]
    rig.give('b')
    goes_on.set()
    await rig.all_settled()

    # Then the one that ran has gone on, and the others are given back
    assert (given_back, begun) == ([None, Outcome.INTERRUPTED, Outcome.INTERRUPTED], ['a', 'b'])


async def test_what_came_by_another_channel_stays() -> None:
    goes_on = asyncio.Event()

    @handler('#')
    async def slow(event: Event) -> None:
        await goes_on.wait()

    rig = Rig(await started(slow))
    deliveries = [rig.give() for _ in range(3)]
    await turn()

    rig.dispatcher.forget(Settlements())
    goes_on.set()
    await rig.all_settled()

    assert [each.settled for each in deliveries] == [Outcome.DONE] * 3


async def test_events_whose_key_is_no_number_are_one_lane() -> None:
    running = []

    @handler('#')
    async def slow(event: Event) -> None:
        running.append(event)
        await asyncio.sleep(0)
        assert len(running) == 1
        running.clear()

    rig = Rig(await started(slow, order_by='data', concurrency=3))
    deliveries = [rig.give_body(b'{"data": NaN}') for _ in range(3)]
    await rig.all_settled()

    assert [each.settled for each in deliveries] == [Outcome.DONE] * 3


async def test_an_event_that_found_no_thread_in_time_is_no_dead_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.threads._SPARE', 0)
    # Deadlines are looked at again as soon as the first one is over.
    monkeypatch.setattr('wazo_busd.deadlines._GRACE_SECONDS', 0.01)
    goes_on = threading.Event()

    def hang(event: Event) -> None:
        if event.data == 'hang':
            goes_on.wait(PATIENCE_SECONDS)

    # Given a plain handler whose only thread hangs beyond its timeout
    rig = Rig(await started(handler('#')(hang), timeout='10ms', retry=ONCE))
    hung, late = rig.give('hang'), rig.give('late')
    await rig.settlements.count(1)
    # And another event that has waited for longer than that
    await asyncio.sleep(0.05)

    # When the thread comes free
    allow_time(rig)
    goes_on.set()
    await rig.all_settled()

    # Then the other event is handled
    assert (hung.settled, late.settled) == (Outcome.DEAD, Outcome.DONE)


async def test_an_event_that_still_waits_for_a_thread_has_run_for_no_time(
    monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setattr('wazo_busd.threads._SPARE', 0)
    goes_on = threading.Event()

    def hang(event: Event) -> None:
        goes_on.wait(PATIENCE_SECONDS)

    # Given a plain handler whose only thread hangs beyond its timeout, and an event that waits for it
    rig = Rig(await started(handler('#')(hang), timeout='10ms', retry=ONCE))
    rig.give()
    rig.give()
    await rig.settlements.count(1)
    await turn()

    # When the handler is drained
    await rig.dispatcher.drain(0.0)
    goes_on.set()

    assert [line['running_seconds'] for line in log_lines(log, 'handler_late')] == ['0.0']


# ---- tries


class Failing:
    """A plugin that fails at its first tries at each event."""

    def __init__(self, times: int, error: BaseException | type[BaseException] = ValueError) -> None:
        self.tried: list[tuple[Any, int]] = []
        self.ids: list[str] = []

        @handler
        async def ring(event: Event) -> None:
            self.tried.append((event.data, event.attempt))
            self.ids.append(event.id)
            if event.attempt <= times:
                raise error

        self.plugin = ring


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits in place are short."""
    monkeypatch.setattr('wazo_busd.retry._FIRST_IN_PLACE_SECONDS', 0.001)
    monkeypatch.setattr('wazo_busd.retry.STEPS_SECONDS', (0.001,))


@pytest.mark.usefixtures('quick')
async def test_an_event_that_fails_once_is_tried_again_in_place_and_done() -> None:
    failing = Failing(1)

    rig = await run_on_one(failing.plugin, retry={})

    assert ([attempt for _, attempt in failing.tried], len(rig.settlements.acked)) == ([1, 2], 1)


@pytest.mark.usefixtures('quick')
async def test_a_try_in_place_gets_the_same_event() -> None:
    failing = Failing(1)

    await run_on_one(failing.plugin, retry={})

    assert failing.ids[0] == failing.ids[1]


@pytest.mark.usefixtures('quick')
async def test_an_event_that_fails_again_is_postponed() -> None:
    rig = await run_on_one(Failing(2).plugin, retry={})

    assert (rig.settlements.history.attempts, rig.settlements.history.rounds) == (2, 1)


async def test_a_copy_that_comes_back_is_the_next_attempt_at_the_same_event() -> None:
    # Given an event that has failed
    failing = Failing(1)
    rig = Rig(await started(failing.plugin, retry={'in_place': 0}))
    rig.give()
    await rig.all_settled()

    # When its copy comes back, and its time has come
    rig.give(history=replace(rig.settlements.history, due_at=0.0))
    await rig.all_settled()

    # Then it is the next attempt
    assert ([attempt for _, attempt in failing.tried], len(set(failing.ids))) == ([1, 2], 1)


async def test_a_copy_that_comes_back_too_early_is_postponed_again_and_not_tried() -> None:
    # Given a copy that asked for more than the longest delay queue has
    rig = await rig_of_nothing()
    history = make_history(due_at=time.time() + 3600.0)

    # When it comes back before its time
    delivery = rig.give(history=history)

    # Then it waits on, and knows no more than before
    assert rig.settlements.postponed == [(delivery, history)]


async def test_a_copy_that_comes_back_a_moment_too_early_is_tried() -> None:
    failing = Failing(0)
    rig = Rig(await started(failing.plugin))

    rig.give(history=make_history(due_at=time.time() + 0.2))
    await rig.all_settled()

    assert [attempt for _, attempt in failing.tried] == [2]


async def test_an_event_that_cannot_be_helped_is_dead_at_once() -> None:
    failing = Failing(9, Permanent('there is no such user'))

    rig = await run_on_one(failing.plugin, retry={})

    assert (len(failing.tried), rig.settlements.reason.error) == (1, 'Permanent')


@pytest.mark.usefixtures('quick')
async def test_while_an_event_is_tried_again_in_its_lane_later_ones_of_its_key_wait_and_others_do_not() -> None:
    # Given a handler that keeps an order, and fails at the first event
    tried: list[tuple[str, int]] = []

    @handler
    async def ring(event: Event) -> None:
        tried.append((event.data['name'], event.attempt))
        if event.data['name'] == 'a1' and event.attempt < 4:
            raise ValueError

    rig = Rig(await started(ring, order_by='data.key'))

    # When events of two keys come
    for name in ('a1', 'a2', 'b1'):
        rig.give({'key': name[0], 'name': name})
    await rig.all_settled()

    # Then the other key did not wait, and the later one did
    assert (tried[1], tried[2:]) == (('b1', 1), [('a1', 2), ('a1', 3), ('a1', 4), ('a2', 1)])


@pytest.mark.usefixtures('quick')
async def test_an_event_that_waits_for_its_next_try_takes_no_place_of_another() -> None:
    # Given a handler for one at a time, which fails at the first event
    failing = Failing(0)

    @handler
    async def ring(event: Event) -> None:
        failing.tried.append((event.data, event.attempt))
        if event.data == 1:
            raise Retry(after=3600.0)

    rig = Rig(await started(ring, order_by='data'))

    # When another event comes
    rig.give(1)
    other = rig.give(2)
    await rig.settlements.count(1)

    # Then it is handled meanwhile
    assert (other.settled, rig.dispatcher.backlog) == (Outcome.DONE, 1)
    await rig.dispatcher.drain(0.0)


async def test_the_drain_gives_back_what_waits_for_its_next_try() -> None:
    # Given an event that waits for its next try
    rig = Rig(await started(raising(Retry(after=3600.0)), order_by='data'))
    delivery = rig.give('a')
    await until(lambda: rig.dispatcher.counts.retried_in_place == 1)

    # When the dispatcher is drained
    await patiently(rig.dispatcher.drain(3600.0))

    # Then it is left
    assert (rig.settlements.left, rig.dispatcher.backlog) == ([delivery], 0)


@pytest.mark.usefixtures('quick')
async def test_tries_in_place_are_counted() -> None:
    rig = await run_on_one(Failing(2).plugin, retry={'in_place': 2})

    counts = rig.dispatcher.counts
    assert (counts.received, counts.retried_in_place, counts.outcomes[Outcome.DONE]) == (1, 2, 1)


@pytest.mark.parametrize('class_name', ['Retry', 'Discard'])
async def test_an_error_of_the_plugins_own_that_forgets_what_it_is_made_from_is_settled(class_name: str) -> None:
    class Mine({'Retry': Retry, 'Discard': Discard}[class_name]):  # type: ignore[misc]
        def __init__(self) -> None:
            Exception.__init__(self, 'mine')

    rig = await run_on_one(raising(Mine()), retry={'in_place': 0})

    assert rig.settlements.number == 1


# ---- a call that goes on


class Deaf:
    """A plugin that ignores that it is cancelled with one event, until the test lets it end."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.handled: list[Any] = []

        @handler
        async def ring(event: Event) -> None:
            while event.data == 'deaf' and event.attempt == 1 and not self.release.is_set():
                try:
                    await self.release.wait()
                except asyncio.CancelledError:
                    continue
            self.handled.append((event.data, event.attempt))

        self.plugin = ring


@pytest.fixture
async def deaf(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Deaf]:
    """A plugin that ignores that it is cancelled, and is soon given up; it ends in the end."""
    monkeypatch.setattr('wazo_busd.deadlines._GRACE_SECONDS', 0.01)
    made = Deaf()
    yield made
    made.release.set()
    await turn()


async def test_behind_a_call_that_ignores_that_it_is_cancelled_the_next_event_is_handled(deaf: Deaf) -> None:
    # Given a handler for one at a time
    rig = Rig(await started(deaf.plugin, timeout='10ms', retry=ONCE))

    # When it ignores that its first call is cancelled
    first, second = rig.give('deaf'), rig.give('next')
    await rig.all_settled()

    # Then that one is dead, and the next one is handled
    assert (first.settled, second.settled, rig.settlements.reason.error) == (
        Outcome.DEAD,
        Outcome.DONE,
        'HandlerTimeout',
    )


@pytest.mark.usefixtures('quick')
async def test_an_event_whose_call_goes_on_is_tried_again_in_its_lane(deaf: Deaf) -> None:
    rig = Rig(await started(deaf.plugin, timeout='10ms', order_by='routing_key'))

    for data in ('deaf', 'next'):
        rig.give(data)
    await rig.all_settled()

    assert deaf.handled == [('deaf', 2), ('next', 1)]


async def test_what_a_call_that_was_given_up_does_in_the_end_changes_nothing(deaf: Deaf, log: StringIO) -> None:
    # Given a call that was given up
    rig = Rig(await started(deaf.plugin, timeout='10ms', retry=ONCE))
    delivery = rig.give('deaf')
    await rig.all_settled()

    # When it ends at last
    deaf.release.set()
    await until(lambda: bool(log_lines(log, 'handler_ended_at_last')))

    # Then its event stays dead
    assert (delivery.settled, rig.settlements.number, deaf.handled) == (Outcome.DEAD, 1, [('deaf', 1)])


async def test_a_drain_does_not_wait_for_a_call_that_was_given_up(deaf: Deaf) -> None:
    rig = Rig(await started(deaf.plugin, timeout='10ms', retry=ONCE))
    rig.give('deaf')
    await rig.all_settled()

    await patiently(rig.dispatcher.drain(3600.0))

    assert rig.dispatcher.backlog == 0


# ---- repeats


async def test_an_event_that_still_runs_and_comes_again_is_not_run_again() -> None:
    # Given an event that runs while its channel is lost
    bell = Bell()
    rig = Rig(await started(bell.ring, concurrency=2))
    running = rig.give(1)
    await bell.count(1)
    rig.settlements.held = [running]
    rig.dispatcher.forget(rig.settlements)

    # When it comes again by another one, and its handler returns
    channel = Settlements()
    rig.give(1, redelivered=True, acknowledger=channel)
    bell.release.set()
    await channel.count(1)

    # Then it has run once, and is acknowledged where it came again
    assert (bell.rung, channel.acked, rig.settlements.acked) == ([1], [running], [])


async def test_an_event_that_is_done_and_comes_again_is_acknowledged() -> None:
    # Given an event that is done, whose acknowledgement was lost with its channel
    failing = Failing(0)
    rig = Rig(await started(failing.plugin))
    done = rig.give(1)
    await rig.all_settled()
    rig.settlements.last = [done]
    rig.dispatcher.forget(rig.settlements)

    # When it comes again by another one
    channel = Settlements()
    rig.give(1, redelivered=True, acknowledger=channel)
    await turn()

    # Then it is acknowledged there
    assert (channel.acked, len(failing.tried)) == ([done], 1)


async def test_an_event_that_had_not_begun_is_run_when_it_comes_again() -> None:
    # Given two events that are the same to the byte, of which one runs while their channel is lost
    bell = Bell()
    rig = Rig(await started(bell.ring))
    running, waiting = rig.give(1), rig.give(1)
    await bell.count(1)
    rig.settlements.held = [running, waiting]
    rig.dispatcher.forget(rig.settlements)

    # When both come again by another one
    channel = Settlements()
    for _ in range(2):
        rig.give(1, redelivered=True, acknowledger=channel)
    bell.release.set()
    await channel.count(2)

    # Then each of them was run
    assert bell.rung == [1, 1]


async def test_an_event_that_waits_for_its_next_try_and_comes_again_is_not_run_again() -> None:
    # Given an event that waits for its next try while its channel is lost
    rig = Rig(await started(raising(Retry(after=3600.0)), order_by='data'))
    waiting = rig.give('a')
    await until(lambda: rig.dispatcher.counts.retried_in_place == 1)
    rig.settlements.held = [waiting]
    rig.dispatcher.forget(rig.settlements)

    # When it comes again
    rig.give('a', redelivered=True, acknowledger=Settlements())

    # Then it waits on
    assert (rig.dispatcher.backlog, rig.dispatcher.counts.repeats) == (1, 1)
    await rig.dispatcher.drain(0.0)


async def test_without_a_loss_what_was_given_out_before_is_run() -> None:
    failing = Failing(0)
    rig = Rig(await started(failing.plugin))

    rig.give(1)
    rig.give(1, redelivered=True)
    await rig.all_settled()

    assert len(failing.tried) == 2


async def test_repeats_are_counted_and_have_no_outcome() -> None:
    # Given an event that runs while its channel is lost
    bell = Bell()
    rig = Rig(await started(bell.ring))
    rig.settlements.held = [rig.give(1)]
    await bell.count(1)
    rig.dispatcher.forget(rig.settlements)

    # When it comes again
    rig.give(1, redelivered=True)

    # Then that is counted
    counts = rig.dispatcher.counts
    assert (counts.received, counts.repeats, sum(counts.outcomes.values())) == (2, 1, 0)
    await rig.dispatcher.drain(0.0)


# ---- the breaker


class Server:
    """A plugin that needs a server, which is out until the test says that it is back."""

    def __init__(self, error: type[BaseException] = ConnectionRefusedError) -> None:
        self.is_out = True
        self.tried: list[tuple[Any, int]] = []

        @handler
        async def ring(event: Event) -> None:
            self.tried.append((event.data, event.attempt))
            if event.data == 'unwanted':
                raise Discard
            if self.is_out:
                raise error

        self.plugin = ring


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that rests is soon tried again."""
    monkeypatch.setattr('wazo_busd.breaker._FIRST_PAUSE_SECONDS', 0.005)
    monkeypatch.setattr('wazo_busd.breaker._LAST_PAUSE_SECONDS', 0.005)


AT_ONCE = {'in_place': 0, 'backoff': '1h'}


async def test_after_repeated_outages_the_queue_rests() -> None:
    rig = Rig(await started(Server().plugin, retry=AT_ONCE))

    for number in range(5):
        rig.give(number)
    await rig.limited_to(0)

    assert rig.dispatcher.breaker.state is BreakerState.OPEN
    await rig.dispatcher.drain(0.0)


async def test_a_class_of_errors_that_is_named_as_an_outage_is_one() -> None:
    class ServerOut(Exception):
        """What a library raises."""

    rig = Rig(
        await started(Server(ServerOut).plugin, retry=AT_ONCE), is_outage=lambda error: isinstance(error, ServerOut)
    )

    for number in range(5):
        rig.give(number)

    await rig.limited_to(0)
    await rig.dispatcher.drain(0.0)


async def test_events_at_fault_themselves_do_not_let_the_queue_rest() -> None:
    rig = Rig(await started(raising(ValueError), retry=ONCE))

    for number in range(20):
        rig.give(number)
    await rig.all_settled()

    assert (rig.limited, rig.dispatcher.counts.outcomes[Outcome.DEAD]) == ([], 20)


async def test_when_a_handler_rests_what_has_not_begun_is_given_back() -> None:
    # Given a handler whose server is out, and more events than it takes to find out
    server = Server()
    rig = Rig(await started(server.plugin, retry=AT_ONCE))

    # When they come
    deliveries = [rig.give(number) for number in range(8)]
    await rig.all_settled()

    # Then the last ones were given back, and cost no try
    assert (rig.settlements.given_back, len(server.tried)) == (deliveries[5:], 5)
    await rig.dispatcher.drain(0.0)


async def test_what_comes_while_a_handler_rests_is_given_back() -> None:
    rig = Rig(await started(Server().plugin, retry=AT_ONCE))
    for number in range(5):
        rig.give(number)
    await rig.limited_to(0)

    late = rig.give('late')

    assert rig.settlements.given_back == [late]
    await rig.dispatcher.drain(0.0)


async def test_what_is_given_back_is_counted_as_interrupted() -> None:
    rig = Rig(await started(Server().plugin, retry=AT_ONCE))

    for number in range(8):
        rig.give(number)
    await rig.all_settled()

    assert rig.dispatcher.counts.outcomes[Outcome.INTERRUPTED] == 3
    await rig.dispatcher.drain(0.0)


@pytest.mark.usefixtures('soon')
async def test_a_handler_that_rests_is_tried_with_one_event() -> None:
    rig = Rig(await started(Server().plugin, retry=AT_ONCE))
    for number in range(5):
        rig.give(number)

    await rig.limited_to(0, 1)

    assert rig.dispatcher.breaker.state is BreakerState.PROBING
    await rig.dispatcher.drain(0.0)


@pytest.mark.usefixtures('soon')
async def test_when_that_one_works_the_handler_takes_as_many_events_as_before() -> None:
    # Given a handler that is tried with one event
    server = Server()
    rig = Rig(await started(server.plugin, retry=AT_ONCE))
    for number in range(5):
        rig.give(number)
    await rig.limited_to(0, 1)

    # When its server is back
    server.is_out = False
    rig.give('probe')
    await rig.limited_to(0, 1, None)

    # Then it takes events as before
    after = rig.give('after')
    await rig.all_settled()
    assert after.settled is Outcome.DONE


@pytest.mark.usefixtures('soon')
@pytest.mark.parametrize('order', [{}, {'order_by': 'data', 'retry': {'backoff': '1h', 'hold': '10m'}}])
async def test_where_that_one_needs_nothing_the_next_one_is_tried(order: dict[str, Any]) -> None:
    # Given a handler that is tried with one event
    server = Server()
    rig = Rig(await started(server.plugin, **{'retry': AT_ONCE, **order}))
    for number in range(5):
        rig.give(number)
    await until(lambda: rig.dispatcher.breaker.state is BreakerState.PROBING)

    # When that needs nothing, and the next one works
    server.is_out = False
    for what in ('unwanted', 'unwanted', 'probe'):
        rig.give(what)

    # Then the handler goes on, and has not rested again
    await until(lambda: rig.dispatcher.breaker.state is BreakerState.CLOSED)
    assert rig.rests == 1
    await rig.dispatcher.drain(0.0)


@pytest.mark.usefixtures('soon')
async def test_when_that_one_fails_the_handler_rests_again() -> None:
    rig = Rig(await started(Server().plugin, retry=AT_ONCE))
    for number in range(5):
        rig.give(number)
    await rig.limited_to(0, 1)

    rig.give('probe')

    await rig.limited_to(0, 1, 0, 1)
    await rig.dispatcher.drain(0.0)


@pytest.mark.usefixtures('soon')
async def test_where_that_one_failed_before_the_next_one_is_tried() -> None:
    # Given a handler that is tried with one event
    server = Server()
    rig = Rig(await started(server.plugin, retry=AT_ONCE))
    for number in range(5):
        rig.give(number)
    await rig.limited_to(0, 1)

    # When one that failed before fails again, and the next one works
    rig.give('stubborn', history=make_history())
    await rig.all_settled()
    server.is_out = False
    rig.give('probe')

    # Then the handler goes on without another rest
    await rig.limited_to(0, 1, None)


@pytest.mark.usefixtures('soon')
async def test_a_try_with_one_event_is_an_attempt() -> None:
    # Given a handler that is tried with one event
    rig = Rig(await started(Server().plugin, retry={**AT_ONCE, 'attempts': 2}))
    for number in range(5):
        rig.give(number)
    await rig.limited_to(0, 1)

    # When that one is at its last try, and fails
    rig.give('probe', history=make_history())
    await rig.all_settled()

    # Then it is dead
    assert rig.settlements.reason.attempts == 2
    await rig.dispatcher.drain(0.0)


async def test_with_an_order_what_has_not_begun_is_kept_while_the_handler_rests() -> None:
    # Given a handler that keeps an order, whose server is out
    server = Server()
    rig = Rig(await started(server.plugin, order_by='data', retry={'backoff': '1h', 'hold': '10m'}))
    for number in range(5):
        rig.give(number)
    await until(lambda: rig.rests == 1)

    # When more events come
    for number in range(5):
        rig.give(number)
    await turn()

    # Then they wait here, and are not tried
    assert (rig.settlements.number, rig.dispatcher.backlog, len(server.tried)) == (0, 10, 5)
    await rig.dispatcher.drain(0.0)


@pytest.mark.usefixtures('soon')
async def test_with_an_order_the_queue_is_consumed_on_while_the_handler_rests() -> None:
    # A consumer that takes fewer is another one, and what was on its way to the first comes again behind all others.
    server = Server()
    rig = Rig(await started(server.plugin, order_by='data', retry={'backoff': '1h', 'hold': '10m'}))
    for number in range(5):
        rig.give(number)
    await until(lambda: rig.dispatcher.breaker.state is BreakerState.PROBING)
    server.is_out = False
    rig.give('probe')
    await until(lambda: rig.dispatcher.breaker.state is BreakerState.CLOSED)

    assert rig.limited == [None, None, None]
    await rig.dispatcher.drain(0.0)


@pytest.mark.usefixtures('soon')
async def test_with_an_order_all_is_handled_in_its_order_when_the_server_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a handler that keeps an order, whose server is out while events of three keys come
    monkeypatch.setattr('wazo_busd.retry.STEPS_SECONDS', (0.002,))
    server = Server()
    rig = Rig(await started(server.plugin, order_by='data.key', concurrency=3, retry={'attempts': 1000}))
    for number in range(30):
        rig.give({'key': number % 3, 'number': number})
    await until(lambda: rig.rests >= 3)

    # When it is back
    server.is_out = False
    await rig.all_settled()

    # Then nothing was lost, and each key was handled in its order
    done = [data['number'] for data, _ in server.tried]
    for key in range(3):
        order = list(dict.fromkeys(number for number in done if number % 3 == key))
        assert order == list(range(key, 30, 3))
    assert len(rig.settlements.acked) == 30


@pytest.mark.usefixtures('soon')
async def test_with_an_order_one_event_at_a_time_is_tried_while_the_server_may_be_out() -> None:
    # Given a handler that keeps an order, whose server is out, and events of many keys that wait here
    began, most = [], [0]

    @handler
    async def ring(event: Event) -> None:
        began.append(event.data)
        most.append(len(began))
        await turn()
        began.remove(event.data)
        raise ConnectionRefusedError

    rig = Rig(await started(ring, order_by='data', concurrency=8, retry={'backoff': '1h', 'hold': '10m'}))
    for number in range(5):
        rig.give(number)
    await until(lambda: rig.rests == 1)
    for number in range(100, 140):
        rig.give(number)
    most[:] = [0]

    # When it is tried again several times
    await until(lambda: rig.rests >= 4)

    # Then no two of them ran at a time
    assert max(most) == 1
    await rig.dispatcher.drain(0.0)


async def test_a_twin_of_one_that_was_done_as_its_channel_was_lost_is_run_after_the_handler_rested() -> None:
    # Given an event that is done with, and whose acknowledgement the broker had read when the channel was lost
    server, lost = Server(), Settlements()
    server.is_out = False
    rig = Rig(await started(server.plugin, retry=AT_ONCE, concurrency=1))
    first = rig.give('twin', acknowledger=lost)
    await lost.count(1)
    lost.last.append(first)
    rig.dispatcher.forget(lost)

    # When its twin is given back, because the handler rests, and comes again
    server.is_out = True
    for number in range(5):
        rig.give(number)
    rig.give('twin')
    await rig.limited_to(0)
    server.is_out = False
    rig.dispatcher.breaker.worked()
    rig.give('twin', redelivered=True)

    # Then it is run
    await until(lambda: [data for data, _ in server.tried].count('twin') == 2)


@pytest.mark.usefixtures('soon')
async def test_after_the_drain_the_queue_is_left_alone() -> None:
    # Given a handler that rests
    rig = Rig(await started(Server().plugin, retry=AT_ONCE))
    for number in range(5):
        rig.give(number)
    await rig.limited_to(0)

    # When it is drained, and its pause would be over
    await patiently(rig.dispatcher.drain(0.0))
    other = Rig(await started(Server().plugin, retry=AT_ONCE))
    for number in range(5):
        other.give(number)
    await other.limited_to(0, 1)

    # Then nothing more was said
    assert rig.limited == [0]
    await other.dispatcher.drain(0.0)


async def test_outages_during_the_drain_do_not_let_the_queue_rest() -> None:
    # Given a handler with five calls under way, whose server goes out
    release = asyncio.Event()
    begun: list[Event] = []

    @handler
    async def ring(event: Event) -> None:
        begun.append(event)
        await release.wait()
        raise ConnectionResetError

    rig = Rig(await started(ring, concurrency=5, retry=AT_ONCE))
    for number in range(5):
        rig.give(number)
    await until(lambda: len(begun) == 5)

    # When the calls fail while it is drained
    draining = asyncio.create_task(rig.dispatcher.drain(3600.0))
    await turn()
    release.set()
    await patiently(draining)

    # Then nothing is said of its queue, and they are postponed
    assert (rig.limited, len(rig.settlements.postponed)) == ([], 5)


# ---- a handler that says Stop


class Gone:
    """A plugin whose first event says that there is no use in others, when the test lets it."""

    def __init__(self) -> None:
        self.tried: list[Any] = []
        self.release = asyncio.Event()

        @handler(concurrency=2)
        async def ring(event: Event) -> None:
            self.tried.append(event.data)
            if event.data == 'last':
                raise Stop('410 Gone')
            await self.release.wait()
            raise Retry('nobody there')

        self.plugin = ring


async def test_the_event_of_a_handler_that_says_stop_is_dead_with_its_reason() -> None:
    rig = Rig(await started(Gone().plugin))

    rig.give('last')
    await rig.all_settled()

    assert (rig.settlements.reason.error, rig.settlements.reason.text) == ('Stop', '410 Gone')
    await rig.dispatcher.drain(0.0)


async def test_the_queue_of_a_handler_that_says_stop_is_consumed_no_more() -> None:
    rig = Rig(await started(Gone().plugin))

    rig.give('last')
    await rig.limited_to(0)

    assert rig.dispatcher.breaker.state is BreakerState.HALTED
    await rig.dispatcher.drain(0.0)


@pytest.mark.parametrize('order', [None, 'data'], ids=['without an order', 'with an order'])
async def test_what_waits_when_a_handler_stops_is_given_back_in_its_order(order: str | None) -> None:
    # Given a handler that stops at its first event, and others behind
    gone = Gone()
    rig = Rig(await started(gone.plugin, concurrency=1, order_by=order))

    # When they come
    deliveries = [rig.give(data) for data in ('last', 'a', 'b', 'a', 'c')]
    await rig.all_settled()

    # Then the others were given back, and cost no try
    assert (rig.settlements.given_back, gone.tried) == (deliveries[1:], ['last'])
    await rig.dispatcher.drain(0.0)


async def test_what_comes_after_a_handler_has_stopped_is_given_back() -> None:
    rig = Rig(await started(Gone().plugin, order_by='data'))
    rig.give('last')
    await rig.limited_to(0)

    late = rig.give('late')

    assert rig.settlements.given_back == [late]
    await rig.dispatcher.drain(0.0)


async def test_what_fails_while_its_handler_stops_costs_no_try_and_is_given_back() -> None:
    # Given a handler that is at one event when another one stops it
    gone = Gone()
    rig = Rig(await started(gone.plugin, retry={'attempts': 1}))
    under_way = rig.give('first')
    rig.give('last')
    await rig.limited_to(0)

    # When that first one fails
    gone.release.set()
    await rig.all_settled()

    # Then it is not dead, though it was its last try
    assert (rig.settlements.given_back, len(rig.settlements.dead)) == ([under_way], 1)
    await rig.dispatcher.drain(0.0)


async def test_what_waits_for_its_next_try_when_a_handler_stops_is_given_back() -> None:
    # Given an event that waits in its lane for its next try
    gone = Gone()
    gone.release.set()
    rig = Rig(await started(gone.plugin, order_by='data', retry={'backoff': '1h', 'hold': '10m'}))
    aside = rig.give('first')
    await turn()

    # When another event stops the handler
    rig.give('last')
    await rig.all_settled()

    # Then it was given back
    assert rig.settlements.given_back == [aside]
    await rig.dispatcher.drain(0.0)


# ---- events that end the process


def crashed(state_dir: Path, body: bytes, *, times: int) -> Suspects:
    """The suspects, after the process has ended so often while the event was run."""
    for number in range(times):
        suspects = Suspects(state_dir)
        suspects.load()
        suspects.black_box('test', 1).enter(make_delivery(Settlements(), body=body), alone=number > 0)
    suspects = Suspects(state_dir)
    suspects.load()
    return suspects


DEADLY = encode({'name': 'call_created', 'data': 'deadly'})


async def test_an_event_with_which_the_process_ended_three_times_is_dead_and_not_run(tmp_path: Path) -> None:
    rig = Rig((await rig_of_nothing()).dispatcher.handler, suspects=crashed(tmp_path, DEADLY, times=3))

    rig.give('deadly', redelivered=True)

    reason = rig.settlements.reason
    assert (reason.error, reason.text, reason.attempts, reason.traceback) == (
        'HandlerCrashed',
        'the process ended 3 times while this event was handled',
        3,
        '',
    )


async def test_an_event_that_is_dead_because_of_crashes_is_no_suspect_any_more(tmp_path: Path) -> None:
    # Given an event that was dead because of crashes
    suspects = crashed(tmp_path, DEADLY, times=3)
    failing = Failing(0)
    rig = Rig(await started(failing.plugin), suspects=suspects)
    rig.give('deadly', redelivered=True)
    rig.settlements.dead[0][0].close()

    # When a person sends it back after the cause is cured
    rig.give('deadly', redelivered=True)
    await until(lambda: bool(failing.tried))

    # Then it is run
    assert (len(failing.tried), suspects.any) == (1, False)


@pytest.mark.parametrize('times', [1, 2])
async def test_an_event_with_fewer_crashes_is_run(tmp_path: Path, times: int) -> None:
    failing = Failing(0)
    rig = Rig(await started(failing.plugin), suspects=crashed(tmp_path, DEADLY, times=times))

    rig.give('deadly', redelivered=True)
    await rig.all_settled()

    assert len(failing.tried) == 1


async def test_a_suspect_that_comes_again_is_run_alone(tmp_path: Path) -> None:
    # Given a suspect, and a handler for several at a time
    seen: list[list[bool]] = []

    @handler
    async def ring(event: Event) -> None:
        seen.append([each.alone for each in read(tmp_path / 'running' / 'test.box')])

    rig = Rig(await started(ring, concurrency=3), suspects=crashed(tmp_path, DEADLY, times=1))

    # When it comes again among others
    for data in ('1', 'deadly', '2'):
        rig.give(data, redelivered=True)
    await rig.all_settled()

    # Then nothing ran beside it
    assert [True] in seen


async def test_an_event_like_a_suspect_that_comes_for_the_first_time_is_none(tmp_path: Path) -> None:
    # Given an event with which the process ended three times
    suspects = crashed(tmp_path, DEADLY, times=3)
    failing = Failing(0)
    rig = Rig(await started(failing.plugin), suspects=suspects)

    # When a twin comes that the broker never gave out
    rig.give('deadly')
    await rig.all_settled()

    # Then it is run, and the other one is what it was
    identity = make_delivery(Settlements(), body=DEADLY).identity
    assert (len(failing.tried), suspects.crashes('test', identity)) == (1, 3)


async def test_a_suspect_that_ended_well_is_none_any_more(tmp_path: Path) -> None:
    suspects = crashed(tmp_path, DEADLY, times=2)
    rig = Rig(await started(Failing(0).plugin), suspects=suspects)

    rig.give('deadly', redelivered=True)
    await rig.all_settled()

    assert not suspects.any


async def test_after_the_drain_there_is_no_black_box(tmp_path: Path) -> None:
    rig = Rig(await started(Failing(0).plugin), suspects=Suspects(tmp_path))
    rig.give()
    await rig.all_settled()

    await rig.dispatcher.drain(0.0)

    assert list((tmp_path / 'running').iterdir()) == []


# ---- conditions


async def test_an_event_that_the_conditions_do_not_want_is_acknowledged_and_counted() -> None:
    bell = Bell()
    rig = Rig(await started(bell.ring, when='data == 1'))

    rig.give(2)

    await rig.all_settled()
    counts = rig.dispatcher.counts
    assert (bell.rung, len(rig.settlements.acked)) == ([], 1)
    assert (counts.filtered, counts.expired, counts.unmatched, sum(counts.outcomes.values())) == (1, 0, 0, 0)


async def test_an_event_that_came_too_late_is_acknowledged_and_counted() -> None:
    bell = Bell()
    rig = Rig(await started(bell.ring, expires_after='20s'))

    rig.give()

    await rig.all_settled()
    counts = rig.dispatcher.counts
    assert (bell.rung, len(rig.settlements.acked), counts.expired, counts.filtered) == ([], 1, 1, 0)


@pytest.mark.parametrize('blocking', [True, False])
async def test_an_event_that_becomes_too_old_while_it_waits_is_discarded_and_counted(
    blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an event that came in time
    rung = []

    def ring(event: Event) -> None:
        rung.append(event)

    async def ring_on_the_loop(event: Event) -> None:
        rung.append(event)

    rig = Rig(await started(handler(ring if blocking else ring_on_the_loop), expires_after='20s'))
    monkeypatch.setattr('wazo_busd.conditions.condition.time.time', lambda: 1_700_000_001.0)
    rig.give()

    # When its turn comes too late
    monkeypatch.setattr('wazo_busd.conditions.condition.time.time', lambda: 1_700_000_060.0)
    await rig.all_settled()

    # Then it is not rung for
    counts = rig.dispatcher.counts
    assert (rung, counts.expired, counts.outcomes[Outcome.DISCARDED]) == ([], 1, 1)


async def test_an_event_that_may_be_wanted_or_not_is_a_dead_letter_with_the_reason() -> None:
    rig = Rig(await started(Bell().ring, when='1 / data == 1'))

    rig.give(0)

    await rig.all_settled()
    assert (rig.settlements.reason.error, 'a division by zero' in rig.settlements.reason.text) == (
        'ConditionError',
        True,
    )


async def test_an_event_that_a_text_cannot_be_made_of_is_a_dead_letter_with_the_reason() -> None:
    class Options(BaseOptions):
        text: PlainText

    @handler(options=Options)
    async def speak(event: Event, context: Context) -> None:
        context.options.text.render(event, context)

    rig = Rig(await started(speak, options={'text': 'Fax: {{ data.eror }}'}))

    rig.give({'error': 'busy'})

    await rig.all_settled()
    assert (rig.settlements.reason.error, rig.settlements.reason.text.split(';')[0]) == (
        'TemplateError',
        'handler test, options.text: data.eror is not in the event',
    )
