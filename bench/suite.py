# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The suite: the steps of the benchmark, each of which fills a part of the results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import daemon, peer
from bench.consumer import Consumer
from bench.figures import Figures
from bench.lineup import Lineup
from bench.measure import Measure
from bench.plan import GOAL_RATES, Plan
from bench.receiver import Receiver
from bench.results import DAEMON, NO_GATHERING, THREE, Results
from bench.rounds import Rounds, turned
from bench.sampler import Profile
from bench.workload import workload

_MOST_BYTES = 100_000_000
_MOST_PREFETCH = 65_535
_BACKLOG_QUEUE = {'max_length': 2_000_000, 'max_bytes': 8_000_000_000}
_STEADY_RATE = 200

STEPS = (
    'speed',
    'classic',
    'calls',
    'paced',
    'waiting',
    'failing',
    'sending',
    'idle',
    'handlers',
    'lanes',
    'backlog',
    'sizes',
    'profile',
)
"""The steps, in their order: methods of the suite."""

Say = Callable[[str], None]
"""Tells a person what is being done."""


class Suite:
    """Does the steps.

    Args:
        plan: how much.
        measure: how.
        lineup: whom.
        say: tells how it goes on.
        directory: where the profile is written.
    """

    def __init__(self, plan: Plan, measure: Measure, lineup: Lineup, say: Say, directory: Path) -> None:
        self.results = Results(missing=lineup.missing)
        self._plan = plan
        self._measure = measure
        self._lineup = lineup
        self._say = say
        self._directory = directory
        self._daemon = lineup.daemon(daemon.plain(DAEMON))

    def do(self, step: str) -> None:
        """Do one step.

        Args:
            step: one of `STEPS`.

        Raises:
            BenchError: something could not be measured.
        """
        getattr(self, step)()

    def speed(self) -> None:
        """Everyone at full speed on AMI events, from a quorum queue."""
        three = self._lineup.daemon(daemon.full(THREE, workload('ami').order_by))
        consumers: list[Consumer] = [self._lineup.peer(name) for name in self._lineup.peers]
        self._compare(self.results.speed, 'ami', [*consumers, self._daemon, three])

    def classic(self) -> None:
        """The daemon beside kombu, from a classic queue."""
        kind = 'classic'
        ours = self._lineup.daemon(daemon.plain(DAEMON, kind), key=kind)
        compared = [self._lineup.peer(peer.KOMBU, kind), ours]
        self._compare(self.results.classic, 'ami', compared, self._plan.classic_rounds)

    def calls(self) -> None:
        """The daemon beside kombu, on call events."""
        self._compare(self.results.calls, 'calls', [self._lineup.peer(peer.KOMBU), self._daemon])

    def paced(self) -> None:
        """The daemon beside kombu at each rate, the other peers at the rates that there are goals for."""
        ours: list[Consumer] = [self._daemon]
        if daemon.CAN_GATHER:
            ours.append(self._lineup.daemon(daemon.plain(NO_GATHERING, max_latency=0)))
        compared = [self._lineup.peer(peer.KOMBU), *ours]
        others: list[Consumer] = [self._lineup.peer(name) for name in self._lineup.peers if name != peer.KOMBU]
        for rate, seconds in self._plan.paces.items():
            has_goal = rate in GOAL_RATES
            rounds = self.results.paced[rate] = Rounds()
            for number in range(self._plan.pace_rounds if has_goal else 1):
                rounds.begin()
                for consumer in [*turned(compared, number), *(others if has_goal and number == 0 else [])]:
                    figures = self._measure.paced(consumer, 'ami', rate, seconds)
                    rounds.add(consumer.name, self._told(f'{rate:,} events/s, {consumer.name}', figures))

    def waiting(self) -> None:
        """A handler that waits 50 ms, sixteen at a time."""
        ours = self._lineup.daemon(daemon.waiting('wazo-busd, waiting'))
        figures = self._measure.paced(ours, 'ami', _STEADY_RATE, self._plan.steady_seconds)
        self.results.waiting = self._told('a handler that waits 50 ms', figures)

    def failing(self) -> None:
        """A handler that fails until every event is a dead letter."""
        ours = self._lineup.daemon(daemon.failing('wazo-busd, failing'))
        self.results.failing = self._told(
            'a handler that fails', self._measure.failing(ours, 'ami', self._plan.failures)
        )

    def sending(self) -> None:
        """The webhook, to a web server on the same machine that accepts everything."""
        with Receiver() as receiver:
            ours = self._lineup.daemon(daemon.sending('wazo-busd, webhook', receiver.url))
            figures = self._measure.full_speed(ours, 'calls', self._plan.requests)
        self.results.sending = self._told('a webhook', figures)

    def idle(self) -> None:
        """Nothing happens."""
        peers: list[Consumer] = [self._lineup.peer(name) for name in self._lineup.peers]
        self._say(f'idle for {self._plan.idle_seconds:g} s …')
        self.results.idle = self._measure.idle([self._daemon, *peers], self._plan.idle_seconds)
        ours = self.results.idle[DAEMON]
        self._say(f'idle: {ours.cpu_percent:.3f} % of a core, {ours.memory_mib:.0f} MiB')

    def handlers(self) -> None:
        """More and more handlers, which all take every event."""

        def run(count: int) -> Figures:
            ours = self._lineup.daemon(daemon.many(f'wazo-busd, {count} handlers', count))
            return self._measure.full_speed(ours, 'ami', max(100, self._plan.events // count), alone=True)

        self._grow(self.results.handlers, self._plan.handlers, 'handlers', run)

    def lanes(self) -> None:
        """More and more calls whose events are kept in order, and which all have some that wait."""
        ours = self._lineup.daemon(
            daemon.gathering('wazo-busd, lanes', workload('ami').order_by, _MOST_PREFETCH),
        )

        def run(lines: int) -> Figures:
            events = max(lines, self._plan.events)
            return self._measure.full_speed(ours, 'ami', events, lines=lines, warm_share=0.0, alone=True)

        self._grow(self.results.lanes, self._plan.lines, 'calls', run)

    def backlog(self) -> None:
        """More and more events that lie behind those that are handled."""
        case = daemon.Case('wazo-busd, backlog', {'count': daemon.handler('count', queue=_BACKLOG_QUEUE)})
        ours, bare = (self._lineup.daemon(case, key=key) for key in ('behind', 'bare'))

        def run(backlog: int) -> Figures:
            self._say(f'a backlog of {backlog:,} events …')
            return self._measure.full_speed(
                ours if backlog else bare, 'calls', self._plan.events, backlog=backlog, alone=True
            )

        self._grow(self.results.backlog, self._plan.backlogs, 'events behind', run)
        self._measure.clear(ours)

    def sizes(self) -> None:
        """Larger and larger bodies."""
        for size in self._plan.sizes:
            rounds = self.results.sizes[size] = Rounds()
            rounds.begin()
            for consumer in (self._lineup.peer(peer.KOMBU), self._daemon):
                events = min(self._events(consumer), _MOST_BYTES // size)
                figures = self._measure.full_speed(consumer, str(size), events)
                rounds.add(consumer.name, self._told(f'bodies of {size:,} bytes, {consumer.name}', figures))

    def profile(self) -> None:
        """Where the daemon's time goes."""
        path = self._directory / 'profile.json'
        ours = self._lineup.daemon(daemon.plain('wazo-busd, sampled'), profile=path)
        self._told('sampled', self._measure.full_speed(ours, 'ami', 2 * self._plan.events))
        self.results.profile = Profile.read(path)

    def _grow(self, rounds: Rounds, amounts: tuple[int, ...], what: str, run: Callable[[int], Figures]) -> None:
        """Measure each amount beside the first one, so that they can be compared; the most, which has a goal, anew."""
        for amount in amounts[1:]:
            for _ in range(self._plan.growth_rounds if amount == amounts[-1] else 1):
                rounds.begin()
                for each in (amounts[0], amount):
                    rounds.add(f'{each:,}', self._told(f'{each:,} {what}', run(each)))

    def _compare(self, rounds: Rounds, name: str, consumers: list[Consumer], times: int | None = None) -> None:
        for number in range(times or self._plan.rounds):
            rounds.begin()
            for consumer in turned(consumers, number):
                figures = self._measure.full_speed(consumer, name, self._events(consumer))
                rounds.add(consumer.name, self._told(f'round {number + 1}, {name}, {consumer.name}', figures))

    def _events(self, consumer: Consumer) -> int:
        return self._plan.events // (2 if consumer.name in peer.SLOW else len(consumer.queues))

    def _told(self, what: str, figures: Figures) -> Figures:
        """Tell a person what was found."""
        delays = f', p50 {figures.delays.p50:.1f} ms' if figures.delays else ''
        self._say(f'{what}: {figures.cpu_us:.1f} µs, broker {figures.broker_us:.1f} µs, {figures.rate:,.0f}/s{delays}')
        return figures
