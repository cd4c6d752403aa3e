# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus in memory: the same topology and the same promises inside one process, for tests and demonstrations."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from wazo_busd.bus import NOT_STARTED, BusStatus, ConsumerState, ConsumerStatus
from wazo_busd.delivery import Accept, Delivery, History, Lost, PlainProperties
from wazo_busd.event import identity
from wazo_busd.outcome import Reason
from wazo_busd.patterns import Matcher
from wazo_busd.topology import HandlerQueue, Hub


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that a handler gave up on.

    Attributes:
        body: the bytes of the body.
        exchange: the exchange it was published on.
        routing_key: the key it was published with.
        headers: its headers.
        reason: why the handler gave up.
    """

    body: bytes
    exchange: str
    routing_key: str
    headers: Mapping[str, Any]
    reason: Reason


@dataclass(slots=True)
class _Stored:
    """What lies in a queue."""

    body: bytes
    exchange: str
    routing_key: str
    headers: Mapping[str, Any]
    redelivered: bool = False
    history: History | None = None
    sent_at: float = 0.0


class MemoryBus:
    """Exchanges, queues and dead letters of one process. Nothing survives it.

    Args:
        namespace: what every name of ours begins with.
        prefetch: how many deliveries of a handler may be unsettled.
        on_change: called when the status is another.
        clock: tells when an event is sent, in Unix seconds, where that is a day that is over: it is received then. If
            it is `None`, an event is received when it is given out.
    """

    def __init__(
        self,
        namespace: str = 'wazo-busd',
        *,
        prefetch: int = 256,
        on_change: Callable[[], None] = lambda: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.hub = Hub(namespace)
        self.dead_letters: dict[str, list[DeadLetter]] = {}
        """The dead letters, by handler."""
        self._prefetch = prefetch
        self._on_change = on_change
        self._clock = clock
        self._queues: dict[str, _MemoryQueue] = {}
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """See `wazo_busd.bus.Bus.run`."""
        await self._closing.wait()

    def attach(self, queue: HandlerQueue, accept: Accept | None, lost: Lost | None = None) -> None:
        """See `wazo_busd.bus.Bus.attach`."""
        existing = self._queues.get(queue.handler)
        if existing is None:
            existing = self._queues[queue.handler] = _MemoryQueue(self, self._prefetch)
        existing.open(queue, accept)
        self._on_change()

    def limit(self, handler: str, count: int | None, reason: str) -> None:
        """See `wazo_busd.bus.Bus.limit`."""
        self._queues[handler].limit(count, reason)
        self._on_change()

    async def cancel(self, handler: str) -> None:
        """See `wazo_busd.bus.Bus.cancel`."""
        self._queues[handler].cancel()
        self._on_change()

    async def detach(self, handler: str, timeout_seconds: float) -> None:
        """See `wazo_busd.bus.Bus.detach`."""
        self._queues[handler].close()
        self._on_change()

    async def keep_only(self, handlers: Collection[str]) -> None:
        """See `wazo_busd.bus.Bus.keep_only`."""
        for name, queue in self._queues.items():
            if name not in handlers:
                queue.matcher = Matcher(())

    async def publish(self, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """See `wazo_busd.bus.Bus.publish`."""
        self.send(self.hub.exchange.name, routing_key, body, headers)

    async def hand(self, handler: str, exchange: str, routing_key: str, body: bytes, name: str) -> None:
        """See `wazo_busd.bus.Bus.hand`."""
        history = History(event_id=identity(exchange, routing_key, body), attempts=0)
        self._queues[handler].put(_Stored(body, exchange, routing_key, {'name': name}, history=history))

    def beat(self) -> None:
        """See `wazo_busd.bus.Bus.beat`: there is no connection."""

    async def close(self) -> None:
        """See `wazo_busd.bus.Bus.close`."""
        self._closing.set()

    def status(self) -> BusStatus:
        """See `wazo_busd.bus.Bus.status`."""
        return BusStatus(
            True,
            'in memory, without RabbitMQ',
            {
                name: replace(queue.status, waiting=len(queue.waiting))
                for name, queue in self._queues.items()
                if queue.is_attached
            },
        )

    def send(self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """Publish as a service would.

        Args:
            exchange: `xivo`, `wazo-headers` or the hub; all lead to the hub.
            routing_key: the key.
            body: the body.
            headers: the headers.
        """
        sent_at = 0.0 if self._clock is None else self._clock()
        for queue in self._queues.values():
            if queue.matcher.matches(routing_key):
                queue.put(_Stored(body, exchange, routing_key, headers, sent_at=sent_at))

    def backlog(self, handler: str) -> int:
        """How many events of a handler wait or are unsettled."""
        queue = self._queues[handler]
        return len(queue.waiting) + len(queue.held)

    @property
    def waiting(self) -> int:
        """How many events of all handlers together wait or are unsettled."""
        return sum(map(self.backlog, self._queues))


class _MemoryQueue:
    """A handler's queue, and the acknowledger of what it delivers."""

    def __init__(self, bus: MemoryBus, prefetch: int) -> None:
        self.accept: Accept | None = None
        self.matcher = Matcher(())
        self.waiting: deque[_Stored] = deque()
        self.held: dict[int, _Stored] = {}
        self.status = ConsumerStatus(ConsumerState.WAITING)
        self.is_attached = False
        self._bus = bus
        self._prefetch = prefetch
        self._limit = prefetch
        self._max_length = 0
        self._tags = itertools.count(1)
        self._pumping = False

    def open(self, queue: HandlerQueue, accept: Accept | None) -> None:
        self.matcher = Matcher(queue.patterns)
        self._max_length = queue.max_length
        self._limit = self._prefetch
        self.accept = accept
        self.status = (
            ConsumerStatus(ConsumerState.CONSUMING) if accept else ConsumerStatus(ConsumerState.WAITING, NOT_STARTED)
        )
        self.is_attached = True
        self._schedule()

    def limit(self, count: int | None, reason: str) -> None:
        if self.accept is not None:
            self._limit = self._prefetch if count is None else count
            self.status = ConsumerStatus(ConsumerState.CONSUMING if self._limit else ConsumerState.PAUSED, reason)
            self._schedule()

    def cancel(self) -> None:
        self.accept = None
        self.status = ConsumerStatus(ConsumerState.CANCELLED)

    def put(self, stored: _Stored) -> None:
        self.waiting.append(stored)
        if len(self.waiting) > self._max_length:
            self.waiting.popleft()
        self._schedule()

    def close(self) -> None:
        """What is not settled goes back to where it was."""
        self.accept = None
        self.is_attached = False
        for stored in reversed(self.held.values()):
            stored.redelivered = True
            self.waiting.appendleft(stored)
        self.held.clear()

    def ack(self, delivery: Delivery) -> None:
        if self.held.pop(delivery.tag, None) is not None:
            self._schedule()

    def postpone(self, delivery: Delivery, history: History) -> None:
        stored = self.held.get(delivery.tag)
        if stored is not None:
            copy = replace(stored, redelivered=False, history=history)
            asyncio.get_running_loop().call_later(max(0.0, history.due_at - time.time()), self.put, copy)
            delivery.close()

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        stored = self.held.get(delivery.tag)
        if stored is not None:
            self._bus.dead_letters.setdefault(reason.handler, []).append(
                DeadLetter(stored.body, stored.exchange, stored.routing_key, stored.headers, reason)
            )
            delivery.close()

    def leave(self, delivery: Delivery) -> None:
        """It is given back when the handler is detached."""

    def give_back(self, delivery: Delivery) -> None:
        stored = self.held.pop(delivery.tag, None)
        if stored is not None:
            self.waiting.appendleft(replace(stored, redelivered=True))
            self._schedule()

    def replace(self, old: Delivery, new: Delivery) -> None:
        """Nothing comes again here: no channel is ever lost."""

    def unsettled(self) -> Iterable[Delivery]:
        """Nothing: no channel is ever lost."""
        return ()

    def doubtful(self) -> Iterable[Delivery]:
        """Nothing, for the same reason."""
        return ()

    def _schedule(self) -> None:
        if not self._pumping and self.accept is not None:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        while self.accept is not None and self.waiting and len(self.held) < self._limit:
            stored = self.waiting.popleft()
            tag = next(self._tags)
            self.held[tag] = stored
            self.accept(
                Delivery(
                    tag,
                    body=stored.body,
                    exchange=stored.exchange,
                    routing_key=stored.routing_key,
                    properties=PlainProperties(stored.headers),
                    redelivered=stored.redelivered,
                    history=stored.history,
                    received_at=stored.sent_at or time.time(),
                    acknowledger=self,
                )
            )
