# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The relocation: a queue made anew with other arguments, while events go on to come, and without losing one.

A queue cannot be changed, and its name can only be had again when it is deleted. So there is an interim queue, whose
name no handler can have:

1. what lies in the old queue is moved to the interim queue, which nothing else leads to;
2. the interim queue is bound as the old one is, the old one is unbound, what came meanwhile is moved;
3. the old queue, which is empty, is deleted, and the new one made;
4. what lies in the interim queue is moved to the new one;
5. the new queue is bound, the interim queue unbound, what came meanwhile is moved;
6. the interim queue, which is empty, is deleted.

At every moment at least one bound queue takes what is published, and an event is taken out of one queue when the next
has confirmed it. Whatever ends it, all events are in these queues, and what is there tells the next run where to go on.
While two queues are bound, for the blink of an eye, both take what is published: it comes twice. Nothing tells such
twins from two events that are alike, which hosts of 2019 send, so none of them is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wazo_busd.amqp.carrier import AT_ONCE, Moved, Room, Target
from wazo_busd.amqp.place import Found, Place, found
from wazo_busd.amqp.queues import Queues
from wazo_busd.errors import BusError
from wazo_busd.topology import Argument, Queue

_SETTLE_SECONDS = 1.0
"""So long after it was unbound a queue may get what was on its way: RabbitMQ routes first and writes then."""

_MOST_ROUNDS = 10
"""So often what came meanwhile is moved too, before the queues change places: some bus never rests."""

_ROOM_SECONDS = 10.0
_ROOM_PAUSE_SECONDS = 0.2
_FULL = 0.9
"""So much of the bytes that a queue holds is filled by what is moved; the rest is for what comes meanwhile."""

_AGAIN = 'wazo-busd queue recreate {}'


