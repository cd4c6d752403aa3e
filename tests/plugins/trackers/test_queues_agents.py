# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues` and those who answer: each change once, and no false alarm."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.plugins.trackers.queue_events import caller, maker, member, wazo
from tests.plugins.trackers.rig import Found, Make, names, run, runner
from wazo_busd.event import Event


def both(name: str, at: float, number: int = 1, **more: Any) -> list[Event]:
    """What Asterisk says of an agent in each of two queues."""
    return [member(name, at + part / 1000, number, queue, **more) for part, queue in enumerate(('sales', 'support'))]


def paused(at: float, **more: Any) -> list[Event]:
    return both('QueueMemberPause', at, **{'Paused': '1', 'PausedReason': 'lunch', **more})


def told_of(make: Make, events: list[Event]) -> list[tuple[str, str]]:
    """What is said of agents and of queues without any, with the state."""
    found = run(make, events, wait=False)
    return [(each.derivation.name, each.derivation.data.get('state', '')) for each in found]


def deserted(make: Make, events: list[Event]) -> list[str]:
    """The states of queues without agents that are told."""
    later = member('QueueMemberStatus', 90_000, 77, 'another')
    return [state for name, state in told_of(make, [*events, later]) if name == 'busd.queue.nobody_logged_in']


LATER = wazo('agent_status_update', 50_000, agent_id=77, status='none')
LOGIN, LOGOUT = both('QueueMemberAdded', 0), both('QueueMemberRemoved', 3600)
IN, OUT = [
    wazo('agent_status_update', at, agent_id=1, status=s) for at, s in ((0.2, 'logged_in'), (3600.2, 'logged_out'))
]


def last(found: list[Found]) -> dict[str, Any]:
    return dict(found[-1].derivation.data)


@pytest.mark.parametrize('login', [LOGIN, LOGIN[::-1], [*LOGIN, IN], [IN, *LOGIN], [IN], LOGIN[:1]])
@pytest.mark.parametrize('logout', [LOGOUT, LOGOUT[::-1], [*LOGOUT, OUT], [OUT, *LOGOUT], [OUT]])
def test_a_shift_is_told_once_whoever_says_it(login: list[Event], logout: list[Event]) -> None:
    found = run(maker(), [*login, *logout, LATER])

    assert [name for name in names(found) if 'agent' in name] == ['busd.agent.logged_in', 'busd.agent.logged_out']


def test_a_logout_says_for_how_long_and_from_where() -> None:
    found = [each for each in run(maker(), [*LOGIN, IN, *LOGOUT, OUT]) if 'agent' in each.derivation.name]

    assert last(found) == {
        'agent_id': 1,
        'agent_number': '1001',
        'agent_name': None,
        'member_name': 'Agent/1001',
        'queues': ['sales', 'support'],
        'logged_in_seconds': 3600.0,
    }


def wazo_paused(at: float, name: str = 'agent_paused') -> list[Event]:
    said: dict[str, Any] = {
        'agent_id': 1,
        'agent_number': '1001',
        'paused': name == 'agent_paused',
        'paused_reason': 'lunch',
    }
    return [wazo(name, at, queue=queue, **said) for queue in ('sales', 'support')]


@pytest.mark.parametrize('events', [paused(60), paused(60)[::-1], wazo_paused(60), [*paused(60), *wazo_paused(60.3)]])
def test_a_pause_is_told_once_whoever_says_it(events: list[Event]) -> None:
    found = run(maker(), [*LOGIN, *events, LATER], wait=False)

    assert names(found) == ['busd.agent.logged_in', 'busd.agent.paused']
    assert (last(found)['queues'], last(found)['paused_reason']) == (['sales', 'support'], 'lunch')


def test_the_end_of_a_pause_says_how_long_it_was() -> None:
    back = both('QueueMemberPause', 360, Paused='0')
    found = run(maker(), [*LOGIN, *paused(60), *back, *wazo_paused(360.3, 'agent_unpaused'), LATER], wait=False)

    assert names(found)[2:] == ['busd.agent.unpaused']
    assert last(found)['paused_seconds'] == 300.0


