# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `calls` makes of calls of which something was not told, or late."""

from __future__ import annotations

import pytest

from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from plugins.tracking import Derivation
from tests.plugins.trackers.call_history import USERS, Course, Era, Leg, event, follows, told
from tests.plugins.trackers.rig import START, Found, restarted, run, runner
from wazo_busd.event import Event

OUTSIDE = '+14185550142'
every_era = pytest.mark.parametrize('era', ['now', '2019', 'seed'])
telling_eras = pytest.mark.parametrize('era', ['now', '2019'])


def after(events: list[Event], seconds: float) -> list[Event]:
    """What a daemon sees that has begun so late."""
    return [each for each in events if each.received_at - START.timestamp() > seconds]


def in_turn(era: Era, pause: float = 4.0) -> list[Event]:
    """One telephone rings for 20 s, the host says something, and another one is answered."""
    caller = Leg(era, '1', OUTSIDE, '', '1001', True, '1')
    first = Leg(era, '2', '1001', OUTSIDE, '1001', False, '1')
    second = Leg(era, '3', '1002', OUTSIDE, '1001', False, '1')
    at = 20 + pause
    events = [caller.says('call_created', 0), first.says('call_created', 0.2)]
    events += [first.says('call_ended', 20, reason_code=19), second.says('call_created', at)]
    second.status = caller.status = 'Up'
    second.others, caller.others = {'1': None}, {'3': USERS['1002']}
    events += [each.says('call_updated', at + 4) for each in (second, caller)]
    return [*events, *(each.says('call_ended', at + 60, reason_code=16) for each in (second, caller))]


def found_in(events: list[Event]) -> list[Found]:
    return run(lambda: CallsTracker(CallsOptions(), 'CA'), sorted(events, key=lambda each: each.received_at))


def facts(events: list[Event]) -> list[Derivation]:
    return [each.derivation for each in found_in(events)]


# ---- callers of whom nothing was told


@every_era
@pytest.mark.parametrize('lost', [1, 2])
@pytest.mark.parametrize('pause', [4.0, 400.0])
def test_a_call_that_is_answered_by_the_second_is_not_missed_though_its_caller_was_not_told(
    era: Era, lost: int, pause: float
) -> None:
    assert follows(in_turn(era, pause)[lost:], 'missed') == []


@telling_eras
@pytest.mark.parametrize('lost', [1, 2])
@pytest.mark.parametrize('pause', [4.0, 400.0])
def test_a_call_that_is_answered_by_the_second_is_one_answered_call(era: Era, lost: int, pause: float) -> None:
    records = follows(in_turn(era, pause)[lost:], 'record')

    assert [(each['answered'], each['answered_by_name']) for each in records] == [(True, 'Name 1002')]


def test_what_one_user_missed_is_not_missed_when_another_one_answers() -> None:
    said = {'user_uuid': USERS['1001'], 'conversation_id': '1', 'reason': 'no-answer', 'caller_id_number': OUTSIDE}
    events = [event('user_missed_call', said, 20.1, 'now'), *in_turn('now')[3:]]

    assert (follows(events, 'missed'), [each['answered'] for each in follows(events, 'record')]) == ([], [True])


def test_a_caller_who_was_told_of_is_waited_for_no_longer_than_before() -> None:
    found = found_in(told([Course(0, OUTSIDE, ('1001',))], 'now'))

    assert [round(each.at - START.timestamp(), 1) for each in found] == [12.2, 12.2]


@every_era
def test_a_talk_of_which_only_the_end_is_seen_is_not_told_as_one_that_nobody_answered(era: Era) -> None:
    events = after(told([Course(0, OUTSIDE, ('1001',), by=0, talk=60.0)], era), 30)

    assert [each['answered'] for each in follows(events, 'record')] in ([], [True])


def test_a_missed_call_of_which_only_the_end_is_seen_is_told_where_the_host_says_so() -> None:
    events = after(told([Course(0, OUTSIDE, ('1001',))], 'now'), 5)
    said = {'user_uuid': USERS['1001'], 'conversation_id': events[0].data['conversation_id'], 'reason': 'no-answer'}
    missed = event('user_missed_call', said, 10.3, 'now')

    assert (follows(events, 'missed'), len(follows([*events, missed], 'missed'))) == ([], 1)


# ---- queues


def of_queue(name: str, at: float) -> Event:
    return event(name, {'Event': name, 'Queue': 'support', 'Uniqueid': '1'}, at, 'now')


def given_up(joined_at: float | None, left_at: float) -> list[Event]:
    """A caller gives up in a queue while the telephone of an agent rings."""
    caller = Leg('now', '1', OUTSIDE, '', '3000', True, '1')
    agent = Leg('now', '2', '1001', OUTSIDE, '3000', False, '1')
    events = [caller.says('call_created', 0.5), agent.says('call_created', 2), of_queue('QueueCallerLeave', left_at)]
    events += [] if joined_at is None else [of_queue('QueueCallerJoin', joined_at)]
    return [*events, agent.says('call_ended', 12, reason_code=16), caller.says('call_ended', 12, reason_code=16)]


