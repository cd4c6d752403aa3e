# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The reload: who asks, and who is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.unit.rig import patiently, turn
from wazo_busd.errors import Problem
from wazo_busd.reload import Reload

WRONG = [Problem('no')]


async def refused() -> Sequence[Problem]:
    return WRONG


async def test_whoever_waits_is_told_what_is_wrong() -> None:
    reload = Reload()
    waiting = [asyncio.create_task(reload.result()) for _ in range(2)]
    await patiently(reload.asked.wait())

    await reload.run(refused())

    assert await patiently(asyncio.gather(*waiting)) == [WRONG, WRONG]


async def test_what_is_asked_for_meanwhile_is_the_next_one() -> None:
    # Given a reload that is under way
    reload = Reload()
    late: list[asyncio.Task[Sequence[Problem]]] = []

    async def slow() -> Sequence[Problem]:
        late.append(asyncio.create_task(reload.result()))
        await turn()
        return []

    # When another one is asked for
    await reload.run(slow())

    # Then it is still asked for, and answered by the next
    assert (reload.asked.is_set(), late[0].done()) == (True, False)
    await reload.run(refused())
    assert await patiently(late[0]) == WRONG


async def test_who_has_gone_away_is_not_told() -> None:
    reload = Reload()
    waiting = asyncio.create_task(reload.result())
    await patiently(reload.asked.wait())
    waiting.cancel()
    await asyncio.wait([waiting])

    await reload.run(refused())

    assert not reload.asked.is_set()
