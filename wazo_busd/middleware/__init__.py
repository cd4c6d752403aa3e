# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is around every call of a handler, outermost first.

Each middleware is a function in a module of its own. It takes the handler and what it is around, and returns what takes
its place; what it raises is the outcome of the call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wazo_busd.handler import Handler
from wazo_busd.middleware.context import context
from wazo_busd.middleware.telemetry import telemetry
from wazo_busd.work import Work

Run = Callable[[Work], Awaitable[None]]

MIDDLEWARE: tuple[Callable[[Handler, Run], Run], ...] = (
    context,
    telemetry,
)


def around(handler: Handler, call: Run) -> Run:
    """`call` with every middleware around it.

    Args:
        handler: the handler whose calls these are.
        call: the innermost: calls the plugin's method.
    """
    run = call
    for middleware in reversed(MIDDLEWARE):
        run = middleware(handler, run)
    return run
