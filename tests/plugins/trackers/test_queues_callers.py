# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues` and those who wait: in any order, over lost events, and with nothing but what Asterisk said in 2019."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from plugins.tracking import Tracker
from tests.plugins.trackers.queue_events import HOST, agent, ami, caller, maker
from tests.plugins.trackers.rig import START, Found, names, run, runner
from wazo_busd.event import Event

JOIN = caller('QueueCallerJoin', 0, Position='1', Count='1')
LEAVE = caller('QueueCallerLeave', 8, Position='1', Count='0')
ABANDON = caller('QueueCallerAbandon', 8, Position='1', OriginalPosition='2', HoldTime='8')
CALLED = caller('AgentCalled', 3, DestUniqueid='200.1', **agent())
CONNECT = caller(
    'AgentConnect', 8, DestUniqueid='200.1', HoldTime='8', RingTime='5', DestCallerIDName='Alice', **agent()
)
COMPLETE = caller('AgentComplete', 68, DestUniqueid='200.1', HoldTime='8', TalkTime='60', Reason='caller', **agent())


def order(events: tuple[Event, ...]) -> str:
    """What a test is called by."""
    return ' '.join(each.name for each in events)


def figure(tracker: Tracker, name: str, at: float = 0.0, *labels: str) -> float:
    """What a figure says of the queue support."""
    figures = {each.name.removeprefix('wazo_busd_queues_'): each for each in tracker.figures(START.timestamp() + at)}
    return figures[name].values['support', *labels]


def totals(tracker: Tracker) -> dict[str, float]:
    """How many have come, and what became of them."""
    return {name: figure(tracker, f'{name}_total') for name in ('joined', 'answered', 'abandoned', 'left')}


def data_of(found: list[Found], name: str) -> dict[str, Any]:
    """What the one derived event of a name says."""
    (data,) = [each.derivation.data for each in found if each.derivation.name == name]
    return dict(data)


def at(event: Event, seconds: float) -> Event:
    """The same at another time, as it comes from a host that sends none."""
    return Event(
        event.name, event.data, event.routing_key, headers=event.headers, received_at=START.timestamp() + seconds
    )


def test_who_gives_up_is_told_with_all_that_is_known() -> None:
    assert data_of(run(maker(), [JOIN, CALLED, ABANDON, LEAVE]), 'busd.queue.abandoned') == {
        'queue': 'support',
        'caller_id_name': 'Bob',
        'caller_id_number': '+14185550123',
        'call_id': '100.1',
        'conversation_id': '100.1',
        'waited_seconds': 8,
        'position': 1,
        'original_position': 2,
        'agent_rung': True,
        'ring_no_answers': 0,
    }


def test_who_is_answered_is_told_with_the_agent() -> None:
    data = data_of(run(maker(), [JOIN, CALLED, LEAVE, CONNECT, COMPLETE]), 'busd.queue.answered')

    assert (data['agent_id'], data['agent_number'], data['agent_name'], data['waited_seconds'], data['within_sla']) == (
        1,
        '1001',
        'Alice',
        8,
        True,
    )


@pytest.mark.parametrize('events', list(itertools.permutations([JOIN, ABANDON, LEAVE])), ids=order)
def test_one_caller_has_given_up_in_whichever_order_that_is_said(events: tuple[Event, ...]) -> None:
    found, tracker = runner(maker(), [at(each, number / 1000) for number, each in enumerate(events)], wait=False)
    found += [Found(0, each) for each in tracker.tick(START.timestamp() + 5)]

    assert names(found) == ['busd.queue.abandoned']
    assert totals(tracker) == {'joined': 1, 'answered': 0, 'abandoned': 1, 'left': 0}


@pytest.mark.parametrize('events', list(itertools.permutations([JOIN, CALLED, CONNECT, LEAVE])), ids=order)
def test_one_caller_is_answered_in_whichever_order_that_is_said(events: tuple[Event, ...]) -> None:
    found, tracker = runner(maker(), [at(each, number / 1000) for number, each in enumerate(events)], wait=False)
    found += [Found(0, each) for each in tracker.tick(START.timestamp() + 5)]

    assert [name for name in names(found) if 'queue' in name] == ['busd.queue.answered']
    assert totals(tracker) == {'joined': 1, 'answered': 1, 'abandoned': 0, 'left': 0}


