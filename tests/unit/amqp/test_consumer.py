# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The consumer: one queue on one channel, opened again when it is gone, and given back in order."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pamqp.frame
import pytest
from pamqp.commands import Basic, Channel, Queue
from pamqp.frame import FrameTypes

from tests.unit.amqp.broker import PATIENCE_SECONDS, SILENCE, ScriptedBroker, Session, delivery, listening
from tests.unit.amqp.press import Press
from tests.unit.rig import log_lines, make_history, turn
from wazo_busd.amqp import copy
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.consumer import Consumer
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.gaps import QueueGaps
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.amqp.publisher import Publisher
from wazo_busd.bus import NOT_STARTED, ConsumerState, Gap
from wazo_busd.config import QueueConfig
from wazo_busd.delivery import Acknowledger, Delivery
from wazo_busd.errors import Undecodable
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.topology import Hub

QUEUE = 'wazo-busd.fax'
CURSED = b'cursed'
"""A body that whoever takes deliveries stumbles over."""

REASON = Reason(
    handler='fax',
    plugin='notify',
    plugin_version='1',
    error='ValueError',
    text='it does not fit',
    traceback='',
    attempts=1,
    first_at=1.0,
    last_at=2.0,
    event_id='a' * 32,
)


class Bench:
    """A consumer, the broker that it consumes from, and what came."""

    def __init__(self, broker: ScriptedBroker, link: Link, session: Session, path: Path, *, started: bool) -> None:
        self.broker = broker
        self.link = link
        self.session = session
        self.came: list[Delivery] = []
        self.states: list[ConsumerState] = []
        self.press = Press()
        self.lost: list[Acknowledger] = []
        self.consumed_when_lost: list[int] = []
        """How often the queue had been consumed each time a channel was told to be gone."""
        self.gaps: list[Gap] = []
        self._happened = asyncio.Event()
        self.ledger = Ledger(path, broker.config)
        declarer = Declarer(broker.config, self.ledger)
        self.copies = Copies(
            'fax', (2.0,), hub=declarer.hub, publisher=cast('Publisher', self.press), declare=self._declare
        )
        self.consumer = Consumer(
            Hub('wazo-busd').handler_queue('fax', ['faxes.#'], QueueConfig()),
            self._accept if started else None,
            self._lost,
            declarer=declarer,
            copies=self.copies,
            gaps=QueueGaps('fax', max_length=100, max_bytes=2**30, report=self.gaps.append, seen_at=1.0),
            prefetch=7,
            max_body_size=1_000,
            on_change=self._changed,
        )

    async def consuming(self, number: int = 1) -> int:
        """Wait until the queue is consumed, for the first time if no number is given.

        Returns:
            The number of the channel.
        """
        channel, _ = await self.session.heard(Basic.Consume, number)
        await self.reached(ConsumerState.CONSUMING)
        return channel

    async def reached(self, state: ConsumerState) -> None:
        """Wait until the consumer is in this state."""
        await self._until(lambda: self.consumer.status.state is state)

    async def got(self, number: int) -> list[Delivery]:
        """Wait until so many deliveries have come."""
        await self._until(lambda: len(self.came) >= number)
        return self.came

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                self._happened.clear()
                await self._happened.wait()

    def _accept(self, came: Delivery) -> None:
        self.came.append(came)
        self._happened.set()
        if came.body == CURSED:
            raise RuntimeError('a mistake of ours')

    def _changed(self) -> None:
        self.states.append(self.consumer.status.state)
        self._happened.set()

    def _lost(self, acknowledger: Acknowledger) -> None:
        self.lost.append(acknowledger)
        self.consumed_when_lost.append(len(self.session.frames(Basic.Consume)))
        self._happened.set()

    async def _declare(self) -> None:
        """Declare nothing."""


@asynccontextmanager
async def attached(path: Path, *, started: bool = True, connected: bool = True) -> AsyncIterator[Bench]:
    """A consumer that is connected to a broker."""
    async with listening() as broker:
        link = await connect(broker.config, 'test')
        bench = Bench(broker, link, await broker.session(), path, started=started)
        if connected:
            bench.consumer.connect(link)
        try:
            yield bench
        finally:
            link.abort()
            await link.lost()
            await bench.consumer.disconnect()
            bench.copies.close()
            await link.close()


