# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Measures: one consumer on one workload, at full speed, at a pace, or idle."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.broker import Broker, wait_until
from bench.consumer import ROOT, Consumer, Process
from bench.daemon import FAIL_ATTEMPTS, Daemon
from bench.errors import BenchError
from bench.figures import Delays, Figures, Idle
from bench.plan import FEW_WARM_SHARE, WARM_SHARE
from bench.processors import apart
from bench.publisher import LINES, Order
from bench.recorder import Tally
from bench.usage import cpu_seconds, memory_mib
from bench.wire import Wire
from bench.workload import workload

_PATIENCE_SECONDS = 120.0
_IDLE_SETTLING_SECONDS = 3.0


class Measure:
    """Runs consumers, one at a time, on a broker.

    Args:
        broker: the broker.
        directory: where what a run leaves behind is put until its end.
    """

    def __init__(self, broker: Broker, directory: Path) -> None:
        self._broker = broker
        self._directory = directory
        self._prepared: set[Consumer] = set()

    def full_speed(
        self,
        consumer: Consumer,
        name: str,
        events: int,
        *,
        backlog: int = 0,
        lines: int = LINES,
        warm_share: float = WARM_SHARE,
        alone: bool = False,
    ) -> Figures:
        """Fill the consumer's queues, then start it and see what it costs.

        Args:
            consumer: which.
            name: the workload.
            events: how many of them it is to handle.
            backlog: how many more lie in its queues, and stay there for the next time.
            lines: how many calls the events belong to.
            warm_share: which share of them only warms it up.
            alone: whether it has a processor of its own.

        Raises:
            BenchError: it does not handle them all.
        """
        self._prepare(consumer)
        self._broker.fill(consumer.place, consumer.queues, workload(name), events + backlog, lines)
        target = events * len(consumer.queues)
        with self._process(consumer, target, warm_share=warm_share) as process:
            with apart(process.pid, self._broker.pid) if alone else nullcontext():
                tally, _ = process.wait(_PATIENCE_SECONDS)
            memory = memory_mib(process.pid)
            process.stop()
        self._end(consumer, may_be_left=backlog > 0)
        return _figures(tally, memory)

    def paced(self, consumer: Consumer, name: str, rate: float, seconds: float) -> Figures:
        """Start the consumer, wait until it has, then publish at a steady pace.

        Args:
            consumer: which; one with one queue.
            name: the workload.
            rate: events a second.
            seconds: for how long.

        Raises:
            BenchError: it does not handle them all.
        """
        self._prepare(consumer)
        events = max(2, int(rate * seconds))
        with self._process(consumer, events, stamped=True) as process:
            process.wait_until_consuming(_PATIENCE_SECONDS)
            process.wait_until_at_rest(_PATIENCE_SECONDS)
            with _published(Order(consumer.place, name, events, rate)) as late:
                tally, delays = process.wait(_PATIENCE_SECONDS)
            memory = memory_mib(process.pid)
            process.stop()
        self._end(consumer)
        return _figures(tally, memory, Delays.of(delays), late)

    def failing(self, consumer: Daemon, name: str, events: int) -> Figures:
        """Let a handler fail at every event until all are dead letters. The figures are for one try.

        Raises:
            BenchError: not every event becomes a dead letter.
        """
        self._prepare(consumer)
        self._broker.fill(consumer.place, consumer.queues, workload(name), events, LINES)
        (dead,) = consumer.dead_queues
        # First tries come before second ones: if a larger share only warmed it up, few first ones would count.
        with self._process(consumer, events * FAIL_ATTEMPTS) as process, Wire(consumer.place) as wire:
            tally, _ = process.wait(_PATIENCE_SECONDS)
            wait_until(lambda: wire.depth(dead).events >= events, f'{events} dead letters')
            memory = memory_mib(process.pid)
            process.stop()
            wire.purge(dead)
        self._end(consumer)
        return _figures(tally, memory)

    def idle(self, consumers: Sequence[Consumer], seconds: float) -> dict[str, Idle]:
        """Start consumers beside each other, and see what they cost while nothing happens.

        Returns:
            By their names.
        """
        found = {}
        with ExitStack() as stack:
            processes = {}
            for consumer in consumers:
                self._prepare(consumer)
                process = processes[consumer.name] = stack.enter_context(self._process(consumer, 0))
                process.wait_until_consuming(_PATIENCE_SECONDS)
            time.sleep(_IDLE_SETTLING_SECONDS)
            before = {name: cpu_seconds(process.pid) for name, process in processes.items()}
            began = time.monotonic()
            time.sleep(seconds)
            passed = time.monotonic() - began
            for name, process in processes.items():
                share = (cpu_seconds(process.pid) - before[name]) / passed
                found[name] = Idle(100 * share, memory_mib(process.pid))
                process.stop()
        return found

    def _prepare(self, consumer: Consumer) -> None:
        if consumer not in self._prepared:
            consumer.prepare()
            self._prepared.add(consumer)

    @contextmanager
    def _process(
        self, consumer: Consumer, target: int, *, stamped: bool = False, warm_share: float = FEW_WARM_SHARE
    ) -> Iterator[Process]:
        warm = int(target * warm_share)
        with (
            TemporaryDirectory(dir=self._directory) as directory,
            Process(
                consumer, Path(directory), broker=self._broker.pid, target=target, warm=warm, stamped=stamped
            ) as process,
        ):
            yield process

    def clear(self, consumer: Consumer) -> None:
        """Empty the queues of a consumer that does not run."""
        with Wire(consumer.place) as wire:
            for queue in consumer.queues:
                wire.purge(queue)

    def _end(self, consumer: Consumer, *, may_be_left: bool = False) -> None:
        """See that one that promises to settle all has left nothing, and empty its queues."""
        with Wire(consumer.place) as wire:
            # What a consumer had taken is in the queue again once the broker knows that it is gone.
            wait_until(
                lambda: not any(wire.depth(queue).consumers for queue in consumer.queues), f'{consumer.name} to be gone'
            )
            left = sum(wire.depth(queue).events for queue in consumer.queues)
        if may_be_left:
            return
        if left and consumer.settles_all:
            raise BenchError(f'{consumer.name} left {left} events in its queues, and had handled them all')
        self.clear(consumer)


def _figures(tally: Tally, memory: float, delays: Delays | None = None, late: float = 0.0) -> Figures:
    return Figures(
        rate=tally.events / tally.seconds,
        cpu_us=1e6 * tally.cpu_seconds / tally.events,
        broker_us=1e6 * tally.broker_seconds / tally.events,
        memory_mib=memory,
        delays=delays,
        late_ms=1000 * late,
    )


@contextmanager
def _published(order: Order) -> Iterator[float]:
    """Publish at a pace, in a process of its own, which stays connected until the end of the context.

    A quorum queue of RabbitMQ 3.10.8 was seen to lose the last events of a busy publisher that disconnects at once.

    Yields:
        How late the latest event was sent, in seconds.

    Raises:
        BenchError: the publisher fails.
    """
    with subprocess.Popen(
        [sys.executable, '-m', 'bench.publisher', order.to_json()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stdout.readline() if process.stdout else ''
        if not said:
            raise BenchError(f'the publisher ended with code {process.wait()}')
        yield float(json.loads(said)['latest_seconds'])
        process.communicate()