@pytest.mark.parametrize('joined_at', [0.4, 0.6, None])
@pytest.mark.parametrize('left_at', [11.95, 12.0, 12.1])
def test_who_gives_up_in_a_queue_is_not_missed_by_an_agent_however_late_the_join_is(
    joined_at: float | None, left_at: float
) -> None:
    found = facts(given_up(joined_at, left_at))

    assert [(each.name, each.data['reason'], each.data['queue']) for each in found] == [
        ('busd.call.record', 'abandoned', 'support')
    ]


def test_an_agent_whose_telephone_begins_to_ring_as_the_caller_gives_up_has_missed_nothing() -> None:
    caller = Leg('now', '1', OUTSIDE, '', '3000', True, '1')
    agent = Leg('now', '2', '1001', OUTSIDE, '3000', False, '1')
    events = [caller.says('call_created', 0), of_queue('QueueCallerJoin', 0.1), agent.says('call_created', 11.8)]
    events += [of_queue('QueueCallerLeave', 12), *(each.says('call_ended', 12.1) for each in (agent, caller))]

    assert follows(events, 'missed') == []


@pytest.mark.parametrize('left_at', [29.9, 30.0, 30.05])
def test_who_is_sent_on_from_a_queue_to_a_user_is_missed_by_that_user_however_late_the_leave_is(left_at: float) -> None:
    caller = Leg('now', '1', OUTSIDE, '', '3000', True, '1')
    user = Leg('now', '2', '1001', OUTSIDE, '3000', False, '1')
    events = [caller.says('call_created', 0), of_queue('QueueCallerJoin', 0.5), user.says('call_created', 30)]
    events += [of_queue('QueueCallerLeave', left_at), user.says('call_ended', 45, reason_code=19)]
    found = facts([*events, caller.says('call_ended', 45, reason_code=16)])

    assert [each.data['called'] for each in found if each.name == 'busd.call.missed'] == ['Name 1001']


def test_joins_of_calls_that_are_never_told_of_are_forgotten() -> None:
    joins = [
        event('QueueCallerJoin', {'Queue': 'support', 'Uniqueid': f'{number}'}, 1, 'now') for number in range(2_000)
    ]
    found, tracker = runner(lambda: CallsTracker(CallsOptions(), None), joins, wait=False)
    held = len(tracker.dump()['joins'])
    tracker.tick(START.timestamp() + 61)

    assert (found, held, tracker.dump()['joins'], tracker.due()) == ([], 1_000, [], None)


# ---- calls for help


def test_the_extension_of_a_user_that_looks_like_a_call_for_help_is_none() -> None:
    caller = Leg('now', '1', '1001', '', '1002', True, '1', 'internal')
    callee = Leg('now', '2', '112', '1001', '', False, '1', 'internal')
    events = [caller.says('call_created', 0), callee.says('call_created', 1, user_uuid=USERS['1002'])]

    assert follows(events, 'emergency', 'FR') == []


@pytest.mark.parametrize('before', ['', 's'])
def test_a_call_for_help_is_told_when_what_was_dialed_becomes_known(before: str) -> None:
    caller = Leg('now', '1', '1001', '', '911', True, '1', 'outbound')
    events = [
        caller.says('call_created', 0, dialed_extension=before, peer_caller_id_number=''),
        *(caller.says('call_updated', at) for at in (1, 2)),
    ]

    assert len(follows(events, 'emergency')) == 1


# ---- many legs


