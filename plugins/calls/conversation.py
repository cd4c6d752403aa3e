# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The conversation: all legs of one call, and what is known of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from .leg import Leg

MOST_LEGS = 100
_MOST_NOTES = 200
_ORPHAN_SECONDS = 60.0
_LINGER_SECONDS = 2.0
_UNSEEN_SECONDS = 120.0
"""For how long a caller of whom nothing was told can have been with nobody after a talk."""
_QUIET_SECONDS = 600.0
"""For how long nothing is heard of a caller for whom another telephone can still ring."""
_TOGETHER_SECONDS = 1.0


@dataclass(slots=True)
class Conversation:
    """All legs of one call.

    Attributes:
        key: what the tracker knows it by.
        origin: the host; `''` where it is not known.
        tenant: the tenant; `''` where it is not known.
        conversation_id: what the host knows it by; that of its first leg where the host does not say.
        since: when its first event was.
        seen_at: when its last event was.
        legs: its legs by their calls, in the order in which they became known.
        others: further calls and conversations that are this one.
        answered: whether somebody who was called has been connected.
        answered_at: when; `None` where that is not known.
        answered_call: the call of whom; `''` where it is not known.
        answered_user: the user who is known to have answered where the leg is not.
        held_since: since when somebody has it on hold; `None` while nobody has.
        hold_seconds: for how long it was on hold before.
        holds: how often it was put on hold.
        relocations: what moved it to another device.
        transfers: what transferred it.
        queue: the queue that its caller was in last; `''` for none.
        in_queue: whether they still are.
        left_queue_at: when they left it last.
        joined_queue_at: when they entered it last; `None` where that was not told before they left it.
        rejoined_queue_at: when they entered it while they were in it, so that it is still to be told that they left it.
        early_leave: the queue that they have left, as was told while they were in another one; `''` for none.
        early_leave_at: when that was.
        likely_agents: the calls that were taken for those of the queue when it was told first that they left it.
        reasons: why users missed it, as the host says.
        told: what was told of it already.
        missed_from: the name, number and user of the caller, as the host says of a missed call.
        missed_extension: the extension that was dialed, as the host says of a missed call.
    """

    key: str
    origin: str
    tenant: str
    conversation_id: str
    since: float
    seen_at: float
    legs: dict[str, Leg] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    answered: bool = False
    answered_at: float | None = None
    answered_call: str = ''
    answered_user: str = ''
    held_since: float | None = None
    hold_seconds: float = 0.0
    holds: int = 0
    relocations: list[str] = field(default_factory=list)
    transfers: list[str] = field(default_factory=list)
    queue: str = ''
    in_queue: bool = False
    left_queue_at: float | None = None
    joined_queue_at: float | None = None
    rejoined_queue_at: float | None = None
    early_leave: str = ''
    early_leave_at: float = 0.0
    likely_agents: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    missed_from: list[str] = field(default_factory=list)
    missed_extension: str = ''

    @property
    def caller(self) -> Leg | None:
        """The leg of whom called first; `None` where it is not known."""
        found: Leg | None = None
        for leg in self.legs.values():
            if leg.is_caller and (found is None or _place(leg) < _place(found)):
                found = leg
        return found

    @property
    def in_order(self) -> list[Leg]:
        """Its legs, the first one first; those of one moment in the same order however they became known."""
        return sorted(self.legs.values(), key=_place)

    @property
    def callees(self) -> list[Leg]:
        """The legs of those who were called."""
        return [leg for leg in self.legs.values() if leg.is_callee]

    @property
    def answerer(self) -> Leg | None:
        """The leg of whom answered; `None` where it is not known."""
        return self.legs.get(self.answered_call)

    @property
    def began_at(self) -> float:
        """When it began."""
        return min((leg.created_at for leg in self.legs.values()), default=self.since)

    @property
    def dialed(self) -> str:
        """The extension that was dialed; `''` where it is not known."""
        caller = self.caller
        if caller is not None and (caller.dialed or caller.peer_number):
            return caller.dialed or caller.peer_number
        return next((leg.dialed for leg in self.in_order if leg.dialed), self.missed_extension)

    @property
    def direction(self) -> str:
        """`inbound`, `internal` or `outbound`; `''` where it is not known."""
        caller = self.caller
        if caller is not None and caller.direction:
            return caller.direction
        said = [leg.direction for leg in self.in_order if leg.direction]
        # A leg is internal also while its host does not know better.
        return next((each for each in said if each != 'internal'), said[0] if said else self._likely_direction(caller))

    @property
    def over_at(self) -> float | None:
        """From when on nothing more is expected of it, in Unix seconds; `None` while somebody is there.

        A telephone that rings for a caller who is gone has stopped, though nobody says so. A caller of whom nothing was
        told can be there still, and be answered by somebody else.
        """
        open_legs = [leg for leg in self.legs.values() if not leg.is_over]
        caller = self.caller
        if not open_legs:
            linger = _LINGER_SECONDS
            if caller is None:
                linger = _UNSEEN_SECONDS if self.answered else _QUIET_SECONDS
            return max(self.last_end_at or 0.0, self.seen_at) + linger
        if self.is_silent:
            return self.seen_at + _QUIET_SECONDS
        if caller is None or caller.ended_at is None or any(leg.is_up for leg in open_legs):
            return None
        return caller.ended_at + _ORPHAN_SECONDS

    @property
    def is_silent(self) -> bool:
        """Whether telephones have rung in vain, none does any more, and the caller is not known to be gone.

        Whom the host has answered can hear music, or talk to a voicemail, for long.
        """
        if self.answered or self.in_queue or not (self.reasons or any(leg.is_callee for leg in self.legs.values())):
            return False
        open_legs = [leg for leg in self.legs.values() if not leg.is_over]
        return bool(open_legs) and all(leg.is_caller and not leg.is_up for leg in open_legs)

    @property
    def is_seen_by_its_end(self) -> bool:
        """Whether nothing was told of it before its legs ended: whether it was answered is not known then."""
        return bool(self.legs) and not self.reasons and all(leg.is_late for leg in self.legs.values())

    @property
    def is_abandoned(self) -> bool:
        """Whether its caller was in a queue to the end."""
        if self.in_queue or self.left_queue_at is None:
            return self.in_queue
        return self.left_queue_at + _TOGETHER_SECONDS >= (self.last_end_at or self.seen_at)

    @property
    def last_end_at(self) -> float | None:
        """When the last of the legs that are over ended; `None` if none is."""
        return max((leg.ended_at for leg in self.legs.values() if leg.ended_at is not None), default=None)

    def note(self, notes: list[str], what: str) -> bool:
        """Whether `what` is new among notes of this conversation; it is not afterwards."""
        if not what or what in notes or len(notes) >= _MOST_NOTES:
            return False
        notes.append(what)
        return True

    def hold(self, leg: Leg, at: float) -> bool:
        """Let a leg's party have it on hold; whether that is new."""
        if leg.held_at is not None or leg.is_over or (leg.let_go_at is not None and at < leg.let_go_at):
            return False
        leg.held_at, leg.hold_told = at, False
        self.holds += 1
        if self.held_since is None:
            self.held_since = at
        return True

    def let_go(self, leg: Leg, at: float) -> bool:
        """Let a leg's party not have it on hold any more; whether that is new."""
        if leg.held_at is None:
            return False
        leg.let_go_at = at = max(at, leg.held_at)
        leg.held_at = None
        if self.held_since is not None and all(each.held_at is None for each in self.legs.values()):
            self.hold_seconds += max(0.0, at - self.held_since)
            self.held_since = None
        return True

    def absorb(self, other: Conversation) -> None:
        """Be that conversation too."""
        for call_id, leg in other.legs.items():
            if len(self.legs) < MOST_LEGS:
                self.legs.setdefault(call_id, leg)
        self.others = list(dict.fromkeys((*self.others, *other.others, other.key)))[: 4 * MOST_LEGS]
        self.since, self.seen_at = min(self.since, other.since), max(self.seen_at, other.seen_at)
        if other.answered and (not self.answered or _is_before(other.answered_at, self.answered_at)):
            self.answered, self.answered_at = True, other.answered_at
            self.answered_call, self.answered_user = other.answered_call, other.answered_user
        self.hold_seconds += other.hold_seconds
        self.holds += other.holds
        starts = [each for each in (self.held_since, other.held_since) if each is not None]
        self.held_since = min(starts, default=None)
        for name in ('relocations', 'transfers', 'told'):
            for each in getattr(other, name):
                self.note(getattr(self, name), each)
        if other.queue and (other.in_queue or not self.queue) and not self.in_queue:
            self.queue, self.in_queue = other.queue, other.in_queue
            self.rejoined_queue_at = other.rejoined_queue_at
            self.left_queue_at, self.joined_queue_at = other.left_queue_at, other.joined_queue_at
        self.reasons = dict([*other.reasons.items(), *self.reasons.items()][:_MOST_NOTES])
        self.missed_from = self.missed_from or other.missed_from
        self.missed_extension = self.missed_extension or other.missed_extension

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        said = dict(zip(_NAMES, _values_of(self), strict=True))
        for name in _LISTS:
            said[name] = list(said[name])
        said['reasons'] = dict(self.reasons)
        said['legs'] = {call_id: leg.dump() for call_id, leg in self.legs.items()}
        return said

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> Conversation:
        """What `dump` was made of."""
        return cls(**{**said, 'legs': {call_id: Leg.load(leg) for call_id, leg in said['legs'].items()}})

    def _likely_direction(self, caller: Leg | None) -> str:
        """What follows from whose the legs are, on hosts that do not say."""
        callees = self.callees
        has_users = any(leg.user_uuid for leg in callees)
        if caller is None:
            return ''
        if not caller.user_uuid:
            return 'inbound'
        if callees:
            return 'internal' if has_users else 'outbound'
        return 'internal' if caller.is_up else ''


_NAMES = tuple(each.name for each in fields(Conversation))
_values_of = attrgetter(*_NAMES)
_LISTS = ('others', 'relocations', 'transfers', 'told', 'missed_from', 'likely_agents')


def _place(leg: Leg) -> tuple[float, str]:
    return leg.created_at, leg.call_id


def _is_before(one: float | None, other: float | None) -> bool:
    return one is not None and (other is None or one < other)
