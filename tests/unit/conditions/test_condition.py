# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The condition: what an event must be, and why it is not wanted, in words."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from wazo_busd.conditions import Condition, Hours, Refusal, Where, schedule
from wazo_busd.errors import ConditionError, Permanent
from wazo_busd.event import Event
from wazo_busd.language import Expression, Surroundings

OFFICE = schedule({'mon-fri': ['08:00-18:00']}, (), 'Europe/Paris')
MONDAY = datetime(2026, 11, 23, 10, tzinfo=ZoneInfo('Europe/Paris')).timestamp()
SUNDAY = MONDAY - 86_400


def event(data: Any = None, *, arrived: float | None = None) -> Event:
    return Event('x', data, received_at=time.time() if arrived is None else arrived)


def condition(**parts: Any) -> Condition:
    return Condition('alerts', **parts)


@pytest.mark.parametrize(
    ('parts', 'wanted', 'unwanted'),
    [
        ({'where': Where({'data.a': 1})}, {'a': 1}, {'a': 2}),
        ({'when': Expression('data.a == 1')}, {'a': 1}, {}),
        (
            {'when': Expression('names[data.a] is defined'), 'surroundings': Surroundings({'1': 'Anna'})},
            {'a': '1'},
            {'a': '2'},
        ),
    ],
)
def test_an_event_is_wanted_or_filtered(parts: Any, wanted: Any, unwanted: Any) -> None:
    one = condition(**parts)

    assert (one.refusal(event(wanted)), one.refusal(event(unwanted))) == (None, Refusal.FILTERED)


@pytest.mark.parametrize(('inside', 'open_on'), [(True, [MONDAY]), (False, [SUNDAY])])
def test_an_event_is_wanted_in_some_hours(inside: bool, open_on: list[float]) -> None:
    one = condition(hours=Hours('office', OFFICE, inside))

    assert [at for at in (SUNDAY, MONDAY) if one.refusal(event(arrived=at)) is None] == open_on


def test_an_event_that_is_too_old_has_expired_whatever_else_it_is() -> None:
    one = condition(where=Where({'data.a': 1}), expires_after_seconds=20.0)

    assert one.refusal(event(arrived=time.time() - 30)) is Refusal.EXPIRED


def test_an_event_that_is_young_enough_has_not() -> None:
    assert condition(expires_after_seconds=20.0).refusal(event()) is None


def test_every_part_must_agree() -> None:
    parts = {'where': Where({'data.a': 1}), 'when': Expression('data.b == 1'), 'hours': Hours('office', OFFICE)}
    one = condition(**parts)

    found = [
        one.refusal(event({'a': a, 'b': b}, arrived=at)) is None
        for a, b, at in ((1, 1, MONDAY), (2, 1, MONDAY), (1, 2, MONDAY), (1, 1, SUNDAY))
    ]
    assert found == [True, False, False, False]


# ---- why


def test_a_wanted_event_needs_no_explanation() -> None:
    one = condition(where=Where({'data.a': 1}), hours=Hours('office', OFFICE))

    assert one.explain(event({'a': 1}, arrived=MONDAY)) == ()


def test_every_part_that_says_no_is_explained() -> None:
    one = condition(
        where=Where({'data.a': '!busy', 'data.b': 1}),
        when=Expression("data.b == 1 and data.a != 'busy' and data.c == 2"),
        hours=Hours('office', OFFICE),
    )

    assert one.explain(event({'a': 'busy', 'b': 1}, arrived=SUNDAY)) == (
        "where: data.a is 'busy', and wanted is not 'busy'",
        'schedule: office is closed at sun 2026-11-22 10:00',
        "when: data.a != 'busy' is false: data.a is 'busy'",
        'when: data.c == 2 is false: data.c is not in the event',
    )


def test_outside_of_a_schedule_is_explained_too() -> None:
    one = condition(hours=Hours('office', OFFICE, inside=False))

    assert one.explain(event(arrived=MONDAY)) == ('schedule: office is open at mon 2026-11-23 10:00',)


def test_the_age_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.conditions.condition.time.time', lambda: MONDAY + 3_600)
    (found,) = condition(expires_after_seconds=20.0).explain(event(arrived=MONDAY))

    assert found == 'expires_after: it is 3600 s old, and 20 s is the limit'


# ---- what cannot be said


@pytest.mark.parametrize(
    ('parts', 'text'),
    [
        ({'when': Expression('1 / data.a > 1')}, 'when: 1 / data.a > 1: a division by zero'),
        (
            {'where': Where({'data.b': '~(a|aa)+$'}), 'when': Expression('data.a')},
            'where: data.b: its expression takes longer than 50 ms',
        ),
    ],
)
def test_what_cannot_be_said_is_an_error_that_names_the_handler_and_the_key(parts: Any, text: str) -> None:
    one, that = condition(**parts), event({'a': 0, 'b': 'a' * 4_000 + 'b'})

    with pytest.raises(ConditionError) as raised:
        one.refusal(that)
    said = f'handler alerts: it cannot be said whether it wants this event: {text}; mend it, then: wazo-busd check'
    assert (str(raised.value), one.explain(that)) == (said, (said,))


def test_no_further_try_can_help() -> None:
    assert issubclass(ConditionError, Permanent)
