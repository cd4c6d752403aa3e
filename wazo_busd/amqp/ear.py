# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The ear: hears the bus on a queue of its own, which goes with its connection. It acknowledges nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog
from aiormq.abc import AbstractChannel
from pamqp.common import FieldTable

from wazo_busd.amqp import fallback
from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.exchange import exists
from wazo_busd.amqp.frames import KEPT_OF_OVERSIZE, Cut, Sink
from wazo_busd.amqp.hub_watch import EVERY_SECONDS
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.probe import Probe, ask
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.amqp.refusal import REFUSALS, explained
from wazo_busd.codec import Limits, decode
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError, Undecodable
from wazo_busd.event import Event
from wazo_busd.tasks import is_cancelled, raise_if_cancelled
from wazo_busd.topology import UPSTREAMS

_TAG = 'wazo-busd-tail'
_TIMEOUT_SECONDS = 10.0
_DAEMONS_TURN_SECONDS = EVERY_SECONDS + 1.0
_QUEUE_ARGUMENTS: FieldTable = {
    'x-max-length': 50_000,
    'x-max-length-bytes': 64 * 1024 * 1024,
    'x-overflow': 'drop-head',
}
"""What the broker holds at most for an ear that does not read; then it drops the oldest, and tells nobody."""

log = structlog.stdlib.get_logger(__name__)


class Heard(NamedTuple):
    """What was heard.

    Attributes:
        event: the event; without a name and data where it cannot be read.
        error: why it cannot be read; `''` where it can.
        size: bytes of its body.
        properties: flags and property list of its content header, as they came.
    """

    event: Event
    error: str
    size: int
    properties: bytes = b''


