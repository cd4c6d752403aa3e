# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The consumer: one handler's queue on one channel, opened again whenever that channel is gone."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import structlog
from aiormq.abc import AbstractChannel

from wazo_busd.amqp import fallback
from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.amqp.answers import LibraryAnswers, WireAnswers
from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.connection import Link, close_channel
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.declaration import Declarer, QueueGone, StaysClassic
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.gaps import QueueGaps
from wazo_busd.amqp.intake import Intake
from wazo_busd.amqp.refusal import REFUSALS, explained
from wazo_busd.amqp.transport import Transport
from wazo_busd.bus import NOT_STARTED, ConsumerState, ConsumerStatus
from wazo_busd.delivery import Accept, Lost
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled, raise_if_cancelled
from wazo_busd.topology import HandlerQueue

_TAG = 'wazo-busd'
_CANCEL_SECONDS = 5.0
_CONSUME_SECONDS = 10.0
"""A quorum queue without a leader answers nothing; then it is tried again, and told."""

_LOOK_SECONDS = 30.0
_NARROW_SECONDS = 1.0
_HELD_SECONDS = 600.0
"""What waits here for longer is given back and taken anew: after 1,800 seconds RabbitMQ ends a channel over it, unless
it is configured otherwise (consumer_timeout)."""

_Ordinary = Callable[[Any], Coroutine[Any, Any, None]]
"""The library's callback, for what was not cut out."""

log = structlog.stdlib.get_logger(__name__)


