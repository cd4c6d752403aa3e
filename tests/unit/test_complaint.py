# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The complaint: no error of a task is lost because nobody awaits it, and whose it was is said."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextvars import Context
from io import StringIO
from typing import Any

import pytest
import structlog

from tests.unit.impatience import impatience
from tests.unit.rig import log_lines, make_handler, make_work, turn
from wazo_busd import logs
from wazo_busd.complaint import Complaints
from wazo_busd.event import Event
from wazo_busd.plugin import handler
from wazo_busd.strays import Strays
from wazo_busd.work import current_work


@handler
async def bell(event: Event) -> None:
    """Take an event and do nothing."""


@pytest.fixture(autouse=True)
async def strays() -> AsyncIterator[Strays]:
    """The loop complains as in the daemon, and the handler bell is known."""
    loop = asyncio.get_running_loop()
    made = Strays()
    loop.set_task_factory(made)
    loop.set_exception_handler(Complaints())
    with made.inside(make_handler(bell, name='bell')):
        pass
    yield made
    loop.set_task_factory(None)
    loop.set_exception_handler(None)


async def fail(error: BaseException) -> None:
    raise error


class Cycle:
    """Keeps its own task, as an object of a plugin does: only the garbage collector ends the two."""

    def __init__(self, error: BaseException) -> None:
        self.task = asyncio.create_task(self.run(error))

    async def run(self, error: BaseException) -> None:
        raise error


def in_call() -> Context:
    """The context of a call of bell."""
    context = Context()
    context.run(current_work.set, make_work(handler='bell'))
    return context


async def fail_in_call(error: BaseException) -> None:
    """Make a task in a call of bell that fails, and await it never."""
    task = in_call().run(asyncio.create_task, fail(error))
    await asyncio.wait([task])


async def complained() -> None:
    """Let the loop say what it has to."""
    gc.collect()
    await turn(2)


async def test_a_task_of_a_handler_that_fails_is_told_with_the_handler(log: StringIO) -> None:
    await fail_in_call(ValueError('mine'))
    await complained()

    (line,) = log_lines(log, 'task_failed')
    assert (line['level'], line['handler'], line['coroutine']) == ('ERROR', 'bell', 'fail')


async def test_where_it_failed_is_told(log: StringIO) -> None:
    await fail_in_call(ValueError('mine'))
    await complained()

    assert log.getvalue().splitlines()[-1] == '    ValueError: mine'


async def test_a_task_that_only_the_garbage_collector_ends_is_told_with_the_handler(log: StringIO) -> None:
    in_call().run(Cycle, ValueError('mine'))
    await turn(2)
    await complained()

    assert [line['handler'] for line in log_lines(log, 'task_failed')] == ['bell']


async def test_a_lost_connection_of_a_handler_is_its_own_affair_and_told(log: StringIO) -> None:
    await fail_in_call(ConnectionResetError('gone'))
    await complained()

    assert log_lines(log, 'task_failed')[0]['level'] == 'ERROR'


async def test_a_task_of_nobody_that_fails_is_told(log: StringIO) -> None:
    await asyncio.wait([asyncio.create_task(fail(ValueError('ours')))])
    await complained()

    (line,) = log_lines(log, 'task_failed')
    assert (line['level'], 'handler' in line) == ('ERROR', False)


async def test_a_lost_connection_of_nobody_is_told_by_the_supervisor(log: StringIO) -> None:
    await asyncio.wait([asyncio.create_task(fail(ConnectionResetError('gone')))])
    await complained()

    assert [line['level'] for line in log_lines(log, 'task_failed')] == ['DEBUG']


async def test_a_task_whose_error_somebody_takes_is_not_told(log: StringIO) -> None:
    task = in_call().run(asyncio.create_task, fail(ValueError('mine')))
    await asyncio.wait([task])
    task.exception()
    del task
    await complained()

    assert log_lines(log, 'task_failed') == []


async def test_a_callback_that_a_call_asks_for_is_told_with_the_handler(log: StringIO) -> None:
    def ring(number: str) -> None:
        raise ValueError('mine')

    asyncio.get_running_loop().call_soon(ring, '+15551234', context=in_call())
    await complained()

    (line,) = log_lines(log, 'callback_failed')
    assert (line['handler'], line['callback'].split('.')[-1]) == ('bell', 'ring')


async def test_what_a_callback_was_given_is_not_told(log: StringIO) -> None:
    def ring(number: str) -> None:
        raise ValueError('mine')

    asyncio.get_running_loop().call_soon(ring, '+15551234')
    await complained()

    assert '+15551234' not in log.getvalue()


async def test_what_is_no_task_and_no_callback_is_told_in_the_words_of_who_complains(log: StringIO) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {'message': 'Unclosed client session', 'client_session': object()}
    )
    await complained()

    assert log_lines(log, 'loop_complains')[0]['text'] == 'Unclosed client session'


async def test_a_task_that_is_collected_while_it_waits_is_told(log: StringIO) -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    in_call().run(asyncio.create_task, wait())
    await turn(1)
    await complained()

    (line,) = log_lines(log, 'loop_complains')
    assert (line['handler'], line['coroutine'].split('.')[-1]) == ('bell', 'wait')


async def test_many_tasks_that_are_collected_while_they_wait_are_told_once(log: StringIO) -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    for _ in range(10):
        in_call().run(asyncio.create_task, wait())
    await turn(1)
    await complained()

    assert len(log_lines(log, 'loop_complains')) == 1


async def test_tasks_of_different_coroutines_are_both_told(log: StringIO) -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    async def linger() -> None:
        await asyncio.get_running_loop().create_future()

    for each in (wait, linger):
        in_call().run(asyncio.create_task, each())
    await turn(1)
    await complained()

    assert len(log_lines(log, 'loop_complains')) == 2


async def test_every_task_that_fails_is_told(log: StringIO) -> None:
    for number in range(10):
        await fail_in_call(ValueError(number))
    await complained()

    assert len(log_lines(log, 'task_failed')) == 10


async def test_a_complaint_says_nothing_of_whatever_event_is_handled_meanwhile(log: StringIO) -> None:
    await fail_in_call(ValueError('mine'))
    token = current_work.set(make_work(Event('innocent'), handler='gong'))
    await complained()
    current_work.reset(token)

    assert 'innocent' not in log.getvalue()


class Collecting(StringIO):
    """A stream on which Python collects its garbage while something is written."""

    def write(self, text: str) -> int:
        gc.collect()
        return super().write(text)


async def test_a_complaint_in_the_middle_of_a_line_of_the_log_waits_for_it() -> None:
    stream = Collecting()
    logs.configure('info', stream=stream)
    in_call().run(Cycle, ValueError('mine'))
    await turn(2)

    with impatience():
        structlog.get_logger().info('whatever')
        await turn(2)

    assert len(log_lines(stream, 'task_failed')) == 1


def test_what_complains_after_the_end_of_the_loop_is_told_at_once(log: StringIO) -> None:
    loop = asyncio.new_event_loop()
    loop.close()

    context: dict[str, Any] = {'message': 'too late', 'exception': ValueError('mine')}
    Complaints()(loop, context)

    assert log_lines(log, 'loop_complains')[0]['text'] == 'too late'
