# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of conferences: who is in which room is the truth, and a room that opens closes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plugins.conferences import Conferences, ConferenceTracker
from plugins.log import Log
from tests.plugins.trackers.rig import START, Found, event, names, run, runner
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[3] / 'docs' / 'handlers' / 'conferences.md').read_text()
HOSTS = ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b')
SEED = {
    'admin': False,
    'answered_time': 0,
    'call_id': '1547576420.11',
    'caller_id_name': 'Bernard Marx',
    'conference_id': 1,
    'id': '1547576420.11',
    'language': 'fr_FR',
    'muted': False,
}
"""What Wazo's page shows."""
STALE_SECONDS = 43_200.0


def one(what: str, at: float, who: str = '1.1', *, room: int = 1, host: str = HOSTS[0], **more: Any) -> Event:
    """An event of a participant, as a host of 2019 sends it."""
    era = more.pop('era', '2019')
    data = {**SEED, 'id': who, 'call_id': who, 'conference_id': room, **more}
    return event(f'conference_{what}', data, at, era=era, origin_uuid=host)


def record(what: str, at: float, room: int = 1, host: str = HOSTS[0]) -> Event:
    return event(f'conference_record_{what}', {'id': room}, at, era='2019', origin_uuid=host)


def rosters(found: list[Found]) -> list[tuple[str, int, list[str]]]:
    """What changed, how many there were then, and who."""
    return [
        (said['change'], said['count'], [each['call_id'] for each in said['participants']])
        for said in (each.derivation.data for each in found)
        if 'change' in said
    ]


def last(found: list[Found], name: str) -> dict[str, Any]:
    return dict(next(each.derivation.data for each in reversed(found) if each.derivation.name == name))


# ---- what a host of 2019 sends, as on Wazo's page


def test_what_the_page_shows_suffices() -> None:
    events = [one('participant_joined', 0), one('participant_talk_started', 5), one('participant_talk_stopped', 9.5)]
    events += [record('started', 10), record('stopped', 20), one('participant_left', 60)]
    found = run(ConferenceTracker, events)

    assert names(found) == [
        f'busd.conference.{what}' for what in ('opened', 'roster', 'recording', 'recording', 'roster', 'closed')
    ]
    assert last(found, 'busd.conference.closed') == {
        'kind': 'conference',
        'conference_id': 1,
        'meeting_uuid': None,
        'opened_at': '2026-05-04T08:00:00.000+00:00',
        'closed_at': '2026-05-04T08:01:00.000+00:00',
        'seconds': 60.0,
        'reason': 'left',
        'most_participants': 1,
        'different_participants': 1,
        'talk_seconds': 4.5,
        'talkers': [
            {
                'id': '1.1',
                'call_id': '1.1',
                'caller_id_name': 'Bernard Marx',
                'caller_id_number': None,
                'user_uuid': None,
                'talk_seconds': 4.5,
            }
        ],
        'recorded': True,
    }


@pytest.mark.parametrize('key', ['caller_id_num', 'caller_id_number'])
def test_the_number_is_read_under_both_names(key: str) -> None:
    found = run(ConferenceTracker, [event('conference_participant_joined', {**SEED, key: '1001'}, 0)])

    assert last(found, 'busd.conference.opened')['caller_id_number'] == '1001'


def test_muted_and_unmuted_are_told_apart_by_their_names() -> None:
    events = [one('participant_joined', 0), one('participant_muted', 5), one('participant_unmuted', 6)]
    found = run(ConferenceTracker, [*events, one('participant_left', 9)])

    assert [each.derivation.data['muted_count'] for each in found if 'change' in each.derivation.data] == [0, 1, 0, 0]


def test_the_misspelt_key_of_today_is_read() -> None:
    events = [one('participant_joined', 0, era='now'), one('participant_muted', 5, era='now')]
    unmuted = one('participant_unmuted', 6, era='now')
    found = run(ConferenceTracker, [*events, unmuted], wait=False)

    assert (unmuted.routing_key, rosters(found)[-1][0]) == ('conferences.1.particpants.mute', 'unmuted')


