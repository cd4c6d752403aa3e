# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The returns: the exchange that retries come back by is kept whole, whoever deletes it with its bindings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiormq.exceptions
import structlog

from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link
from wazo_busd.amqp.exchange import declare_exchange, exists
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.refusal import REFUSALS, explained
from wazo_busd.config import BusConfig
from wazo_busd.topology import Hub, Queue

log = structlog.stdlib.get_logger(__name__)


class Returns:
    """Declares the exchange for returns with the bindings of all handlers, and lets no orphan in before these are made.

    Args:
        config: the broker and our user, for the cures that are logged.
        ledger: whose queues are bound.
        delays_keep: whether the delay queues keep what finds no way back.
    """

    def __init__(self, config: BusConfig, ledger: Ledger, delays_keep: Callable[[], bool]) -> None:
        self._config = config
        self._hub = Hub(config.namespace)
        self._ledger = ledger
        self._delays_keep = delays_keep
        self._returning = asyncio.Lock()
        """Held by whoever says where retries come back to, and where orphans go."""
        self.misses_bindings = False
        """Whether the exchange may be without the bindings of some handlers; `declare` makes them."""
        self._holds_orphans = False
        """Whether nobody takes orphans in until then."""
        self._has_declared = False
        """Whether this process has: the one before may have been killed between the exchange and its bindings."""

    async def declare(self, link: Link) -> None:
        """Declare the exchange for returns, with its bindings if it was gone; once in a process in any case.

        Until they are there, what comes back finds no way: its delay queue keeps it, and tries again. That it is not
        taken for an orphan meanwhile, nobody takes those in until then. A binding that the broker refuses is logged.

        Args:
            link: the connection.

        Raises:
            aiormq.exceptions.ChannelClosed: the broker refuses the exchange; one of `REFUSALS`.
        """
        async with self._returning:
            is_there = await exists(link, self._hub.returns)
            self.misses_bindings = self.misses_bindings or not (is_there and self._has_declared)
            self._has_declared = True
            if not is_there and self._ledger.known and self._delays_keep():
                self._holds_orphans = await self._take_orphans_in(link, wanted=False) or self._holds_orphans
            async with control(link) as channel:
                await declare_exchange(channel, self._hub.returns)
            if self.misses_bindings and self._ledger.known:
                for queue in self._ledger.known:
                    await self._bind_handler(link, queue)
                await self._take_orphans_in(link, wanted=True)
            self._holds_orphans = self.misses_bindings = False

    async def bind(self, link: Link, queue: Queue, exchange: str, arguments: dict[str, Any]) -> None:
        """Bind a queue that retries go to; that of orphans only if these may be taken in now.

        Args:
            link: the connection.
            queue: a delay queue, or that of orphans.
            exchange: what it is bound to.
            arguments: those of the binding.

        Raises:
            aiormq.exceptions.ChannelClosed: the broker refuses it; one of `REFUSALS`.
        """
        async with self._returning, control(link) as channel:
            if queue != self._hub.orphan_queue or not self._holds_orphans:
                await channel.queue_bind(queue.name, exchange, '', arguments=arguments)

    async def _take_orphans_in(self, link: Link, *, wanted: bool) -> bool:
        """Let orphans be taken in, or nobody take them in, if their queue is there; it is made with the delay queues.

        Returns:
            Whether that was done.
        """
        name = self._hub.orphan_queue.name
        try:
            async with control(link) as channel:
                await channel.queue_declare(name, passive=True)
                if wanted:
                    await channel.queue_bind(name, self._hub.orphans.name)
                else:
                    await channel.queue_unbind(name, self._hub.orphans.name)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False
        except REFUSALS as error:
            refusal = explained(error, f'the queue {name}', self._config)
            log.warning('orphans_refused', wanted=wanted, problem=refusal.text, hint=refusal.cure)
            return False
        return True

    async def _bind_handler(self, link: Link, queue: str) -> None:
        try:
            async with control(link) as channel:
                await channel.queue_bind(queue, self._hub.returns.name, self._hub.handler_of(queue))
        except REFUSALS as error:
            if 'no queue' in str(error):
                # Of a handler that is gone, or one whose queue is made next.
                log.debug('returns_not_bound', queue=queue, problem=str(error))
            else:
                refusal = explained(error, f'the queue {queue}', self._config)
                effect = 'its retries are kept as orphans'
                log.warning('returns_not_bound', queue=queue, problem=refusal.text, effect=effect, hint=refusal.cure)