async def test_the_queue_of_the_handler_is_consumed(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        _, consume = await bench.session.heard(Basic.Consume)

        assert (consume.queue, consume.consumer_tag, consume.no_ack) == (QUEUE, 'wazo-busd', False)


async def test_a_younger_consumer_goes_before_an_older_one(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        _, consume = await bench.session.heard(Basic.Consume)

        priority = (consume.arguments or {})['x-priority']
        assert isinstance(priority, int)
        assert abs(priority - time.time()) <= PATIENCE_SECONDS


async def test_no_more_is_taken_than_the_prefetch(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()

        assert [(qos.prefetch_count, qos.global_) for qos in bench.session.frames(Basic.Qos)] == [(7, False)]


async def test_a_queue_that_is_consumed_says_so(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()

        assert bench.states == [ConsumerState.CONSUMING]


async def test_deliveries_come_as_they_were_published(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        properties = Basic.Properties(headers={'name': 'fax_outbound_failed'})
        bench.session.deliver(channel, 3, b'{"a": 1}', redelivered=True, properties=properties)
        (came,) = await bench.got(1)

        assert (came.tag, came.body, came.size, came.exchange, came.routing_key, came.redelivered) == (
            3,
            b'{"a": 1}',
            8,
            'wazo-headers',
            'calls.call.created',
            True,
        )


async def test_deliveries_have_their_headers(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        properties = Basic.Properties(headers={'name': 'fax_outbound_failed'})
        bench.session.deliver(await bench.consuming(), 1, b'{}', properties=properties)
        (came,) = await bench.got(1)

        assert came.properties.headers == {'name': 'fax_outbound_failed'}


async def test_deliveries_know_when_they_came(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, b'{}')
        (came,) = await bench.got(1)

        assert abs(came.received_at - time.time()) <= PATIENCE_SECONDS


async def test_deliveries_come_in_their_order(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        for tag in range(1, 6):
            bench.session.deliver(channel, tag, b'{}')

        assert [came.tag for came in await bench.got(5)] == [1, 2, 3, 4, 5]


def hostile(channel: int, exchange: bytes = b'xivo') -> bytes:
    """A delivery that no library decodes: its routing key and its content type are not UTF-8."""
    method = b'\x00\x3c\x00\x3c\x09wazo-busd' + struct.pack('>QB', 1, 0)
    method += bytes([len(exchange)]) + exchange + b'\x03a.\xff'
    header = struct.pack('>HHQH', 60, 0, 2, 0x8000) + b'\x02\xff\xfe'
    return b''.join(
        struct.pack('>BHI', kind, channel, len(payload)) + payload + b'\xce'
        for kind, payload in ((1, method), (2, header), (3, b'{}'))
    )


async def test_a_routing_key_that_is_not_utf_8_can_be_read(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.write(hostile(await bench.consuming()))
        (came,) = await bench.got(1)

        assert came.routing_key == 'a.\\xff'


async def test_malformed_properties_spoil_one_event(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.write(hostile(await bench.consuming()))
        (came,) = await bench.got(1)

        with pytest.raises(Undecodable):
            _ = came.properties.headers


async def test_malformed_properties_leave_the_connection_alone(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.write(hostile(channel))
        bench.session.deliver(channel, 2, b'{}')
        await bench.got(2)

        assert not bench.link.connection.is_closed


async def test_a_mistake_over_one_delivery_does_not_keep_the_next_from_coming(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.deliver(channel, 1, CURSED)
        bench.session.deliver(channel, 2, b'{}')

        assert [came.tag for came in await bench.got(2)] == [1, 2]


async def test_a_mistake_over_a_delivery_leaves_it_to_the_broker(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.deliver(channel, 1, CURSED)
        bench.session.deliver(channel, 2, b'{}')
        _, good = await bench.got(2)
        good.settle(Outcome.DONE)
        await bench.consumer.cancel()
        await bench.consumer.settle(0.0)

        assert [(ack.delivery_tag, ack.multiple) for ack in bench.session.frames(Basic.Ack)] == [(2, False)]


async def test_a_mistake_over_a_delivery_is_told(tmp_path: Path, log: StringIO) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, CURSED)
        await bench.got(1)

        assert 'a mistake of ours' in log.getvalue()


async def test_what_is_done_is_acknowledged(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.deliver(channel, 1, b'{}')
        (came,) = await bench.got(1)
        came.settle(Outcome.DONE)

        on, ack = await bench.session.heard(Basic.Ack)
        assert (on, ack.delivery_tag, ack.multiple) == (channel, 1, False)


async def test_a_handler_that_is_not_started_lets_its_events_gather(tmp_path: Path) -> None:
    async with attached(tmp_path, started=False) as bench:
        await bench.session.heard(Queue.Bind, 2)
        await bench._until(lambda: bench.consumer.status.detail)

        assert (bench.consumer.status.detail, bench.session.frames(Basic.Consume)) == (NOT_STARTED, [])


def refused(_: object) -> Sequence[FrameTypes]:
    return [Channel.Close(403, "ACCESS_REFUSED - access to queue 'wazo-busd.fax' in vhost '/' refused", 50, 10)]


@pytest.mark.parametrize('method', [Queue.Declare, Queue.Bind, Basic.Consume], ids=lambda method: method.name)
async def test_a_queue_that_the_broker_refuses_is_told_with_the_cure(tmp_path: Path, method: type[Any]) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.broker.answers[method] = refused
        bench.consumer.connect(bench.link)
        await bench.reached(ConsumerState.REFUSED)

        assert 'rabbitmqctl set_permissions' in bench.consumer.status.detail


async def test_a_queue_that_the_broker_refuses_again_and_again_is_logged_once(tmp_path: Path, log: StringIO) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.broker.answers[Queue.Declare] = refused
        bench.consumer.connect(bench.link)
        await bench.session.heard(Queue.Declare, 3)

        assert [line['handler'] for line in log_lines(log, 'queue_refused')] == ['fax']


async def test_a_queue_that_the_broker_refused_is_tried_again(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.broker.answers[Queue.Declare] = refused
        bench.consumer.connect(bench.link)
        await bench.reached(ConsumerState.REFUSED)
        del bench.broker.answers[Queue.Declare]

        assert await bench.consuming()


async def test_of_a_body_just_over_the_limit_the_beginning_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.arrival.KEPT_OF_OVERSIZE', 64)
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.deliver(channel, 1, b'x' * 1_000)
        bench.session.deliver(channel, 2, b'x' * 1_001)

        assert [(len(each.body), each.size) for each in await bench.got(2)] == [(1_000, 1_000), (64, 1_001)]


async def test_a_queue_that_the_broker_does_not_give_out_is_told_with_what_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.consumer._CONSUME_SECONDS', 0.01)
    async with attached(tmp_path, connected=False) as bench:
        bench.broker.answers[Basic.Consume] = lambda frame: []
        bench.consumer.connect(bench.link)
        await bench.reached(ConsumerState.REFUSED)

        assert 'rabbitmqctl list_unresponsive_queues' in bench.consumer.status.detail


async def test_a_refused_queue_leaves_the_connection_alone(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.broker.answers[Queue.Declare] = refused
        bench.consumer.connect(bench.link)
        await bench.session.heard(Queue.Declare, 2)

        assert not bench.link.connection.is_closed


async def test_a_channel_that_the_broker_closes_is_replaced(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.send(
            await bench.consuming(), Channel.Close(406, 'PRECONDITION_FAILED - delivery timed out', 0, 0)
        )
        channel = await bench.consuming(2)
        bench.session.deliver(channel, 1, b'{}')

        assert len(await bench.got(1)) == 1


async def test_a_consumer_that_the_broker_cancels_begins_anew(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.send(await bench.consuming(), Basic.Cancel('wazo-busd', nowait=True))

        assert await bench.consuming(2)


async def test_a_consumer_that_the_broker_ends_is_told(tmp_path: Path, log: StringIO) -> None:
    async with attached(tmp_path) as bench:
        bench.session.send(await bench.consuming(), Basic.Cancel('wazo-busd', nowait=True))
        await bench.consuming(2)

        assert [line['queue'] for line in log_lines(log, 'consumer_ended_by_broker')] == [QUEUE]


async def test_what_came_on_a_channel_that_is_gone_is_acknowledged_on_no_other(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        first = await bench.consuming()
        bench.session.deliver(first, 1, b'old')
        await bench.got(1)
        bench.session.send(first, Channel.Close(406, 'PRECONDITION_FAILED - delivery timed out', 0, 0))
        second = await bench.consuming(2)
        bench.session.deliver(second, 7, b'new')
        old, new = await bench.got(2)
        old.settle(Outcome.DONE)
        new.settle(Outcome.DONE)
        await bench.session.heard(Basic.Ack)
        await turn()

        assert [ack.delivery_tag for ack in bench.session.frames(Basic.Ack)] == [7]


async def test_copies_on_their_way_go_on_when_the_channel_is_gone(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, b'{}')
        (came,) = await bench.got(1)
        came.settle(Outcome.DEAD, reason=REASON)
        await bench.press.printed()
        await bench.consumer.disconnect()
        bench.press.confirmed.set()
        await bench.copies.settled(PATIENCE_SECONDS)

        assert came.is_closed


async def test_connecting_twice_consumes_once(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.consumer.connect(bench.link)
        await bench.consuming()
        await turn(50)

        assert len(bench.session.frames(Basic.Consume)) == 1


async def test_a_cancelled_consumer_says_so(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        await bench.consumer.cancel()

        assert bench.consumer.status.state is ConsumerState.CANCELLED


async def test_what_still_comes_to_a_cancelled_consumer_is_left_unread(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.deliver(channel, 1, b'{}')
        (came,) = await bench.got(1)
        await bench.consumer.cancel()
        bench.session.deliver(channel, 2, b'{}')
        came.settle(Outcome.DONE)
        await bench.consumer.settle(0.0)

        acks = [(ack.delivery_tag, ack.multiple) for ack in bench.session.frames(Basic.Ack)]
        assert (len(bench.came), acks) == (1, [(1, False)])


async def test_a_consumer_is_not_cancelled_at_the_broker_before_its_channel_is_closed(tmp_path: Path) -> None:
    # What is on its way to one that is cancelled comes again behind all others (RabbitMQ 3.10, quorum queues).
    async with attached(tmp_path) as bench:
        await bench.consuming()
        await bench.consumer.cancel()
        await bench.consumer.settle(0.0)

        assert names(bench.session)[-2:] == ['Basic.Consume', 'Channel.Close']


async def test_what_came_before_can_be_acknowledged_afterwards(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, b'{}')
        (came,) = await bench.got(1)
        await bench.consumer.cancel()
        came.settle(Outcome.DONE)

        _, ack = await bench.session.heard(Basic.Ack)
        assert ack.delivery_tag == 1


async def test_a_consumer_that_is_not_connected_can_be_cancelled(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        await bench.consumer.cancel()

        assert bench.consumer.status.state is ConsumerState.CANCELLED


async def test_a_consumer_that_is_being_opened_can_be_cancelled(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.broker.answers[Basic.Qos] = SILENCE
        bench.consumer.connect(bench.link)
        await bench.session.heard(Basic.Qos)
        await bench.consumer.cancel()

        assert (bench.consumer.status.state, bench.session.frames(Basic.Consume)) == (ConsumerState.CANCELLED, [])


async def test_a_cancelled_consumer_is_not_opened_on_the_next_connection(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        await bench.consumer.cancel()
        bench.consumer.connect(bench.link)
        await turn(50)

        assert bench.session.frames(Channel.Open) == []


def names(session: Session) -> list[str]:
    return [frame.name for _, frame in session.received]


async def test_what_is_done_is_acknowledged_before_the_rest_is_given_back(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        for tag in (1, 2, 3):
            bench.session.deliver(channel, tag, b'{}')
        _, done, _ = await bench.got(3)
        await bench.consumer.cancel()
        done.settle(Outcome.DONE)

        await bench.consumer.settle(0.0)

        assert names(bench.session)[-2:] == ['Basic.Ack', 'Channel.Close']


async def test_settling_waits_for_dead_letters(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, b'{}')
        (came,) = await bench.got(1)
        came.settle(Outcome.DEAD, reason=REASON)
        asyncio.get_running_loop().call_soon(bench.press.confirmed.set)

        await bench.consumer.settle(PATIENCE_SECONDS)

        assert [ack.delivery_tag for ack in bench.session.frames(Basic.Ack)] == [1]


async def test_a_consumer_that_never_connected_can_be_settled(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        await bench.consumer.settle(0.0)

        assert bench.session.frames(Channel.Open) == []


async def test_a_disconnected_consumer_waits(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        await bench.consumer.disconnect()

        assert bench.consumer.status.state is ConsumerState.WAITING


async def test_one_that_was_full_since_it_was_looked_at_may_be_behind(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        before = bench.consumer.is_behind
        for tag in range(1, 8):
            bench.session.deliver(channel, tag, b'{}')
        came = await bench.got(7)
        await turn()
        came[0].settle(Outcome.DONE)
        full = bench.consumer.is_behind
        await bench.consumer.look(await bench.link.open_channel())

        assert (before, full, bench.consumer.is_behind, bench.consumer.status.waiting) == (False, True, False, 0)


async def test_of_a_disconnected_consumer_nobody_knows_what_waits_for_it(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        bench.consumer.keeps_up()
        before = bench.consumer.status.waiting
        await bench.consumer.disconnect()

        assert (before, bench.consumer.status.waiting) == (0, None)


async def test_a_disconnected_consumer_is_opened_on_the_next_connection(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        await bench.consumer.disconnect()
        bench.consumer.connect(bench.link)

        assert await bench.consuming(2)


async def test_who_finishes_after_the_connection_is_gone_tells_nobody(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, b'{}')
        (came,) = await bench.got(1)
        bench.link.abort()
        await bench.link.lost()
        await bench.consumer.disconnect()
        came.settle(Outcome.DONE)
        await turn()

        assert bench.session.frames(Basic.Ack) == []


async def test_a_disk_that_is_full_does_not_keep_a_handler_from_its_events(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        (tmp_path / 'bindings.new').mkdir()
        bench.consumer.connect(bench.link)

        assert await bench.consuming()


def test_the_hostile_delivery_is_one_that_the_library_cannot_read() -> None:
    with pytest.raises(pamqp.exceptions.PAMQPException):
        pamqp.frame.unmarshal(hostile(1))


async def test_a_channel_that_is_gone_is_told_with_who_settled_its_deliveries(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.deliver(channel, 1, b'{}')
        (came,) = await bench.got(1)
        bench.session.abort()
        await bench.reached(ConsumerState.WAITING)
        await bench.consumer.disconnect()

        assert [came.came_by(each) for each in bench.lost] == [True]


async def test_what_a_channel_held_is_told_before_the_next_one_brings_it_again(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.send(await bench.consuming(), Channel.Close(406, 'PRECONDITION_FAILED', 0, 0))
        await bench.consuming(2)

        assert bench.consumed_when_lost == [1]


async def paused(bench: Bench, *, number: int = 0) -> int:
    """Let so many events come, and then let the queue rest.

    Returns:
        The number of the channel.
    """
    channel = await bench.consuming()
    for tag in range(1, number + 1):
        bench.session.deliver(channel, tag, b'{}')
    await bench.got(number)
    bench.consumer.limit(0, 'its web server is out')
    await bench.reached(ConsumerState.PAUSED)
    return channel


def asked(session: Session) -> list[int]:
    """How many deliveries were asked for, one time after the other."""
    return [qos.prefetch_count for qos in session.frames(Basic.Qos)]


async def test_a_queue_that_is_to_rest_is_consumed_no_more(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench)

        assert [cancel.consumer_tag for cancel in bench.session.frames(Basic.Cancel)] == ['wazo-busd']


async def test_a_queue_that_rests_says_why(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench)

        assert bench.consumer.status.detail == 'its web server is out'


async def test_a_queue_that_rests_keeps_its_channel(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await paused(bench, number=1)
        bench.came[0].settle(Outcome.DONE)

        on, ack = await bench.session.heard(Basic.Ack)
        assert (on, ack.delivery_tag) == (channel, 1)


async def test_what_is_given_back_while_a_queue_rests_is_told(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await paused(bench, number=2)
        bench.came[1].give_back()

        on, nack = await bench.session.heard(Basic.Nack)
        assert (on, nack.delivery_tag, nack.requeue) == (channel, 2, True)


async def test_a_queue_that_has_rested_is_consumed_on_the_same_channel(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await paused(bench)
        bench.consumer.limit(None, '')

        assert await bench.consuming(2) == channel


async def test_after_a_rest_the_deliveries_come(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await paused(bench, number=1)
        bench.consumer.limit(None, '')
        await bench.consuming(2)
        tag = bench.session.frames(Basic.Consume)[-1].consumer_tag
        bench.session.deliver(channel, 2, b'{}', consumer_tag=tag)

        assert [came.tag for came in await bench.got(2)] == [1, 2]


async def test_after_a_rest_as_much_is_taken_as_before(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench)
        bench.consumer.limit(None, '')
        await bench.consuming(2)

        assert asked(bench.session) == [7, 7]


async def test_what_is_still_here_after_a_rest_is_part_of_what_is_taken(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench, number=3)
        bench.consumer.limit(None, '')
        await bench.consuming(2)

        assert asked(bench.session) == [7, 4]


async def test_when_little_of_it_is_left_as_much_is_taken_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.consumer._NARROW_SECONDS', 0.001)
    async with attached(tmp_path) as bench:
        await paused(bench, number=6)
        bench.consumer.limit(None, '')
        await bench.consuming(2)
        for came in bench.came:
            came.settle(Outcome.DONE)
        await bench.consuming(3)

        assert asked(bench.session) == [7, 1, 7]


async def test_what_was_read_is_handed_on_at_once_when_less_is_to_be_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        hurried: list[ConsumerState] = []
        monkeypatch.setattr(bench.link.transport, 'hurry', lambda: hurried.append(bench.consumer.status.state))
        bench.consumer.limit(0, 'its web server is out')

        assert hurried == [ConsumerState.CONSUMING]


async def test_a_probe_takes_one_at_a_time(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench)
        bench.consumer.limit(1, 'a probe')
        await bench.consuming(2)

        assert (asked(bench.session), bench.consumer.status.detail) == ([7, 1], 'a probe')


async def test_no_two_consumers_of_one_channel_have_the_same_tag(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench)
        for number, limit in enumerate((1, 2, 3, None), 2):
            bench.consumer.limit(limit, '')
            await bench.consuming(number)

        assert len({consume.consumer_tag for consume in bench.session.frames(Basic.Consume)}) == 5


async def test_a_limit_that_is_said_twice_changes_nothing(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        bench.consumer.limit(3, 'careful')
        await bench.consuming(2)
        bench.consumer.limit(3, 'careful')
        await turn(50)

        assert len(bench.session.frames(Basic.Consume)) == 2


async def test_a_limit_that_is_said_before_there_is_a_connection_holds(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.consumer.limit(1, 'a probe')
        bench.consumer.connect(bench.link)
        await bench.consuming()

        assert asked(bench.session) == [1]


async def test_a_queue_that_is_to_rest_from_the_beginning_is_declared_and_not_consumed(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.consumer.limit(0, 'its web server is out')
        bench.consumer.connect(bench.link)
        await bench.reached(ConsumerState.PAUSED)

        assert (len(bench.session.frames(Queue.Declare)), bench.session.frames(Basic.Consume)) == (2, [])


async def test_a_limit_holds_on_the_next_channel(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        bench.consumer.limit(1, 'a probe')
        channel = await bench.consuming(2)
        bench.session.send(channel, Channel.Close(406, 'PRECONDITION_FAILED', 0, 0))
        await bench.consuming(3)

        assert asked(bench.session) == [7, 1, 1]


async def test_a_queue_that_rests_can_be_cancelled(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench)
        await asyncio.wait_for(bench.consumer.cancel(), PATIENCE_SECONDS)
        await turn(50)

        assert (bench.consumer.status.state, len(bench.session.frames(Basic.Consume))) == (ConsumerState.CANCELLED, 1)


async def test_what_came_before_a_rest_can_be_acknowledged_after_the_cancel(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await paused(bench, number=1)
        await bench.consumer.cancel()
        bench.came[0].settle(Outcome.DONE)

        _, ack = await bench.session.heard(Basic.Ack)
        assert ack.delivery_tag == 1


async def test_a_cancelled_consumer_takes_nothing_whatever_limit_is_said(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await bench.consuming()
        await bench.consumer.cancel()
        bench.consumer.limit(5, 'more')
        await turn(50)

        assert (bench.consumer.status.state, len(bench.session.frames(Basic.Consume))) == (ConsumerState.CANCELLED, 1)


async def test_a_consumer_that_is_cancelled_while_it_asks_takes_nothing(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.broker.answers[Basic.Qos] = SILENCE
        bench.consumer.connect(bench.link)
        channel, _ = await bench.session.heard(Basic.Qos)
        cancelling = asyncio.create_task(bench.consumer.cancel())
        await turn()
        bench.session.send(channel, Basic.QosOk())
        await asyncio.wait_for(cancelling, PATIENCE_SECONDS)
        await turn(100)

        assert bench.session.frames(Basic.Consume) == []


async def test_a_consumer_that_was_cancelled_stays_so_when_its_channel_dies(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        await bench.consumer.cancel()
        bench.session.send(channel, Channel.Close(406, 'PRECONDITION_FAILED', 0, 0))
        await bench._until(lambda: bench.lost)
        await turn()

        assert bench.consumer.status.state is ConsumerState.CANCELLED


@pytest.fixture
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is held for too long."""
    monkeypatch.setattr('wazo_busd.amqp.consumer._HELD_SECONDS', 0.0)
    monkeypatch.setattr('wazo_busd.amqp.consumer._LOOK_SECONDS', 0.001)


async def held(bench: Bench) -> int:
    """Let an event come and wait until the channel is given up over it.

    Returns:
        The number of the next channel.
    """
    bench.session.deliver(await bench.consuming(), 1, b'{"a": 1}')
    await bench.got(1)
    return await bench.consuming(2)


@pytest.mark.usefixtures('impatience')
async def test_a_channel_that_holds_an_event_for_too_long_is_replaced(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await held(bench)

        assert names(bench.session).count('Channel.Close') == 1


@pytest.mark.usefixtures('impatience')
async def test_a_channel_that_holds_an_event_for_too_long_is_told_to_be_gone(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await held(bench)

        assert bench.came[0].came_by(bench.lost[0])


@pytest.mark.usefixtures('impatience')
async def test_an_event_that_was_held_for_too_long_is_told_on_the_next_channel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with attached(tmp_path) as bench:
        channel = await held(bench)
        monkeypatch.setattr('wazo_busd.amqp.consumer._HELD_SECONDS', PATIENCE_SECONDS)
        bench.session.deliver(channel, 1, b'{"a": 1}', redelivered=True)
        first, second = await bench.got(2)
        first.renew(second)
        first.settle(Outcome.DONE)

        on, ack = await bench.session.heard(Basic.Ack)
        assert (on, ack.delivery_tag) == (channel, 1)


async def test_a_channel_that_holds_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.consumer._LOOK_SECONDS', 0.001)
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.deliver(channel, 1, b'{}')
        await bench.got(1)
        bench.came[0].settle(Outcome.DONE)
        await bench.session.heard(Basic.Ack)
        before = len(bench.session.frames(Channel.Open))
        # Everything is held for too long from now on.
        monkeypatch.setattr('wazo_busd.amqp.consumer._HELD_SECONDS', 0.0)
        await turn(200)

        assert len(bench.session.frames(Channel.Open)) == before


async def test_a_channel_that_holds_an_event_for_a_while_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.amqp.consumer._LOOK_SECONDS', 0.001)
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, b'{}')
        await bench.got(1)
        await turn(200)

        assert len(bench.session.frames(Channel.Open)) == 1


@pytest.mark.usefixtures('impatience')
async def test_what_comes_while_a_channel_is_given_up_comes_again_later(tmp_path: Path, log: StringIO) -> None:
    async with attached(tmp_path) as bench:
        first = await bench.consuming()
        bench.broker.answers[Channel.Close] = lambda _: [*delivery(2, b'late'), Channel.CloseOk()]
        bench.session.deliver(first, 1, b'{}')
        await bench.consuming(2)

        assert ([came.tag for came in bench.came], log_lines(log, 'delivery_not_tapped')) == ([1], [])


@pytest.mark.usefixtures('impatience')
async def test_what_is_malformed_and_comes_while_a_channel_is_given_up_leaves_the_connection_alone(
    tmp_path: Path,
) -> None:
    async with attached(tmp_path) as bench:
        first = await bench.consuming()
        bench.broker.answers[Channel.Close] = SILENCE
        bench.session.deliver(first, 1, b'{}')
        await bench.session.heard(Channel.Close)
        bench.session.write(hostile(first))
        bench.session.send(first, Channel.CloseOk())
        await bench.consuming(2)

        assert not bench.link.connection.is_closed


def copied(*, number: str = '0123456789abcdef', **said: Any) -> tuple[bytes, Basic.Properties]:
    """Body and properties of the copy of an event that failed once."""
    original = Basic.Properties(content_type='application/json', headers={'name': 'fax_outbound_failed'})
    made = copy.postponed(
        Delivery(
            1,
            body=b'{"a": 1}',
            exchange='xivo',
            routing_key='faxes.outbound.failed',
            properties=WireProperties(original.marshal()),
            redelivered=False,
            received_at=1.0,
            acknowledger=cast('Acknowledger', None),
        ),
        make_history(**said),
        delay_milliseconds=2_000,
        number=number,
        is_spare=False,
    )
    return made.body, made.properties


async def returns(
    bench: Bench, *tags: int, exchange: str = 'wazo-busd.return', redelivered: bool = False, **made: Any
) -> None:
    """Let a copy come back, once for each tag."""
    channel = await bench.consuming()
    body, properties = copied(**made)
    for tag in tags:
        bench.session.deliver(
            channel, tag, body, exchange=exchange, routing_key='fax', redelivered=redelivered, properties=properties
        )


async def test_a_copy_comes_as_the_event_that_it_was_made_of(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await returns(bench, 5)
        (came,) = await bench.got(1)

        assert (came.tag, came.body, came.size, came.exchange, came.routing_key, came.properties.headers) == (
            5,
            b'{"a": 1}',
            8,
            'xivo',
            'faxes.outbound.failed',
            {'name': 'fax_outbound_failed'},
        )


async def test_a_copy_comes_with_what_was_tried(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        history = make_history(attempts=3, rounds=2, first_at=1.5, first_error='ValueError: no', due_at=2.5)
        await returns(bench, 1, attempts=3, rounds=2, first_at=1.5, first_error='ValueError: no', due_at=2.5)
        (came,) = await bench.got(1)

        assert came.history == history


async def test_a_copy_is_acknowledged_by_its_own_tag(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await returns(bench, 5)
        (came,) = await bench.got(1)
        came.settle(Outcome.DONE)

        _, ack = await bench.session.heard(Basic.Ack)
        assert ack.delivery_tag == 5


async def test_a_copy_that_anybody_published_is_an_event_like_any_other(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await returns(bench, 1, exchange='wazo-headers')
        (came,) = await bench.got(1)

        assert (came.history, came.exchange, came.routing_key) == (None, 'wazo-headers', 'fax')


@pytest.mark.parametrize(
    'properties', [None, Basic.Properties(headers={'busd-id': 'x'}), Basic.Properties(headers={'busd-trailer': 99})]
)
async def test_junk_where_copies_come_from_is_an_event_like_any_other(
    tmp_path: Path, properties: Basic.Properties | None
) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(
            await bench.consuming(), 1, b'{}', exchange='wazo-busd.return', routing_key='fax', properties=properties
        )
        (came,) = await bench.got(1)

        assert (came.history, came.body, came.exchange, came.routing_key) == (None, b'{}', 'wazo-busd.return', 'fax')


async def test_junk_where_copies_come_from_is_told(tmp_path: Path, log: StringIO) -> None:
    async with attached(tmp_path) as bench:
        bench.session.deliver(await bench.consuming(), 1, b'{}', exchange='wazo-busd.return', routing_key='fax')
        await bench.got(1)

        assert len(log_lines(log, 'no_copy_returned')) == 1


async def test_what_is_malformed_where_copies_come_from_spoils_one_event(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        channel = await bench.consuming()
        bench.session.write(hostile(channel, exchange=b'wazo-busd.return'))
        bench.session.deliver(channel, 2, b'{}')

        assert [came.tag for came in await bench.got(2)] == [1, 2]


async def doubled(bench: Bench) -> str:
    """Let a copy be published twice.

    Returns:
        Its number.
    """
    bench.press.answers = [2]
    bench.session.deliver(await bench.consuming(), 1, b'{}')
    (came,) = await bench.got(1)
    came.settle(Outcome.RETRY, history=make_history())
    await bench.copies.settled(PATIENCE_SECONDS)
    return bench.press.numbers[0]


async def test_of_two_copies_that_are_one_the_second_does_not_come(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        number = await doubled(bench)
        await returns(bench, 2, 3, number=number)
        await returns(bench, 4, number='another')

        assert [came.tag for came in await bench.got(3)] == [1, 2, 4]


async def test_of_two_copies_that_are_one_the_second_is_acknowledged(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        number = await doubled(bench)
        await bench.session.heard(Basic.Ack)
        await returns(bench, 2, 3, number=number)

        _, ack = await bench.session.heard(Basic.Ack, 2)
        assert (ack.delivery_tag, ack.multiple) == (3, False)


async def test_a_copy_that_is_given_out_again_comes(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        number = await doubled(bench)
        await returns(bench, 2, number=number)
        await bench.got(2)
        await returns(bench, 3, number=number, redelivered=True)

        assert [came.tag for came in await bench.got(3)] == [1, 2, 3]


async def test_two_copies_of_two_events_both_come(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        await returns(bench, 1, number='one')
        await returns(bench, 2, number='another')

        assert [came.tag for came in await bench.got(2)] == [1, 2]


def missing(frame: Queue.Declare) -> Sequence[FrameTypes]:
    if frame.passive:
        return [Channel.Close(404, f"NOT_FOUND - no queue '{frame.queue}' in vhost '/'", 50, 10)]
    return [Queue.DeclareOk(frame.queue, 0, 0)]


async def test_a_queue_that_was_there_and_is_gone_is_made(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.ledger.write(QUEUE, ['faxes.#'])
        bench.broker.answers[Queue.Declare] = missing
        bench.consumer.connect(bench.link)
        await bench.consuming()

        assert QUEUE in [frame.queue for frame in bench.session.frames(Queue.Declare) if not frame.passive]


async def test_a_queue_that_was_there_and_is_gone_is_a_gap(tmp_path: Path) -> None:
    async with attached(tmp_path, connected=False) as bench:
        bench.ledger.write(QUEUE, ['faxes.#'])
        bench.broker.answers[Queue.Declare] = missing
        bench.consumer.connect(bench.link)
        await bench.consuming()

        assert [(gap.handler, gap.from_at) for gap in bench.gaps] == [('fax', 1.0)]


async def test_a_queue_that_is_deleted_while_it_is_consumed_is_a_gap(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.send(await bench.consuming(), Basic.Cancel('wazo-busd', nowait=True))
        await bench.consuming(2)

        assert [gap.handler for gap in bench.gaps] == ['fax']


async def test_a_channel_that_is_lost_is_no_gap(tmp_path: Path) -> None:
    async with attached(tmp_path) as bench:
        bench.session.send(await bench.consuming(), Channel.Close(406, 'PRECONDITION_FAILED', 0, 0))
        await bench.consuming(2)

        assert bench.gaps == []
