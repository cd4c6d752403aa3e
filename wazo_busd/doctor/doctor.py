# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The doctor: looks at everything that can keep events from their handlers, and says what it found."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from wazo_busd.amqp import Depth, Examination, Ledger, look_for_alarm
from wazo_busd.candidate import Candidate
from wazo_busd.codec import Limits
from wazo_busd.config import Configuration
from wazo_busd.doctor import (
    bindings,
    broker,
    clock,
    daemon,
    disk,
    files,
    flow,
    identity,
    plugins,
    queues,
    reach,
    settings,
)
from wazo_busd.doctor.daemon import Told
from wazo_busd.doctor.finding import Finding, worst_first
from wazo_busd.doctor.hearing import Hearing
from wazo_busd.errors import BusError
from wazo_busd.loader import Loader
from wazo_busd.peer import Peer
from wazo_busd.retry import RetryPolicy
from wazo_busd.roster import Roster
from wazo_busd.topology import HandlerQueue, Hub

_TICK_SECONDS = 0.5


@dataclass(slots=True)
class Examined:
    """What the doctor has seen.

    Attributes:
        findings: what it says of it, problems first.
        told: what the daemon says of itself.
        wanted: what the handlers ask of the broker.
        depths: how the queues are, by name.
        hearing: what came while it listened; `None` where it could not.
        broker: what the broker calls itself.
        candidates: the plugins that could be loaded.
    """

    findings: list[Finding] = field(default_factory=list)
    told: Told = field(default_factory=Told)
    wanted: list[HandlerQueue] = field(default_factory=list)
    depths: dict[str, Depth | None] = field(default_factory=dict)
    hearing: Hearing | None = None
    broker: str = ''
    candidates: list[Candidate] = field(default_factory=list)


