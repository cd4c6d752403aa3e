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
