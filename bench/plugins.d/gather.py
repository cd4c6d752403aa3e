# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Lets its lanes fill up before it begins."""

import asyncio

import bench.early  # noqa: F401
from bench.recorder import recorder
from wazo_busd.api import Event, handler

FILLING_SECONDS = 2.0

take = recorder().take


@handler
async def gather(event: Event) -> None:
    """Hold the first event until as many others wait as the broker gives out, then count them all."""
    take(event.data['SentAt'])
    if recorder().handled == 1:
        await asyncio.sleep(FILLING_SECONDS)
