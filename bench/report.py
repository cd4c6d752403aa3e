# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The report: the results as a page that people read."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest

from bench import daemon, peer
from bench.figures import Figures
from bench.goals import goals
from bench.machine import MISSING, Machine
from bench.plan import FEW_WARM_SHARE, WARM_SHARE, Plan
from bench.results import DAEMON, Results
from bench.rounds import Rounds, Spread
from bench.workload import workload

_MOST_ROWS = 16
_QUIET_LOAD = 0.7
_NOTHING = '-'
_WORKLOADS = {'ami': 'AMI', 'calls': 'call'}
_INTRODUCTION = """\
Written by `make bench`; a later run writes it anew. CPU is user and system time of the consumer's process alone, in
microseconds an event, from the first event that counts to the last; starting is left out. The handler counts what it
has really handled, and a run that does not come to its end is an error. The daemon is the installed one, whole, as a
process of its own with `log_level: warning`."""
_WARM_UP = """\
- **Amounts at full speed:** {events:,} events, or handler runs where there are several handlers; {fewer:,} for
  {slow}; fewer large bodies and requests.
- **Warming up:** the first {percent:.0f} % at full speed do not count, whoever the consumer is. At a pace events come
  when it has started and is at rest, and the first {few_percent:.0f} % do not count; no more do where a handler fails.
  The daemon's HTTP server, which it imports beside its first events, is imported before them here."""
_PEERS = """\
  kombu is the client of Wazo's page: one acknowledgement an event, no limit to what it takes at once. The others take
  256 at once, as the daemon does. FastStream logs nothing. The one in C acknowledges a hundred at once and decodes no
  JSON; all others decode it."""
_NOISE = """A ratio is taken within a round, and the
  median of the rounds is shown, with the lowest and the highest in brackets. "Within the noise" stands where one of
  these would have got another verdict than the median."""
_CASES = """\
Case (a) is one handler that does nothing; (b) three of them with `order_by`, conditions and a timeout, for each handler
run; (c) one that waits. Counters run in all of them. What grows with handlers, lanes or backlog has a ratio above 1."""
_DELAYS = """\
p50, p99 and max are the milliseconds from the publisher's `send` to the handler. The last column is how many
milliseconds late the publisher itself was at its latest, because others had the processor: then the rest is noise."""
_LANES = """\
The first event is held for two seconds, so that as many others wait as the broker gives out: 65,535, more than which
AMQP does not allow on a channel. Those seconds are in the runs/s. No event only warms up here: the others are
read while the first is held, and that counts."""
_cpu = operator.attrgetter('cpu_us')


def report(results: Results, machine: Machine, plan: Plan) -> str:
    """The page.

    Args:
        results: what was measured.
        machine: on what.
        plan: how much.
    """
    sections: list[Iterable[str]] = [
        _head(machine, plan),
        _goals(results),
        _full_speed(results),
        _paced(results),
        _others(results),
        _growth(results),
        _profile(results),
    ]
    return '\n'.join(line for section in sections for line in section).rstrip() + '\n'


def _head(machine: Machine, plan: Plan) -> Iterator[str]:
    yield '<!-- SPDX-License-Identifier: GPL-3.0-or-later, SPDX-FileCopyrightText: The wazo-busd Authors -->'
    yield '# What an event costs'
    yield ''
    yield _INTRODUCTION
    yield ''
    yield f'- **Machine:** {machine.processor}, {machine.cores} cores, {machine.memory_gib:.0f} GiB; {machine.system};'
    yield f'  RabbitMQ {machine.broker} and the publisher on the same machine.'
    yield f'  {machine.load:.1f} processes wanted to run in the minute before the start{_doubt(machine)}.'
    yield f'- **Daemon:** {_versions(machine.ours)}, {"with" if machine.uses_uvloop else "without"} uvloop;'
    yield f'  its modules on the way of an event {machine.build}.'
    yield f'- **Peers:** {_versions(machine.peers)}.'
    yield _PEERS
    sizes = ' and '.join(f'{title} events of {workload(name).mean_size} bytes' for name, title in _WORKLOADS.items())
    yield f'- **Workloads:** {sizes} on average, persistent,'
    yield "  with the headers of today's hosts."
    yield _WARM_UP.format(
        events=plan.events,
        fewer=plan.events // 2,
        slow=', '.join(peer.SLOW),
        percent=100 * WARM_SHARE,
        few_percent=100 * FEW_WARM_SHARE,
    )
    yield '- **Processors:** all share them, but for the growth with handlers, lanes and backlog: there the daemon has'
    yield '  one of its own, if there are several, and the broker the others. Else a busier one would be seen in the'
    yield '  daemon, by pushing it about. What the broker costs there, and the runs/s, are not those of other tables.'
    yield f'- **Noise:** {_noise(plan)}'
    yield ''


