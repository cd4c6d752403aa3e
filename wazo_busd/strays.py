# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The strays: tasks that a plugin's code has made and that outlive the event that they were made for.

A task is a plugin's if the coroutine is one of its own code, or if its own code asked for the task. What libraries make
inside a call is theirs: aiohttp looks up a name for whoever asks for it next, and to cancel that would fail another
handler's request.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import structlog

from wazo_busd.handler import Handler
from wazo_busd.plugin import Plugin
from wazo_busd.work import Work, current_work

_MANY = 100
_LOOK_SECONDS = 60.0
_GRACE_SECONDS = 1.0
_NAMED = 3
_PASSED = (__file__, f'{Path(asyncio.__file__).parent}/')
"""What is between a task and who asked for it."""
_FOREIGN = {*sys.stdlib_module_names, 'wazo_busd'}
"""What plugins inherit from and is not theirs."""

_inside: ContextVar[str | None] = ContextVar('inside', default=None)
"""The handler that is being started or stopped."""

log = structlog.stdlib.get_logger(__name__)


class _Made(asyncio.Task[Any]):
    """A task that a handler's code has made, and for which event.

    It knows so itself: what looks at it when it is collected finds no weak reference any more.
    """

    __slots__ = ('handler', 'work')

    def __init__(self, coro: Any, *, handler: str, work: Work | None, **options: Any) -> None:
        self.handler = handler
        self.work = work
        super().__init__(coro, **options)

    @property
    def is_stray(self) -> bool:
        """Whether it runs although its event is done with, or was made for none."""
        return not self.done() and (self.work is None or self.work.delivery.settled is not None)


@dataclass(slots=True)
class _Own:
    """What is a handler's own.

    Attributes:
        places: how the names of the files begin that hold its plugin's code.
        tasks: what that code has made; nobody keeps a task here that is done with.
    """

    places: tuple[str, ...] = ()
    tasks: weakref.WeakSet[_Made] = field(default_factory=weakref.WeakSet)


class Strays:
    """Knows the tasks of all handlers' own code. It is the loop's task factory."""

    def __init__(self) -> None:
        self._own: dict[str, _Own] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """Make a task, as asyncio asks its factory to; one of a handler's own code is noted."""
        work = current_work.get()
        handler = _inside.get() if work is None else work.handler
        own = self._own.get(handler) if handler is not None else None
        if (
            handler is None
            or own is None
            or not (_file(coro).startswith(own.places) or _asker().startswith(own.places))
        ):
            return asyncio.Task(coro, loop=loop, **options)
        task = _Made(coro, handler=handler, work=work, loop=loop, **options)
        own.tasks.add(task)
        return task

    @contextmanager
    def inside(self, handler: Handler) -> Iterator[None]:
        """Around the start and the stop of a handler: whatever task is made there is its own, though no event's.

        From the first start to `end` its tasks are noted.
        """
        self._own.setdefault(handler.name, _Own()).places = tuple(_places(handler.plugin))
        token = _inside.set(handler.name)
        try:
            yield
        finally:
            _inside.reset(token)

    def left(self, handler: str) -> int:
        """How many tasks of a handler run although their events are done with, or were none."""
        return len(self._left(handler))

    def knows(self, handler: str) -> bool:
        """Whether the tasks of a handler are noted. From any thread."""
        return handler in self._own

    def handlers_in(self, file: str) -> list[str]:
        """The handlers whose plugin's code a file holds. From any thread."""
        return [handler for handler, own in list(self._own.items()) if file.startswith(own.places)]

    async def run(self) -> None:
        """Look once a minute, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Warn of every handler that has more than a hundred of them."""
        for handler in self._own:
            left = self._left(handler)
            if len(left) > _MANY:
                log.warning(
                    'tasks_left_running',
                    handler=handler,
                    count=len(left),
                    tasks=_told(left),
                    effect='they stay in memory, and their events with them, until the handler ends',
                    hint='await every task that the handler makes, or cancel it',
                )

    async def end(self, handler: str) -> None:
        """Cancel what a handler has left running, and note its tasks no more.

        Args:
            handler: its name. Its plugin has stopped.
        """
        own = self._own.get(handler)
        tasks = [task for task in own.tasks if not task.done()] if own else []
        for task in tasks:
            task.cancel()
        ignoring: set[_Made] = set()
        if tasks:
            told = {'handler': handler, 'count': len(tasks), 'tasks': _told(tasks)}
            log.warning('tasks_cancelled', **told, hint='await them, or cancel them in stop')
            _, ignoring = await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
        if ignoring:
            told = {'handler': handler, 'count': len(ignoring), 'tasks': _told(ignoring)}
            log.error('tasks_ignore_cancellation', **told, effect='they run until the daemon ends')
        else:
            self._own.pop(handler, None)

    def _left(self, handler: str) -> list[_Made]:
        own = self._own.get(handler)
        return [task for task in own.tasks if task.is_stray] if own else []


def handler_of(task: object) -> str | None:
    """The handler whose code has made a task; `None` if it is none's."""
    return task.handler if isinstance(task, _Made) else None


def coroutine_of(task: asyncio.Task[Any]) -> str:
    """What the coroutine of a task is called. Unlike the task's own name it holds nothing that came over the bus."""
    coro = task.get_coro()
    return str(getattr(coro, '__qualname__', type(coro).__qualname__))


def _told(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """The coroutines that most of the tasks run."""
    most = Counter(map(coroutine_of, tasks)).most_common(_NAMED)
    return ', '.join(f'{name}: {number}' for name, number in most)


def _file(coro: Any) -> str:
    """The file that a coroutine was written in; `''` for one that is of no Python code."""
    code = getattr(coro, 'cr_code', None) or getattr(coro, 'gi_code', None)
    return code.co_filename if isinstance(code, CodeType) else ''


def _asker() -> str:
    """The file of the code that asks for a task, through whichever functions of asyncio."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PASSED):
        frame = frame.f_back
    return frame.f_code.co_filename if frame else ''


def _places(plugin: Plugin) -> Iterator[str]:
    """How the names of the files begin that hold a plugin's own code."""
    owners = plugin.factory.__mro__ if plugin.factory else [method.function for method in plugin.methods]
    for name in {str(getattr(owner, '__module__', '')) for owner in owners}:
        words = name.split('.')
        if words[0] in _FOREIGN:
            continue
        # A namespace has no file, and belongs to many: what counts is the first package in it that has one.
        modules = (sys.modules.get('.'.join(words[:end])) for end in range(1, len(words) + 1))
        module = next((each for each in modules if getattr(each, '__file__', None)), None)
        if module is not None and module.__file__:
            yield f'{Path(module.__file__).parent}/' if hasattr(module, '__path__') else module.__file__
