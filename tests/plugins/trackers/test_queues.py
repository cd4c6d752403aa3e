# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues` on the sample day, and on whatever somebody could publish."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.queues import Queues
from plugins.queues.options import QueuesOptions
from plugins.queues.tracker import QueueTracker
from tests.plugins.trackers.golden import TRACKERS, of_day, path_of
from tests.plugins.trackers.rig import (
    LATER_SECONDS,
    START,
    day,
    reversed_batches,
    run,
    runner,
    told,
    twice,
    without_some,
)
from wazo_busd import catalogue
from wazo_busd.event import Event
from wazo_busd.plugin import describe

MAKE = TRACKERS['queues']
EVENTS = day()
NAMES = describe(Queues, name='queues', source='here', version='1').match
SEEDS = range(1, 6)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
FIELDS = re.findall(
    r'\S+',
    """
    Queue Uniqueid Interface MemberName Paused PausedReason Position Count HoldTime TalkTime RingTime InCall LoginTime
    LastPause Agent DestUniqueid agent_id agent_number status queue paused_reason queue_id user_uuid tenant_uuid
    """,
)
likely = st.sampled_from(
    ['support', '1', '0', '-1', '99999999999999999999', '٣', 'Local/id-1@agentcallback', 'logged_in']
)
hostile = st.dictionaries(st.sampled_from(FIELDS), likely | json_values, max_size=12) | json_values


def lines_of(events: Iterable[Event]) -> list[str]:
    return told(run(MAKE, events))


def faults(name: str, data: Any) -> Iterator[str]:
    """What a derived event says that its entry does not allow."""
    entry = catalogue.find(name)
    assert entry is not None, name
    for key, value in data.items():
        field = entry.fields.get(key)
        if field is None or not field.accepts(value):
            yield f'{name}: {key} is {value!r}'
    yield from (f'{name}: {key} is missing' for key, field in entry.fields.items() if key not in data)


def numbers_in(data: Any) -> Iterator[float]:
    yield from (value for value in data.values() if isinstance(value, (int, float)))


def test_the_sample_day_is_told_as_a_person_has_checked_it() -> None:
    assert of_day('queues') == path_of('queues').read_text()


def test_every_derived_event_fits_its_entry() -> None:
    found = run(MAKE, EVENTS)

    assert [fault for each in found for fault in faults(each.derivation.name, each.derivation.data)] == []


def test_every_caller_of_the_day_is_told_of_once() -> None:
    said = Counter(event.name for event in EVENTS)
    found = Counter(each.derivation.name for each in run(MAKE, EVENTS))

    assert (found['busd.queue.answered'], found['busd.queue.abandoned']) == (
        said['AgentConnect'],
        said['QueueCallerAbandon'],
    )


def test_nothing_is_told_twice_when_each_event_comes_twice() -> None:
    assert lines_of(twice(EVENTS)) == lines_of(EVENTS)


def test_nothing_is_told_twice_when_the_whole_day_comes_again() -> None:
    assert lines_of([*EVENTS, *EVENTS]) == lines_of(EVENTS)


def test_the_same_is_told_when_the_batches_of_ami_are_reversed() -> None:
    assert lines_of(reversed_batches(EVENTS)) == lines_of(EVENTS)


@pytest.mark.parametrize('part', range(1, 12))
def test_the_same_is_told_over_a_restart(part: int) -> None:
    assert told(run(MAKE, EVENTS, restart_after=len(EVENTS) * part // 12)) == lines_of(EVENTS)


def test_the_same_is_told_of_callers_without_anything_that_wazo_says() -> None:
    of_asterisk = [event for event in EVENTS if event.routing_key.startswith('ami.')]
    told_of_callers = [line for line in lines_of(EVENTS) if 'busd.queue.' in line]

    assert [line for line in lines_of(of_asterisk) if 'busd.queue.' in line] == told_of_callers


def test_agents_are_told_of_as_often_without_anything_that_wazo_says() -> None:
    of_asterisk = [event for event in EVENTS if event.routing_key.startswith('ami.')]

    assert Counter(line.split()[2] for line in lines_of(of_asterisk)) == Counter(
        line.split()[2] for line in lines_of(EVENTS)
    )


@pytest.mark.parametrize('seed', SEEDS)
def test_most_is_told_when_one_event_in_a_hundred_is_lost(seed: int) -> None:
    all_of_it, some = set(lines_of(EVENTS)), set(lines_of(without_some(EVENTS, seed=seed)))

    assert len(all_of_it & some) > 0.8 * len(all_of_it)


@pytest.mark.parametrize('seed', SEEDS)
def test_no_number_is_negative_when_events_are_lost(seed: int) -> None:
    found, tracker = runner(MAKE, without_some(EVENTS, share=0.1, seed=seed))
    figures = tracker.figures(START.timestamp() + LATER_SECONDS)
    numbers = [value for each in figures for value in each.values.values()]
    numbers += [value for each in found for value in numbers_in(each.derivation.data)]

    assert min(numbers) >= 0


@pytest.mark.parametrize('seed', SEEDS)
def test_nobody_waits_for_ever_when_events_are_lost(seed: int) -> None:
    _, tracker = runner(MAKE, without_some(EVENTS, share=0.1, seed=seed))

    assert [tracker.dump()['callers'][key] for key in ('waiting', 'leaving', 'gone')] == [[], [], []]


@pytest.mark.parametrize('name', NAMES)
@given(said=st.lists(hostile, min_size=1, max_size=6))
def test_whatever_an_event_says_nothing_is_raised(name: str, said: list[Any]) -> None:
    events = [
        Event(name, data, headers={'origin_uuid': 'x' * 900}, received_at=1e9 + number)
        for number, data in enumerate(said)
    ]
    found, tracker = runner(MAKE, events, restart_after=len(events) - 1)

    assert [fault for each in found for fault in faults(each.derivation.name, each.derivation.data)] == []
    assert all(value >= 0 for figure in tracker.figures(1e9) for value in figure.values.values())


def test_what_is_remembered_has_a_bound() -> None:
    tracker = QueueTracker(QueuesOptions(most=10))
    for number in range(2_000):
        for name in NAMES:
            said = {'Queue': f'q{number}', 'Uniqueid': f'{number}', 'Interface': f'i{number % 3}', 'agent_id': 1}
            tracker.feed(Event(name, {**said, 'queue': f'q{number}', 'Paused': '1'}), 1e9)
    dump = tracker.dump()
    sizes = [len(each) for part in ('callers', 'lines', 'agents') for each in dump[part].values()]

    assert max(sizes) <= 1_000
    assert max(len(each['memberships']) for _, each in dump['agents']['agents']) <= 50
