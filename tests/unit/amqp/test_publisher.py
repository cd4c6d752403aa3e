# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The publisher: what it returns from is confirmed, and nothing that fails keeps others from being published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Connection
from pamqp.frame import FrameTypes
from pamqp.header import ContentHeader

from tests.unit.amqp.broker import PATIENCE_SECONDS, SILENCE, ScriptedBroker, Session, listening
from tests.unit.rig import turn
from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.publisher import Publisher, Rejected, Unroutable, Unsendable
from wazo_busd.errors import BusError


class Pauses(Backoff):
    """Back-off that takes no time and counts."""

    made: list[Pauses]

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0
        self.resets = 0
        Pauses.made.append(self)

    async def wait(self, error: BaseException | None) -> None:
        self.waits += 1
        await asyncio.sleep(0)

    def reset(self) -> None:
        self.resets += 1


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[Pauses]:
    """The back-offs that the publisher makes."""
    Pauses.made = []
    monkeypatch.setattr('wazo_busd.amqp.publisher.Backoff', Pauses)
    return Pauses.made


@asynccontextmanager
async def publishing() -> AsyncIterator[tuple[ScriptedBroker, Publisher]]:
    """A broker and a publisher that keeps connected to it."""
    async with listening() as broker:
        publisher = Publisher(broker.config, 'test')
        running = asyncio.create_task(publisher.run())
        try:
            yield broker, publisher
        finally:
            running.cancel()
            await asyncio.wait([running])


async def publish(publisher: Publisher, routing_key: str = 'busd.x', body: bytes = b'{}', **properties: Any) -> bool:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await publisher.publish('wazo-busd', routing_key, body, Basic.Properties(**properties))
    return True


def soon(publisher: Publisher, routing_key: str = 'busd.x', **properties: Any) -> asyncio.Task[bool]:
    return asyncio.create_task(publish(publisher, routing_key, **properties))


async def test_what_is_published_arrives_where_it_should() -> None:
    async with publishing() as (broker, publisher):
        await publish(publisher, 'busd.call.missed')

        _, method = await (await broker.session()).heard(Basic.Publish)
        assert (method.exchange, method.routing_key) == ('wazo-busd', 'busd.call.missed')


async def test_what_is_published_arrives_whole() -> None:
    async with publishing() as (broker, publisher):
        await publish(publisher, body=b'{"a": 1}', headers={'name': 'busd.x'}, delivery_mode=2)

        session = await broker.session()
        (header,), (body,) = session.frames(ContentHeader), session.frames(ContentBody)
        assert (header.properties.headers, header.properties.delivery_mode, body.value) == (
            {'name': 'busd.x'},
            2,
            b'{"a": 1}',
        )


async def test_what_nobody_takes_is_asked_back() -> None:
    async with publishing() as (broker, publisher):
        await publish(publisher)

        _, method = await (await broker.session()).heard(Basic.Publish)
        assert method.mandatory


async def test_it_is_not_published_before_it_is_confirmed() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        task = soon(publisher)
        await (await broker.session()).heard(ContentBody)
        await turn()

        assert not task.done()

        task.cancel()


async def test_it_is_published_when_it_is_confirmed() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        task = soon(publisher)
        session = await broker.session()
        channel, _ = await session.heard(ContentBody)
        session.send(channel, Basic.Ack(1))

        assert await task


async def test_one_confirmation_can_stand_for_several() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        tasks = [soon(publisher) for _ in range(3)]
        session = await broker.session()
        channel, _ = await session.heard(ContentBody, 3)
        session.send(channel, Basic.Ack(3, multiple=True))

        assert await asyncio.gather(*tasks) == [True, True, True]


def returning(session: Session) -> Sequence[FrameTypes]:
    """What RabbitMQ says to what it cannot route: the event back, and a confirmation."""
    header = session.frames(ContentHeader)[-1]
    return [Basic.Return(312, 'NO_ROUTE', 'wazo-busd', 'x'), header, *session.frames(ContentBody)[-1:], Basic.Ack(1)]


async def test_what_no_queue_is_bound_for_is_told() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = lambda _: returning(broker.sessions[0])

        with pytest.raises(Unroutable, match=r"nothing is bound to wazo-busd for 'busd.x'"):
            await publish(publisher)


