# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""How the queues are: of handlers, of those that were removed, and of what handlers gave up on."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping

from wazo_busd.amqp import Depth
from wazo_busd.config import BusConfig
from wazo_busd.doctor.finding import Finding, ok, problem, warning
from wazo_busd.topology import HandlerQueue, Hub

QUEUES, STALE, DEAD = 'queues', 'stale-queues', 'dead-letters'
_NEARLY_FULL = 0.8
_BEHIND = 1_000
_AT_REST = ('paused', 'resting', 'stopped', 'refused', 'broken', 'starting')
"""Handlers that take nothing, which the daemon says itself."""


def judge_handlers(
    wanted: Iterable[HandlerQueue], depths: Mapping[str, Depth | None], states: Mapping[str, str], bus: BusConfig
) -> Iterator[Finding]:
    """Whether each handler has its queue, one consumer, and room.

    Args:
        wanted: what the handlers ask for.
        depths: how the queues are, by name; those that were not looked at are not there.
        states: how the handlers fare, by name, as the daemon says; nothing where it does not run.
        bus: the broker.
    """
    found: list[Finding] = []
    without: list[str] = []
    number, waiting = 0, 0
    for each in wanted:
        if each.queue.name not in depths:
            continue
        number += 1
        depth = depths[each.queue.name]
        if depth is None:
            without.append(each.handler)
            continue
        waiting += depth.ready
        found += _of_depth(each, depth, states.get(each.handler, ''), bus)
    if without:
        text = f'{", ".join(without)}: there is no queue, and events are lost until the daemon has made it'
        cure = 'wazo-busd reload' if states else 'systemctl start wazo-busd'
        found.insert(0, problem(QUEUES, text, cure))
    yield from found
    if not found and number:
        yield ok(QUEUES, f'{_plural(number, "queue")} of handlers, {waiting} events wait in them')


def _of_depth(each: HandlerQueue, depth: Depth, state: str, bus: BusConfig) -> Iterator[Finding]:
    if depth.consumers > 1 and not each.has_single_consumer:
        text = f'{depth.consumers} consumers share the queue of {each.handler}: another daemon takes part of its events'
        cure = f'rabbitmqctl list_consumers -p {shlex.quote(bus.vhost)} queue_name channel_pid consumer_tag'
        # Who names several brokers has a cluster, and as a rule a second daemon that is meant.
        found = warning if len(bus.hosts) > 1 else problem
        meant = 'where two are meant, docs/two-hosts.md says what they need'
        yield found(QUEUES, text, f'{cure}; name another bus.namespace in one of both; {meant}')
    if state and not depth.consumers and state not in _AT_REST:
        text = f'nobody takes events out of the queue of {each.handler}, where {depth.ready} wait, though it is {state}'
        yield problem(QUEUES, text, 'systemctl restart wazo-busd')
    if depth.ready >= each.max_length * _NEARLY_FULL:
        text = f'{depth.ready} events wait for {each.handler}, and beyond {each.max_length} the oldest are dropped'
        yield problem(QUEUES, text, _hurry(each.handler, state))
    elif depth.ready >= _BEHIND:
        yield warning(QUEUES, f'{each.handler} is {depth.ready} events behind', _hurry(each.handler, state))


def _hurry(handler: str, state: str) -> str:
    """What to type where a handler in this state is behind."""
    if state == 'paused':
        return f'wazo-busd resume {handler}'
    if state in _AT_REST:
        return 'wazo-busd status'
    return 'wazo-busd top' if state else 'systemctl start wazo-busd'


def judge_dead(wanted: Iterable[HandlerQueue], depths: Mapping[str, Depth | None]) -> Iterator[Finding]:
    """Whether handlers gave up on events.

    Args:
        wanted: what the handlers ask for.
        depths: how the queues are, by name.
    """
    found = []
    for each in wanted:
        depth = depths.get(each.dead.name)
        if depth is None or not depth.ready:
            continue
        cure = f'wazo-busd dead list --handler {each.handler}'
        text = f'{each.handler} gave up on {_plural(depth.ready, "event")}'
        if depth.ready >= each.max_length * _NEARLY_FULL:
            text = f'{text}; beyond {each.max_length} it takes no events at all any more'
            found.append(problem(DEAD, text, cure))
        else:
            found.append(warning(DEAD, text, cure))
    yield from found
    if not found:
        yield ok(DEAD, 'no handler gave up on events')


def removed(known: Iterable[str], wanted: Iterable[HandlerQueue]) -> list[str]:
    """The queues that were bound once, of handlers that are not configured any more, or are off.

    Args:
        known: the queues that the ledger knows.
        wanted: what the handlers ask for.
    """
    names = {each.queue.name for each in wanted}
    return [name for name in known if name not in names]


def judge_removed(
    stale: Iterable[str],
    depths: Mapping[str, Depth | None],
    bound: Mapping[str, Iterable[str]],
    off: Iterable[str],
    bus: BusConfig,
) -> Iterator[Finding]:
    """Whether handlers that were removed have left queues.

    Args:
        stale: the queues of those handlers.
        depths: how the queues are, and those of their dead letters, by name.
        bound: what each of the queues is bound with still, as far as the ledger knows.
        off: the handlers that are configured and off.
        bus: the broker.
    """
    found = []
    for name in stale:
        handler = Hub(bus.namespace).handler_of(name)
        gone = 'is off' if handler in off else 'was removed'
        depth, dead = depths.get(name), depths.get(f'{name}.dead')
        if depth is not None:
            fills = ', and fills on: its bindings were not taken away' if list(bound.get(name, ())) else ''
            text = f'the handler {handler} {gone}, and its queue {name} is still there with {depth.ready} events{fills}'
            cure = f'wazo-busd queue delete {handler}'
            if fills:
                cure = f'systemctl restart wazo-busd, which unbinds it; or {cure}'
            # One that is off may be wanted again.
            found.append(warning(STALE, text, cure) if not fills else problem(STALE, text, cure))
        if dead is not None and dead.ready:
            text = f'the handler {handler} {gone}, and {_plural(dead.ready, "dead letter")} of it lie there for ever'
            cure = f'wazo-busd dead list --handler {handler}; then wazo-busd dead drop --handler {handler}'
            found.append(warning(STALE, text, cure))
    yield from found
    if not found:
        yield ok(STALE, 'no handler that was removed has left a queue, as far as the ledger knows')


def _plural(number: int, noun: str) -> str:
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'
