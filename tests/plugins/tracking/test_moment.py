# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The moment: when an event happened."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.tracking.moment import iso, moment_of, parsed, seconds_between
from wazo_busd.event import Event

CAME_AT = 1_777_881_600.0


def came(timestamp: Any) -> Event:
    return Event('x', headers={'timestamp': timestamp}, received_at=CAME_AT)


def local(at: float) -> str:
    return datetime.fromtimestamp(at).isoformat()  # noqa: DTZ006 — as services send it


@pytest.mark.parametrize('behind_seconds', [0.0, 1.5, 3600.0, 6 * 86_400.0, -4.0])
def test_an_event_happened_when_its_publisher_says(behind_seconds: float) -> None:
    assert moment_of(came(local(CAME_AT - behind_seconds))) == CAME_AT - behind_seconds


@pytest.mark.parametrize('said', [None, '', 'noon', 17, local(CAME_AT + 60), local(CAME_AT - 8 * 86_400)])
def test_an_event_that_does_not_say_or_cannot_have_happened_then_happened_when_it_came(said: Any) -> None:
    assert moment_of(came(said)) == CAME_AT


@given(st.datetimes(datetime(1975, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001 — as services send it
def test_every_time_without_a_zone_is_read_as_a_local_one(said: datetime) -> None:
    at = said.timestamp()

    assert moment_of(Event('x', headers={'timestamp': said.isoformat()}, received_at=at)) == pytest.approx(at, abs=1e-5)


@given(st.text(alphabet='0123456789-T:.+Z ', max_size=30) | st.text())
def test_whatever_is_said_it_happened_when_it_can_have_happened(said: str) -> None:
    assert CAME_AT - 7 * 86_400 <= moment_of(came(said)) <= CAME_AT + 5


@pytest.mark.parametrize('again', [False, True])
def test_an_hour_that_clocks_show_twice_is_the_one_that_it_is(monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    # Given clocks that are put back from two to one at six o'clock in UTC
    at = datetime(2026, 11, 1, 6 if again else 5, 59, 30, tzinfo=UTC).timestamp()
    with monkeypatch.context() as patched:
        patched.setenv('TZ', 'America/Montreal')
        time.tzset()
        # When an event of that hour comes
        found = moment_of(Event('x', headers={'timestamp': '2026-11-01T01:59:30'}, received_at=at + 1))
    time.tzset()

    # Then it has just happened
    assert found == at


def test_the_same_minute_in_another_zone_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for zone in ('UTC', 'America/Montreal', 'UTC'):
        with monkeypatch.context() as patched:
            patched.setenv('TZ', zone)
            time.tzset()
            found.append(
                moment_of(Event('x', headers={'timestamp': '2026-05-04T08:00:01'}, received_at=CAME_AT + 86_400))
            )
    time.tzset()

    assert found == [CAME_AT + 1, CAME_AT + 4 * 3600 + 1, CAME_AT + 1]


def test_times_are_told_in_utc() -> None:
    assert iso(CAME_AT + 0.1234) == '2026-05-04T08:00:00.123+00:00'


@pytest.mark.parametrize(
    ('said', 'found'),
    [
        ('2026-05-04T08:00:00+00:00', CAME_AT),
        ('2026-05-04T10:00:00.500+0200', CAME_AT + 0.5),
        ('2026-05-04T08:00:00Z', CAME_AT),
        (1_777_881_600, CAME_AT),
        (local(CAME_AT), CAME_AT),
        (True, None),
        (0, None),
        (1e300, None),
        ('', None),
        ('noon', None),
        (None, None),
        ([], None),
    ],
)
def test_what_services_say_of_time_is_understood(said: Any, found: float | None) -> None:
    assert parsed(said) == found


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_whatever_is_said_of_time_is_a_number_or_nothing(said: Any) -> None:
    assert isinstance(parsed(said), float | None)


@pytest.mark.parametrize(
    ('start', 'end', 'seconds'), [(1.0, 3.26, 2.3), (3.0, 1.0, 0.0), (None, 1.0, None), (1.0, None, None)]
)
def test_nothing_takes_less_than_no_time(start: float | None, end: float | None, seconds: float | None) -> None:
    assert seconds_between(start, end) == seconds
