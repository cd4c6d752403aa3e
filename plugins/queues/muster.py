# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The muster: how many agents of each queue are logged in, paused or talking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from .agent import Agent

AgentKey = tuple[str, int | str]

State = tuple[str, str]
"""The queue, and what an agent is in it."""


class Muster:
    """Counts agents, when it is asked, and only those anew of whom something was heard since it was asked last."""

    def __init__(self) -> None:
        self._heard: set[AgentKey] = set()
        self._states: dict[AgentKey, tuple[State, ...]] = {}
        self._counts: Counter[State] = Counter()

    def hear(self, agent: Agent) -> None:
        """Note that something of an agent can be another than when they were counted."""
        agent.is_counted = False
        self._heard.add((agent.origin, agent.ident))

    def forget(self, key: AgentKey) -> None:
        """Count an agent no longer."""
        self._heard.discard(key)
        for state in self._states.pop(key, ()):
            self._counts[state] -= 1
            if not self._counts[state]:
                del self._counts[state]

    def counts(self, find: Callable[[AgentKey], Agent | None]) -> Mapping[State, int]:
        """How many are what, in which queue; what nobody is, is left out.

        Args:
            find: gives an agent.
        """
        heard, self._heard = self._heard, set()
        for key in heard:
            self.forget(key)
            agent = find(key)
            if agent is not None:
                agent.is_counted = True
                self._states[key] = states = tuple(_states_of(agent))
                self._counts.update(states)
        return self._counts


def _states_of(agent: Agent) -> Iterator[State]:
    for queue in agent.queues:
        yield queue, 'logged_in'
    for queue in agent.paused_queues:
        yield queue, 'paused'
    if agent.talking is not None:
        yield agent.talking[0], 'talking'
