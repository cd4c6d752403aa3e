# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Agents: they log in, pause, change queues, and log off."""

from __future__ import annotations

from typing import Any

from wazo_busd.catalogue.publication import Publication
from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import Agent

_REASONS = ('lunch', 'coffee', 'training', '')
_HOUR_SECONDS = 3600


def shift(host: Host) -> Story:
    """An agent's day at work."""
    agent = next((each for each in host.agents if not each.queues), None)
    if agent is None:
        return
    yield from _log_in(host, agent)
    ends_at = host.clock.epoch + host.rng.uniform(7, 9) * _HOUR_SECONDS
    # The first coffee is soon; the others come with the hours.
    yield host.rng.uniform(90, 240)
    yield from _pause(host, agent)
    yield host.rng.uniform(30, 120)
    yield from _change_queue(host, agent)
    while host.clock.epoch < ends_at:
        yield host.rng.uniform(0.7, 2) * _HOUR_SECONDS
        yield from _pause(host, agent)
    yield from _until_free(agent)
    yield from _log_off(host, agent)


def member(agent: Agent, queue: str, *, status: int | None = None) -> dict[str, Any]:
    """What Asterisk says of an agent as the member of a queue.

    Args:
        agent: the agent.
        queue: the name of the queue.
        status: the state of the device; what the agent is doing decides if `None`.
    """
    in_use = agent.is_called or agent.person.is_busy
    return {
        'Queue': queue,
        'MemberName': f'Agent/{agent.person.number}',
        'Interface': f'Local/id-{agent.id}@agentcallback',
        'StateInterface': f'PJSIP/{agent.person.endpoint}',
        'CallsTaken': str(agent.calls_taken),
        'LastCall': str(agent.last_call),
        'LastPause': str(agent.last_pause),
        'LoginTime': str(agent.login_time),
        'InCall': '1' if agent.is_called and status == IN_USE else '0',
        'Status': str(status if status is not None else IN_USE if in_use else FREE),
        'Paused': '0' if agent.paused_reason is None else '1',
        'PausedReason': agent.paused_reason or '',
        'Skills': f'agent-{agent.id}',
    }


FREE, IN_USE, RINGING = 1, 2, 6


def _log_in(host: Host, agent: Agent) -> Story:
    agent.queues = list(host.queues)
    agent.calls_taken = agent.last_call = agent.last_pause = 0
    agent.login_time = host.clock.epoch
    yield from host.batch(*(_member(host, 'QueueMemberAdded', agent, queue) for queue in agent.queues))
    yield _status(host, agent, 'logged_in')


def _log_off(host: Host, agent: Agent) -> Story:
    left, agent.queues = agent.queues, []
    yield from host.batch(*(_member(host, 'QueueMemberRemoved', agent, queue) for queue in left))
    yield _status(host, agent, 'logged_out')


def _pause(host: Host, agent: Agent) -> Story:
    yield from _until_free(agent)
    agent.paused_reason = host.rng.choice(_REASONS)
    agent.last_pause = host.clock.epoch
    yield from _paused(host, agent)
    yield host.rng.uniform(60, 900)
    agent.paused_reason = None
    yield from _paused(host, agent)


def _paused(host: Host, agent: Agent) -> Story:
    """That an agent pauses or is back is said for each of the queues, by Asterisk and, today, by Wazo."""
    yield from host.batch(*(_member(host, 'QueueMemberPause', agent, queue) for queue in agent.queues))
    if not host.is_today:
        return
    is_paused = agent.paused_reason is not None
    for queue in agent.queues:
        yield host.say(
            'agent_paused' if is_paused else 'agent_unpaused',
            {
                'agent_id': agent.id,
                'agent_number': agent.person.number,
                'paused': is_paused,
                'paused_reason': agent.paused_reason or '',
                'queue': queue,
            },
            users=[agent.person.uuid],
        )


def _change_queue(host: Host, agent: Agent) -> Story:
    """An agent leaves one of the queues for a while; hosts of 2019 have that of Asterisk alone."""
    yield from _until_free(agent)
    queue = agent.queues.pop()
    yield _member(host, 'QueueMemberRemoved', agent, queue)
    yield from _logged(host, agent, queue, 'logged_off')
    yield host.rng.uniform(30, 300)
    agent.queues.append(queue)
    yield _member(host, 'QueueMemberAdded', agent, queue)
    yield from _logged(host, agent, queue, 'logged_in')


def _logged(host: Host, agent: Agent, queue: str, what: str) -> Story:
    if host.is_today:
        said = {'agent_id': agent.id, 'queue_id': list(host.queues).index(queue) + 1}
        yield host.say(f'user_agent_queue_{what}', said, users=[agent.person.uuid])


def _until_free(agent: Agent) -> Story:
    while agent.is_called or agent.person.is_busy:
        yield 5.0


def _status(host: Host, agent: Agent, status: str) -> Publication:
    said = {'agent_id': agent.id, 'status': status}
    return host.say('agent_status_update', said, users=[agent.person.uuid])


def _member(host: Host, name: str, agent: Agent, queue: str) -> Publication:
    said = member(agent, queue)
    if name == 'QueueMemberPause':
        said['Reason'] = said['PausedReason']
    return host.say_ami(name, said)
