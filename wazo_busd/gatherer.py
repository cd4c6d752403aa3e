# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gatherer: makes one burst of the events of a handler that come within a while.

An event is acknowledged when it is on disk. When the time is over, counted from the first of them, the file is sealed
and the burst published to the handler's own queue; when that is confirmed the file is removed. From then on the burst
is an event as any other, with its tries and, if it comes to that, its dead letter. So nothing is lost by a crash at any
moment; a burst that was published and not yet removed is published again, with the same identity.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from wazo_busd.burst import burst_of, record
from wazo_busd.codec import Limits
from wazo_busd.errors import BusError, Undecodable
from wazo_busd.event import Event
from wazo_busd.gathering import Gathering, Line
from wazo_busd.handler import Gather
from wazo_busd.heap import Heap
from wazo_busd.work import Work

_MOST_BYTES = 393_216
_MOST_KNOWN = 50_000
_LEAST_SECONDS = 1.0
"""So long is waited at least after a start: what comes again comes then, and is recognised."""
_PAUSES_SECONDS = (1.0, 5.0, 15.0, 60.0)
_COMPLAINT_SECONDS = 60.0

Hand = Callable[[bytes, Event], Awaitable[None]]
"""Publishes a burst, given its body and last event, for the handler alone; returns when that is confirmed."""

log = structlog.stdlib.get_logger(__name__)


