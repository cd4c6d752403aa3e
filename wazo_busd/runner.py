# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The runner: one coroutine on one loop, from its start to the end of the process, whatever plugins leave behind.

`asyncio.run` would end with the first `sys.exit()` in a task that a plugin started, and would wait for ever for a task
that ignores its cancellation or a thread that hangs.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from wazo_busd import garbage
from wazo_busd.complaint import Complaints
from wazo_busd.lookout import Lookout
from wazo_busd.strays import Strays

_LEAVING_SECONDS = 1.0

log = structlog.stdlib.get_logger(__name__)


def run(main: Coroutine[Any, Any, None], lookout: Lookout | None = None) -> None:
    """Run `main` to its end, then end what others left behind.

    What ignores that it is cancelled, and threads that hang, are named and left: the process then ends at once, without
    the usual clean-up of the interpreter.

    Args:
        main: what is to be run.
        lookout: watches the loop meanwhile; one of its own if `None`.

    Raises:
        BaseException: whatever `main` raises.
    """
    loop = _new_loop()
    executor = ThreadPoolExecutor(thread_name_prefix='default')
    loop.set_default_executor(executor)
    asyncio.set_event_loop(loop)
    lookout = lookout or Lookout()
    loop.set_task_factory(lookout.strays)
    loop.set_exception_handler(Complaints())
    task = loop.create_task(main, name='main')
    looking = loop.create_task(lookout.strays.run(), name='look for strays')
    collecting = loop.create_task(garbage.collect(), name='collect garbage')
    lookout.begin(loop)
    try:
        _until_done(loop, task)
    finally:
        lookout.end()
        looking.cancel()
        collecting.cancel()
        late = _end_tasks(loop)
        # What has failed and was awaited by nobody is told when it is collected.
        gc.collect()
        _until_done(loop, loop.create_task(asyncio.sleep(0)))
        executor.shutdown(wait=False, cancel_futures=True)
        late += _end_threads()
        if late:
            error = None if not task.done() or task.cancelled() else task.exception()
            if error is not None:
                log.critical('failed', exc_info=error)
            log.warning('left_behind', what=', '.join(late), effect='the process ends all the same')
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(0 if error is None else 1)
        loop.close()
        asyncio.set_event_loop(None)


def _new_loop() -> asyncio.AbstractEventLoop:
    """Uvloop's if it is installed, which wakes up for less."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Future[Any]) -> None:
    """Run the loop until `task` is done.

    A `sys.exit()` in any task or callback comes out of the loop. If it is not of `task`, it was a plugin's: whoever
    awaits that task gets the same exception, and the loop goes on.
    """
    while not task.done():
        try:
            loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt) as error:
            if task.done():
                break
            log.error(
                'exit_refused',
                handler=_handler_in(loop, error),
                error=repr(error),
                effect='the daemon goes on',
                hint='raise another error instead',
            )
    if not task.cancelled():
        task.result()


def _handler_in(loop: asyncio.AbstractEventLoop, error: BaseException) -> str | None:
    """The handlers in whose plugin's code an error was raised; `None` if that is nobody's."""
    strays = loop.get_task_factory()
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    found = (strays.handlers_in(file) for file in reversed(files)) if isinstance(strays, Strays) else ()
    return next((', '.join(handlers) for handlers in found if handlers), None)


def _end_tasks(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Cancel what still runs; the names of those tasks that do not care."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        _until_done(loop, loop.create_task(asyncio.sleep(0)))
        waiting = [task for task in tasks if not task.done()]
        if waiting:
            _until_done(loop, loop.create_task(_wait(waiting)))
    _until_done(loop, loop.create_task(loop.shutdown_asyncgens()))
    return [f'task {task.get_name()}' for task in tasks if not task.done()]


async def _wait(tasks: list[asyncio.Task[Any]]) -> None:
    await asyncio.wait(tasks, timeout=_LEAVING_SECONDS)


def _end_threads() -> list[str]:
    """Let the threads end that the interpreter would wait for; the names of those that do not."""
    deadline = time.monotonic() + _LEAVING_SECONDS
    others = [each for each in threading.enumerate() if not each.daemon and each is not threading.current_thread()]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [f'thread {thread.name}' for thread in others if thread.is_alive()]
