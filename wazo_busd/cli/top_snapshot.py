# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The snapshots of `wazo-busd top`: what the daemon says at a time, and the rates between them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from wazo_busd.http.exposition import Reading, read

KEPT = 61
"""How many snapshots are remembered; sparklines show the rates between them."""

_AVERAGED = 5
"""Over how many snapshots a rate is taken, so that it does not flicker."""

_TRACKERS = frozenset(('calls', 'queues'))
"""The plugins whose figures are shown."""

Asked = Callable[[str], Any]
"""Asks the daemon for a page, and gives what it says."""


@dataclass(frozen=True, slots=True)
class WaitingLine:
    """One queue of callers, as the handler of `queues` knows it.

    Attributes:
        name: what the queue is called; it comes over the bus.
        waiting: how many callers wait.
        longest_seconds: for how long the one has waited who waits longest.
        agents: how many agents there are, by their state.
    """

    name: str
    waiting: int = 0
    longest_seconds: float = 0.0
    agents: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the daemon says at a time.

    Attributes:
        at: when, in seconds of a clock that never goes back.
        status: its page `/status`.
        calls: how many conversations go on, by direction; `None` where no handler knows.
        lines: the queues of callers.
    """

    at: float
    status: Mapping[str, Any]
    calls: Mapping[str, int] | None = None
    lines: tuple[WaitingLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Rates:
    """What became of events, each as a number a second.

    Attributes:
        received: that came, at each of the last seconds, the latest last.
        now: that came lately.
        done: that were handled lately.
        failed: tries that failed lately, retried or dead.
    """

    received: tuple[float, ...] = ()
    now: float = 0.0
    done: float = 0.0
    failed: float = 0.0


def take(ask: Asked) -> Snapshot:
    """Ask the daemon how it fares.

    Args:
        ask: asks it.

    Raises:
        Exception: whatever `ask` raises.
    """
    status = ask('/status')
    at = time.monotonic()
    if _TRACKERS.isdisjoint(each['plugin'] for each in status['handlers']):
        return Snapshot(at, status)
    readings = read(ask('/metrics'))
    calls = _calls(readings)
    return Snapshot(at, status, calls, _lines(readings))


def _calls(readings: Sequence[Reading]) -> dict[str, int] | None:
    found = [each for each in readings if each.name == 'wazo_busd_calls_conversations']
    calls: dict[str, int] = {}
    for each in found:
        direction = each.labels.get('direction', '')
        calls[direction] = calls.get(direction, 0) + int(each.value)
    return calls if found else None


def _lines(readings: Sequence[Reading]) -> tuple[WaitingLine, ...]:
    waiting: dict[str, int] = {}
    longest: dict[str, float] = {}
    agents: dict[str, dict[str, int]] = {}
    for each in readings:
        queue = each.labels.get('queue', '')
        if each.name == 'wazo_busd_queues_waiting':
            waiting[queue] = waiting.get(queue, 0) + int(each.value)
        elif each.name == 'wazo_busd_queues_longest_wait_seconds':
            longest[queue] = max(longest.get(queue, 0.0), each.value)
        elif each.name == 'wazo_busd_queues_agents':
            state = agents.setdefault(queue, {})
            state[each.labels.get('state', '')] = int(each.value)
    names = sorted({*waiting, *agents}, key=lambda name: (-waiting.get(name, 0), name))
    return tuple(
        WaitingLine(name, waiting.get(name, 0), longest.get(name, 0.0), agents.get(name, {})) for name in names
    )


class History:
    """The last snapshots."""

    def __init__(self) -> None:
        self._snapshots: deque[Snapshot] = deque(maxlen=KEPT)
        self.away = ''
        """Why the daemon cannot be asked now; `''` while it can."""

    @property
    def last(self) -> Snapshot | None:
        """The latest snapshot; `None` before the first one."""
        return self._snapshots[-1] if self._snapshots else None

    def add(self, snapshot: Snapshot) -> None:
        """Remember a snapshot; those of a daemon that was started since then are another story."""
        if self.last is not None and self.last.status['since'] != snapshot.status['since']:
            self._snapshots.clear()
        self._snapshots.append(snapshot)
        self.away = ''

    def rates(self, handler: str = '') -> Rates:
        """The rates of a handler; those of all together if it has no name."""
        counts = [(snapshot.at, _counted(snapshot, handler)) for snapshot in self._snapshots]
        steps = list(pairwise(counts))
        if not steps:
            return Rates()
        received = tuple(_rate(before, after, 0) for before, after in steps)
        lately = steps[-_AVERAGED:]
        now, done, failed = (sum(_rate(one, other, which) for one, other in lately) / len(lately) for which in range(3))
        return Rates(received, now, done, failed)


def _counted(snapshot: Snapshot, handler: str) -> Mapping[str, tuple[int, int, int]]:
    """What came, was done and failed, of each handler that is meant."""
    return {
        each['handler']: (each['received'], each['outcomes']['done'], each['retries'] + each['dead'])
        for each in snapshot.status['handlers']
        if handler in ('', each['handler'])
    }


def _rate(
    before: tuple[float, Mapping[str, tuple[int, int, int]]],
    after: tuple[float, Mapping[str, tuple[int, int, int]]],
    which: int,
) -> float:
    """How fast a count grew. A handler that was begun anew counts from zero."""
    seconds = after[0] - before[0]
    if seconds <= 0:
        return 0.0
    grown = sum(max(0, count[which] - before[1][name][which]) for name, count in after[1].items() if name in before[1])
    return grown / seconds
