# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether queues are bound with what nobody asked for. AMQP tells nobody the bindings of a queue.

So this knows what the ledger has written down, and what arrives: an event that no binding of the handler's own lets
through, and no match of it takes, has come by another one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wazo_busd.config import BusConfig
from wazo_busd.doctor.finding import Finding, ok, problem, warning
from wazo_busd.event import Event
from wazo_busd.handler import Handler
from wazo_busd.match import Match, is_name
from wazo_busd.patterns import Matcher
from wazo_busd.topology import HandlerQueue

CHECK = 'bindings'
_SLACK, _SLACK_SHARE = 2, 0.2
"""What the two ways of counting may differ by: they do not begin and end at the same moment."""
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What came to a handler and was not for it.

    Attributes:
        handler: its name.
        queue: its queue.
        since_start: how many events since it was begun.
        meanwhile: how many of them while the doctor listened.
        expected: how many came meanwhile by its own bindings, and bore another name, or were of another tenant.
        is_clear: whether its own bindings let nothing through that it does not take.
    """

    handler: str
    queue: str
    since_start: int
    meanwhile: int
    expected: int
    is_clear: bool


def judge_ledger(
    wanted: Iterable[HandlerQueue], bound: Mapping[str, set[str]], there: Iterable[str], *, runs: bool
) -> Iterator[Finding]:
    """Whether the queues are bound with what the configuration asks for, as far as the ledger knows.

    Args:
        wanted: what the handlers ask for.
        bound: what each queue was bound with, by the ledger; nothing of those that it does not know.
        there: the queues that are there.
        runs: whether the daemon runs.
    """
    cure = 'wazo-busd reload' if runs else 'systemctl start wazo-busd'
    names = set(there)
    for each in wanted:
        patterns = bound.get(each.queue.name, set())
        if not patterns or each.queue.name not in names:
            continue
        more, less = sorted(patterns - set(each.patterns)), sorted(set(each.patterns) - patterns)
        if more:
            text = f'the queue of {each.handler} is bound with {_few(more)}, which its match does not ask for any more'
            yield warning(CHECK, text, cure)
        if less:
            yield problem(
                CHECK, f'the queue of {each.handler} is not bound with {_few(less)}, which its match asks for', cure
            )


def arrivals(
    handlers: Iterable[Handler],
    queues: Mapping[str, str],
    before: Mapping[str, int],
    after: Mapping[str, int],
    sample: Iterable[Event],
    weight: float = 1.0,
) -> list[Arrivals]:
    """What came to the handlers and was not for them.

    Args:
        handlers: the handlers.
        queues: their queues, by handler.
        before: how many events were not for each, when the doctor began to listen.
        after: how many when it ended.
        sample: what came to the hub meanwhile.
        weight: how many events each of those stands for.
    """
    heard = list(sample)
    found = []
    for handler in handlers:
        if handler.name in before and handler.name in after:
            own = Matcher(handler.match.bindings)
            came = sum(own.matches(each.routing_key) and not _takes(handler, each) for each in heard)
            # Of one that was begun anew it is counted from the beginning.
            meanwhile = max(after[handler.name] - before[handler.name], 0)
            found.append(
                Arrivals(
                    handler.name,
                    queues[handler.name],
                    after[handler.name],
                    meanwhile,
                    round(came * weight),
                    handler.filter.is_open
                    and not any(map(is_name, handler.match.items))
                    and any(len(handler.plugin.methods) == 1 or not each.match for each in handler.plugin.methods),
                )
            )
    return found


def _takes(handler: Handler, event: Event) -> bool:
    """Whether it is for one of the plugin's methods."""
    if not handler.match.takes(event) or not handler.filter.lets(event):
        return False
    methods = handler.plugin.methods
    return len(methods) == 1 or any(not each.match or Match(each.match).takes(event) for each in methods)


def judge_arrivals(found: Iterable[Arrivals], bus: BusConfig) -> Iterator[Finding]:
    """Whether events come that nobody asked for.

    Args:
        found: what came and was not for its handler.
        bus: the broker.
    """
    for each in found:
        vhost = shlex.quote(bus.vhost)
        listing = (
            f'rabbitmqctl list_bindings -p {vhost} source_name destination_name routing_key | grep -w {each.queue}'
        )
        cure = f'{listing}; when it is empty: rabbitmqctl delete_queue -p {vhost} {each.queue}, which is made anew'
        if each.meanwhile > each.expected + max(_SLACK, each.expected * _SLACK_SHARE):
            text = (
                f'{each.meanwhile} events came to {each.handler} meanwhile that it does not take, and its own bindings '
                f'let {each.expected} of such through: its queue has bindings that nobody asked for'
            )
            yield problem(CHECK, text, cure)
        elif each.is_clear and each.since_start:
            text = (
                f'{each.since_start} events came to {each.handler} since it was begun that its match does not ask for, '
                'by a binding that is gone or that nobody asked for'
            )
            yield warning(CHECK, text, cure)


def all_well(*, runs: bool, has_ledger: bool) -> Finding:
    """That no such binding was found, and what that is known by.

    Args:
        runs: whether the daemon was asked.
        has_ledger: whether there is a ledger of this broker.
    """
    known = [*(['the ledger'] if has_ledger else []), *(['what arrives'] if runs else [])]
    if not known:
        return ok(CHECK, 'not known: there is no ledger of this broker yet, and no daemon that counts what arrives')
    return ok(CHECK, f'nobody has bound more than was asked for, by {" and ".join(known)}')


def _few(patterns: list[str]) -> str:
    more = len(patterns) - _SHOWN
    return ', '.join(patterns[:_SHOWN]) + (f' and {more} more' if more > 0 else '')