@pytest.mark.parametrize('events', list(itertools.permutations([CONNECT, COMPLETE])), ids=order)
def test_a_talk_that_ends_at_once_leaves_nobody_talking(events: tuple[Event, ...]) -> None:
    _, tracker = runner(maker(), [JOIN, *(at(each, 8 + number / 1000) for number, each in enumerate(events))])

    assert (figure(tracker, 'agents', 0, 'talking'), figure(tracker, 'talk_seconds_total')) == (0, 60)


def test_who_leaves_without_more_has_left_in_another_way() -> None:
    found, tracker = runner(maker(), [JOIN, LEAVE], wait=False)
    list(tracker.tick(START.timestamp() + 20))

    assert (found, totals(tracker)) == ([], {'joined': 1, 'answered': 0, 'abandoned': 0, 'left': 1})


@pytest.mark.parametrize('is_reversed', [False, True])
def test_who_joins_again_at_once_waits_again(is_reversed: bool) -> None:
    batch = [ABANDON, LEAVE, JOIN]
    batch = [at(each, 30 + number / 1000) for number, each in enumerate(batch[::-1] if is_reversed else batch)]
    _, tracker = runner(maker(), [JOIN, *batch], wait=False)
    list(tracker.tick(START.timestamp() + 34))

    assert figure(tracker, 'waiting') == 1
    assert totals(tracker) == {'joined': 2, 'answered': 0, 'abandoned': 1, 'left': 0}


def test_who_joins_again_later_and_gives_up_again_is_told_of_twice() -> None:
    again = [at(JOIN, 100), at(ABANDON, 108), at(LEAVE, 108)]
    found = run(maker(), [JOIN, ABANDON, LEAVE, *again])

    assert names(found) == ['busd.queue.abandoned'] * 2
    assert len({each.derivation.key for each in found}) == 2


def test_an_old_end_is_not_taken_for_that_of_a_new_wait() -> None:
    _, tracker = runner(maker(), [JOIN, ABANDON, LEAVE, at(JOIN, 100), ABANDON, LEAVE], wait=False)

    assert figure(tracker, 'waiting') == 1


def test_who_waits_too_long_is_told_at_that_moment() -> None:
    found = run(maker(), [JOIN, caller('QueueCallerJoin', 5, '100.2', Count='2'), at(CONNECT, 40)])

    assert [each.at - START.timestamp() for each in found if each.derivation.name == 'busd.queue.sla_missed'] == [
        20,
        25,
    ]
    assert [each.derivation.data['count'] for each in found if each.derivation.name == 'busd.queue.sla_missed'] == [
        2,
        2,
    ]


def test_who_has_waited_too_long_is_told_when_only_the_end_is_seen() -> None:
    late = caller('AgentConnect', 0, HoldTime='45', RingTime='5', **agent())
    found = run(maker(), [late])

    assert names(found) == ['busd.queue.sla_missed', 'busd.queue.answered']
    assert data_of(found, 'busd.queue.answered')['within_sla'] is False


def test_a_queue_has_limits_of_its_own() -> None:
    make = maker(queues={'support': {'answer_within': '5s'}})

    assert 'busd.queue.sla_missed' in names(run(make, [JOIN, ABANDON]))
    assert 'busd.queue.sla_missed' not in names(run(maker(), [JOIN, ABANDON]))


def crowd(count: int, queue: str = 'support', begins: float = 0.0) -> list[Event]:
    """So many callers who come one after the other."""
    return [
        caller('QueueCallerJoin', begins + each * 3, f'1.{each}', queue, Count=str(each + 1)) for each in range(count)
    ]


def departure(count: int, begins: float = 60.0) -> list[Event]:
    """They go one after the other."""
    return [
        caller('QueueCallerLeave', begins + each * 3, f'1.{each}', Count=str(count - each - 1)) for each in range(count)
    ]


def test_many_who_wait_are_told_once_and_again_when_they_are_few() -> None:
    found = run(maker(answer_within='1h'), [*crowd(7), *departure(7)])

    assert [(each.derivation.data['state'], each.derivation.data['count']) for each in found] == [
        ('raised', 5),
        ('cleared', 2),
    ]


def test_the_longest_wait_is_that_of_whoever_came_first() -> None:
    found = run(maker(answer_within='1h'), [*crowd(5), *departure(5)])

    assert found[0].derivation.data['longest_wait_seconds'] == 12.0


def test_queues_of_the_same_name_on_two_hosts_are_two() -> None:
    there = [
        Event(
            each.name, each.data, each.routing_key, headers={'origin_uuid': 'there'}, received_at=each.received_at + 1
        )
        for each in crowd(3)
    ]
    found, tracker = runner(maker(answer_within='1h'), [*crowd(3), *there], wait=False)

    assert (names(found), figure(tracker, 'waiting')) == ([], 6)
    assert HOST != 'there'


