# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The carrier: moves events from one queue to another, in their order, and loses none on the way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

import aiormq.exceptions
from aiormq.abc import AbstractChannel

from wazo_busd.amqp import fallback
from wazo_busd.amqp.connection import Link, close_channel
from wazo_busd.amqp.copy import Copy
from wazo_busd.amqp.declaration import Declarer
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.request import AGAIN, look, request
from wazo_busd.amqp.transfer import carried, wrapped
from wazo_busd.errors import BusError
from wazo_busd.tasks import is_cancelled

AT_ONCE = 200
"""So many events are on their way at a time."""

_TAG = 'wazo-busd-queue'
_LULL_SECONDS = 0.2
_PATIENCE_SECONDS = 10.0
_CONFIRM_SECONDS = 30.0
_ALL = 0
"""The delivery tag that stands for everything that is not acknowledged."""


class Binding(NamedTuple):
    """A way into a queue.

    Attributes:
        exchange: where it begins.
        key: the routing key or pattern.
    """

    exchange: str
    key: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where events are moved to.

    Attributes:
        binding: what they are published with; only the queue that is meant is bound so.
        handler: whose events they are.
    """

    binding: Binding
    handler: str


class Moved(NamedTuple):
    """What was moved.

    Attributes:
        events: how many.
        bytes: of their bodies.
    """

    events: int
    bytes: int


Room = Callable[[Moved], Awaitable[int]]
"""Awaited before more is moved, with what was so far; gives how many may be moved now, 0 to stop, or raises."""


class Carrier:
    """Moves events over one connection.

    Args:
        link: the connection.
        declarer: knows the broker, for the cures that errors tell, and what the exchanges are called.
        max_body_size: how many bytes the body of an event may have.
        on_move: called with how many events were moved.
    """

    def __init__(self, link: Link, declarer: Declarer, *, max_body_size: int, on_move: Callable[[int], None]) -> None:
        self._link = link
        self._declarer = declarer
        self._max_body_size = max_body_size
        self._on_move = on_move
        self._publishing: AbstractChannel | None = None

    async def move(self, source: str, target: Target, *, most: int | None = None, room: Room | None = None) -> Moved:
        """Move events from a queue to another, in their order. Each is taken out when the other queue has it.

        So it can be interrupted anywhere: nothing is lost, and what was in hand comes twice.

        Args:
            source: the name of the queue.
            target: where to.
            most: how many, or a few more; `None` until there are none.
            room: how many may be moved now.

        Raises:
            BusError: the broker does not take them.
        """
        moved = Moved(0, 0)
        while most is None or moved.events < most:
            before = moved
            async with self._consuming(source) as (channel, came):
                moved = await self._pass_on(source, channel, came, target, moved, most, room)
                await channel.basic_cancel(_TAG)
                # Whatever was given out before has come by now, and is not to be given back behind others.
                while came.cuts and (allowed := AT_ONCE if room is None else await room(moved)):
                    moved = await self._hand_over(channel, came.take(allowed), target, moved)
                if came.cuts:
                    # Not by closing the channel alone: a quorum queue would have it back a moment later.
                    await channel.basic_nack(_ALL, multiple=True, requeue=True)
                    return moved
            depth = await look(self._link, self._declarer, source)
            if depth is None or not depth.ready:
                break
            if moved == before and most is None:
                raise BusError(
                    f'RabbitMQ does not give out what is in {source}', 'rabbitmqctl list_unresponsive_queues'
                )
        return moved

    async def _pass_on(
        self,
        source: str,
        channel: AbstractChannel,
        came: _Came,
        target: Target,
        moved: Moved,
        most: int | None,
        room: Room | None,
    ) -> Moved:
        """Move what comes, until nothing does, or it is enough."""
        waited = 0.0
        while most is None or moved.events < most:
            if await came.some():
                waited = 0.0
                allowed = AT_ONCE if room is None else await room(moved)
                if not allowed:
                    break
                moved = await self._hand_over(channel, came.take(allowed), target, moved)
                continue
            waited += _LULL_SECONDS
            depth = await look(self._link, self._declarer, source)
            if depth is None or not depth.ready or waited > _PATIENCE_SECONDS:
                break
        return moved

    async def _hand_over(self, channel: AbstractChannel, batch: list[Cut], target: Target, moved: Moved) -> Moved:
        """Publish what has come, and take it out when it is confirmed."""
        publishing = [asyncio.create_task(self._publish(self._copy(cut, target), target.binding)) for cut in batch]
        try:
            await asyncio.wait(publishing)
        finally:
            for task in publishing:
                task.cancel()
        done = [cut for cut, task in zip(batch, publishing, strict=True) if task.exception() is None]
        if len(done) == len(batch):
            await channel.basic_ack(batch[-1].tag, multiple=True, wait=False)
        else:
            for cut in done:
                await channel.basic_ack(cut.tag, wait=False)
        self._on_move(len(done))
        for task in publishing:
            task.result()
        return Moved(moved.events + len(done), moved.bytes + sum(cut.size for cut in done))

    def _copy(self, cut: Cut, target: Target) -> Copy:
        is_copy = cut.exchange.decode('utf-8', 'replace') in (
            self._declarer.hub.returns.name,
            self._declarer.hub.dead.name,
        )
        if is_copy or target.binding.exchange == self._declarer.hub.dead.name:
            return carried(cut)
        return wrapped(cut, handler=target.handler, max_body_size=self._max_body_size)

    async def _publish(self, made: Copy, binding: Binding) -> None:
        if self._publishing is None or self._publishing.is_closed:
            raise BusError('the broker has closed the channel', AGAIN)
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await self._publishing.basic_publish(
                    made.body,
                    exchange=binding.exchange,
                    routing_key=binding.key,
                    properties=made.properties,
                    mandatory=True,
                )
        except TimeoutError:
            raise BusError('the broker does not confirm what it was given', 'rabbitmqctl list_alarms') from None
        except aiormq.exceptions.PublishError:
            raise BusError(
                f'nothing is bound to {binding.exchange} for {binding.key!r} any more',
                AGAIN,
            ) from None
        except aiormq.exceptions.DeliveryError:
            raise BusError(
                'the queue that the events are moved to is full', 'raise max_length or max_bytes of the queue'
            ) from None
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            said = str(error) or type(error).__name__
            raise BusError(f'the broker ended it: {said}', AGAIN) from None

    @asynccontextmanager
    async def _consuming(self, source: str) -> AsyncIterator[tuple[AbstractChannel, _Came]]:
        """What lies in a queue, one after the other; when this ends, the broker has back what was not acknowledged."""
        came = _Came()
        if self._publishing is None or self._publishing.is_closed:
            self._publishing = await self._link.open_channel(confirms=True)
        async with request(self._link, self._declarer, f'the queue {source}') as channel:
            self._link.transport.cutter.tap(channel.number, _TAG, came.add)
            try:
                await channel.basic_qos(prefetch_count=AT_ONCE)
                ordinary = fallback.callback(self._link.transport.cutter, channel.number)
                await channel.basic_consume(source, ordinary, consumer_tag=_TAG, timeout=_PATIENCE_SECONDS)
                yield channel, came
            except TimeoutError:
                raise BusError(
                    f'RabbitMQ gives nothing out of the queue {source} and does not say why',
                    'rabbitmqctl list_unresponsive_queues',
                ) from None
            finally:
                await close_channel(channel)
                # Only now: until then deliveries come, which the library may not see.
                self._link.transport.cutter.untap(channel.number)


class _Came:
    """What the broker has given out, and is not moved yet."""

    def __init__(self) -> None:
        self.cuts: deque[Cut] = deque()
        self._is_there = asyncio.Event()

    def add(self, cuts: list[Cut]) -> None:
        self.cuts += cuts
        self._is_there.set()

    async def some(self) -> bool:
        """Whether there is anything, now or in a moment."""
        if not self.cuts:
            self._is_there.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LULL_SECONDS):
                    await self._is_there.wait()
        return bool(self.cuts)

    def take(self, most: int) -> list[Cut]:
        return [self.cuts.popleft() for _ in range(min(most, len(self.cuts)))]
