# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The work: one event on its way through one handler."""

from __future__ import annotations

import asyncio
import time
from contextvars import copy_context

from tests.unit.rig import Settlements, make_delivery, make_history, make_work
from wazo_busd.work import Work, current_work


async def test_new_work_has_not_begun() -> None:
    work = make_work()

    assert (work.began_at, work.duration_seconds, work.emitted) == (0.0, 0.0, 0)


async def test_work_that_comes_for_the_first_time_has_never_been_tried() -> None:
    work = make_work()

    assert (work.first_at, work.first_error, work.rounds) == (0.0, '', 0)


async def test_work_that_has_come_back_knows_what_was_tried() -> None:
    history = make_history(rounds=3, first_at=1.0, first_error='ValueError: it does not fit')
    work = make_work(delivery=make_delivery(Settlements(), history=history))

    assert (work.first_at, work.first_error, work.rounds) == (1.0, 'ValueError: it does not fit', 3)


async def test_what_stands_for_work_that_was_abandoned_is_at_the_same_event() -> None:
    work = make_work(in_lane=True)
    work.first_at, work.first_error, work.is_suspect, work.is_late = 1.0, 'ValueError', True, True
    work.began_at, work.held_since = time.monotonic(), 2.0

    fresh = work.afresh()

    for name in ('handler', 'event', 'call', 'delivery', 'in_lane', 'first_at', 'first_error', 'held_since'):
        assert getattr(fresh, name) == getattr(work, name)
    assert (fresh.is_suspect, fresh.is_late, fresh.began_at) == (True, True, work.began_at)


async def test_what_stands_for_work_that_was_abandoned_holds_nothing_of_it() -> None:
    work = make_work()
    work.thread, work.slot, work.is_abandoned, work.emitted = object(), 4096, True, 3

    fresh = work.afresh()

    assert (fresh.thread, fresh.slot, fresh.is_abandoned, fresh.emitted) == (None, -1, False, 0)


async def test_outside_handlers_there_is_no_work() -> None:
    assert current_work.get() is None


async def test_a_task_that_a_handler_starts_belongs_to_its_work() -> None:
    # Given a task that is at some work
    work = make_work()

    async def look() -> Work | None:
        return current_work.get()

    async def handle() -> Work | None:
        current_work.set(work)
        return await asyncio.create_task(look())

    # When it starts another task
    found = await asyncio.create_task(handle())

    # Then that one is at the same work
    assert found is work


async def test_the_work_of_one_task_is_not_that_of_another() -> None:
    copy_context().run(current_work.set, make_work())

    assert current_work.get() is None
