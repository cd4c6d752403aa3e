# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Threads for plain functions, which would block the loop."""

from __future__ import annotations

import asyncio
import contextvars
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog

from wazo_busd.errors import HandlerExited

_SPARE = 16
_RETRY_SECONDS = 1.0
_COMPLAINT_SECONDS = 60.0

log = structlog.stdlib.get_logger(__name__)


class Threads:
    """A few threads that run one function at a time each.

    They are daemon threads: one that hangs in foreign code cannot keep the process from ending. There are as many as
    run at a time, and up to 16 more for those that were given up because of a timeout and still run.

    Args:
        name: what the threads are called, for a person who looks at the process.
        concurrency: how many run at a time.
    """

    def __init__(self, name: str, concurrency: int) -> None:
        self._name = name
        self._limit = concurrency + _SPARE
        self._idle: list[Thread] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._started = 0
        self._is_closed = False
        self._complained_at = -math.inf

    async def run(self, function: Callable[[Any], Any], argument: Any, thread: Thread | None = None) -> Any:
        """Run `function(argument)` in a thread, with the context variables of the caller.

        When the caller is cancelled, the thread goes on: no thread can be stopped from outside.

        Args:
            function: what is run.
            argument: what it is given.
            thread: one that `free` gave; the next that is free if `None`. When the function has returned it is free.

        Raises:
            BaseException: whatever the function raises.
        """
        used = thread or await self.free()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def done(value: Any, error: BaseException | None) -> None:
            self.release(used)
            if result.done():
                return
            if error is None:
                result.set_result(value)
            else:
                result.set_exception(error)

        used.give(lambda: context.run(function, argument), lambda *what: loop.call_soon_threadsafe(done, *what))
        return await result

    def close(self) -> None:
        """Let the idle threads end. Those that run end after their function."""
        self._is_closed = True
        for thread in self._idle:
            thread.end()
        self._idle.clear()

    async def free(self) -> Thread:
        """Wait for a thread that does nothing. It is the caller's until it is given to `run` or `release`."""
        while True:
            if self._idle:
                return self._idle.pop()
            if self._started < self._limit:
                try:
                    thread = Thread(f'{self._name}#{self._started + 1}')
                except RuntimeError as error:
                    # The system gives no more threads now.
                    self._complain(str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                self._started += 1
                return thread
            self._complain(f'all {self._limit} threads are busy, with calls that timed out too')
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled():
                    # It was called and cannot come: the thread is for the next one.
                    self._wake()
                raise

    def release(self, thread: Thread) -> None:
        """The thread does nothing any more."""
        if self._is_closed:
            thread.end()
            return
        self._idle.append(thread)
        self._wake()

    def _complain(self, reason: str) -> None:
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            log.warning('no_thread_free', handler=self._name, reason=reason, effect='its events wait')

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class Thread:
    """One thread and what it is given to do."""

    def __init__(self, name: str) -> None:
        self._given: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any, BaseException | None], Any]] | None] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    def give(self, function: Callable[[], Any], report: Callable[[Any, BaseException | None], Any]) -> None:
        """Let it run `function` and tell `report` the result and the error, from the thread."""
        self._given.put((function, report))

    def end(self) -> None:
        """Let it end after what it was given."""
        self._given.put(None)

    def _loop(self) -> None:
        while (given := self._given.get()) is not None:
            function, report = given
            try:
                outcome: tuple[Any, BaseException | None] = (function(), None)
            except StopIteration as error:
                # A future refuses this one, as it would end the generator that waits for it.
                exited = HandlerExited(f'StopIteration: {error}')
                exited.__cause__ = error
                outcome = (None, exited)
            except BaseException as error:  # noqa: BLE001 — it is given to the one who waits
                outcome = (None, error)
            try:
                report(*outcome)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return
