# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The watcher: the plugin around a tracker, which gives it events and time, and publishes what follows."""

from __future__ import annotations

import asyncio
import time
import zlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from wazo_busd.api import Context, Event, Figure, Panel

from .clock import QUIET_SECONDS, Clock
from .memory import Memory
from .moment import moment_of
from .outbox import Outbox
from .tracker import Tracker, TrackerOptions

GAP = 'busd.gap'
"""The event that says that events can have been lost; every tracker matches it."""

_SHORTEST_SECONDS = 0.05
_LONGEST_SECONDS = 3600.0
_SEEN = 1024
_AFTER_FAILURE_SECONDS = 30.0
"""A tracker that fails each time is not asked all the time."""


class Watcher(ABC):
    """The base of plugins that are trackers.

    What follows from an event is published before that event is acknowledged. What cannot be published waits, in order,
    and goes first when the next event comes or a moment has passed. A tracker takes each event once, however often it
    is given out.

    A subclass has `Options` and `version`, makes its tracker, and hands events on from a method that is marked with
    what it matches, `busd.gap` among that.

    Attributes:
        version: of what its tracker remembers; what another version has left is not understood.
    """

    Options: ClassVar[type[TrackerOptions]] = TrackerOptions
    version: ClassVar[int] = 1
    reads_surroundings: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        self.context = context
        self.tracker = self.make()
        self._clock = Clock(lambda: context.consuming_seconds)
        self._outbox = Outbox(context)
        self._memory: Memory | None = None
        # In the order in which they came; only the keys matter. A plain dictionary is slow to tell which came first.
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._armed_for: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def make(self) -> Tracker:
        """The tracker, which knows nothing yet; called when there is a context, and again when it has to begin anew."""

    async def start(self) -> None:
        """Remember what was known when it stopped, if that is not too long ago."""
        self.tracker.since = time.time()
        memory = Memory(self.context.state_dir / 'memory.json', self.version, self.context.log)
        said = await asyncio.to_thread(memory.read, self.context.options.restore_within)
        self._memory = memory
        if said is not None:
            self._restore(said)
        self.context.meter.show(self._figures)
        self.context.panels.show(self._panels)
        self._arm()
        self._outbox.flush_soon()

    async def stop(self) -> None:
        """Keep what is known."""
        if self._timer is not None:
            self._timer.cancel()
        self._outbox.close()
        # In a thread, as it takes a while where much is known. Nothing comes any more.
        await asyncio.to_thread(self._remember)

    async def take(self, event: Event) -> None:
        """Let the tracker take an event, and publish what follows.

        Args:
            event: the event.

        Raises:
            wazo_busd.errors.BusError: the broker does not take what follows. It is kept, and tried again.
        """
        key = _recognition(event)
        if key not in self._seen or not (event.redelivered or event.attempt > 1):
            self._seen[key] = None
            if len(self._seen) > _SEEN:
                self._seen.popitem(last=False)
            try:
                self._feed(event)
            except Exception:
                # Not taken: tried again it fails again, and is a dead letter in the end.
                self._seen.pop(key, None)
                raise
        if self._outbox:
            # A broker in an alarm neither takes it nor refuses it.
            with self._clock.stopped():
                await self._outbox.flush()

    def _feed(self, event: Event) -> None:
        clock, at = self._clock, moment_of(event)
        if clock.was_ahead(event.received_at):
            self._begin_anew('clock_was_ahead', seconds=round(clock.time - event.received_at))
        clock.hear(at)
        if event.name == GAP:
            self._note_gap(event)
            return
        # When it is due is what it was armed for: nothing has happened since.
        if self._armed_for is not None and self._armed_for <= clock.time:
            self._outbox.put(self.tracker.tick(clock.time))
        self._outbox.put(self.tracker.feed(event, at))
        if self.tracker.due() != self._armed_for:
            self._arm()

    def _note_gap(self, event: Event) -> None:
        """What is counted is counted since then, if events of this handler can have been lost."""
        handler = event.data.get('handler') if isinstance(event.data, Mapping) else None
        if handler is None or handler == self.context.name:
            self.tracker.since = self._clock.time

    def _begin_anew(self, fact: str, **why: Any) -> None:
        """Know nothing any more, and say so."""
        self.context.log.warning(fact, **why, effect='the tracker begins anew')
        self.tracker = self.make()
        self.tracker.since = time.time()
        self._clock = Clock(lambda: self.context.consuming_seconds)

    def _arm(self, at_least: float = _SHORTEST_SECONDS) -> None:
        """Let the timer go off when the tracker is due, after so many seconds at the earliest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed_for = due = self.tracker.due()
        if due is not None:
            # When no more old events come, it is later all at once.
            most = QUIET_SECONDS if self._clock.is_behind else _LONGEST_SECONDS
            seconds = max(at_least, min(due - self._clock.now(), most))
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_time)

    def _on_time(self) -> None:
        now, due = self._clock.now(), self.tracker.due()
        if due is not None and due <= now:
            self._clock.time = now
            try:
                self._outbox.put(self.tracker.tick(now))
            except Exception:
                self._arm(_AFTER_FAILURE_SECONDS)
                raise
        self._arm()
        self._outbox.flush_soon()

    def _figures(self) -> Iterator[Figure]:
        meaning = 'Since when the handler has seen what there was, in Unix seconds; it counts from then on.'
        yield Figure('wazo_busd_tracker_since_seconds', meaning, values={(): self.tracker.since})
        yield from self.tracker.figures(self._clock.now())

    def _panels(self) -> Iterator[Panel]:
        for each in self.tracker.panels(self._clock.now()):
            yield replace(each, since=self.tracker.since)

    def _remember(self) -> None:
        if self._memory is not None:
            self._memory.write(
                {
                    'since': self.tracker.since,
                    'time': self._clock.time,
                    'seen': list(self._seen),
                    'outbox': self._outbox.dump(),
                    'known': self.tracker.dump(),
                }
            )

    def _restore(self, said: dict[str, Any]) -> None:
        try:
            self.tracker.load(said['known'])
            since, seen, at = float(said['since']), OrderedDict.fromkeys(map(int, said['seen'])), float(said['time'])
            self._outbox.load(said['outbox'])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self._begin_anew('memory_not_understood', error=type(error).__name__)
            return
        self.tracker.since, self._seen, self._clock.time = since, seen, at


def _recognition(event: Event) -> int:
    """What an event is recognised by when it is given out again. It costs a tenth of its id, and serves only here."""
    return zlib.crc32(event.body, len(event.routing_key)) << 32 | len(event.body) & 0xFFFFFFFF
