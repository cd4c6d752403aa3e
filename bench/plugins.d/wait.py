# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Takes as long as a web service would."""

import asyncio

import bench.early  # noqa: F401
from bench.recorder import recorder
from wazo_busd.api import Event, handler

SERVICE_SECONDS = 0.05

take = recorder().take


@handler(concurrency=16)
async def wait(event: Event) -> None:
    """Wait for it, then count the event."""
    await asyncio.sleep(SERVICE_SECONDS)
    take(event.data['SentAt'])
