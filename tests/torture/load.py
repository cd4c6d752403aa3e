# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The load: events published as a service does, but with confirmations, whatever happens to the broker meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
from collections.abc import Sequence

import aio_pika
import aiormq.exceptions
from yarl import URL

from tests.conftest import Broker
from tests.torture.history import History

KEYS = 20


class Load:
    """Publishes in a thread of its own, straight to the broker.

    Args:
        broker: the broker.
        history: where it is noted what was confirmed.
        first: the number of the first event.
        count: how many events.
        pause_seconds: between two of them.
        others: more nodes of the broker, which are tried in turn.
    """

    def __init__(
        self,
        broker: Broker,
        history: History,
        *,
        first: int,
        count: int,
        pause_seconds: float,
        others: Sequence[Broker] = (),
    ) -> None:
        self._brokers = itertools.cycle([broker, *others])
        self._history = history
        self._numbers = range(first, first + count)
        self._pause_seconds = pause_seconds
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name='load')

    def start(self) -> None:
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    def wait(self) -> None:
        self._thread.join()

    async def _run(self) -> None:
        numbers = iter(self._numbers)
        number = next(numbers, None)
        while number is not None:
            connection = aio_pika.Connection(URL(next(self._brokers).url))
            try:
                await connection.connect(timeout=2.0)
            except (OSError, aiormq.exceptions.AMQPError, TimeoutError):
                # One that is left to itself closes itself in whatever thread it is collected.
                await connection.close()
                await asyncio.sleep(0.1)
                continue
            try:
                channel = await connection.channel()
                exchange = await channel.get_exchange('wazo-headers', ensure=False)
                while number is not None:
                    await self._publish(exchange, number)
                    number = next(numbers, None)
                    await asyncio.sleep(self._pause_seconds)
            except (Exception, asyncio.CancelledError):  # noqa: BLE001 — whatever it is: it is not known if it arrived
                if number is not None:
                    self._history.uncertain.add(number)
                    number = next(numbers, None)
            finally:
                await asyncio.wait([asyncio.ensure_future(connection.close())], timeout=2.0)

    async def _publish(self, exchange: aio_pika.abc.AbstractExchange, number: int) -> None:
        data = {'number': number, 'key': number % KEYS, 'call_id': str(number % KEYS)}
        message = aio_pika.Message(
            json.dumps({'name': 'call_updated', 'data': data}).encode(),
            headers={'name': 'call_updated'},
            content_type='application/json',
            # As Wazo's services do; every third is not, as the page about the bus says of all.
            delivery_mode=aio_pika.DeliveryMode.NOT_PERSISTENT if number % 3 == 0 else aio_pika.DeliveryMode.PERSISTENT,
        )
        await exchange.publish(message, 'calls.call.updated', mandatory=False, timeout=5.0)
        self._history.confirmed.add(number)
