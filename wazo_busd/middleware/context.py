# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Says what the task is at, for log fields and derived events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wazo_busd.handler import Handler
from wazo_busd.work import Work, current_work


def context(handler: Handler, call: Callable[[Work], Awaitable[None]]) -> Callable[[Work], Awaitable[None]]:
    """Set `current_work` for the call and for the tasks and threads that it starts."""

    async def run(work: Work) -> None:
        token = current_work.set(work)
        try:
            await call(work)
        finally:
            current_work.reset(token)

    return run
