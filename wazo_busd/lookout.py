# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The lookout: a thread that finds out that the event loop does not turn, names who blocks it, and beats meanwhile.

It leaves a mark for the loop to take away, and looks for it the next time. Code that keeps Python's lock to itself,
such as a regular expression that finds no end, holds up this thread too: it is named when it lets go.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from wazo_busd.bus import Bus
from wazo_busd.strays import Strays, handler_of

_EVERY_SECONDS = 0.4
_LEAVING_SECONDS = 1.0
_BUSY = 0.1
"""What part of a time a process has calculated at least that was not stopped, even on a host with too much to do."""
_FRAMES = 24
_WAITING = (selectors.__file__, str(Path(__file__).with_name('runner.py')))
"""Where the loop waits: asyncio's in its selector, uvloop's, which is no code of Python's, in what runs it."""

_BELOW_PLUGINS = tuple(f'{Path(file).parent}/' for file in (__file__, asyncio.__file__))
"""Where the code lies that calls that of plugins."""

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Stalls:
    """How a handler has blocked the loop.

    Attributes:
        times: how often.
        seconds: how long, all times together; a stall that lasts is not in it yet.
    """

    times: int = 0
    seconds: float = 0.0


class _Place(NamedTuple):
    """One call of a stack."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f'{self.file}:{self.line} in {self.function}'


@dataclass(slots=True)
class _Stall:
    """One time that the loop does not turn: since when, and who blocks it."""

    since: float
    who: dict[str, str]


class Lookout:
    """Watches one loop.

    Args:
        every_seconds: how often it looks. A stall is seen when it has lasted once to twice as long.
    """

    def __init__(self, every_seconds: float = _EVERY_SECONDS) -> None:
        self.strays = Strays()
        self.bus: Bus | None = None
        """The bus whose connections are kept."""
        self.stalls: dict[str, Stalls] = {}
        """By handler; under `''` what is no handler's."""
        self._every_seconds = every_seconds
        self._loop: asyncio.AbstractEventLoop
        self._loop_thread = 0
        self._thread: threading.Thread
        self._ending = threading.Event()
        self._is_marked = False
        self._marked_at = 0.0
        self._turned_at = 0.0
        self._looked_at = 0.0
        self._burnt = 0.0
        self._stall: _Stall | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch a loop that this thread runs."""
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._thread = threading.Thread(target=self._run, name='lookout', daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Watch no more. The loop must not be closed before."""
        self._ending.set()
        self._thread.join(_LEAVING_SECONDS)

    def _run(self) -> None:
        self._looked_at, self._burnt = time.monotonic(), time.process_time()
        while not self._ending.wait(self._every_seconds):
            try:
                self._look(time.monotonic(), time.process_time())
            except Exception:
                # A mistake of ours. Who looks out must not be gone the next time.
                log.exception('lookout_failed')

    def _look(self, now: float, burnt: float) -> None:
        """Look once.

        Args:
            now: the time on the monotonic clock.
            burnt: the processor time that the process has used.
        """
        since, burnt_since, self._looked_at, self._burnt = self._looked_at, self._burnt, now, burnt
        # First of all, as whoever blocks the loop may be through any moment.
        task, stack = asyncio.current_task(self._loop), self._stack()
        is_late = now - since > 2 * self._every_seconds
        is_held = is_late and bool(stack) and burnt - burnt_since > (now - since) * _BUSY
        if is_late and not is_held and self._stall is None:
            # Nobody has kept us from looking: the process as a whole was stopped for a while.
            self._marked_at = now
            return
        if not self._is_marked:
            if self._stall is not None:
                self._ended(self._stall)
            if not stack:
                # To wake it would cost more than all the rest here.
                return
            self._is_marked, self._marked_at = True, since if is_held else now
            self._loop.call_soon_threadsafe(self._turned)
            if not is_held:
                return
        if self.bus is not None:
            self.bus.beat()
        if self._stall is None:
            self._began(now, task, stack)

    def _stack(self) -> list[_Place]:
        """Where the loop is, the innermost place first; nowhere while it waits for something to happen."""
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 — documented, for debuggers and such
        places: list[_Place] = []
        if frame is None or frame.f_code.co_filename in _WAITING:
            return places
        while frame is not None and len(places) < _FRAMES:
            places.append(_Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname))
            frame = frame.f_back
        return places

    def _turned(self) -> None:
        """Called by the loop."""
        self._turned_at = time.monotonic()
        self._is_marked = False

    def _began(self, now: float, task: asyncio.Task[Any] | None, stack: list[_Place]) -> None:
        handler = self._handler(task, stack)
        who = {'handler': handler} if handler else {'task': task.get_name()} if task else {}
        self._stall = _Stall(self._marked_at, who)
        self.stalls.setdefault(handler, Stalls()).times += 1
        log.error(
            'loop_blocked',
            **who,
            seconds=round(now - self._marked_at, 1),
            effect='all handlers wait',
            hint='do what takes time in a plain function, which runs in a thread, or await it',
            stack='\n'.join(map(str, reversed(self._from_plugin(stack)))),
        )

    def _ended(self, stall: _Stall) -> None:
        self._stall = None
        seconds = self._turned_at - stall.since
        self.stalls[stall.who.get('handler', '')].seconds += seconds
        log.warning('loop_free_again', **stall.who, seconds=round(seconds, 1))

    def _handler(self, task: asyncio.Task[Any] | None, stack: list[_Place]) -> str:
        """Whose code runs: that of the task, else that of the innermost file that is a plugin's; `''` if nobody's."""
        if task is not None:
            # The tasks that we call plugins in are called bell/3 and start/bell.
            head, _, tail = task.get_name().rpartition('/')
            handler = handler_of(task) or (head if tail.isdecimal() else tail)
            if self.strays.knows(handler):
                return handler
        return next(filter(None, (', '.join(self.strays.handlers_in(place.file)) for place in stack)), '')

    def _from_plugin(self, stack: list[_Place]) -> list[_Place]:
        """The places from the one on that a plugin was called at; all of them if none was."""
        is_plugins = False
        for number, place in enumerate(stack):
            if is_plugins and place.file.startswith(_BELOW_PLUGINS):
                return stack[:number]
            is_plugins = is_plugins or bool(self.strays.handlers_in(place.file))
        return stack
