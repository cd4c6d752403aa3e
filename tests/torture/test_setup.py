# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A connection that dies while it is set up is given up as soon as one that dies later, and nothing hangs for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pamqp.commands import Confirm, Connection, Exchange
from pamqp.frame import FrameTypes

from tests.conftest import Broker
from tests.unit.amqp.broker import ScriptedBroker, listening
from wazo_busd.amqp import AmqpBus
from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.config import BusConfig

PATIENCE_SECONDS = 8.0
"""Less than a heartbeat takes to find it out, which is what finds it out otherwise."""

TURNS = 60


async def test_a_broker_that_is_gone_while_exchanges_are_declared_is_given_up(tmp_path: Path) -> None:
    assert await _tries_again(tmp_path, Exchange.Declare, 'wazo-busd: consuming')


async def test_a_broker_that_is_gone_before_the_publisher_has_its_channel_is_given_up(tmp_path: Path) -> None:
    assert await _tries_again(tmp_path, Confirm.Select, 'wazo-busd: publishing')


async def test_a_task_that_is_cancelled_while_it_closes_a_channel_ends(broker: Broker) -> None:
    link = await connect(BusConfig(host=broker.host, port=broker.port, vhost=broker.vhost), 'a test')
    # At some of these turns of the loop the library swallows a cancellation, at others it loses count of its channels.
    ended = [await _cancelled(link, number) for number in range(TURNS)]
    await link.close()

    assert ended == [True] * TURNS


async def _cancelled(link: Link, turns: int) -> bool:
    """Whether a task ends that is cancelled so many turns of the loop after it began to close a channel."""
    about_to_close = asyncio.Event()

    async def use() -> None:
        async with control(link):
            about_to_close.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await about_to_close.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    ended, _ = await asyncio.wait([task], timeout=20.0)
    task.cancel()
    return bool(ended)


async def _tries_again(path: Path, frame: type[FrameTypes], name: str) -> bool:
    """Whether a bus whose broker falls silent at a frame comes with a second connection of a name."""
    async with listening() as broker:
        broker.answers[frame] = lambda _: _fall_silent(broker)
        bus = AmqpBus(broker.config, path, lambda: None)
        running = asyncio.create_task(bus.run())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await _connections(broker, name) < 2:
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return False
        finally:
            await bus.close()
            await running
    return True


def _fall_silent(broker: ScriptedBroker) -> Sequence[FrameTypes]:
    """Say nothing more on the connections there are."""
    for session in broker.sessions:
        session.pause()
    return []


async def _connections(broker: ScriptedBroker, name: str) -> int:
    hellos = [each for session in broker.sessions for each in session.frames(Connection.StartOk)]
    return sum((hello.client_properties or {})['connection_name'] == name for hello in hellos)
