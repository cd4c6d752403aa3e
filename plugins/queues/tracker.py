# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of queues: hands each event to what it is about, and lets time pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from wazo_busd.api import Event, Figure, Panel

from ..tracking import Derivation, Tracker
from ..tracking.boot import started_at
from .agent import Agent
from .agents import Agents
from .board import agents_panel, queues_panel
from .callers import Callers
from .figures import figures
from .line import Line, Lines
from .options import GROUP, QueuesOptions
from .reading import TOGETHER_SECONDS, number, text
from .wait import Ending, Key, Wait

_NOTHING: tuple[Derivation, ...] = ()
_ORIGIN_LETTERS = 64

Found = Iterable[Derivation]
Take = Callable[[Event, Mapping[str, Any], str, float], Found]
Note = Callable[[str, str, Mapping[str, Any], float, float], object]


class QueueTracker(Tracker):
    """Callers, queues and agents of all hosts on the bus.

    Args:
        options: what is asked of queues, and how much is remembered.
    """

    def __init__(self, options: QueuesOptions) -> None:
        self._watches = options.watches
        self._stale_seconds = options.stale_after
        self._now = 0.0
        # No part has anything to do before that, but for who has waited too long.
        self._rest_until = math.inf
        self._lines = Lines(options)
        self._callers = Callers(options, self._lines)
        self._agents = Agents(self._lines)
        self._takes: Mapping[str, Take] = {
            'QueueMemberStatus': self._of_queue(self._agents.member),
            'QueueMemberPenalty': self._of_queue(self._agents.member),
            'QueueMemberAdded': self._of_queue(self._agents.add),
            'QueueMemberRemoved': self._of_queue(self._agents.remove),
            'QueueMemberPause': self._of_queue(self._agents.pause),
            'QueueCallerJoin': self._join,
            'QueueCallerLeave': self._leave,
            'QueueCallerAbandon': self._abandon,
            'AgentCalled': self._called,
            'AgentConnect': self._connect,
            'AgentComplete': self._complete,
            'AgentRingNoAnswer': self._ring_no_answer,
            'AgentDump': self._dumped,
            'AgentLogin': self._pool,
            'AgentLogoff': self._pool,
            'FullyBooted': self._booted,
            'agent_status_update': self._status,
            'agent_paused': self._paused,
            'agent_unpaused': self._paused,
            'user_agent_queue_logged_in': self._change_queue,
            'user_agent_queue_logged_off': self._change_queue,
        }

    def feed(self, event: Event, at: float) -> Found:
        """Take an event."""
        take = self._takes.get(event.name)
        data = event.data
        if take is None or not isinstance(data, Mapping):
            return _NOTHING
        if at > self._now:
            self._now = at
        # All that an event brings about takes as long, or longer; to ask each part anew would cost more than to look.
        if self._rest_until > self._now + TOGETHER_SECONDS:
            self._rest_until = self._now + TOGETHER_SECONDS
        origin = event.origin_uuid or ''
        return take(event, data, origin[:_ORIGIN_LETTERS], at)

    def tick(self, at: float) -> Found:
        """Let it be a time."""
        found: list[Derivation] = []
        # One thing after the other, as if somebody had looked at each moment.
        while (due := self._first_due()) is not None and due <= at:
            self._now = now = max(self._now, due)
            found += self._agents.tick(now)
            found += self._callers.tick(now)
            for line in self._lines.settled(now):
                self._callers.heal(line, now)
                found += self._lines.judge(line, self.since)
        self._rest_until = math.inf if due is None else due
        return found

    def due(self) -> float | None:
        """When `tick` has something to do."""
        due = self._callers.next_limit()
        due = self._rest_until if due is None else min(due, self._rest_until)
        return None if due == math.inf else due

    def dump(self) -> dict[str, Any]:
        """All that it knows."""
        return {
            'lines': self._lines.dump(),
            'callers': self._callers.dump(),
            'agents': self._agents.dump(),
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        # Not a time that was kept by itself: a clock that was ahead would make all that comes now too old.
        kept = (at for part in ('lines', 'agents') for at, _ in said[part][part])
        self._now = max(kept, default=0.0)
        self._lines.load(said['lines'])
        self._callers.load(said['callers'], self._now)
        self._agents.load(said['agents'])
        due = self._first_due()
        self._rest_until = math.inf if due is None else due

    def figures(self, at: float) -> Iterable[Figure]:
        """How many wait and for how long, what became of the others, and who is there for them."""
        return figures(self._lines, self._agents, at)

    def panels(self, at: float) -> Iterable[Panel]:
        """The queues and the agents."""
        return queues_panel(self._lines, self._agents.counts(), at), agents_panel(self._agents, at)

    def _first_due(self) -> float | None:
        dues = [*self._callers.due(), *self._lines.due(), *self._agents.due()]
        return min((at for at in dues if at is not None), default=None)

    # ---- callers

    def _join(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        place = self._place(origin, data, at)
        return _NOTHING if place is None else list(self._callers.join(*place, data, at, self._now))

    def _leave(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        def note(wait: Wait) -> None:
            wait.describe(data)
            line.count(number(data.get('Count')), self._now)

        place = self._place(origin, data, at)
        if place is None:
            return _NOTHING
        line = place[1]
        return self._end(place, 'left', note, at)

    def _abandon(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        def note(wait: Wait) -> None:
            wait.describe(data)
            wait.hold_seconds = number(data.get('HoldTime'))
            wait.position = _first(number(data.get('Position')), wait.position)
            wait.original_position = _first(number(data.get('OriginalPosition')), wait.original_position)

        place = self._place(origin, data, at)
        return _NOTHING if place is None else self._end(place, 'abandoned', note, at)

    def _called(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        place = self._place(origin, data, at)
        if place is not None:
            self._callers.ring(*place, data, at, self._now)
            self._agents.member(origin, place[1].queue, data, at, self._now)
        return _NOTHING

    def _ring_no_answer(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        place = self._place(origin, data, at)
        if place is not None:
            key, line = place
            wait = self._callers.ring(key, line, data, at, self._now)
            if wait is not None and wait.ring_in_vain(text(data.get('DestUniqueid')) or ''):
                line.in_vain += 1
            self._agents.member(origin, line.queue, data, at, self._now)
        return _NOTHING

    def _dumped(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        place = self._place(origin, data, at)
        if place is not None:
            key, line = place
            self._callers.ring(key, line, data, at, self._now)
            self._agents.release(origin, line.queue, str(key[2]), data, at, self._now)
        return _NOTHING

    def _connect(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        def note(wait: Wait) -> None:
            agent = self._note_talk(wait, data, origin, at)
            if agent is not None and not self._callers.is_completed(key):
                agent.talk((key[1], str(key[2])), at)

        place = self._place(origin, data, at)
        if place is None:
            return _NOTHING
        key = place[0]
        return self._end(place, 'connected', note, at)

    def _complete(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        def note(wait: Wait) -> None:
            line.talk_seconds += talked
            if not wait.connected:
                self._note_talk(wait, data, origin, at)

        place = self._place(origin, data, at)
        if place is None:
            return _NOTHING
        key, line = place
        talked = number(data.get('TalkTime')) or 0
        self._agents.release(origin, line.queue, str(key[2]), data, at, self._now)
        is_new = self._callers.complete(key, self._now)
        if is_new is not None:
            line.talk_seconds += talked if is_new else 0
            return _NOTHING
        if talked + (number(data.get('HoldTime')) or 0) >= self._stale_seconds:
            # It may have been told, and forgotten since.
            return _NOTHING
        return self._end(place, 'completed', note, at)

    def _end(self, place: tuple[Key, Line], ending: Ending, note: Callable[[Wait], None], at: float) -> Found:
        return list(self._callers.end(*place, ending, note, at, self._now))

    def _note_talk(self, wait: Wait, data: Mapping[str, Any], origin: str, at: float) -> Agent | None:
        wait.describe(data)
        wait.agent_rung = True
        wait.hold_seconds = number(data.get('HoldTime'))
        wait.ring_seconds = _first(number(data.get('RingTime')), wait.ring_seconds)
        name = text(data.get('DestCallerIDName'))
        agent = self._agents.member(origin, wait.key[1], data, at, self._now)
        if agent is not None:
            agent.name = name or agent.name
            wait.agent = (agent.ident if isinstance(agent.ident, int) else None, agent.number, agent.name)
        return agent

    def _place(self, origin: str, data: Mapping[str, Any], at: float) -> tuple[Key, Line] | None:
        """Who it is about, and where; `None` if that is not said, not watched, or so old that it may have been told."""
        queue, channel = text(data.get('Queue')), text(data.get('Uniqueid'))
        if queue is None or channel is None or at <= self._now - self._callers.memory_seconds:
            return None
        if queue[:4] == GROUP and not self._watches(queue):
            return None
        return (origin, queue, channel), self._lines.of(origin, queue, self._now)

    # ---- agents

    def _booted(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        """Nobody waits, or talks, since before a start of Asterisk."""
        since = started_at(event, at)
        if since is not None:
            self._callers.forget_before(origin, since, self._now)
            for agent in self._agents:
                if agent.origin == origin and agent.talked_at < since:
                    agent.talk(None, since)
        return _NOTHING

    def _of_queue(self, note: Note) -> Take:
        def take(event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
            queue = text(data.get('Queue'))
            if queue is not None and (queue[:4] != GROUP or self._watches(queue)):
                note(origin, queue, data, at, self._now)
            return _NOTHING

        return take

    def _pool(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        agent = text(data.get('Agent'))
        if agent is not None:
            state = 'logged_in' if event.name == 'AgentLogin' else 'logged_out'
            self._agents.log(origin, f'Agent/{agent}', state, event, at, self._now)
        return _NOTHING

    def _status(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        ident = number(data.get('agent_id'), 10**9)
        if ident is not None:
            self._agents.log(origin, ident, data.get('status'), event, at, self._now)
        return _NOTHING

    def _paused(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        ident, queue = number(data.get('agent_id'), 10**9), text(data.get('queue'))
        if ident is not None and (queue is None or self._watches(queue)):
            self._agents.pause_as_wazo_says(origin, ident, event.name == 'agent_paused', event, at, self._now)
        return _NOTHING

    def _change_queue(self, event: Event, data: Mapping[str, Any], origin: str, at: float) -> Found:
        ident = number(data.get('agent_id'), 10**9)
        if ident is not None:
            self._agents.change_queue(origin, ident, event, at, self._now)
        return _NOTHING


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one
