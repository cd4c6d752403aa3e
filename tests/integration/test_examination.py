# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The examination of a real broker: what it sees, what it may, and that it leaves everything as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker
from tests.integration.conftest import Station
from tests.integration.test_topology import DOCUMENTED, _add_user, bindings
from tests.support import Service, eventually_async
from wazo_busd.amqp import Cut, Depth, Examination, look_for_alarm
from wazo_busd.config import BusConfig
from wazo_busd.topology import UPSTREAMS


@pytest.fixture
async def calls(station: Station) -> Station:
    """A station with one handler."""
    await station.attach('calls', 'calls.#')
    return station


def config(broker: Broker, **more: Any) -> BusConfig:
    return BusConfig(host=broker.host, port=broker.port, vhost=broker.vhost, **more)


def names(broker: Broker) -> set[str]:
    """What there is on the broker."""
    return {
        *broker.node.ctl('list_queues', '-p', broker.vhost, 'name').splitlines(),
        *broker.node.ctl('list_exchanges', '-p', broker.vhost, 'name').splitlines(),
        *map(str, bindings(broker)),
    }


async def test_with_the_documented_rights_nothing_is_refused_and_everything_stays_as_it_was(
    broker: Broker, calls: Station, tmp_path: Path
) -> None:
    before = names(broker)
    lean = config(broker, username=_add_user(broker, *DOCUMENTED), password='secret')
    async with Examination(lean, tmp_path) as examination:
        missing = await examination.missing()
        refused = await examination.refusals(missing)
        depths = [await examination.depth(f'wazo-busd.{name}') for name in ('calls', 'gone')]
        await examination.listen(0.01, lambda cuts: None, lambda cuts: None)
    alarm = await look_for_alarm(lean)

    assert (missing, refused, depths, alarm.is_blocked) == ([], [], [Depth(0, 1), None], False)

    async def is_as_before() -> bool:
        return names(broker) == before

    await eventually_async(is_as_before)


async def test_what_may_not_be_read_is_named_with_the_command_that_grants_it(
    broker: Broker, calls: Station, tmp_path: Path
) -> None:
    configure, write, _ = DOCUMENTED
    user = _add_user(broker, configure, write, r'^(xivo|wazo-busd(\..*)?)$')
    async with Examination(config(broker, username=user, password='secret'), tmp_path) as examination:
        (refused,) = await examination.refusals(await examination.missing())

    assert ('wazo-headers' in refused.text, refused.cure.startswith('rabbitmqctl set_permissions')) == (True, True)


async def test_a_hub_that_lost_its_binding_is_silent_while_the_bus_moves(
    broker: Broker, service: Service, tmp_path: Path
) -> None:
    for each in UPSTREAMS:
        await service.channel.declare_exchange(each.exchange.name, each.exchange.type, durable=True)
    await service.channel.declare_exchange('wazo-busd', 'topic', durable=True)
    upstream: list[Cut] = []
    hub: list[Cut] = []
    came = asyncio.Event()

    def hear(cuts: list[Cut]) -> None:
        upstream.extend(cuts)
        came.set()

    async with Examination(config(broker), tmp_path) as examination:
        listening = asyncio.create_task(examination.listen(0.5, hear, hub.extend))
        while not came.is_set():
            # Who is not bound yet does not hear it.
            await service.send('wazo-headers', 'calls.missed', b'{}', {})
            await asyncio.sleep(0.02)
        await listening

    assert (upstream[0].exchange, hub) == (b'wazo-headers', [])