class Doctor:
    """Looks at one installation. It changes nothing.

    Args:
        path: the main configuration file.
        configuration: what the files say, with whatever is wrong with it.
        names: the handlers of it that could run.
        ask: asks the running daemon how it fares; called from a thread.
        tell: called with what it does now, for a person who waits.
    """

    def __init__(
        self,
        path: Path,
        configuration: Configuration,
        names: Roster,
        ask: Callable[[], Told],
        tell: Callable[[str], None],
    ) -> None:
        self._path = path
        self._configuration = configuration
        self._config = configuration.config
        self._names = names
        self._ask = ask
        self._tell = tell
        self._hub = Hub(self._config.bus.namespace)
        self._examined = Examined()
        self._found = self._examined.findings

    async def examine(self, seconds: float) -> Examined:
        """Look at everything.

        Args:
            seconds: for how long to listen to the bus.
        """
        examined = self._examined
        self._tell('looking at configuration, files, plugins and disk')
        await asyncio.to_thread(self._look_here)
        self._tell('asking the daemon')
        examined.told = await asyncio.to_thread(self._ask)
        self._found += daemon.judge(examined.told)
        self._tell('connecting to the servers of handlers')
        await self._reach()
        self._tell('looking at the broker')
        self._found += broker.judge_user(self._config.bus)
        origins: Counter[str] = Counter()
        try:
            async with Examination(self._config.bus, self._config.state_dir) as examination:
                if await self._look_at_broker(examination):
                    origins = await self._listen(examination, seconds)
        except BusError as error:
            if all(each.cure != error.cure for each in self._found):
                # Else the same was told before, of something else.
                self._found.append(broker.of_error(error, self._config.bus))
        claimed = await asyncio.to_thread(self._claims)
        self._found += identity.judge(claimed, origins)
        examined.findings = worst_first(self._found)
        return examined

    def _look_here(self) -> None:
        """Whatever can be seen without a connection."""
        self._found += settings.judge(
            [*self._configuration.problems, *self._names.problems], self._names.failures, self._path
        )
        self._found += files.look(self._configuration, self._path)
        found = Loader(self._config.plugin_dirs).candidates
        self._examined.candidates = [each for name in sorted(found) for each in found[name]]
        shadows = list(plugins.judge(self._examined.candidates, self._config.handlers))
        several = Counter(each.name for each in self._examined.candidates)
        twice = {name for name, number in several.items() if number > 1}
        hidden = list(plugins.judge_modules(plugins.modules(self._config.plugin_dirs), twice))
        # That all is well is said only if it is.
        self._found += [each for each in shadows if not (hidden and not twice)] + hidden
        is_here = any(broker.is_here(host) for host, _ in self._config.bus.addresses())
        places = [self._config.state_dir, *([disk.BROKER_DIRECTORY] if is_here else [])]
        self._found += disk.judge(disk.rooms(places))
        self._examined.wanted = [
            self._hub.handler_queue(
                handler.name,
                handler.match.bindings,
                handler.config.queue,
                RetryPolicy(handler.config.retry).steps_seconds,
            )
            for handler in self._names.handlers.values()
        ]

    async def _reach(self) -> None:
        """The servers of handlers, and the brokers that are named beside the one that is used."""
        wanted, failures = reach.peers(self._names.handlers.values())
        addresses = self._config.bus.addresses()
        brokers = {Peer(host, port): ['bus'] for host, port in addresses} if len(addresses) > 1 else {}
        self._found += [*failures, *reach.judge(await reach.reach(wanted))]
        self._found += reach.judge_brokers(await reach.reach(brokers))

    async def _look_at_broker(self, examination: Examination) -> bool:
        """What can be asked: exchanges, rights, queues, and whether anything can be published.

        Returns:
            Whether there is anything to listen to.
        """
        examined, bus = self._examined, self._config.bus
        examined.broker = examination.broker
        missing = await examination.missing()
        self._found += flow.judge_missing(missing, self._hub.namespace, runs=self._runs)
        self._found += broker.judge_refusals(await examination.refusals(missing), bus)
        ledger = self._ledger
        stale = queues.removed(ledger.known, examined.wanted)
        names = [name for each in examined.wanted for name in (each.queue.name, each.dead.name)]
        for name in [*names, *(each for queue in stale for each in (queue, f'{queue}.dead'))]:
            examined.depths[name] = await examination.depth(name)
        depths, states = examined.depths, examined.told.states
        has_hub = self._hub.namespace not in {each.name for each in missing}
        if has_hub:
            # Without a hub there are no queues either, for the same reason.
            self._found += queues.judge_handlers(examined.wanted, depths, states, bus)
        self._found += queues.judge_dead(examined.wanted, depths)
        off = [name for name, each in self._config.handlers.items() if not each.enabled]
        # Handlers that are wrong have not been removed.
        gone = [each for each in stale if self._hub.handler_of(each) not in self._config.handlers or self._is_off(each)]
        bound = {each: ledger.patterns(each) for each in stale}
        self._found += queues.judge_removed(gone, depths, bound, off, bus)
        self._found += broker.judge_alarm(await look_for_alarm(bus))
        return has_hub

    def _is_off(self, queue: str) -> bool:
        return not self._config.handlers[self._hub.handler_of(queue)].enabled

    async def _listen(self, examination: Examination, seconds: float) -> Counter[str]:
        """Listen, and judge what came.

        Returns:
            How many events came of each `origin_uuid`.
        """
        hearing = Hearing(Limits(self._config.bus.max_body_size, self._config.bus.max_depth))
        before = self._examined.told.unmatched
        began = time.monotonic()
        telling = asyncio.create_task(self._tell_of(hearing, examination.address, seconds))
        try:
            await examination.listen(seconds, hearing.hear_upstream, hearing.hear_hub)
        finally:
            telling.cancel()
        hearing.seconds = min(time.monotonic() - began, seconds)
        self._examined.hearing = hearing
        after = (await asyncio.to_thread(self._ask)).unmatched if before else {}
        self._found += list(self._judge_heard(hearing, before, after))
        return Counter(each.origin_uuid for each in hearing.sample if each.origin_uuid)

    def _judge_heard(self, hearing: Hearing, before: dict[str, int], after: dict[str, int]) -> Iterator[Finding]:
        seconds, handlers = hearing.seconds, list(self._names.handlers.values())
        yield from flow.judge_hub(
            flow.Flow(seconds, hearing.upstream, hearing.hub), self._hub.namespace, runs=self._runs
        )
        ready = {each.handler: depth.ready for each in self._examined.wanted if (depth := self._depth(each))}
        flooded = flow.floods(handlers, hearing.sample, hearing.weight, seconds, ready)
        ami = sum(map(flow.is_ami, hearing.sample)) * hearing.weight / seconds if seconds else 0.0
        yield from flow.judge_ami(flooded, ami)
        yield from clock.judge(clock.skews(hearing.sample))
        bound = {each.queue.name: self._ledger.patterns(each.queue.name) for each in self._examined.wanted}
        there = [name for name, depth in self._examined.depths.items() if depth is not None]
        found = list(bindings.judge_ledger(self._examined.wanted, bound, there, runs=self._runs))
        names = {each.handler: each.queue.name for each in self._examined.wanted}
        came = bindings.arrivals(handlers, names, before, after, hearing.hub_sample, hearing.hub_weight)
        found += bindings.judge_arrivals(came, self._config.bus)
        yield from found or [bindings.all_well(runs=bool(before), has_ledger=bool(self._ledger.known))]

    async def _tell_of(self, hearing: Hearing, where: str, seconds: float) -> None:
        """Say how it gets on."""
        began = time.monotonic()
        while True:
            passed = time.monotonic() - began
            self._tell(f'listening on {where}: {passed:.0f} of {seconds:.0f} s, {hearing.moved} events')
            await asyncio.sleep(_TICK_SECONDS)

    @property
    def _runs(self) -> bool:
        return bool(self._examined.told.runs)

    @cached_property
    def _ledger(self) -> Ledger:
        return Ledger(self._config.state_dir, self._config.bus)

    def _depth(self, wanted: HandlerQueue) -> Depth | None:
        return self._examined.depths.get(wanted.queue.name)

    def _claims(self) -> identity.Claims:
        control = self._config.http.control_socket
        number = identity.daemon_process(control) if control is not None else None
        return identity.claims(os.environ, identity.of_process(number) if number is not None else None)
