# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The dead letters in the broker: read without taking them out, sent back to the handler that gave up, or dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiormq.exceptions
from aiormq.abc import AbstractChannel

from wazo_busd.amqp import copy, fallback
from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link, close_channel, connect, permissions
from wazo_busd.amqp.copy import NUMBER, NoCopy, Original
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.config import BusConfig
from wazo_busd.delivery import History
from wazo_busd.errors import BusError, Undecodable
from wazo_busd.event import identity
from wazo_busd.topology import Hub

_TAG = 'wazo-busd-dead'
_PATIENCE_SECONDS = 10.0
_MOST_PREFETCH, _NO_LIMIT = 65_535, 0
_ALL = 0
"""The delivery tag that stands for everything that is not acknowledged."""

FOREIGN = 'NoDeadLetter'
"""The error of what lies among the dead letters and was not put there by the daemon."""

ORPHANS = ''
"""Stands for a handler: the retries of handlers that are gone."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a handler gave up on.

    Attributes:
        handler: the handler.
        error: the class of the error.
        text: what the error says.
        traceback: the end of the traceback.
        plugin: the name of its plugin.
        plugin_version: the version of its plugin.
        last_at: when the last try ended, Unix seconds.
        original: the event as it came, and what was tried.
        number: what tells this letter from others; two with the same number are one.
    """

    handler: str
    error: str
    text: str
    traceback: str
    plugin: str
    plugin_version: str
    last_at: float
    original: Original
    number: str

    @property
    def event_id(self) -> str:
        """The identity of the event."""
        return self.original.history.event_id

    @property
    def is_whole(self) -> bool:
        """Whether all of the body was kept."""
        return len(self.original.body) == self.original.size

    @property
    def can_return(self) -> bool:
        """Whether it can be sent back: it is an event that the handler gave up on, and all of it is there."""
        return self.is_whole and self.error != FOREIGN

    @property
    def properties(self) -> Mapping[str, Any]:
        """The properties that the event came with; none if they were malformed."""
        try:
            return WireProperties(self.original.raw_properties).decoded
        except Undecodable:
            return {}

    @property
    def event_name(self) -> str:
        """The name of the event, as far as its headers say; its routing key if they do not."""
        headers = self.properties.get('headers')
        name = headers.get('name') if isinstance(headers, dict) else None
        return name if isinstance(name, str) and name else self.original.routing_key


