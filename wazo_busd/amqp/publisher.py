# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The publisher: a connection of its own, on which everything is confirmed and nothing is lost on the way.

A broker in a memory or disk alarm stops reading from connections that publish. If the consuming connection published,
its acknowledgements would be stuck with it.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

import aiormq
import aiormq.exceptions
import structlog
from aiormq.abc import AbstractChannel
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.probe import Probe, ask
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled, raise_if_cancelled

_STEADY_SECONDS = 5.0
_FRAME_OVERHEAD = 64
"""What a content header has beside ours: the frame around it, and the message id that the library adds."""

log = structlog.stdlib.get_logger(__name__)


class Unroutable(BusError):
    """Raised when no queue is bound for what was published. RabbitMQ would confirm it and drop it."""


class Rejected(BusError):
    """Raised when the broker will not take it, because a queue is full."""


class Unsendable(BusError):
    """Raised when it cannot be put into frames: a name or header that is too long, or a value that AMQP has not."""


class Publisher:
    """Publishes with confirmation, over as many connections as it takes.

    Args:
        config: where the brokers are.
        name: what the connection is called in the broker's lists.
    """

    def __init__(self, config: BusConfig, name: str) -> None:
        self._config = config
        self._name = name
        self.link: Link | None = None
        """The connection, while there is one."""
        self._failure: tuple[float, BusError] | None = None
        """When it could not connect last, on the monotonic clock, and why; `None` once it could."""
        self._channel: AbstractChannel | None = None
        self._ready = asyncio.Event()
        self._unconfirmed = 0

    async def run(self) -> None:
        """Keep connected until cancelled."""
        backoff = Backoff()
        while True:
            try:
                link = await connect(self._config, self._name)
            except BusError as error:
                # The consuming connection tells the operator the same.
                log.debug('publisher_not_connected', error=error.text)
                self._failure = time.monotonic(), error
                await backoff.wait(error)
                continue
            self.link, self._failure = link, None
            try:
                await self._serve(link, backoff)
            finally:
                self.link = None
                self._ready.clear()
                self._channel = None
                await link.close()
            await backoff.wait(None)

    def obstacle(self, since: float) -> str:
        """Why nothing can be published, and the cure; `''` where it can, as far as is known.

        A broker in an alarm says so only to those that have something to publish.

        Args:
            since: what has failed before then is not told, on the monotonic clock.
        """
        if self._failure is not None and self._failure[0] > since:
            return str(self._failure[1])
        if self.link is None or not self.link.transport.cutter.is_blocked:
            return ''
        reason = self.link.transport.cutter.block_reason
        why = f', as it is {reason}' if reason else ''
        return f'{self.link.address} takes nothing that is published{why}; rabbitmqctl list_alarms'

    async def publish(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> int:
        """Publish and wait for the broker's confirmation; over a lost connection, again on the next one.

        So it may arrive twice, and never not at all.

        Returns:
            How often it was published: it may have arrived as often as that.

        Raises:
            Unroutable: no queue is bound for it.
            Rejected: the broker will not take it.
            Unsendable: it cannot be put into frames.
        """
        times = 0
        while True:
            await self._ready.wait()
            channel = self._channel
            if channel is None:
                continue
            times += 1
            self._unconfirmed += 1
            try:
                check_size(properties, channel)
                await channel.basic_publish(
                    body, exchange=exchange, routing_key=routing_key, properties=properties, mandatory=True
                )
                return times
            except aiormq.exceptions.PublishError:
                raise Unroutable(f'nothing is bound to {exchange} for {routing_key!r}') from None
            except aiormq.exceptions.DeliveryError:
                raise Rejected(f'{exchange} does not take {routing_key!r}: a queue behind it is full') from None
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                if not channel.is_closed:
                    # Not the channel fails but what is published, and would on any other.
                    raise Unsendable(f'{routing_key[:255]!r} cannot be published: {error}') from error
                # The channel is gone, and with it the confirmation: publish again on the next one.
                log.debug('publish_interrupted', exchange=exchange, error=repr(error))
                if self._channel is channel:
                    self._ready.clear()
                    self._channel = None
            finally:
                self._unconfirmed -= 1

    @property
    def _waits_for_answer(self) -> bool:
        """Whether the broker owes us a channel or a confirmation."""
        return self._unconfirmed > 0 or not self._ready.is_set()

    async def _serve(self, link: Link, backoff: Backoff) -> None:
        """Offer a channel as long as the connection lives; a channel that the broker closes is replaced."""
        lost = asyncio.create_task(link.lost())
        # In an alarm the broker reads nothing, which is no reason to drop the connection.
        probe = Probe(link, partial(ask, link), lambda: self._waits_for_answer and not link.transport.cutter.is_blocked)
        probing = asyncio.create_task(probe.run(), name='publish/probe')
        try:
            while not lost.done():
                began = time.monotonic()
                self._channel = await link.open_channel(confirms=True)
                raise_if_cancelled()
                self._ready.set()
                closed = asyncio.ensure_future(self._channel.closing)
                await asyncio.wait([lost, closed], return_when=asyncio.FIRST_COMPLETED)
                self._ready.clear()
                if time.monotonic() - began >= _STEADY_SECONDS:
                    backoff.reset()
                if not lost.done():
                    await backoff.wait(None)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            log.debug('publisher_connection_failed', error=repr(error))
        finally:
            lost.cancel()
            probing.cancel()


def check_size(properties: Basic.Properties, channel: AbstractChannel) -> None:
    """See that the content header fits into one frame: over a larger one the broker ends the connection.

    Args:
        properties: what is in it.
        channel: says how large a frame is.

    Raises:
        ValueError: it does not.
    """
    limit = channel.connection.connection_tune.frame_max
    size = len(ContentHeader(properties=properties).marshal()) + _FRAME_OVERHEAD
    if limit and size > limit:
        raise ValueError(f'its headers have {size} bytes, a frame of this broker has {limit}')
