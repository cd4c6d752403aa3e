# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""aio-pika: a callback that acknowledges each event."""

from __future__ import annotations

import asyncio
import json

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from bench.peers.source import PREFETCH, Source
from bench.recorder import recorder

take = recorder().take


async def on_event(message: AbstractIncomingMessage) -> None:
    """One event."""
    body = json.loads(message.body)
    take(body['data']['SentAt'])
    await message.ack()


async def main() -> None:
    """Consume until a signal ends it."""
    source = Source.from_environment()
    connection = await aio_pika.connect(source.url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=PREFETCH)
    queue = await channel.get_queue(source.queue, ensure=False)
    await queue.consume(on_event)
    await asyncio.Future()


if __name__ == '__main__':
    asyncio.run(main())
