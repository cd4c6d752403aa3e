# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The consumer: one handler's queue on one channel, opened again whenever that channel is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog
from aiormq.abc import AbstractChannel

from wazo_busd.amqp.acknowledger import Bury, ChannelAcknowledger
from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.connection import Link
from wazo_busd.amqp.declaration import REFUSALS, Declarer, StaysClassic
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.bus import NOT_STARTED, ConsumerState, ConsumerStatus
from wazo_busd.delivery import Accept, Delivery, Lost
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled
from wazo_busd.topology import HandlerQueue

_TAG = 'wazo-busd'
_CANCEL_SECONDS = 5.0

log = structlog.stdlib.get_logger(__name__)


class Consumer:
    """Consumes one handler's queue over any number of connections, one after the other.

    Args:
        queue: what the handler asks for.
        accept: where its deliveries go; `None` only declares the queue and lets them gather.
        lost: told when a channel is gone, whose deliveries come again.
        declarer: declares the queue.
        bury: publishes a dead letter.
        prefetch: how many deliveries may be unacknowledged.
        on_change: called when the status is another.
    """

    def __init__(
        self,
        queue: HandlerQueue,
        accept: Accept | None,
        lost: Lost | None = None,
        *,
        declarer: Declarer,
        bury: Bury,
        prefetch: int,
        on_change: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.status = ConsumerStatus(ConsumerState.WAITING)
        self._accept = accept
        self._lost = lost
        self._declarer = declarer
        self._bury = bury
        self._prefetch = prefetch
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self._channel: AbstractChannel | None = None
        self._acknowledger: ChannelAcknowledger | None = None
        self._wanted = True

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
        if self._wanted:
            self._become(ConsumerState.WAITING)

    async def cancel(self) -> None:
        """Take no more deliveries; when this returns, the last one has come."""
        self._wanted = False
        channel, acknowledger = self._channel, self._acknowledger
        self._become(ConsumerState.CANCELLED)
        if channel is None or acknowledger is None:
            await self.disconnect()
            return
        try:
            await channel.basic_cancel(_TAG, timeout=_CANCEL_SECONDS)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            # Without the channel nothing more can come.
            log.debug('cancel_failed', handler=self.queue.handler, error=repr(error))

    async def settle(self, timeout_seconds: float) -> None:
        """Acknowledge what is finished and give the rest back, by closing the channel.

        Args:
            timeout_seconds: how long to wait for dead letters to be confirmed.
        """
        if self._acknowledger is not None:
            await self._acknowledger.settle_all(timeout_seconds)
        await self.disconnect()

    async def _serve(self, link: Link) -> None:
        """Consume until cancelled; a channel that is closed or refused is tried again with growing pauses."""
        backoff = Backoff()
        while self._wanted:
            channel: AbstractChannel | None = None
            began = time.monotonic()
            try:
                channel = await link.open_channel()
                await self._consume(link, channel)
            except StaysClassic:
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
            if time.monotonic() - began > 10.0:
                backoff.reset()
            await backoff.wait(None)

    async def _consume(self, link: Link, channel: AbstractChannel) -> None:
        """Declare, consume, and return when the broker ends it."""
        queue = await self._declarer.declare_queue(channel, self.queue)
        if self._accept is None:
            self._become(ConsumerState.WAITING, NOT_STARTED)
            await asyncio.wait([asyncio.ensure_future(channel.closing)])
            return
        await channel.basic_qos(prefetch_count=self._prefetch)
        acknowledger = ChannelAcknowledger(channel, self._prefetch, self._bury)
        cancelled = asyncio.Event()
        channel.on_consumer_cancel_callbacks.add(lambda _: cancelled.set())
        link.transport.cutter.tap(channel.number, _TAG, partial(self._deliver, self._accept, acknowledger))
        waiting = [asyncio.ensure_future(channel.closing), asyncio.create_task(cancelled.wait())]
        self._channel, self._acknowledger = channel, acknowledger
        try:
            # The younger consumer goes first: one whose connection is half open is still alive to the broker.
            await channel.basic_consume(
                queue.name, _untapped, consumer_tag=_TAG, arguments={'x-priority': int(time.time())}
            )
            if self._wanted:
                self._become(ConsumerState.CONSUMING)
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if cancelled.is_set():
                # The queue was deleted.
                self._declarer.forget_kind(self.queue)
            if self._wanted:
                self._become(ConsumerState.WAITING, 'the broker closed the channel or cancelled the consumer')
                log.warning('consumer_ended_by_broker', handler=self.queue.handler, queue=queue.name)
        except REFUSALS as error:
            raise self._declarer.explained(error, f'the queue {queue.name}') from None
        finally:
            waiting[1].cancel()
            link.transport.cutter.untap(channel.number)
            acknowledger.close()
            self._channel = self._acknowledger = None
            if self._lost is not None:
                # Before the next channel brings the same events again.
                self._lost(acknowledger)

    def _deliver(self, accept: Accept, acknowledger: ChannelAcknowledger, cuts: list[Cut]) -> None:
        now = time.time()
        for cut in cuts:
            acknowledger.came(cut.tag)
            delivery = Delivery(
                cut.tag,
                body=cut.body,
                size=cut.size,
                exchange=cut.exchange.decode('utf-8', 'backslashreplace'),
                routing_key=cut.routing_key.decode('utf-8', 'backslashreplace'),
                properties=WireProperties(cut.properties),
                redelivered=cut.redelivered,
                received_at=now,
                acknowledger=acknowledger,
            )
            try:
                accept(delivery)
            except Exception:
                # It never should; but from here it would end the connection, and again with each new one.
                log.exception('delivery_not_accepted', handler=self.queue.handler, effect='the event is not settled')

    def _refused(self, error: BusError) -> None:
        if self.status.detail != str(error):
            log.error('queue_refused', handler=self.queue.handler, error=error.text, hint=error.cure)
        self._become(ConsumerState.REFUSED, str(error))

    def _become(self, state: ConsumerState, detail: str = '') -> None:
        status = ConsumerStatus(state, detail)
        if status != self.status:
            self.status = status
            self._on_change()


async def _untapped(message: object) -> None:
    """Called by the library for a delivery that was not cut out of the stream, which cannot be."""
    log.critical('delivery_not_tapped', delivery=repr(message)[:200])


async def _close(channel: AbstractChannel) -> None:
    """Close a channel that may be closed, or whose connection may be gone."""
    if channel.is_closed:
        return
    try:
        async with asyncio.timeout(_CANCEL_SECONDS):
            await channel.close(None)
    except (Exception, asyncio.CancelledError) as error:
        if is_cancelled():
            raise
        log.debug('channel_close_failed', error=repr(error))
