# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the board shows of queues: who waits where and for how long, and what agents do. It names no caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from wazo_busd.api import Panel, Row, Tone, Total

from ..tracking.host import on_host
from .agent import Agent
from .agents import Agents
from .line import Line, Lines
from .muster import State

_COLUMNS = ('queue', 'state', 'waiting', 'longest wait', 'logged in', 'paused', 'talking', 'answered', 'gave up')
_RANKS: dict[str, tuple[int, Tone]] = {'talking': (0, 'good'), 'paused': (1, 'busy'), 'ready': (2, '')}


def queues_panel(lines: Lines, counts: Mapping[State, int], at: float) -> Panel:
    """The queues, those in which somebody waits longest first.

    Args:
        lines: the queues.
        counts: how many agents are what in each queue.
        at: the time, in Unix seconds.
    """
    waits = {(line.origin, line.queue): line.longest_seconds(at) or 0.0 for line in lines}
    ranked = sorted(lines, key=lambda line: (not line.waiting, -waits[line.origin, line.queue], line.queue))
    longest = max(waits.values(), default=0.0)
    origins = {line.origin for line in ranked}
    waiting = sum(len(line.waiting) for line in ranked)
    return Panel(
        'Queues',
        _COLUMNS,
        [_queue(line, on_host(line.queue, line.origin, origins), counts, at) for line in ranked],
        (Total('waiting', waiting), Total('longest wait', timedelta(seconds=longest) if waiting else None)),
        empty='Nothing was heard of any queue yet.',
        place=30,
    )


def agents_panel(agents: Agents, at: float) -> Panel:
    """The agents who are logged in.

    Args:
        agents: all agents that are known.
        at: the time, in Unix seconds.
    """
    there = [(agent, _state(agent)) for agent in agents if agent.is_in and agent.memberships]
    there.sort(key=lambda each: (_RANKS[each[1]][0], _name(each[0])))
    count = Counter(state for _, state in there)
    return Panel(
        'Agents',
        ('agent', 'state', 'for', 'queues'),
        [_agent(agent, state, at) for agent, state in there],
        [Total(state, count[state]) for state in _RANKS],
        empty='Nobody is known to be logged in.',
        place=40,
    )


def _queue(line: Line, name: str, counts: Mapping[State, int], at: float) -> Row:
    longest = line.longest_seconds(at)
    agents = (counts.get((line.queue, state), 0) for state in ('logged_in', 'paused', 'talking'))
    words, tone = _queue_state(line)
    wait = None if longest is None else timedelta(seconds=max(0.0, longest))
    cells = (name, words, len(line.waiting), wait, *agents, line.answered, line.abandoned)
    return Row(cells, tone)


def _queue_state(line: Line) -> tuple[str, Tone]:
    if line.is_deserted:
        return 'nobody logged in', 'bad'
    if line.is_long:
        return 'many wait', 'bad'
    return ('somebody waits', 'busy') if line.waiting else ('calm', 'good')


def _agent(agent: Agent, state: str, at: float) -> Row:
    since = {'talking': agent.talked_at, 'paused': agent.pause_at, 'ready': agent.login_at}[state]
    lasting = timedelta(seconds=max(0.0, at - since)) if since else None
    return Row((_name(agent), state, lasting, ', '.join(agent.queues)), _RANKS[state][1])


def _state(agent: Agent) -> str:
    if agent.talking is not None:
        return 'talking'
    return 'paused' if agent.paused_queues else 'ready'


def _name(agent: Agent) -> str:
    known = agent.name or agent.member_name
    if agent.number and known and agent.number not in known:
        return f'{known} ({agent.number})'
    return known or agent.number or str(agent.ident)