def test_the_copies_for_users_count_once() -> None:
    joined = [
        one('participant_joined', 0),
        one('user_participant_joined', 0.001),
        one('user_participant_joined', 0.002),
    ]
    left = [one('participant_left', 9), one('user_participant_left', 9.001), one('user_participant_joined', 0.003)]

    assert rosters(run(ConferenceTracker, [*joined, *left])) == [('joined', 1, ['1.1']), ('left', 0, [])]


def test_a_meeting_is_a_room_of_its_own() -> None:
    data = {**SEED, 'meeting_uuid': '5f1c3a7e-0d9f-4c3e-a5f1-0f5d4f8a6e20'}
    events = [event(f'meeting_participant_{what}', data, at) for at, what in enumerate(('joined', 'left'))]
    found = run(ConferenceTracker, [one('participant_joined', 0), *events], wait=False)

    assert [each.derivation.data['kind'] for each in found] == ['conference'] * 2 + ['meeting'] * 4
    assert last(found, 'busd.conference.closed')['meeting_uuid'] == data['meeting_uuid']


def test_who_talks_was_there_before() -> None:
    found = run(ConferenceTracker, [one('participant_talk_started', 60, join_time=60)], wait=False)

    assert names(found) == ['busd.conference.opened', 'busd.conference.roster']
    assert last(found, 'busd.conference.opened')['opened_at'] == '2026-05-04T08:00:00.000+00:00'


def test_what_is_said_of_somebody_just_after_they_left_does_not_bring_them_back() -> None:
    events = [one('participant_joined', 0), one('participant_left', 9), one('participant_talk_stopped', 9.1)]

    assert rosters(run(ConferenceTracker, events)) == [('joined', 1, ['1.1']), ('left', 0, [])]


def test_who_comes_again_is_there_again() -> None:
    events = [one(f'participant_{what}', at) for at, what in enumerate(('joined', 'left', 'joined'))]
    found = run(ConferenceTracker, events, wait=False)

    assert rosters(found)[-1] == ('joined', 1, ['1.1'])


def test_who_hangs_up_has_left() -> None:
    hung_up = event('call_ended', {'call_id': '1.1'}, 60, era='2019', origin_uuid=HOSTS[0])
    found = run(ConferenceTracker, [one('participant_joined', 0), hung_up, one('participant_left', 60.1)])

    assert names(found)[-2:] == ['busd.conference.roster', 'busd.conference.closed']
    assert last(found, 'busd.conference.closed')['seconds'] == 60.0


def test_who_is_in_two_rooms_of_one_call_leaves_both_when_it_ends() -> None:
    events = [one('participant_joined', 0, room=1), one('participant_joined', 5, room=2)]
    events += [event('call_ended', {'call_id': '1.1'}, 60, era='2019', origin_uuid=HOSTS[0])]

    assert names(run(ConferenceTracker, events, wait=False)).count('busd.conference.closed') == 2


@pytest.mark.parametrize('left', [1, 2])
@pytest.mark.parametrize('restart_after', [None, 2, 3])
def test_who_has_left_one_of_two_rooms_leaves_the_other_when_the_call_ends(left: int, restart_after: Any) -> None:
    events = [one('participant_joined', at, room=room) for at, room in ((0, 1), (5, 2))]
    events += [one('participant_left', 9, room=left)]
    events += [event('call_ended', {'call_id': '1.1'}, 60, era='2019', origin_uuid=HOSTS[0])]
    found = run(ConferenceTracker, events, wait=False, restart_after=restart_after)

    assert last(found, 'busd.conference.closed')['conference_id'] == 3 - left
    assert names(found).count('busd.conference.closed') == 2


def test_a_call_in_very_many_rooms_is_known_to_be_in_the_last_ones() -> None:
    events = [one('participant_joined', room, room=room) for room in range(1, 31)]
    events += [event('call_ended', {'call_id': '1.1'}, 60, era='2019', origin_uuid=HOSTS[0])]

    assert names(run(ConferenceTracker, events, wait=False)).count('busd.conference.closed') == 20


def test_who_left_unseen_goes_when_nothing_was_heard_for_long() -> None:
    found = run(ConferenceTracker, [one('participant_joined', 0), one('participant_talk_started', 50)])
    closed = last(found, 'busd.conference.closed')

    assert rosters(found)[-1] == ('stale', 0, [])
    assert (closed['reason'], closed['seconds'], found[-1].at) == (
        'stale',
        50.0,
        START.timestamp() + 50 + STALE_SECONDS,
    )


