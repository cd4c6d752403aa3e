# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The topology: every exchange, queue and binding that the configuration asks for, as values.

    xivo (topic) ──#──┐
                      ├──> NAMESPACE (topic: the hub) ──patterns──> NAMESPACE.<handler>
    wazo-headers ──{}─┘
    NAMESPACE.retry (headers) ──busd-delay──> NAMESPACE.retry.<delay> ──when it is over──> NAMESPACE.return
    NAMESPACE.return (direct) ──handler──> NAMESPACE.<handler>
                              ──nobody's──> NAMESPACE.orphans (fanout) ──> NAMESPACE.return.orphans
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
        type: `topic`, `headers`, `direct` or `fanout`.
        alternate: where what no queue is bound for goes instead; `''` if nowhere.
    """

    name: str
    type: str
    alternate: str = ''


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
        # Classic queues have no other strategy than the default.
        arguments.pop('x-dead-letter-strategy', None)
        return replace(self, arguments=tuple(sorted(arguments.items())))


@dataclass(frozen=True, slots=True)
class Delay:
    """A back-off step: a queue that holds events for a time and then hands them to the exchange for returns.

    Attributes:
        queue: the queue.
        milliseconds: how long it holds them, and the value of the header that leads there.
    """

    queue: Queue
    milliseconds: int


@dataclass(frozen=True, slots=True)
class HandlerQueue:
    """What one handler asks of the broker.

    Attributes:
        handler: the handler's name.
        queue: its queue.
        dead: the queue of its dead letters.
        patterns: what binds its queue to the hub, sorted.
        delays_seconds: the delay queues that its retries go through.
    """

    handler: str
    queue: Queue
    dead: Queue
    patterns: tuple[str, ...]
    delays_seconds: tuple[float, ...] = ()

    @property
    def max_length(self) -> int:
        """How many events the handler's queue holds."""
        return int(dict(self.queue.arguments)['x-max-length'])

    @property
    def max_bytes(self) -> int:
        """How many bytes of bodies it holds."""
        return int(dict(self.queue.arguments)['x-max-length-bytes'])

    @property
    def has_single_consumer(self) -> bool:
        """Whether the broker serves one consumer at a time, however many daemons there are."""
        return bool(dict(self.queue.arguments).get('x-single-active-consumer'))


DELAY_HEADER = 'busd-delay'
"""The header that chooses the delay queue. A headers exchange ignores those that begin with `x-` (RabbitMQ)."""


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
    def exchanges(self) -> tuple[Exchange, ...]:
        """All of them, each after those that it refers to."""
        return (self.exchange, self.orphans, self.returns, self.retry, self.dead)

    @property
    def dead(self) -> Exchange:
        """Where dead letters are published, with the handler's name as routing key."""
        return Exchange(f'{self.namespace}.dead', 'direct')

    @property
    def retry(self) -> Exchange:
        """Where copies that are to be tried again are published, with the handler's name as routing key."""
        return Exchange(f'{self.namespace}.retry', 'headers')

    @property
    def returns(self) -> Exchange:
        """Where they come from when their time is over, each for the one handler that failed.

        The retries of a handler that is gone go elsewhere, so that they block nobody.
        """
        return Exchange(f'{self.namespace}.return', 'direct', alternate=self.orphans.name)

    @property
    def orphans(self) -> Exchange:
        """Where the retries of handlers that are gone go."""
        return Exchange(f'{self.namespace}.orphans', 'fanout')

    @property
    def orphan_queue(self) -> Queue:
        """Where they lie until somebody looks."""
        return _queue(f'{self.namespace}.return.orphans', _KEPT | {'x-overflow': 'reject-publish'})

    def delay(self, seconds: float) -> Delay:
        """A back-off step.

        The broker gives the events on only when their handler's queue has confirmed them, and refuses what the delay
        queue has no room for: a copy that it took is never lost.

        Args:
            seconds: how long it holds them.
        """
        milliseconds = round(seconds * 1000)
        arguments: dict[str, Argument] = {
            'x-message-ttl': milliseconds,
            'x-dead-letter-exchange': self.returns.name,
            'x-dead-letter-strategy': 'at-least-once',
            'x-overflow': 'reject-publish',
        }
        told = f'{milliseconds // 1000}s' if milliseconds % 1000 == 0 else f'{milliseconds}ms'
        return Delay(_queue(f'{self.retry.name}.{told}', _KEPT | arguments), milliseconds)

    def queue_name(self, handler: str) -> str:
        """The name of a handler's queue."""
        return f'{self.namespace}.{handler}'

    def handler_of(self, queue: str) -> str:
        """The handler whose queue is called `queue`."""
        return queue.removeprefix(f'{self.namespace}.')

    def handler_queue(
        self, handler: str, patterns: Iterable[str], config: QueueConfig, delays_seconds: Iterable[float] = ()
    ) -> HandlerQueue:
        """What a handler asks of the broker.

        A full handler queue drops its oldest event; a full dead-letter queue refuses, so that a flood of failures stops
        the handler that fails and pushes no dead letter out. Dead letters never expire.

        Args:
            handler: its name.
            patterns: what it matches.
            config: what kind of queue it wants.
            delays_seconds: the back-off steps of its retries.
        """
        limits: dict[str, Argument] = {
            'x-queue-type': config.type,
            'x-max-length': config.max_length,
            'x-max-length-bytes': config.max_bytes,
        }
        own: dict[str, Argument] = {'x-overflow': 'drop-head', 'x-expires': int(config.expires * 1000)}
        if config.single_active_consumer:
            # Not where it is off: to RabbitMQ an argument that says so is another one than none.
            own['x-single-active-consumer'] = True
        return HandlerQueue(
            handler,
            _queue(self.queue_name(handler), limits | own),
            _queue(f'{self.queue_name(handler)}.dead', limits | {'x-overflow': 'reject-publish'}),
            tuple(sorted(set(patterns))),
            tuple(delays_seconds),
        )


_DEFAULT = QueueConfig()

_KEPT: dict[str, Argument] = {
    'x-queue-type': 'quorum',
    'x-max-length': _DEFAULT.max_length,
    'x-max-length-bytes': _DEFAULT.max_bytes,
}
"""What bounds the queues that belong to no handler."""


def _queue(name: str, arguments: dict[str, Argument]) -> Queue:
    return Queue(name, tuple(sorted(arguments.items())))
