# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Threads for plain functions: what they raise arrives, what hangs holds nobody else up."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from io import StringIO
from typing import Any

import pytest

from tests.unit.rig import PATIENCE_SECONDS, log_lines, patiently, turn
from wazo_busd import threads
from wazo_busd.errors import HandlerExited
from wazo_busd.threads import Threads

word: ContextVar[str] = ContextVar('word', default='')


class Hung:
    """Functions that hang until the test lets them go."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.running = threading.Semaphore(0)
        self.threads: list[threading.Thread] = []

    def hang(self, argument: Any) -> Any:
        self.threads.append(threading.current_thread())
        self.running.release()
        self.release.wait()
        return argument

    async def wait_running(self, number: int) -> None:
        """Wait until so many more of them hang."""
        for _ in range(number):
            assert await asyncio.to_thread(self.running.acquire, timeout=PATIENCE_SECONDS)

    async def wait_ended(self) -> None:
        """Wait until their threads have ended."""
        for thread in self.threads:
            await asyncio.to_thread(thread.join, PATIENCE_SECONDS)


@pytest.fixture
def hung() -> Iterator[Hung]:
    """Functions that hang; all are let go in the end."""
    made = Hung()
    yield made
    made.release.set()


async def test_a_function_gives_what_it_returns() -> None:
    assert await Threads('test', 1).run(lambda number: number + 1, 1) == 2


async def test_a_function_runs_in_another_thread() -> None:
    assert await Threads('test', 1).run(lambda _: threading.get_ident(), None) != threading.get_ident()


async def test_a_thread_is_named_after_its_handler() -> None:
    assert await Threads('bell', 1).run(lambda _: threading.current_thread().name, None) == 'bell#1'


async def test_a_thread_is_used_again() -> None:
    pool = Threads('test', 4)

    assert {await pool.run(lambda _: threading.get_ident(), None) for _ in range(10)} == {
        await pool.run(lambda _: threading.get_ident(), None)
    }


async def test_several_functions_run_at_a_time(hung: Hung) -> None:
    # Given a pool for three
    pool = Threads('test', 3)

    # When three functions are run that wait for each other
    running = [asyncio.create_task(pool.run(hung.hang, number)) for number in range(3)]
    await hung.wait_running(3)
    hung.release.set()

    # Then each of them returns
    assert await patiently(asyncio.gather(*running)) == [0, 1, 2]


async def test_context_variables_of_the_caller_reach_the_thread() -> None:
    word.set('hello')

    assert await Threads('test', 1).run(lambda _: word.get(), None) == 'hello'


async def test_what_a_thread_sets_in_a_context_variable_stays_there() -> None:
    await Threads('test', 1).run(word.set, 'changed')

    assert word.get() == ''


@pytest.mark.parametrize(
    'error',
    [
        ValueError('x'),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        StopAsyncIteration(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_a_function_raises_is_raised_to_the_one_who_waits(error: BaseException) -> None:
    def fail(argument: None) -> None:
        raise error

    with pytest.raises(type(error)):
        await patiently(Threads('test', 1).run(fail, None))


async def test_a_stop_iteration_is_raised_as_an_exit_of_the_handler() -> None:
    with pytest.raises(HandlerExited, match='StopIteration'):
        await patiently(Threads('test', 1).run(lambda empty: next(iter(empty)), ()))


async def test_the_traceback_of_a_stop_iteration_leads_to_where_it_was_raised() -> None:
    def take_the_first(empty: tuple[()]) -> Any:
        return next(iter(empty))

    with pytest.raises(HandlerExited) as caught:
        await patiently(Threads('test', 1).run(take_the_first, ()))

    assert 'in take_the_first' in ''.join(traceback.format_exception(caught.value))


@pytest.mark.parametrize('error', [SystemExit, StopIteration, KeyboardInterrupt])
async def test_a_thread_outlives_what_its_function_raises(error: type[BaseException]) -> None:
    # Given a thread whose function wanted to end everything
    pool = Threads('test', 1)

    def fail(argument: None) -> int:
        raise error

    with pytest.raises((error, HandlerExited)):
        await patiently(pool.run(fail, None))

    # When another function is run
    name = await patiently(pool.run(lambda _: threading.current_thread().name, None))

    # Then it runs in the same thread
    assert name == 'test#1'


async def test_a_hung_function_holds_no_other_up(hung: Hung) -> None:
    # Given a pool for one, and a function that hangs and was given up
    pool = Threads('test', 1)
    given_up = asyncio.create_task(pool.run(hung.hang, None))
    await hung.wait_running(1)
    given_up.cancel()
    await asyncio.wait([given_up])

    # When another function is run
    result = await patiently(pool.run(str.upper, 'done'))

    # Then it is done
    assert result == 'DONE'


async def test_what_a_function_that_was_given_up_returns_is_nobodys(hung: Hung) -> None:
    # Given a function that was given up
    pool = Threads('test', 1)
    given_up = asyncio.create_task(pool.run(hung.hang, 'late'))
    await hung.wait_running(1)
    given_up.cancel()
    await asyncio.wait([given_up])

    # When it returns after all, and its thread is used again
    hung.release.set()
    results = [await patiently(pool.run(str.upper, 'done')) for _ in range(3)]

    # Then everybody gets his own result
    assert results == ['DONE'] * 3


async def test_what_a_function_that_was_given_up_returns_is_no_error(hung: Hung) -> None:
    # Given a function that was given up, and a loop that tells what goes wrong in it
    wrong: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: wrong.append(what))
    pool = Threads('test', 1)
    given_up = asyncio.create_task(pool.run(hung.hang, 'late'))
    await hung.wait_running(1)
    given_up.cancel()
    await asyncio.wait([given_up])

    # When it returns after all
    hung.release.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not pool._idle:
            await asyncio.sleep(0)

    # Then nothing is wrong
    assert wrong == []


async def test_there_are_only_so_many_spare_threads(hung: Hung, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a pool for one with one spare thread, both of them hung
    monkeypatch.setattr(threads, '_SPARE', 1)
    pool = Threads('test', 1)
    hanging = [asyncio.create_task(pool.run(hung.hang, None)) for _ in range(2)]
    await hung.wait_running(2)

    # When a third function is run
    third = asyncio.create_task(pool.run(str.upper, 'third'))
    await turn()
    done_before = third.done()
    hung.release.set()

    # Then it waits until one is free
    assert (done_before, await patiently(third)) == (False, 'THIRD')
    await patiently(asyncio.gather(*hanging))


async def test_whoever_waits_for_a_thread_and_gives_up_takes_it_from_nobody(
    hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given two that wait for the only thread
    monkeypatch.setattr(threads, '_SPARE', 0)
    pool = Threads('test', 1)
    hanging = asyncio.create_task(pool.run(hung.hang, None))
    await hung.wait_running(1)
    first, second = (asyncio.create_task(pool.run(str.upper, name)) for name in ('first', 'second'))
    await turn()

    # When the first is given the thread and, before it can take it, cancelled
    hung.release.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not pool._idle:
            await asyncio.sleep(0)
    first.cancel()

    # Then the second gets it
    assert await patiently(second) == 'SECOND'
    await patiently(hanging)


async def test_a_pool_that_is_closed_has_no_threads_left(hung: Hung) -> None:
    # Given a pool with idle threads
    pool = Threads('test', 2)
    running = [asyncio.create_task(pool.run(hung.hang, None)) for _ in range(2)]
    await hung.wait_running(2)
    hung.release.set()
    await patiently(asyncio.gather(*running))

    # When it is closed
    pool.close()
    await hung.wait_ended()

    # Then they end
    assert not any(thread.is_alive() for thread in hung.threads)


async def test_a_thread_that_runs_when_the_pool_is_closed_ends_after_its_function(hung: Hung) -> None:
    # Given a pool with a thread at work
    pool = Threads('test', 1)
    running = asyncio.create_task(pool.run(hung.hang, 'late'))
    await hung.wait_running(1)

    # When the pool is closed, and then the function returns
    pool.close()
    hung.release.set()
    await patiently(running)
    await hung.wait_ended()

    # Then the thread ends
    assert not any(thread.is_alive() for thread in hung.threads)


def test_a_thread_whose_loop_is_closed_ends_after_its_function(hung: Hung) -> None:
    # Given a function that hangs when its loop is closed
    async def give_up() -> None:
        running = asyncio.create_task(Threads('test', 1).run(hung.hang, None))
        await hung.wait_running(1)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(give_up())

    # When it returns
    hung.release.set()
    (thread,) = hung.threads
    thread.join(PATIENCE_SECONDS)

    # Then its thread ends, and raises nothing
    assert not thread.is_alive()


def test_a_hung_thread_does_not_keep_the_process_from_ending() -> None:
    # Given a process with a thread that hangs for ever
    code = """
import asyncio, threading
from wazo_busd.threads import Threads

hangs = threading.Event()

def hang(_):
    hangs.set()
    threading.Event().wait()

async def main():
    running = asyncio.create_task(Threads('test', 1).run(hang, None))
    await asyncio.to_thread(hangs.wait)
    running.cancel()
    await asyncio.wait([running])

asyncio.run(main())
"""

    # When the rest of it ends
    ended = subprocess.run([sys.executable, '-c', code], timeout=PATIENCE_SECONDS, check=False, capture_output=True)

    # Then it ends, and says nothing
    assert (ended.returncode, ended.stderr) == (0, b'')


async def test_a_thread_that_the_system_does_not_give_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setattr('wazo_busd.threads._RETRY_SECONDS', 0.0)
    start, refusals = threading.Thread.start, iter(range(3))

    def stubborn(self: threading.Thread) -> None:
        if next(refusals, None) is not None:
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, 'start', stubborn)

    result = await patiently(Threads('test', 1).run(str.upper, 'done'))

    assert (result, [line['handler'] for line in log_lines(log, 'no_thread_free')]) == ('DONE', ['test'])
