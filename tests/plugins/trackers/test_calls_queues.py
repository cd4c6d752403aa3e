# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `calls` makes of queues whose events come in the opposite order, or once more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugins.trackers.call_history import Leg, event, follows
from wazo_busd.event import Event

OUTSIDE = '+14185550142'
JOIN, LEAVE = 'QueueCallerJoin', 'QueueCallerLeave'

_caller = Leg('now', '1', OUTSIDE, '', '3000', True, '1')
BEGIN = _caller.says('call_created', 0)
END = _caller.says('call_ended', 60, reason_code=16)


def of_queue(name: str, at: float, queue: str = 'support') -> Event:
    return event(name, {'Event': name, 'Queue': queue, 'Uniqueid': '1'}, at, 'now')


def rung(number: str, since: float, until: float) -> tuple[Event, Event]:
    """A telephone rings in vain."""
    leg = Leg('now', number, number, OUTSIDE, '3000', False, '1')
    return leg.says('call_created', since), leg.says('call_ended', until, reason_code=19)


def told(*events: Event) -> tuple[list[str], str, Any]:
    """Who has missed the call, why nobody answered, and the queue."""
    (record,) = follows([*events, END], 'record')
    return [each['called'] for each in follows([*events, END], 'missed')], record['reason'], record['queue']


def test_who_was_in_a_queue_for_no_time_is_missed_by_the_user_whose_telephone_rings_then() -> None:
    events = [BEGIN, of_queue(LEAVE, 1), of_queue(JOIN, 1.001), *rung('1001', 1.5, 30)]

    assert told(*events) == (['Name 1001'], 'no-answer', 'support')


def test_who_was_in_a_queue_for_no_time_was_missed_by_the_user_whose_telephone_rang_before() -> None:
    events = [BEGIN, *rung('1001', 0.5, 20), of_queue(LEAVE, 20.1), of_queue(JOIN, 20.101)]

    assert told(*events) == (['Name 1001'], 'no-answer', 'support')


def test_who_goes_from_one_queue_to_another_is_in_the_other() -> None:
    first, second = rung('1001', 1, 19.9), rung('1002', 21, 60)
    events = [BEGIN, of_queue(JOIN, 0.5), *first, of_queue(JOIN, 20, 'sales'), of_queue(LEAVE, 20.001), *second]

    assert told(*events) == ([], 'abandoned', 'sales')


def test_who_was_in_another_queue_for_no_time_is_missed_by_the_user_whose_telephone_rings_then() -> None:
    moment = [of_queue(LEAVE, 20, 'sales'), of_queue(JOIN, 20.001, 'sales'), of_queue(LEAVE, 20.002)]
    events = [BEGIN, of_queue(JOIN, 0.5), *rung('1001', 1, 19.9), *moment, *rung('1002', 21, 59)]

    assert told(*events)[:2] == (['Name 1002'], 'no-answer')


def test_who_was_in_another_queue_for_no_time_before_is_in_the_later_one() -> None:
    moment = [of_queue(JOIN, 1), of_queue(LEAVE, 1.001, 'sales'), of_queue(JOIN, 1.002, 'sales')]

    assert told(BEGIN, *moment, *rung('1001', 2, 60)) == ([], 'abandoned', 'support')


def test_who_comes_back_to_a_queue_at_once_is_in_it() -> None:
    first, second = rung('1001', 1, 19.9), rung('1002', 21, 60)
    events = [BEGIN, of_queue(JOIN, 0.5), *first, of_queue(JOIN, 20), of_queue(LEAVE, 20.001), *second]

    assert told(*events) == ([], 'abandoned', 'support')


def test_who_has_come_back_to_a_queue_at_once_leaves_it() -> None:
    events = [BEGIN, of_queue(JOIN, 0.5), of_queue(JOIN, 20), of_queue(LEAVE, 20.001), of_queue(LEAVE, 30)]

    assert told(*events, *rung('1001', 30.1, 59)) == (['Name 1001'], 'no-answer', 'support')


def test_who_has_come_back_to_a_queue_and_gone_to_another_leaves_that_one() -> None:
    back = [of_queue(JOIN, 0.5), of_queue(JOIN, 5)]
    other = [of_queue(JOIN, 5.5, 'sales'), of_queue(LEAVE, 5.8, 'sales')]

    assert told(BEGIN, *back, *other, *rung('1001', 7, 59)) == (['Name 1001'], 'no-answer', 'sales')


def test_who_comes_back_to_a_queue_in_order_is_in_it() -> None:
    events = [BEGIN, of_queue(JOIN, 0.5), of_queue(LEAVE, 20), of_queue(JOIN, 20.001), *rung('1001', 21, 60)]

    assert told(*events) == ([], 'abandoned', 'support')


@pytest.mark.parametrize('again', [of_queue(JOIN, 0.5), of_queue(LEAVE, 20)])
def test_what_is_told_of_a_queue_once_more_changes_nothing(again: Event) -> None:
    events = [BEGIN, of_queue(JOIN, 0.5), of_queue(LEAVE, 20), again, *rung('1001', 21, 59)]

    assert told(*events) == (['Name 1001'], 'no-answer', 'support')


def test_that_a_queue_was_entered_once_more_keeps_nobody_in_it() -> None:
    events = [BEGIN, of_queue(JOIN, 0.5), of_queue(JOIN, 0.5), of_queue(LEAVE, 1), *rung('1001', 2, 59)]

    assert told(*events) == (['Name 1001'], 'no-answer', 'support')


def test_who_goes_from_one_queue_to_another_before_their_call_is_told_of_is_in_the_other() -> None:
    events = [of_queue(JOIN, 0.1), of_queue(JOIN, 0.2, 'sales'), of_queue(LEAVE, 0.201), BEGIN, *rung('1001', 1.5, 60)]

    assert told(*events) == ([], 'abandoned', 'sales')


def test_who_is_joined_to_somebody_in_a_queue_is_in_that_queue() -> None:
    # Given somebody who has left a queue, and a colleague who calls another one to hand them over to
    colleague = Leg('now', '4', '1003', '', '3001', True, '4', 'internal')
    transfer = {'id': 'a', 'transferred_call': '1', 'initiator_call': '3', 'recipient_call': '4', 'flow': 'attended'}
    events = [BEGIN, of_queue(JOIN, 0.5), of_queue(LEAVE, 10), colleague.says('call_created', 20)]
    events += [event(JOIN, {'Queue': 'sales', 'Uniqueid': '4'}, 20.1, 'now')]

    # When they are handed over, and leave that queue
    events += [event('transfer_completed', transfer, 30, 'now'), colleague.says('call_ended', 30, reason_code=16)]
    events += [event(LEAVE, {'Queue': 'sales', 'Uniqueid': '4'}, 40, 'now'), *rung('1001', 41, 59)]

    # Then they are missed by the user whose telephone rings then
    assert told(*events) == (['Name 1001'], 'no-answer', 'sales')
