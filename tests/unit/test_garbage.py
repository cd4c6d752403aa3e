# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Garbage is looked for by the clock, and seldom by the count."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from tests.unit.rig import PATIENCE_SECONDS
from wazo_busd import garbage


class Knot:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
async def collecting(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(garbage, '_EVERY_SECONDS', 0.01)
    task = asyncio.create_task(garbage.collect())
    await asyncio.sleep(0)
    yield
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.usefixtures('collecting')
async def test_what_refers_to_itself_is_freed_though_nothing_else_happens() -> None:
    freed = asyncio.Event()
    weakref.finalize(Knot(), freed.set)

    async with asyncio.timeout(PATIENCE_SECONDS):
        await freed.wait()


@pytest.mark.usefixtures('collecting')
async def test_thousands_of_events_under_way_are_not_looked_through_each_time() -> None:
    assert gc.get_threshold()[0] == 20_000


async def test_at_the_end_the_interpreter_has_its_own_way_back() -> None:
    before = gc.get_threshold()
    other = asyncio.create_task(garbage.collect())
    await asyncio.sleep(0)
    other.cancel()
    await asyncio.wait([other])

    assert gc.get_threshold() == before
