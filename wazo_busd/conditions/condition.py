# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The condition: all that an event must be, beside what its handler matches, for the handler to want it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from wazo_busd.conditions.moment import happened_at
from wazo_busd.conditions.schedule import DAYS, Schedule
from wazo_busd.conditions.where import Where
from wazo_busd.errors import ConditionError
from wazo_busd.event import Event
from wazo_busd.language import Expression, Fault, Surroundings


class Refusal(Enum):
    """Why an event that a handler matches is not wanted by it."""

    FILTERED = 'filtered'
    EXPIRED = 'expired'
    THROTTLED = 'throttled'


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours in which a handler wants events.

    Attributes:
        name: the name of the schedule.
        schedule: the schedule.
        inside: whether events are wanted while it is open, or while it is not.
    """

    name: str
    schedule: Schedule
    inside: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    """What an event must be for a handler to want it. All that is given must agree.

    Attributes:
        handler: the name of the handler, for errors.
        where: what its fields must be.
        when: what must be true of it.
        hours: when it must have happened.
        expires_after_seconds: how old it may be.
        surroundings: what is known besides the event.
        host_uuid: the UUID of this Wazo host; `None` where that is unknown.
    """

    handler: str
    where: Where | None = None
    when: Expression | None = None
    hours: Hours | None = None
    expires_after_seconds: float | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)
    host_uuid: str | None = None

    def refusal(self, event: Event, *, now: float | None = None) -> Refusal | None:
        """Why the handler does not want `event`; `None` if it does.

        Args:
            event: the event.
            now: the time, in Unix seconds; that of the clock if `None`.

        Raises:
            ConditionError: it cannot be said. The text names the handler and the key.
        """
        if self.is_expired(event, now=now):
            return Refusal.EXPIRED
        try:
            if self.where is not None and not self.where.holds(event):
                return Refusal.FILTERED
            if self.hours is not None and not self._is_in_time(event, self.hours):
                return Refusal.FILTERED
            if self.when is not None and not self.when.holds(event, self.surroundings):
                return Refusal.FILTERED
        except Fault as error:
            raise self._unknown(error) from None
        return None

    def is_expired(self, event: Event, *, now: float | None = None) -> bool:
        """Whether `event` is older than it may be, by now, or at a time in Unix seconds."""
        limit = self.expires_after_seconds
        return limit is not None and self._age(event, now) > limit

    def explain(self, event: Event, *, now: float | None = None) -> tuple[str, ...]:
        """Why the handler does not want `event`, in sentences for a person: one for each part that says no.

        Args:
            event: the event.
            now: the time, in Unix seconds; that of the clock if `None`.

        Returns:
            The sentences; none if the handler wants it.
        """
        return tuple(self._denials(event, now))

    def _age(self, event: Event, now: float | None) -> float:
        return (time.time() if now is None else now) - happened_at(event, self.host_uuid)

    def _denials(self, event: Event, now: float | None) -> Iterator[str]:
        if self.is_expired(event, now=now) and self.expires_after_seconds is not None:
            age = self._age(event, now)
            yield f'expires_after: it is {age:.0f} s old, and {self.expires_after_seconds:g} s is the limit'
        try:
            for denial in self.where.denials(event) if self.where is not None else ():
                yield f'where: {denial}'
            if self.hours is not None and not self._is_in_time(event, self.hours):
                yield self._late(event, self.hours)
            for denial in self.when.denials(event, self.surroundings) if self.when is not None else ():
                yield f'when: {denial}'
        except Fault as error:
            yield str(self._unknown(error))

    def _is_in_time(self, event: Event, hours: Hours) -> bool:
        return hours.schedule.is_open(happened_at(event, self.host_uuid)) is hours.inside

    def _late(self, event: Event, hours: Hours) -> str:
        moment = hours.schedule.local(happened_at(event, self.host_uuid))
        state = 'closed' if hours.inside else 'open'
        return f'schedule: {hours.name} is {state} at {DAYS[moment.weekday()]} {moment:%Y-%m-%d %H:%M}'

    def _unknown(self, error: Fault) -> ConditionError:
        key = '' if error.text.startswith('where: ') or self.when is None else f'when: {self.when.source}: '
        return ConditionError(
            f'handler {self.handler}: it cannot be said whether it wants this event: {key}{error.text}; '
            'mend it, then: wazo-busd check'
        )
