# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The schedule: when it is open, by the clocks of its zone."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.conditions import closing_of, days_of, mistaken_days, schedule, span_of

PARIS = 'Europe/Paris'
OFFICE = schedule({'mon-fri': ['08:00-12:00', '13:00-18:00'], 'sat': ['09:00-12:00']}, (), PARIS)


def at(text: str, zone: str = PARIS) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


# 2026-11-23 is a Monday.


@pytest.mark.parametrize(
    ('moment', 'found'),
    [
        ('2026-11-23 07:59:59', False),
        ('2026-11-23 08:00:00', True),
        ('2026-11-23 11:59:59', True),
        ('2026-11-23 12:00:00', False),
        ('2026-11-23 13:00:00', True),
        ('2026-11-27 17:59:00', True),
        ('2026-11-28 09:30:00', True),
        ('2026-11-28 13:30:00', False),
        ('2026-11-29 09:30:00', False),
    ],
)
def test_it_is_open_in_its_hours(moment: str, found: bool) -> None:
    assert OFFICE.is_open(at(moment)) is found


def test_the_clocks_of_its_zone_count() -> None:
    assert [OFFICE.is_open(at('2026-11-23 09:00', zone)) for zone in (PARIS, 'America/New_York')] == [True, True]
    assert [OFFICE.is_open(at('2026-11-23 16:00', zone)) for zone in (PARIS, 'America/New_York')] == [True, False]


def test_it_opens_at_the_same_time_of_the_clock_in_summer_and_in_winter() -> None:
    assert [OFFICE.is_open(at(f'2026-{month}-01 08:00')) for month in ('06', '12')] == [True, True]
    assert [OFFICE.is_open(at(f'2026-{month}-01 07:59')) for month in ('06', '12')] == [False, False]


@pytest.mark.parametrize(
    ('moment', 'found'),
    [
        ('2026-11-23 21:59', False),
        ('2026-11-23 22:00', True),
        ('2026-11-24 00:00', True),
        ('2026-11-24 05:59', True),
        ('2026-11-24 06:00', False),
        ('2026-11-24 23:00', False),
        ('2026-11-23 05:00', False),
    ],
)
def test_hours_can_go_past_midnight(moment: str, found: bool) -> None:
    assert schedule({'mon': ['22:00-06:00']}, (), PARIS).is_open(at(moment)) is found


def test_sunday_night_goes_into_monday() -> None:
    assert schedule({'sun': ['22:00-06:00']}, (), PARIS).is_open(at('2026-11-23 05:00'))


def test_a_day_can_be_open_all_of_it() -> None:
    always = schedule({'mon-sun': ['00:00-24:00']}, (), PARIS)

    assert [always.is_open(at(f'2026-11-23 {time}')) for time in ('00:00', '12:00', '23:59:59')] == [True, True, True]


@pytest.mark.parametrize(
    ('closed', 'days'),
    [
        (date(2026, 11, 23), [23]),
        ('2026-11-23', [23]),
        ('11-23', [23]),
        ('2025-11-23', []),
        ('2026-11-23..2026-11-25', [23, 24, 25]),
        ('11-23..11-24', [23, 24]),
        ('2026-11-26 .. 2027-01-02', [26, 27]),
        ('11-26..01-02', [26, 27]),
        ('06-01..11-23', [23]),
    ],
)
def test_it_is_closed_on_the_days_that_are_named(closed: Any, days: list[int]) -> None:
    office = schedule({'mon-fri': ['08:00-18:00']}, [closed], PARIS)

    assert [day for day in range(23, 28) if not office.is_open(at(f'2026-11-{day} 10:00'))] == days


def test_a_time_that_goes_past_the_new_year_is_closed_on_both_sides() -> None:
    office = schedule({'mon-sun': ['08:00-18:00']}, ['12-24..01-02'], PARIS)
    days = ['2026-12-23', '2026-12-24', '2026-12-31', '2027-01-02', '2027-01-03']

    assert [office.is_open(at(f'{day} 10:00')) for day in days] == [True, False, False, False, True]


def test_a_closed_day_ends_the_night_that_goes_into_it() -> None:
    nights = schedule({'mon-sun': ['22:00-06:00']}, ['2026-12-25'], PARIS)

    assert [nights.is_open(at(f'2026-12-{when}')) for when in ('24 23:00', '25 01:00', '26 01:00')] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ('text', 'days'),
    [
        ('mon', [0]),
        ('Mon-Fri', [0, 1, 2, 3, 4]),
        ('fri-mon', [4, 5, 6, 0]),
        ('mon, wed', [0, 2]),
        ('sat,sun', [5, 6]),
        ('sun-sun', [6]),
    ],
)
def test_days_are_named_alone_or_together(text: str, days: list[int]) -> None:
    assert days_of(text) == days


@pytest.mark.parametrize('text', ['', 'monday', 'mo', 'mon-', '-fri', 'mon-xyz', 'mon,,tue', '1', 'mon..fri'])
def test_what_is_no_day_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match='expected days'):
        days_of(text)


@pytest.mark.parametrize(
    'text', ['', '8', '8-12', '08:00', '08:00-08:00', '08:60-09:00', '24:00-06:00', '08:00-25:00', '08:00-12:00-13:00']
)
def test_what_are_no_hours_is_a_mistake(text: str) -> None:
    with pytest.raises(ValueError, match='expected hours'):
        span_of(text)


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        ('', 'expected a date'),
        ('25.12.', 'expected a date'),
        ('2026-12-25..', 'expected a date'),
        (5, 'expected a date'),
        (datetime(2026, 12, 25), 'expected a date'),  # noqa: DTZ001 — what YAML makes of one
        ('2026-02-30', 'there is no such day'),
        ('13-01', 'there is no such day'),
        ('2026-12-25..12-26', 'two dates of the same form'),
        ('2026-12-26..2026-12-25', 'two dates of the same form'),
    ],
)
def test_what_is_no_date_is_a_mistake(value: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        closing_of(value)


def test_the_29th_of_february_is_a_day() -> None:
    assert closing_of('02-29') == ((0, 2, 29), (0, 2, 29))


@pytest.mark.parametrize(
    ('hours', 'text'),
    [
        ({'mon-fri': ['08:00-12:00'], 'fri': ['08:00-12:00']}, "fri is in 'mon-fri' and in 'fri'"),
        ({'mon': ['08:00-12:00', '11:00-13:00']}, 'two of the hours of mon overlap'),
        ({'mon': ['11:00-13:00', '08:00-12:00']}, 'two of the hours of mon overlap'),
        ({'mon': ['22:00-06:00', '23:00-24:00']}, 'two of the hours of mon overlap'),
    ],
)
def test_hours_that_contradict_each_other_are_a_mistake(hours: dict[str, list[str]], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        mistaken_days(hours)


def test_hours_that_touch_are_none() -> None:
    mistaken_days({'mon': ['08:00-12:00', '12:00-13:00'], 'tue': ['08:00-12:00']})


@given(st.floats(min_value=0, max_value=4e9))
def test_it_is_open_or_not_at_every_moment(moment: float) -> None:
    local = datetime.fromtimestamp(moment, ZoneInfo(PARIS))
    hours = {**dict.fromkeys(range(5), ((8, 12), (13, 18))), 5: ((9, 12),)}.get(local.weekday(), ())

    assert OFFICE.is_open(moment) is any(start <= local.hour < end for start, end in hours)