async def test_what_the_broker_has_no_room_for_is_told() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = lambda _: [Basic.Nack(1)]

        with pytest.raises(Rejected, match=r"wazo-busd does not take 'busd.x': a queue behind it is full"):
            await publish(publisher)


async def test_after_a_refusal_the_next_one_is_published() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = lambda _: [Basic.Nack(1)]
        with pytest.raises(Rejected):
            await publish(publisher)
        broker.answers[ContentBody] = lambda _: [Basic.Ack(2)]

        assert await publish(publisher)


UNSENDABLE: list[tuple[str, dict[str, Any]]] = [
    ('x' * 256, {}),
    ('é' * 200, {}),
    ('\ud800', {}),
    ('busd.x', {'headers': {'a': object()}}),
    ('busd.x', {'headers': {'a': 2**64}}),
    ('busd.x', {'headers': {'a': '\ud800'}}),
    ('busd.x', {'headers': {'a': 1e300}}),
    ('busd.x', {'headers': {'a': 'x' * 131_000}}),
    ('busd.x', {'headers': {'a': 'x' * 1_000_000}}),
    ('busd.x', {'app_id': 'x' * 256}),
]


@pytest.mark.parametrize(('routing_key', 'properties'), UNSENDABLE, ids=lambda value: str(value)[:20])
async def test_what_cannot_be_sent_is_told(routing_key: str, properties: dict[str, Any]) -> None:
    async with publishing() as (_, publisher):
        with pytest.raises(Unsendable):
            await publish(publisher, routing_key, **properties)


@pytest.mark.parametrize(('routing_key', 'properties'), UNSENDABLE, ids=lambda value: str(value)[:20])
async def test_after_what_cannot_be_sent_the_next_one_is_published(
    routing_key: str, properties: dict[str, Any]
) -> None:
    async with publishing() as (_, publisher):
        with pytest.raises(BusError):
            await publish(publisher, routing_key, **properties)

        assert await publish(publisher)


@pytest.mark.parametrize(('routing_key', 'properties'), UNSENDABLE, ids=lambda value: str(value)[:20])
async def test_what_cannot_be_sent_does_not_reach_the_broker(routing_key: str, properties: dict[str, Any]) -> None:
    async with publishing() as (broker, publisher):
        with pytest.raises(BusError):
            await publish(publisher, routing_key, **properties)
        await publish(publisher)

        assert len((await broker.session()).frames(Basic.Publish)) == 1


async def test_headers_that_just_fit_into_a_frame_are_sent() -> None:
    async with publishing() as (broker, publisher):
        await publish(publisher, headers={'a': 'x' * 130_900})

        assert (await broker.session()).frames(ContentHeader)


async def test_a_broker_with_small_frames_is_not_sent_larger_ones() -> None:
    async with listening() as broker:
        broker.answers[Connection.StartOk] = lambda _: [Connection.Tune(2047, 8_192, 0)]
        publisher = Publisher(broker.config, 'test')
        running = asyncio.create_task(publisher.run())

        with pytest.raises(Unsendable, match='8192'):
            await publish(publisher, headers={'a': 'x' * 9_000})

        running.cancel()
        await asyncio.wait([running])


async def test_a_broker_without_a_limit_is_sent_any_frame() -> None:
    async with listening() as broker:
        broker.answers[Connection.StartOk] = lambda _: [Connection.Tune(2047, 0, 0)]
        publisher = Publisher(broker.config, 'test')
        running = asyncio.create_task(publisher.run())

        await publish(publisher, headers={'a': 'x' * 200_000})

        assert (await broker.session()).frames(ContentHeader)
        running.cancel()
        await asyncio.wait([running])


async def test_what_was_not_confirmed_is_published_again_on_the_next_connection() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        task = soon(publisher, 'busd.again')
        session = await broker.session()
        await session.heard(ContentBody)
        del broker.answers[ContentBody]
        session.abort()
        await task

        _, method = await (await broker.session(2)).heard(Basic.Publish)
        assert method.routing_key == 'busd.again'


