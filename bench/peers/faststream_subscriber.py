# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""FastStream: a subscriber whose argument is the decoded body."""

from __future__ import annotations

import asyncio
from typing import Any

from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from bench.peers.source import PREFETCH, Source
from bench.recorder import recorder

take = recorder().take


async def on_event(body: dict[str, Any]) -> None:
    """One event; FastStream acknowledges it when this returns."""
    take(body['data']['SentAt'])


async def main() -> None:
    """Consume until a signal ends it."""
    source = Source.from_environment()
    broker = RabbitBroker(source.url, default_channel=Channel(prefetch_count=PREFETCH), logger=None)
    broker.subscriber(RabbitQueue(source.queue, durable=True, declare=False))(on_event)
    await FastStream(broker, logger=None).run()


if __name__ == '__main__':
    asyncio.run(main())
