# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The declaration: makes the broker have what the topology says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import aiormq.exceptions
import structlog
from aiormq.abc import AbstractChannel

from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link
from wazo_busd.amqp.exchange import declare_exchange, exists
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.refusal import REFUSALS, explained, recreation, removal
from wazo_busd.amqp.returns import Returns
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError
from wazo_busd.topology import DELAY_HEADER, UPSTREAMS, Exchange, HandlerQueue, Hub, Queue, Upstream

log = structlog.stdlib.get_logger(__name__)

_IS_CLASSIC = re.compile(r"inequivalent arg 'x-queue-type'.*current is 'classic'")
_IS_QUORUM = re.compile(r"inequivalent arg 'x-queue-type'.*current is 'quorum'")


class StaysClassic(BusError):
    """Raised when a queue is there as a classic one, or no more: declared again on another channel, it is taken so."""


class QueueGone(BusError):
    """Raised when a queue is not there that was there before; the next try makes it."""


class Declarer:
    """Declares exchanges, queues and bindings, again on every connection.

    Args:
        config: the broker and our user, for the cures that errors tell.
        ledger: what was bound before.
        on_change: called when it `lacks` something else.
    """

    def __init__(self, config: BusConfig, ledger: Ledger, on_change: Callable[[], None] = lambda: None) -> None:
        self.config = config
        self.hub = Hub(config.namespace)
        self.quorum = True
        """Whether the broker has quorum queues; set to false, queues are declared as classic ones."""
        self.returns = Returns(config, ledger, self._delays_keep)
        self._ledger = ledger
        self._on_change = on_change
        self._missing: dict[str, BusError] = {}
        self._missed: set[str] = set()
        """The queues that were found gone, and are made next."""
        self._classic: set[str] = set()

    async def declare_hub(self, link: Link, *, alone: bool = False) -> None:
        """Declare the hub, bind it to the exchanges of Wazo, and declare where retries and dead letters go.

        An upstream that is missing is made, if that is allowed; if not, the other one still serves, and the next call
        tries again.

        Args:
            link: the connection.
            alone: for whoever only listens: the hub and nothing else. Who made the other exchanges without binding the
                handlers to them would hide from the daemon that they were gone.

        Raises:
            BusError: the broker refuses the hub itself.
        """
        for exchange in (self.hub.exchange,) if alone else self.hub.exchanges:
            try:
                if exchange == self.hub.returns:
                    await self.returns.declare(link)
                    continue
                async with control(link) as channel:
                    await declare_exchange(channel, exchange)
            except REFUSALS as error:
                raise explained(error, f'the exchange {exchange.name}', self.config) from None
        for upstream in UPSTREAMS:
            await self._bind_upstream(link, upstream)

    @property
    def misses_upstream(self) -> bool:
        """Whether an upstream could not be bound, so that it is worth trying again."""
        return bool(self._missing)

    @property
    def lacks(self) -> list[str]:
        """Why no events come from some of the exchanges of Wazo, then the cures; nothing where they come from all."""
        errors = self._missing.values()
        return [*(error.text for error in errors), *dict.fromkeys(error.cure for error in errors)]

    async def bind_upstreams(self, channel: AbstractChannel) -> None:
        """Bind the hub to the exchanges of Wazo that it was bound to before, which costs next to nothing.

        Raises:
            aiormq.exceptions.ChannelClosed: one of them is not there; `declare_hub` makes it.
        """
        for upstream in UPSTREAMS:
            if upstream.exchange.name not in self._missing:
                await channel.exchange_bind(self.hub.exchange.name, upstream.exchange.name, upstream.routing_key)

    async def declare_queue(self, channel: AbstractChannel, wanted: HandlerQueue) -> tuple[Queue, int]:
        """Declare a handler's queue and its dead-letter queue, bind what is asked for and unbind what is not any more.

        Args:
            channel: a channel of the handler's own: the broker closes it if it refuses.
            wanted: what the handler asks for.

        Returns:
            The queue as it was declared, and how many events wait in it.

        Raises:
            QueueGone: the handler's queue was there before, and is not; told once.
            StaysClassic: one of them is there as a classic queue, or is no longer.
            BusError: the broker refuses one of them.
        """
        await self._look_for(channel, wanted.queue)
        dead, _ = await self._declare(channel, wanted.dead)
        queue, count = await self._declare(channel, wanted.queue)
        try:
            await channel.queue_bind(dead.name, self.hub.dead.name, wanted.handler)
            await channel.queue_bind(queue.name, self.hub.returns.name, wanted.handler)
            old = self._ledger.patterns(queue.name)
            self._ledger.write(queue.name, old | set(wanted.patterns))
            for pattern in wanted.patterns:
                await channel.queue_bind(queue.name, self.hub.exchange.name, pattern)
            for pattern in sorted(old - set(wanted.patterns)):
                await channel.queue_unbind(queue.name, self.hub.exchange.name, pattern)
                log.info('binding_removed', queue=queue.name, pattern=pattern)
            self._ledger.write(queue.name, wanted.patterns)
        except REFUSALS as error:
            raise explained(error, f'the queue {queue.name}', self.config) from None
        return queue, count

    async def _look_for(self, channel: AbstractChannel, queue: Queue) -> None:
        """See whether a queue that was bound before is still there.

        Raises:
            QueueGone: it is not; the channel is closed.
        """
        if queue.name in self._missed or not self._ledger.patterns(queue.name):
            self._missed.discard(queue.name)
            return
        try:
            await channel.queue_declare(queue.name, passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            self._missed.add(queue.name)
            raise QueueGone(f'the queue {queue.name} is gone') from None
        except REFUSALS as error:
            raise explained(error, f'the queue {queue.name}', self.config) from None

    async def declare_delays(self, link: Link, delays_seconds: Iterable[float]) -> None:
        """Declare the delay queues, and where the retries of handlers that are gone go.

        What the broker refuses is logged: without it, handlers that fail wait until it is there.

        Args:
            link: the connection.
            delays_seconds: how long the delay queues hold what is in them.
        """
        delays = [self.hub.delay(seconds) for seconds in sorted(set(delays_seconds))]
        bound = [(each.queue, self.hub.retry.name, _chosen_by(each.milliseconds)) for each in delays]
        for queue, exchange, arguments in [*bound, (self.hub.orphan_queue, self.hub.orphans.name, {})]:
            try:
                with suppress(StaysClassic):
                    async with control(link) as channel:
                        await self._declare(channel, queue)
                await self.returns.bind(link, queue, exchange, arguments)
            except (BusError, *REFUSALS) as error:
                what = f'the queue {queue.name}'
                refusal = error if isinstance(error, BusError) else explained(error, what, self.config)
                log.error('queue_refused', queue=queue.name, problem=refusal.text, hint=refusal.cure)

    def _delays_keep(self) -> bool:
        """Whether delay queues are quorum queues: a classic one drops what finds no way (RabbitMQ, at-most-once)."""
        return self.quorum and not any(name.startswith(f'{self.hub.retry.name}.') for name in self._classic)

    def forget_kind(self, wanted: HandlerQueue) -> None:
        """A handler's queue is gone: the next one is of the kind that the configuration says."""
        self._classic -= {wanted.queue.name, wanted.dead.name}

    async def _declare(self, channel: AbstractChannel, queue: Queue) -> tuple[Queue, int]:
        if not self.quorum or queue.name in self._classic:
            queue = queue.as_classic()
        try:
            declared = await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
        except REFUSALS as error:
            if queue.is_quorum and _IS_CLASSIC.search(str(error)):
                self._stay_classic(queue.name)
                raise StaysClassic(f'the queue {queue.name} is a classic one') from None
            if queue.name in self._classic and _IS_QUORUM.search(str(error)):
                # Somebody has made it anew meanwhile.
                self._classic.discard(queue.name)
                raise StaysClassic(f'the queue {queue.name} is a classic one no more') from None
            raise explained(error, f'the queue {queue.name}', self.config) from None
        return queue, declared.message_count or 0

    async def forget_queue(self, link: Link, name: str) -> None:
        """Take away the bindings of a handler that is no longer configured. Its queue stays, with what is in it."""
        patterns = self._ledger.patterns(name)
        try:
            async with control(link) as channel:
                for pattern in sorted(patterns):
                    await channel.queue_unbind(name, self.hub.exchange.name, pattern)
        except REFUSALS as error:
            refusal = explained(error, f'the queue {name}', self.config)
            log.warning('binding_not_removed', queue=name, error=str(refusal))
            return
        self._ledger.write(name, ())
        if patterns:
            log.info('queue_unbound', queue=name, hint='it keeps what it has until it expires')

    def known_queues(self) -> list[str]:
        """The handler queues that were bound at any time."""
        return self._ledger.queues

    def _stay_classic(self, name: str) -> None:
        """A classic queue is there, from the time when the broker had no others: better that one than none."""
        self._classic.add(name)
        removed = removal(f'the queue {name}', self.config)
        log.warning(
            'queue_is_classic',
            queue=name,
            effect='it loses events when the broker crashes',
            hint=recreation(name, self.config) or f'when it is empty: {removed}',
        )

    async def _bind_upstream(self, link: Link, upstream: Upstream) -> None:
        exchange = upstream.exchange
        is_there = True
        try:
            is_there = await exists(link, exchange)
            if not is_there:
                async with control(link) as channel:
                    await declare_exchange(channel, exchange)
                is_there = True
            async with control(link) as channel:
                await channel.exchange_bind(self.hub.exchange.name, exchange.name, upstream.routing_key)
        except REFUSALS as error:
            self._miss(exchange, self._not_bound(error, exchange, is_there))
            return
        if self._missing.pop(exchange.name, None):
            log.info('upstream_found', exchange=exchange.name)
            self._on_change()

    def _miss(self, exchange: Exchange, error: BusError) -> None:
        """Tell why no events come from an exchange, if that is news."""
        if str(error) == str(self._missing.get(exchange.name)):
            return
        self._missing[exchange.name] = error
        log.warning(
            'upstream_missing',
            exchange=exchange.name,
            type=exchange.type,
            error=error.text,
            effect='no event comes from it',
            hint=error.cure,
        )
        self._on_change()

    def _not_bound(self, error: BaseException, exchange: Exchange, exists: bool) -> BusError:
        """Why an exchange of Wazo could not be bound. One that is not there may be refused to us, and rightly so."""
        if exists or not isinstance(error, aiormq.exceptions.ChannelAccessRefused):
            return explained(error, f'the exchange {exchange.name}', self.config)
        return BusError(
            f'the exchange {exchange.name} does not exist, and the user {self.config.username!r} may not make it',
            'start the Wazo services, which make it: wazo-service start; or let an administrator declare it once',
        )


async def has_quorum_queues(link: Link, queue: Queue) -> bool:
    """Whether the broker knows quorum queues.

    A broker that was upgraded in place can have the feature flag off, and ends the whole connection with an internal
    error (541) where one is declared. So this wants a connection that may be lost.

    Args:
        link: that connection.
        queue: a quorum queue that is to be there anyway.
    """
    try:
        async with control(link) as channel:
            await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    except aiormq.exceptions.ConnectionInternalError:
        return False
    except REFUSALS:
        # Refused for another reason, which the handler will be told.
        return True
    return True


def _chosen_by(milliseconds: int) -> dict[str, Any]:
    return {'x-match': 'all', DELAY_HEADER: milliseconds}
