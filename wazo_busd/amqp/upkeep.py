# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The upkeep: what is declared, looked at and taken away while a connection is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial

import aiormq.exceptions
import structlog

from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link
from wazo_busd.amqp.consumer import Consumer
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.hub_watch import EVERY_SECONDS, HubWatch
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.probe import Probe
from wazo_busd.bus import Gap
from wazo_busd.tasks import is_cancelled, raise_if_cancelled
from wazo_busd.topology import HandlerQueue

_RENEWAL_SECONDS = 86_400.0
_WATCH_SECONDS = 1.0

log = structlog.stdlib.get_logger(__name__)


class Upkeep:
    """Keeps what the handlers need on the broker, over any number of connections, one after the other.

    Args:
        consumers: the consumers there are, by handler; they come and go.
        declarer: declares.
        ledger: knows what was bound.
        on_gap: told of a time in which events can have been lost.
    """

    def __init__(
        self,
        consumers: Mapping[str, Consumer],
        *,
        declarer: Declarer,
        ledger: Ledger,
        on_gap: Callable[[Gap], None],
    ) -> None:
        self._consumers = consumers
        self._declarer = declarer
        self._ledger = ledger
        self._on_gap = on_gap
        self._link: Link | None = None
        self._kept: set[str] | None = None
        """The queues whose bindings stay; `None` before anybody said."""
        self._delays_wanted = asyncio.Event()

    def begin(self, link: Link) -> list[asyncio.Task[None]]:
        """Begin over a connection.

        Returns:
            What goes on until it is cancelled.
        """
        self._link = link
        watch = HubWatch(link, self._declarer, partial(self._declare_after_loss, link))
        return [
            asyncio.create_task(Probe(link, watch.look).run(), name='probe'),
            asyncio.create_task(watch.run(), name='watch the hub'),
            asyncio.create_task(self._renew(link), name='renew the queues'),
            asyncio.create_task(self._keep_delays(link), name='declare the delay queues'),
            asyncio.create_task(self._watch_queues(link), name='watch the queues'),
        ]

    def end(self) -> None:
        """The connection is gone."""
        self._link = None

    def want_delays(self) -> None:
        """There is another handler, which may have delay queues of its own."""
        self._delays_wanted.set()

    async def keep_only(self, queues: Collection[str], link: Link | None) -> None:
        """Unbind the queues of all other handlers that this daemon ever attached, now and after every reconnection.

        Args:
            queues: the names of those that stay as they are.
            link: the connection; `None` if there is none now.
        """
        self._kept = set(queues)
        if link is not None:
            await self.forget_others(link)

    async def forget_others(self, link: Link) -> None:
        """Take the bindings of handlers away that are configured no more."""
        self._link = link
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

    async def declare_for_copies(self, queue: HandlerQueue) -> None:
        """Bring back what somebody deleted, or what is not there yet, of what the copies of a handler's events need."""
        link = self._link
        if link is None:
            return
        try:
            await self._declarer.declare_hub(link)
            await self._declarer.declare_delays(link, queue.delays_seconds)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            log.warning('queues_not_declared', handler=queue.handler, error=str(error))
        await self._declare_again(queue.handler)

    async def _declare_all(self, link: Link) -> None:
        """Declare everything that this daemon has on the broker."""
        await self._declarer.declare_hub(link)
        for handler in list(self._consumers):
            await self._declare_again(handler)
        wanted = {seconds for each in self._consumers.values() for seconds in each.queue.delays_seconds}
        await self._declarer.declare_delays(link, wanted)

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

    async def _renew(self, link: Link) -> None:
        """Declare the queues anew every day: only that, or a consumer, keeps one that expires."""
        while True:
            raise_if_cancelled()
            await asyncio.sleep(_RENEWAL_SECONDS)
            await self._declare_all(link)

    async def _keep_delays(self, link: Link) -> None:
        """Declare the delay queues of the handlers there are. Nobody waits for them: few events need them at once."""
        declared: set[float] = set()
        while True:
            wanted = {seconds for each in self._consumers.values() for seconds in each.queue.delays_seconds}
            if not wanted <= declared:
                await self._declarer.declare_delays(link, wanted - declared)
                declared |= wanted
            raise_if_cancelled()
            await self._delays_wanted.wait()
            self._delays_wanted.clear()

    async def _watch_queues(self, link: Link) -> None:
        """See now and then how full the queues are whose handlers are behind, and note that we are here."""
        while True:
            raise_if_cancelled()
            self._ledger.touch()
            await asyncio.sleep(_WATCH_SECONDS)
            for consumer in list(self._consumers.values()):
                if not consumer.is_behind:
                    consumer.keeps_up()
                    continue
                try:
                    async with control(link) as channel:
                        await consumer.look(channel)
                except aiormq.exceptions.ChannelNotFoundEntity:
                    # A consumer that rests is not told that its queue was deleted. It begins anew, and makes it.
                    await consumer.disconnect()
                    consumer.connect(link)
                except (Exception, asyncio.CancelledError) as error:
                    if is_cancelled():
                        raise
                    log.debug('queue_not_seen', handler=consumer.queue.handler, error=repr(error))

    async def _declare_after_loss(self, link: Link) -> None:
        """Bring everything back, after somebody deleted an exchange and all bindings with it."""
        gone_since = time.time() - EVERY_SECONDS
        await self._declare_all(link)
        self._on_gap(Gap('', gone_since, time.time(), 'an exchange was deleted, and with it the way to the handlers'))
