# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Threads for plain functions, which would block the loop."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from wazo_busd.errors import HandlerExited

_SPARE = 16


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
        self._idle: list[_Thread] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._started = 0
        self._is_closed = False

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Run `function(argument)` in a thread, with the context variables of the caller.

        When the caller is cancelled, the thread goes on: no thread can be stopped from outside.

        Raises:
            BaseException: whatever the function raises.
        """
        thread = await self._free()
        loop = asyncio.get_running_loop()
        result: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def done(value: Any, error: BaseException | None) -> None:
            self._release(thread)
            if result.done():
                return
            if error is None:
                result.set_result(value)
            else:
                result.set_exception(error)

        thread.give(lambda: context.run(function, argument), lambda *what: loop.call_soon_threadsafe(done, *what))
        return await result

    def close(self) -> None:
        """Let the idle threads end. Those that run end after their function."""
        self._is_closed = True
        for thread in self._idle:
            thread.end()
        self._idle.clear()

    async def _free(self) -> _Thread:
        while not self._idle and self._started >= self._limit:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled():
                    # It was called and cannot come: the thread is for the next one.
                    self._wake()
                raise
        if self._idle:
            return self._idle.pop()
        self._started += 1
        return _Thread(f'{self._name}#{self._started}')

    def _release(self, thread: _Thread) -> None:
        if self._is_closed:
            thread.end()
            return
        self._idle.append(thread)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


class _Thread:
    """One thread and what it is given to do."""

    def __init__(self, name: str) -> None:
        self._given: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any, BaseException | None], Any]] | None] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    def give(self, function: Callable[[], Any], report: Callable[[Any, BaseException | None], Any]) -> None:
        self._given.put((function, report))

    def end(self) -> None:
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
