# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Queues: callers wait in them, give up, or are answered by an agent."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from wazo_busd.catalogue.publication import Publication
from wazo_busd.demo.day.agents import FREE, IN_USE, RINGING, member
from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.legs import NO_ANSWER, Leg, connect
from wazo_busd.demo.day.people import Agent, draw_outsider

_COURSES = ('patient', 'patient', 'not answered at first', 'impatient')
_LOOK_SECONDS = 1.0


def queue_call(host: Host) -> Story:
    """Somebody outside calls a queue."""
    course = host.deal('queue', _COURSES)
    name = host.rng.choice(list(host.queues))
    caller = _Caller(host, name)
    yield from caller.join()
    patience = host.rng.uniform(10, 40) if course == 'impatient' else host.rng.uniform(120, 300)
    misses = course == 'not answered at first'
    while True:
        yield _LOOK_SECONDS
        agent = caller.next_agent()
        if caller.waited >= patience:
            yield from caller.give_up()
            return
        if agent is None:
            continue
        leg = yield from caller.ring(agent)
        if course == 'impatient':
            yield from caller.give_up(agent, leg)
            return
        if not misses:
            yield from caller.talk(agent, leg)
            return
        misses = False
        yield from caller.ring_in_vain(agent, leg)


class _Caller:
    """Somebody in a queue.

    Args:
        host: the host.
        queue: the name of the queue.
    """

    def __init__(self, host: Host, queue: str) -> None:
        self._host = host
        self._queue = queue
        self._line = host.queues[queue]
        self._party = draw_outsider(host.rng)
        self._dialed = f'300{list(host.queues).index(queue) + 1}'
        self._leg = Leg(host, self._party, None, self._dialed, direction='inbound')
        self._channel = f'PJSIP/carrier-{host.rng.randrange(2**32):08x}'
        self._first_position = 0
        self._joined_at = 0
        self._called_at = host.clock.now

    @property
    def waited(self) -> int:
        """For how many seconds."""
        return self._host.clock.epoch - self._joined_at

    def join(self) -> Story:
        """They call, and wait."""
        yield self._leg.created()
        yield self._host.rng.uniform(0.5, 2)
        self._leg.up()
        yield self._leg.updated()
        self._line.append(self)
        self._joined_at = self._host.clock.epoch
        self._first_position = self._position
        yield self._say('QueueCallerJoin', Position=str(self._position), Count=str(len(self._line)))

    def next_agent(self) -> Agent | None:
        """An agent who can be called for them; `None` if there is none, or if others are first."""
        if self._position != 1:
            return None
        free = [agent for agent in self._host.agents if agent.is_free and self._queue in agent.queues]
        return self._host.rng.choice(free) if free else None

    def give_up(self, agent: Agent | None = None, leg: Leg | None = None) -> Story:
        """They hang up before anybody answers.

        Args:
            agent: the agent who is called for them, if one is.
            leg: the call of that agent.
        """
        gone = self._say(
            'QueueCallerAbandon',
            Position=str(self._position),
            OriginalPosition=str(self._first_position),
            HoldTime=str(self.waited),
        )
        left = self._leave()
        if agent is None or leg is None:
            yield from self._host.batch(gone, left)
        else:
            agent.is_called = False
            yield from self._host.batch(gone, left, *self._statuses(agent, FREE))
            yield leg.ended()
        yield self._leg.ended()

    def ring(self, agent: Agent) -> Generator[float | Publication, None, Leg]:
        """An agent is called for them; the result is the call of the agent."""
        agent.is_called = agent.person.is_busy = True
        self._called_at = self._host.clock.now
        leg = Leg(self._host, agent.person, self._party, self._dialed, conversation=self._leg, direction='inbound')
        state = {'DestChannelState': '0', 'DestChannelStateDesc': 'Down'}
        called = self._say('AgentCalled', **self._dest(agent, leg), **state)
        yield from self._host.batch(called, *self._statuses(agent, RINGING))
        yield leg.created()
        yield self._host.rng.uniform(2, 8)
        return leg

    def ring_in_vain(self, agent: Agent, leg: Leg) -> Story:
        """The agent who is called does not answer."""
        yield 8.0
        agent.is_called = False
        state = {'DestChannelState': '5', 'DestChannelStateDesc': 'Ringing'}
        missed = self._say('AgentRingNoAnswer', **self._dest(agent, leg), **state, RingTime=str(int(self._rung * 1000)))
        yield from self._host.batch(missed, *self._statuses(agent, FREE))
        yield leg.ended(NO_ANSWER)

    def talk(self, agent: Agent, leg: Leg) -> Story:
        """The agent who is called answers, and they talk."""
        clock = self._host.clock
        held, connected_at = str(self.waited), clock.epoch
        connect(self._leg, leg)
        connected = self._say('AgentConnect', **self._dest(agent, leg), RingTime=str(int(self._rung)), HoldTime=held)
        yield from self._host.batch(self._leave(), connected, *self._statuses(agent, IN_USE))
        yield from leg.picked_up()
        yield leg.updated()
        yield self._leg.updated()
        yield 15 + self._host.rng.expovariate(1 / 150)
        agent.is_called = False
        agent.calls_taken += 1
        agent.last_call = clock.epoch
        reason = self._host.rng.choice(['caller', 'agent'])
        completed = self._say(
            'AgentComplete',
            **self._dest(agent, leg),
            HoldTime=held,
            TalkTime=str(clock.epoch - connected_at),
            Reason=reason,
        )
        yield from self._host.batch(completed, *self._statuses(agent, FREE))
        yield leg.ended()
        yield self._leg.ended()

    @property
    def _rung(self) -> float:
        """For how many seconds the agent was called."""
        return (self._host.clock.now - self._called_at).total_seconds()

    @property
    def _position(self) -> int:
        return self._line.index(self) + 1

    def _leave(self) -> Publication:
        position = self._position
        self._line.remove(self)
        return self._say('QueueCallerLeave', Position=str(position), Count=str(len(self._line)))

    def _statuses(self, agent: Agent, status: int) -> list[Publication]:
        return [self._host.say_ami('QueueMemberStatus', member(agent, queue, status=status)) for queue in agent.queues]

    def _dest(self, agent: Agent, leg: Leg) -> dict[str, Any]:
        """What is said of the channel that calls the agent."""
        return {
            'DestChannel': f'Local/id-{agent.id}@agentcallback-{int(leg.call_id.partition(".")[2]):08x};1',
            'DestCallerIDNum': agent.person.number,
            'DestCallerIDName': agent.person.name,
            'DestConnectedLineNum': self._party.number,
            'DestConnectedLineName': self._party.name,
            'DestExten': f'id-{agent.id}',
            'DestUniqueid': leg.call_id,
            'DestLinkedid': self._leg.call_id,
            'MemberName': f'Agent/{agent.person.number}',
            'Interface': f'Local/id-{agent.id}@agentcallback',
        }

    def _say(self, name: str, **said: str) -> Publication:
        caller = {
            'Queue': self._queue,
            'Channel': self._channel,
            'CallerIDNum': self._party.number,
            'CallerIDName': self._party.name,
            'Uniqueid': self._leg.call_id,
            'Linkedid': self._leg.call_id,
            'ChanVariable': {'WAZO_USERUUID': '', 'XIVO_BASE_EXTEN': self._dialed, 'WAZO_DEREFERENCED_USERUUID': ''},
        }
        return self._host.say_ami(name, {**caller, **said})