def rounds(answered: bool) -> list[Event]:
    """A group of twenty telephones rings seven times; what is told of the caller is lost, but that they were there."""
    caller = Leg('now', '1', OUTSIDE, '', '2000', True, '1')
    events = [caller.says('call_created', 0)]
    for number in range(140):
        at, member = 20 * (number // 20), number % 20
        leg = Leg('now', f'{number + 2}', f'30{member:02}', OUTSIDE, '2000', False, '1')
        user = f'user {member}'
        events.append(leg.says('call_created', at + 1, user_uuid=user))
        is_answering = answered and number == 127
        if is_answering:
            events.append(leg.says('call_answered', at + 9, user_uuid=user, status='Up'))
        events.append(leg.says('call_ended', at + (50 if is_answering else 9), user_uuid=user, reason_code=19))
    return sorted([*events, caller.says('call_ended', 170)], key=lambda each: each.received_at)


def test_a_group_call_of_more_legs_than_a_hundred_is_answered_by_who_answers() -> None:
    assert [each['answered_by_number'] for each in follows(rounds(True), 'record')] == ['3007']


def test_a_group_call_of_more_legs_than_a_hundred_is_missed_by_all_of_the_group() -> None:
    assert [len(each['users']) for each in follows(rounds(False), 'missed')] == [20]


def test_legs_that_made_room_tell_nothing_when_they_are_told_of_again() -> None:
    events = rounds(True)

    assert facts([*events[:-1], *events[1:50], events[-1]]) == facts(events)


# ---- order, and ends that are lost


@telling_eras
@pytest.mark.parametrize('by', [None, 1])
def test_legs_of_one_moment_tell_the_same_in_any_order(era: Era, by: int | None) -> None:
    events = told([Course(0, OUTSIDE, ('1001', '1002', '1003'), by=by)], era)
    swapped = [events[0], *reversed(events[1:4]), *events[4:]]

    assert facts(swapped) == facts(events)


@telling_eras
def test_a_missed_call_whose_caller_is_not_told_to_be_gone_is_told_after_ten_minutes(era: Era) -> None:
    events = told([Course(0, OUTSIDE, ('1001',))], era)[:-1]
    found = found_in(events)

    assert [(each.derivation.name, each.derivation.data['reason']) for each in found] == [
        ('busd.call.missed', 'no-answer'),
        ('busd.call.record', 'no-answer'),
    ]
    assert {each.at - events[-1].received_at for each in found} == {600.0}


def test_a_caller_who_waits_in_a_queue_for_longer_is_not_given_up() -> None:
    events = [*given_up(0.6, 2_000)[:2], of_queue('QueueCallerJoin', 0.6)]
    agent = Leg('now', '2', '1001', OUTSIDE, '3000', False, '1')
    found = found_in([*events, agent.says('call_ended', 12, reason_code=19)])

    assert [each.at - START.timestamp() > 10_000 for each in found] == [True]


def test_a_conversation_in_which_nothing_rings_goes_on_in_the_figures() -> None:
    _, tracker = runner(
        lambda: CallsTracker(CallsOptions(), None), told([Course(0, OUTSIDE, ('1001',))], 'now')[:-1], wait=False
    )

    assert {each.name: sum(each.values.values()) for each in tracker.figures(0)}['wazo_busd_calls_conversations'] == 1


def test_a_transfer_does_not_join_a_call_to_one_that_its_recipient_was_only_guessed_to_be_of() -> None:
    courses = [
        Course(0, OUTSIDE, ('1001',), by=0, talk=30.0, transfer='attended'),
        Course(35, '+14185550143', ('1002',), ring=30),
    ]
    records = follows(told(courses, 'seed'), 'record')

    assert [(each['caller_id_number'], each['answered']) for each in records] == [
        ('+14185550143', False),
        (OUTSIDE, True),
    ]


# ---- callers who stay for long


@pytest.mark.parametrize('is_up', [True, False])
def test_a_caller_whom_the_host_has_answered_can_be_answered_after_long(is_up: bool) -> None:
    caller = Leg('now', '1', OUTSIDE, '', '1001', True, '1')
    first = Leg('now', '2', '1001', OUTSIDE, '1001', False, '1')
    second = Leg('now', '3', '1003', OUTSIDE, '1001', False, '1')
    events = [caller.says('call_created', 0), first.says('call_created', 1), first.says('call_ended', 21)]
    if is_up:
        caller.status = 'Up'
        events.append(caller.says('call_answered', 22))
    second.status = 'Up'
    events += [second.says('call_created', 760, status='Ringing'), second.says('call_answered', 765)]
    events += [each.says('call_ended', 800, reason_code=16) for each in (second, caller)]

    assert (len(follows(events, 'missed')), any(each['answered'] for each in follows(events, 'record'))) == (
        (0, True) if is_up else (1, False)
    )


def test_a_restart_with_room_for_less_leaves_no_call_behind() -> None:
    legs = [Leg('now', f'{number}', OUTSIDE, '', '1001', True, f'{number}') for number in range(40)]
    _, before = runner(
        lambda: CallsTracker(CallsOptions(), None), [leg.says('call_created', 1) for leg in legs], wait=False
    )
    after = restarted(lambda: CallsTracker(CallsOptions(most=10), None), before)
    list(after.tick(START.timestamp() + 86_400))

    assert isinstance(after, CallsTracker)
    assert after._open.calls == 0


# ---- a crash of Asterisk


def booted(uptime: str, at: float, origin: str = 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3') -> Event:
    return event('FullyBooted', {'Uptime': uptime, 'LastReload': uptime}, at, 'now', origin_uuid=origin)


@pytest.mark.parametrize(
    ('boot', 'is_over'),
    [
        (booted('7', 100), True),
        (booted('7', 100, 'another'), False),
        # Who connects to an Asterisk that runs is told so as well.
        (booted('7000', 100), False),
        (booted('', 100), False),
    ],
)
def test_a_call_of_before_a_start_of_asterisk_is_over_then(boot: Event, is_over: bool) -> None:
    events = told([Course(0, OUTSIDE, ('1001',), by=0, talk=60.0)], 'now')
    found = found_in([*(each for each in events if each.name != 'call_ended'), boot])
    (record,) = [each for each in found if each.derivation.name == 'busd.call.record']

    assert (record.at == boot.received_at, record.derivation.data['reason']) == (is_over, 'lost')


def test_a_call_of_after_a_start_of_asterisk_goes_on() -> None:
    events = told([Course(0, OUTSIDE, ('1001',), by=0, talk=60.0)], 'now')

    assert follows([*events[:4], booted('3', 13), *events[4:]], 'record') == follows(events, 'record')