class Consumer:
    """Consumes one handler's queue over any number of connections, one after the other.

    Args:
        queue: what the handler asks for.
        accept: where its deliveries go; `None` only declares the queue and lets them gather.
        lost: told when a channel is gone, whose deliveries come again.
        declarer: declares the queue.
        copies: makes the copies of its events.
        gaps: told what is seen of its queue.
        prefetch: how many deliveries may be unacknowledged.
        max_body_size: how many bytes a body may have; of a longer one the beginning is kept.
        on_change: called when the status is another.
    """

    def __init__(
        self,
        queue: HandlerQueue,
        accept: Accept | None,
        lost: Lost | None = None,
        *,
        declarer: Declarer,
        copies: Copies,
        gaps: QueueGaps,
        prefetch: int,
        max_body_size: int,
        on_change: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.status = ConsumerStatus(ConsumerState.WAITING)
        self._accept = accept
        self._lost = lost
        self._declarer = declarer
        self._copies = copies
        self._gaps = gaps
        self._prefetch = prefetch
        self._max_body_size = max_body_size
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self._acknowledger: ChannelAcknowledger | None = None
        self._intake: Intake | None = None
        self._transport: Transport | None = None
        self._was_full = False
        """Whether it has had as much as it may since it was last looked whether it is behind."""
        self._wanted = True
        self._limit: int | None = None
        self._reason = ''
        """Why there is a limit."""
        self._told = asyncio.Event()
        """Set when it is to take more or less than before."""

    def connect(self, link: Link) -> None:
        """Begin to consume over a connection."""
        if self._wanted and self._task is None:
            self._task = asyncio.create_task(self._serve(link), name=f'consume/{self.queue.handler}')

    async def disconnect(self) -> None:
        """The connection is gone: stop using it. Handlers that run go on; whom they tell is gone."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._count(None)
        if self._wanted:
            self._become(ConsumerState.WAITING)

    def limit(self, count: int | None, reason: str) -> None:
        """Take no more than `count` deliveries at a time from soon on; `None` is the prefetch, 0 is none."""
        self._reason = reason
        if count != self._limit:
            self._limit = count
            if self._transport is not None:
                self._transport.hurry()
            self._told.set()
        elif self.status.state in (ConsumerState.CONSUMING, ConsumerState.PAUSED):
            self._become(self.status.state, reason)

    async def cancel(self) -> None:
        """Take no more deliveries; when this returns, the last one has come.

        The broker's consumer lives until the channel is closed: what is on its way to one that is cancelled comes again
        behind all others (RabbitMQ 3.10, quorum queues), and in its place when its channel is closed. What still comes
        is left unread.
        """
        self._wanted = False
        if self._intake is not None:
            self._intake.close()
        self._told.set()
        self._become(ConsumerState.CANCELLED)
        if self._acknowledger is None:
            await self.disconnect()

    async def hand(self, exchange: str, routing_key: str, body: bytes, name: str) -> None:
        """Publish an event for this handler alone; see `wazo_busd.bus.Bus.hand`."""
        await self._copies.hand(exchange, routing_key, body, name)

    async def settle(self, timeout_seconds: float) -> None:
        """Acknowledge what is finished and give the rest back, by closing the channel.

        Args:
            timeout_seconds: how long to wait for copies to be confirmed.
        """
        await self._copies.settled(timeout_seconds)
        if self._acknowledger is not None:
            await self._acknowledger.settle_all()
        await self.disconnect()
        self._copies.close()

    async def _serve(self, link: Link) -> None:
        """Consume until cancelled; a channel that is closed or refused is tried again with growing pauses."""
        backoff = Backoff()
        while self._wanted:
            channel: AbstractChannel | None = None
            began = time.monotonic()
            try:
                channel = await link.open_channel()
                await self._use(link, channel)
            except (StaysClassic, _Recycled):
                continue
            except QueueGone:
                self._gaps.gone('its queue was gone, with what was in it')
                continue
            except BusError as error:
                self._refused(error)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                log.debug('consumer_interrupted', handler=self.queue.handler, error=repr(error))
                self._become(ConsumerState.WAITING, str(error) or type(error).__name__)
            finally:
                if channel is not None:
                    await _close(channel)
                    # Only now: until then deliveries come, which the library may not see.
                    link.transport.cutter.untap(channel.number)
            if time.monotonic() - began > 10.0:
                backoff.reset()
            await backoff.wait(None)

    @property
    def is_behind(self) -> bool:
        """Whether its queue may be filling: a handler that keeps up needs no look."""
        acknowledger = self._acknowledger
        is_full = acknowledger is None or acknowledger.is_full or self._was_full
        return is_full or self._limit is not None or self._gaps.is_full

    async def look(self, channel: AbstractChannel) -> None:
        """See how full the queue is.

        Args:
            channel: one that may be lost.

        Raises:
            aiormq.exceptions.ChannelNotFoundEntity: the queue is not there.
        """
        self._was_full = False
        try:
            declared = await channel.queue_declare(self.queue.queue.name, passive=True)
        except (Exception, asyncio.CancelledError):
            self._count(None)
            raise
        self._gaps.seen(declared.message_count or 0)
        self._count(declared.message_count or 0)

    def keeps_up(self) -> None:
        """Nothing waits in its queue: what comes is taken."""
        self._count(0 if self.status.state is ConsumerState.CONSUMING else None)

    async def _use(self, link: Link, channel: AbstractChannel) -> None:
        """Declare, consume, and return when the broker ends it."""
        queue, count = await self._declarer.declare_queue(channel, self.queue)
        self._gaps.seen(count)
        raise_if_cancelled()
        if self._accept is None:
            self._become(ConsumerState.WAITING, NOT_STARTED)
            self._count(count)
            await asyncio.wait([asyncio.ensure_future(channel.closing)])
            return
        answers = WireAnswers(link.transport, channel.number) if link.transport.is_used else LibraryAnswers(channel)
        acknowledger = ChannelAcknowledger(answers, self._prefetch, self._copies)
        cancelled = asyncio.Event()
        channel.on_consumer_cancel_callbacks.add(lambda _: cancelled.set())
        intake = Intake(
            self._accept,
            acknowledger,
            handler=self.queue.handler,
            copies=self._copies,
            returns=self._declarer.hub.returns.name,
            max_body_size=self._max_body_size,
        )
        deliver = partial(self._deliver, intake, link.transport)
        ended = [asyncio.ensure_future(channel.closing), asyncio.create_task(cancelled.wait())]
        self._acknowledger, self._intake, self._transport = acknowledger, intake, link.transport
        try:
            tap = partial(link.transport.cutter.tap, channel.number, sink=deliver)
            ordinary = fallback.callback(link.transport.cutter, channel.number)
            await self._consume(channel, queue.name, intake, tap, ordinary, ended)
            if cancelled.is_set():
                self._gaps.gone('its queue was deleted, with what was in it')
                self._declarer.forget_kind(self.queue)
            if self._wanted:
                self._become(ConsumerState.WAITING, 'the broker closed the channel or cancelled the consumer')
                log.warning('consumer_ended_by_broker', handler=self.queue.handler, queue=queue.name)
        except REFUSALS as error:
            raise explained(error, f'the queue {queue.name}', self._declarer.config) from None
        finally:
            ended[1].cancel()
            intake.close()
            acknowledger.close()
            self._acknowledger = self._intake = self._transport = None
            if self._lost is not None:
                # Before the next channel brings the same events again.
                self._lost(acknowledger)

    async def _consume(
        self,
        channel: AbstractChannel,
        queue: str,
        intake: Intake,
        tap: Callable[[str], None],
        ordinary: _Ordinary,
        ended: list[asyncio.Future[Any]],
    ) -> None:
        """Take as much as is wanted, until the broker ends it."""
        tags = itertools.chain([_TAG], (f'{_TAG}.{number}' for number in itertools.count(2)))
        while not any(each.done() for each in ended):
            self._told.clear()
            most = (self._prefetch if self._limit is None else self._limit) if self._wanted else 0
            # What an earlier consumer of this channel has left here is part of it.
            count = max(1, most - intake.here) if most else 0
            # RabbitMQ 3.10 gives a consumer what an earlier one of its tag has left here again, or crashes over it.
            tag = next(tags)
            if count:
                # A prefetch is of the consumers that come after it, so another one wants a new consumer.
                await channel.basic_qos(prefetch_count=count)
                if self._told.is_set():
                    continue
                tap(tag)
                await _consume(channel, queue, tag, ordinary)
            if self._wanted:
                self._become(ConsumerState.CONSUMING if count else ConsumerState.PAUSED, self._reason)
            await self._until_told(intake, ended, most // 2 if count < most // 2 else None)
            if count and self._wanted and not any(each.done() for each in ended):
                await channel.basic_cancel(tag, timeout=_CANCEL_SECONDS)

    async def _until_told(self, intake: Intake, ended: list[asyncio.Future[Any]], few: int | None) -> None:
        """Wait until it is to take more or less, or can take nothing any more.

        Args:
            intake: the intake of the channel.
            ended: what ends it.
            few: with so few deliveries open it can take more than it asked for; `None` if it asked for enough.

        Raises:
            _Recycled: something has waited here for so long that the broker would soon end the channel for it.
            asyncio.CancelledError: the consumer was disconnected while it asked the broker for something.
        """
        raise_if_cancelled()
        told = asyncio.create_task(self._told.wait())
        try:
            while not (told.done() or any(each.done() for each in ended)):
                timeout = _LOOK_SECONDS if few is None else _NARROW_SECONDS
                await asyncio.wait([told, *ended], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if few is not None and intake.here <= few:
                    return
                if intake.oldest_seconds() > _HELD_SECONDS:
                    log.info('channel_recycled', handler=self.queue.handler, effect='what it holds is given out anew')
                    raise _Recycled
        finally:
            told.cancel()

    def _deliver(self, intake: Intake, transport: Transport, cuts: list[Cut]) -> None:
        if intake.is_closed:
            # The channel is being closed, or soon will be, and the broker gives these out again.
            return
        self._gaps.came(len(cuts), sum([cut.size for cut in cuts]))
        intake.take(cuts)
        here = intake.here
        if here * 2 >= self._prefetch:
            transport.read_on()
            # What is acknowledged is made up for at once, so that at any one moment it may not be full.
            self._was_full = self._was_full or here >= self._prefetch

    def _refused(self, error: BusError) -> None:
        if self._wanted and self.status.detail != str(error):
            log.error('queue_refused', handler=self.queue.handler, problem=error.text, hint=error.cure)
        self._become(ConsumerState.REFUSED, str(error))

    def _count(self, waiting: int | None) -> None:
        """Note how many events wait in the queue. Nobody is told: who wants to know asks."""
        if waiting != self.status.waiting:
            self.status = replace(self.status, waiting=waiting)

    def _become(self, state: ConsumerState, detail: str = '') -> None:
        # Of a queue that is not consumed nobody knows how much is in it, but for a pause, in which it is looked at.
        waiting = self.status.waiting if state in (ConsumerState.CONSUMING, ConsumerState.PAUSED) else None
        status = ConsumerStatus(state, detail, waiting)
        # What was cancelled stays so, whatever becomes of its channel.
        if status != self.status and (self._wanted or state is ConsumerState.CANCELLED):
            self.status = status
            self._on_change()


async def _consume(channel: AbstractChannel, queue: str, tag: str, ordinary: _Ordinary) -> None:
    try:
        # The younger consumer goes first: one whose connection is half open is still alive to the broker.
        await channel.basic_consume(
            queue,
            ordinary,
            consumer_tag=tag,
            arguments={'x-priority': int(time.time())},
            timeout=_CONSUME_SECONDS,
        )
    except TimeoutError as error:
        # A quorum queue without a leader answers nobody: RabbitMQ lost it when it was killed, or most nodes are away.
        text = f'RabbitMQ gives nothing out of the queue {queue} and does not say why'
        raise BusError(text, 'rabbitmqctl list_unresponsive_queues') from error


class _Recycled(Exception):
    """Raised where a channel is given up of our own accord, to be opened anew at once."""


async def _close(channel: AbstractChannel) -> None:
    """Close a channel that may be closed, or whose connection may be gone."""
    try:
        async with asyncio.timeout(_CANCEL_SECONDS):
            await close_channel(channel)
    except (Exception, asyncio.CancelledError) as error:
        if is_cancelled():
            raise
        log.debug('channel_close_failed', error=repr(error))
