# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Moments and durations, as people read them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from wazo_busd.language.fault import Fault
from wazo_busd.language.moment import duration, local, time_zone


@pytest.fixture(autouse=True)
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv('TZ', 'Europe/Paris')
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ('value', 'found'),
    [
        (1_767_225_600, '2026-01-01 01:00:00'),
        (1_767_225_600.9, '2026-01-01 01:00:00'),
        ('1767225600.42', '2026-01-01 01:00:00'),
        ('2026-01-01T00:00:00Z', '2026-01-01 01:00:00'),
        ('2026-01-01T00:00:00+00:00', '2026-01-01 01:00:00'),
        ('2016-02-10T11:57:02.592-0500', '2016-02-10 17:57:02'),
        ('2026-07-01T08:30:00.123456', '2026-07-01 08:30:00'),
        ('2026-07-01', '2026-07-01 00:00:00'),
        (0, '1970-01-01 01:00:00'),
    ],
)
def test_a_moment_in_any_form_is_shown_in_local_time(value: Any, found: str) -> None:
    assert local(value) == found


def test_it_can_have_another_form_and_another_zone() -> None:
    assert local(0, '%H:%M on %-d/%m, 100%%', 'America/New_York') == '19:00 on 31/12, 100%'


@pytest.mark.parametrize('value', ['', 'yesterday', None, True, [], float('nan'), 1e300, -1e13, 10**400, '9' * 5000])
def test_what_is_no_moment_is_a_fault(value: Any) -> None:
    with pytest.raises(Fault, match='local takes a date and time'):
        local(value)


@pytest.mark.parametrize('form', ['%999999999d', '%', '', 'a' * 101, 7, '%!'])
def test_a_format_that_is_none_is_a_fault(form: Any) -> None:
    with pytest.raises(Fault, match='local takes a format'):
        local(0, form)


@pytest.mark.parametrize('name', ['', '../../etc/passwd', '/etc/passwd', 'Europe/Nowhere', 'Europe', 'a\0b'])
def test_a_zone_that_is_none_is_a_fault(name: str) -> None:
    with pytest.raises(Fault, match='there is no such time zone'):
        time_zone(name)


@pytest.mark.parametrize(
    ('value', 'found'),
    [
        (0, '0 s'),
        (45, '45 s'),
        (59.4, '59 s'),
        (59.5, '1 min 00 s'),
        (123, '2 min 03 s'),
        (3600, '1 h 00 min'),
        (3900, '1 h 05 min'),
        (90_061, '25 h 01 min'),
        ('75', '1 min 15 s'),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(value: Any, found: str) -> None:
    assert duration(value) == found


@pytest.mark.parametrize('value', [-1, 'long', None, True, float('inf'), float('nan'), {}, '-5'])
def test_what_is_no_duration_is_a_fault(value: Any) -> None:
    with pytest.raises(Fault, match='duration takes a number of seconds'):
        duration(value)
