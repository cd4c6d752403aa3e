# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The lanes: work of one key in the order it came, of different keys side by side."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import structlog

W = TypeVar('W')

_BREATH = 64
"""After so many pieces of work in a row a worker lets the loop turn, so that heartbeats are answered."""

log = structlog.stdlib.get_logger(__name__)


class Lanes(Generic[W]):
    """Runs work with a few long-lived workers.

    Work with a key waits behind earlier work with the same key; work without one goes to the first free worker. A lane
    exists while it has work: what bounds the number of lanes is what bounds the work, the prefetch.

    A worker whose task was cancelled ends, even if the work did not care: by `cut`, by the end of the loop, or by the
    work itself. Where there is more to do, another one takes its place.

    Args:
        run: runs one piece of work. What it raises is a mistake of ours, and logged.
        concurrency: how many workers there are at most.
        name: what their tasks are called.
    """

    def __init__(self, run: Callable[[W], Awaitable[None]], *, concurrency: int, name: str) -> None:
        self._run = run
        self._concurrency = concurrency
        self._name = name
        self._ready: deque[tuple[Hashable | None, W]] = deque()
        self._waiting: dict[Hashable, deque[W]] = {}
        self._running: dict[int, W] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._numbers = itertools.count()
        self._idle: list[asyncio.Future[None]] = []
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._is_cut = False

    def put(self, work: W, key: Hashable | None = None) -> None:
        """Take a piece of work, behind earlier work with the same key."""
        if key is None:
            self._ready.append((None, work))
        elif key in self._waiting:
            self._waiting[key].append(work)
            return
        else:
            self._waiting[key] = deque()
            self._ready.append((key, work))
        self._call_worker()

    def withdraw(self, is_meant: Callable[[W], bool] = lambda _: True) -> list[W]:
        """Take away what has not begun, in the order it came within each lane.

        Args:
            is_meant: which of it; all by default.
        """
        taken = [work for _, work in self._ready if is_meant(work)]
        for lane in self._waiting.values():
            kept = [work for work in lane if not is_meant(work)]
            taken.extend(work for work in lane if is_meant(work))
            lane.clear()
            lane.extend(kept)
        ready, self._ready = self._ready, deque()
        for key, work in ready:
            if not is_meant(work):
                self._ready.append((key, work))
            elif key is not None:
                self._next(key)
        return taken

    @property
    def running(self) -> list[W]:
        """What is being run now."""
        return list(self._running.values())

    @property
    def size(self) -> int:
        """How much work waits or runs."""
        return len(self._ready) + sum(map(len, self._waiting.values())) + len(self._running)

    async def quiet(self) -> None:
        """Wait until nothing runs."""
        await self._quiet.wait()

    async def cut(self, grace_seconds: float) -> list[W]:
        """Cancel the workers, idle or not.

        Args:
            grace_seconds: how long running work may take to end after it was cancelled.

        Returns:
            The work that goes on all the same, because it ignores that it is cancelled.
        """
        self._is_cut = True
        tasks = list(self._workers.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        return self.running

    def _call_worker(self) -> None:
        while self._idle:
            waiter = self._idle.pop()
            if not waiter.done():
                waiter.set_result(None)
                return
        if len(self._workers) < self._concurrency and not self._is_cut:
            number = next(self._numbers)
            worker = asyncio.create_task(self._work(number), name=f'{self._name}/{number}')
            worker.add_done_callback(lambda _: self._ended(number))
            self._workers[number] = worker

    async def _work(self, number: int) -> None:
        task = self._workers[number]
        loop = asyncio.get_running_loop()
        breath = _BREATH
        while not task.cancelling():
            if not self._ready:
                waiter: asyncio.Future[None] = loop.create_future()
                self._idle.append(waiter)
                await waiter
                breath = _BREATH
            elif not breath:
                await asyncio.sleep(0)
                breath = _BREATH
            else:
                breath -= 1
                await self._run_next(number)

    def _ended(self, number: int) -> None:
        del self._workers[number]
        if self._ready:
            self._call_worker()

    async def _run_next(self, number: int) -> None:
        key, work = self._ready.popleft()
        self._running[number] = work
        self._quiet.clear()
        try:
            await self._run(work)
        except Exception:
            # A mistake of ours, as what a plugin raises ends inside: one piece of work must not cost us a worker.
            log.exception('work_failed_outside_its_handler', worker=f'{self._name}/{number}')
        finally:
            self._finished(number, key)

    def _finished(self, number: int, key: Hashable | None) -> None:
        del self._running[number]
        if key is not None:
            # No other worker is called: this one is awake and looks for ready work next.
            self._next(key)
        if not self._running:
            self._quiet.set()

    def _next(self, key: Hashable) -> None:
        """The first of a lane is gone: the next one is ready, or the lane ends."""
        lane = self._waiting[key]
        if lane:
            self._ready.append((key, lane.popleft()))
        else:
            del self._waiting[key]