class Ear:
    """Listens to the hub over any number of connections, one after the other.

    Args:
        config: where the broker is.
        state_dir: the state directory, in which nothing is written.
        patterns: what its queue is bound with.
        sink: takes what comes, in batches, in the loop's thread.
        told: called with a sentence for the operator.
    """

    def __init__(
        self, config: BusConfig, state_dir: Path, patterns: Sequence[str], sink: Sink, told: Callable[[str], None]
    ) -> None:
        self._config = config
        self._patterns = tuple(patterns)
        self._sink = sink
        self._told = told
        self._state_dir = state_dir
        self._declarer = Declarer(config, Ledger(state_dir, config))
        self._lacks: list[str] = []
        self._ended = asyncio.Event()
        self.link: Link | None = None
        """The connection, while there is one."""
        self.queue = ''
        """The name of its queue; another one with each connection."""

    async def open(self) -> None:
        """Connect, and begin to listen.

        Raises:
            BusError: nobody answers, or the broker refuses; with the cure.
        """
        link = await connect(self._config, 'wazo-busd tail')
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                is_there = await exists(link, self._declarer.hub.exchange)
            if not is_there:
                await self._leave_hub_to_daemon()
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await self._declare_hub(link)
                await self._listen(link)
        except BaseException as error:
            await link.close()
            if isinstance(error, BusError) or is_cancelled():
                raise
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                raise
            # The library ends with many errors what waits for a connection that goes.
            said = str(error) or type(error).__name__
            raise BusError(f'{link.address} did not let us listen: {said}', 'rabbitmqctl list_connections') from None
        self.link = link

    async def run(self) -> None:
        """Listen until cancelled; a lost connection is told, and opened again. `open` comes first."""
        backoff = Backoff()
        while True:
            raise_if_cancelled()
            if self.link is not None:
                reason = await self._until_lost(self.link)
                await self.close()
                self._told(f'not listening any more: {reason}; what comes meanwhile is not heard')
                backoff.reset()
            failure: BusError | None = None
            try:
                await self.open()
            except BusError as error:
                failure = error
                self._told(f'still not listening: {error}')
            else:
                self._told(f'listening again, on {self.address}')
                continue
            await backoff.wait(failure)

    @property
    def address(self) -> str:
        """The broker, as people write it."""
        return self.link.address if self.link is not None else ''

    async def close(self) -> None:
        """Close the connection, and the queue with it."""
        link, self.link = self.link, None
        if link is not None:
            await link.close()

    async def _leave_hub_to_daemon(self) -> None:
        """Give the daemon of this host, if there is one, the time to make the hub.

        It looks as often, and binds its handlers to the one that it makes; over one that is there it sees nothing.
        """
        # Read anew, for the daemon may have begun after we have.
        if Ledger(self._state_dir, self._config).queues:
            name = self._declarer.hub.exchange.name
            self._told(f'the exchange {name} is not there; the daemon is given {_DAEMONS_TURN_SECONDS:g} s to make it')
            await asyncio.sleep(_DAEMONS_TURN_SECONDS)

    async def _declare_hub(self, link: Link) -> None:
        hub = self._declarer.hub.exchange
        is_new = not await exists(link, hub)
        await self._declarer.declare_hub(link, alone=True)
        lacks = self._declarer.lacks
        if is_new:
            bound = '' if lacks else f', and bound to {" and ".join(each.exchange.name for each in UPSTREAMS)}'
            self._told(f'the exchange {hub.name} was not there: it is made{bound}, as the daemon does')
        if lacks != self._lacks:
            self._lacks = lacks
            self._told('; '.join(lacks) if lacks else 'events come from both exchanges of Wazo now')

    async def _listen(self, link: Link) -> None:
        """Make the queue, bind it and consume it.

        Raises:
            BusError: the broker refuses it.
        """
        hub = self._declarer.hub.exchange
        self.queue = f'{hub.name}.tail-{secrets.token_hex(4)}'
        channel = await link.open_channel()
        self._ended = asyncio.Event()
        channel.on_consumer_cancel_callbacks.add(partial(_set, self._ended))
        channel.closing.add_done_callback(partial(_set, self._ended))
        try:
            await channel.queue_declare(self.queue, exclusive=True, auto_delete=True, arguments=dict(_QUEUE_ARGUMENTS))
            await self._bind(channel)
            await self._consume(link, channel)
        except REFUSALS as error:
            raise explained(error, f'the queue {self.queue}', self._config) from None

    async def _bind(self, channel: AbstractChannel) -> None:
        for pattern in self._patterns:
            await channel.queue_bind(self.queue, self._declarer.hub.exchange.name, pattern)

    async def _consume(self, link: Link, channel: AbstractChannel) -> None:
        cutter = link.transport.cutter
        cutter.tap(channel.number, _TAG, self._sink)
        await channel.basic_consume(
            self.queue, fallback.callback(cutter, channel.number), no_ack=True, consumer_tag=_TAG
        )

    async def _until_lost(self, link: Link) -> str:
        """Wait until nothing comes any more, and say why."""
        lost = asyncio.create_task(link.lost())
        ended = asyncio.create_task(self._ended.wait())
        probing = asyncio.create_task(Probe(link, partial(ask, link)).run())
        watching = asyncio.create_task(self._watch_hub(link))
        try:
            await asyncio.wait([lost, ended, watching], return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                return lost.result()
            if watching.done():
                return f'the exchange {self._declarer.hub.exchange.name} was deleted'
            # A connection that goes takes its channels along, and is told a moment later.
            await asyncio.wait([lost], timeout=0.1)
            return lost.result() if lost.done() else f'somebody has deleted the queue {self.queue}'
        finally:
            for task in (lost, ended, probing, watching):
                task.cancel()

    async def _watch_hub(self, link: Link) -> None:
        """Return when the hub is gone, over which nobody would be told; bind it to what it misses until then."""
        while True:
            raise_if_cancelled()
            await asyncio.sleep(EVERY_SECONDS)
            try:
                if not await exists(link, self._declarer.hub.exchange):
                    return
                # Somebody may have deleted it, and somebody else made it again, without us.
                async with control(link) as channel:
                    await self._bind(channel)
                if self._declarer.misses_upstream:
                    await self._declare_hub(link)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                # That the connection is gone is told elsewhere.
                log.debug('hub_not_seen', error=repr(error))


def heard(cut: Cut, received_at: float, limits: Limits) -> Heard:
    """What came, as an event.

    Args:
        cut: what was cut out of the stream.
        received_at: when it came, Unix seconds.
        limits: what a body may be at most.
    """
    exchange, routing_key = (part.decode('utf-8', 'backslashreplace') for part in (cut.exchange, cut.routing_key))
    body = cut.body if cut.size <= limits.size else cut.body[:KEPT_OF_OVERSIZE]
    try:
        event = decode(
            body,
            size=cut.size,
            headers=WireProperties(cut.properties).headers,
            routing_key=routing_key,
            exchange=exchange,
            received_at=received_at,
            redelivered=cut.redelivered,
            limits=limits,
        )
    except Undecodable as error:
        event = Event('', None, routing_key, exchange, body=body, received_at=received_at)
        return Heard(event, str(error), cut.size, cut.properties)
    return Heard(event, '', cut.size, cut.properties)


def _set(event: asyncio.Event, _: object) -> None:
    event.set()