class DeadLetters:
    """A connection for a person who looks at dead letters.

    Args:
        config: where the broker is.
    """

    def __init__(self, config: BusConfig) -> None:
        self._config = config
        self._hub = Hub(config.namespace)
        self._link: Link
        self._channel: AbstractChannel | None = None

    async def __aenter__(self) -> Self:
        self._link = await connect(self._config, 'wazo-busd dead')
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    async def count(self, handler: str) -> int:
        """How many dead letters a handler has.

        Args:
            handler: its name, or `ORPHANS`.
        """
        return await self._depth(self._queue(handler)) or 0

    async def has_queue(self, handler: str) -> bool:
        """Whether there is a queue that what a handler gave up on can be sent back to."""
        return await self._depth(self._hub.queue_name(handler)) is not None

    async def read(
        self, handler: str, is_meant: Callable[[DeadLetter], bool], act: Callable[[DeadLetter], Any] | None = None
    ) -> AsyncIterator[DeadLetter]:
        """Go through the dead letters of a handler, oldest first. They stay where they are, but for those acted upon.

        Args:
            handler: its name, or `ORPHANS`.
            is_meant: which of them.
            act: awaited with each of those, before it is given; then it is taken out. `None` leaves it.

        Raises:
            BusError: the broker refuses.
        """
        count = await self.count(handler)
        if not count:
            return
        try:
            async with self._consuming(self._queue(handler), count) as (channel, cuts):
                for _ in range(count):
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        cut = await cuts.get()
                    letter = _letter(cut, handler)
                    if not is_meant(letter):
                        continue
                    if act is not None:
                        await act(letter)
                        await channel.basic_ack(cut.tag, wait=False)
                    yield letter
        except TimeoutError:
            # Somebody else has taken the others meanwhile.
            return
        except aiormq.exceptions.ChannelAccessRefused as error:
            text = str(error).partition(' - ')[2] or str(error)
            raise BusError(f'the broker refuses it: {text}', permissions(self._config)) from None
        except aiormq.exceptions.AMQPError as error:
            raise BusError(f'the broker ended it: {error}', 'run the same command again: it goes on') from None

    async def send_back(self, letter: DeadLetter) -> None:
        """Send an event back to the handler that gave up on it, and to no other. It is confirmed when this returns.

        Raises:
            BusError: the broker does not take it.
        """
        made = copy.again(letter.original, handler=letter.handler, number=copy.new_number())
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await (await self._publishing()).basic_publish(
                    made.body,
                    exchange=self._hub.returns.name,
                    routing_key=letter.handler,
                    properties=made.properties,
                    mandatory=True,
                )
        except TimeoutError:
            raise BusError('the broker does not confirm what it was given', 'rabbitmqctl list_alarms') from None
        except (aiormq.exceptions.PublishError, aiormq.exceptions.DeliveryError):
            raise BusError(
                f'the queue of {letter.handler} does not take it', 'wazo-busd run, which makes the queue'
            ) from None

    async def _publishing(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._link.open_channel(confirms=True)
        return self._channel

    def _queue(self, handler: str) -> str:
        return f'{self._hub.queue_name(handler)}.dead' if handler else self._hub.orphan_queue.name

    async def _depth(self, queue: str) -> int | None:
        """How many messages a queue has; `None` if it is not there."""
        try:
            async with control(self._link) as channel:
                return (await channel.queue_declare(queue, passive=True)).message_count or 0
        except aiormq.exceptions.ChannelNotFoundEntity:
            return None

    @asynccontextmanager
    async def _consuming(self, queue: str, count: int) -> AsyncIterator[tuple[AbstractChannel, asyncio.Queue[Cut]]]:
        """What lies in a queue, one after the other; when this ends, the broker has back what was not acknowledged."""
        cuts: asyncio.Queue[Cut] = asyncio.Queue()

        def take(batch: list[Cut]) -> None:
            for cut in batch:
                cuts.put_nowait(cut)

        channel = await self._link.open_channel()
        self._link.transport.cutter.tap(channel.number, _TAG, take)
        try:
            # Not more at a time than are wanted: what comes in meanwhile is none of this.
            await channel.basic_qos(prefetch_count=count if count <= _MOST_PREFETCH else _NO_LIMIT)
            ordinary = fallback.callback(self._link.transport.cutter, channel.number)
            await channel.basic_consume(queue, ordinary, consumer_tag=_TAG)
            yield channel, cuts
            # Not by closing the channel alone: a quorum queue would have it back a moment later, and whoever looks next
            # would not see it.
            await channel.basic_cancel(_TAG)
            await channel.basic_nack(_ALL, multiple=True, requeue=True)
        finally:
            self._link.transport.cutter.untap(channel.number)
            await close_channel(channel)


def _letter(cut: Cut, handler: str) -> DeadLetter:
    """The dead letter that was delivered, from the queue of a handler's dead letters."""
    try:
        headers = WireProperties(cut.properties).headers
        original = copy.original(cut.body, headers)
    except (NoCopy, Undecodable) as error:
        return _foreign(cut, handler, str(error))
    texts = {
        name: value if isinstance(value := headers.get(f'busd-{name}'), str) else ''
        for name in ('handler', 'error', 'error-text', 'traceback', 'plugin', 'plugin-version', 'first-error')
    }
    last_at = headers.get('busd-last-at')
    number = headers.get(NUMBER)
    is_orphan = not texts['error']
    return DeadLetter(
        handler=texts['handler'] or cut.routing_key.decode('utf-8', 'replace'),
        error='HandlerGone' if is_orphan else texts['error'],
        text=f'its handler was gone when it was to be tried again; at first: {texts["first-error"]}'
        if is_orphan
        else texts['error-text'],
        traceback=texts['traceback'],
        plugin=texts['plugin'],
        plugin_version=texts['plugin-version'],
        last_at=last_at / 1000 if isinstance(last_at, int) else original.history.first_at,
        original=original,
        number=number if isinstance(number, str) else '',
    )


def _foreign(cut: Cut, handler: str, why: str) -> DeadLetter:
    """What somebody else has put among the dead letters: to be seen and dropped, as it fills the queue."""
    exchange, routing_key = (part.decode('utf-8', 'backslashreplace') for part in (cut.exchange, cut.routing_key))
    history = History(event_id=identity(exchange, routing_key, cut.body), attempts=0)
    return DeadLetter(
        handler=handler or routing_key,
        error=FOREIGN,
        text=f'not from the daemon: {why}',
        traceback='',
        plugin='',
        plugin_version='',
        last_at=0.0,
        original=Original(
            body=cut.body,
            size=cut.size,
            exchange=exchange,
            routing_key=routing_key,
            raw_properties=cut.properties,
            history=history,
        ),
        number='',
    )
