# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Faxes, voicemails and conferences of the sample day: found out once, whatever comes twice, or never."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.conferences.tracker import ENDED
from plugins.conferences.tracker import EVENTS as OF_CONFERENCES
from plugins.faxes.tracker import BEGUN, FAILED, RECEIVED, SENT
from plugins.tracking import Derivation, Tracker
from plugins.voicemails.tracker import EVENTS as OF_VOICEMAILS
from tests.plugins.hostile import names
from tests.plugins.trackers.golden import TRACKERS, of_day, path_of
from tests.plugins.trackers.rig import (
    START,
    Found,
    day,
    event,
    restarted,
    reversed_batches,
    run,
    runner,
    told,
    twice,
    without_some,
)
from wazo_busd import catalogue
from wazo_busd.codec import encode
from wazo_busd.event import Event

NAMES = {
    'conferences': sorted({*OF_CONFERENCES, ENDED}),
    'faxes': sorted({*BEGUN, *SENT, *FAILED, RECEIVED}),
    'voicemails': sorted(OF_VOICEMAILS),
}
"""The events that each tracker takes."""
MONTHS_SECONDS = 70 * 86_400.0
KEYS = (
    'id', 'call_id', 'extension', 'context', 'caller_id', 'user_uuid', 'tenant_uuid', 'error', 'message_id',
    'voicemail_id', 'message', 'voicemail', 'caller_id_name', 'caller_id_num', 'caller_id_number', 'duration',
    'timestamp', 'folder', 'type', 'name', 'transcription_text', 'language', 'conference_id', 'meeting_uuid',
    'join_time', 'admin', 'muted', 'Uniqueid', 'PagesTransferred', 'CallerIDNum', 'CallerIDName', 'FileName',
)  # fmt: skip

every = pytest.mark.parametrize('name', sorted(NAMES))


def own(name: str, events: Iterable[Event] | None = None) -> list[Event]:
    """The events of the sample day that a tracker takes."""
    return [each for each in (day() if events is None else events) if each.name in NAMES[name]]


def golden(name: str) -> list[str]:
    return path_of(name).read_text().splitlines()


def faults(derivation: Derivation) -> Iterator[str]:
    """What the catalogue does not say of a derived event."""
    entry = catalogue.find(derivation.name)
    if entry is None:
        yield f'{derivation.name} is not in the catalogue'
        return
    for key, value in derivation.data.items():
        if key not in entry.fields:
            yield f'{derivation.name}: {key} is no field'
        elif not entry.fields[key].accepts(value):
            yield f'{derivation.name}: {key} is {value!r}'
    yield from (f'{derivation.name}: {key} is missing' for key in entry.fields if key not in derivation.data)


def negatives(value: Any) -> list[float]:
    """The numbers below nothing in what is derived or shown."""
    if isinstance(value, dict):
        return [each for inner in value.values() for each in negatives(inner)]
    if isinstance(value, (list, tuple)):
        return [each for inner in value for each in negatives(inner)]
    return [value] if isinstance(value, (int, float)) and value < 0 else []


def shown(tracker: Tracker) -> dict[str, dict[tuple[str, ...], float]]:
    return {each.name: dict(each.values) for each in tracker.figures(0)}


def size(tracker: Tracker) -> int:
    return len(encode(tracker.dump()))


# ---- the sample day


@every
def test_the_day_gives_the_golden_file(name: str) -> None:
    assert of_day(name).splitlines() == golden(name)


@every
def test_what_comes_twice_follows_once(name: str) -> None:
    assert told(run(TRACKERS[name], twice(own(name)))) == golden(name)


@every
def test_what_comes_again_at_the_end_of_the_day_follows_no_second_time(name: str) -> None:
    events = own(name)
    found, tracker = runner(TRACKERS[name], events, wait=False)

    assert [each for one in events for each in tracker.feed(one, one.received_at)] == []
    assert found != []


@every
def test_reversed_batches_of_ami_change_nothing(name: str) -> None:
    assert told(run(TRACKERS[name], reversed_batches(day()))) == golden(name)


@every
@pytest.mark.parametrize('part', [0.1, 0.35, 0.5, 0.77, 0.99])
def test_a_restart_changes_nothing(name: str, part: float) -> None:
    events = own(name)

    assert told(run(TRACKERS[name], events, restart_after=int(len(events) * part))) == golden(name)


@every
def test_a_restart_at_any_moment_changes_nothing(name: str) -> None:
    events = own(name)[:60]
    expected = told(run(TRACKERS[name], events))

    assert [number for number in range(60) if told(run(TRACKERS[name], events, restart_after=number)) != expected] == []


@every
def test_the_derived_events_are_as_the_catalogue_says(name: str) -> None:
    assert {fault for each in run(TRACKERS[name], own(name)) for fault in faults(each.derivation)} == set()


@every
@pytest.mark.parametrize('seed', range(5))
def test_missing_events_leave_most_as_it_was_and_nothing_below_none(name: str, seed: int) -> None:
    found, tracker = runner(TRACKERS[name], without_some(own(name), seed=seed))
    lines = told(found)
    same = sum((Counter(golden(name)) & Counter(lines)).values())

    assert negatives([dict(each.derivation.data) for each in found]) == []
    assert negatives(shown(tracker)) == []
    assert same / len(golden(name)) > 0.8


@every
@pytest.mark.parametrize('seed', range(5))
def test_missing_events_leave_no_state_behind(name: str, seed: int) -> None:
    tracker = runner(TRACKERS[name], without_some(own(name), seed=seed))[1]
    list(tracker.tick(START.timestamp() + MONTHS_SECONDS))

    assert [key for key, value in tracker.dump().items() if isinstance(value, list) and value] == []
    assert tracker.due() is None


