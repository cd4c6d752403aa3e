# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The watch over the hub: an exchange that somebody deletes takes all bindings with it, and nobody is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiormq.exceptions
import structlog
from aiormq.abc import AbstractChannel

from wazo_busd.amqp.connection import Link
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.tasks import is_cancelled, raise_if_cancelled

log = structlog.stdlib.get_logger(__name__)

EVERY_SECONDS = 4.0
"""How often it looks."""


class HubWatch:
    """Sees that the hub is there and bound to its upstreams, on a channel that nothing else depends on.

    Args:
        link: the connection.
        declarer: knows the hub.
        declare_all: declares and binds everything anew.
    """

    def __init__(self, link: Link, declarer: Declarer, declare_all: Callable[[], Awaitable[None]]) -> None:
        self._link = link
        self._declarer = declarer
        self._declare_all = declare_all
        self._channel: AbstractChannel | None = None
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Look every few seconds, until cancelled."""
        while True:
            raise_if_cancelled()
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.look(upstreams=True)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                log.debug('hub_not_seen', error=repr(error))

    async def look(self, *, upstreams: bool = False) -> None:
        """See that the hub is there, and declare everything anew if it is not.

        Args:
            upstreams: whether to bind it to its upstreams too, which changes nothing where it is bound.

        Raises:
            aiormq.exceptions.AMQPError: the channel or the connection failed.
            BusError: the hub cannot be declared.
        """
        # One at a time: the watch and the probe look, and what is gone is declared once.
        async with self._looking:
            if self._channel is None or self._channel.is_closed:
                self._channel = await self._link.open_channel()
            try:
                for exchange in self._declarer.hub.exchanges if upstreams else (self._declarer.hub.exchange,):
                    await self._channel.exchange_declare(exchange.name, passive=True)
                if upstreams:
                    await self._declarer.bind_upstreams(self._channel)
            except aiormq.exceptions.ChannelNotFoundEntity as error:
                log.warning('exchange_gone', reason=str(error), effect='everything is declared anew')
                await self._declare_all()
            if upstreams and (self._declarer.misses_upstream or self._declarer.returns.misses_bindings):
                await self._declarer.declare_hub(self._link)
