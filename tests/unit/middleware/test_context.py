# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Says what the task is at."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.rig import make_handler, make_work
from wazo_busd.middleware.context import context
from wazo_busd.plugin import handler
from wazo_busd.work import Work, current_work


@handler
def nothing(event: object) -> None: ...


async def test_inside_the_call_the_work_is_known() -> None:
    seen: list[Work | None] = []

    async def call(work: Work) -> None:
        seen.append(current_work.get())

    work = make_work()
    await context(make_handler(nothing), call)(work)

    assert seen == [work]


async def test_a_task_that_the_call_starts_knows_the_work() -> None:
    seen: list[Work | None] = []

    async def look() -> None:
        seen.append(current_work.get())

    async def call(work: Work) -> None:
        await asyncio.create_task(look())

    work = make_work()
    await context(make_handler(nothing), call)(work)

    assert seen == [work]


async def test_after_the_call_there_is_no_work() -> None:
    async def call(work: Work) -> None: ...

    await context(make_handler(nothing), call)(make_work())

    assert current_work.get() is None


@pytest.mark.parametrize('error', [ValueError, SystemExit, asyncio.CancelledError])
async def test_after_a_call_that_raised_there_is_no_work(error: type[BaseException]) -> None:
    async def call(work: Work) -> None:
        raise error

    with pytest.raises(error):
        await context(make_handler(nothing), call)(make_work())

    assert current_work.get() is None
