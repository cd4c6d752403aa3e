# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The moment of an event, as far as it can be believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.conditions import happened_at
from wazo_busd.event import Event

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


@pytest.fixture(autouse=True)
def in_paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv('TZ', 'Europe/Paris')
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def event(timestamp: Any, *, arrived: float = NOON, origin: str | None = None) -> Event:
    return Event('x', headers={'timestamp': timestamp, 'origin_uuid': origin}, received_at=arrived)


@pytest.mark.parametrize(
    ('timestamp', 'age'),
    [
        ('2026-11-23T12:59:30', 30),
        ('2026-11-23T12:59:30.500000', 29.5),
        ('2026-11-23T11:59:30+00:00', 30),
        ('2026-11-23T11:59:30Z', 30),
        ('2026-11-20T13:00:00', 3 * 86_400),
        ('2026-11-23T13:00:04', 0),
    ],
)
def test_what_the_service_says_counts(timestamp: str, age: float) -> None:
    assert NOON - happened_at(event(timestamp)) == age


@pytest.mark.parametrize(
    'timestamp',
    [None, '', 'yesterday', 7, [], '2026-11-23T13:00:06', '2036-01-01', '2026-10-01', '0001-01-01', '9999-12-31'],
)
def test_what_cannot_be_believed_does_not(timestamp: Any) -> None:
    assert happened_at(event(timestamp)) == NOON


@pytest.mark.parametrize(
    ('origin', 'host', 'age'),
    [('one', 'one', 30), ('one', 'two', 0), (None, 'two', 30), ('one', None, 30)],
)
def test_the_clock_of_another_host_does_not(origin: str | None, host: str | None, age: float) -> None:
    assert NOON - happened_at(event('2026-11-23T12:59:30', origin=origin), host) == age


@pytest.mark.parametrize(('arrived', 'age'), [('00:31', 60), ('01:31', 60), ('01:29', 3540)])
def test_in_the_hour_that_clocks_show_twice_an_event_is_as_young_as_can_be(arrived: str, age: float) -> None:
    moment = datetime.fromisoformat(f'2026-10-25T{arrived}+00:00').timestamp()

    assert moment - happened_at(event('2026-10-25T02:30:00', arrived=moment)) == age


@given(st.one_of(st.text(), st.datetimes().map(datetime.isoformat), st.none(), st.integers(), st.binary()))
def test_whatever_a_service_says_no_event_is_from_the_future(timestamp: Any) -> None:
    assert NOON - 31 * 86_400 < happened_at(event(timestamp)) <= NOON
