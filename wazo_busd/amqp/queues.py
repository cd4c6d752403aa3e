# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The queues in the broker, for a person: looked at, compared with what is asked for, bound, emptied, deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from aiormq.abc import AbstractChannel

from wazo_busd.amqp.carrier import Binding, Carrier, Moved, Room, Target
from wazo_busd.amqp.channel import control
from wazo_busd.amqp.connection import Link, connect
from wazo_busd.amqp.declaration import Declarer, has_quorum_queues
from wazo_busd.amqp.inequivalence import Inequivalence, inequivalence
from wazo_busd.amqp.ledger import Ledger
from wazo_busd.amqp.probe import probed
from wazo_busd.amqp.refusal import REFUSALS, explained
from wazo_busd.amqp.request import AGAIN, Depth, look, request
from wazo_busd.config import BusConfig
from wazo_busd.errors import BusError
from wazo_busd.topology import Hub, Queue

T = TypeVar('T')

_LOST_SECONDS = 1.0
_FINISH_SECONDS = 5.0
_BODY_ROOM = 1_048_576
"""Bytes that a body may have beyond the limit and still come whole, so that no copy of one is ever cut."""


class Queues:
    """A connection for a person who looks after queues.

    Args:
        config: where the broker is.
        state_dir: the state directory, in which nothing is written.
        on_move: called with how many events were moved.
    """

    def __init__(self, config: BusConfig, state_dir: Path, on_move: Callable[[int], None] = lambda count: None) -> None:
        self.hub = Hub(config.namespace)
        self._config = config
        self._on_move = on_move
        self._declarer = Declarer(config, Ledger(state_dir, config))
        self._link: Link
        self._carrier: Carrier

    async def __aenter__(self) -> Self:
        roomy = self._config.model_copy(update={'max_body_size': self._config.max_body_size + _BODY_ROOM})
        self._link = await connect(roomy, 'wazo-busd queue')
        self._carrier = Carrier(
            self._link, self._declarer, max_body_size=self._config.max_body_size, on_move=self._on_move
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._link.close()

    async def unless_lost(self, going: Coroutine[Any, Any, T]) -> T:
        """What a coroutine gives that works with these queues.

        The library lets some wait for ever for a connection that goes; here nobody does. If whoever waits for this is
        cancelled, the coroutine may finish what it is at.

        Args:
            going: the coroutine.

        Raises:
            BusError: the connection was lost.
            Exception: whatever it raises.
        """
        working, lost = asyncio.create_task(going), asyncio.create_task(self._link.lost())
        try:
            async with probed(self._link):
                await asyncio.wait([working, lost], return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait([working], timeout=_LOST_SECONDS)
            if working.done():
                return working.result()
            raise BusError(f'the connection is gone: {lost.result()}', AGAIN)
        finally:
            lost.cancel()
            working.cancel()
            await asyncio.wait([working], timeout=_FINISH_SECONDS)

    async def has_quorum(self) -> bool:
        """Whether the broker has quorum queues; asked on a connection that may be lost over it."""
        link = await connect(self._config, 'wazo-busd queue: trying quorum queues')
        try:
            return await has_quorum_queues(link, self.hub.orphan_queue)
        finally:
            await link.close()

    async def look(self, name: str) -> Depth | None:
        """What a queue has; `None` if it is not there.

        Raises:
            BusError: the broker refuses.
        """
        return await look(self._link, self._declarer, name)

    async def compare(self, wanted: Queue) -> tuple[Inequivalence, ...] | None:
        """In what a queue that is there differs from the one that is wanted; `None` if it is not there.

        RabbitMQ names one argument at a time, so it is asked again with what it says, until it has nothing to say.

        Raises:
            BusError: the broker refuses it for another reason.
        """
        if await self.look(wanted.name) is None:
            return None
        found: list[Inequivalence] = []
        arguments: dict[str, Any] = dict(wanted.arguments)
        flags = {'durable': True, 'auto_delete': False}
        while True:
            try:
                async with control(self._link) as channel:
                    await channel.queue_declare(
                        wanted.name,
                        durable=flags['durable'],
                        auto_delete=flags['auto_delete'],
                        arguments=arguments,
                    )
                return tuple(found)
            except REFUSALS as error:
                named = inequivalence(str(error))
                if named is None and not found:
                    raise explained(error, f'the queue {wanted.name}', self._config) from None
                if named is None or any(each.argument == named.argument for each in found):
                    return tuple(found)
                found.append(named)
                _take_over(named, arguments, flags)

    async def declare(self, queue: Queue) -> None:
        """Make a queue, unless it is there.

        Raises:
            BusError: the broker refuses it.
        """
        async with self._request(queue.name) as channel:
            await channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))

    async def bind(self, name: str, binding: Binding) -> None:
        """Bind a queue; once more is no harm.

        Raises:
            BusError: the broker refuses it.
        """
        async with self._request(name) as channel:
            await channel.queue_bind(name, binding.exchange, binding.key)

    async def unbind(self, name: str, binding: Binding) -> None:
        """Unbind a queue; one that is not bound so, or not there, is left as it is.

        Raises:
            BusError: the broker refuses it.
        """
        async with self._request(name) as channel:
            await channel.queue_unbind(name, binding.exchange, binding.key)

    async def purge(self, name: str) -> int:
        """Throw away what nobody has in hand.

        Returns:
            How many events these were.

        Raises:
            BusError: the broker refuses it.
        """
        async with self._request(name) as channel:
            return (await channel.queue_purge(name)).message_count or 0

    async def delete(self, name: str) -> int:
        """Delete a queue, with what is in it. Quorum queues know no other way (540 not implemented).

        Returns:
            How many events were in it.

        Raises:
            BusError: the broker refuses it.
        """
        async with self._request(name) as channel:
            return (await channel.queue_delete(name)).message_count or 0

    async def move(self, source: str, target: Target, *, most: int | None = None, room: Room | None = None) -> Moved:
        """Move events from a queue to another; see `Carrier.move`."""
        return await self._carrier.move(source, target, most=most, room=room)

    def _request(self, name: str) -> AbstractAsyncContextManager[AbstractChannel]:
        return request(self._link, self._declarer, f'the queue {name}')


def _take_over(named: Inequivalence, arguments: dict[str, Any], flags: dict[str, bool]) -> None:
    """Ask for what the queue has."""
    if named.argument in flags:
        flags[named.argument] = named.found is True
    elif named.found is None:
        arguments.pop(named.argument, None)
    else:
        arguments[named.argument] = named.found


def as_declared(wanted: Queue, found: tuple[Inequivalence, ...]) -> Queue:
    """The queue that is there, as far as RabbitMQ has said how it differs from the one that is wanted."""
    arguments: dict[str, Any] = dict(wanted.arguments)
    for each in found:
        _take_over(each, arguments, {})
    return replace(wanted, arguments=tuple(sorted(arguments.items())))
