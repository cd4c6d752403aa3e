# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The work: one event on its way through one handler."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

from tests.unit.rig import make_work
from wazo_busd.work import Work, current_work


async def test_new_work_has_not_begun() -> None:
    work = make_work()

    assert (work.started_at, work.duration_seconds, work.emitted) == (0.0, 0.0, 0)


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