@every
@pytest.mark.parametrize('era', ['now', '2019'])
def test_hosts_of_both_eras_are_served(name: str, era: Any) -> None:
    of_all = {each.derivation.name for each in run(TRACKERS[name], own(name))}

    assert {each.derivation.name for each in run(TRACKERS[name], own(name, day(era)))} == of_all


@every
def test_two_hosts_that_number_alike_are_not_mixed(name: str) -> None:
    events = own(name, day('2019'))
    other = '00000000-0000-4000-8000-00000000000b'
    copies = [
        Event(
            each.name,
            each.data,
            each.routing_key,
            each.exchange,
            {**each.headers, 'origin_uuid': other},
            each.metadata,
            each.body,
            each.received_at,
        )
        for each in events
    ]
    mixed = [one for pair in zip(events, copies, strict=True) for one in pair]

    assert Counter(told(run(TRACKERS[name], mixed))) == Counter(2 * told(run(TRACKERS[name], events)))


# ---- what is hostile

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | names
    | st.sampled_from(['new', 'old', '1', '7', 'None', '00000000-0000-4000-8000-00000000000a'])
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
        | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=12,
)
datas = st.dictionaries(st.sampled_from(KEYS), anything, max_size=14) | anything
headers = st.dictionaries(
    st.sampled_from(['conference_id', 'meeting_uuid', 'tenant_uuid', 'origin_uuid', 'timestamp', 'user_uuid:x\ud800']),
    leaves,
    max_size=4,
)
ONCE = [(name, each) for name, events in NAMES.items() for each in events]


@pytest.mark.parametrize(('name', 'event_name'), ONCE, ids=[each for _, each in ONCE])
@given(said=st.lists(st.tuples(datas, headers, st.floats(0, 1e6)), min_size=1, max_size=6))
def test_whatever_an_event_says_nothing_raises(name: str, event_name: str, said: list[tuple[Any, Any, float]]) -> None:
    make = TRACKERS[name]
    tracker = make()
    found: list[Derivation] = []
    for data, around, after in said:
        at = START.timestamp() + after
        one = Event(event_name, data, 'conferences.x.y', headers=around, received_at=at)
        found += tracker.feed(one, at)
        tracker = restarted(make, tracker)
    found += tracker.tick(START.timestamp() + MONTHS_SECONDS)

    assert [fault for each in found for fault in faults(each)] == []
    assert [each for each in found if not all(re.fullmatch('[!-~]{1,64}', uuid) for uuid in each.user_uuids)] == []
    assert negatives([dict(each.data) for each in found]) == []
    assert all(len(encode(each.data)) < 20_000 for each in found)


@pytest.mark.parametrize(('name', 'event_name'), ONCE, ids=[each for _, each in ONCE])
def test_events_without_end_grow_no_state(name: str, event_name: str) -> None:
    tracker = TRACKERS[name]()
    tracker.__init__(most=10)  # type: ignore[misc]
    sizes = []
    for number in range(3000):
        text = f'{number}' + 'x' * 500
        flood: dict[str, Any] = dict.fromkeys(KEYS, text) | {
            'conference_id': number % 3,
            'join_time': 1,
            'message': None,
        }
        flood |= {'duration': 9, 'folder': {'type': text, 'name': text}, 'user_uuid': f'{number}', 'timestamp': 0}
        flood |= {'PagesTransferred': '1', 'meeting_uuid': f'{number % 3}', 'voicemail': None}
        at = START.timestamp() + number / 1000
        list(tracker.feed(Event(event_name, flood, received_at=at), at))
        if number in (1500, 2999):
            sizes.append(size(tracker))

    assert sizes[1] < 1.1 * sizes[0] + 1000


@every
def test_what_no_tracker_knows_is_nothing(name: str) -> None:
    tracker = TRACKERS[name]()

    assert [*tracker.feed(event('call_answered', {'call_id': '1'}, 0), START.timestamp())] == []
    assert tracker.due() is None


@every
@pytest.mark.parametrize('said', [{}, {'counts': {}}, None, []])
def test_a_memory_that_is_damaged_is_refused(name: str, said: Any) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        TRACKERS[name]().load(said)


# ---- figures


@every
def test_the_figures_have_names_units_and_no_labels_of_people(name: str) -> None:
    _, tracker = runner(TRACKERS[name], own(name))
    figures = list(tracker.figures(START.timestamp()))

    assert [each.name for each in figures if not each.name.startswith(f'wazo_busd_{name}_')] == []
    assert [each.name for each in figures if (each.kind == 'counter') != each.name.endswith('_total')] == []
    assert {label for each in figures for label in each.labels} <= {'kind', 'reason', 'result', 'heard'}
    assert [each.name for each in figures for labels in each.values if len(labels) != len(each.labels)] == []


@every
def test_the_figures_are_the_same_after_a_restart(name: str) -> None:
    tracker = runner(TRACKERS[name], own(name)[:200], wait=False)[1]

    ours = {each: values for each, values in shown(tracker).items() if 'forgotten' not in each}
    assert {each: shown(restarted(TRACKERS[name], tracker))[each] for each in ours} == ours


def lines_of(found: list[Found]) -> list[dict[str, Any]]:
    return [json.loads(encode(each.derivation.data)) for each in found]


@every
def test_what_is_derived_is_json(name: str) -> None:
    found = run(TRACKERS[name], own(name))

    assert lines_of(found) == [dict(each.derivation.data) for each in found]
