# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The deadlines: who is told of a call that takes too long, and when that is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.unit.rig import PATIENCE_SECONDS, make_work, turn
from wazo_busd import deadlines as module
from wazo_busd.deadlines import Deadlines
from wazo_busd.work import Work

SHORT_SECONDS = 0.01


class Watch:
    """Deadlines, and what they told."""

    def __init__(self, seconds: float = SHORT_SECONDS) -> None:
        self.expired: list[Work] = []
        self.abandoned: list[Work] = []
        self.deadlines = Deadlines(seconds, expire=self._expire, abandon=self._abandon)
        self._told = asyncio.Event()

    async def until(self, *, expired: int = 0, abandoned: int = 0) -> None:
        """Wait until so many were told."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.expired) < expired or len(self.abandoned) < abandoned:
                self._told.clear()
                await self._told.wait()

    def _expire(self, work: Work) -> None:
        self.expired.append(work)
        self._told.set()

    def _abandon(self, work: Work) -> None:
        self.abandoned.append(work)
        self._told.set()


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    """Deadlines of which all is over in the end."""
    made = Watch()
    yield made
    made.deadlines.close()


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that goes on is given up soon."""
    monkeypatch.setattr(module, '_GRACE_SECONDS', SHORT_SECONDS)


async def test_a_call_that_takes_too_long_is_told(watch: Watch) -> None:
    work = make_work()
    watch.deadlines.began(work, time.monotonic())

    await watch.until(expired=1)

    assert watch.expired == [work]


async def test_a_call_that_goes_on_after_it_was_cancelled_is_given_up(watch: Watch) -> None:
    work = make_work()
    watch.deadlines.began(work, time.monotonic())

    await watch.until(abandoned=1)

    assert (watch.expired, watch.abandoned) == ([work], [work])


async def test_calls_that_take_too_long_are_told_in_the_order_they_began(watch: Watch) -> None:
    works = [make_work() for _ in range(5)]
    for work in works:
        watch.deadlines.began(work, time.monotonic())
        await asyncio.sleep(0)

    await watch.until(abandoned=5)

    assert (watch.expired, watch.abandoned) == (works, works)


async def test_a_call_that_ends_in_time_is_not_told(watch: Watch) -> None:
    # Given two calls, of which one ends
    in_time, late = make_work(), make_work()
    watch.deadlines.began(in_time, time.monotonic())
    watch.deadlines.began(late, time.monotonic())
    watch.deadlines.ended(in_time)

    # When the time of both is over
    await watch.until(expired=1)

    # Then the other one is told
    assert watch.expired == [late]


async def test_a_call_that_ends_when_it_is_cancelled_is_not_given_up(watch: Watch) -> None:
    # Given a call that ends as soon as it is told that it is late, and one that does not
    obedient, deaf = make_work(), make_work()
    watch.deadlines.began(obedient, time.monotonic())
    watch.deadlines.began(deaf, time.monotonic())
    await watch.until(expired=2)
    watch.deadlines.ended(obedient)

    # When the grace of both is over
    await watch.until(abandoned=1)

    # Then the other one is given up
    assert watch.abandoned == [deaf]


async def test_a_call_that_was_given_up_is_told_no_more_when_it_ends_at_last(watch: Watch) -> None:
    work = make_work()
    watch.deadlines.began(work, time.monotonic())
    await watch.until(abandoned=1)

    watch.deadlines.ended(work)
    other = make_work()
    watch.deadlines.began(other, time.monotonic())
    await watch.until(abandoned=2)

    assert watch.abandoned == [work, other]


async def test_the_next_try_at_the_same_event_has_its_own_time(watch: Watch) -> None:
    # Given an event whose first try ended in time
    work, other = make_work(), make_work()
    watch.deadlines.began(work, time.monotonic())
    watch.deadlines.ended(work)

    # When the second one takes too long
    watch.deadlines.began(work, time.monotonic())
    watch.deadlines.began(other, time.monotonic())
    await watch.until(expired=2)

    # Then it is told, once
    assert watch.expired == [work, other]


async def test_after_an_idle_time_calls_are_watched_again(watch: Watch) -> None:
    first, second = make_work(), make_work()
    watch.deadlines.began(first, time.monotonic())
    await watch.until(abandoned=1)
    await turn()

    watch.deadlines.began(second, time.monotonic())
    await watch.until(expired=2)

    assert watch.expired == [first, second]


async def test_a_late_call_that_is_waited_for_keeps_no_other_from_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a call that has taken too long, and has long to end
    monkeypatch.setattr(module, '_GRACE_SECONDS', 10 * PATIENCE_SECONDS)
    watch = Watch()
    late, next_one = make_work(), make_work()
    watch.deadlines.began(late, time.monotonic())
    await watch.until(expired=1)
    await turn()

    # When the next one begins
    watch.deadlines.began(next_one, time.monotonic())

    # Then it is told in its own time
    await watch.until(expired=2)
    watch.deadlines.close()


async def test_a_call_that_begins_while_another_one_is_told_is_watched() -> None:
    # Given deadlines that are told of a new call in the middle of telling
    begun: list[Work] = []
    all_told = asyncio.Event()
    works = [make_work() for _ in range(3)]

    def expire(work: Work) -> None:
        deadlines.ended(work)
        begun.append(work)
        if len(begun) < len(works):
            deadlines.began(works[len(begun)], time.monotonic())
        else:
            all_told.set()

    deadlines = Deadlines(SHORT_SECONDS, expire=expire, abandon=lambda work: None)

    # When the first of them begins
    deadlines.began(works[0], time.monotonic())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await all_told.wait()

    # Then each of them is told
    assert begun == works


async def test_a_mistake_in_one_that_is_told_does_not_end_the_watch() -> None:
    # Given deadlines whose first call is told to somebody who fails
    told: list[Work] = []
    came = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)

    def expire(work: Work) -> None:
        told.append(work)
        if len(told) == 1:
            raise RuntimeError('a mistake of ours')
        came.set()

    deadlines = Deadlines(SHORT_SECONDS, expire=expire, abandon=lambda work: None)
    first, second = make_work(), make_work()

    # When two calls take too long
    deadlines.began(first, time.monotonic())
    deadlines.began(second, time.monotonic())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await came.wait()
    deadlines.close()

    # Then the second one is told as well
    assert told == [first, second]


async def test_after_it_was_closed_nobody_is_told_of_anything(watch: Watch) -> None:
    # Given a call that is watched
    watch.deadlines.began(make_work(), time.monotonic())

    # When nobody wants to know any more, and another watch finds that the time is over
    watch.deadlines.close()
    other = Watch()
    other.deadlines.began(make_work(), time.monotonic())
    await other.until(abandoned=1)

    # Then nothing was told
    assert (watch.expired, watch.abandoned) == ([], [])


async def test_one_timer_is_enough_for_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a loop that counts its timers
    loop = asyncio.get_running_loop()
    timers: list[float] = []
    call_at = loop.call_at

    def counting(when: float, *arguments: object, **more: object) -> asyncio.TimerHandle:
        timers.append(when)
        return call_at(when, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, 'call_at', counting)
    watch = Watch(3600.0)

    # When a thousand calls begin and end
    for _ in range(1000):
        work = make_work()
        watch.deadlines.began(work, time.monotonic())
        watch.deadlines.ended(work)
    watch.deadlines.close()

    # Then one of them was set
    assert len(timers) == 1
