# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The recorder: counts the events that a consumer has really handled, and notes what they cost.

It is in every consumer, the daemon's plugin and the peers alike, and does the same work in each. Standard library only.
"""

from __future__ import annotations

import json
import os
import resource
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from bench.usage import cpu_seconds

TARGET = 'BENCH_TARGET'
WARM = 'BENCH_WARM'
STAMPED = 'BENCH_STAMPED'
BROKER = 'BENCH_BROKER'
RESULT = 'BENCH_RESULT'
"""The environment variables that tell it what to do."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What was noted between the first event that counts and the last.

    Attributes:
        events: how many there were, the first not counted.
        seconds: how long it took.
        cpu_seconds: the CPU time of this process, user and system.
        broker_seconds: that of the broker.
    """

    events: int
    seconds: float
    cpu_seconds: float
    broker_seconds: float


class Recorder:
    """Counts events, and writes a tally when all have been handled.

    Args:
        environment: how many events there are, how many of them only warm the process up, whether they have stamps,
            the broker's process, and where to write the tally; the delays are written beside it.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.handled = 0
        self._target = int(environment.get(TARGET, '0'))
        self._first = int(environment.get(WARM, '0')) + 1
        self._broker = int(environment.get(BROKER, '0'))
        self._result = Path(environment.get(RESULT, os.devnull))
        self._begin = (0.0, 0.0, 0.0)
        self._delays = array('d')
        self.take: Callable[[str], None] = self._stamped if environment.get(STAMPED) == '1' else self._counted
        """To be called once for each event that was handled, with its stamp."""

    @property
    def counts(self) -> bool:
        """Whether the events of now are those that count."""
        return self._first <= self.handled < self._target

    @property
    def is_complete(self) -> bool:
        """Whether all events were handled."""
        return self.handled == self._target

    def _counted(self, _: str) -> None:
        self.handled += 1
        if self.handled == self._first or self.handled == self._target:
            self._mark()

    def _stamped(self, sent_at: str) -> None:
        self._delays.append(time.time() - float(sent_at))
        self._counted(sent_at)

    def _mark(self) -> None:
        if self.handled != self._target:
            broker = self._broker_seconds()
            self._begin = (time.perf_counter(), _own_seconds(), broker)
            return
        own, now = _own_seconds(), time.perf_counter()
        began, own_before, broker_before = self._begin
        broker = self._broker_seconds()
        tally = Tally(self._target - self._first, now - began, own - own_before, broker - broker_before)
        delays_path(self._result).write_bytes(self._delays.tobytes())
        unfinished = self._result.with_suffix('.unfinished')
        unfinished.write_text(json.dumps(asdict(tally)))
        unfinished.rename(self._result)

    def _broker_seconds(self) -> float:
        return cpu_seconds(self._broker) if self._broker else 0.0


@cache
def recorder() -> Recorder:
    """The one of this process."""
    return Recorder(os.environ)


def delays_path(result: Path) -> Path:
    """Where the delays are beside a tally: how many seconds each stamped event took, as C doubles."""
    return result.with_suffix('.delays')


def _own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
