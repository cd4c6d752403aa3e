# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues` and ends that are said late, or of which a part was lost: who was answered has not left in another way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugins.tracking import Tracker
from tests.plugins.trackers.queue_events import agent, caller, maker
from tests.plugins.trackers.rig import START, Found, names, restarted, run, runner
from wazo_busd.codec import encode
from wazo_busd.event import Event

AGENT = agent(1)
JOIN = caller('QueueCallerJoin', 0, Position='1', Count='1')
LEAVE = caller('QueueCallerLeave', 5, Count='0')
CONNECT = caller('AgentConnect', 7.6, HoldTime='5', RingTime='3', DestCallerIDName='Alice', **AGENT)
COMPLETE = caller('AgentComplete', 65, HoldTime='5', TalkTime='60', Reason='agent', **AGENT)
ABANDON = caller('QueueCallerAbandon', 9, HoldTime='5', Position='1', OriginalPosition='1')


def totals(tracker: Tracker) -> dict[str, float]:
    """What has become of the callers of the queue."""
    figures = {each.name: each.values for each in tracker.figures(START.timestamp())}
    words = ('joined', 'answered', 'abandoned', 'left', 'talk_seconds')
    return {word: figures[f'wazo_busd_queues_{word}_total'][('support',)] for word in words}


def of_callers(found: list[Found]) -> list[str]:
    """What was told of callers."""
    return [name for name in names(found) if name.startswith('busd.queue.')]


def data_of(found: list[Found]) -> dict[str, Any]:
    """What the one event about a caller says."""
    (data,) = [each.derivation.data for each in found if each.derivation.name.startswith('busd.queue.')]
    return dict(data)


@pytest.mark.parametrize(
    'late', [[COMPLETE], [CONNECT], [CONNECT, COMPLETE]], ids=lambda late: ' '.join(each.name for each in late)
)
def test_who_was_answered_is_told_though_that_is_said_late(late: list[Event]) -> None:
    assert of_callers(run(maker(), [JOIN, LEAVE, *late])) == ['busd.queue.answered']


def test_who_was_answered_is_told_with_all_that_is_known_though_it_is_said_late() -> None:
    data = data_of(run(maker(), [JOIN, LEAVE, CONNECT, COMPLETE]))

    assert (data['caller_id_name'], data['agent_name'], data['waited_seconds'], data['ring_seconds']) == (
        'Bob',
        'Alice',
        5,
        3,
    )


def test_the_talk_counts_when_only_its_end_was_said() -> None:
    _, tracker = runner(maker(), [JOIN, LEAVE, COMPLETE])

    assert (totals(tracker)['answered'], totals(tracker)['talk_seconds']) == (1, 60)


def test_the_agent_talks_though_that_is_said_late() -> None:
    _, tracker = runner(maker(), [JOIN, LEAVE, CONNECT], wait=False)
    (agents,) = [each for each in tracker.figures(0) if each.name == 'wazo_busd_queues_agents']

    assert agents.values['support', 'talking'] == 1


def test_who_gave_up_is_told_though_that_is_said_late() -> None:
    assert of_callers(run(maker(), [JOIN, LEAVE, ABANDON])) == ['busd.queue.abandoned']


@pytest.mark.parametrize('part', [CONNECT, COMPLETE, ABANDON], ids=lambda event: event.name)
def test_who_was_told_as_answered_late_is_told_once(part: Event) -> None:
    again = [COMPLETE, CONNECT, COMPLETE, ABANDON]
    later = [caller('QueueCallerJoin', 200 + each, f'9.{each}') for each in range(0, 12, 4)]

    found = run(maker(answer_within='30h'), [JOIN, LEAVE, part, *later, *again])

    assert len(of_callers(found)) == 1


def test_who_gave_up_is_not_answered_by_what_is_said_later() -> None:
    assert of_callers(run(maker(), [JOIN, ABANDON, LEAVE, COMPLETE])) == ['busd.queue.abandoned']


def test_an_end_of_an_earlier_wait_is_not_taken_for_one_of_the_last_that_left() -> None:
    events = [JOIN, LEAVE, caller('QueueCallerJoin', 100, Count='1'), caller('QueueCallerLeave', 110, Count='0')]

    assert of_callers(run(maker(), [*events, caller('QueueCallerLeave', 120, '9.9'), CONNECT])) == []