def test_an_end_that_was_lost_is_made_good_by_the_count_of_asterisk() -> None:
    _, tracker = runner(maker(), [JOIN, caller('QueueCallerJoin', 100, '100.2', Position='1', Count='1')], wait=False)
    list(tracker.tick(START.timestamp() + 105))

    assert (figure(tracker, 'waiting'), totals(tracker)['left']) == (1, 1)


def test_who_waited_before_the_start_is_counted_as_asterisk_does() -> None:
    _, tracker = runner(maker(), [caller('QueueCallerJoin', 0, Position='4', Count='4')], wait=False)
    list(tracker.tick(START.timestamp() + 5))

    assert figure(tracker, 'waiting') == 4


def test_who_goes_of_those_is_not_counted_twice() -> None:
    first = caller('QueueCallerJoin', 0, Position='4', Count='4')
    gone = [caller('QueueCallerLeave', 10, '7.7', Count='3'), caller('QueueCallerAbandon', 10, '7.7', HoldTime='99')]
    found, tracker = runner(maker(), [first, *gone], wait=False)
    found += [Found(0, each) for each in tracker.tick(START.timestamp() + 15)]

    assert totals(tracker) == {'joined': 4, 'answered': 0, 'abandoned': 1, 'left': 0}
    assert figure(tracker, 'waiting') == 3


def test_nobody_waits_for_longer_than_stale_after() -> None:
    _, tracker = runner(maker(stale_after='1h'), [JOIN], wait=False)
    tracker.tick(START.timestamp() + 3601)

    assert (figure(tracker, 'waiting'), totals(tracker)['left']) == (0, 1)


def test_a_call_in_vain_counts_once() -> None:
    missed = caller('AgentRingNoAnswer', 6, DestUniqueid='200.1', RingTime='3000', **agent())
    _, tracker = runner(maker(), [JOIN, CALLED, missed, missed, ABANDON, missed], wait=False)

    assert figure(tracker, 'ring_no_answers_total') == 1


def test_the_unknown_party_of_asterisk_has_no_name() -> None:
    unknown = {'CallerIDNum': '<unknown>', 'CallerIDName': '<unknown>'}
    events = [caller('QueueCallerJoin', 0, **unknown), caller('QueueCallerAbandon', 8, HoldTime='8', **unknown)]
    data = data_of(run(maker(), events), 'busd.queue.abandoned')

    assert (data['caller_id_name'], data['caller_id_number']) == (None, None)


def test_a_call_without_a_queue_changes_nothing() -> None:
    call = ['Newchannel', 'VarSet', 'Newstate', 'DialBegin', 'BridgeEnter', 'Hangup', 'DeviceStateChange']
    events = [Event(name, {'Uniqueid': '100.1'}, received_at=START.timestamp()) for name in call]
    tracker = maker()()
    before = tracker.dump()

    assert ([each for event in events for each in tracker.feed(event, 1)], tracker.dump()) == ([], before)


# ---- a crash of Asterisk


@pytest.mark.parametrize(
    ('uptime', 'origin', 'waiting'), [('7', HOST, 0), ('7', 'another', 4), ('7000', HOST, 4), ('', HOST, 4)]
)
def test_who_waited_before_a_start_of_asterisk_waits_no_longer(uptime: str, origin: str, waiting: int) -> None:
    first = caller('QueueCallerJoin', 0, Position='4', Count='4')
    events = [first, caller('QueueMemberStatus', 5, '9.9', 'another'), ami('FullyBooted', 100, origin, Uptime=uptime)]
    found, tracker = runner(maker(answer_within='1h'), events, wait=False)
    list(tracker.tick(START.timestamp() + 110))

    assert (found, figure(tracker, 'waiting'), totals(tracker)['left']) == ([], waiting, 4 - waiting)


def test_who_talked_before_a_start_of_asterisk_talks_no_longer() -> None:
    events = [JOIN, CALLED, LEAVE, CONNECT, ami('FullyBooted', 100, Uptime='7')]
    _, tracker = runner(maker(), events, wait=False)

    assert figure(tracker, 'agents', 0, 'talking') == 0


def test_who_comes_after_a_start_of_asterisk_waits() -> None:
    _, tracker = runner(maker(), [at(JOIN, 98), ami('FullyBooted', 100, Uptime='7')], wait=False)

    assert figure(tracker, 'waiting') == 1
