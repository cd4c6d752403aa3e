# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""pika on asyncio: a callback that acknowledges each event."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from bench.peers.source import PREFETCH, Source
from bench.recorder import recorder

take = recorder().take


def on_event(channel: Any, method: Any, _: Any, body: bytes) -> None:
    """One event."""
    take(json.loads(body)['data']['SentAt'])
    channel.basic_ack(method.delivery_tag)


def main() -> None:
    """Consume until a signal ends it."""
    source = Source.from_environment()
    loop = asyncio.new_event_loop()

    def consume(channel: Any) -> None:
        channel.basic_qos(
            prefetch_count=PREFETCH,
            callback=lambda _: channel.basic_consume(source.queue, on_message_callback=on_event),
        )

    AsyncioConnection(
        pika.URLParameters(source.url),
        on_open_callback=lambda connection: connection.channel(on_open_callback=consume),
        custom_ioloop=loop,
    )
    loop.run_forever()


if __name__ == '__main__':
    main()
