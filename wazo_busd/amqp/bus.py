# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus on RabbitMQ: two connections, watched and made again, with everything declared anew each time."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from pamqp.commands import Basic

from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.consumer import Consumer
from wazo_busd.amqp.dead_letter import properties_of
from wazo_busd.amqp.declaration import Declarer, control, has_quorum_queues
from wazo_busd.amqp.hub_watch import HubWatch
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.probe import Probe
from wazo_busd.amqp.publisher import Publisher, Rejected, Unroutable, Unsendable
from wazo_busd.bus import BusStatus
from wazo_busd.config import BusConfig
from wazo_busd.delivery import Accept, Delivery, Lost
from wazo_busd.errors import BusError
from wazo_busd.outcome import Reason
from wazo_busd.tasks import is_cancelled
from wazo_busd.topology import HandlerQueue

_STEADY_SECONDS = 5.0
_COMPLAINT_SECONDS = 60.0
_RENEWAL_SECONDS = 86_400.0
_PERSISTENT = 2

log = structlog.stdlib.get_logger(__name__)


class AmqpBus:
    """Keeps the handlers' queues consumed, whatever becomes of the broker.

    Args:
        config: where the broker is.
        state_dir: where the ledger of bindings is kept.
        on_change: called when the status is another.
    """

    def __init__(self, config: BusConfig, state_dir: Path, on_change: Callable[[], None]) -> None:
        host, port = config.addresses()[0]
        ledger = Ledger(state_dir / 'bindings.json', f'{host}:{port} {config.vhost} {config.namespace}')
        self._config = config
        self._on_change = on_change
        self._declarer = Declarer(config, ledger, self._tell_of_upstreams)
        self._publisher = Publisher(config, 'wazo-busd: publishing')
        self._consumers: dict[str, Consumer] = {}
        self._link: Link | None = None
        self._summary = 'not connected yet'
        self._kept: set[str] | None = None
        """The queues whose bindings stay; `None` before anybody said."""
        self._quorum_known = False
        self._complained_at: dict[str, float] = {}
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Keep connected and consuming until `close`."""
        publishing = asyncio.create_task(self._publisher.run(), name='publish')
        backoff = Backoff()
        try:
            while not self._closing.is_set():
                error = await self._until_closing(self._once(backoff))
                self._tell(False, f'{error}' if error else 'disconnected')
                await self._pause(backoff.delay_seconds(error))
        finally:
            publishing.cancel()
            await asyncio.wait([publishing])

    def attach(self, queue: HandlerQueue, accept: Accept | None, lost: Lost | None = None) -> None:
        """See `wazo_busd.bus.Bus.attach`."""
        consumer = Consumer(
            queue,
            accept,
            lost,
            declarer=self._declarer,
            bury=self._bury,
            prefetch=self._config.prefetch,
            on_change=self._on_change,
        )
        self._consumers[queue.handler] = consumer
        if self._link is not None:
            consumer.connect(self._link)

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
        self._kept = {self._declarer.hub.queue_name(handler) for handler in handlers}
        if self._link is not None:
            await self._forget_others(self._link)

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
        return BusStatus(
            self._link is not None,
            self._summary,
            {name: consumer.status for name, consumer in self._consumers.items()},
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
            self._link = None
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
        began = time.monotonic()
        self._link = link
        await self._forget_others(link)
        for consumer in self._consumers.values():
            consumer.connect(link)
        self._tell(True, self._connected_to(link))
        watch = HubWatch(link, self._declarer, partial(self._declare_all, link))
        lost = asyncio.create_task(link.lost(), name='watch the connection')
        tasks: list[asyncio.Task[Any]] = [
            lost,
            asyncio.create_task(self._closing.wait(), name='closing'),
            asyncio.create_task(Probe(link, watch.look).run(), name='probe'),
            asyncio.create_task(watch.run(), name='watch the hub'),
            asyncio.create_task(self._renew(link), name='renew the queues'),
        ]
        try:
            await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if not self._closing.is_set():
            log.warning('connection_lost', broker=link.address, reason=lost.result() if not lost.cancelled() else '')
        if time.monotonic() - began >= _STEADY_SECONDS:
            backoff.reset()

    async def _renew(self, link: Link) -> None:
        """Declare the queues anew every day: only that, or a consumer, keeps one that expires."""
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            await self._declare_all(link)

    async def _forget_others(self, link: Link) -> None:
        if self._kept is None:
            return
        try:
            for name in self._declarer.known_queues():
                if name not in self._kept:
                    await self._declarer.forget_queue(link, name)
                    await self._declare_again_if_attached(name)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            log.warning('bindings_not_removed', error=str(error), effect='the next connection tries again')

    async def _declare_again_if_attached(self, queue: str) -> None:
        """A handler that came back while its bindings were taken away gets them again."""
        for consumer in list(self._consumers.values()):
            if consumer.queue.queue.name == queue:
                await self._declare_again(consumer.queue.handler)

    async def _learn_queue_types(self) -> None:
        """Find out, once, whether the broker has quorum queues, on a connection that may be lost."""
        wanted = next((c.queue for c in self._consumers.values() if c.queue.queue.is_quorum), None)
        if self._quorum_known or wanted is None:
            return
        link = await connect(self._config, 'wazo-busd: trying quorum queues')
        try:
            self._declarer.quorum = await has_quorum_queues(link, wanted)
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

    async def _bury(self, delivery: Delivery, reason: Reason) -> None:
        """Publish a dead letter until it is confirmed."""
        properties = properties_of(delivery, reason)
        backoff = Backoff()
        while True:
            try:
                await self._publisher.publish(self._declarer.hub.dead.name, reason.handler, delivery.body, properties)
                return
            except Unsendable:
                spare = properties_of(delivery, reason, is_spare=True)
                if properties == spare:
                    raise
                properties = spare
                continue
            except Unroutable:
                await self._declare_again(reason.handler)
            except Rejected as error:
                self._complain(reason.handler, error)
            await backoff.wait(None)

    def _complain(self, handler: str, error: BusError) -> None:
        """Say that a dead-letter queue is full; once a minute, as every letter that waits has to say it."""
        now = time.monotonic()
        if now - self._complained_at.get(handler, -math.inf) >= _COMPLAINT_SECONDS:
            self._complained_at[handler] = now
            log.error('dead_letter_not_taken', handler=handler, error=error.text, effect='its handler waits')

    async def _declare_all(self, link: Link) -> None:
        """Bring everything back, after somebody deleted an exchange and all bindings with it."""
        await self._declarer.declare_hub(link)
        for handler in list(self._consumers):
            await self._declare_again(handler)

    async def _declare_again(self, handler: str) -> None:
        """Bring back what somebody deleted of a handler's queues and bindings."""
        consumer, link = self._consumers.get(handler), self._link
        if consumer is None or link is None:
            return
        try:
            async with control(link) as channel:
                await self._declarer.declare_queue(channel, consumer.queue)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            log.warning('queue_not_declared_again', handler=handler, error=str(error))

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
