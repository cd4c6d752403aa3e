# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Histories of calls for tests: legs that come, ring, talk and go, as hosts of each era tell of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from tests.plugins.trackers.call_leg import USERS, Era, Leg, event
from tests.plugins.trackers.rig import START, run
from wazo_busd.event import Event

__all__ = ['USERS', 'Course', 'Era', 'Leg', 'event', 'follows', 'outbound', 'told']

QUEUE = 'support'


@dataclass(frozen=True)
class Course:
    """What happens in a conversation, in seconds after it began.

    Attributes:
        begins: when it begins.
        caller: the number of the caller.
        rings: the extensions that ring at once.
        again: the extensions that ring when the first have rung in vain.
        ring: for how long each of them rings.
        by: which of those that ring last answers; `None` for nobody.
        talk: for how long they talk, between holds.
        holds: how long each hold is.
        service: for how long the host itself talks to a caller whom nobody answers.
        moves: whether the call is taken along to another device.
        gives_up: whether the caller hangs up first.
        transfer: how who answers transfers the call to a colleague; `''` for not at all.
        queue: whether those that ring first are agents of a queue, which the caller leaves when others ring.
        late: how much later than the calls the queue is told of.
    """

    begins: float
    caller: str
    rings: tuple[str, ...]
    again: tuple[str, ...] = ()
    ring: float = 10.0
    by: int | None = None
    talk: float = 20.0
    holds: tuple[float, ...] = ()
    service: float = 0.0
    moves: bool = False
    gives_up: bool = False
    transfer: Literal['', 'blind', 'attended'] = ''
    queue: bool = False
    late: float = 0.0

    @property
    def is_answered(self) -> bool:
        """Whether somebody answers."""
        return self.by is not None

    @property
    def missed_by(self) -> set[str]:
        """The users who miss it, which agents of a queue do not."""
        rung = self.again if self.queue else (*self.rings, *self.again)
        return set() if self.is_answered else {USERS[each] for each in rung}

    @property
    def others(self) -> set[str]:
        """The extensions that have rung, and not for a queue, when somebody else answers."""
        if self.by is None or (self.queue and not self.again):
            return set()
        last = list(self.again or self.rings)
        del last[self.by % len(last)]
        return {*last, *(self.rings if self.again and not self.queue else ())}

    @property
    def hold_seconds(self) -> float:
        """For how long it is on hold."""
        return sum(self.holds) if self.is_answered else 0.0


def told(courses: Iterable[Course], era: Era, **around: Any) -> list[Event]:
    """The events of conversations beside each other, in order of time."""
    events = [each for number, course in enumerate(courses) for each in _Telling(course, era, number, around).events()]
    return sorted(events, key=lambda each: each.received_at)


