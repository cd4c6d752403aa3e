# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The delivery: one arrival of one event on one queue, settled exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from wazo_busd.errors import AlreadySettled
from wazo_busd.event import identity
from wazo_busd.outcome import Outcome, Reason

_DONE: Final = Outcome.DONE
"""To read a member of an enumeration takes as long as a call does."""

_END_LENGTH: Final = 768
LONGEST_WHOLE: Final = 2 * _END_LENGTH
"""A body that is no longer is looked at as a whole."""


_SLIM_LENGTH: Final = 65_536
"""A longer body is not kept for what it may be recognised by; its identity is."""


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


_NO_PROPERTIES: Final = PlainProperties({})


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was tried before an event came back, as its copy says.

    Attributes:
        event_id: the identity of the event.
        attempts: how many tries there were.
        rounds: how often it was in a delay queue.
        first_at: when the first try began, Unix seconds.
        first_error: class and text of what the first try raised.
        due_at: when the next try may begin, Unix seconds.
    """

    event_id: str
    attempts: int
    rounds: int = 0
    first_at: float = 0.0
    first_error: str = ''
    due_at: float = 0.0


class Acknowledger(Protocol):
    """Who tells a broker what became of its deliveries; bound to the channel that delivered.

    None of these waits. What has to be waited for (a copy must be confirmed before its event is acknowledged) goes on
    behind, and the bus's `detach` waits for it.
    """

    def ack(self, delivery: Delivery) -> None:
        """The event is done with."""

    def postpone(self, delivery: Delivery, history: History) -> None:
        """Put a copy into a delay queue until `history.due_at`, then acknowledge."""

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        """The handler gives up on it: keep a copy with the reason, then acknowledge."""

    def leave(self, delivery: Delivery) -> None:
        """Nothing is told: when the channel closes, the broker gives the event out again."""

    def give_back(self, delivery: Delivery) -> None:
        """The broker is to have it back now."""

    def replace(self, old: Delivery, new: Delivery) -> None:
        """From now on `new` stands where `old` stood, under the same tag."""

    def unsettled(self) -> Iterable[Delivery]:
        """What it was never told to acknowledge, or has not passed on: once the channel is gone all of it comes again.

        That is what waits or runs, what a copy is being made of, and what is finished.
        """

    def doubtful(self) -> Iterable[Delivery]:
        """What it acknowledged last, so that the broker may not have read it: some of it comes again, perhaps."""


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
        history: what was tried before; `None` for an event that comes for the first time.
    """

    __slots__ = (
        '_acknowledger',
        '_identity',
        'body',
        'exchange',
        'history',
        'is_closed',
        'properties',
        'received_at',
        'redelivered',
        'routing_key',
        'settled',
        'size',
        'tag',
        'when_closed',
    )

    def __init__(
        self,
        tag: int,
        body: bytes,
        exchange: str,
        routing_key: str,
        properties: Properties,
        redelivered: bool,
        received_at: float,
        acknowledger: Acknowledger,
        size: int | None = None,
        history: History | None = None,
    ) -> None:
        self.tag = tag
        self.body = body
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = properties
        self.redelivered = redelivered
        self.received_at = received_at
        self.size = size
        self.history = history
        self.settled: Outcome | None = None
        self.is_closed = False
        """Whether nothing is left but to acknowledge it: it is done with, or its copy is confirmed."""
        self.when_closed: Callable[[], None] | None = None
        """Called when it is closed."""
        self._acknowledger = acknowledger
        self._identity: str | None = None

    @property
    def identity(self) -> str:
        """What this event, at this try, is recognised by when it is given out again."""
        if self._identity is None:
            history = self.history
            self._identity = (
                identity(self.exchange, self.routing_key, self.body)
                if history is None
                else f'{history.event_id}/{history.attempts}'
            )
        return self._identity

    @property
    def mark(self) -> str:
        """What it is suspected by when the process has ended while it was run: the identity, where that costs little.

        Of a long body only the size and both ends are looked at, for it is asked for before each such event is run.
        """
        body = self.body
        if self.history is not None or len(body) <= LONGEST_WHOLE:
            return self.identity
        ends = body[:_END_LENGTH], body[-_END_LENGTH:]
        return identity(self.exchange, self.routing_key, b'%d ' % len(body) + b''.join(ends))

    @property
    def event_id(self) -> str:
        """The identity of the event, at whatever try."""
        return self.history.event_id if self.history is not None else self.identity

    def slim(self) -> None:
        """Let go of all but what it is recognised by: its properties, and its body if that is long."""
        self.properties = _NO_PROPERTIES
        if len(self.body) > _SLIM_LENGTH and self.identity:
            self.body = b''

    def came_by(self, acknowledger: Acknowledger) -> bool:
        """Whether `acknowledger` is who settles it."""
        return self._acknowledger is acknowledger

    def settle(self, outcome: Outcome, *, reason: Reason | None = None, history: History | None = None) -> None:
        """Tell the broker the outcome.

        Args:
            outcome: what became of the event.
            reason: why the handler gave up; needed for DEAD and only for that.
            history: what the copy is to say; needed for RETRY and only for that.

        Raises:
            AlreadySettled: it was settled before.
            TypeError: what the outcome needs is missing; nothing is settled.
        """
        if self.settled is not None:
            raise AlreadySettled(f'delivery {self.tag} is {self.settled.value}, it cannot become {outcome.value}')
        if outcome is _DONE or outcome is Outcome.DISCARDED:
            self.settled = outcome
            self.close()
        elif outcome is Outcome.DEAD:
            if reason is None:
                raise TypeError('a dead letter needs its reason')
            self.settled = outcome
            self._acknowledger.dead_letter(self, reason)
        elif outcome is Outcome.RETRY:
            if history is None:
                raise TypeError('a retry needs its history')
            self.settled = outcome
            self._acknowledger.postpone(self, history)
        else:
            self.settled = outcome
            self._acknowledger.leave(self)

    def give_back(self) -> None:
        """Settle it as INTERRUPTED, and let the broker have it back now.

        Raises:
            AlreadySettled: it was settled before.
        """
        if self.settled is not None:
            raise AlreadySettled(f'delivery {self.tag} is {self.settled.value}, it cannot be given back')
        self.settled = Outcome.INTERRUPTED
        self._acknowledger.give_back(self)

    def close(self) -> None:
        """Acknowledge it: the event is done with, or a copy of it is safe."""
        self.is_closed = True
        if self.when_closed is not None:
            self.when_closed()
        self._acknowledger.ack(self)

    def renew(self, other: Delivery) -> None:
        """Take the place of `other`, in which the broker gives the same event out again after the channel was lost.

        What this process still does with the event is told by the new channel; what it has done is acknowledged there.
        """
        other.settled = self.settled or Outcome.INTERRUPTED
        self.tag, self._acknowledger, self.received_at = other.tag, other._acknowledger, other.received_at
        self._acknowledger.replace(other, self)
        if self.is_closed:
            self._acknowledger.ack(self)


Accept = Callable[[Delivery], None]
"""The entrance of a handler's deliveries; it never waits and never raises."""

Lost = Callable[[Acknowledger], None]
"""Told that a channel is gone: what came by its acknowledger, and is not settled, is given out again."""