def test_a_recording_whose_beginning_is_missing_ends_all_the_same() -> None:
    found = run(ConferenceTracker, [record('stopped', 9), record('stopped', 9)])

    assert [(each.derivation.data['state'], each.derivation.data['seconds']) for each in found] == [('stopped', None)]


def test_a_stop_of_what_is_known_not_to_be_recorded_is_no_event() -> None:
    events = [one('participant_joined', 0), record('stopped', 9), record('stopped', 10), record('started', 20)]
    events += [record('stopped', 30), record('stopped', 31)]
    found = run(ConferenceTracker, events, wait=False)

    assert [each.derivation.data['state'] for each in found if 'state' in each.derivation.data] == [
        'stopped', 'started', 'stopped',
    ]  # fmt: skip


def test_a_recording_does_not_go_on_in_the_next_conference() -> None:
    events = [one('participant_joined', 0), record('started', 1), one('participant_left', 9)]
    found = run(
        ConferenceTracker, [*events, one('participant_joined', 900, '2.2'), one('participant_left', 950, '2.2')]
    )

    assert last(found, 'busd.conference.closed')['recorded'] is False


def test_a_roster_lists_fifty_and_counts_all() -> None:
    found = run(ConferenceTracker, [one('participant_joined', n, f'{n}') for n in range(70)], wait=False)

    assert (rosters(found)[-1][1], len(rosters(found)[-1][2])) == (70, 50)


def test_the_users_whom_the_headers_of_2019_name_are_concerned() -> None:
    user = '8a709eb7-897f-4183-aa3b-ffa2a74e7e37'
    joined = one('participant_joined', 0)
    named = Event(joined.name, joined.data, headers={f'user_uuid:{user}': True}, received_at=START.timestamp())

    assert [each.derivation.user_uuids for each in run(ConferenceTracker, [named], wait=False)] == [(user,)] * 2


# ---- any history

ROOMS = [(HOSTS[0], 1), (HOSTS[0], 2), (HOSTS[1], 1)]
steps = st.lists(
    st.tuples(
        st.sampled_from(ROOMS),
        st.sampled_from(['join', 'join', 'leave', 'mute', 'talk', 'quiet', 'record']),
        st.integers(0, 3),
        st.integers(6, 600),
        st.booleans(),
    ),
    min_size=12,
    max_size=50,
)
"""In which room, what, who, how many seconds after the step before, and whether copies for users come too."""


@dataclass
class Truth:
    """What is so in a room."""

    people: dict[str, bool] = field(default_factory=dict)
    talking: dict[str, float] = field(default_factory=dict)
    talked: float = 0.0
    is_recording: bool = False
    calls: int = 0

    def step(self, what: str, number: int, at: float, room: int) -> tuple[str, str] | None:
        """Let something happen; the event of it and who it is about, `None` where it cannot."""
        if what == 'record':
            self.is_recording = not self.is_recording
            return ('record', 'started' if self.is_recording else 'stopped')
        if what == 'join':
            self.calls += 1
            who = f'{room}.{self.calls}'
            self.people[who] = False
            return ('participant_joined', who)
        if not self.people:
            return None
        who = list(self.people)[number % len(self.people)]
        if what == 'mute':
            self.people[who] = not self.people[who]
            return (f'participant_{"" if self.people[who] else "un"}muted', who)
        if what == 'talk':
            if who in self.talking:
                return None
            self.talking[who] = at
            return ('participant_talk_started', who)
        if what == 'quiet' and who not in self.talking:
            return None
        self.talked += at - self.talking.pop(who, at)
        if what == 'quiet':
            return ('participant_talk_stopped', who)
        del self.people[who]
        return ('participant_left', who)


def history(told: list[tuple[Any, ...]]) -> tuple[list[Event], list[tuple[Any, ...]], dict[Any, Truth]]:
    """The events, who was in which room after each change of that, and what is so in the end."""
    truths = {place: Truth() for place in ROOMS}
    events: list[Event] = []
    changes = []
    at = 0.0
    for place, what, number, after, has_copies in told:
        at += after
        host, room = place
        made = truths[place].step(what, number, at, room)
        if made is None:
            continue
        name, who = made
        if name == 'record':
            events.append(record(who, at, room, host))
            continue
        events.append(one(name, at, who, room=room, host=host))
        if has_copies and 'mute' not in name:
            events += [one(f'user_{name}', at + late, who, room=room, host=host) for late in (0.01, 0.02)]
        if 'talk' not in name:
            people = truths[place].people
            changes.append((name.rpartition('_')[2], list(people), sum(people.values())))
    return events, changes, truths