def _noise(plan: Plan) -> str:
    if plan.rounds == 1:
        return 'one round only, which says nothing about it.'
    amounts = (
        f'{plan.rounds} rounds, {plan.classic_rounds} on the classic queue, {plan.pace_rounds} at the rates\n'
        f'  with a goal and {plan.growth_rounds} for the most of what grows'
    )
    return f'{amounts}, in which the consumers take turns. {_NOISE}'


def _doubt(machine: Machine) -> str:
    return ': **others were at work, and the figures are worth less**' if machine.load > _QUIET_LOAD else ''


def _goals(results: Results) -> Iterator[str]:
    yield '## Goals'
    yield ''
    yield '| figure | at least | aim | measured | verdict |'
    yield '|---|---|---|---|---|'
    for goal in goals(results):
        aim = _NOTHING if goal.aim is None else f'{goal.sign} {goal.aim:g}{goal.unit}'
        least = f'{goal.sign} {goal.least:g}{goal.unit}'
        yield f'| {goal.figure} | {least} | {aim} | {_spread(goal.measured, goal.unit)} | {goal.verdict} |'
    yield ''
    yield _CASES
    yield ''


def _full_speed(results: Results) -> Iterator[str]:
    for title, rounds in (
        ('AMI events at full speed, quorum queue', results.speed),
        ('AMI events at full speed, classic queue', results.classic),
        ('Call events at full speed, quorum queue', results.calls),
    ):
        if not rounds.names:
            continue
        yield f'## {title}'
        yield ''
        yield '| consumer | CPU µs | ratio to kombu | broker µs | events/s | MiB |'
        yield '|---|---|---|---|---|---|'
        for name in rounds.names:
            cells = [
                _number(rounds.values(name, _cpu)),
                _spread(rounds.ratios(name, peer.KOMBU, _cpu)),
                _number(rounds.values(name, operator.attrgetter('broker_us'))),
                _number(rounds.values(name, operator.attrgetter('rate')), 0),
                _number(rounds.values(name, operator.attrgetter('memory_mib')), 0),
            ]
            yield f'| {name} | {" | ".join(cells)} |'
        yield ''
    for name, why in results.missing.items():
        yield f'Left out: {name}, because {why}.'
        yield ''


def _paced(results: Results) -> Iterator[str]:
    if not results.paced:
        return
    yield '## AMI events at a steady pace, quorum queue'
    yield ''
    yield _DELAYS
    yield ''
    yield '| events/s | consumer | CPU µs | ratio to kombu | broker µs | p50 | p99 | max | publisher late |'
    yield '|---|---|---|---|---|---|---|---|---|'
    for rate, rounds in results.paced.items():
        for name in rounds.names:
            delays = [rounds.values(name, _delay(which)) for which in ('p50', 'p99', 'max')]
            cells = [
                _number(rounds.values(name, _cpu)),
                _spread(rounds.ratios(name, peer.KOMBU, _cpu)),
                _number(rounds.values(name, operator.attrgetter('broker_us'))),
                *(_number(each, 2) for each in delays),
                _number(rounds.values(name, operator.attrgetter('late_ms'))),
            ]
            yield f'| {rate:,} | {name} | {" | ".join(cells)} |'
    yield ''


