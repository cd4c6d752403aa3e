# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus on RabbitMQ: two connections, watched and made again, with everything declared anew each time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from pamqp.commands import Basic

from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.connection import Link, Unreachable, connect
from wazo_busd.amqp.consumer import Consumer
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.declaration import Declarer, has_quorum_queues
from wazo_busd.amqp.gaps import QueueGaps
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.probe import probed
from wazo_busd.amqp.publisher import Publisher, Unroutable
from wazo_busd.amqp.upkeep import Upkeep
from wazo_busd.bus import BusStatus, ConsumerState, ConsumerStatus, Gap
from wazo_busd.config import BusConfig
from wazo_busd.delivery import Accept, Lost
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled
from wazo_busd.topology import HandlerQueue

_STEADY_SECONDS = 5.0
_PERSISTENT = 2

log = structlog.stdlib.get_logger(__name__)


class AmqpBus:
    """Keeps the handlers' queues consumed, whatever becomes of the broker.

    Args:
        config: where the broker is.
        state_dir: where the ledger of bindings is kept.
        on_change: called when the status is another.
        on_gap: told of a time in which events can have been lost.
    """

    def __init__(
        self,
        config: BusConfig,
        state_dir: Path,
        on_change: Callable[[], None],
        on_gap: Callable[[Gap], None] = lambda gap: None,
    ) -> None:
        self._ledger = Ledger(state_dir, config)
        self._config = config
        self._on_change = on_change
        self._on_gap = on_gap
        self._declarer = Declarer(config, self._ledger, self._tell_of_upstreams)
        self._publisher = Publisher(config, 'wazo-busd: publishing')
        self._consumers: dict[str, Consumer] = {}
        self._link: Link | None = None
        self._connected_since = 0.0
        """Since when there is the connection, on the monotonic clock."""
        self._summary = 'not connected yet'
        self._upkeep = Upkeep(self._consumers, declarer=self._declarer, ledger=self._ledger, on_gap=on_gap)
        self._quorum_known = False
        self._connected_until = self._ledger.seen_at
        """When the broker was last there, Unix seconds."""
        self._was_down = False
        """Whether nobody listened at the broker's address since then."""
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Keep connected and consuming until `close`."""
        publishing = asyncio.create_task(self._publisher.run(), name='publish')
        backoff = Backoff()
        try:
            while not self._closing.is_set():
                error = await self._until_closing(self._once(backoff))
                self._was_down |= isinstance(error, Unreachable)
                self._tell(False, f'{error}' if error else 'disconnected')
                await self._pause(backoff.delay_seconds(error))
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])

    def attach(self, queue: HandlerQueue, accept: Accept | None, lost: Lost | None = None) -> None:
        """See `wazo_busd.bus.Bus.attach`."""
        copies = Copies(
            queue.handler,
            queue.delays_seconds,
            hub=self._declarer.hub,
            publisher=self._publisher,
            declare=partial(self._upkeep.declare_for_copies, queue),
        )
        consumer = Consumer(
            queue,
            accept,
            lost,
            declarer=self._declarer,
            copies=copies,
            gaps=QueueGaps(
                queue.handler,
                max_length=queue.max_length,
                max_bytes=queue.max_bytes,
                report=self._on_gap,
                seen_at=time.time() if self._link is not None else self._connected_until,
            ),
            prefetch=self._config.prefetch,
            max_body_size=self._config.max_body_size,
            on_change=self._on_change,
        )
        self._consumers[queue.handler] = consumer
        if self._link is not None:
            consumer.connect(self._link)
        self._upkeep.want_delays()

    def limit(self, handler: str, count: int | None, reason: str) -> None:
        """See `wazo_busd.bus.Bus.limit`."""
        self._consumers[handler].limit(count, reason)

    async def cancel(self, handler: str) -> None:
        """See `wazo_busd.bus.Bus.cancel`."""
        await self._consumers[handler].cancel()

    async def detach(self, handler: str, timeout_seconds: float) -> None:
        """See `wazo_busd.bus.Bus.detach`."""
        await self._consumers[handler].settle(timeout_seconds)
        del self._consumers[handler]
        self._on_change()

    async def keep_only(self, handlers: Collection[str]) -> None:
        """See `wazo_busd.bus.Bus.keep_only`."""
        queues = {self._declarer.hub.queue_name(handler) for handler in handlers}
        await self._upkeep.keep_only(queues, self._link)

    async def publish(self, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """See `wazo_busd.bus.Bus.publish`."""
        properties = Basic.Properties(
            content_type='application/json',
            content_encoding='utf-8',
            delivery_mode=_PERSISTENT,
            headers=dict(headers),
            app_id='wazo-busd',
        )
        try:
            await self._publisher.publish(self._declarer.hub.exchange.name, routing_key, body, properties)
        except Unroutable:
            log.debug('derived_event_unmatched', routing_key=routing_key)

    async def hand(self, handler: str, exchange: str, routing_key: str, body: bytes, name: str) -> None:
        """See `wazo_busd.bus.Bus.hand`."""
        await self._consumers[handler].hand(exchange, routing_key, body, name)

    def beat(self) -> None:
        """See `wazo_busd.bus.Bus.beat`."""
        for link in (self._link, self._publisher.link):
            if link is not None:
                link.transport.beat()

    async def close(self) -> None:
        """See `wazo_busd.bus.Bus.close`."""
        self._closing.set()

    def status(self) -> BusStatus:
        """See `wazo_busd.bus.Bus.status`."""
        connected = self._link is not None
        return BusStatus(
            connected,
            self._summary,
            {name: each.status if connected else _cut_off(each.status) for name, each in self._consumers.items()},
            # One that was just lost with the other is told of by the summary, and has a moment to come back with it.
            self._publisher.obstacle(self._connected_since) if connected else '',
        )

    async def _once(self, backoff: Backoff) -> BusError | None:
        """One connection, from its beginning to its end.

        Returns:
            Why it could not be made or used; `None` if it worked for a while.
        """
        link: Link | None = None
        try:
            await self._learn_queue_types()
            link = await connect(self._config, 'wazo-busd: consuming')
            async with probed(link):
                await self._declarer.declare_hub(link)
            await self._live(link, backoff)
            return None
        except BusError as error:
            return error
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            log.debug('connection_failed', error=repr(error))
            return BusError(f'the connection failed while it was set up: {str(error) or type(error).__name__}')
        finally:
            if self._link is not None:
                # At once: to let go of what is gone can take its time.
                self._link = None
                self._tell(False, 'disconnected')
            for consumer in list(self._consumers.values()):
                await consumer.disconnect()
            if link is not None:
                await link.close()

    async def _until_closing(self, once: Coroutine[Any, Any, BusError | None]) -> BusError | None:
        """Let a connection be made and used; when we close, wait for neither its beginning nor its end."""
        using = asyncio.create_task(once, name='connection')
        closing = asyncio.create_task(self._closing.wait(), name='closing')
        try:
            await asyncio.wait([using, closing], return_when=asyncio.FIRST_COMPLETED)
            if not using.done() and self._link is None:
                using.cancel()
            await asyncio.wait([using])
            return None if using.cancelled() else using.result()
        finally:
            using.cancel()
            closing.cancel()

    async def _live(self, link: Link, backoff: Backoff) -> None:
        """Consume over a connection until it is lost or we close."""
        self._connected_since = time.monotonic()
        self._link = link
        self._tell(True, self._connected_to(link))
        async with probed(link):
            await self._upkeep.forget_others(link)
        for consumer in self._consumers.values():
            consumer.connect(link)
        if self._was_down:
            self._on_gap(Gap('', self._connected_until, time.time(), 'the broker was down: no service could publish'))
            self._was_down = False
        lost = asyncio.create_task(link.lost(), name='watch the connection')
        closing = asyncio.create_task(self._closing.wait(), name='closing')
        tasks: list[asyncio.Task[Any]] = [lost, closing, *self._upkeep.begin(link)]
        try:
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self._upkeep.end()
            self._connected_until = time.time()
        if not self._closing.is_set():
            log.warning('connection_lost', broker=link.address, reason=lost.result() if not lost.cancelled() else '')
        if time.monotonic() - self._connected_since >= _STEADY_SECONDS:
            backoff.reset()

    async def _learn_queue_types(self) -> None:
        """Find out, once, whether the broker has quorum queues, on a connection that may be lost."""
        if self._quorum_known or not any(
            each.queue.queue.is_quorum or each.queue.delays_seconds for each in self._consumers.values()
        ):
            return
        link = await connect(self._config, 'wazo-busd: trying quorum queues')
        try:
            async with probed(link):
                self._declarer.quorum = await has_quorum_queues(link, self._declarer.hub.orphan_queue)
        finally:
            await link.close()
        # Where they are refused it is asked again on the next connection: the cure needs no restart of ours.
        self._quorum_known = self._declarer.quorum
        if not self._declarer.quorum:
            log.error(
                'quorum_queues_refused',
                broker=link.address,
                effect='handlers run on classic queues, which lose events when the broker crashes',
                hint='rabbitmqctl enable_feature_flag all',
            )

    def _connected_to(self, link: Link) -> str:
        refused = '' if self._declarer.quorum else ', which refuses quorum queues: rabbitmqctl enable_feature_flag all'
        return '; '.join([f'connected to {link.address}{refused}', *self._declarer.lacks])

    def _tell_of_upstreams(self) -> None:
        """Events come from other exchanges than before, over the same connection."""
        if self._link is not None:
            self._summary = self._connected_to(self._link)
            self._on_change()

    def _tell(self, connected: bool, summary: str) -> None:
        if summary == self._summary:
            return
        self._summary = summary
        if connected:
            log.info('connected', summary=summary)
        elif not self._closing.is_set():
            log.warning('not_connected', reason=summary)
        self._on_change()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


def _cut_off(status: ConsumerStatus) -> ConsumerStatus:
    """How a queue fares whose connection is gone, of which its consumer may not have heard yet."""
    if status.state not in (ConsumerState.CONSUMING, ConsumerState.PAUSED):
        return status
    return ConsumerStatus(ConsumerState.WAITING)
