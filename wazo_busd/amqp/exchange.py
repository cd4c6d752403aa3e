# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The exchange in the broker: whether it is there, and made as the topology says."""

from __future__ import annotations

from typing import Any

import aiormq.exceptions
from aiormq.abc import AbstractChannel

from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link
from wazo_busd.topology import Exchange


async def exists(link: Link, exchange: Exchange) -> bool:
    """Whether an exchange is there, of whatever type.

    Args:
        link: the connection.
        exchange: the exchange.
    """
    try:
        async with control(link) as channel:
            await channel.exchange_declare(exchange.name, passive=True)
    except aiormq.exceptions.ChannelNotFoundEntity:
        return False
    return True


async def declare_exchange(channel: AbstractChannel, exchange: Exchange) -> None:
    """Make an exchange, unless it is there.

    Args:
        channel: one that may be lost: the broker closes it if it refuses.
        exchange: the exchange.

    Raises:
        aiormq.exceptions.ChannelClosed: the broker refuses it.
    """
    arguments: dict[str, Any] | None = {'alternate-exchange': exchange.alternate} if exchange.alternate else None
    await channel.exchange_declare(exchange.name, exchange_type=exchange.type, durable=True, arguments=arguments)
