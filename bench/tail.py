# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What `wazo-busd tail` costs under a flood of AMI events: the daemon beside it, and itself.

python -m bench.tail --rate 5000 --seconds 4

A real daemon with one handler on a private broker, once alone and once beside each way of looking on, in turn. Every
event is either shown or counted as skipped. CPU is user and system time, in microseconds an event.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click

from bench import daemon
from bench.broker import Broker, wait_until
from bench.daemon import Daemon
from bench.errors import BenchError
from bench.figures import Figures
from bench.measure import Measure
from bench.usage import cpu_seconds, is_at_rest
from tools.children import end_with_parent
from tools.rabbitmq_node import RabbitmqNode, is_installed

WAYS = {
    'alone': None,
    'tail --ami': ['--ami'],
    'tail --ami -o json': ['--ami', '-o', 'json'],
    'tail --ami --report': ['--ami', '--report'],
    'tail calls.#': ['calls.#'],
}
"""Who looks on, by what stands in the table; `None` is nobody. The last one means none of the events."""

_ALL_SEEN = [name for name, arguments in WAYS.items() if arguments is not None and '--ami' in arguments]
_SUMMARY = re.compile(r'(\d+) events? in [\d.]+ s')
_SKIPPED = re.compile(r'(\d+) skipped')
_STOP_SECONDS = 20.0
_LOG_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Seen:
    """What one who looked on has seen.

    Attributes:
        shown: how many events it has shown or counted.
        skipped: how many it says that it has left out.
        cpu_seconds: what that has cost.
    """

    shown: int = 0
    skipped: int = 0
    cpu_seconds: float = 0.0

    @classmethod
    def read(cls, said: str, cpu: float) -> Seen:
        """What its last words say.

        Args:
            said: all that it said to the operator.
            cpu: the CPU time that it has had since it listened, in seconds.

        Raises:
            BenchError: it has not said how many it has shown.
        """
        shown, skipped = _SUMMARY.search(said), _SKIPPED.findall(said)
        if shown is None:
            raise BenchError(f'tail did not say what it has shown; it printed:\n{said[-_LOG_LENGTH:]}')
        return cls(int(shown[1]), int(skipped[-1]) if skipped else 0, cpu)


class Onlooker:
    """`wazo-busd tail` as a process, whose output nobody keeps.

    Args:
        ours: the daemon on whose bus it looks.
        arguments: its arguments.
        log: where what it says to the operator is put.
    """

    def __init__(self, ours: Daemon, arguments: list[str], log: Path) -> None:
        self._log = log
        with log.open('wb') as said:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name('wazo-busd')), 'tail', *arguments, '-c', str(ours.config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                preexec_fn=end_with_parent,
            )
        try:
            wait_until(lambda: 'Ctrl-C ends it' in log.read_text(), 'tail to listen')
        except BenchError:
            self._process.kill()
            raise
        self._before = cpu_seconds(self._process.pid)

    def end(self) -> Seen:
        """End it, and say what it has seen.

        Raises:
            BenchError: it does not end, or does not say it.
        """
        used = self._rest() - self._before
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise BenchError(f'tail did not end within {_STOP_SECONDS:g} s of a SIGTERM') from None
        return Seen.read(self._log.read_text(), used)

    def _rest(self) -> float:
        """Wait until it has nothing to do any more, and give the CPU time that it has had."""
        deadline = time.monotonic() + _STOP_SECONDS
        while not is_at_rest(self._process.pid) and time.monotonic() < deadline:
            pass
        return cpu_seconds(self._process.pid)


