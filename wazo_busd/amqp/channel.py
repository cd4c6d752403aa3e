# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The channel for a few declarations, which the broker may refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiormq.abc import AbstractChannel

from wazo_busd.amqp.connection import Link, close_channel


@asynccontextmanager
async def control(link: Link) -> AsyncIterator[AbstractChannel]:
    """A channel for a few declarations. What the broker refuses closes it and nothing else."""
    channel = await link.open_channel()
    try:
        yield channel
    finally:
        await close_channel(channel)
