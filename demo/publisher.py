# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A service of a Wazo host, as far as the bus can tell."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from wazo_busd.codec import encode
from wazo_busd.config import parse_plain

_CONFIG = Path(__file__).with_name('config.yml')
_LOOK_SECONDS = 0.1

Send = Callable[[str, str, dict[str, Any], dict[str, Any]], Awaitable[None]]
"""Publishes: exchange, routing key, headers, body."""


class Publisher:
    """Publishes as kombu does for Wazo's services: persistent, JSON in UTF-8, priority 0, without confirms.

    Args:
        host: the broker.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._connection: AbstractConnection
        self._channel: AbstractChannel

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(host=self._host, port=self._port)
        self._channel = await self._connection.channel(publisher_confirms=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def send(self, exchange: str, routing_key: str, headers: dict[str, Any], body: dict[str, Any]) -> None:
        """Publish one event."""
        message = aio_pika.Message(
            encode(body),
            headers=headers,
            content_type='application/json',
            content_encoding='utf-8',
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            priority=0,
        )
        await (await self._channel.get_exchange(exchange, ensure=False)).publish(message, routing_key, mandatory=False)

    async def taken(self) -> None:
        """Wait until nothing that was published here lies in a queue of the daemon any more."""
        queues = [f'wazo-busd.{handler}' for handler in _handlers()]
        # On the channel that has published, so that it is behind all that.
        while any([await self._depth(queue) for queue in queues]):  # noqa: ASYNC110 — a broker must be asked
            await asyncio.sleep(_LOOK_SECONDS)

    async def _depth(self, queue: str) -> int:
        declared = await self._channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0


def _handlers() -> list[str]:
    """The handlers of the demonstration."""
    return list(parse_plain(_CONFIG.read_text('utf-8'))['handlers'])
