# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The complaint: what the loop says of an error that nobody waits for, such as that of a task that is not awaited."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import Any

import structlog

from wazo_busd.strays import coroutine_of, handler_of
from wazo_busd.work import current_work

log = structlog.stdlib.get_logger(__name__)


def complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what is wrong, and which handler's code it is, as far as that is known. It is the loop's exception handler.

    Args:
        loop: the loop.
        context: what asyncio says.
    """
    error = context.get('exception')
    task, handle = context.get('task', context.get('future')), context.get('handle')
    fields: dict[str, Any] = {'handler': handler_of(task) or _handler_of(handle)}
    if handle is not None:
        # asyncio's own text shows the arguments, which may hold what came over the bus.
        fact, fields['callback'] = 'callback_failed', getattr(getattr(handle, '_callback', None), '__qualname__', None)
    elif isinstance(task, asyncio.Task) and error is not None:
        fact, fields['coroutine'] = 'task_failed', coroutine_of(task)
    else:
        fact, fields['text'] = 'loop_complains', context.get('message')
        fields['coroutine'] = coroutine_of(task) if isinstance(task, asyncio.Task) else None
    # Of a lost connection the supervisor tells in one line; what the libraries leave behind of it says nothing new.
    level = 'debug' if fields['handler'] is None and isinstance(error, OSError) else 'error'
    if loop.is_closed():
        _tell(level, fact, fields, error)
    else:
        # Not now: a task that is collected complains wherever Python happens to be, in the middle of writing to the log
        # too, or in another thread.
        loop.call_soon_threadsafe(_tell, level, fact, fields, error, context=Context())


def _handler_of(handle: object) -> str | None:
    """The handler that a callback was asked for by."""
    context = getattr(handle, '_context', None)
    work = context.get(current_work) if isinstance(context, Context) else None
    return work.handler if work else None


def _tell(level: str, fact: str, fields: dict[str, Any], error: BaseException | None) -> None:
    getattr(log, level)(fact, **fields, exc_info=error)
