# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The publisher: sends a workload at a steady pace, as a process of its own, or as fast as the broker takes it."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any

from bench.wire import Place, Wire
from bench.workload import Workload, workload

_AT_ONCE = 500
LINES = 100
"""How many calls the events belong to unless said otherwise: an order by call has as many lanes."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be published.

    Attributes:
        place: where.
        workload: the name of the workload.
        events: how many.
        rate: events a second.
        lines: how many calls the events belong to, in turn.
    """

    place: Place
    workload: str
    events: int
    rate: float
    lines: int = LINES

    @classmethod
    def from_json(cls, text: str) -> Order:
        """What `to_json` made."""
        said: dict[str, Any] = json.loads(text)
        return replace(cls(**said), place=Place(**said['place']))

    def to_json(self) -> str:
        """The same as a text that fits on a command line."""
        return json.dumps(asdict(self))


class Publisher:
    """Publishes events of a workload in turn.

    Args:
        wire: where to.
        workload: the events.
        lines: how many calls they belong to.
    """

    def __init__(self, wire: Wire, workload: Workload, lines: int = LINES) -> None:
        self._wire = wire
        self._templates = workload.templates
        self._lines = lines
        self._numbers = count()

    def pour(self, events: int) -> None:
        """Publish as fast as the broker takes them, without stamps."""
        while events:
            some = min(events, _AT_ONCE)
            self._send(some)
            events -= some

    def pace(self, events: int, rate: float) -> float:
        """Publish at a steady pace, each event with the time it was sent at.

        Args:
            events: how many.
            rate: how many a second.

        Returns:
            How late the latest of them was sent, in seconds.
        """
        begin = time.perf_counter()
        sent, latest = 0, 0.0
        while sent < events:
            passed = time.perf_counter() - begin
            due = min(events, int(passed * rate) + 1) - sent
            if due:
                latest = max(latest, passed - sent / rate)
                self._send(due, b'%017.6f' % time.time())
                sent += due
            else:
                time.sleep(max(0.0, sent / rate - passed))
        return latest

    def _send(self, events: int, stamp: bytes = b'') -> None:
        frames = []
        for _, number in zip(range(events), self._numbers, strict=False):
            template = self._templates[number % len(self._templates)]
            frames.append(template.frames(number % self._lines, stamp))
        self._wire.send(b''.join(frames))


def main() -> None:
    """Do what the order on the command line says, tell how it went, and stay connected until standard input ends."""
    order = Order.from_json(sys.argv[1])
    with Wire(order.place) as wire:
        latest = Publisher(wire, workload(order.workload), order.lines).pace(order.events, order.rate)
        print(json.dumps({'latest_seconds': latest}), flush=True)
        sys.stdin.read()


if __name__ == '__main__':
    main()
