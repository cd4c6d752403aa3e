# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The examination: looks at a broker from outside, over connections of its own, and leaves everything as it was.

It declares passively, declares again what is there as it is, and makes an exchange and queues of its own, which go with
the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiormq.exceptions
from aiormq.abc import AbstractChannel

from wazo_busd.amqp import fallback
from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link, close_channel, connect
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.exchange import declare_exchange, exists
from wazo_busd.amqp.frames import Sink
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.refusal import REFUSALS, explained
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled
from wazo_busd.topology import UPSTREAMS, Exchange

_NAME = 'wazo-busd doctor'
_TAG = 'wazo-busd-doctor'
_TIMEOUT_SECONDS = 10.0
_JOURNAL = 'journalctl -u rabbitmq-server -n 50'
_LAST_SECONDS = 0.2
"""So much longer the hub is heard: what came upstream last is on its way."""
_QUEUE_ARGUMENTS: dict[str, Any] = {
    'x-max-length': 50_000,
    'x-max-length-bytes': 64 * 1024 * 1024,
    'x-overflow': 'drop-head',
}


@dataclass(frozen=True, slots=True)
class Depth:
    """What the broker says of a queue.

    Attributes:
        ready: how many events wait in it.
        consumers: how many consumers it has.
    """

    ready: int
    consumers: int


