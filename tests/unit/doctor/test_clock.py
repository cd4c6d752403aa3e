# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Clocks: a skew is told from another time zone, and neither from a queue that was slow once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.doctor.made import ELSEWHERE, HERE, only
from wazo_busd.api import Event
from wazo_busd.doctor.clock import judge, skews
from wazo_busd.doctor.finding import Severity

NOON = 1_777_629_422.0


def event(late_seconds: float, origin: str = HERE) -> Event:
    said = datetime.fromtimestamp(NOON - late_seconds, tz=UTC).astimezone().replace(tzinfo=None).isoformat()
    return Event('x', {}, headers={'timestamp': said, 'origin_uuid': origin}, received_at=NOON)


@pytest.mark.parametrize(
    ('late', 'severity'),
    [
        ([0.01, 0.02], Severity.OK),
        ([0.01, 0.02, 500.0], Severity.OK),
        ([3.0, 3.1], Severity.WARNING),
        ([-3.0], Severity.WARNING),
        ([75.0], Severity.PROBLEM),
        ([3600.1], Severity.PROBLEM),
    ],
)
def test_the_middle_of_what_events_say_decides(late: list[float], severity: Severity) -> None:
    assert only(judge(skews(map(event, late)))).severity is severity


@pytest.mark.parametrize(
    ('late', 'words'),
    [
        (3600.0, '1 h behind the one here, by 1 event: another time zone'),
        (-19_800.0, '5.5 h ahead of the one here, by 1 event: another time zone'),
        (3700.0, '3700.0 s behind'),
        (30.0, '30.0 s behind'),
    ],
)
def test_whole_quarters_of_an_hour_are_another_zone(late: float, words: str) -> None:
    assert words in only(judge(skews([event(late)]))).text


def test_the_host_whose_clock_is_wrong_is_named() -> None:
    found = only(judge(skews([event(0.0), event(75.0, ELSEWHERE)])))

    assert ELSEWHERE in found.text


def test_what_is_no_uuid_is_not_repeated() -> None:
    assert '5551234567' not in only(judge(skews([event(75.0, '5551234567')]))).text


def test_events_that_do_not_say_when_prove_nothing() -> None:
    assert only(judge(skews([Event('x', {}, received_at=NOON)]))).severity is Severity.OK
