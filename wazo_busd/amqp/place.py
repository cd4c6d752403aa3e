# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The place: a queue of a handler as it is wanted, the ways into it, and what there is of it in the broker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from wazo_busd.amqp.carrier import Binding
from wazo_busd.amqp.inequivalence import Inequivalence
from wazo_busd.amqp.queues import Queues
from wazo_busd.topology import HandlerQueue, Hub, Queue


@dataclass(frozen=True, slots=True)
class Place:
    """A queue, and the ways into it.

    Attributes:
        handler: whose it is.
        queue: the queue as the configuration wants it.
        bindings: what it is bound by.
        exchange: the direct exchange by which events are moved to it.
        old_bindings: what it can be bound by besides, from before.
    """

    handler: str
    queue: Queue
    bindings: tuple[Binding, ...]
    exchange: str
    old_bindings: tuple[Binding, ...] = ()

    @property
    def interim(self) -> str:
        """The name of the interim queue. A handler's has no dot in it."""
        return f'{self.queue.name}.moving'

    @property
    def to_interim(self) -> Binding:
        """What leads to the interim queue alone."""
        return Binding(self.exchange, f'{self.handler}.moving')

    @property
    def to_new(self) -> Binding:
        """What leads to the new queue alone."""
        return Binding(self.exchange, f'{self.handler}.moved')

    def limit(self, argument: str) -> int:
        """What a limit of the queue is."""
        return int(dict(self.queue.arguments)[argument])


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a place.

    Attributes:
        differences: in what the queue differs from what is wanted; `None` if it is not there.
        ready: how many events lie in it.
        consumers: how many take them.
        interim: how many events lie in its interim queue; `None` if there is none.
    """

    differences: tuple[Inequivalence, ...] | None
    ready: int = 0
    consumers: int = 0
    interim: int | None = None

    @property
    def is_as_wanted(self) -> bool:
        """Whether nothing is to be done."""
        return not self.differences and self.interim is None


def places(wanted: HandlerQueue, hub: Hub, old_patterns: Iterable[str] = ()) -> tuple[Place, Place]:
    """The queue of a handler and that of its dead letters.

    Args:
        wanted: what the handler asks for.
        hub: what the exchanges are called.
        old_patterns: what its queue was bound with before.
    """
    own = tuple(Binding(hub.exchange.name, pattern) for pattern in wanted.patterns)
    old = tuple(Binding(hub.exchange.name, pattern) for pattern in sorted(set(old_patterns) - set(wanted.patterns)))
    back, dead = Binding(hub.returns.name, wanted.handler), Binding(hub.dead.name, wanted.handler)
    return (
        Place(wanted.handler, wanted.queue, (*own, back), hub.returns.name, old),
        Place(wanted.handler, wanted.dead, (dead,), hub.dead.name),
    )


async def found(queues: Queues, place: Place, *, compare: bool = True) -> Found:
    """What there is of a place.

    Args:
        queues: the broker.
        place: the place.
        compare: whether to ask in what the queue differs.

    Raises:
        BusError: the broker refuses to say.
    """
    differences = await queues.compare(place.queue) if compare else ()
    depth, interim = await queues.look(place.queue.name), await queues.look(place.interim)
    return Found(
        differences if depth is not None else None,
        ready=depth.ready if depth is not None else 0,
        consumers=depth.consumers if depth is not None else 0,
        interim=interim.ready if interim is not None else None,
    )
