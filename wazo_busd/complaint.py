# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The complaint: what the loop says of an error that nobody waits for, such as that of a task that is not awaited."""

from __future__ import annotations

import asyncio
import math
import time
from contextvars import Context
from typing import Any

import structlog

from wazo_busd.strays import coroutine_of, handler_of
from wazo_busd.work import current_work

_AGAIN_SECONDS = 60.0

log = structlog.stdlib.get_logger(__name__)


class Complaints:
    """Logs what is wrong, and whose code it is as far as that is known. It is the loop's exception handler."""

    def __init__(self) -> None:
        self._told_at: dict[tuple[str | None, str], float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log one.

        Args:
            loop: the loop.
            context: what asyncio says.
        """
        error, handle = context.get('exception'), context.get('handle')
        task = context.get('task', context.get('future'))
        coroutine = coroutine_of(task) if isinstance(task, asyncio.Task) else None
        fields: dict[str, Any] = {'handler': handler_of(task) or _handler_of(handle), 'coroutine': coroutine}
        if handle is not None:
            # asyncio's own text shows the arguments, which may hold what came over the bus.
            fact, fields['callback'] = 'callback_failed', _callback(handle)
        elif coroutine is not None and error is not None:
            fact = 'task_failed'
        else:
            fact, fields['text'] = 'loop_complains', context.get('message')
        if coroutine is not None and error is None and self._is_told(fields['handler'], coroutine):
            return
        # Of a lost connection the supervisor tells in one line; what the libraries leave behind of it is nothing new.
        level = 'debug' if fields['handler'] is None and isinstance(error, OSError) else 'error'
        if loop.is_closed():
            _tell(level, fact, fields, error)
        else:
            # Not now: a task that is collected complains wherever Python happens to be, in the middle of writing to
            # the log too, or in another thread.
            loop.call_soon_threadsafe(_tell, level, fact, fields, error, context=Context())

    def _is_told(self, handler: str | None, coroutine: str) -> bool:
        """Whether it was told within a minute that such a task is gone; where one is forgotten, many are."""
        now, key = time.monotonic(), (handler, coroutine)
        if now - self._told_at.get(key, -math.inf) < _AGAIN_SECONDS:
            return True
        self._told_at[key] = now
        return False


def _handler_of(handle: object) -> str | None:
    """The handler that a callback was asked for by."""
    context = getattr(handle, '_context', None)
    work = context.get(current_work) if isinstance(context, Context) else None
    return work.handler if work else None


def _callback(handle: object) -> str | None:
    """What a callback is called."""
    return getattr(getattr(handle, '_callback', None), '__qualname__', None)


def _tell(level: str, fact: str, fields: dict[str, Any], error: BaseException | None) -> None:
    getattr(log, level)(fact, **fields, exc_info=error)
