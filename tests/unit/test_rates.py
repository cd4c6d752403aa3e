# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rates: events a second, from what was counted at the last looks."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.rates import Rates


def test_a_rate_is_what_came_since_somebody_looked() -> None:
    rates = Rates()
    rates.see({'a': 100, 'b': 0}, 10.0)
    rates.see({'a': 1100, 'b': 4}, 12.0)

    assert (rates.of('a'), rates.of('b'), rates.all) == (500, 2, 502)


def test_over_several_looks_it_is_that_of_all_of_them_together() -> None:
    rates = Rates(steps=2)
    for number, received in enumerate([0, 600, 600, 630]):
        rates.see({'a': received}, 10.0 * number)

    assert rates.of('a') == 1.5


def test_nothing_is_known_at_first_or_after_nobody_has_looked_for_long() -> None:
    rates = Rates()
    rates.see({'a': 100}, 10.0)
    before = rates.all
    rates.see({'a': 200}, 30.0)

    assert (before, rates.all, rates.of('a')) == (None, None, None)


def test_a_handler_that_has_started_again_has_no_rate_below_nothing() -> None:
    rates = Rates()
    rates.see({'a': 100}, 10.0)
    rates.see({'a': 1}, 11.0)

    assert rates.of('a') == 0


def test_of_a_handler_that_is_gone_nothing_is_known() -> None:
    rates = Rates(steps=6)
    for at in (1.0, 2.0):
        rates.see({'a': 1}, at)
    rates.see({}, 3.0)

    assert (rates.of('a'), rates.all) == (None, None)


def test_a_look_right_after_another_changes_nothing() -> None:
    rates = Rates()
    rates.see({'a': 0}, 1.0)
    rates.see({'a': 10}, 2.0)
    rates.see({'a': 10}, 2.1)

    assert rates.of('a') == 10


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=12), st.integers(1, 6))
def test_a_rate_is_no_faster_than_the_fastest_step_and_no_slower_than_the_slowest(grown: list[int], steps: int) -> None:
    rates, received = Rates(steps), 0
    for number, each in enumerate(grown):
        received += each
        rates.see({'a': received}, float(number))
    rate, last = rates.of('a'), grown[1:][-steps:]

    assert rate is not None
    assert min(last) - 1e-9 <= rate <= max(last) + 1e-9


async def test_whoever_keeps_looking_need_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.rates._SHORTEST_SECONDS', 0.0)
    rates, received = Rates(), iter(range(1000))
    task = asyncio.create_task(rates.keep(lambda: {'a': next(received)}, 0.001))
    async with asyncio.timeout(10.0):
        while rates.of('a') is None:
            await asyncio.sleep(0.001)
    task.cancel()

    assert (rates.of('a') or 0) > 0
