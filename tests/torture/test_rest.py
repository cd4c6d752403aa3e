# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A handler that rests with events in hand, and goes on: nothing is given out twice and no connection is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import StringIO
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.integration.conftest import Station
from tests.support import Service
from wazo_busd.bus import ConsumerState
from wazo_busd.config import BusConfig
from wazo_busd.outcome import Outcome


@pytest.fixture
async def station(broker: Broker, tmp_path: Path) -> AsyncIterator[Station]:
    station = Station(BusConfig(host=broker.host, port=broker.port, vhost=broker.vhost, prefetch=8), tmp_path)
    yield station
    await station.close()


async def test_one_that_rests_with_events_in_hand_goes_on_over_the_same_channel(
    broker: Broker, station: Station, log: StringIO
) -> None:
    async with Service(broker) as service:
        resting = await station.attach('resting', '#')
        for number in range(12):
            await service.send('xivo', 'calls.x', b'%d' % number, {})
        in_hand = await resting.count(8)
        for pause in range(3):
            station.bus.limit('resting', 0, 'it rests')
            await _becomes(station, ConsumerState.PAUSED)
            station.bus.limit('resting', None, '')
            await _becomes(station, ConsumerState.CONSUMING)
            in_hand[pause].settle(Outcome.DONE)
        for each in in_hand[3:]:
            each.settle(Outcome.DONE)
        await resting.count(12)

    # RabbitMQ 3.10 ends the connection where a consumer takes the tag of one that has unacknowledged deliveries.
    assert (resting.bodies, 'consumer_ended_by_broker' in log.getvalue()) == ([*range(12)], False)


async def _becomes(station: Station, state: ConsumerState) -> None:
    async with asyncio.timeout(20.0):
        while station.state('resting') is not state:
            station.changed.clear()
            await station.changed.wait()
