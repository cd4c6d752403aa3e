# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `calls` makes of single calls, told by hand."""

from __future__ import annotations

import pytest

from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from tests.plugins.trackers.call_history import USERS, Course, Era, Leg, event, follows, outbound, told
from tests.plugins.trackers.rig import run, runner
from wazo_busd.event import Event

OUTSIDE = '+14185550142'


# ---- answered


def test_a_transfer_joins_the_call_of_its_recipient() -> None:
    events = told([Course(0, OUTSIDE, ('1001',), by=0, talk=60.0)], 'now')
    first, second = (each.data['call_id'] for each in events[:2])
    third = Leg('now', '3', '1003', OUTSIDE, '1003', False, '3')
    said = {'id': 't', 'transferred_call': first, 'initiator_call': second, 'recipient_call': '3', 'flow': 'attended'}
    events += [
        event('transfer_created', {**said, 'recipient_call': None}, 30, 'now'),
        third.says('call_created', 31),
        event('transfer_updated', said, 32, 'now'),
        third.says('call_answered', 35, status='Up'),
        event('transfer_completed', said, 40, 'now'),
        third.says('call_ended', 70.0),
    ]
    (record,) = follows(sorted(events, key=lambda each: each.received_at), 'record')

    assert (record['legs'], record['transfers'], record['answered_by_name']) == (3, 1, 'Name 1001')


def test_a_call_that_is_picked_up_by_a_colleague_is_answered() -> None:
    caller = Leg('now', '1', OUTSIDE, '', '1001', True, '1')
    callee = Leg('now', '2', '1001', OUTSIDE, '1001', False, '1')
    other = Leg('now', '3', '1002', '', '*81001', True, '3', 'internal')
    events = [each.says('call_created', at) for at, each in enumerate((caller, callee, other))]
    caller.status = other.status = 'Up'
    other.conversation, other.others, caller.others = '1', {'1': None}, {'3': USERS['1002']}
    events += [other.says('call_updated', 4), caller.says('call_updated', 4), callee.says('call_ended', 4)]
    events += [other.says('call_ended', 20), caller.says('call_ended', 20)]
    (record,) = follows(events, 'record')

    assert (record['answered_by_name'], record['talk_seconds'], follows(events, 'missed')) == ('Name 1002', 16.0, [])
    assert [each['user_uuid'] for each in follows(events, 'answered_elsewhere')] == [USERS['1001']]


def test_those_who_come_to_a_conference_have_not_called_each_other() -> None:
    one, other = (
        Leg('2019', each, number, '', '4001', True, status='Up') for each, number in (('1', '1001'), ('2', '1002'))
    )
    one.others, other.others = {'2': other.user}, {'1': one.user}
    events = [each.says(name, at) for at, name in enumerate(('call_updated', 'call_ended')) for each in (one, other)]

    assert [each['caller_id_number'] for each in follows(events, 'record')] == ['1001', '1002']


def test_whose_end_never_comes_is_told_without_a_time_of_talking() -> None:
    events = [each for each in told([Course(0, OUTSIDE, ('1001',), by=0)], 'now') if each.name != 'call_ended']
    (record,) = follows(events, 'record')

    assert (
        record['answered'],
        record['reason'],
        record['talk_seconds'],
        record['end_time'],
        record['ring_seconds'],
    ) == (
        True,
        'lost',
        None,
        None,
        10.2,
    )


# ---- calls back


def test_a_missed_caller_who_is_called_back_is_told_with_who_did() -> None:
    events = [*told([Course(0, '4185550142', ('1002',))], 'now'), *outbound('+14185550142', 100)]
    (returned,) = follows(events, 'returned')

    assert (returned['returned_by_name'], returned['returned_after_seconds'], returned['missed_calls']) == (
        'Name 1001',
        94.8,
        1,
    )


@pytest.mark.parametrize(
    ('number', 'at', 'answered'),
    [('+14185550143', 100, True), ('+14185550142', 100, False), ('+14185550142', 90_000, True)],
)
def test_another_number_no_answer_and_another_day_are_no_call_back(number: str, at: float, answered: bool) -> None:
    events = [*told([Course(0, OUTSIDE, ('1002',))], 'now'), *outbound(number, at, answered=answered)]

    assert follows(events, 'returned') == []


def test_calls_of_one_caller_are_returned_at_once() -> None:
    courses = [Course(float(at), OUTSIDE, ('1002',)) for at in (0, 40, 80)]
    events = [*told(courses, '2019'), *outbound(OUTSIDE, 200, era='2019'), *outbound(OUTSIDE, 300, era='2019')]

    assert [each['missed_calls'] for each in follows(events, 'returned')] == [3]