async def test_what_was_not_confirmed_is_published_again_on_the_next_channel() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        task = soon(publisher, 'busd.again')
        session = await broker.session()
        channel, _ = await session.heard(ContentBody)
        del broker.answers[ContentBody]
        session.send(channel, Channel.Close(404, "NOT_FOUND - no exchange 'wazo-busd'", 60, 40))
        await task

        _, method = await session.heard(Basic.Publish, 2)
        assert method.routing_key == 'busd.again'


async def times(publisher: Publisher) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await publisher.publish('wazo-busd', 'busd.x', b'{}', Basic.Properties())


async def test_what_was_published_once_can_have_arrived_once() -> None:
    async with publishing() as (_, publisher):
        assert await times(publisher) == 1


@pytest.mark.parametrize('losses', [1, 2])
async def test_what_was_published_over_several_connections_can_have_arrived_as_often(losses: int) -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        publishes = asyncio.create_task(times(publisher))
        for number in range(1, losses + 1):
            session = await broker.session(number)
            await session.heard(ContentBody)
            if number == losses:
                del broker.answers[ContentBody]
            session.abort()

        assert await publishes == losses + 1


async def test_what_waited_for_a_connection_was_published_once() -> None:
    async with listening() as broker:
        publisher = Publisher(broker.config, 'test')
        publishes = asyncio.create_task(times(publisher))
        await turn()
        running = asyncio.create_task(publisher.run())

        assert await publishes == 1

        running.cancel()
        await asyncio.wait([running])


async def test_what_is_published_before_there_is_a_connection_waits_for_one() -> None:
    async with listening() as broker:
        publisher = Publisher(broker.config, 'test')
        task = soon(publisher)
        await turn()
        running = asyncio.create_task(publisher.run())

        assert await task

        running.cancel()
        await asyncio.wait([running])


async def test_a_publisher_that_is_refused_tries_again() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[Connection.Open] = lambda _: [Connection.Close(530, 'NOT_ALLOWED - vhost / not found', 0, 0)]
        await broker.session(3)
        del broker.answers[Connection.Open]

        assert await publish(publisher)


async def test_a_publisher_that_is_refused_a_channel_tries_again() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[Channel.Open] = lambda _: [Connection.Close(504, 'CHANNEL_ERROR - no more channels', 0, 0)]
        await broker.session(3)
        del broker.answers[Channel.Open]

        assert await publish(publisher)


async def test_between_two_connections_there_is_a_pause(pauses: list[Pauses]) -> None:
    async with publishing() as (broker, publisher):
        await publish(publisher)
        before = pauses[0].waits
        (await broker.session()).abort()
        await broker.session(2)

        assert pauses[0].waits > before


async def test_a_connection_that_held_shortens_the_next_pause(
    pauses: list[Pauses], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.publisher._STEADY_SECONDS', 0.0)
    async with publishing() as (broker, publisher):
        await publish(publisher)
        (await broker.session()).abort()
        await broker.session(2)

        assert pauses[0].resets


async def test_a_connection_that_did_not_hold_does_not_shorten_the_next_pause(pauses: list[Pauses]) -> None:
    async with publishing() as (broker, publisher):
        await publish(publisher)
        (await broker.session()).abort()
        await broker.session(2)

        assert not pauses[0].resets


async def test_who_no_longer_waits_leaves_the_others_alone() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        task = soon(publisher)
        await (await broker.session()).heard(ContentBody)
        task.cancel()
        await asyncio.wait([task])
        broker.answers[ContentBody] = lambda _: [Basic.Ack(2, multiple=True)]

        assert await publish(publisher)


async def test_who_no_longer_waits_is_cancelled() -> None:
    async with publishing() as (broker, publisher):
        broker.answers[ContentBody] = SILENCE
        task = soon(publisher)
        await (await broker.session()).heard(ContentBody)
        task.cancel()
        await asyncio.wait([task])

        assert task.cancelled()


async def test_a_publisher_that_ends_says_goodbye() -> None:
    async with publishing() as (broker, publisher):
        await publish(publisher)
        session = await broker.session()

    assert session.frames(Connection.Close)


async def test_the_connection_is_called_what_it_is_for() -> None:
    async with publishing() as (broker, _):
        _, hello = await (await broker.session()).heard(Connection.StartOk)

        assert (hello.client_properties or {})['connection_name'] == 'test'