def _others(results: Results) -> Iterator[str]:
    waiting, failing, sending = results.waiting, results.failing, results.sending
    if waiting or failing or sending:
        yield '## Handlers that wait, that fail, that send'
        yield ''
    if waiting and waiting.delays:
        yield f'- (c) 200 events/s, 50 ms each, 16 at a time: {waiting.rate:.0f} handled a second,'
        yield f'  p50 {waiting.delays.p50:.0f} ms, p99 {waiting.delays.p99:.0f} ms, {waiting.cpu_us:.0f} µs an event.'
    if failing:
        yield f'- (d) an event that is dead after {daemon.FAIL_ATTEMPTS} failed attempts: {failing.cpu_us:.0f} µs an'
        yield f'  attempt, broker {failing.broker_us:.0f} µs, {failing.rate:,.0f} attempts a second.'
    if sending:
        yield f'- The webhook, to a web server on the same machine that accepts everything: {sending.cpu_us:.0f} µs an'
        yield f'  event, {sending.rate:,.0f} requests a second.'
    if waiting or failing or sending:
        yield ''
    if results.idle:
        yield '## Idle'
        yield ''
        yield '| consumer | CPU, % of a core | MiB |'
        yield '|---|---|---|'
        for name, idle in results.idle.items():
            yield f'| {name} | {idle.cpu_percent:.4f} | {idle.memory_mib:.0f} |'
        yield ''


def _growth(results: Results) -> Iterator[str]:
    yield from _grown('Handlers, each of which takes every event', 'handlers', results.handlers)
    yield from _grown('Lanes: calls whose events are kept in order', 'calls', results.lanes, note=_LANES)
    yield from _grown('Backlog behind the events that are handled', 'events behind', results.backlog)
    if not results.sizes:
        return
    yield '## Size of the body'
    yield ''
    yield '| bytes | CPU µs | kombu | ratio |'
    yield '|---|---|---|---|'
    for size, rounds in results.sizes.items():
        cells = [*(_number(rounds.values(name, _cpu)) for name in (DAEMON, peer.KOMBU))]
        yield f'| {size:,} | {" | ".join(cells)} | {_spread(rounds.ratios(DAEMON, peer.KOMBU, _cpu))} |'
    yield ''


def _grown(title: str, what: str, rounds: Rounds, *, note: str = '') -> Iterator[str]:
    names = rounds.names
    if not names:
        return
    yield f'## {title}'
    yield ''
    yield f'| {what} | CPU µs a handler run | ratio to the fewest | broker µs | runs/s | MiB |'
    yield '|---|---|---|---|---|---|'
    for name in names:
        cells = [
            _number(rounds.values(name, _cpu)),
            _spread(rounds.ratios(name, names[0], _cpu)),
            _number(rounds.values(name, operator.attrgetter('broker_us'))),
            _number(rounds.values(name, operator.attrgetter('rate')), 0),
            _number(rounds.values(name, operator.attrgetter('memory_mib')), 0),
        ]
        yield f'| {name} | {" | ".join(cells)} |'
    yield from ['', note] if note else []
    yield ''


def _profile(results: Results) -> Iterator[str]:
    profile = results.profile
    if profile is None:
        return
    yield '## Where the time goes'
    yield ''
    yield f'{profile.samples:,} looks at case (a) at full speed, evenly spread over its CPU time.'
    yield 'What is written in C counts for the line that called it. Here the daemon is interpreted in any case,'
    yield 'as compiled functions cannot be looked at so.'
    yield ''
    yield '| module, with the libraries it calls | share | function, without what it calls | share |'
    yield '|---|---|---|---|'
    columns = [list(found.items())[:_MOST_ROWS] for found in (profile.modules, profile.functions)]
    for row in zip_longest(*columns, fillvalue=('', 0.0)):
        yield f'| {" | ".join(_share(*each) for each in row)} |'
    yield ''


def _share(name: str, share: float) -> str:
    return f'{name} | {100 * share:.1f} %' if name else ' | '


def _delay(which: str) -> Callable[[Figures], float]:
    return lambda figures: float(getattr(figures.delays, which)) if figures.delays else 0.0


def _number(spread: Spread | None, digits: int = 1) -> str:
    return _NOTHING if spread is None else f'{spread.median:,.{digits}f}'


def _spread(spread: Spread | None, unit: str = '') -> str:
    """The one in the middle; in brackets the lowest and the highest, if they differ."""
    if spread is None:
        return _NOTHING
    middle, low, high = (f'{value:.3g}' for value in (spread.median, spread.least, spread.most))
    return f'{middle}{unit}' if low == high else f'{middle}{unit} ({low} to {high})'


def _versions(versions: dict[str, str]) -> str:
    return ', '.join(f'{name} {version}' for name, version in versions.items() if version != MISSING)
