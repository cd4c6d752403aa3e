# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether what moves on the bus reaches the hub, and whether AMI floods the handlers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from wazo_busd import catalogue
from wazo_busd.config import quoted
from wazo_busd.doctor.finding import Finding, ok, problem, warning
from wazo_busd.event import Event
from wazo_busd.handler import Handler
from wazo_busd.patterns import includes
from wazo_busd.topology import Exchange

HUB, BUS, AMI = 'hub', 'bus', 'ami'
_LEAST_SHARE = 0.5
_ENOUGH = 20
"""From so many events on it is no chance that half of them are missing."""
_FLOOD_A_SECOND = 20.0
_BEHIND = 1_000
_SHOWN = 3
_LOOKED_UP = 10
_AMI_KEY = 'ami.'


@dataclass(frozen=True, slots=True)
class Flow:
    """What came in a while.

    Attributes:
        seconds: for how long it was listened.
        upstream: how many events came on each exchange of Wazo.
        hub: how many of those came to the hub, by exchange.
    """

    seconds: float
    upstream: Mapping[str, int]
    hub: Mapping[str, int]


def judge_missing(missing: Iterable[Exchange], hub: str, *, runs: bool) -> Iterator[Finding]:
    """Whether the exchanges are there.

    Args:
        missing: those that are not.
        hub: the name of the hub.
        runs: whether the daemon runs.
    """
    names = [each.name for each in missing]
    own = [name for name in names if name == hub or name.startswith(f'{hub}.')]
    start = 'systemctl restart wazo-busd' if runs else 'systemctl start wazo-busd'
    if hub in own:
        yield problem(HUB, f'there is no exchange {hub}: the daemon, which makes it, was never here', start)
    elif own:
        yield problem(HUB, f'of the exchanges of the daemon these are not there: {", ".join(own)}', start)
    for name in (each for each in names if each not in own):
        text = f'there is no exchange {name}: nothing that services publish there is heard; another vhost may have it'
        yield warning(HUB, text, 'rabbitmqctl list_vhosts; wazo-service start')


def judge_hub(flow: Flow, hub: str, *, runs: bool) -> Iterator[Finding]:
    """Whether the bus moves, and the hub with it.

    Args:
        flow: what came.
        hub: the name of the hub.
        runs: whether the daemon runs, which binds the hub every few seconds.
    """
    cure = 'systemctl restart wazo-busd; journalctl -u wazo-busd -n 50' if runs else 'systemctl start wazo-busd'
    lost = []
    for exchange, number in flow.upstream.items():
        came = flow.hub.get(exchange, 0)
        told = f'{exchange} moves ({_events(number)} in {flow.seconds:.0f} s), and'
        if not came:
            why = 'the hub is not bound to it' if not runs else 'the hub is not bound to it, though the daemon runs'
            lost.append(problem(HUB, f'{told} nothing of that reaches the hub {hub}: {why}', cure))
        elif number >= _ENOUGH and came < number * _LEAST_SHARE:
            lost.append(problem(HUB, f'{told} only {came} of those reach the hub {hub}', cure))
    yield from lost
    if lost:
        return
    if not flow.upstream:
        text = (
            f'nothing was published in {flow.seconds:.0f} s on xivo or wazo-headers: a quiet host, another vhost or '
            'broker than that of the services, or somebody who publishes elsewhere'
        )
        listen = 'wazo-busd doctor --listen 60s'
        yield warning(
            BUS, text, f'{listen}; if that hears nothing either: rabbitmqctl list_connections vhost user peer_host'
        )
        return
    shares = ', '.join(f'{name} {_events(number)}' for name, number in flow.upstream.items())
    yield ok(HUB, f'the hub hears what moves: {shares} in {flow.seconds:.0f} s')


@dataclass(frozen=True, slots=True)
class Flood:
    """What a handler gets of AMI.

    Attributes:
        handler: its name.
        per_second: how many events of AMI it takes.
        share: what part of all that it takes they are, from 0 to 1.
        names: which they are, the most frequent first.
        patterns: what of its match takes them.
        ready: how many events wait in its queue.
    """

    handler: str
    per_second: float
    share: float
    names: tuple[str, ...]
    patterns: tuple[str, ...]
    ready: int


def floods(
    handlers: Iterable[Handler], sample: Iterable[Event], weight: float, seconds: float, ready: Mapping[str, int]
) -> list[Flood]:
    """What each handler that takes events of AMI gets of it.

    Args:
        handlers: the handlers.
        sample: events as they came.
        weight: how many events each of them stands for.
        seconds: in which time they came.
        ready: how many events wait for each handler.
    """
    found = []
    kept = list(sample)
    for handler in handlers:
        taken = [each for each in kept if handler.match.takes(each)]
        ami = [each for each in taken if is_ami(each)]
        wide = tuple(each for each in handler.match.items if includes(each, 'ami.*'))
        if ami or wide:
            # Only names of the catalogue are told: what comes over the bus may call itself anything.
            names = [name for name, _ in Counter(each.name for each in ami).most_common(_LOOKED_UP)]
            per_second = len(ami) * weight / seconds if seconds else 0.0
            found.append(
                Flood(
                    handler.name,
                    per_second,
                    len(ami) / len(taken) if taken else 0.0,
                    tuple(name for name in names if catalogue.find(name) is not None)[:_SHOWN],
                    wide,
                    ready.get(handler.name, 0),
                )
            )
    return found


def judge_ami(found: Iterable[Flood], heard_per_second: float) -> Iterator[Finding]:
    """Whether AMI floods a handler.

    Args:
        found: what the handlers get of it.
        heard_per_second: how many events of AMI the bus has.
    """
    told: list[Finding] = []
    wide: list[str] = []
    for each in found:
        if each.per_second < _FLOOD_A_SECOND:
            # Nobody telephones; `check` warns of the pattern.
            wide += [each.handler] if each.patterns else []
            continue
        by = f' by {" and ".join(map(quoted, each.patterns))}' if each.patterns else ''
        names = f', most of all {", ".join(each.names)}' if each.names else ''
        rate = f'{each.per_second:.0f} events of AMI a second, {each.share:.0%} of its events'
        text = f'{each.handler} takes{by} {rate}{names}'
        cure = f"wazo-busd tail --report --for 30s 'ami.#'; name what is wanted in handlers.{each.handler}.match"
        if each.ready >= _BEHIND:
            told.append(problem(AMI, f'{text}; it is {each.ready} events behind', cure))
        else:
            told.append(warning(AMI, text, cure))
    yield from told
    if not told:
        takers = f'; all of AMI is for {", ".join(wide)}' if wide else ''
        yield ok(AMI, f'no handler is flooded: the bus has {heard_per_second:.0f} events of AMI a second{takers}')


def is_ami(event: Event) -> bool:
    """Whether an event is one of AMI."""
    return event.routing_key.startswith(_AMI_KEY)


def _events(number: int) -> str:
    return '1 event' if number == 1 else f'{number} events'
