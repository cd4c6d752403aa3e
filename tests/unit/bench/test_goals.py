# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
from __future__ import annotations

import pytest

from bench.goals import Goal, goals
from bench.results import Results
from bench.rounds import Spread


def verdict(*values: float, more_is_better: bool = False) -> str:
    least, aim = (2.0, 4.0) if more_is_better else (4.0, 2.0)
    return Goal('', least, aim, Spread.of(values), more_is_better=more_is_better).verdict


@pytest.mark.parametrize(
    ('values', 'expected'),
    [
        ([1], 'aim reached'),
        ([1, 1.5, 3], 'aim reached, within the noise'),
        ([3], 'reached'),
        ([1, 3, 5], 'reached, within the noise'),
        ([5], '**missed**'),
        ([3, 5, 6], '**missed**, within the noise'),
        ([], 'not measured'),
    ],
)
def test_the_median_gets_the_verdict_and_the_spread_the_doubt(values: list[float], expected: str) -> None:
    assert verdict(*values) == expected


@pytest.mark.parametrize(('value', 'expected'), [(5, 'aim reached'), (3, 'reached'), (1, '**missed**')])
def test_where_more_is_better_it_is_the_other_way_round(value: float, expected: str) -> None:
    assert verdict(value, more_is_better=True) == expected


def test_nothing_is_reached_where_nothing_was_measured() -> None:
    assert {goal.verdict for goal in goals(Results())} == {'not measured'}
