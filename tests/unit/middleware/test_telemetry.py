# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Measures the call."""

from __future__ import annotations

import asyncio
import sys
import time
from types import SimpleNamespace

import pytest

from tests.unit.rig import make_handler, make_work
from wazo_busd.middleware.telemetry import telemetry
from wazo_busd.plugin import handler
from wazo_busd.work import Work


@handler
def nothing(event: object) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that the test turns."""
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(
        sys.modules[telemetry.__module__],
        'time',
        SimpleNamespace(time=lambda: made.now + 1_700_000_000.0, perf_counter=lambda: made.now),
    )
    return made


async def test_the_work_says_when_its_call_began(clock: SimpleNamespace) -> None:
    async def call(work: Work) -> None:
        clock.now += 5.0

    work = make_work()
    await telemetry(make_handler(nothing), call)(work)

    assert work.started_at == 1_700_000_100.0


async def test_while_it_is_called_the_work_says_since_when() -> None:
    seen: list[float] = []

    async def call(work: Work) -> None:
        seen.append(work.started_at)

    before = time.time()
    await telemetry(make_handler(nothing), call)(make_work())

    assert before <= seen[0] <= time.time()


async def test_the_work_says_how_long_its_call_took(clock: SimpleNamespace) -> None:
    async def call(work: Work) -> None:
        clock.now += 2.5

    work = make_work()
    await telemetry(make_handler(nothing), call)(work)

    assert work.duration_seconds == 2.5


@pytest.mark.parametrize('error', [ValueError, SystemExit, asyncio.CancelledError])
async def test_the_work_says_how_long_a_call_took_that_raised(
    clock: SimpleNamespace, error: type[BaseException]
) -> None:
    async def call(work: Work) -> None:
        clock.now += 2.5
        raise error

    work = make_work()
    with pytest.raises(error):
        await telemetry(make_handler(nothing), call)(work)

    assert work.duration_seconds == 2.5
