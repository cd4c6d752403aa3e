# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Measures the call."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from wazo_busd.handler import Handler
from wazo_busd.work import Work


def telemetry(handler: Handler, call: Callable[[Work], Awaitable[None]]) -> Callable[[Work], Awaitable[None]]:
    """Note on the work when the call began and how long it took."""

    async def run(work: Work) -> None:
        work.started_at = time.time()
        began = time.perf_counter()
        try:
            await call(work)
        finally:
            work.duration_seconds = time.perf_counter() - began

    return run
