# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The figures of queues, for whoever measures the host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from operator import add, attrgetter

from wazo_busd.api import Figure

from .agents import Agents
from .line import Line, Lines

_TOTALS = (
    ('joined', 'joined', 'Callers who came.'),
    ('answered', 'answered', 'Callers whom an agent answered.'),
    ('abandoned', 'abandoned', 'Callers who gave up, or whom the queue sent away.'),
    ('left', 'left', 'Callers who went in another way, or of whom the end is not known.'),
    ('sla_missed', 'sla_missed', 'Callers who waited longer than answer_within.'),
    ('in_vain', 'ring_no_answers', 'Calls to agents that they did not answer.'),
    ('talk_seconds', 'talk_seconds', 'For how long agents talked to callers, in seconds.'),
)

_values: Callable[[Line], tuple[int, ...]] = attrgetter(*(name for name, _, _ in _TOTALS))


def figures(lines: Lines, agents: Agents, at: float) -> Iterator[Figure]:
    """What is known of queues, by their names; queues of the same name on several hosts are taken together.

    Args:
        lines: the queues.
        agents: who answers their calls.
        at: the time, in Unix seconds.
    """
    waiting: Counter[tuple[str, ...]] = Counter()
    longest: dict[tuple[str, ...], float] = {}
    totals: dict[tuple[str, ...], tuple[int, ...]] = {}
    for line in lines:
        key = (line.queue,)
        waiting[key] += len(line.waiting)
        longest[key] = max(longest.get(key, 0.0), line.longest_seconds(at) or 0.0)
        values, others = _values(line), totals.get(key)
        totals[key] = values if others is None else tuple(map(add, values, others))
    by_queue = ('queue',)
    yield Figure('wazo_busd_queues_waiting', 'Callers who wait now.', 'gauge', by_queue, waiting)
    meaning = 'For how long the one has waited who waits longest now.'
    yield Figure('wazo_busd_queues_longest_wait_seconds', meaning, 'gauge', by_queue, longest)
    for place, (_, word, meaning) in enumerate(_TOTALS):
        of_word = {key: values[place] for key, values in totals.items()}
        yield Figure(f'wazo_busd_queues_{word}_total', meaning, 'counter', by_queue, of_word)
    yield _of_agents(lines, agents)


def _of_agents(lines: Lines, agents: Agents) -> Figure:
    states = ('logged_in', 'paused', 'talking')
    found: Counter[tuple[str, ...]] = Counter({(line.queue, state): 0 for line in lines for state in states})
    found.update(agents.counts())
    return Figure('wazo_busd_queues_agents', 'Agents who are there now.', 'gauge', ('queue', 'state'), found)
