# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""How Ctrl-C and SIGTERM end a command that has something to finish."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar('T')


class Stopped(Exception):
    """Raised when a person has ended the command before it was done."""


@contextlib.contextmanager
def signals(stop: Callable[[], object]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM call `stop`, but what is ignored since before.

    Args:
        stop: called in the running loop.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    heeded = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in heeded:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in heeded.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own; Ctrl-C and SIGTERM cancel it, so that it can finish what it is at.

    Raises:
        Stopped: a person has ended it.
        BaseException: whatever it raises.
    """

    async def stoppable() -> T:
        task = asyncio.create_task(main)
        with signals(task.cancel):
            await asyncio.wait([task])
        if task.cancelled():
            raise Stopped
        return task.result()

    return asyncio.run(stoppable())