class Examination:
    """A connection that looks at the broker.

    Args:
        config: where the broker is.
        state_dir: the state directory, in which nothing is written.
    """

    def __init__(self, config: BusConfig, state_dir: Path) -> None:
        self._config = config
        self._declarer = Declarer(config, Ledger(state_dir, config))
        self._hub = self._declarer.hub
        self._own = f'{config.namespace}.doctor.{secrets.token_hex(4)}'
        self._link: Link

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            BusError: no broker takes it; with the cure.
        """
        self._link = await connect(self._config, _NAME)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    @property
    def address(self) -> str:
        """The broker, as people write it."""
        return self._link.address

    @property
    def broker(self) -> str:
        """What the broker calls itself, as in `RabbitMQ 3.10.8`; `''` if it does not say."""
        underlay = self._link.connection.transport
        said = getattr(underlay and underlay.connection, 'server_properties', None) or {}
        words = [said.get(key) for key in ('product', 'version')]
        return ' '.join(
            each.decode('utf-8', 'replace') if isinstance(each, (bytes, bytearray)) else str(each)
            for each in words
            if each
        )

    async def missing(self) -> list[Exchange]:
        """The exchanges that are not there, of Wazo's and ours.

        Raises:
            BusError: the broker refuses to say, or the connection is lost.
        """
        wanted = [*(each.exchange for each in UPSTREAMS), *self._hub.exchanges]
        async with self._asking('the exchanges'):
            return [each for each in wanted if not await exists(self._link, each)]

    async def depth(self, queue: str) -> Depth | None:
        """How a queue is; `None` if it is not there.

        Raises:
            BusError: the broker refuses to say, or the connection is lost.
        """
        async with self._asking(f'the queue {queue}'):
            try:
                async with control(self._link) as channel:
                    said = await channel.queue_declare(queue, passive=True)
            except aiormq.exceptions.ChannelNotFoundEntity:
                return None
            return Depth(said.message_count or 0, said.consumer_count or 0)

    async def refusals(self, missing: list[Exchange]) -> list[BusError]:
        """What the broker refuses of all that the daemon does there, each with the cure.

        Args:
            missing: the exchanges that are not there, and are not asked about.

        Raises:
            BusError: the connection is lost.
        """
        found: list[BusError] = []
        try:
            for what, step in self._steps({each.name for each in missing}):
                async with self._asking(what):
                    try:
                        async with control(self._link) as channel:
                            await step(channel)
                    except REFUSALS as error:
                        # What was refused before is not there now.
                        if not (found and isinstance(error, aiormq.exceptions.ChannelNotFoundEntity)):
                            found.append(explained(error, what, self._config))
            found += await self._of_another_type({each.name for each in missing})
        finally:
            await self._clear()
        return found

    def _steps(self, missing: set[str]) -> list[tuple[str, Callable[[AbstractChannel], Awaitable[Any]]]]:
        """What is tried, in this order, with the name of what it is done to."""
        own, hub = self._own, self._hub.exchange.name

        async def bind_hub(channel: AbstractChannel) -> None:
            # An event would reach handlers; a binding to an exchange that nobody uses asks for the same right.
            await channel.exchange_bind(hub, own, own)
            await channel.exchange_unbind(hub, own, own)

        steps: list[tuple[str, Callable[[AbstractChannel], Awaitable[Any]]]] = [
            (f'the queue {own}', lambda channel: self._declare_own(channel, own)),
            (f'the exchange {own}', lambda channel: channel.exchange_declare(own, exchange_type='direct')),
        ]
        for upstream in (each.exchange.name for each in UPSTREAMS):
            if upstream not in missing:
                # A key that no event has: nothing is to come by this.
                arguments = {'x-match': 'all', 'busd-doctor': own}
                steps.append((f'the exchange {upstream}', self._binding(upstream, arguments)))
        steps += [
            (f'the exchange {each.name}', partial(declare_exchange, exchange=each))
            for each in self._hub.exchanges
            if each.name not in missing and each.alternate not in missing
        ]
        if hub not in missing:
            steps += [(f'the exchange {hub}', self._binding(hub, {})), (f'the exchange {hub}', bind_hub)]
        return steps

    def _binding(self, exchange: str, arguments: dict[str, Any]) -> Callable[[AbstractChannel], Awaitable[Any]]:
        return lambda channel: channel.queue_bind(self._own, exchange, self._own, arguments=arguments)

    async def _of_another_type(self, missing: set[str]) -> list[BusError]:
        """That an exchange of Wazo's is of another type than Wazo makes it; only who may make it is told that."""
        found = []
        for exchange in (each.exchange for each in UPSTREAMS):
            if exchange.name in missing:
                continue
            what = f'the exchange {exchange.name}'
            async with self._asking(what):
                try:
                    async with control(self._link) as channel:
                        await declare_exchange(channel, exchange)
                except aiormq.exceptions.ChannelAccessRefused:
                    continue
                except REFUSALS as error:
                    found.append(explained(error, what, self._config))
        return found

    async def _declare_own(self, channel: AbstractChannel, name: str) -> None:
        await channel.queue_declare(name, exclusive=True, auto_delete=True, arguments=dict(_QUEUE_ARGUMENTS))

    async def _clear(self) -> None:
        """Take the queue and the exchange of ours away, as far as they were made."""
        for what in ('queue_delete', 'exchange_delete'):
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS), control(self._link) as channel:
                    await getattr(channel, what)(self._own)
            except (TimeoutError, aiormq.exceptions.AMQPError):
                # Not made, or not ours to take away, or gone with the connection.
                continue

    async def listen(self, seconds: float, upstream: Sink, hub: Sink) -> None:
        """Hear what comes on the exchanges of Wazo, and what of that comes to the hub.

        Args:
            seconds: for how long.
            upstream: takes what comes on the exchanges of Wazo.
            hub: takes what comes to the hub.

        Raises:
            BusError: the broker refuses, or the connection is lost.
        """
        bound = [(each.exchange.name, each.routing_key) for each in UPSTREAMS]
        lost = asyncio.create_task(self._link.lost())
        try:
            # The hub first: what comes upstream while both are made ready is not to look as if it were missing there.
            at_hub = await self._consume(f'{self._own}.hub', [(self._hub.exchange.name, '#')], hub)
            at_upstream = await self._consume(f'{self._own}.upstream', bound, upstream)
            await asyncio.wait([lost], timeout=seconds)
            for channel, pause in ((at_upstream, _LAST_SECONDS), (at_hub, 0.0)):
                if not lost.done():
                    await close_channel(channel)
                    await asyncio.wait([lost], timeout=pause)
            if lost.done():
                raise BusError(f'the connection was lost while it was listened: {lost.result()}', _JOURNAL)
        finally:
            lost.cancel()

    async def _consume(self, queue: str, bound: list[tuple[str, str]], sink: Sink) -> AbstractChannel:
        async with self._asking(f'the queue {queue}'):
            channel = await self._link.open_channel()
            try:
                await self._declare_own(channel, queue)
                for exchange, key in bound:
                    with contextlib.suppress(*REFUSALS):
                        # What is missing or may not be read was told before; the others are heard.
                        async with control(self._link) as binding:
                            await binding.queue_bind(queue, exchange, key)
                cutter = self._link.transport.cutter
                cutter.tap(channel.number, _TAG, sink)
                ordinary = fallback.callback(cutter, channel.number)
                await channel.basic_consume(queue, ordinary, no_ack=True, consumer_tag=_TAG)
            except REFUSALS as error:
                raise explained(error, f'the queue {queue}', self._config) from None
            return channel

    @contextlib.asynccontextmanager
    async def _asking(self, what: str) -> AsyncIterator[None]:
        """Whatever else goes wrong with a question becomes a `BusError`."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                yield
        except REFUSALS as error:
            raise explained(error, what, self._config) from None
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, BusError) or is_cancelled():
                raise
            # The library ends with many errors what waits for a connection that goes.
            said = str(error) or type(error).__name__
            raise BusError(f'{self.address} does not answer about {what}: {said}', _JOURNAL) from None
