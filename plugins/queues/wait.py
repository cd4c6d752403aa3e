# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The wait: the time of one caller in one queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ..tracking.moment import seconds_between
from .reading import TOGETHER_SECONDS, number, text

Key = tuple[str, str, str | int]
"""The host, the queue and the channel; a number instead of the channel for somebody of whom only the count tells."""

Ending = Literal['left', 'abandoned', 'connected', 'completed']

_CALLS = 16
_BATCH_SECONDS = 0.5


@dataclass(slots=True)
class Wait:
    """Somebody who waits, or has waited.

    Attributes:
        key: where, and who.
        number: which of the waits of this channel in this queue, from 1.
        known_at: since when it is known, in Unix seconds.
        heard_at: when something was heard of it last.
        joined_at: when it began; `None` if that was not seen.
        ended_at: when it ended; `None` while it lasts.
        caller_id_name: the name of the caller.
        caller_id_number: the number of the caller.
        conversation_id: the call that the channel belongs to.
        position: the last place in the queue that is known.
        original_position: the first one.
        agent_rung: whether an agent was called for the caller.
        in_vain: how many agents were called in vain.
        calls: the last calls that were in vain, as each of them counts once.
        has_missed: whether it was too long.
        is_over: whether the same channel has joined again while nothing of an end was known.
        left: whether Asterisk has said that the caller is out of the queue.
        abandoned: whether it has said that they gave up.
        connected: whether it has said that an agent answered.
        completed: whether it has said that their talk is over.
        hold_seconds: how long it was, as Asterisk says.
        ring_seconds: how long the agent who answered was called.
        agent: the id, the number and the name of that agent.
    """

    key: Key
    number: int
    known_at: float
    heard_at: float
    joined_at: float | None = None
    ended_at: float | None = None
    caller_id_name: str | None = None
    caller_id_number: str | None = None
    conversation_id: str | None = None
    position: int | None = None
    original_position: int | None = None
    agent_rung: bool = False
    in_vain: int = 0
    calls: tuple[str, ...] = ()
    has_missed: bool = False
    is_over: bool = False
    left: bool = False
    abandoned: bool = False
    connected: bool = False
    completed: bool = False
    hold_seconds: int | None = None
    ring_seconds: int | None = None
    agent: tuple[int | None, str | None, str | None] = (None, None, None)

    @property
    def began_at(self) -> float:
        """Since when the caller waits, as far as that is known."""
        return self.known_at if self.joined_at is None else self.joined_at

    @property
    def is_explained(self) -> bool:
        """Whether it is known why it ended."""
        return self.abandoned or self.connected or self.completed

    @property
    def waited_seconds(self) -> float | None:
        """How long it was: what Asterisk measured, else what lies between the events."""
        if self.hold_seconds is not None:
            return self.hold_seconds
        return seconds_between(self.joined_at, self.ended_at)

    def is_after(self, at: float) -> bool:
        """Whether it is known to have begun after a time, in Unix seconds."""
        return self.joined_at is not None and at < self.joined_at

    def is_not_before(self, at: float) -> bool:
        """Whether it is known to have begun at a time, in Unix seconds, or after it."""
        return self.joined_at is not None and at <= self.joined_at

    def awaits(self, ending: Ending, at: float) -> bool:
        """Whether an ending belongs to this wait and not to the next one of the same channel.

        Args:
            ending: what Asterisk says.
            at: when that was, in Unix seconds.
        """
        if not self.is_over or getattr(self, ending):
            return False
        return self.ended_at is not None and at <= self.ended_at + (_BATCH_SECONDS if self.left else TOGETHER_SECONDS)

    def describe(self, data: Mapping[str, Any]) -> None:
        """Note who the caller is.

        Args:
            data: an event of the caller's channel.
        """
        if self.caller_id_number is None:
            self.caller_id_number = text(data.get('CallerIDNum'))
        if self.caller_id_name is None:
            self.caller_id_name = text(data.get('CallerIDName'))
        if self.conversation_id is None:
            self.conversation_id = text(data.get('Linkedid'))

    def join(self, data: Mapping[str, Any], at: float) -> None:
        """Note that it has begun.

        Args:
            data: what Asterisk says of it.
            at: when that was, in Unix seconds.
        """
        self.joined_at = at
        self.describe(data)
        place = number(data.get('Position'))
        if self.original_position is None:
            self.original_position = place
        if self.position is None:
            self.position = place

    def ring_in_vain(self, call: str) -> bool:
        """Note that an agent did not answer.

        Args:
            call: the call to the agent.

        Returns:
            Whether that is new.
        """
        self.agent_rung = True
        if call in self.calls:
            return False
        self.calls = (*self.calls[1 - _CALLS :], call)
        self.in_vain += 1
        return True

    def dump(self) -> list[Any]:
        """What `load` makes the same of."""
        return [getattr(self, name) for name in Wait.__slots__]

    @classmethod
    def load(cls, said: Sequence[Any]) -> Wait:
        """What `dump` was made of.

        Raises:
            TypeError, ValueError: it is damaged.
        """
        loaded = cls(*said)
        origin, queue, channel = loaded.key
        loaded.key = (origin, queue, channel)
        loaded.calls = tuple(loaded.calls)
        agent_id, agent_number, name = loaded.agent
        loaded.agent = (agent_id, agent_number, name)
        return loaded


@dataclass(slots=True)
class Gone:
    """What is remembered of a wait that is over and told, so that nothing is told twice.

    Attributes:
        number: which of the waits of its channel in its queue it was.
        ended_at: when it ended, in Unix seconds.
        completed: whether the talk that followed is over; also if none did.
        wait: the wait, if it is not known why it ended: that can be said late. `None` if it is.
    """

    number: int
    ended_at: float
    completed: bool
    wait: Wait | None = None

    def dump(self) -> list[Any]:
        """What `load` makes the same of."""
        return [self.number, self.ended_at, self.completed, None if self.wait is None else self.wait.dump()]

    @classmethod
    def load(cls, said: Sequence[Any]) -> Gone:
        """What `dump` was made of.

        Raises:
            TypeError, ValueError: it is damaged.
        """
        which, ended_at, completed, wait = said
        return cls(which, ended_at, completed, None if wait is None else Wait.load(wait))
