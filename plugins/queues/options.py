# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `queues`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_validator

from wazo_busd.api import BaseOptions, Duration

from ..tracking import TrackerOptions

GROUP = 'grp-'
"""How the names of Wazo's ring groups begin, which are queues of Asterisk (Wazo fact)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is asked of one queue.

    Attributes:
        answer_within: how many seconds a caller may wait.
        waiting_at: how many have to wait until it is said that many do.
        waiting_until: how few have to wait until it is said that no longer many do.
    """

    answer_within: float
    waiting_at: int
    waiting_until: int


class QueueOptions(BaseOptions):
    """What one queue has of its own; what it does not say is as for all.

    Attributes:
        answer_within: how long a caller of this queue may wait.
        waiting_at: how many have to wait in it for `busd.queue.waiting`.
        waiting_until: how few have to wait in it until that is over.
    """

    answer_within: Annotated[Duration, Field(gt=0)] | None = None
    waiting_at: Annotated[int, Field(ge=1)] | None = None
    waiting_until: Annotated[int, Field(ge=0)] | None = None


class QueuesOptions(TrackerOptions):
    """The options of `queues`.

    Attributes:
        most: how many callers are remembered at a time; one too many replaces the one who was heard of first.
        restore_within: how old what was remembered before a restart may be; older than that, it begins anew.
        answer_within: how long a caller may wait before `busd.queue.sla_missed`.
        waiting_at: how many have to wait in a queue for `busd.queue.waiting` with the state `raised`.
        waiting_until: how few have to wait until the state is `cleared`; below `waiting_at`.
        stale_after: for how long somebody waits of whom nothing is heard, as when the end of the wait was lost.
        members_known_after: for how long a queue is watched before it is believed that nobody is logged in to it, as
            nobody is heard of who does nothing.
        groups: whether ring groups are queues too, which Asterisk calls `grp-…`; one that `queues` names always is.
        queues: what single queues have of their own, by the names that Asterisk knows them by.
    """

    answer_within: Annotated[Duration, Field(gt=0)] = 20.0
    waiting_at: Annotated[int, Field(ge=1)] = 5
    waiting_until: Annotated[int, Field(ge=0)] = 2
    stale_after: Annotated[Duration, Field(ge=60.0)] = 14_400.0
    members_known_after: Duration = 14_400.0
    groups: bool = False
    queues: Mapping[str, QueueOptions] = Field(default_factory=dict)

    @model_validator(mode='after')
    def _thresholds(self) -> QueuesOptions:
        self.limits()
        for name in self.queues:
            self.limits(name)
        return self

    def watches(self, queue: str) -> bool:
        """Whether a queue is one that somebody wants to know of, and not a ring group.

        Args:
            queue: its name.
        """
        return not queue.startswith(GROUP) or self.groups or queue in self.queues

    def limits(self, queue: str = '') -> Limits:
        """What is asked of a queue.

        Args:
            queue: its name; without one, what is asked of those that have nothing of their own.

        Raises:
            ValueError: `waiting_until` is not below `waiting_at`.
        """
        own = self.queues.get(queue) or QueueOptions()
        at = self.waiting_at if own.waiting_at is None else own.waiting_at
        until = own.waiting_until
        if until is None:
            # Who asks for a lower waiting_at alone has not asked for what is then too many.
            until = self.waiting_until if own.waiting_at is None else min(self.waiting_until, at - 1)
        if until >= at:
            error = ValueError(f'waiting_until is {until}, and has to be below waiting_at, which is {at}')
            error.add_note('as in waiting_at: 5 and waiting_until: 2')
            raise error
        within = self.answer_within if own.answer_within is None else own.answer_within
        return Limits(within, at, until)
