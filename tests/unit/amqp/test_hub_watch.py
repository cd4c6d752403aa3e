# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The watch over the hub: what somebody deletes is declared anew, and looking changes nothing where all is well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

import aiormq.exceptions
import pytest
from pamqp.commands import Channel, Exchange
from pamqp.frame import FrameTypes

from tests.unit.amqp.broker import SILENCE, ScriptedBroker, Session, listening
from tests.unit.rig import log_lines, patiently, turn
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.hub_watch import HubWatch
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.errors import BusError


@pytest.fixture
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that is in a hurry."""
    monkeypatch.setattr('wazo_busd.amqp.hub_watch.EVERY_SECONDS', 0.01)


class Bench:
    """A watch, the broker that it looks at, and how often everything was declared anew."""

    def __init__(self, broker: ScriptedBroker, link: Link, session: Session, path: Path) -> None:
        self.broker = broker
        self.link = link
        self.session = session
        self.declarer = Declarer(broker.config, Ledger(path, broker.config))
        self.watch = HubWatch(link, self.declarer, self._declare_all)
        self.declared = 0
        self.error: BaseException | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def run(self) -> asyncio.Task[None]:
        self._tasks.append(asyncio.create_task(self.watch.run()))
        return self._tasks[-1]

    async def looked(self, number: int = 1) -> None:
        """Wait until it has looked so many times."""
        await self.session.heard(Exchange.Declare, number)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.link.abort()
        await self.link.close()

    async def _declare_all(self) -> None:
        self.declared += 1
        if self.error is not None:
            raise self.error


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with watching(tmp_path) as bench:
        yield bench


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[Bench]:
    async with listening() as broker:
        link = await connect(broker.config, 'test')
        bench = Bench(broker, link, await broker.session(), path)
        try:
            yield bench
        finally:
            await bench.end()


def gone(_: object) -> Sequence[FrameTypes]:
    return [Channel.Close(404, "NOT_FOUND - no exchange 'wazo-busd' in vhost '/'", 40, 10)]


def refused(_: object) -> Sequence[FrameTypes]:
    return [Channel.Close(403, "ACCESS_REFUSED - access to exchange 'wazo-busd' in vhost '/' refused", 40, 10)]


async def test_nothing_is_made_by_looking(bench: Bench) -> None:
    await bench.watch.look()

    assert [(frame.exchange, frame.passive) for frame in bench.session.frames(Exchange.Declare)] == [
        ('wazo-busd', True)
    ]


async def test_nothing_is_bound_by_looking_at_the_hub_alone(bench: Bench) -> None:
    await bench.watch.look()

    assert bench.session.frames(Exchange.Bind) == []


async def test_a_hub_that_is_there_is_not_declared_anew(bench: Bench) -> None:
    await bench.watch.look(upstreams=True)

    assert not bench.declared


async def test_the_hub_is_bound_to_the_exchanges_of_wazo(bench: Bench) -> None:
    await bench.watch.look(upstreams=True)

    assert [(frame.destination, frame.source) for frame in bench.session.frames(Exchange.Bind)] == [
        ('wazo-busd', 'xivo'),
        ('wazo-busd', 'wazo-headers'),
    ]


async def test_all_is_looked_at_on_one_channel(bench: Bench) -> None:
    for upstreams in (False, True, False, True):
        await bench.watch.look(upstreams=upstreams)

    assert len(bench.session.frames(Channel.Open)) == 1


async def test_two_who_look_at_the_same_time_use_one_channel(bench: Bench) -> None:
    await asyncio.gather(bench.watch.look(), bench.watch.look())

    assert len(bench.session.frames(Channel.Open)) == 1


async def test_a_channel_that_the_broker_closed_is_replaced(bench: Bench) -> None:
    bench.broker.answers[Exchange.Declare] = gone
    await bench.watch.look()
    await bench.watch.look()

    assert len(bench.session.frames(Channel.Open)) == 2


async def test_a_hub_that_is_gone_is_declared_anew(bench: Bench) -> None:
    bench.broker.answers[Exchange.Declare] = gone
    await bench.watch.look()

    assert bench.declared == 1


async def test_a_hub_that_is_gone_is_told(bench: Bench, log: StringIO) -> None:
    bench.broker.answers[Exchange.Declare] = gone
    await bench.watch.look()

    assert "no exchange 'wazo-busd'" in log_lines(log, 'exchange_gone')[0]['reason']


async def test_an_exchange_of_wazo_that_is_gone_is_declared_anew(bench: Bench) -> None:
    bench.broker.answers[Exchange.Bind] = gone
    await bench.watch.look(upstreams=True)

    assert bench.declared == 1


async def test_a_hub_that_we_may_not_look_at_is_not_held_for_gone(bench: Bench) -> None:
    bench.broker.answers[Exchange.Declare] = refused
    with pytest.raises(aiormq.exceptions.ChannelAccessRefused):
        await bench.watch.look()

    assert not bench.declared


def without_xivo(frame: Exchange.Declare) -> Sequence[FrameTypes]:
    return refused(frame) if frame.exchange == 'xivo' else [Exchange.DeclareOk()]


async def missing_xivo(bench: Bench) -> int:
    """Let the declarer find that it may not use one of the exchanges of Wazo, and let it be allowed to again.

    Returns:
        How many bindings it has made.
    """
    bench.broker.answers[Exchange.Declare] = without_xivo
    await bench.declarer.declare_hub(bench.link)
    del bench.broker.answers[Exchange.Declare]
    return len(bench.session.frames(Exchange.Bind))


async def test_an_exchange_of_wazo_that_was_missing_is_tried_again(bench: Bench) -> None:
    before = await missing_xivo(bench)
    await bench.watch.look(upstreams=True)

    assert 'xivo' in [frame.source for frame in bench.session.frames(Exchange.Bind)[before:]]


async def test_an_exchange_of_wazo_that_was_missing_is_not_tried_by_looking_at_the_hub_alone(bench: Bench) -> None:
    before = await missing_xivo(bench)
    await bench.watch.look()

    assert bench.session.frames(Exchange.Bind)[before:] == []


@pytest.mark.usefixtures('haste')
async def test_the_hub_is_looked_at_again_and_again(bench: Bench) -> None:
    running = bench.run()
    await bench.looked(5)

    assert not running.done()


@pytest.mark.usefixtures('haste')
async def test_the_exchanges_of_wazo_are_bound_again_and_again(bench: Bench) -> None:
    bench.run()

    assert await bench.session.heard(Exchange.Bind, 6)


async def test_what_has_just_been_declared_is_not_looked_at(bench: Bench) -> None:
    bench.run()
    await turn(50)

    assert bench.session.frames(Channel.Open) == []


@pytest.mark.usefixtures('haste')
async def test_a_watch_outlives_a_broker_that_says_no(bench: Bench) -> None:
    bench.broker.answers[Exchange.Declare] = refused
    running = bench.run()
    await bench.looked(3)

    assert not running.done()


@pytest.mark.usefixtures('haste')
@pytest.mark.parametrize('error', [BusError('refused'), asyncio.CancelledError(), RuntimeError('closed')], ids=repr)
async def test_a_watch_outlives_what_cannot_be_declared(bench: Bench, error: BaseException) -> None:
    bench.error = error
    bench.broker.answers[Exchange.Declare] = gone
    running = bench.run()
    await bench.looked(3)

    assert not running.done()


@pytest.mark.usefixtures('haste')
async def test_a_connection_that_is_lost_is_no_error_of_the_watch(bench: Bench) -> None:
    bench.broker.answers[Exchange.Declare] = SILENCE
    running = bench.run()
    await bench.looked()
    bench.session.abort()
    await patiently(bench.link.lost())
    await turn()

    assert not running.done()


@pytest.mark.usefixtures('haste')
async def test_a_watch_that_is_cancelled_ends(bench: Bench) -> None:
    bench.broker.answers[Exchange.Declare] = SILENCE
    running = bench.run()
    await bench.looked()
    running.cancel()
    await asyncio.wait([running])

    assert running.cancelled()


@pytest.mark.usefixtures('haste')
async def test_who_looks_no_longer_keeps_nobody_from_looking(bench: Bench) -> None:
    bench.broker.answers[Exchange.Declare] = SILENCE
    looking = asyncio.create_task(bench.watch.look())
    await bench.looked()
    looking.cancel()
    await asyncio.wait([looking])
    bench.run()

    assert await bench.session.heard(Exchange.Declare, 2)