class _Telling:
    def __init__(self, course: Course, era: Era, number: int, around: dict[str, Any]) -> None:
        self._course = course
        self._era: Era = era
        self._number = number
        self._legs = 0
        self._around = around
        self._now = course.begins
        user = course.caller in USERS
        self._direction = 'internal' if user else 'inbound'
        self._caller = self._leg(course.caller, '', is_caller=True)

    def events(self) -> Iterator[Event]:
        course, caller = self._course, self._caller
        yield caller.says('call_created', self._now)
        yield from self._of_queue('QueueCallerJoin')
        self._now += 0.2
        legs: list[Leg] = []
        for extensions in filter(None, (course.rings, course.again)):
            for leg in legs:
                yield leg.says('call_ended', self._now, reason_code=19)
            if legs:
                yield from self._of_queue('QueueCallerLeave')
            legs = [self._leg(extension, course.caller) for extension in extensions]
            for leg in legs:
                yield leg.says('call_created', self._now)
            self._now += course.ring
        if not course.again:
            yield from self._of_queue('QueueCallerLeave')
        if course.by is None or not legs:
            yield from self._in_vain(legs)
        else:
            yield from self._talk(legs.pop(course.by % len(legs)), legs)

    def _in_vain(self, legs: list[Leg]) -> Iterator[Event]:
        caller, course = self._caller, self._course
        for leg in legs:
            yield leg.says('call_ended', self._now, reason_code=16 if course.gives_up else 19)
        if course.service and not course.gives_up:
            caller.status = 'Up'
            yield caller.says('call_updated', self._now)
            self._now += course.service
        yield caller.says('call_ended', self._now, reason_code=16)

    def _talk(self, leg: Leg, others: list[Leg]) -> Iterator[Event]:
        caller, course = self._caller, self._course
        self._connect(leg)
        if self._era == 'now':
            yield leg.says('call_answered', self._now)
        yield leg.says('call_updated', self._now)
        yield caller.says('call_updated', self._now)
        for other in others:
            yield other.says('call_ended', self._now, reason_code=26)
        self._now += course.talk
        for seconds in course.holds:
            yield from self._hold(leg, seconds)
        if course.moves:
            leg = yield from self._move(leg)
        if course.transfer:
            leg = yield from self._transfer(leg)
        for each in (caller, leg) if course.gives_up else (leg, caller):
            each.others.clear()
            yield each.says('call_ended', self._now, reason_code=16)

    def _hold(self, leg: Leg, seconds: float) -> Iterator[Event]:
        for name, is_held in (('call_held', True), ('call_resumed', False)):
            leg.on_hold = is_held
            data = {'call_id': leg.call_id} if self._era == 'seed' else {'call_id': leg.call_id, 'user_uuid': leg.user}
            yield event(name, data, self._now, self._era, **self._around)
            yield leg.says('call_updated', self._now)
            self._now += seconds if is_held else self._course.talk

    def _move(self, before: Leg) -> Any:
        after = self._leg(before.number, self._course.caller)
        said = {
            'uuid': f'relocation {self._number}',
            'relocated_call': self._caller.call_id,
            'initiator_call': before.call_id,
            'recipient_call': after.call_id,
            'completions': ['answer'],
            'initiator': before.user,
            'timeout': 30,
        }
        yield event('relocate_initiated', said, self._now, self._era, **self._around)
        yield after.says('call_created', self._now)
        self._now += 3
        after.status = 'Up'
        yield event('relocate_answered', said, self._now, self._era, **self._around)
        self._connect(after)
        yield after.says('call_updated', self._now)
        yield event('relocate_completed', said, self._now, self._era, **self._around)
        before.others.clear()
        yield before.says('call_ended', self._now, reason_code=16)
        yield event('relocate_ended', said, self._now, self._era, **self._around)
        self._now += self._course.talk
        return after

    def _transfer(self, before: Leg) -> Any:
        after = self._leg('1005', self._course.caller if self._course.transfer == 'blind' else before.number)
        after.conversation = after.call_id
        said = {
            'id': f'transfer {self._number}',
            'transferred_call': self._caller.call_id,
            'initiator_call': before.call_id,
            'recipient_call': None,
            'flow': self._course.transfer,
        }
        yield event('transfer_created', said, self._now, self._era, **self._around)
        said = {**said, 'recipient_call': after.call_id}
        yield after.says('call_created', self._now)
        yield event('transfer_updated', said, self._now, self._era, **self._around)
        before.others.clear()
        if self._course.transfer == 'blind':
            yield before.says('call_ended', self._now, reason_code=16)
        self._now += 3
        self._connect(after)
        yield event('transfer_answered', said, self._now, self._era, **self._around)
        yield after.says('call_updated', self._now)
        yield event('transfer_completed', said, self._now, self._era, **self._around)
        if self._course.transfer == 'attended':
            yield before.says('call_ended', self._now, reason_code=16)
        self._now += self._course.talk
        return after

    def _of_queue(self, name: str) -> Iterator[Event]:
        if self._course.queue:
            data = {'Event': name, 'Queue': QUEUE, 'Uniqueid': self._caller.call_id}
            yield event(name, data, self._now + self._course.late, self._era, **self._around)

    def _connect(self, leg: Leg) -> None:
        leg.status = self._caller.status = 'Up'
        leg.others, self._caller.others = {self._caller.call_id: self._caller.user}, {leg.call_id: leg.user}

    def _leg(self, number: str, peer: str, *, is_caller: bool = False) -> Leg:
        self._legs += 1
        return Leg(
            self._era,
            f'{START.timestamp():.0f}.{self._number}.{self._legs}',
            number,
            peer,
            self._course.rings[0] if self._course.rings else '*98',
            is_caller,
            f'{START.timestamp():.0f}.{self._number}.1',
            self._direction,
            around=self._around,
            is_late=True,
        )


def follows(events: list[Event], name: str, region: str | None = 'CA', **options: Any) -> list[dict[str, Any]]:
    """The data of what `calls` derives of one kind, such as `missed`."""
    found = run(lambda: CallsTracker(CallsOptions(**options), region), events)
    return [dict(each.derivation.data) for each in found if each.derivation.name == f'busd.call.{name}']


def outbound(number: str, at: float, *, answered: bool = True, era: Era = 'now', user: str = '1001') -> list[Event]:
    """A user calls somebody outside."""
    caller = Leg(era, f'{at}.1', user, '', number, True, f'{at}.1', 'outbound')
    trunk = Leg(era, f'{at}.2', number, user, number, False, f'{at}.1', 'outbound')
    events = [caller.says('call_created', at), trunk.says('call_created', at + 1)]
    if answered:
        trunk.status = caller.status = 'Up'
        trunk.others, caller.others = {caller.call_id: caller.user}, {trunk.call_id: None}
        events += [trunk.says('call_updated', at + 5), caller.says('call_updated', at + 5)]
    return [*events, trunk.says('call_ended', at + 9, reason_code=19), caller.says('call_ended', at + 9)]