class Gatherer:
    """Gathers the events of one handler.

    Args:
        handler: the name of the handler.
        gather: for how long, and what of them is kept; `None` only publishes what was gathered before.
        files: where they are kept meanwhile.
        limits: what a body may be at most.
        hand: publishes a burst.
        done: told of each event that is on disk: it is done with.
        alone: told of each event that cannot be kept: it is to be handled by itself.
    """

    def __init__(
        self,
        handler: str,
        gather: Gather | None,
        files: Gathering,
        *,
        limits: Limits,
        hand: Hand,
        done: Callable[[Work], None],
        alone: Callable[[Work], None],
    ) -> None:
        self._handler = handler
        self._gather = gather
        self._files = files
        self._limits = limits
        self._most_bytes = min(limits.size // 2, _MOST_BYTES)
        self._hand = hand
        self._done = done
        self._alone = alone
        self._heap: Heap | None = None
        self._known: dict[str, None] = {}
        """The identities of what is on disk, or was."""
        self._waiting: list[tuple[Work, bytes]] = []
        self._sealed: list[tuple[Path, Heap]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lock = asyncio.Lock()
        """Held by whoever changes files."""
        self._committing: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._complained_at = -_COMPLAINT_SECONDS

    async def open(self) -> None:
        """Take up what an earlier process has left.

        Raises:
            OSError: it cannot be read, or another process is at it.
        """
        lines = await asyncio.to_thread(self._files.open)
        for path, sealed in await asyncio.to_thread(self._files.sealed):
            self._sealed.append((path, self._restored(sealed)))
        if lines:
            self._heap = self._restored(lines)
            self._await_end(self._heap)
        self._publish()

    def takes(self, work: Work) -> bool:
        """Take an event that comes for the first time, if it can be gathered. It never waits.

        Returns:
            Whether it is seen to; if not it is to be handled by itself.
        """
        if self._gather is None:
            return False
        if work.event.redelivered and work.event.id in self._known:
            self._done(work)
            return True
        found = record(work.event)
        if len(found) > self._most_bytes // 2:
            return False
        self._waiting.append((work, found))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit(), name=f'{self._handler}/gather')
        return True

    async def flush(self) -> None:
        """Let the time of what is gathered be over, and wait until it is published."""
        if self._committing is not None:
            await asyncio.wait([self._committing])
        await self._end()
        if self._publishing is not None:
            await asyncio.wait([self._publishing])

    async def close(self) -> None:
        """Put on disk what waits for it, and let go. What is not published is published after the next start."""
        if self._committing is not None:
            await asyncio.wait([self._committing])
        if self._timer is not None:
            self._timer.cancel()
        if self._ending is not None:
            await asyncio.wait([self._ending])
        if self._publishing is not None:
            self._publishing.cancel()
            await asyncio.wait([self._publishing])
        async with self._lock:
            self._files.close()

    async def _commit(self) -> None:
        """Write what waits, much at once, until nothing waits: while some is flushed, the next gathers."""
        try:
            while self._waiting:
                async with self._lock:
                    heap = self._heap or self._new_heap()
                    pieces = [(work.event.id, found) for work, found in self._waiting]
                    number = heap.fitting(pieces)
                    works = [work for work, _ in self._waiting[:number]]
                    del self._waiting[:number]
                    try:
                        await asyncio.to_thread(self._files.append, heap.lines(pieces[:number]))
                    except OSError as error:
                        self._refuse(works, error)
                        continue
                    heap.add(pieces[:number])
                    self._take_up(heap, works)
                if heap.is_full:
                    await self._end()
        finally:
            self._committing = None

    def _take_up(self, heap: Heap, works: list[Work]) -> None:
        """What is on disk is done with."""
        for work in works:
            self._know(work.event.id)
            self._done(work)
        if self._heap is None:
            self._heap = heap
            self._await_end(heap)

    def _refuse(self, works: list[Work], error: OSError) -> None:
        """What cannot be kept is handled by itself: too many are better than none."""
        self._complain(error, 'its events are handled one by one')
        for work in works:
            self._alone(work)

    def _know(self, identity: str) -> None:
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[identity] = None

    def _new_heap(self) -> Heap:
        return Heap(whole=self._gather is not None and self._gather.whole, most_bytes=self._most_bytes)

    def _restored(self, lines: list[Line]) -> Heap:
        heap = self._new_heap()
        heap.restore(lines)
        for line in lines:
            self._know(line.id)
        return heap

    def _await_end(self, heap: Heap) -> None:
        seconds = self._gather.seconds if self._gather is not None else 0.0
        least = min(_LEAST_SECONDS, seconds)
        left = min(max(heap.began_at + seconds - time.time(), least), seconds)
        self._timer = asyncio.get_running_loop().call_later(left, self._over)

    def _over(self) -> None:
        self._ending = asyncio.create_task(self._end(), name=f'{self._handler}/burst')

    async def _end(self) -> None:
        """The time of what is gathered is over."""
        async with self._lock:
            heap = self._heap
            if heap is None:
                return
            if self._timer is not None:
                self._timer.cancel()
            try:
                path = await asyncio.to_thread(self._files.seal)
            except OSError as error:
                self._complain(error, 'what was gathered waits longer')
                self._timer = asyncio.get_running_loop().call_later(_COMPLAINT_SECONDS, self._over)
                return
            self._heap = None
            self._sealed.append((path, heap))
        self._publish()

    def _publish(self) -> None:
        if self._publishing is None and self._sealed:
            self._publishing = asyncio.create_task(self._publish_all(), name=f'{self._handler}/publish')

    async def _publish_all(self) -> None:
        """Publish what is sealed, in its order, until all of it is confirmed."""
        try:
            while self._sealed:
                path, heap = self._sealed[0]
                if await self._hand_over(path, heap.body):
                    log.info('burst_published', handler=self._handler, count=heap.count)
                    await self._remove(path)
                self._sealed.pop(0)
        finally:
            self._publishing = None

    async def _remove(self, path: Path) -> None:
        try:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            self._complain(error, 'the burst is published once more after the next start')

    async def _hand_over(self, path: Path, body: bytes) -> bool:
        """Publish a burst, as often as it takes; whether it could be read at all."""
        try:
            last = burst_of(body, redelivered=False, attempt=1, id='', limits=self._limits)
        except Undecodable as error:
            kept = path.with_suffix('.broken')
            log.error('burst_unreadable', handler=self._handler, path=str(kept), error=str(error), effect='it is kept')
            await asyncio.to_thread(path.rename, kept)
            return False
        pauses = iter(_PAUSES_SECONDS)
        while True:
            try:
                await self._hand(body, last)
                return True
            except BusError as error:
                self._complain(error, 'the burst waits on disk')
                await asyncio.sleep(next(pauses, _PAUSES_SECONDS[-1]))

    def _complain(self, error: Exception, effect: str) -> None:
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            log.error(
                'gathering_failed',
                handler=self._handler,
                error=str(error),
                effect=effect,
                hint=f'df -h {self._files.directory}',
            )
