# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What holds of `calls` for every history of calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from plugins.tracking import Derivation
from tests.plugins.trackers.call_history import USERS, Course, Era, told
from tests.plugins.trackers.rig import run, runner, twice, without_some

seconds = st.integers(0, 600).map(lambda tenths: tenths / 10)
extensions = st.lists(st.sampled_from(sorted(USERS)), max_size=5).map(tuple)


@st.composite
def histories(draw: st.DrawFn, most: int = 6) -> list[Course]:
    """Conversations beside each other, of callers outside who are not the same, for users who are the same."""
    count = draw(st.integers(1, most))
    return [draw(_course(f'+1418555{number:04}')) for number in range(count)]


@st.composite
def _course(draw: st.DrawFn, caller: str) -> Course:
    again = draw(extensions)
    rings = draw(extensions) or again
    return Course(
        draw(seconds),
        caller,
        rings,
        again,
        draw(st.integers(1, 30)),
        draw(st.none() | st.integers(0, 4)) if rings else None,
        draw(seconds),
        tuple(draw(st.lists(st.integers(2, 300).map(float), max_size=3))),
        draw(seconds),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(('', 'blind', 'attended'))),
        draw(st.booleans()) if rings else False,
        draw(st.sampled_from((-0.05, 0.0, 0.05))),
    )


every_era = pytest.mark.parametrize('era', ['now', '2019', 'seed'])
telling_eras = pytest.mark.parametrize('era', ['now', '2019'])


def make() -> CallsTracker:
    return CallsTracker(CallsOptions(), 'CA')


def follows(courses: list[Course], era: Era) -> list[Derivation]:
    return [each.derivation for each in run(make, told(courses, era))]


def named(found: list[Derivation], name: str) -> list[dict[str, Any]]:
    return [dict(each.data) for each in found if each.name == f'busd.call.{name}']


def parts(row: dict[str, Any]) -> float:
    return round((row['ring_seconds'] or 0) + (row['talk_seconds'] or 0) + (row['hold_seconds'] or 0), 1)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers(each)


@telling_eras
@given(courses=histories())
def test_each_conversation_is_answered_or_missed_as_it_was(era: Era, courses: list[Course]) -> None:
    found = follows(courses, era)
    answered = {each['caller_id_number'] for each in named(found, 'record') if each['answered']}
    missed = [each['caller_id_number'] for each in named(found, 'missed')]

    assert answered == {each.caller for each in courses if each.is_answered}
    assert sorted(missed) == sorted(each.caller for each in courses if each.missed_by)


@telling_eras
@given(courses=histories())
def test_users_miss_a_call_and_agents_of_a_queue_do_not(era: Era, courses: list[Course]) -> None:
    found = named(follows(courses, era), 'missed')

    assert {each['caller_id_number']: {user['user_uuid'] for user in each['users']} for each in found} == {
        each.caller: each.missed_by for each in courses if each.missed_by
    }


@telling_eras
@given(courses=histories())
def test_the_queue_of_a_call_is_told(era: Era, courses: list[Course]) -> None:
    found = named(follows(courses, era), 'record')

    assert {each['caller_id_number'] for each in found if each['queue']} == {
        each.caller for each in courses if each.queue
    }


@telling_eras
@given(courses=histories())
def test_there_is_one_record_of_each_conversation(era: Era, courses: list[Course]) -> None:
    found = named(follows(courses, era), 'record')

    assert sorted(each['caller_id_number'] for each in found) == sorted(each.caller for each in courses)


@given(courses=histories())
def test_the_direction_is_told_as_the_host_knows_it_in_the_end(courses: list[Course]) -> None:
    found = follows(courses, 'now')

    assert {each['direction'] for name in ('record', 'missed') for each in named(found, name)} == {'inbound'}


@every_era
@given(courses=histories())
def test_no_conversation_is_both_answered_and_missed(era: Era, courses: list[Course]) -> None:
    found = follows(courses, era)
    answered = [each['conversation_id'] for each in named(found, 'record') if each['answered']]
    missed = [each['conversation_id'] for each in named(found, 'missed')]

    assert len({*answered, *missed}) == len(answered) + len(missed)


@every_era
@given(courses=histories())
def test_the_parts_are_no_more_than_the_whole_and_the_whole_where_it_was_answered(
    era: Era, courses: list[Course]
) -> None:
    rows = named(follows(courses, era), 'record')

    assert [row for row in rows if parts(row) > row['duration_seconds']] == []
    assert [row for row in rows if row['answered'] and parts(row) != row['duration_seconds']] == []