def test_who_has_reached_somebody_since_is_not_called_back() -> None:
    courses = [Course(0, OUTSIDE, ('1002',)), Course(60, OUTSIDE, ('1003',), by=0)]

    assert follows([*told(courses, 'now'), *outbound(OUTSIDE, 300)], 'returned') == []


def test_a_colleague_is_called_back_by_whom_they_had_called() -> None:
    courses = [Course(0, '1001', ('1002',)), Course(60, '1003', ('1001',), by=0), Course(120, '1002', ('1001',), by=0)]

    assert [each['returned_by_name'] for each in follows(told(courses, 'now'), 'returned')] == ['Name 1002']


# ---- emergency, hold, form


@pytest.mark.parametrize('era', ['now', '2019'])
def test_a_call_for_help_is_told_at_once_and_once(era: Era) -> None:
    events = outbound('911', 0, era=era)
    found = run(lambda: CallsTracker(CallsOptions(locations={'1001': 'Room 214'}), 'CA'), events)

    assert [each.derivation.data['location'] for each in found if 'emergency' in each.derivation.name] == ['Room 214']
    assert (found[0].derivation.name, found[0].at) == ('busd.call.emergency', events[0].received_at)


@pytest.mark.parametrize(
    ('number', 'region', 'more', 'count'),
    [
        ('911', 'CA', (), 1),
        ('112', 'FR', (), 1),
        ('911', None, (), 0),
        ('9911', 'CA', ('9911',), 1),
        ('1911', 'CA', (), 0),
    ],
)
def test_a_number_calls_for_help_by_country_and_by_options(
    number: str, region: str | None, more: tuple[str, ...], count: int
) -> None:
    assert len(follows(outbound(number, 0), 'emergency', region, emergency_numbers=more)) == count


@pytest.mark.parametrize(('direction', 'count'), [('inbound', 0), ('internal', 1)])
def test_a_caller_who_is_said_to_be_outside_does_not_call_for_help(direction: str, count: int) -> None:
    # A telephone of the house that is no user's is internal, and a call from outside until the host knows it.
    caller = Leg('now', '1', OUTSIDE, '', '911', True, '1', direction)

    assert len(follows([caller.says('call_created', 0), caller.says('call_ended', 5)], 'emergency')) == count


@pytest.mark.parametrize(('holds', 'count'), [((119.0,), 0), ((121.0,), 1), ((121.0, 5.0, 300.0), 2)])
def test_a_hold_is_told_when_it_is_long(holds: tuple[float, ...], count: int) -> None:
    assert len(follows(told([Course(0, OUTSIDE, ('1001',), by=0, holds=holds)], 'now'), 'long_hold')) == count


def test_a_hold_whose_own_events_are_lost_is_told_by_what_changes() -> None:
    events = told([Course(0, OUTSIDE, ('1001',), by=0, holds=(130.0,))], 'now')
    kept = [each for each in events if each.name not in ('call_held', 'call_resumed')]
    (record,) = follows(kept, 'record')

    assert (record['holds'], record['hold_seconds'], len(follows(kept, 'long_hold'))) == (1, 130.0, 1)


@pytest.mark.parametrize(
    ('variables', 'found'),
    [({'uniqueid': '{call}'}, True), ({'callerid': OUTSIDE}, True), ({'firstname': 'John'}, True)],
)
def test_a_form_is_told_with_the_call_that_it_is_about(variables: dict[str, str], found: bool) -> None:
    events = told([Course(0, OUTSIDE, ('1001',), by=0, talk=60.0)], 'seed')
    said = {key: value.format(call=events[0].data['call_id']) for key, value in variables.items()}
    form = event('call_form_result', {'user_id': 40, 'variables': said}, 30, 'seed')
    (told_form,) = follows(sorted([*events, form, form], key=lambda each: each.received_at), 'form')

    assert (told_form['caller_id_number'] == OUTSIDE, told_form['variables'], told_form['user_id']) == (found, said, 40)


def test_a_form_of_an_unknown_call_is_told_alone() -> None:
    form = event('call_form_result', {'user_id': 40, 'variables': {'firstname': 'John'}}, 30, 'seed')
    (told_form,) = follows([form], 'form')

    assert (told_form['conversation_id'], told_form['variables']) == (None, {'firstname': 'John'})


