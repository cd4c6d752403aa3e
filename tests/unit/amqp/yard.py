# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Queues in no broker, at each step of whose life somebody publishes, consumes, or kills."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Self, cast

from wazo_busd.amqp.carrier import Binding, Moved, Room, Target
from wazo_busd.amqp.inequivalence import Inequivalence
from wazo_busd.amqp.place import Place, places
from wazo_busd.amqp.queues import Queues
from wazo_busd.amqp.relocation import Relocation
from wazo_busd.amqp.request import Depth
from wazo_busd.config import QueueConfig
from wazo_busd.errors import BusError
from wazo_busd.patterns import Matcher
from wazo_busd.topology import Hub, Queue

HUB = Hub('wazo-busd')
WANTED = HUB.handler_queue('crm', ['calls.#'], QueueConfig(max_length=1000))
OWN, DEAD = places(WANTED, HUB, ['faxes.#'])
BACKLOG = [f'old {number}' for number in range(5)]


class Killed(BaseException):
    """Stands for the end of the process."""


class Yard:
    """The queues.

    Args:
        place: the queue that is made anew.
        publish_every: after how many instants something is published.
        daemon_from: from which instant on a daemon with the new configuration tries to take up the queue.
    """

    def __init__(self, place: Place = OWN, *, publish_every: int = 7, daemon_from: int | None = None) -> None:
        self.hub = HUB
        self.place = place
        self.queues: dict[str, list[str]] = {place.queue.name: list(BACKLOG)}
        self.kinds: dict[str, Any] = {place.queue.name: {**dict(place.queue.arguments), 'x-max-length': 7}}
        self.bindings = {(place.queue.name, each) for each in place.bindings}
        self.consumed: set[str] = set()
        self.handled: list[str] = []
        self.published = list(BACKLOG)
        self.instants = 0
        self.kill_at: int | None = None
        self._publish_every = publish_every
        self._daemon_from = daemon_from
        self._is_dead = False

    def revive(self, kill_at: int | None = None) -> None:
        """Another process begins."""
        self._is_dead = False
        self.kill_at = None if kill_at is None else self.instants + kill_at

    def relocation(self) -> Relocation:
        return Relocation(cast('Queues', self), self.place)

    @property
    def kept(self) -> list[str]:
        """What the new queue has, or its handler has got."""
        return [*self.handled, *self.queues[self.place.queue.name]]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def unless_lost(self, going: Coroutine[Any, Any, Any]) -> Any:
        return await going

    async def has_quorum(self) -> bool:
        return True

    async def look(self, name: str) -> Depth | None:
        self._instant()
        return Depth(len(self.queues[name]), int(name in self.consumed)) if name in self.queues else None

    async def compare(self, wanted: Queue) -> tuple[Inequivalence, ...] | None:
        self._instant()
        if wanted.name not in self.queues:
            return None
        has = self.kinds.get(wanted.name, dict(wanted.arguments))
        return tuple(Inequivalence(key, value, has[key]) for key, value in wanted.arguments if has[key] != value)

    async def declare(self, queue: Queue) -> None:
        self._instant()
        self._declare(queue)
        self._instant()

    async def bind(self, name: str, binding: Binding) -> None:
        self._instant()
        assert name in self.queues
        self.bindings.add((name, binding))
        self._instant()

    async def unbind(self, name: str, binding: Binding) -> None:
        self._instant()
        self.bindings.discard((name, binding))
        self._instant()

    async def delete(self, name: str) -> int:
        self._instant()
        self.bindings = {each for each in self.bindings if each[0] != name}
        self.kinds.pop(name, None)
        self.consumed.discard(name)
        return len(self.queues.pop(name))

    async def purge(self, name: str) -> int:
        count = len(self.queues[name])
        self.queues[name].clear()
        return count

    async def move(self, source: str, target: Target, *, most: int | None = None, room: Room | None = None) -> Moved:
        moved = 0
        while self.queues[source] and (most is None or moved < most):
            if room is not None and not await room(Moved(moved, moved)):
                break
            event = self.queues[source][0]
            self._instant()
            assert self._route(target.binding, event) == 1
            self._instant()
            self.queues[source].remove(event)
            moved += 1
        return Moved(moved, moved)

    def _declare(self, queue: Queue) -> None:
        if self.kinds.setdefault(queue.name, dict(queue.arguments)) != dict(queue.arguments):
            raise BusError('another kind')
        self.queues.setdefault(queue.name, [])

    def _instant(self) -> None:
        """One moment, in which the others do something."""
        if self._is_dead:
            raise Killed
        self.instants += 1
        if self.instants % self._publish_every == 0:
            event = f'new {self.instants}'
            self.published.append(event)
            self._route(Binding(self.place.bindings[0].exchange, _key_of(self.place.bindings[0])), event)
            self.published.append(f'again {event}')
            self._route(self.place.bindings[-1], f'again {event}')
        if self._daemon_from is not None and self.instants >= self._daemon_from and self.instants % 5 == 0:
            self._daemon()
        if self.instants == self.kill_at:
            self._is_dead = True
            raise Killed

    def _daemon(self) -> None:
        """A daemon with the new configuration: refused, or it makes the queue, binds and consumes it."""
        name = self.place.queue.name
        if name in self.queues and self.kinds[name] != dict(self.place.queue.arguments):
            return
        self.kinds[name] = dict(self.place.queue.arguments)
        self.bindings |= {(name, each) for each in self.place.bindings}
        self.consumed.add(name)
        self.handled += self.queues.get(name, [])
        self.queues[name] = []

    def _route(self, binding: Binding, event: str) -> int:
        exchange, key = binding
        taken = {
            name
            for name, (where, pattern) in self.bindings
            if where == exchange and (Matcher([pattern]).matches(key) if where == 'wazo-busd' else pattern == key)
        }
        for name in taken:
            self.queues[name].append(event)
        return len(taken)


def _key_of(binding: Binding) -> str:
    return binding.key.replace('#', 'call.created')