@given(told=steps)
def test_the_roster_is_the_truth_after_every_change(told: list[tuple[Any, ...]]) -> None:
    events, changes, _ = history(told)
    found = [each.derivation.data for each in run(ConferenceTracker, events, wait=False)]

    assert [
        (each['change'], [who['call_id'] for who in each['participants']], each['muted_count'])
        for each in found
        if 'change' in each
    ] == changes


@given(told=steps)
def test_a_room_is_closed_as_often_as_it_was_opened_but_for_those_that_are_open(told: list[tuple[Any, ...]]) -> None:
    events, _, truths = history(told)
    found = names(run(ConferenceTracker, events, wait=False))
    still_open = sum(bool(each.people) for each in truths.values())

    assert found.count('busd.conference.opened') - found.count('busd.conference.closed') == still_open


@given(told=steps)
def test_every_room_that_was_opened_is_closed_in_the_end(told: list[tuple[Any, ...]]) -> None:
    found, tracker = runner(ConferenceTracker, history(told)[0])

    assert names(found).count('busd.conference.opened') == names(found).count('busd.conference.closed')
    assert (tracker.due(), tracker.dump()['rooms']) == (None, [])


@given(told=steps)
def test_how_long_people_talked_is_the_truth(told: list[tuple[Any, ...]]) -> None:
    events, _, truths = history(told)
    tracker = runner(ConferenceTracker, events, wait=False)[1]
    talked = next(each for each in tracker.figures(0) if 'talk_seconds' in each.name).values[()]
    until_left = sum(each.talked for each in truths.values())

    assert talked == pytest.approx(until_left)


@given(told=steps)
def test_a_recording_is_told_as_often_as_it_changes(told: list[tuple[Any, ...]]) -> None:
    events = history(told)[0]
    found = [each.derivation for each in run(ConferenceTracker, events, wait=False)]

    assert [each.data['state'] for each in found if each.name == 'busd.conference.recording'] == [
        each.name.rpartition('_')[2] for each in events if 'record' in each.name
    ]


@given(told=steps, part=st.floats(0, 1))
def test_a_restart_at_any_moment_of_any_history_changes_nothing(told: list[tuple[Any, ...]], part: float) -> None:
    events = history(told)[0]

    assert run(ConferenceTracker, events, restart_after=int(part * len(events))) == run(ConferenceTracker, events)


@given(told=steps, seed=st.integers(0, 1000))
def test_no_count_is_below_none_whatever_is_missing(told: list[tuple[Any, ...]], seed: int) -> None:
    kept = [each for number, each in enumerate(history(told)[0]) if (number * 7919 + seed) % 4]
    found, tracker = runner(ConferenceTracker, kept)
    counts = [
        value
        for each in found
        for key, value in each.derivation.data.items()
        if key in ('count', 'muted_count', 'seconds', 'talk_seconds') and value is not None
    ]

    assert [each for each in counts if each < 0] == []
    assert names(found).count('busd.conference.opened') == names(found).count('busd.conference.closed')
    assert tracker.dump()['rooms'] == []


# ---- the page


def handlers(number: int) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)[number])['handlers']
    return found


async def test_the_first_example_tells_of_a_room_that_closed() -> None:
    match = handlers(0)['conference-log']['match']
    events = [make_event(f'conference_participant_{what}', SEED) for what in ('joined', 'left')]
    outcomes = await deliver(Conferences, *events)

    assert outcomes.emitted[-1].name == match
    assert await deliver(Log, make_event(match, outcomes.emitted[-1].data), match=match) == [Outcome.DONE]


async def test_the_second_example_matches_who_comes_in() -> None:
    where = handlers(1)['joined']['where']
    outcomes = await deliver(Conferences, make_event('conference_participant_joined', SEED))

    assert {f'data.{key}': value for key, value in outcomes.emitted[-1].data.items() if f'data.{key}' in where} == where