# ---- bounds


def test_what_is_one_too_many_replaces_the_oldest() -> None:
    legs = [Leg('now', f'{number}', OUTSIDE, '', '1001', True, f'{number}') for number in range(40)]
    events = [leg.says('call_created', at) for at, leg in enumerate(legs)]
    _, tracker = runner(lambda: CallsTracker(CallsOptions(most=10), None), events, wait=False)

    assert [each[1]['key'].split()[-1] for each in tracker.dump()['open']] == [f'{number}' for number in range(30, 40)]


def test_a_conversation_has_no_more_legs_than_a_hundred() -> None:
    legs = [Leg('now', f'{number}', '1001', OUTSIDE, '1001', False, '0') for number in range(300)]
    events = [leg.says('call_created', 1) for leg in legs]
    _, tracker = runner(lambda: CallsTracker(CallsOptions(), None), events, wait=False)

    assert [len(each[1]['legs']) for each in tracker.dump()['open']] == [100]


def test_tenants_do_not_mix_where_only_numbers_say_what_belongs_together() -> None:
    caller = Leg('2019', '1', '1001', '', '1002', True, around={'tenant_uuid': 'a'})
    callee = Leg('2019', '2', '1002', '1001', '1002', False, around={'tenant_uuid': 'b'})
    events = [each.says(name, 1) for name in ('call_created', 'call_ended') for each in (caller, callee)]

    assert [each['legs'] for each in follows(events, 'record')] == [1, 1]


# ---- parked, and oneself


def parked(**more: bool) -> list[Event]:
    """A user answers after 5 s, parks the call after 20, and a colleague takes it after 900, until 960."""
    caller = Leg('now', '1', OUTSIDE, '', '1001', True, '1')
    first = Leg('now', '2', '1001', OUTSIDE, '1001', False, '1')
    second = Leg('now', '3', '1003', '', '701', True, '3', 'internal')
    events = [caller.says('call_created', 0), first.says('call_created', 1)]
    first.status = caller.status = 'Up'
    first.others, caller.others = {'1': None}, {'2': USERS['1001']}
    events += [first.says('call_answered', 5), caller.says('call_updated', 5)]
    caller.others = {}
    events += [first.says('call_ended', 20, reason_code=16), caller.says('call_updated', 20, on_hold=False, **more)]
    events += [caller.says('call_updated', 60, on_hold=False, **more), second.says('call_created', 899)]
    second.status, second.conversation = 'Up', '1'
    second.others, caller.others = {'1': None}, {'3': USERS['1003']}
    events += [second.says('call_updated', 900), caller.says('call_updated', 900, parked=False)]
    return [*events, second.says('call_ended', 960), caller.says('call_ended', 960, parked=False)]


def test_a_caller_who_is_parked_is_on_hold_and_talks_to_nobody() -> None:
    (record,) = follows(parked(parked=True), 'record')

    assert (record['talk_seconds'], record['hold_seconds'], record['holds']) == (75.0, 880.0, 1)
    assert follows(parked(parked=True), 'long_hold') == []


def test_a_caller_who_hangs_up_while_parked_was_on_hold_to_the_end() -> None:
    events = [each for each in parked(parked=True) if each.data['call_id'] != '3']
    (record,) = follows([each for each in events if each.received_at != events[-2].received_at], 'record')

    assert (record['talk_seconds'], record['hold_seconds']) == (15.0, 940.0)


@pytest.mark.parametrize('is_said', [True, False])
def test_who_calls_their_own_number_has_missed_no_call(is_said: bool) -> None:
    caller = Leg('now', '1', '1001', '', '1001', True, '1', 'internal')
    other_device = Leg('now', '2', '1001', '1001', '1001', False, '1', 'internal')
    events = [caller.says('call_created', 0), other_device.says('call_created', 1)]
    events += [other_device.says('call_ended', 11, reason_code=19), caller.says('call_ended', 12, reason_code=16)]
    if is_said:
        said = {'user_uuid': USERS['1001'], 'caller_user_uuid': USERS['1001'], 'conversation_id': '1'}
        events.append(event('user_missed_call', said, 12, 'now'))

    assert (follows(events, 'missed'), len(follows(events, 'record'))) == ([], 1)


def test_a_group_of_which_the_caller_is_one_is_missed_by_the_others() -> None:
    (missed,) = follows(told([Course(0, '1001', ('1001', '1002'))], 'now'), 'missed')

    assert [each['user_uuid'] for each in missed['users']] == [USERS['1002']]
