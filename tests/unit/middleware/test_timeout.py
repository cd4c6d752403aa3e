# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Ends a call that takes too long."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.rig import make_handler, make_work, patiently, turn
from wazo_busd.errors import HandlerTimeout
from wazo_busd.middleware.timeout import timeout
from wazo_busd.plugin import handler
from wazo_busd.work import Work


@handler
def nothing(event: object) -> None: ...


SHORT = make_handler(nothing, name='bell', timeout='10ms')
LONG = make_handler(nothing, name='bell', timeout='15m')


async def wait_for_ever(work: Work) -> None:
    await asyncio.Event().wait()


async def test_a_call_that_takes_too_long_is_a_timeout_of_the_handler() -> None:
    with pytest.raises(HandlerTimeout, match=r'bell did not return within 0\.01 s'):
        await patiently(timeout(SHORT, wait_for_ever)(make_work()))


async def test_a_call_that_takes_too_long_is_cancelled() -> None:
    # Given a call that notes that it is cancelled
    cancelled = asyncio.Event()

    async def call(work: Work) -> None:
        try:
            await wait_for_ever(work)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    # When its time is over
    with pytest.raises(HandlerTimeout):
        await patiently(timeout(SHORT, call)(make_work()))

    # Then it was cancelled
    assert cancelled.is_set()


async def test_a_call_that_swallows_the_cancellation_and_returns_was_too_late_all_the_same() -> None:
    async def call(work: Work) -> None:
        try:
            await wait_for_ever(work)
        except asyncio.CancelledError:
            return

    with pytest.raises(HandlerTimeout):
        await patiently(timeout(SHORT, call)(make_work()))


async def test_a_call_that_answers_the_cancellation_with_an_error_fails_with_that() -> None:
    async def call(work: Work) -> None:
        try:
            await wait_for_ever(work)
        except asyncio.CancelledError:
            raise ValueError('half done') from None

    with pytest.raises(ValueError, match='half done'):
        await patiently(timeout(SHORT, call)(make_work()))


async def test_a_call_that_returns_in_time_is_no_timeout() -> None:
    called: list[Work] = []

    async def call(work: Work) -> None:
        await asyncio.sleep(0)
        called.append(work)

    work = make_work()
    await timeout(LONG, call)(work)

    assert called == [work]


async def test_a_timeout_of_the_plugins_own_is_its_own_error() -> None:
    async def call(work: Work) -> None:
        raise TimeoutError('no answer from 10.0.0.5')

    with pytest.raises(TimeoutError, match=r'no answer from 10\.0\.0\.5'):
        await timeout(LONG, call)(make_work())


async def test_a_call_that_is_cancelled_from_outside_is_cancelled() -> None:
    # Given a call that runs
    task = asyncio.ensure_future(timeout(LONG, wait_for_ever)(make_work()))
    await turn()

    # When somebody else cancels it
    task.cancel()
    await asyncio.wait([task])

    # Then that is no timeout
    assert task.cancelled()


async def test_the_call_stays_in_the_task_that_it_was_made_in() -> None:
    tasks = []

    async def call(work: Work) -> None:
        tasks.append(asyncio.current_task())

    await timeout(LONG, call)(make_work())

    assert tasks == [asyncio.current_task()]


async def test_after_a_timeout_the_task_is_not_cancelled() -> None:
    async def run() -> int:
        with pytest.raises(HandlerTimeout):
            await timeout(SHORT, wait_for_ever)(make_work())
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert await patiently(asyncio.create_task(run())) == 0
