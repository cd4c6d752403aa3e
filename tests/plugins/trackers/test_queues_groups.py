# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues` and the ring groups of Wazo, which are queues of Asterisk: nothing is said of them, unless one asks."""

from __future__ import annotations

import pytest

from tests.plugins.trackers.queue_events import caller, maker, member, wazo
from tests.plugins.trackers.rig import START, names, run, runner
from wazo_busd.event import Event

GROUP = 'grp-acme-1'

CALL = [
    caller('QueueCallerJoin', 0, queue=GROUP, Count='1'),
    caller('AgentCalled', 1, queue=GROUP, MemberName='PJSIP/abc', Interface='PJSIP/abc'),
    caller('QueueCallerAbandon', 25, queue=GROUP, HoldTime='25'),
    caller('QueueCallerLeave', 25, queue=GROUP, Count='0'),
    caller('AgentConnect', 60, '7.7', GROUP, HoldTime='30', Interface='PJSIP/abc'),
    caller('AgentComplete', 90, '7.7', GROUP, HoldTime='30', TalkTime='30', Interface='PJSIP/abc'),
]


def telephone(name: str, at: float, paused: str = '0') -> Event:
    """An event of a telephone that the group rings."""
    return member(name, at, queue=GROUP, MemberName='PJSIP/abc', Interface='PJSIP/abc', Paused=paused)


MEMBERS = [
    telephone('QueueMemberAdded', 100),
    telephone('QueueMemberStatus', 103),
    telephone('QueueMemberPause', 106, '1'),
    telephone('QueueMemberRemoved', 109),
]


def values(events: list[Event]) -> list[float]:
    """All that the figures say after events."""
    _, tracker = runner(maker(), events)
    return [value for each in tracker.figures(START.timestamp()) for value in each.values.values()]


@pytest.mark.parametrize('events', [CALL, MEMBERS], ids=['callers', 'members'])
def test_nothing_is_told_of_a_ring_group(events: list[Event]) -> None:
    assert names(run(maker(), events)) == []


def test_a_ring_group_is_in_no_figure() -> None:
    assert values([*CALL, *MEMBERS]) == []


def test_an_agent_is_not_paused_in_a_ring_group() -> None:
    events = [
        wazo('agent_status_update', 0, agent_id=1, status='logged_in'),
        member('QueueMemberAdded', 0),
        wazo('agent_paused', 10, agent_id=1, queue=GROUP),
    ]

    assert names(run(maker(), events)) == ['busd.agent.logged_in']


def test_a_queue_beside_a_ring_group_is_told_of() -> None:
    there = [caller('QueueCallerJoin', 0), caller('QueueCallerAbandon', 5, HoldTime='5')]

    assert [each.derivation.data['queue'] for each in run(maker(), [*there, *CALL])] == ['support']


def test_ring_groups_are_told_of_when_that_is_asked_for() -> None:
    assert names(run(maker(groups=True), CALL[:4])) == ['busd.queue.sla_missed', 'busd.queue.abandoned']


def test_a_ring_group_that_has_limits_of_its_own_is_told_of() -> None:
    make = maker(queues={GROUP: {'answer_within': '10s'}})

    assert 'busd.queue.abandoned' in names(run(make, CALL))