def test_the_count_of_those_who_left_never_goes_back() -> None:
    events = [JOIN, LEAVE, COMPLETE]
    other = [caller('QueueCallerJoin', 100, '2.2', Count='1'), caller('QueueCallerLeave', 110, '2.2', Count='0')]
    lefts = [totals(runner(maker(), part)[1])['left'] for part in (events[:2], events, [*events, *other])]

    assert lefts == [1, 1, 1]


@pytest.mark.parametrize('restart_after', [1, 2, 3])
def test_who_was_answered_is_told_over_a_restart_though_that_is_said_late(restart_after: int) -> None:
    events = [JOIN, LEAVE, CONNECT, COMPLETE]
    said = [each.derivation for each in run(maker(), events, restart_after=restart_after)]

    assert said == [each.derivation for each in run(maker(), events)]


def test_a_clock_that_was_ahead_makes_nobody_be_overheard() -> None:
    tracker = maker()()
    tracker.feed(JOIN, START.timestamp())
    tracker.tick(START.timestamp() + 30 * 86_400)
    other = restarted(maker(), tracker)
    for event in (caller('QueueCallerJoin', 60, '2.2'), caller('QueueCallerAbandon', 70, '2.2', HoldTime='10')):
        other.feed(event, event.received_at)

    assert [each.name for each in other.tick(START.timestamp() + 90)] == ['busd.queue.abandoned']


def test_a_time_that_was_kept_is_not_believed_beyond_all_else_that_was() -> None:
    tracker = maker()()
    tracker.feed(JOIN, START.timestamp())
    said = json.loads(encode(tracker.dump()))
    other = maker()()
    other.load({**said, 'now': START.timestamp() + 30 * 86_400})
    other.feed(ABANDON, ABANDON.received_at)

    assert [each.name for each in other.tick(START.timestamp() + 90)] == ['busd.queue.abandoned']


# ---- who is sent back to the queue they came from

ANSWERED = caller('AgentConnect', 5.01, HoldTime='5', RingTime='3', **AGENT)
AGAIN = caller('QueueCallerJoin', 65.0, Position='1', Count='1')
FIRST_TALK = caller('AgentComplete', 65.01, HoldTime='5', TalkTime='57', Reason='transfer', **AGENT)
ANSWERED_AGAIN = [
    caller('QueueCallerLeave', 90, Count='0'),
    caller('AgentConnect', 90.01, HoldTime='25', **agent(2)),
    caller('AgentComplete', 120, HoldTime='25', TalkTime='30', Reason='agent', **agent(2)),
]
GIVEN_UP = [
    caller('QueueCallerLeave', 90, Count='0'),
    caller('QueueCallerAbandon', 90.01, HoldTime='25', Position='1', OriginalPosition='1'),
]


@pytest.mark.parametrize('turn', [[FIRST_TALK, AGAIN], [AGAIN, FIRST_TALK]], ids=['in order', 'reversed'])
@pytest.mark.parametrize(('end', 'name'), [(ANSWERED_AGAIN, 'answered'), (GIVEN_UP, 'abandoned')])
def test_who_is_sent_back_to_the_same_queue_waits_there_until_that_ends(
    turn: list[Event], end: list[Event], name: str
) -> None:
    found = run(maker(), [JOIN, LEAVE, ANSWERED, *turn, *end])

    assert of_callers(found) == ['busd.queue.answered', 'busd.queue.sla_missed', f'busd.queue.{name}']


@pytest.mark.parametrize('turn', [[FIRST_TALK, AGAIN], [AGAIN, FIRST_TALK]], ids=['in order', 'reversed'])
def test_who_is_sent_back_to_the_same_queue_is_counted_twice(turn: list[Event]) -> None:
    _, tracker = runner(maker(), [JOIN, LEAVE, ANSWERED, *turn, *ANSWERED_AGAIN])

    assert totals(tracker) == {'joined': 2, 'answered': 2, 'abandoned': 0, 'left': 0, 'talk_seconds': 87}


def test_the_end_of_a_talk_after_a_second_wait_that_was_seen_by_nothing_else_tells_that() -> None:
    gave_up = [caller('QueueCallerLeave', 5, Count='0'), caller('QueueCallerAbandon', 5, HoldTime='5')]
    complete = caller('AgentComplete', 99, HoldTime='5', TalkTime='20', Reason='agent', **AGENT)

    assert 'busd.queue.answered' in of_callers(run(maker(), [JOIN, *gave_up, AGAIN, complete]))
