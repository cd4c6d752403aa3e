# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What asyncio tells about the running task."""

from __future__ import annotations

import asyncio


def is_cancelled() -> bool:
    """Whether somebody wants the running task to end, in contrast to what was raised in it.

    A `CancelledError` alone does not tell: aiormq ends with one what waits for a lost channel, and a plugin may raise
    it by itself, or make another error of the one that it got.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def raise_if_cancelled() -> None:
    """Raise the cancellation that a library has swallowed; for what waits long.

    `asyncio.wait_for` of Python 3.11, which aiormq calls with every request, gives the result of what it waits for
    instead of a cancellation that comes with it.

    Raises:
        asyncio.CancelledError: somebody wants the running task to end.
    """
    if is_cancelled():
        raise asyncio.CancelledError
