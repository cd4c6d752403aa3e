# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Audit: what is told of changes and calls in any order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from plugins.audit import AuditTracker, Options
from tests.plugins.trackers.changes import ABROAD, ALICE, BOB, Era, call, forward, said, what
from tests.plugins.trackers.rig import START, run, told
from wazo_busd.event import Event

FORWARDS = st.lists(
    st.tuples(
        st.sampled_from([ALICE, BOB]),
        st.sampled_from(['busy', 'noanswer', 'unconditional']),
        st.booleans(),
        st.sampled_from([None, '1004', '1005', ABROAD]),
        st.sampled_from(['now', '2019']),
    ),
    max_size=30,
)
Forwards = list[tuple[str, str, bool, str | None, Era]]


def toggled(steps: Forwards) -> list[Event]:
    return [
        forward(enabled, destination, 10.0 * number, name, user, era)
        for number, (user, name, enabled, destination, era) in enumerate(steps)
    ]


@given(FORWARDS)
def test_the_after_of_one_change_is_the_before_of_the_next(steps: Forwards) -> None:
    known: dict[Any, Any] = {}
    for found in what(toggled(steps)):
        if found.derivation.name == 'busd.audit.change':
            whose, before, after = said(found, 'subject_uuid', 'name'), *said(found, 'before', 'after')
            assert known.get(whose) == before != after
            known[whose] = after


@given(FORWARDS)
def test_as_many_changes_are_told_as_there_were(steps: Forwards) -> None:
    known: dict[Any, Any] = {}
    changes = []
    for user, name, enabled, destination, _ in steps:
        if known.get((user, name)) != (enabled, destination):
            changes.append((user, name, enabled, destination))
        known[user, name] = (enabled, destination)
    found = [each for each in what(toggled(steps)) if each.derivation.name == 'busd.audit.change']

    assert [(*said(each, 'subject_uuid', 'name'), *said(each, 'after')[0].values()) for each in found] == changes


@given(FORWARDS, st.integers(0, 30))
def test_a_restart_anywhere_changes_nothing(steps: Forwards, restart_after: int) -> None:
    events = toggled(steps)
    make = lambda: AuditTracker(Options(), region='CA')  # noqa: E731 — once

    assert told(run(make, events, restart_after=restart_after)) == told(run(make, events))


@given(FORWARDS, st.integers(0, 3))
def test_what_comes_again_later_is_not_told_again(steps: Forwards, later: int) -> None:
    events = toggled(steps)
    again = [each for number, one in enumerate(events) for each in (one, *events[max(0, number - later) : number])]

    assert told(what(again)) == told(what(events))


@given(st.lists(st.integers(1, 200), max_size=60))
def test_calls_are_counted_as_in_a_plain_list(pauses: list[int]) -> None:
    at, times = 0, []
    for pause in pauses:
        at += pause
        times.append(at)
    expected, quiet_until = [], 0
    for at in times:
        lately = [each for each in times if at - 600 < each <= at]
        if len(lately) > 5 and at >= quiet_until:
            expected.append(START.timestamp() + at)
            quiet_until = at + 600

    assert [each.at for each in what([call(each) for each in times], outbound_burst={'calls': 5})] == expected
