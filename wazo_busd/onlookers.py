# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The onlookers: who is told, while it happens, what became of events at their handlers. Nobody waits for them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from wazo_busd.delivery import Delivery
from wazo_busd.event import Event
from wazo_busd.match import Match
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.patterns import Matcher
from wazo_busd.work import Work

MOST = 8
"""So many can look on at a time."""

_MOST_SIGHTINGS = 2_000
_MOST_BYTES = 8_388_608
_SMALLEST_BYTES = 500


@dataclass(frozen=True, slots=True)
class Sighting:
    """What became of one try of one event at one handler.

    Attributes:
        at: when, in Unix seconds.
        handler: the handler.
        outcome: what became of it.
        routing_key: the key that the event came with.
        event: the event; `None` for what is none.
        attempt: which try it was; 0 if it never ran.
        duration_seconds: how long that took.
    """

    at: float
    handler: str
    outcome: Outcome
    routing_key: str
    event: Event | None
    attempt: int
    duration_seconds: float

    def plain(self, *, in_full: bool) -> dict[str, Any]:
        """It in plain types.

        Args:
            in_full: with what the event says.
        """
        event = self.event
        said = {
            'at': round(self.at, 3),
            'event': event.name if event is not None else '',
            'routing_key': self.routing_key,
            'handler': self.handler,
            'outcome': self.outcome.value,
            'attempt': self.attempt,
            'duration_ms': round(self.duration_seconds * 1000, 3),
        }
        return said | {'id': event.id, 'data': event.data} if in_full and event is not None else said


class Onlooker:
    """Somebody who looks on. Of what they do not take in time they are told how much it was.

    Args:
        match: which events they want to see; `None` for all.
        handlers: those of which handlers; none for all.
    """

    def __init__(self, match: Match | None = None, handlers: Collection[str] = ()) -> None:
        self._match = match
        self._keys = Matcher(match.bindings) if match is not None else None
        self._handlers = frozenset(handlers)
        self._waiting: deque[Sighting] = deque()
        self._bytes = 0
        self._missed = 0
        self._told = asyncio.Event()

    def put(self, sighting: Sighting) -> None:
        """Let them see something, if they want it; what they have not taken for longest goes for it."""
        if not self._wants(sighting):
            return
        self._waiting.append(sighting)
        self._bytes += _size(sighting)
        while len(self._waiting) > _MOST_SIGHTINGS or self._bytes > _MOST_BYTES:
            self._bytes -= _size(self._waiting.popleft())
            self._missed += 1
        self._told.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to take, for so many seconds at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._told.wait()
        except TimeoutError:
            return

    def take(self, most: int) -> tuple[int, list[Sighting]]:
        """How many they have missed since they took the last time, and the next ones.

        Args:
            most: how many they take.
        """
        missed, self._missed = self._missed, 0
        found = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._bytes -= sum(map(_size, found))
        if not self._waiting:
            self._told.clear()
        return missed, found

    def _wants(self, sighting: Sighting) -> bool:
        if self._handlers and sighting.handler not in self._handlers:
            return False
        if self._match is None or self._keys is None:
            return True
        if sighting.event is None:
            return self._keys.matches(sighting.routing_key)
        return self._match.takes(sighting.event)


class Onlookers:
    """All of them."""

    def __init__(self) -> None:
        self.present: list[Onlooker] = []
        """Who looks on now; always this one list, so that whoever has it can see that nobody does."""

    @property
    def is_full(self) -> bool:
        """Whether there are enough."""
        return len(self.present) >= MOST

    def add(self, onlooker: Onlooker) -> None:
        """Somebody comes."""
        self.present.append(onlooker)

    def remove(self, onlooker: Onlooker) -> None:
        """Somebody goes."""
        self.present.remove(onlooker)

    def see(self, work: Work, outcome: Outcome) -> None:
        """Let them see what became of a try."""
        event = work.event
        self._put(work.handler, outcome, event.routing_key, event, event.attempt, work.duration_seconds)

    def see_dead(self, delivery: Delivery, event: Event | None, reason: Reason, duration_seconds: float) -> None:
        """Let them see that a handler has given up.

        Args:
            delivery: what it gave up on.
            event: the event; `None` for what is none.
            reason: why.
            duration_seconds: how long the last try took.
        """
        self._put(reason.handler, Outcome.DEAD, delivery.routing_key, event, reason.attempts, duration_seconds)

    def _put(
        self, handler: str, outcome: Outcome, key: str, event: Event | None, attempt: int, duration_seconds: float
    ) -> None:
        sighting = Sighting(time.time(), handler, outcome, key, event, attempt, duration_seconds)
        for onlooker in self.present:
            onlooker.put(sighting)


def _size(sighting: Sighting) -> int:
    """How many bytes are kept for it: an event has the body that it came with."""
    return _SMALLEST_BYTES + (len(sighting.event.body) if sighting.event is not None else 0)
