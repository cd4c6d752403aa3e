# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The lanes: work of one key in the order it came, of different keys side by side."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable
from typing import Any, Final, Generic, TypeVar

import structlog

from wazo_busd.errors import HandlerExited

W = TypeVar('W', bound=Hashable)

_BREATH: Final = 64
"""After so many pieces of work in a row a worker lets the loop turn, so that heartbeats are answered."""

log = structlog.stdlib.get_logger(__name__)


class Lanes(Generic[W]):
    """Runs work with a few long-lived workers.

    Work with a key waits behind earlier work with the same key; work without one goes to the first free worker. A lane
    exists while it has work: what bounds the number of lanes is what bounds the work, the prefetch.

    Work that is to be run again is put aside meanwhile: it keeps its lane, and no worker.

    A worker whose task was cancelled ends, even if the work did not care: by `cut`, by the end of the loop, or by the
    work itself. Where there is more to do, another one takes its place.

    Args:
        run: runs one piece of work. It gives the seconds after which it is to be run again, or `None` if it is
            finished. What it raises is a mistake of ours, and logged.
        concurrency: how many workers there are at most.
        name: what their tasks are called.
    """

    def __init__(self, run: Callable[[W], Awaitable[float | None]], *, concurrency: int, name: str) -> None:
        self._run = run
        self._concurrency = concurrency
        self._name = name
        self._ready: deque[tuple[Hashable | None, W]] = deque()
        self._due: deque[tuple[Hashable | None, W]] = deque()
        """What was put aside and is to be run again now."""
        self._waiting: dict[Hashable, deque[W] | None] = {}
        """What waits behind the first of each lane. `None` where nothing ever has, as in most: half a kilobyte less."""
        self._aside: dict[W, tuple[Hashable | None, asyncio.TimerHandle]] = {}
        self._running: dict[int, tuple[Hashable | None, W]] = {}
        self._workers: dict[int, asyncio.Task[None]] = {}
        self._numbers = itertools.count()
        self._idle: list[asyncio.Future[None]] = []
        self._awaited: asyncio.Event | None = None
        """Set when nothing runs, for whoever waits for that."""
        self._is_cut = False
        self._most = concurrency
        """New work is begun while fewer run."""

    def put(self, work: W, key: Hashable | None = None) -> None:
        """Take a piece of work, behind earlier work with the same key."""
        if key is None:
            self._ready.append((None, work))
        elif key in self._waiting:
            lane = self._waiting[key]
            if lane is None:
                lane = self._waiting[key] = deque()
            lane.append(work)
            return
        else:
            self._waiting[key] = None
            self._ready.append((key, work))
        if self._idle or len(self._workers) < self._concurrency:
            self._call_worker()

    def pause(self) -> None:
        """Begin nothing new. What runs goes on, and what was put aside is run again when it is time."""
        self._most = 0

    def resume(self, most: int | None = None) -> None:
        """Begin new work again.

        Args:
            most: begin nothing new while so many run; `None` is as many as there can be.
        """
        self._most = self._concurrency if most is None else most
        for _ in range(min(len(self._ready), self._most)):
            self._call_worker()

    def withdraw(self, is_meant: Callable[[W], bool] = lambda _: True) -> list[W]:
        """Take away what has not begun, in the order it came within each lane.

        Args:
            is_meant: which of it; all by default.
        """
        taken = [work for _, work in self._ready if is_meant(work)]
        for lane in filter(None, self._waiting.values()):
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

    def withdraw_aside(self) -> list[W]:
        """Take away what was put aside and waits to be run again."""
        taken = [work for _, work in self._due]
        keys = [key for key, _ in self._due]
        for work, (key, timer) in self._aside.items():
            timer.cancel()
            taken.append(work)
            keys.append(key)
        self._due.clear()
        self._aside.clear()
        for key in keys:
            if key is not None:
                self._next(key)
        for _ in range(min(len(self._ready), self._concurrency)):
            self._call_worker()
        return taken

    @property
    def running(self) -> list[W]:
        """What is being run now."""
        return [work for _, work in self._running.values()]

    @property
    def size(self) -> int:
        """How much work waits or runs."""
        begun = len(self._running) + len(self._aside) + len(self._due)
        return len(self._ready) + sum(map(len, filter(None, self._waiting.values()))) + begun

    async def quiet(self) -> None:
        """Wait until nothing runs."""
        if self._running:
            self._awaited = self._awaited or asyncio.Event()
            self._awaited.clear()
            await self._awaited.wait()

    def cancel(self, work: W) -> None:
        """Cancel the worker that runs `work`, if one does."""
        for number, (_, running) in self._running.items():
            if running is work:
                self._workers[number].cancel()

    def abandon(self, work: W, fresh: W, again: float | None) -> None:
        """Wait no longer for work that ignores that it is cancelled: its worker's place is free, and its lane.

        It may go on, and its worker ends after it.

        Args:
            work: the work.
            fresh: what stands for it from now on.
            again: the seconds after which it is to be run again; `None` if it is finished.
        """
        for number, (key, running) in list(self._running.items()):
            if running is work:
                self._running[number] = (key, fresh)
                self._finished(number, key, again)
                del self._workers[number]
                self._call_worker()

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
            worker = asyncio.create_task(_Steady(self._work(number)), name=f'{self._name}/{number}')
            worker.add_done_callback(lambda _: self._ended(number))
            self._workers[number] = worker

    async def _work(self, number: int) -> None:
        task = self._workers[number]
        loop = asyncio.get_running_loop()
        due, running, run = self._due, self._running, self._run
        breath = _BREATH
        while not task.cancelling() and number in self._workers:
            if not (due or (self._ready and len(running) < self._most)):
                waiter: asyncio.Future[None] = loop.create_future()
                self._idle.append(waiter)
                await waiter
                breath = _BREATH
                continue
            if not breath:
                await asyncio.sleep(0)
                breath = _BREATH
                continue
            breath -= 1
            key, work = (due or self._ready).popleft()
            running[number] = (key, work)
            again: float | None = None
            try:
                again = await run(work)
            except Exception:
                # A mistake of ours, as what a plugin raises ends inside: one piece of work must not cost us a worker.
                log.exception('work_failed_outside_its_handler', worker=f'{self._name}/{number}')
            finally:
                # Not if it was abandoned meanwhile.
                if number in running:
                    if again is None and key is None and self._awaited is None:
                        del running[number]
                    else:
                        self._finished(number, key, again)

    def _ended(self, number: int) -> None:
        if self._workers.pop(number, None) is not None and (self._ready or self._due):
            self._call_worker()

    def _finished(self, number: int, key: Hashable | None, again: float | None = None) -> None:
        _, work = self._running.pop(number)
        if again is not None and not self._is_cut:
            timer = asyncio.get_running_loop().call_later(again, self._run_again, work)
            self._aside[work] = (key, timer)
        elif key is not None:
            # No other worker is called: this one is awake and looks for ready work next.
            self._next(key)
        if self._awaited is not None and not self._running:
            self._awaited.set()

    def _run_again(self, work: W) -> None:
        key, _ = self._aside.pop(work)
        self._due.append((key, work))
        self._call_worker()

    def _next(self, key: Hashable) -> None:
        """The first of a lane is gone: the next one is ready, or the lane ends."""
        lane = self._waiting[key]
        if lane:
            self._ready.append((key, lane.popleft()))
        else:
            del self._waiting[key]


class _Steady(Coroutine[Any, Any, None]):
    """A coroutine that no `GeneratorExit` is thrown into, as happens when a future that a plugin awaits ends with one.

    Python would close all that runs inside, and what each function returns on its way out would be lost.
    """

    __slots__ = ('_inner',)

    def __init__(self, inner: Coroutine[Any, Any, None]) -> None:
        self._inner = inner

    def send(self, value: Any) -> Any:
        return self._inner.send(value)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        error = kind if value is None else value
        if isinstance(error, GeneratorExit):
            error, cause = HandlerExited('GeneratorExit'), error
            error.__cause__ = cause
        return self._inner.throw(error)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._inner.__await__()
