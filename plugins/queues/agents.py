# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The agents: who is logged in to which queue, is paused there, or talks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wazo_busd.api import Event

from ..tracking import Derivation, Shelf
from .agent import Agent, Membership
from .line import MEMORY_SECONDS, Lines
from .muster import AgentKey, Muster, State
from .reading import TOGETHER_SECONDS, agent_number_of, ident_of, second, text

_AGENTS = 5_000
_USERS = 4
_STATES = {'logged_in': True, 'logged_out': False}


class Agents:
    """What is known of those who answer the calls of queues.

    What changes is told two seconds later, once, when Asterisk has said it of each queue, and Wazo too.

    Args:
        lines: the queues.
    """

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._agents: Shelf[AgentKey, Agent] = Shelf(_AGENTS, MEMORY_SECONDS)
        self._changed: Shelf[AgentKey, None] = Shelf(_AGENTS, TOGETHER_SECONDS)
        self._muster = Muster()

    def __iter__(self) -> Iterator[Agent]:
        return self._agents.values()

    def counts(self) -> Mapping[State, int]:
        """How many are logged in, paused or talking in each queue; what nobody is, is left out."""
        return self._muster.counts(self._agents.get)

    def member(self, origin: str, queue: str, data: Mapping[str, Any], at: float, now: float) -> Agent | None:
        """Somebody whom a queue has, as Asterisk says of the state of a member, or as it calls them.

        Args:
            origin: the host.
            queue: the name of the queue.
            data: what Asterisk says.
            at: when that was, in Unix seconds.
            now: what time it is.

        Returns:
            The agent; `None` if it is not said who that is.
        """
        agent = self._of_member(origin, data, now)
        if agent is None:
            return None
        membership = agent.memberships.get(queue)
        if membership is None or not membership.is_in:
            if membership is not None and at <= membership.moved_at + TOGETHER_SECONDS:
                return agent  # They have gone, and this is of before.
            membership = self._reveal(agent, queue, data, at, now)
        paused = data.get('Paused')
        is_other = isinstance(paused, str) and membership.paused is not (paused == '1')
        # In one batch, what was so before a pause can be said after it.
        if is_other and at > membership.paused_at + TOGETHER_SECONDS:
            self._pause(agent, membership, paused == '1', data, at, now)
        if agent.talking is not None and agent.talking[0] == queue and data.get('InCall') == '0':
            agent.hush(at)
        return agent

    def add(self, origin: str, queue: str, data: Mapping[str, Any], at: float, now: float) -> None:
        """Somebody logs in to a queue; the arguments are those of `member`."""
        agent = self._of_member(origin, data, now)
        if agent is None:
            return
        membership = agent.memberships.get(queue)
        if membership is not None and at < membership.moved_at:
            return
        if membership is not None and membership.is_in:
            if at > membership.moved_at and agent.said_in:
                membership.doubled_at = at
            membership.moved_at = at
        else:
            self._join(agent, queue, Membership(True, at, data.get('Paused') == '1', at), at, now)
            if data.get('Paused') == '1':
                agent.reason = text(data.get('PausedReason'))
        self._move(agent, True, at, now)

    def remove(self, origin: str, queue: str, data: Mapping[str, Any], at: float, now: float) -> None:
        """Somebody logs out of a queue; the arguments are those of `member`."""
        agent = self._of_member(origin, data, now)
        if agent is None:
            return
        membership = agent.memberships.get(queue)
        if membership is None:
            # They were there before anybody looked, and so may others be.
            agent.join(queue, Membership(False, at))
            line = self._lines.of(origin, queue, now)
            line.surprised_at, line.has_had_members = now, True
        elif not membership.is_in or at < membership.moved_at:
            return
        elif membership.doubled_at is not None and at <= membership.doubled_at + TOGETHER_SECONDS:
            membership.doubled_at = None
            return
        elif agent.status and agent.changed_at is not None and at <= membership.moved_at + TOGETHER_SECONDS:
            return  # Wazo has just said that they have logged in, and this is of before.
        else:
            self._part(agent, queue, membership, at, now)
        if not any(each.is_in for each in agent.memberships.values()):
            self._move(agent, False if agent.is_whole or agent.began else None, at, now)

    def pause(self, origin: str, queue: str, data: Mapping[str, Any], at: float, now: float) -> None:
        """Somebody is paused in a queue, or is back; the arguments are those of `member`."""
        agent = self._of_member(origin, data, now) if data.get('Paused') in ('0', '1') else None
        if agent is not None:
            self._pause_in(agent, queue, data.get('Paused') == '1', data, at, now)

    def log(self, origin: str, ident: int | str, state: Any, event: Event, at: float, now: float) -> None:
        """Somebody logs in or out, as Wazo says.

        Args:
            origin: the host.
            ident: who.
            state: which of both.
            event: the event.
            at: when that was, in Unix seconds.
            now: what time it is.
        """
        is_in = _STATES.get(state) if isinstance(state, str) else None
        if is_in is None:
            return
        agent = self._known(origin, ident, event, now)
        if at < agent.moved_at and is_in is not agent.is_in:
            return
        if agent.is_in is not is_in or agent.changed_at is not None:
            agent.status = is_in
        # Which queues they are out of is seen when all has come: they may log in again at once.
        if agent.is_in is not is_in:
            self._move(agent, is_in, at, now)

    def pause_as_wazo_says(self, origin: str, ident: int, is_paused: bool, event: Event, at: float, now: float) -> None:
        """Somebody is paused, or is back, as Wazo says; the arguments are those of `log`."""
        agent = self._known(origin, ident, event, now)
        agent.number = agent.number or text(event.data.get('agent_number'))
        queue = text(event.data.get('queue'))
        for each in agent.queues if queue is None else [queue]:
            self._pause_in(agent, each, is_paused, {'PausedReason': event.data.get('paused_reason')}, at, now)

    def change_queue(self, origin: str, ident: int, event: Event, at: float, now: float) -> None:
        """Somebody logs in to or out of a single queue, as Wazo says, which does not say the queue's name."""
        self._known(origin, ident, event, now).queue_change_at = at

    def release(self, origin: str, queue: str, channel: str, data: Mapping[str, Any], at: float, now: float) -> None:
        """Somebody talks to a caller no longer."""
        agent = self._of_member(origin, data, now)
        if agent is not None and agent.talking == (queue, channel):
            agent.talk(None, at)

    def due(self) -> list[float | None]:
        """When there is something to do, in Unix seconds; `None` for what never is."""
        return [self._changed.oldest_at(), self._agents.oldest_at()]

    def tick(self, now: float) -> Iterator[Derivation]:
        """Let it be a time, in Unix seconds, and give what follows."""
        for key in sorted((key for key, _ in self._changed.expired(now)), key=str):
            if (agent := self._agents.get(key)) is not None:
                # Whoever is out by Wazo's word is in no queue.
                for queue in agent.queues if agent.is_in is False and agent.status is False else ():
                    self._part(agent, queue, agent.memberships[queue], agent.moved_at, now)
                yield from agent.settle()
        for _, agent in self._agents.expired(now):
            self._forget(agent, now)

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        return {
            'agents': [(at, agent.dump()) for at, _, agent in self._agents.dump()],
            'changed': [(at, key) for at, key, _ in self._changed.dump()],
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        for at, agent in ((at, Agent.load(each)) for at, each in said['agents']):
            self._agents.put((agent.origin, agent.ident), agent, at)
            self._muster.hear(agent)
        for at, (origin, ident) in said['changed']:
            self._changed.put((origin, ident), None, at)

    def _of_member(self, origin: str, data: Mapping[str, Any], now: float) -> Agent | None:
        interface = text(data.get('Interface')) or text(data.get('Location'))
        if interface is None:
            return None
        agent = self._of(origin, ident_of(interface), now)
        if agent.member_name is None:
            agent.member_name = text(data.get('MemberName'))
            agent.number = agent.number or agent_number_of(agent.member_name or '')
        return agent

    def _known(self, origin: str, ident: int | str, event: Event, now: float) -> Agent:
        agent = self._of(origin, ident, now)
        agent.user_uuids = tuple(filter(None, map(text, event.user_uuids[:_USERS]))) or agent.user_uuids
        agent.tenant_uuid = text(event.tenant_uuid) or agent.tenant_uuid
        return agent

    def _of(self, origin: str, ident: int | str, now: float) -> Agent:
        key = (origin, ident)
        agent = self._agents.touch(key, now)
        if agent is None:
            agent = Agent(origin, ident, agent_number_of(str(ident)))
            if (dropped := self._agents.put(key, agent, now)) is not None:
                self._forget(dropped, now)
            self._muster.hear(agent)
        elif agent.is_counted:
            self._muster.hear(agent)
        return agent

    def _reveal(self, agent: Agent, queue: str, data: Mapping[str, Any], at: float, now: float) -> Membership:
        """They are in a queue, though they were not seen to come."""
        membership = Membership(True, at)
        self._join(agent, queue, membership, at, now)
        self._lines.of(agent.origin, queue, now).surprised_at = now
        if agent.said_in is not True and not agent.began and agent.login_at is None:
            agent.login_at = second(data.get('LoginTime'), at)
        if not agent.is_in:
            agent.is_in, agent.moved_at = True, at
        self._change(agent, at, now)
        return membership

    def _join(self, agent: Agent, queue: str, membership: Membership, at: float, now: float) -> None:
        forgotten = agent.join(queue, membership)
        line = self._lines.of(agent.origin, queue, now)
        line.members.add(agent.ident)
        line.has_had_members = line.is_asked = True
        self._lines.change(line, at, now)
        if forgotten is not None:
            self._lines.of(agent.origin, forgotten, now).members.discard(agent.ident)

    def _part(self, agent: Agent, queue: str, membership: Membership, at: float, now: float) -> None:
        membership.is_in = membership.paused = False
        membership.moved_at, membership.doubled_at = at, None
        agent.gone.append(queue)
        line = self._lines.of(agent.origin, queue, now)
        line.members.discard(agent.ident)
        line.is_asked = True
        self._lines.change(line, at, now)
        self._change(agent, at, now)

    def _move(self, agent: Agent, is_in: bool | None, at: float, now: float) -> None:
        if is_in and not agent.said_in:
            agent.began = True
        if agent.is_in is not is_in:
            agent.is_in, agent.moved_at = is_in, at
        if not is_in:
            agent.talking = None
        self._change(agent, at, now)

    def _pause_in(
        self, agent: Agent, queue: str, is_paused: bool, data: Mapping[str, Any], at: float, now: float
    ) -> None:
        membership = agent.memberships.get(queue)
        if membership is None or not membership.is_in:
            if membership is not None and at <= membership.moved_at + TOGETHER_SECONDS:
                return
            membership = self._reveal(agent, queue, data, at, now)
        if at < membership.paused_at or (membership.paused is is_paused and membership.paused_at):
            return
        agent.paused_now = True
        self._pause(agent, membership, is_paused, data, at, now)

    def _pause(
        self, agent: Agent, membership: Membership, is_paused: bool, data: Mapping[str, Any], at: float, now: float
    ) -> None:
        membership.paused, membership.paused_at = is_paused, at
        if is_paused:
            agent.reason = text(data.get('PausedReason')) or text(data.get('Reason')) or agent.reason
        if agent.said_paused is None and agent.pause_at is None:
            agent.pause_at = second(data.get('LastPause'), at)
        self._change(agent, at, now)

    def _change(self, agent: Agent, at: float, now: float) -> None:
        agent.changed_at = at if agent.changed_at is None else min(agent.changed_at, at)
        key = (agent.origin, agent.ident)
        if key not in self._changed:
            self._changed.put(key, None, now)

    def _forget(self, agent: Agent, now: float) -> None:
        self._muster.forget((agent.origin, agent.ident))
        for queue in agent.queues:
            line = self._lines.of(agent.origin, queue, now)
            line.members.discard(agent.ident)
            line.surprised_at = now