def test_who_logs_out_while_paused_is_paused_no_longer() -> None:
    found = run(maker(), [*LOGIN, *paused(60), *LOGOUT, LATER], wait=False)

    assert [each for each in names(found) if 'agent' in each][2:] == ['busd.agent.unpaused', 'busd.agent.logged_out']


def test_a_pause_that_is_said_again_afterwards_is_told_no_second_time() -> None:
    back = both('QueueMemberPause', 360, Paused='0')
    events = [*LOGIN, *paused(60), *back]

    assert names(run(maker(), [*events, *events])) == names(run(maker(), events))


def test_a_pause_from_before_the_start_is_told_when_it_is_over_with_its_length() -> None:
    back = both('QueueMemberPause', 360, Paused='0', LastPause=str(int(LATER.received_at) - 50_000 + 60))
    found = run(maker(), [*back, LATER], wait=False)

    assert (names(found), last(found)['paused_seconds']) == (['busd.agent.unpaused'], 300.0)


def test_the_state_of_an_agent_from_before_the_start_is_told_to_nobody() -> None:
    assert run(maker(), both('QueueMemberStatus', 0, Paused='1')) == []


def test_one_of_several_queues_less_is_no_logout() -> None:
    events = [*LOGIN, member('QueueMemberRemoved', 60), member('QueueMemberAdded', 300)]

    assert names(run(maker(), events))[:1] == ['busd.agent.logged_in']
    assert [each for each in names(run(maker(), events)) if 'agent' in each] == ['busd.agent.logged_in']


def test_the_only_queue_less_is_no_logout_where_wazo_says_that_it_is_about_a_queue() -> None:
    off = wazo('user_agent_queue_logged_off', 60.1, agent_id=1, queue_id=2)
    again = wazo('user_agent_queue_logged_in', 300.1, agent_id=1, queue_id=2)
    events = [LOGIN[1], IN, member('QueueMemberRemoved', 60), off, member('QueueMemberAdded', 300), again]

    assert [each for each in names(run(maker(), events)) if 'agent' in each] == ['busd.agent.logged_in']


@pytest.mark.parametrize('order', list(itertools.permutations([0, 1])), ids=str)
def test_who_logs_in_again_at_once_is_still_there(order: tuple[int, ...]) -> None:
    kinds = ['QueueMemberRemoved', 'QueueMemberAdded']
    again = [member(kinds[kind], 600 + place / 1000) for place, kind in enumerate(order)]
    found = run(maker(), [member('QueueMemberAdded', 0), *again, LATER], wait=False)

    assert names(found) == ['busd.agent.logged_in']


RELOG_OUT, RELOG_IN = [
    wazo('agent_status_update', 600, agent_id=1, status=state) for state in ('logged_out', 'logged_in')
]
RELOG = [*both('QueueMemberRemoved', 600), *both('QueueMemberAdded', 600)]


def in_this_order(events: list[Event]) -> list[Event]:
    """The same, each a millisecond after the one before."""
    first = min(each.received_at for each in events)
    return [
        Event(each.name, each.data, each.routing_key, headers=each.headers, received_at=first + number / 1000)
        for number, each in enumerate(events)
    ]


@pytest.mark.parametrize(
    'events',
    [
        [RELOG_OUT, RELOG_IN, *RELOG],
        [RELOG_OUT, RELOG_IN, *RELOG[::-1]],
        [*RELOG, RELOG_OUT, RELOG_IN],
        [*RELOG[::-1], RELOG_OUT, RELOG_IN],
        [*RELOG[:2], RELOG_OUT, *RELOG[2:], RELOG_IN],
        [RELOG_OUT, *RELOG[:2], RELOG_IN, *RELOG[2:]],
        [RELOG_OUT, *RELOG[2:], RELOG_IN, *RELOG[:2]],
        RELOG[::-1],
    ],
    ids=lambda events: ' '.join(each.data.get('status', each.name[11:]) for each in events),
)
def test_who_logs_out_and_in_again_at_once_is_there_in_whichever_order_that_is_said(events: list[Event]) -> None:
    found, tracker = runner(maker(), [*LOGIN, IN, *in_this_order(events), LATER], wait=False)
    (agents,) = [each for each in tracker.figures(0.0) if each.name == 'wazo_busd_queues_agents']

    assert names(found) == ['busd.agent.logged_in']
    assert (agents.values['sales', 'logged_in'], agents.values['support', 'logged_in']) == (1, 1)


