# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The work: one event on its way through one handler."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

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
        event: the event.
        call: the method that takes it.
        delivery: what is settled in the end.
    """

    __slots__ = ('call', 'delivery', 'duration_seconds', 'emitted', 'event', 'handler', 'started_at', 'thread')

    def __init__(self, handler: str, event: Event, call: Call, delivery: Delivery) -> None:
        self.handler = handler
        self.event = event
        self.call = call
        self.delivery = delivery
        self.started_at = 0.0
        """When the call began, Unix seconds; 0 before."""
        self.duration_seconds = 0.0
        """How long the call took; 0 before it ended."""
        self.thread: Any = None
        """The thread that is kept for it, where the call is blocking."""
        self.emitted = 0
        """How many derived events it has published."""


current_work: ContextVar[Work | None] = ContextVar('current_work', default=None)
"""The work of the running task; `None` outside handlers."""
