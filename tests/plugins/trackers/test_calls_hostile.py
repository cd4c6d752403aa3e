# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whatever comes as an event of a call: nothing is raised, and nothing grows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.calls import Calls
from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from tests.plugins.hostile import LONG
from tests.plugins.trackers.call_history import USERS, event
from tests.plugins.trackers.rig import restarted
from wazo_busd.codec import encode
from wazo_busd.event import Event
from wazo_busd.plugin import describe

NAMES = sorted(name for name in describe(Calls, name='calls', source='a test', version='0').match)
KEYS = (
    'call_id', 'conversation_id', 'user_uuid', 'status', 'talking_to', 'is_caller', 'on_hold', 'direction',
    'dialed_extension', 'caller_id_name', 'caller_id_number', 'peer_caller_id_number', 'creation_time', 'answer_time',
    'reason_code', 'relocated_call', 'initiator_call', 'recipient_call', 'transferred_call', 'uuid', 'id', 'variables',
    'user_id', 'reason', 'Uniqueid', 'Queue',
)  # fmt: skip

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([LONG, 'None', '\ud800', '']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from('123'), inner, max_size=3),
    max_leaves=6,
)
likely = st.sampled_from(['1', '2', '3', 'Up', 'Ring', 'Ringing', '911', 'inbound', *USERS.values(), *USERS])
data = st.dictionaries(st.sampled_from(KEYS), likely | junk, max_size=12)
events = st.builds(event, st.sampled_from(NAMES), data | junk, st.integers(-99_999, 999_999), st.just('now'))


def make() -> CallsTracker:
    return CallsTracker(CallsOptions(most=10, emergency_numbers=('911',)), 'CA')


def size(tracker: CallsTracker) -> int:
    return len(encode(tracker.dump()))


@pytest.mark.parametrize('name', NAMES)
@given(said=st.lists(data | junk, max_size=5))
def test_no_event_raises_whatever_it_says(name: str, said: list[Any]) -> None:
    tracker = make()
    found = []
    for at, each in enumerate(said):
        found += list(tracker.feed(event(name, each, at, 'now'), at))
    found += list(tracker.tick(1e9))

    assert (tracker.due(), json.loads(encode([dict(each.data) for each in found])) is not None) == (None, True)


@given(several=st.lists(events, max_size=30), share=st.floats(0, 1))
def test_events_of_all_kinds_raise_nothing_together_and_over_a_restart(several: list[Event], share: float) -> None:
    one, other = make(), make()
    found: dict[int, list[Any]] = {0: [], 1: []}
    for number, each in enumerate(several):
        if number == int(share * len(several)):
            other = restarted(make, other)  # type: ignore[assignment]
        for which, tracker in enumerate((one, other)):
            found[which] += tracker.feed(each, each.received_at)
    for which, tracker in enumerate((one, other)):
        found[which] += tracker.tick(1e11)

    assert found[0] == found[1]
    assert (one.due(), one.dump()['open']) == (None, [])


@given(several=st.lists(events, min_size=20, max_size=60))
def test_nothing_grows_beyond_its_bounds(several: list[Event]) -> None:
    tracker = make()
    for each in several:
        list(tracker.feed(each, each.received_at))
    said = tracker.dump()

    assert len(said['open']) <= 10
    assert len(said['done']) <= 40
    assert len(said['missed']) <= 10


def test_a_flood_of_calls_leaves_little() -> None:
    tracker = make()
    for number in range(3_000):
        for name in ('call_created', 'call_updated', 'relocate_initiated', 'user_missed_call'):
            said = {
                'call_id': f'{number}',
                'conversation_id': f'{number % 7}',
                'caller_id_name': LONG,
                'talking_to': {LONG: LONG},
                'relocated_call': f'{number}',
                'recipient_call': f'r{number}',
                'user_uuid': f'{number}',
                'reason': LONG,
            }
            list(tracker.feed(event(name, said, number, 'now'), number))

    assert size(tracker) < 1_000_000


@pytest.mark.parametrize('said', [{}, {'open': 1}, {'open': [], 'done': [[1, 2]], 'forms': {}}, {'open': [[0, {}]]}])
def test_what_is_damaged_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        make().load(said)
