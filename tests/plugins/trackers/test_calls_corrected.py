# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `calls` makes of hosts that say at first what they correct later, and of what is told once more."""

from __future__ import annotations

import pytest

from tests.plugins.trackers.call_history import USERS, Course, Leg, follows, outbound, told
from wazo_busd.event import Event

OUTSIDE = '+14185550142'


def placed(first: str, later: str) -> list[Event]:
    """A call that is answered, whose legs are told with one direction and, when they are bridged, with another one."""
    caller = Leg('now', '1', OUTSIDE, '', '1001', True, '1', first)
    callee = Leg('now', '2', '1001', OUTSIDE, '1001', False, '1', first)
    events = [caller.says('call_created', 0), callee.says('call_created', 1)]
    for leg, peer in ((callee, '1'), (caller, '2')):
        leg.status, leg.direction, leg.others = 'Up', later, {peer: None}
        events.append(leg.says('call_updated', 5))
    return [*events, callee.says('call_ended', 30, direction=first), caller.says('call_ended', 30, direction=first)]


@pytest.mark.parametrize(
    ('first', 'later', 'told_as'),
    [
        ('internal', 'inbound', 'inbound'),
        ('internal', 'outbound', 'outbound'),
        ('', 'internal', 'internal'),
        ('inbound', 'outbound', 'inbound'),
        ('outbound', 'internal', 'outbound'),
    ],
)
def test_a_call_is_internal_only_until_the_host_knows_better(first: str, later: str, told_as: str) -> None:
    assert [each['direction'] for each in follows(placed(first, later), 'record')] == [told_as]


def test_a_call_whose_caller_was_not_told_has_the_direction_that_a_leg_learned() -> None:
    first, second = (
        Leg('now', call, number, OUTSIDE, '1001', False, '1', 'internal')
        for call, number in (('2', '1001'), ('3', '1002'))
    )
    events = [first.says('call_created', 0), second.says('call_created', 0)]
    events.append(first.says('call_ended', 9, reason_code=19))
    second.status, second.direction = 'Up', 'inbound'
    events += [second.says('call_answered', 9), second.says('call_ended', 30)]

    assert [each['direction'] for each in follows(events, 'record')] == ['inbound']


def test_who_reaches_a_colleague_is_not_called_back_though_the_call_is_internal_when_it_is_answered() -> None:
    courses = [Course(0, OUTSIDE, ('1002',)), Course(60, OUTSIDE, ('1003',), by=0)]

    assert follows([*told(courses, 'now'), *outbound(OUTSIDE, 300)], 'returned') == []


def unanswered(*says: bool | None, service: bool) -> list[Event]:
    """A caller of whom it is said whether they called, in turn, whom nobody answers but perhaps the voicemail."""
    caller = Leg('now', '1', OUTSIDE, '', '1001', True, '1')
    callee = Leg('now', '2', '1001', OUTSIDE, '1001', False, '1')
    names = ('call_created', 'call_updated', 'call_updated')
    events = [
        caller.says(name, at / 10, is_caller=said, status='Down' if said is None else 'Ringing')
        for at, (name, said) in enumerate(zip(names, says, strict=False))
    ]
    events += [callee.says('call_created', 1), callee.says('call_ended', 21, reason_code=19)]
    caller.status = 'Up'
    events += [caller.says('call_updated', 22)] if service else []
    return [*events, caller.says('call_ended', 52, reason_code=16)]


@pytest.mark.parametrize('service', [True, False])
@pytest.mark.parametrize('says', [(True,), (False, True), (None, True), (True, False), (False, True, False)], ids=str)
def test_who_is_said_to_have_called_has_called_whatever_was_said_before(
    says: tuple[bool | None, ...], service: bool
) -> None:
    events = unanswered(*says, service=service)
    (missed,) = follows(events, 'missed')

    assert (missed['caller_id_number'], [each['user_uuid'] for each in missed['users']]) == (OUTSIDE, [USERS['1001']])
    assert [each['answered'] for each in follows(events, 'record')] == [False]
    assert follows(events, 'answered_elsewhere') == []


def test_a_channel_in_state_ring_is_that_of_a_caller_whatever_else_is_said() -> None:
    caller = Leg('now', '1', OUTSIDE, '', '1001', True, '1')
    callee = Leg('now', '2', '1001', OUTSIDE, '1001', False, '1')
    events = [caller.says('call_created', 0, is_caller=False), callee.says('call_created', 1)]
    caller.status = 'Up'
    events += [callee.says('call_ended', 21, reason_code=19), caller.says('call_updated', 22, is_caller=False)]
    events.append(caller.says('call_ended', 52, reason_code=16, is_caller=False))

    assert [each['caller_id_number'] for each in follows(events, 'missed')] == [OUTSIDE]


# ---- holds


def test_the_end_of_an_earlier_hold_that_is_told_once_more_ends_no_later_one() -> None:
    # Given two holds
    events = told([Course(0, OUTSIDE, ('1001',), by=0, holds=(5.0, 130.0))], 'now')
    ends = [each for each in events if each.name == 'call_resumed']
    second = [number for number, each in enumerate(events) if each.name == 'call_held'][1]

    # When the end of the first one comes again during the second
    (record,) = follows([*events[: second + 2], ends[0], *events[second + 2 :]], 'record')

    # Then both took as long as they did
    assert record['hold_seconds'] == 135.0
