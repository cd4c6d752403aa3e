# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The topology: every exchange, queue and binding that the configuration asks for, as values.

    xivo (topic) ──#──┐
                      ├──> NAMESPACE (topic: the hub) ──patterns──> NAMESPACE.<handler>
    wazo-headers ──{}─┘
                      NAMESPACE.dead (direct) ──handler──> NAMESPACE.<handler>.dead

Nothing here speaks to a broker: `wazo_busd.amqp.declaration` and `wazo_busd.memory` do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wazo_busd.config import QueueConfig

Argument = str | int | bool


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange.

    Attributes:
        name: its name.
        type: `topic`, `headers` or `direct`.
    """

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """An exchange that Wazo services publish on, and how the hub is bound to it.

    Attributes:
        exchange: the exchange.
        routing_key: the key of the binding. A headers exchange wants none, and no arguments: `x-match: any` alone
            matches nothing (Wazo fact).
    """

    exchange: Exchange
    routing_key: str


UPSTREAMS = (
    Upstream(Exchange('xivo', 'topic'), '#'),
    Upstream(Exchange('wazo-headers', 'headers'), ''),
)
"""Both are live: hosts of 2019 publish on `xivo`, today's on `wazo-headers` except wazo-auth."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue.

    Attributes:
        name: its name.
        arguments: its `x-` arguments, as sorted pairs.
    """

    name: str
    arguments: tuple[tuple[str, Argument], ...]

    @property
    def is_quorum(self) -> bool:
        """Whether it is a quorum queue, which keeps its events over a crash of the broker."""
        return ('x-queue-type', 'quorum') in self.arguments

    def as_classic(self) -> Queue:
        """The same queue for a broker that refuses quorum queues."""
        arguments = dict(self.arguments) | {'x-queue-type': 'classic'}
        return replace(self, arguments=tuple(sorted(arguments.items())))


@dataclass(frozen=True, slots=True)
class HandlerQueue:
    """What one handler asks of the broker.

    Attributes:
        handler: the handler's name.
        queue: its queue.
        dead: the queue of its dead letters.
        patterns: what binds its queue to the hub, sorted.
    """

    handler: str
    queue: Queue
    dead: Queue
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hub:
    """The exchanges of ours, by namespace.

    Attributes:
        namespace: what every name of ours begins with.
    """

    namespace: str

    @property
    def exchange(self) -> Exchange:
        """The hub itself: everything from upstream passes it, and derived events begin here."""
        return Exchange(self.namespace, 'topic')

    @property
    def dead(self) -> Exchange:
        """Where dead letters are published, with the handler's name as routing key."""
        return Exchange(f'{self.namespace}.dead', 'direct')

    def queue_name(self, handler: str) -> str:
        """The name of a handler's queue."""
        return f'{self.namespace}.{handler}'

    def handler_queue(self, handler: str, patterns: Iterable[str], config: QueueConfig) -> HandlerQueue:
        """What a handler asks of the broker.

        A full handler queue drops its oldest event; a full dead-letter queue refuses, so that a flood of failures stops
        the handler that fails and pushes no dead letter out. Dead letters never expire.

        Args:
            handler: its name.
            patterns: what it matches.
            config: what kind of queue it wants.
        """
        limits: dict[str, Argument] = {
            'x-queue-type': config.type,
            'x-max-length': config.max_length,
            'x-max-length-bytes': config.max_bytes,
        }
        return HandlerQueue(
            handler,
            _queue(
                self.queue_name(handler), limits | {'x-overflow': 'drop-head', 'x-expires': int(config.expires * 1000)}
            ),
            _queue(f'{self.queue_name(handler)}.dead', limits | {'x-overflow': 'reject-publish'}),
            tuple(sorted(set(patterns))),
        )


def _queue(name: str, arguments: dict[str, Argument]) -> Queue:
    return Queue(name, tuple(sorted(arguments.items())))
