# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""All trackers on the call that was recorded on a real host: they find what happened, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugins.trackers.golden import TRACKERS
from tests.plugins.trackers.recorded_call import ANSWERS, CALLER, RINGS, USERS, in_order, of_asterisk, of_wazo
from tests.plugins.trackers.rig import names, reversed_batches, run
from wazo_busd.event import Event

ONE = in_order(of_asterisk(), of_wazo(ANSWERS))
BOTH = in_order(of_asterisk(), of_wazo(ANSWERS, RINGS))
IN_VAIN = of_wazo(ANSWERS, is_answered=False)

every_order = pytest.mark.parametrize('order', [list, reversed_batches], ids=['as it came', 'reversed'])


def of_calls(events: list[Event]) -> list[tuple[str, Any]]:
    """What `calls` derives."""
    return [(each.derivation.name, each.derivation.data) for each in run(TRACKERS['calls'], events)]


@every_order
@pytest.mark.parametrize('tracker', TRACKERS)
def test_what_asterisk_tells_of_a_call_is_nothing_to_a_tracker(tracker: str, order: Any) -> None:
    assert names(run(TRACKERS[tracker], order(of_asterisk()))) == []


@pytest.mark.parametrize('tracker', sorted(set(TRACKERS) - {'calls'}))
def test_a_call_without_queue_fax_or_voicemail_concerns_calls_alone(tracker: str) -> None:
    assert names(run(TRACKERS[tracker], BOTH)) == []


def test_the_queue_of_which_a_telephone_is_a_member_has_had_no_caller() -> None:
    make = TRACKERS['queues']
    tracker = make()
    for event in BOTH:
        tracker.feed(event, event.received_at)
    figures = {each.name: each.values for each in tracker.figures(BOTH[-1].received_at)}

    assert (figures['wazo_busd_queues_joined_total'], figures['wazo_busd_queues_waiting']) == (
        {('everyone',): 0},
        {('everyone',): 0},
    )


@every_order
def test_the_call_has_one_record_and_nothing_else(order: Any) -> None:
    assert [name for name, _ in of_calls(list(order(ONE)))] == ['busd.call.record']


@every_order
def test_the_other_telephone_of_the_user_is_told_as_that(order: Any) -> None:
    found = of_calls(list(order(BOTH)))

    assert [(name, data.get('other_device')) for name, data in found] == [
        ('busd.call.answered_elsewhere', True),
        ('busd.call.record', None),
    ]


@pytest.mark.parametrize('events', [ONE, BOTH], ids=['two legs', 'three legs'])
def test_the_record_says_who_talked_to_whom(events: list[Event]) -> None:
    record = of_calls(events)[-1][1]
    keys = ('call_id', 'answered', 'caller_id_name', 'caller_user_uuid', 'answered_by_name', 'answered_by_user_uuid')

    assert [record[key] for key in keys] == [CALLER, True, 'Alice', USERS[CALLER], 'Charlie', USERS[ANSWERS]]


def test_the_record_says_how_long_it_was_as_the_recording_does() -> None:
    ((_, record),) = of_calls(ONE)

    assert [record[f'{each}_seconds'] for each in ('ring', 'talk', 'hold', 'duration')] == [1.0, 1.0, 0.0, 2.0]


def test_the_record_is_the_same_without_what_asterisk_tells() -> None:
    assert of_calls(of_wazo(ANSWERS)) == of_calls(ONE)


def test_the_call_without_its_answer_is_one_missed_call() -> None:
    missed = [data for name, data in of_calls(IN_VAIN) if name == 'busd.call.missed']

    assert [[user['user_uuid'] for user in each['users']] for each in missed] == [[USERS[ANSWERS]]]


def test_the_call_without_its_answer_was_answered_by_nobody() -> None:
    assert [data['answered'] for name, data in of_calls(IN_VAIN) if name == 'busd.call.record'] == [False]
