# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Ends a call that takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from wazo_busd.errors import HandlerTimeout
from wazo_busd.handler import Handler
from wazo_busd.work import Work


def timeout(handler: Handler, call: Callable[[Work], Awaitable[None]]) -> Callable[[Work], Awaitable[None]]:
    """Cancel a call after the handler's `timeout`, and say so with `HandlerTimeout`.

    The call stays in the task it is in: `asyncio.wait_for` would run it in another one, where a `sys.exit()` of the
    plugin reaches the event loop before anyone can catch it.
    """
    seconds = handler.config.timeout

    async def run(work: Work) -> None:
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                await call(work)
        except TimeoutError:
            if not scope.expired():
                raise
        if scope.expired():
            # Also reached when the plugin swallowed the cancellation and returned as if nothing had been.
            raise HandlerTimeout(f'{handler.name} did not return within {seconds:g} s')

    return run