class Relocation:
    """Makes one queue anew.

    Args:
        queues: the broker.
        place: the queue.
        told: called with a sentence for the operator.
    """

    def __init__(self, queues: Queues, place: Place, told: Callable[[str], None] = lambda text: None) -> None:
        self._queues = queues
        self._place = place
        self._told = told
        self._again = _AGAIN.format(place.handler)

    async def run(self) -> int:
        """Make it anew, or go on where somebody was interrupted.

        Returns:
            How many events were moved to the new queue.

        Raises:
            BusError: it is not possible, or not now; nothing is lost.
        """
        there = await found(self._queues, self._place)
        if there.is_as_wanted:
            if there.differences is not None:
                # The last thing that somebody who was interrupted has left.
                await self._queues.unbind(self._place.queue.name, self._place.to_new)
            return 0
        self.check(there)
        if there.differences:
            await self._leave(there)
        return await self._arrive()

    def check(self, there: Found) -> None:
        """See that nobody consumes the old queue, and that the new one has room.

        Raises:
            BusError: one of that is not so.
        """
        name, most = self._place.queue.name, self._place.limit('x-max-length')
        if there.differences and there.consumers:
            raise BusError(
                f'{name} is being consumed, so that what its consumer has in hand would be lost with it',
                f'wazo-busd reload, or systemctl stop wazo-busd; then {self._again}',
            )
        count = there.ready + (there.interim or 0)
        if count > most and not there.consumers:
            raise BusError(
                f'{name} has {count} events, and as the configuration says it would hold {most}',
                f'queue: {{max_length: {count}}} or more, then {self._again}; or let the handler work them off before',
            )

    async def _leave(self, there: Found) -> None:
        """From the old queue to the interim one."""
        place, queues = self._place, self._queues
        target = Target(place.to_interim, place.handler)
        if there.interim is None:
            await queues.declare(self._interim(there.ready))
        await queues.bind(place.interim, place.to_interim)
        self._told(f'{place.queue.name} is made anew, and what is in it moved')
        await self._in_rounds(place.queue.name, target)
        await self._switch(place.interim, place.queue.name)
        await self._move_rest(place.queue.name, target)
        depth = await queues.look(place.queue.name)
        if depth is not None and depth.consumers:
            raise BusError(
                f'somebody consumes {place.queue.name} meanwhile', f'systemctl stop wazo-busd; then {self._again}'
            )
        await queues.delete(place.queue.name)

    async def _arrive(self) -> int:
        """From the interim queue to the new one."""
        place, queues = self._place, self._queues
        target = Target(place.to_new, place.handler)
        await queues.declare(place.queue)
        await queues.bind(place.queue.name, place.to_new)
        if await queues.look(place.interim) is None:
            return 0
        moved = Moved(0, 0)
        try:
            moved = await self._in_rounds(place.interim, target, self._room_until_taken_up)
        finally:
            # Also if somebody interrupts it: the interim queue is not to fill beside the new one.
            await self._switch(place.queue.name, place.interim)
        rest = await self._move_rest(place.interim, target, self._room)
        await queues.delete(place.interim)
        await queues.unbind(place.queue.name, place.to_new)
        return moved.events + rest.events

    async def _switch(self, to: str, away: str) -> None:
        """Let what is published go to one queue, and then no longer to the other."""
        for binding in self._place.bindings:
            await self._queues.bind(to, binding)
        for binding in (*self._place.bindings, *self._place.old_bindings):
            await self._queues.unbind(away, binding)

    async def _in_rounds(self, source: str, target: Target, room: Room | None = None) -> Moved:
        """Move what lies in a queue, then what came meanwhile, until there is nothing for a moment."""
        moved, before = Moved(0, 0), None
        for _ in range(_MOST_ROUNDS):
            depth = await self._queues.look(source)
            if depth is None or not depth.ready or (before is not None and depth.ready >= before):
                # Or it comes as fast as it is moved.
                break
            before = depth.ready
            moved = _sum(moved, await self._queues.move(source, target, most=depth.ready, room=room))
        return moved

    async def _move_rest(self, source: str, target: Target, room: Room | None = None) -> Moved:
        """Move all that is left in a queue that nothing leads to any more."""
        moved = Moved(0, 0)
        for _ in range(_MOST_ROUNDS):
            moved = _sum(moved, await self._queues.move(source, target, room=room))
            await asyncio.sleep(_SETTLE_SECONDS)
            depth = await self._queues.look(source)
            if depth is None or not depth.ready:
                return moved
        raise BusError(f'somebody publishes to {source} all the time', f'rabbitmqctl list_bindings; then {self._again}')

    async def _room_until_taken_up(self, moved: Moved) -> int:
        """The same as `_room`, but 0 when the daemon consumes the new queue: it has bound it, and events come twice."""
        depth = await self._queues.look(self._place.queue.name)
        return 0 if depth is not None and depth.consumers else await self._room(moved)

    async def _room(self, moved: Moved) -> int:
        """How many events the new queue can take without dropping any; waits for a handler that works them off.

        Raises:
            BusError: it is full, and stays so.
        """
        place = self._place
        average = moved.bytes / moved.events if moved.events else 0.0
        for _ in range(round(_ROOM_SECONDS / _ROOM_PAUSE_SECONDS)):
            depth = await self._queues.look(place.queue.name)
            ready = depth.ready if depth is not None else 0
            by_length = place.limit('x-max-length') - ready
            by_bytes = place.limit('x-max-length-bytes') * _FULL / average - ready if average else by_length
            free = int(min(by_length, by_bytes))
            if free > 0:
                return min(free, AT_ONCE)
            await asyncio.sleep(_ROOM_PAUSE_SECONDS)
        raise BusError(
            f'{place.queue.name} is full; the others lie in {place.interim}, and nothing is lost',
            f'raise max_length or max_bytes of its queue, or let its handler work, then {self._again}',
        )

    def _interim(self, ready: int) -> Queue:
        """The interim queue: it has room for what is there and comes, refuses what is more, and never expires."""
        place = self._place
        arguments: dict[str, Argument] = {
            'x-queue-type': dict(place.queue.arguments)['x-queue-type'],
            'x-max-length': ready + place.limit('x-max-length'),
            'x-max-length-bytes': 4 * place.limit('x-max-length-bytes'),
            'x-overflow': 'reject-publish',
        }
        return Queue(place.interim, tuple(sorted(arguments.items())))


def _sum(one: Moved, other: Moved) -> Moved:
    return Moved(one.events + other.events, one.bytes + other.bytes)