def measure(
    measures: Measure, ours: Daemon, arguments: list[str] | None, log: Path, *, rate: float, seconds: float
) -> tuple[Figures, Seen]:
    """Let events come at a pace, and somebody look on.

    Args:
        measures: runs the daemon.
        ours: the daemon, prepared.
        arguments: those of who looks on; `None` for nobody.
        log: where what that says is put.
        rate: events a second.
        seconds: for how long.

    Returns:
        What the daemon did and cost, and what was seen.

    Raises:
        BenchError: something could not be measured.
    """
    if arguments is None:
        return measures.paced(ours, 'ami', rate, seconds), Seen()
    onlooker = Onlooker(ours, arguments, log)
    try:
        figures = measures.paced(ours, 'ami', rate, seconds)
    finally:
        seen = onlooker.end()
    return figures, seen


@contextmanager
def _broker(directory: Path) -> Iterator[Broker]:
    node = RabbitmqNode(directory / 'rabbitmq')
    node.start()
    try:
        yield Broker(node, 1)
    finally:
        node.stop()


@click.command()
@click.option('--rate', default=5000, show_default=True, help='Events a second.')
@click.option('--seconds', default=4.0, show_default=True, help='For how long they come, each time.')
@click.option('--rounds', default=3, show_default=True, help='How often each is measured; the median is shown.')
def main(rate: int, seconds: float, rounds: int) -> None:
    """Print what looking on costs the daemon, and how much of a flood is seen."""
    if not is_installed():
        sys.exit('error: RabbitMQ is missing; next: apt install rabbitmq-server')
    try:
        with TemporaryDirectory(prefix='busd-tail-') as place, _broker(Path(place)) as broker:
            ours = Daemon(daemon.plain(), broker.take_place(), Path(place) / 'daemon')
            measures = Measure(broker, Path(place))
            # What is measured first pays for what is read and compiled.
            measures.paced(ours, 'ami', rate, 1.0)
            found: dict[str, list[tuple[Figures, Seen]]] = {name: [] for name in WAYS}
            for number in range(rounds):
                for name, arguments in WAYS.items():
                    log = Path(place) / f'{number}-{len(found[name])}.log'
                    found[name].append(measure(measures, ours, arguments, log, rate=rate, seconds=seconds))
    except BenchError as error:
        sys.exit(f'error: {error}')
    events = max(2, int(rate * seconds))
    for line in table(found, events):
        click.echo(line)


def table(found: dict[str, list[tuple[Figures, Seen]]], events: int) -> Iterator[str]:
    """The figures for a person, of each the median of the rounds.

    Args:
        found: what was measured, by who looked on.
        events: how many were published each time.
    """
    yield f'{"looks on":<20} {"daemon":>9} {"p50":>9} {"p99":>9} {"broker":>9} {"tail":>9} {"shown":>7} {"skipped":>7}'
    for name, rounds in found.items():

        def middle(value: Callable[[Figures, Seen], float], rounds: list[tuple[Figures, Seen]] = rounds) -> float:
            return median(value(figures, seen) for figures, seen in rounds)

        cells = [
            f'{middle(lambda figures, _: figures.cpu_us):.1f} µs',
            f'{middle(lambda figures, _: figures.delays.p50 if figures.delays else 0.0):.1f} ms',
            f'{middle(lambda figures, _: figures.delays.p99 if figures.delays else 0.0):.1f} ms',
            f'{middle(lambda figures, _: figures.broker_us):.1f} µs',
            f'{middle(lambda _, seen: 1e6 * seen.cpu_seconds / events):.1f} µs',
        ]
        counts = [f'{middle(lambda _, seen: seen.shown):.0f}', f'{middle(lambda _, seen: seen.skipped):.0f}']
        yield f'{name:<20} ' + ' '.join([*(f'{each:>9}' for each in cells), *(f'{each:>7}' for each in counts)])
    missing = [name for name, rounds in found.items() if name in _ALL_SEEN and not _are_all_told(rounds, events)]
    verdict = f'not all are told by {", ".join(missing)}' if missing else 'all are shown, or told as skipped'
    yield f'of {events:,} events each time {verdict}'


def _are_all_told(rounds: list[tuple[Figures, Seen]], events: int) -> bool:
    return all(seen.shown + seen.skipped == events for _, seen in rounds)


if __name__ == '__main__':
    main()
