# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Back-off: longer each time, never quite the same, and never long where nobody listens."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.connection import Unreachable
from wazo_busd.errors import BusError


def delays(number: int, error: BaseException | None) -> list[float]:
    backoff = Backoff()
    return [backoff.delay_seconds(error) for _ in range(number)]


@pytest.mark.parametrize(
    ('failures', 'longest'),
    [(0, 0.05), (1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, 5.0), (8, 5.0), (30, 5.0), (5_000, 5.0)],
)
def test_each_wait_is_at_most_twice_the_one_before(failures: int, longest: float) -> None:
    assert longest * 0.7 <= delays(failures + 1, None)[-1] <= longest


@pytest.mark.parametrize(('failures', 'longest'), [(0, 0.05), (3, 0.4), (4, 0.5), (50, 0.5)])
def test_where_nobody_listens_no_wait_is_long(failures: int, longest: float) -> None:
    assert longest * 0.7 <= delays(failures + 1, Unreachable('nothing listens'))[-1] <= longest


def test_a_broker_that_refuses_is_asked_rarely() -> None:
    assert delays(20, BusError('the user may not'))[-1] >= 3.5


def test_after_a_success_it_begins_anew() -> None:
    backoff = Backoff()
    for _ in range(20):
        backoff.delay_seconds(None)

    backoff.reset()

    assert backoff.delay_seconds(None) <= 0.05


@given(st.integers(0, 12))
def test_no_two_wait_the_same(failures: int) -> None:
    assert len({delays(failures + 1, None)[-1] for _ in range(20)}) > 1


async def test_waiting_waits_that_long(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, 'sleep', sleep)
    backoff = Backoff()

    for _ in range(9):
        await backoff.wait(None)

    assert [waited[0] <= 0.05, waited[-1] >= 3.5] == [True, True]


def test_a_broker_that_was_away_for_long_is_not_one_that_has_refused_for_long() -> None:
    backoff = Backoff()
    for _ in range(20):
        backoff.delay_seconds(Unreachable('nothing listens'))

    assert backoff.delay_seconds(None) <= 0.05
