# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The delivery: one arrival of one event on one queue, settled exactly once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from wazo_busd.errors import AlreadySettled
from wazo_busd.outcome import Outcome, Reason


class Properties(Protocol):
    """What the publisher said about the body, decoded when it is asked for."""

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers, decoded.

        Raises:
            wazo_busd.errors.Undecodable: they cannot be decoded.
        """


class PlainProperties:
    """Properties that never were on a wire: nothing but headers.

    Args:
        headers: the headers.
    """

    __slots__ = ('headers',)

    def __init__(self, headers: Mapping[str, Any]) -> None:
        self.headers = headers


class Acknowledger(Protocol):
    """Who tells a broker what became of its deliveries; bound to the channel that delivered.

    None of the three waits. What has to be waited for (a dead letter must be confirmed before its event is
    acknowledged) goes on behind, and the bus's `detach` waits for it.
    """

    def ack(self, delivery: Delivery) -> None:
        """The event is done with."""

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        """The handler gives up on it: keep a copy with the reason, then acknowledge."""

    def leave(self, delivery: Delivery) -> None:
        """Nothing is told: the broker gives the event out again."""


class Delivery:
    """One arrival of one event on one queue.

    Args:
        tag: what the acknowledger knows it by.
        body: the bytes of the body; only its beginning if it was over the limit.
        exchange: the exchange it was published on.
        routing_key: the key it was published with.
        properties: what the publisher said about it.
        redelivered: whether the broker gave it out before.
        received_at: when it arrived, Unix seconds.
        acknowledger: who settles it.
        size: the true size of the body in bytes; `None` if `body` is all of it.
    """

    __slots__ = (
        '_acknowledger',
        'body',
        'exchange',
        'properties',
        'received_at',
        'redelivered',
        'routing_key',
        'settled',
        'size',
        'tag',
    )

    def __init__(
        self,
        tag: int,
        *,
        body: bytes,
        exchange: str,
        routing_key: str,
        properties: Properties,
        redelivered: bool,
        received_at: float,
        acknowledger: Acknowledger,
        size: int | None = None,
    ) -> None:
        self.tag = tag
        self.body = body
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = properties
        self.redelivered = redelivered
        self.received_at = received_at
        self.size = size
        self.settled: Outcome | None = None
        self._acknowledger = acknowledger

    def came_by(self, acknowledger: Acknowledger) -> bool:
        """Whether `acknowledger` is who settles it."""
        return self._acknowledger is acknowledger

    def settle(self, outcome: Outcome, reason: Reason | None = None) -> None:
        """Tell the broker the outcome.

        Args:
            outcome: what became of the event.
            reason: why the handler gave up; needed for DEAD and only for that.

        Raises:
            AlreadySettled: it was settled before.
            TypeError: it is DEAD and the reason is missing; nothing is settled.
        """
        if self.settled is not None:
            raise AlreadySettled(f'delivery {self.tag} is {self.settled.value}, it cannot become {outcome.value}')
        if outcome is Outcome.DEAD:
            if reason is None:
                raise TypeError('a dead letter needs its reason')
            self.settled = outcome
            self._acknowledger.dead_letter(self, reason)
            return
        self.settled = outcome
        if outcome is Outcome.INTERRUPTED:
            self._acknowledger.leave(self)
        else:
            self._acknowledger.ack(self)


Accept = Callable[[Delivery], None]
"""The entrance of a handler's deliveries; it never waits and never raises."""

Lost = Callable[[Acknowledger], None]
"""Told that a channel is gone: what came by its acknowledger, and is not settled, is given out again."""
