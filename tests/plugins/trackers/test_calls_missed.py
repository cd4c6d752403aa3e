# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Which calls are missed, told by hand."""

from __future__ import annotations

import pytest

from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from tests.plugins.trackers.call_history import USERS, Course, Leg, event, follows, outbound, told
from tests.plugins.trackers.rig import run
from wazo_busd.event import Event

OUTSIDE = '+14185550142'


# ---- missed


def test_a_group_of_five_telephones_misses_one_call() -> None:
    (missed,) = follows(told([Course(0, OUTSIDE, tuple(USERS))], 'now'), 'missed')

    assert [each['user_uuid'] for each in missed['users']] == list(USERS.values())


def test_a_missed_call_says_who_called_and_for_how_long_it_rang() -> None:
    (missed,) = follows(told([Course(0, '4185550142', ('1002',), ring=12)], 'now'), 'missed')

    assert {each: missed[each] for each in ('caller_id_name', 'caller_number_e164', 'called', 'ring_seconds')} == {
        'caller_id_name': 'Name 4185550142',
        'caller_number_e164': OUTSIDE,
        'called': 'Name 1002',
        'ring_seconds': 12.0,
    }


def test_a_call_that_goes_to_voicemail_is_missed() -> None:
    (missed,) = follows(told([Course(0, OUTSIDE, ('1001',), service=30.0)], 'now'), 'missed')

    assert (missed['reason'], missed['ring_seconds']) == ('no-answer', 10.0)


def test_a_call_to_outside_that_nobody_answers_is_not_missed() -> None:
    assert follows(outbound(OUTSIDE, 0, answered=False), 'missed') == []


def test_a_call_that_only_the_host_itself_answers_is_not_missed() -> None:
    events = told([Course(0, '1001', (), service=20.0)], 'now')

    assert (follows(events, 'missed'), follows(events, 'record')[0]['reason']) == ([], 'service')


@pytest.mark.parametrize(
    ('code', 'reason'), [(19, 'no-answer'), (17, 'busy'), (21, 'rejected'), (20, 'unreachable'), (16, 'caller-hung-up')]
)
def test_the_reason_follows_from_the_hangup_cause(code: int, reason: str) -> None:
    caller = Leg('now', '1', OUTSIDE, '', '1001', True, '1')
    callee = Leg('now', '2', '1001', OUTSIDE, '1001', False, '1')
    events = [
        caller.says('call_created', 0),
        callee.says('call_created', 1),
        callee.says('call_ended', 5, reason_code=code),
        caller.says('call_ended', 5.1, reason_code=16),
    ]

    assert [each['reason'] for each in follows(events, 'missed')] == [reason]


def missed_call(conversation: str, reason: str, at: float) -> Event:
    data = {
        'user_uuid': USERS['1001'],
        'caller_user_uuid': None,
        'caller_id_name': 'Alice',
        'caller_id_number': OUTSIDE,
        'dialed_extension': '1001',
        'conversation_id': conversation,
        'reason': reason,
    }
    return event('user_missed_call', data, at, 'now')


def test_what_the_host_says_is_the_reason() -> None:
    events = told([Course(0, OUTSIDE, ('1001',))], 'now')
    said = missed_call(events[0].data['conversation_id'], 'phone-unreachable', 10.3)

    assert [each['reason'] for each in follows([*events, said], 'missed')] == ['unreachable']


def test_a_missed_call_of_which_nothing_else_is_known_is_told() -> None:
    (missed,) = follows([missed_call('1', 'no-answer', 0)], 'missed')

    assert (missed['caller_id_number'], missed['called'], missed['ring_seconds']) == (OUTSIDE, USERS['1001'], None)


def test_a_missed_call_that_somebody_answered_is_none() -> None:
    events = told([Course(0, OUTSIDE, ('1001',), ('1002',), by=0)], 'now')
    said = missed_call(events[0].data['conversation_id'], 'no-answer', 10.3)

    assert follows(sorted([*events, said], key=lambda each: each.received_at), 'missed') == []


@pytest.mark.parametrize('lost', [0, 1])
def test_a_missed_call_is_told_though_one_of_its_legs_was_not(lost: int) -> None:
    events = told([Course(0, OUTSIDE, ('1001',))], 'now')
    del events[lost]

    assert [each['caller_id_number'] for each in follows(events, 'missed')] == [OUTSIDE]


def test_a_telephone_that_rings_for_a_caller_who_is_gone_does_not_ring_for_hours() -> None:
    events = [each for each in told([Course(0, OUTSIDE, ('1001',))], 'now') if each.name != 'call_ended']
    caller = Leg('now', events[0].data['call_id'], OUTSIDE, '', '1001', True, events[0].data['conversation_id'])
    found = run(lambda: CallsTracker(CallsOptions(), None), [*events, caller.says('call_ended', 10)])

    assert [(each.derivation.name, each.at - found[0].at) for each in found] == [
        ('busd.call.missed', 0),
        ('busd.call.record', 0),
    ]


# ---- queues


def in_queue(event_name: str, at: float, call_id: str, queue: str = 'support') -> Event:
    return event(event_name, {'Event': event_name, 'Queue': queue, 'Uniqueid': call_id}, at, 'now')


def queued(queue: str) -> list[Event]:
    """A caller gives up in a queue while the telephone of an agent rings."""
    events = told([Course(0, OUTSIDE, ('1001',), gives_up=True)], 'now')
    call_id = events[0].data['call_id']
    join, leave = in_queue('QueueCallerJoin', 0.1, call_id, queue), in_queue('QueueCallerLeave', 10.2, call_id, queue)
    return [events[0], join, events[1], leave, *events[2:]]


def test_who_gives_up_in_a_queue_is_no_missed_call_of_an_agent() -> None:
    events = queued('support')
    (record,) = follows(events, 'record')

    assert (follows(events, 'missed'), record['reason'], record['queue']) == ([], 'abandoned', 'support')


def test_an_agent_has_missed_the_call_of_a_queue_where_that_is_wanted() -> None:
    (missed,) = follows(queued('support'), 'missed', queue_calls=True)

    assert (missed['called'], missed['reason'], missed['queue']) == ('Name 1001', 'abandoned', 'support')


def test_a_group_of_today_is_no_queue() -> None:
    assert [each['reason'] for each in follows(queued('grp-tenant-7a4b'), 'missed')] == ['caller-hung-up']


def test_who_leaves_a_queue_and_is_sent_to_a_user_is_missed_by_that_user() -> None:
    events = told([Course(0, OUTSIDE, ('1001',), ('1002',))], 'now')
    call_id = events[0].data['call_id']
    join, leave = in_queue('QueueCallerJoin', 0.1, call_id), in_queue('QueueCallerLeave', 10.2, call_id)
    events = sorted([*events, join, leave], key=lambda each: (each.received_at, each.name != 'QueueCallerLeave'))

    assert [each['called'] for each in follows(events, 'missed')] == ['Name 1002']
