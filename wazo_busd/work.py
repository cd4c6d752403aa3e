# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The work: one event on its way through one handler."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from wazo_busd.burst import EXCHANGE, burst_of
from wazo_busd.codec import Limits, decode
from wazo_busd.delivery import Delivery
from wazo_busd.event import Event


@dataclass(frozen=True, slots=True)
class Call:
    """A method of a started plugin, ready for an event.

    Attributes:
        run: takes the event; gives an awaitable unless it is blocking.
        blocking: whether it must run in a thread.
    """

    run: Callable[[Event], Any]
    blocking: bool


class Work:
    """One event on its way through one handler.

    Args:
        handler: the name of the handler.
        event: the event, at the present try.
        call: the method that takes it.
        delivery: what is settled in the end.
        in_lane: whether it has a lane, which it must not leave.
    """

    __slots__ = (
        'began_at',
        'call',
        'delivery',
        'duration_seconds',
        'emitted',
        'event',
        'first_at',
        'first_error',
        'handler',
        'held_since',
        'in_lane',
        'is_abandoned',
        'is_late',
        'is_suspect',
        'slot',
        'thread',
    )

    def __init__(self, handler: str, event: Event, call: Call, delivery: Delivery, *, in_lane: bool = False) -> None:
        self.handler = handler
        self.event = event
        self.call = call
        self.delivery = delivery
        self.in_lane = in_lane
        self.began_at = 0.0
        """When the present call began, on the monotonic clock; 0 before, and between two tries."""
        self.duration_seconds = 0.0
        """How long the last call took; 0 before it ended."""
        self.first_at = delivery.history.first_at if delivery.history else 0.0
        """When the first try began, here or before it came back, Unix seconds; 0 before."""
        self.first_error = delivery.history.first_error if delivery.history else ''
        """Class and text of what the first try raised."""
        self.held_since = 0.0
        """When the first try began that this process made, on the monotonic clock; 0 before it has failed."""
        self.thread: Any = None
        """The thread that is kept for it, where the call is blocking."""
        self.emitted = 0
        """How many derived events the present call has published."""
        self.is_late = False
        """Whether the present call has taken too long and was cancelled."""
        self.is_abandoned = False
        """Whether nobody waits for the present call any more."""
        self.slot = -1
        """Its place in the black box during the present call."""
        self.is_suspect = False
        """Whether it was there when the process crashed."""

    def afresh(self) -> Work:
        """The same work, for the tries that follow one that nobody waits for: that one keeps this value."""
        fresh = Work(self.handler, self.event, self.call, self.delivery, in_lane=self.in_lane)
        fresh.first_at, fresh.first_error, fresh.began_at = self.first_at, self.first_error, self.began_at
        fresh.held_since = self.held_since
        fresh.duration_seconds = self.running_seconds
        fresh.is_late, fresh.is_suspect = self.is_late, self.is_suspect
        return fresh

    @property
    def running_seconds(self) -> float:
        """For how long the present call runs; 0 before it has begun, and between two tries."""
        return time.monotonic() - self.began_at if self.began_at else 0.0

    @property
    def rounds(self) -> int:
        """How often the event has come back from a delay queue."""
        return self.delivery.history.rounds if self.delivery.history else 0


current_work: Final[ContextVar[Work | None]] = ContextVar('current_work', default=None)
"""The work of the running task; `None` outside handlers."""


def event_of(delivery: Delivery, limits: Limits) -> Event:
    """The event that a delivery brings; of a burst the one that stands for all of it.

    Args:
        delivery: the delivery.
        limits: what a body may be at most.

    Raises:
        Undecodable: it brings none.
    """
    history = delivery.history
    if history is not None and delivery.exchange == EXCHANGE:
        return burst_of(
            delivery.body,
            size=delivery.size,
            redelivered=delivery.redelivered,
            attempt=history.attempts + 1,
            id=history.event_id,
            limits=limits,
        )
    # By position, for a function called with keywords takes longer.
    return decode(
        delivery.body,
        delivery.properties.headers,
        delivery.routing_key,
        delivery.exchange,
        delivery.received_at,
        delivery.redelivered,
        limits,
        delivery.size,
        history.attempts + 1 if history else 1,
        history.event_id if history else None,
    )


def lane_of(event: Event, order_by: Sequence[str]) -> Hashable | None:
    """The lane of an event: the value of the field `order_by`; `None` if that is none that can be compared.

    Args:
        event: the event.
        order_by: the way to the field.
    """
    value: Any = getattr(event, order_by[0])
    for part in order_by[1:]:
        # Most are plain, and to ask whether it is any other map takes ten times as long.
        value = value.get(part) if type(value) is dict or isinstance(value, Mapping) else None
    if not isinstance(value, (str, int, float, bool)):
        return None
    # NaN is never equal to itself, and would be a lane of its own each time.
    return 'NaN' if value != value else value