def test_who_is_logged_out_by_wazos_word_alone_is_in_no_queue() -> None:
    found, tracker = runner(maker(), [*LOGIN, IN, OUT, LATER], wait=False)
    (agents,) = [each for each in tracker.figures(0.0) if each.name == 'wazo_busd_queues_agents']

    assert agents.values['sales', 'logged_in'] == 0
    assert [each.derivation.data['queues'] for each in found if each.derivation.name.endswith('logged_out')] == [
        ['sales', 'support']
    ]


def test_what_was_said_before_a_logout_makes_nobody_come_back() -> None:
    stale = [member('QueueMemberStatus', 3600.05, queue=queue) for queue in ('sales', 'support')]
    found = run(maker(), [*LOGIN, *LOGOUT, *stale, LATER], wait=False)

    assert [each for each in names(found) if 'agent' in each] == ['busd.agent.logged_in', 'busd.agent.logged_out']


def test_an_agent_of_asterisks_own_pool_is_told_too() -> None:
    events = [
        Event('AgentLogin', {'Agent': '1001', 'Uniqueid': '1.1'}, received_at=1e9),
        Event('AgentLogoff', {'Agent': '1001', 'Logintime': '60'}, received_at=1e9 + 60),
    ]
    found = run(maker(), events)

    assert names(found) == ['busd.agent.logged_in', 'busd.agent.logged_out']
    assert last(found)['agent_number'] == '1001'


# ---- queues without anybody

ALONE, AWAY = member('QueueMemberAdded', 0), member('QueueMemberRemoved', 40_000)


def test_a_queue_that_loses_its_last_agent_is_told() -> None:
    assert deserted(maker(), [ALONE, AWAY]) == ['raised']


def test_it_is_told_when_somebody_is_there_again() -> None:
    assert deserted(maker(), [ALONE, AWAY, member('QueueMemberAdded', 50_000, 2)]) == ['raised', 'cleared']


def test_a_caller_who_comes_then_is_no_second_time() -> None:
    assert deserted(maker(), [ALONE, AWAY, caller('QueueCallerJoin', 41_000)]) == ['raised']


def test_another_agent_who_is_there_is_enough() -> None:
    assert deserted(maker(), [ALONE, member('QueueMemberAdded', 5, 2), AWAY]) == []


def test_right_after_the_start_nobody_is_missed() -> None:
    events = [caller('QueueCallerJoin', 1), member('QueueMemberStatus', 2), member('QueueMemberRemoved', 9)]

    assert deserted(maker(since=0), [*events, caller('QueueCallerJoin', 20, '100.2')]) == []


def test_a_caller_tells_that_nobody_is_there_once_the_members_are_known() -> None:
    events = [member('QueueMemberStatus', 2), member('QueueMemberRemoved', 9)]
    later = [caller('QueueCallerJoin', at, f'100.{at}') for at in (20, 20_000, 30_000)]

    assert deserted(maker(since=0), [*events, *later]) == ['raised']


def test_a_queue_that_never_had_an_agent_has_lost_none() -> None:
    assert deserted(maker(), [caller('QueueCallerJoin', 80_000)]) == []


def test_an_agent_who_turns_up_though_nobody_saw_them_come_makes_good_what_was_told() -> None:
    assert deserted(maker(), [ALONE, AWAY, member('QueueMemberStatus', 41_000, 3)]) == ['raised', 'cleared']
