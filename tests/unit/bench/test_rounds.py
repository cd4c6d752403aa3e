# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

from operator import attrgetter

from hypothesis import given
from hypothesis import strategies as st

from bench.figures import Delays, Figures
from bench.rounds import Rounds, Spread, turned

cpu = attrgetter('cpu_us')


def figures(cpu_us: float) -> Figures:
    return Figures(rate=1.0, cpu_us=cpu_us, broker_us=1.0, memory_mib=1.0)


def rounds(*each: dict[str, float]) -> Rounds:
    made = Rounds()
    for one in each:
        made.begin()
        for name, value in one.items():
            made.add(name, figures(value))
    return made


def test_a_ratio_is_taken_within_a_round() -> None:
    slow_and_fast = rounds({'a': 10, 'b': 100}, {'a': 1, 'b': 10}, {'a': 4, 'b': 20})

    assert slow_and_fast.ratios('a', 'b', cpu) == Spread(0.1, 0.1, 0.2)


def test_a_round_in_which_one_of_the_two_is_missing_has_no_ratio() -> None:
    assert rounds({'a': 10}, {'a': 1, 'b': 2}).ratios('a', 'b', cpu) == Spread(0.5, 0.5, 0.5)


def test_what_was_never_measured_is_nothing() -> None:
    assert rounds({'a': 10}).values('b', cpu) is None


@given(st.lists(st.integers(), max_size=9), st.integers(0, 99))
def test_turning_loses_nothing(items: list[int], number: int) -> None:
    assert sorted(turned(items, number)) == sorted(items)


@given(st.lists(st.integers(), min_size=1, max_size=9, unique=True))
def test_each_is_the_first_once_in_as_many_rounds(items: list[int]) -> None:
    assert [turned(items, number)[0] for number in range(len(items))] == items


@given(st.lists(st.floats(0, 100), min_size=1))
def test_delays_are_in_their_order(seconds: list[float]) -> None:
    found = Delays.of(seconds)

    assert found.p50 <= found.p99 <= found.max == 1000 * max(seconds)