@telling_eras
@given(courses=histories())
def test_holds_moves_and_transfers_are_counted_as_they_were(era: Era, courses: list[Course]) -> None:
    rows = {each['caller_id_number']: each for each in named(follows(courses, era), 'record')}

    assert {
        caller: (row['holds'], row['hold_seconds'], row['relocations'], row['transfers'], row['answered'])
        for caller, row in rows.items()
    } == {
        each.caller: (
            len(each.holds) if each.is_answered else 0,
            each.hold_seconds,
            int(each.moves and each.is_answered),
            int(bool(each.transfer) and each.is_answered),
            each.is_answered,
        )
        for each in courses
    }


@every_era
@given(courses=histories())
def test_a_long_hold_is_told_once(era: Era, courses: list[Course]) -> None:
    long = sum(each >= CallsOptions().long_hold for one in courses if one.is_answered for each in one.holds)

    assert len(named(follows(courses, era), 'long_hold')) == long


@telling_eras
@given(courses=histories())
def test_users_are_told_once_that_somebody_else_has_answered(era: Era, courses: list[Course]) -> None:
    found = named(follows(courses, era), 'answered_elsewhere')
    whom = [(each['conversation_id'], each['user_uuid']) for each in found]
    expected = sum(len(each.others) for each in courses)

    assert (len(whom), len(set(whom))) == (expected, expected)


@every_era
@given(courses=histories())
def test_nothing_is_left_and_nothing_is_negative(era: Era, courses: list[Course]) -> None:
    found, tracker = runner(make, told(courses, era))

    assert (tracker.due(), tracker.dump()['open']) == (None, [])
    assert [each for each in numbers([dict(each.derivation.data) for each in found]) if each < 0] == []


@every_era
@given(courses=histories())
def test_each_event_twice_tells_the_same_once(era: Era, courses: list[Course]) -> None:
    events = told(courses, era)

    assert [each.derivation for each in run(make, twice(events))] == follows(courses, era)


@every_era
@given(courses=histories(), share=st.floats(0, 1))
def test_a_restart_changes_nothing(era: Era, courses: list[Course], share: float) -> None:
    events = told(courses, era)
    found = run(make, events, restart_after=int(share * (len(events) - 1)))

    assert [each.derivation for each in found] == follows(courses, era)


@every_era
@given(courses=histories(), share=st.floats(0, 0.6), seed=st.integers(0, 999))
def test_lost_events_leave_nothing_and_make_nothing_negative_or_too_long(
    era: Era, courses: list[Course], share: float, seed: int
) -> None:
    found, tracker = runner(make, without_some(told(courses, era), share, seed))
    rows = [dict(each.derivation.data) for each in found if each.derivation.name == 'busd.call.record']

    assert tracker.due() is None
    assert [each for each in numbers([dict(each.derivation.data) for each in found]) if each < 0] == []
    assert [row for row in rows if row['duration_seconds'] is not None and parts(row) > row['duration_seconds']] == []


@given(courses=histories(most=3), order=st.randoms(use_true_random=False))
def test_events_in_any_order_leave_nothing_and_make_nothing_negative(courses: list[Course], order: Any) -> None:
    events = told(courses, 'now')
    order.shuffle(events)
    found, tracker = runner(make, events)

    assert tracker.due() is None
    assert [each for each in numbers([dict(each.derivation.data) for each in found]) if each < 0] == []


@given(courses=histories(most=1))
def test_the_seed_alone_tells_what_is_missed(courses: list[Course]) -> None:
    found = follows(courses, 'seed')
    (course,) = courses

    assert len(named(found, 'missed')) == int(bool(course.missed_by))


@given(courses=histories())
def test_hosts_beside_each_other_do_not_mix(courses: list[Course]) -> None:
    hosts = ('ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3', '08c56466-8f29-45c7-9856-92bf1ba89b82')
    events = [each for host in hosts for each in told(courses, '2019', origin_uuid=host)]
    found = [each.derivation for each in run(make, sorted(events, key=lambda each: each.received_at))]

    for host in hosts:
        alone = [each.derivation for each in run(make, told(courses, '2019', origin_uuid=host))]
        assert [each for each in found if each.origin_uuid == host] == alone
