# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Order on a real broker: who stops and begins again in the midst of a backlog gets on where it was."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.integration.conftest import Station
from tests.support import PATIENCE_SECONDS, Service, eventually
from wazo_busd.amqp import consumer
from wazo_busd.bus import NOT_STARTED, ConsumerState
from wazo_busd.config import QueueConfig
from wazo_busd.delivery import Delivery
from wazo_busd.outcome import Outcome

BACKLOG = 1_500


class Diligent:
    """An entrance that is done with each delivery at once, and notes them."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def accept(self, delivery: Delivery) -> None:
        self.numbers.append(json.loads(delivery.body)['data'])
        delivery.settle(Outcome.DONE)

    async def reach(self, count: int) -> None:
        """Wait for so many different ones. A broker that gives nothing out is asked again after ten seconds."""
        async with asyncio.timeout(3 * PATIENCE_SECONDS):
            while len(set(self.numbers)) < count:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize('first_stop', [100, 131, 260, 307])
async def test_who_stops_in_a_backlog_gets_on_where_it_was(station: Station, service: Service, first_stop: int) -> None:
    # Given a backlog
    queue = station.hub.handler_queue('calls', ['calls.#'], QueueConfig(), [])
    station.bus.attach(queue, None)
    await eventually(lambda: station.bus.status().consumers['calls'].detail == NOT_STARTED, station.changed)
    bodies = [b'{"data":%d}' % number for number in range(BACKLOG)]
    await asyncio.gather(*(service.send('xivo', 'calls.missed', body, {}) for body in bodies))
    await station.bus.detach('calls', 1.0)

    # When its handler stops in the midst of it, and begins again
    took = Diligent()
    for stop in range(first_stop, BACKLOG, 333):
        station.bus.attach(queue, took.accept)
        await took.reach(stop)
        await station.bus.cancel('calls')
        await station.bus.detach('calls', 1.0)
    station.bus.attach(queue, took.accept)
    await took.reach(BACKLOG)

    # Then it gets all in their order
    assert took.numbers == sorted(took.numbers)


async def test_who_begins_can_stop_at_any_moment(station: Station) -> None:
    # aiormq can swallow that it is cancelled in the moment in which the broker answers.
    queue = station.hub.handler_queue('calls', ['calls.#'], QueueConfig(), [])
    for turns in range(60):
        station.bus.attach(queue, Diligent().accept)
        for _ in range(turns * 3):
            await asyncio.sleep(0)
        async with asyncio.timeout(20.0):
            await station.bus.cancel('calls')
            await station.bus.detach('calls', 1.0)
    station.bus.attach(queue, Diligent().accept)

    await station.reached('calls', ConsumerState.CONSUMING)


async def test_only_a_reason_changes_no_consumer(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a handler that consumes
    asked = []
    consume = consumer._consume

    async def counted(*arguments: Any) -> None:
        asked.append(arguments)
        await consume(*arguments)

    monkeypatch.setattr(consumer, '_consume', counted)
    station.bus.attach(station.hub.handler_queue('calls', ['calls.#'], QueueConfig(), []), Diligent().accept)
    await station.consuming('calls')

    # When only the reason is another, and then the number
    station.bus.limit('calls', None, 'its web server is out')
    await station.detail('calls', 'its web server is out')
    before = len(asked)
    station.bus.limit('calls', 7, 'one event is tried')
    await station.detail('calls', 'one event is tried')

    # Then it is another consumer for the number alone
    assert (before, len(asked)) == (1, 2)
