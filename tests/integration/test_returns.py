# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The exchange that retries come back by, made again after somebody deleted it with its bindings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiormq.abc import AbstractChannel

from tests.conftest import Broker
from tests.integration.test_topology import DOCUMENTED, _add_user
from tests.support import Service
from wazo_busd.amqp import returns
from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.exchange import declare_exchange
from wazo_busd.amqp.hub_watch import HubWatch
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.config import BusConfig, QueueConfig
from wazo_busd.topology import Exchange

RETURNS, ORPHANS, QUEUE = 'wazo-busd.return', 'wazo-busd.return.orphans', 'wazo-busd.calls'


class Repair:
    """A declarer that has declared everything once, and whose exchange for returns was deleted then."""

    def __init__(self, broker: Broker, service: Service, directory: Path, **user: Any) -> None:
        self.service = service
        self.config = BusConfig(host=broker.host, port=broker.port, vhost=broker.vhost, **user)
        self.directory = directory
        self.declarer: Declarer
        self.link: Link

    async def begin(self, *more: str) -> None:
        """Declare everything, write more queues into the ledger, and delete the exchange."""
        ledger = Ledger(self.directory, self.config)
        self.declarer, self.link = Declarer(self.config, ledger), await connect(self.config, 'test')
        await self.declarer.declare_hub(self.link)
        async with control(self.link) as channel:
            wanted = self.declarer.hub.handler_queue('calls', ['calls.#'], QueueConfig())
            await self.declarer.declare_queue(channel, wanted)
        await self.declarer.declare_delays(self.link, ())
        for queue in more:
            ledger.write(queue, ['calls.#'])
        await self.service.channel.exchange_delete(RETURNS)

    async def come_back(self) -> None:
        """Let a retry of the handler come back."""
        await self.service.send(RETURNS, 'calls', b'{}', {})

    async def depths(self) -> tuple[int, int]:
        """How much lies in the handler's queue and among the orphans."""
        return await self.service.depth(QUEUE), await self.service.depth(ORPHANS)


def as_soon_as_it_is_there(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[None]]) -> None:
    """Do something when the exchange is there again, and nothing else has been done yet."""

    async def declare_and_act(channel: AbstractChannel, exchange: Exchange) -> None:
        await declare_exchange(channel, exchange)
        if exchange.name == RETURNS:
            await act()

    monkeypatch.setattr(returns, 'declare_exchange', declare_and_act)


@pytest.fixture
async def repair(broker: Broker, service: Service, tmp_path: Path) -> AsyncIterator[Repair]:
    made = Repair(broker, service, tmp_path)
    yield made
    await made.link.close()


async def test_it_has_its_bindings_again_and_orphans_are_kept_again(repair: Repair) -> None:
    await repair.begin()
    await repair.declarer.declare_hub(repair.link)
    await repair.come_back()
    await repair.service.send(RETURNS, 'nobody', b'{}', {})

    assert await repair.depths() == (1, 1)


async def test_nobody_lets_orphans_in_while_the_bindings_are_made(
    repair: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await repair.begin()
    others: list[asyncio.Task[None]] = []

    async def declare_beside() -> None:
        others.append(asyncio.create_task(repair.declarer.declare_delays(repair.link, ())))
        await asyncio.wait(others, timeout=1.0)
        await repair.come_back()

    as_soon_as_it_is_there(monkeypatch, declare_beside)
    await repair.declarer.declare_hub(repair.link)
    await asyncio.wait(others)

    assert await repair.depths() == (0, 0)


async def test_a_queue_that_cannot_be_bound_keeps_no_other_from_it(broker: Broker, repair: Repair) -> None:
    async with await aio_pika.connect(broker.url) as owner, owner.channel() as channel:
        await channel.declare_queue('wazo-busd.another', exclusive=True)
        await repair.begin('wazo-busd.another', 'wazo-busd.gone')
        await repair.declarer.declare_hub(repair.link)
        await repair.come_back()

        assert await repair.depths() == (1, 0)


@pytest.fixture
async def interrupted(repair: Repair, monkeypatch: pytest.MonkeyPatch) -> Repair:
    """One that was interrupted when the exchange was there, and not its bindings."""
    await repair.begin()

    async def interrupt(link: Link, queue: str) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as place:
        place.setattr(repair.declarer.returns, '_bind_handler', interrupt)
        with pytest.raises(ConnectionResetError):
            await repair.declarer.declare_hub(repair.link)
    return repair


async def test_after_a_repair_that_was_interrupted_nobody_lets_orphans_in(interrupted: Repair) -> None:
    await interrupted.declarer.declare_delays(interrupted.link, ())
    await interrupted.come_back()

    assert await interrupted.depths() == (0, 0)


async def test_a_repair_that_was_interrupted_is_made_whole_by_the_watch(interrupted: Repair) -> None:
    async def declare_all() -> None:
        raise AssertionError('the exchange is there')

    await HubWatch(interrupted.link, interrupted.declarer, declare_all).look(upstreams=True)
    await interrupted.come_back()
    await interrupted.service.send(RETURNS, 'nobody', b'{}', {})

    assert await interrupted.depths() == (1, 1)


async def test_a_repair_over_which_the_process_was_killed_is_made_whole_by_the_next(interrupted: Repair) -> None:
    config, directory = interrupted.config, interrupted.directory
    await Declarer(config, Ledger(directory, config)).declare_hub(interrupted.link)
    await interrupted.come_back()
    await interrupted.service.send(RETURNS, 'nobody', b'{}', {})

    assert await interrupted.depths() == (1, 1)


async def test_where_delay_queues_are_classic_what_comes_back_too_soon_is_kept_as_an_orphan(
    repair: Repair, monkeypatch: pytest.MonkeyPatch
) -> None:
    await repair.begin()
    repair.declarer.quorum = False
    as_soon_as_it_is_there(monkeypatch, repair.come_back)
    await repair.declarer.declare_hub(repair.link)

    assert await repair.depths() == (0, 1)


async def test_who_may_not_touch_the_orphans_makes_it_all_the_same(
    broker: Broker, service: Service, tmp_path: Path
) -> None:
    configure, _, read = DOCUMENTED
    user = _add_user(broker, configure, r'^wazo-busd(\.(retry|dead|return|orphans|calls|calls\.dead))?$', read)
    repair = Repair(broker, service, tmp_path, username=user, password='secret')
    for name, kind in (('xivo', aio_pika.ExchangeType.TOPIC), ('wazo-headers', aio_pika.ExchangeType.HEADERS)):
        await service.channel.declare_exchange(name, kind, durable=True)
    await repair.begin()
    await repair.declarer.declare_hub(repair.link)
    await repair.come_back()

    assert await service.depth(QUEUE) == 1
    await repair.link.close()
