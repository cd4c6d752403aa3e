# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The bus, as the daemon sees it: what RabbitMQ and the in-memory bus both do."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from wazo_busd.config import Config
from wazo_busd.delivery import Accept, Lost
from wazo_busd.topology import HandlerQueue


class ConsumerState(Enum):
    """Whether a handler's queue is being consumed."""

    WAITING = 'waiting'
    CONSUMING = 'consuming'
    PAUSED = 'paused'
    REFUSED = 'refused'
    CANCELLED = 'cancelled'


NOT_STARTED = 'its handler is not started'
"""The detail of a queue that is only there to gather events."""


@dataclass(frozen=True, slots=True)
class ConsumerStatus:
    """How one handler's queue fares.

    Attributes:
        state: whether it is being consumed.
        detail: what keeps it from being consumed, and the cure; `''` where nothing does.
        waiting: how many events wait in it for this handler, when it was last looked at; `None` where nobody knows.
        since: since when that is so, on the monotonic clock.
    """

    state: ConsumerState
    detail: str = ''
    waiting: int | None = field(default=None, compare=False)
    since: float = field(default_factory=time.monotonic, compare=False)


def consuming_seconds(status: ConsumerStatus | None) -> float:
    """For how many seconds a queue has been consumed without interruption; 0 while it is not.

    Args:
        status: how it fares; `None` for one that nobody knows.
    """
    if status is None or status.state is not ConsumerState.CONSUMING:
        return 0.0
    return time.monotonic() - status.since


@dataclass(frozen=True, slots=True)
class BusStatus:
    """How the bus fares.

    Attributes:
        connected: whether events can come and go.
        summary: one line for a person: connected to what, or what is waited for.
        consumers: the handlers' queues, by handler name.
        cannot_publish: why nothing can be published although it is connected, and the cure; `''` where it can.
    """

    connected: bool
    summary: str
    consumers: Mapping[str, ConsumerStatus]
    cannot_publish: str = ''


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which events can have been lost.

    Attributes:
        handler: the handler whose events; `''` if it is all of them.
        from_at: when it began at the earliest, Unix seconds.
        to_at: when it was over at the latest, Unix seconds.
        reason: what happened, in words.
    """

    handler: str
    from_at: float
    to_at: float
    reason: str


class Bus(Protocol):
    """Where deliveries come from and derived events go to."""

    async def run(self) -> None:
        """Keep connected and consuming until `close`; a broker that is away is waited for."""

    def attach(self, queue: HandlerQueue, accept: Accept | None, lost: Lost | None = None) -> None:
        """Ask for a handler's queue, now and after every reconnection.

        Args:
            queue: the queue and what is bound to it.
            accept: where its deliveries go; `None` lets them gather in the queue.
            lost: told when a channel is gone, whose deliveries come again; `None` if nobody wants to know.
        """

    def limit(self, handler: str, count: int | None, reason: str) -> None:
        """Say how many deliveries a handler may have unsettled, from soon on. It can still settle those it has.

        Args:
            handler: its name.
            count: as many as that; 0 takes no more, `None` is what the configuration says.
            reason: why, for its status; `''` where nothing is the matter.
        """

    async def cancel(self, handler: str) -> None:
        """Take no more deliveries for a handler. Those it has can still be settled."""

    async def detach(self, handler: str, timeout_seconds: float) -> None:
        """Settle what can be settled, give the rest back, and know the handler no more. Its queue stays.

        Args:
            handler: its name.
            timeout_seconds: how long to wait for dead letters to be confirmed.
        """

    async def keep_only(self, handlers: Collection[str]) -> None:
        """Unbind the queues of all other handlers that this daemon ever attached, now and after every reconnection.

        Args:
            handlers: the names of those whose events are wanted, attached or not.
        """

    async def publish(self, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        """Publish a derived event on the hub; returns when the broker has confirmed it."""

    async def hand(self, handler: str, exchange: str, routing_key: str, body: bytes, name: str) -> None:
        """Publish an event for one handler alone, attached here; returns when the broker has confirmed it.

        Args:
            handler: the handler.
            exchange: the exchange that it is to come from.
            routing_key: the key that it is to come with.
            body: its body.
            name: its name, for people who look at it in the broker.

        Raises:
            wazo_busd.errors.BusError: the broker refuses it.
        """

    def beat(self) -> None:
        """Tell the broker over every open connection that we live. Called by another thread while the loop is blocked.

        Whoever knows how often the broker wants to hear it does nothing when it is called more often.
        """

    async def close(self) -> None:
        """Disconnect. `run` returns."""

    def status(self) -> BusStatus:
        """How the bus fares now."""


class MakeBus(Protocol):
    """Makes the bus that the configuration asks for."""

    def __call__(self, config: Config, on_change: Callable[[], None], on_gap: Callable[[Gap], None]) -> Bus:
        """Make it.

        Args:
            config: the configuration.
            on_change: called by the bus when its status is another.
            on_gap: told by the bus of a time in which events can have been lost.
        """
