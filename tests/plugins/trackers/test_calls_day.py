# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `calls` finds out on the sample day: the same whatever happens to the events on their way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import pytest

from plugins.calls.tracker import CallsTracker
from plugins.tracking import Derivation
from tests.plugins.trackers.golden import TRACKERS, of_day, path_of
from tests.plugins.trackers.rig import LATER_SECONDS, Found, day, reversed_batches, run, runner, twice, without_some
from wazo_busd import catalogue

MAKE = TRACKERS['calls']

Era = Literal['now', '2019', 'both']


@cache
def whole(era: Era) -> list[Found]:
    return run(MAKE, day(era))


def facts(found: list[Found]) -> list[Derivation]:
    return [each.derivation for each in found]


def named(found: list[Found], name: str) -> list[dict[str, Any]]:
    return [dict(each.derivation.data) for each in found if each.derivation.name == f'busd.call.{name}']


def known(found: list[Found]) -> set[tuple[str, str]]:
    return {(each.derivation.name, each.derivation.key) for each in found}


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (dict, list, tuple)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers(each)


def test_the_day_is_as_it_is_written_down() -> None:
    assert of_day('calls') == path_of('calls').read_text()


@pytest.mark.parametrize('era', ['now', '2019'])
def test_the_missed_calls_are_those_of_the_stories(era: Era) -> None:
    # Hosts of 2019 say nothing of missed calls, and the same stories happen there.
    said = [each for each in day('now') if each.name == 'user_missed_call']

    assert len(named(whole(era), 'missed')) == len(said)


def test_a_missed_call_is_told_to_whom_the_host_says_that_it_was_missed() -> None:
    said = {(each.data['user_uuid'], each.data['conversation_id']) for each in day('now') if 'missed' in each.name}
    found = named(whole('now'), 'missed')

    assert {(user['user_uuid'], each['conversation_id']) for each in found for user in each['users']} == said


def test_what_is_missed_in_2019_is_what_is_missed_today() -> None:
    assert named(whole('2019'), 'missed') == named(whole('now'), 'missed')


@pytest.mark.parametrize('era', ['now', '2019', 'both'])
def test_who_gave_up_in_a_queue_is_told_as_abandoned(era: Era) -> None:
    gave_up = [each for each in day(era) if each.name == 'QueueCallerAbandon']
    found = named(whole(era), 'record')

    assert Counter(each['reason'] for each in found)['abandoned'] == len(gave_up)


@pytest.mark.parametrize('era', ['now', '2019', 'both'])
def test_every_leg_of_the_day_is_in_one_record(era: Era) -> None:
    legs = [each for each in day(era) if each.name == 'call_created']

    assert sum(each['legs'] for each in named(whole(era), 'record')) == len(legs)


@pytest.mark.parametrize('era', ['now', '2019'])
def test_the_relocations_and_holds_are_those_of_the_stories(era: Era) -> None:
    events = Counter(each.name for each in day(era))
    found = named(whole(era), 'record')

    assert (sum(each['relocations'] for each in found), sum(each['holds'] for each in found)) == (
        events['relocate_completed'],
        events['call_held'],
    )


@pytest.mark.parametrize('era', ['now', '2019', 'both'])
def test_the_parts_of_a_conversation_are_the_whole(era: Era) -> None:
    answered = [each for each in named(whole(era), 'record') if each['answered']]
    parts = [round(each['ring_seconds'] + each['talk_seconds'] + each['hold_seconds'], 1) for each in answered]

    assert parts == [each['duration_seconds'] for each in answered]


def test_all_that_is_told_is_as_the_catalogue_says() -> None:
    faults = []
    for each in facts(whole('both')):
        entry = catalogue.known(each.name)
        faults += [f'{each.name}: {name}' for name in set(each.data) ^ set(entry.fields)]
        faults += [f'{each.name}: {name}' for name, value in each.data.items() if not entry.fields[name].accepts(value)]

    assert faults == []


def test_nothing_is_left_when_all_is_over() -> None:
    _, tracker = runner(MAKE, day())
    assert isinstance(tracker, CallsTracker)

    said = tracker.dump()
    assert (said['open'], said['done'], said['missed'], said['forms'], tracker.due()) == (
        [],
        [],
        [],
        {'talks': [], 'seen': []},
        None,
    )


def test_each_event_twice_tells_the_same_once() -> None:
    assert facts(run(MAKE, twice(day()))) == facts(whole('both'))


def test_the_whole_day_again_tells_nothing() -> None:
    found, tracker = runner(MAKE, day(), wait=False)
    now = max(each.received_at for each in day()) + 60
    found += [Found(now, each) for each in tracker.tick(now)]

    assert [each for event in day() for each in tracker.feed(event, event.received_at)] == []
    assert facts(found) == facts(whole('both'))


def test_reversed_events_of_asterisk_tell_the_same() -> None:
    assert facts(run(MAKE, reversed_batches(day()))) == facts(whole('both'))


@pytest.mark.parametrize('era', ['now', '2019'])
def test_events_of_asterisk_are_only_needed_for_queues(era: Era) -> None:
    plain = [each for each in day(era) if not each.routing_key.startswith('ami.')]
    with_all, without = (facts(run(MAKE, events)) for events in (day(era), plain))
    in_queues = {each.data['conversation_id'] for each in with_all if each.data.get('queue')}

    def others(found: list[Derivation]) -> list[Derivation]:
        ids = ('conversation_id', 'missed_conversation_id')
        return [each for each in found if in_queues.isdisjoint(each.data.get(name) for name in ids)]

    assert others(without) == others(with_all)


@pytest.mark.parametrize('share', [0.01, 0.2, 0.5, 0.77, 0.999])
def test_a_restart_changes_nothing(share: float) -> None:
    after = int(share * len(day()))

    assert facts(run(MAKE, day(), restart_after=after)) == facts(whole('both'))


@pytest.mark.parametrize('after', range(100, 600, 23))
def test_a_restart_in_the_busy_hours_of_2019_changes_nothing(after: int) -> None:
    events = day('2019', hours=2)

    assert facts(run(MAKE, events, restart_after=after)) == facts(run(MAKE, events))


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('era', ['now', '2019'])
def test_lost_events_change_little_and_leave_nothing(era: Era, seed: int) -> None:
    told = whole(era)
    found, tracker = runner(MAKE, without_some(day(era), seed=seed))
    kept = [each for each in facts(told) if each in facts(found)]

    assert tracker.due() is None
    assert len(kept) > 0.9 * len(told)
    assert len(known(found) & known(told)) > 0.95 * len(told)


@pytest.mark.parametrize('seed', range(5))
def test_lost_events_make_nothing_negative(seed: int) -> None:
    found, tracker = runner(MAKE, without_some(day(), 0.1, seed=seed))
    said = [dict(each.derivation.data) for each in found]
    shown = [list(each.values.values()) for each in tracker.figures(LATER_SECONDS)]

    assert [each for each in numbers([said, shown]) if each < 0] == []


def test_the_figures_are_of_all_conversations() -> None:
    found, tracker = runner(MAKE, day())
    figures = {each.name: sum(each.values.values()) for each in tracker.figures(0)}
    records = named(found, 'record')

    assert figures == {
        'wazo_busd_calls_conversations': 0,
        'wazo_busd_calls_answered_total': sum(each['answered'] for each in records),
        'wazo_busd_calls_missed_total': len(named(found, 'missed')),
    }
