# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The room: a conference or a meeting, and who is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wazo_busd.api import Event

from ..tracking import iso, seconds_between, uuid_of, whole_of
from .participant import Participant

MOST_PARTICIPANTS = 500
"""So many can be in one room at a time."""

_LISTED = 50
_PAST = 100
_GONE = 200
_LATE_SECONDS = 60.0
"""What is said of somebody so long after they left is late; what comes after it says that they are there again."""


@dataclass(slots=True)
class Room:
    """A room, open while somebody is in it.

    Attributes:
        kind: `conference` or `meeting`.
        id: the number of the conference, or the UUID of the meeting.
        origin_uuid: the host.
        tenant_uuid: the tenant.
        opened_at: when the first one came, in Unix seconds; `None` while nobody is in it.
        seen_at: when something was said of it last, in Unix seconds.
        present: who is in it, in the order in which they came.
        past: who was in it since it was opened, and left; of too many, the last ones.
        gone: when those who left it did so, in Unix seconds; of too many, the last ones.
        most: how many were in it at once since it was opened.
        different: how many came since then, each once.
        talk_seconds: how long all together have talked since then.
        is_recording: whether it is recorded.
        is_recording_known: whether that was said since it was opened, or just before; else a stop is news.
        is_recorded: whether it was since it was opened.
        recording_at: when that was said last, in Unix seconds.
        recording_since: since when it is recorded, in Unix seconds; `None` where that is not known.
        named: the users that the headers of an event name, where its data does not say who a participant is.
    """

    kind: str
    id: int | str
    origin_uuid: str | None = None
    tenant_uuid: str | None = None
    opened_at: float | None = None
    seen_at: float = 0.0
    present: dict[str, Participant] = field(default_factory=dict)
    past: dict[str, Participant] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    most: int = 0
    different: int = 0
    talk_seconds: float = 0.0
    is_recording: bool = False
    is_recording_known: bool = False
    is_recorded: bool = False
    recording_at: float = 0.0
    recording_since: float | None = None
    named: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """What it is known by among those of all hosts."""
        return f'{self.origin_uuid or ""}/{self.kind}/{self.id}'

    def may_come(self, id_: str, at: float, *, is_said: bool) -> bool:
        """Whether an event means that somebody is there, and is not one of before they left.

        Args:
            id_: the participant.
            at: when it happened, in Unix seconds.
            is_said: whether it says that they came, and not something else of them.
        """
        gone_at = self.gone.get(id_)
        return gone_at is None or at > gone_at + (0.0 if is_said else _LATE_SECONDS)

    def come(self, one: Participant) -> bool:
        """Let somebody in.

        Returns:
            Whether that opened it.
        """
        is_first = self.opened_at is None
        if is_first:
            self._open(one.joined_at)
        self.gone.pop(one.id, None)
        before = self.past.pop(one.id, None)
        if before is None:
            self.different += 1
        else:
            one.talk_seconds = before.talk_seconds
        self.present[one.id] = one
        self.most = max(self.most, len(self.present))
        return is_first

    def go(self, id_: str, at: float) -> Participant | None:
        """Let somebody out.

        Args:
            id_: the participant.
            at: when they left, in Unix seconds.

        Returns:
            Who that was; `None` if they are not there, or came after that.
        """
        one = self.present.get(id_)
        if one is not None and at < one.joined_at:
            return None
        self.gone[id_] = max(at, self.gone.pop(id_, 0.0))
        if len(self.gone) > _GONE:
            del self.gone[next(iter(self.gone))]
        if one is None:
            return None
        self.talk_seconds += one.stop_talking(at)
        del self.present[id_]
        self.past[id_] = one
        if len(self.past) > _PAST:
            del self.past[next(iter(self.past))]
        return one

    def close(self) -> None:
        """Be empty; what it was recorded to is known until somebody comes again."""
        self.opened_at = None
        self.past.clear()

    def record(self, at: float, *, is_recording: bool) -> bool:
        """Be recorded or not.

        Returns:
            Whether that is new.
        """
        is_old = at < self.recording_at if self.is_recording and not is_recording else at <= self.recording_at
        if is_old:
            return False
        is_new = is_recording != self.is_recording or not self.is_recording_known
        self.recording_at, self.is_recording_known = at, True
        self.is_recording = is_recording
        if is_recording:
            self.recording_since, self.is_recorded = at, True
        return is_new

    @property
    def told(self) -> dict[str, Any]:
        """Which one it is, for people."""
        is_meeting = self.kind == 'meeting'
        return {
            'kind': self.kind,
            'conference_id': None if is_meeting else self.id,
            'meeting_uuid': self.id if is_meeting else None,
            'opened_at': None if self.opened_at is None else iso(self.opened_at),
        }

    def roster(self) -> dict[str, Any]:
        """Who is in it, for people."""
        people = self.present.values()
        return {
            'count': len(people),
            'muted_count': sum(each.is_muted for each in people),
            'recording': self.is_recording,
            'participants': [each.told for each, _ in zip(people, range(_LISTED), strict=False)],
        }

    def history(self, closed_at: float) -> dict[str, Any]:
        """What there was since it was opened, for people."""
        talkers = sorted(self.past.values(), key=lambda each: (-each.talk_seconds, each.id))
        return {
            'closed_at': iso(closed_at),
            'seconds': seconds_between(self.opened_at, closed_at),
            'most_participants': self.most,
            'different_participants': self.different,
            'talk_seconds': round(self.talk_seconds, 1),
            'talkers': [
                {'id': each.id, **each.who, 'talk_seconds': round(each.talk_seconds, 1)} for each in talkers[:_LISTED]
            ],
            'recorded': self.is_recorded,
        }

    def users(self, *more: Participant) -> tuple[str, ...]:
        """The users in it, as far as the host says who they are, and others."""
        people = (*more, *self.present.values())
        found = {each.user_uuid for each in people[:_LISTED] if each.user_uuid}
        return tuple(sorted(found | set(self.named)))

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        said = {name: getattr(self, name) for name in self.__slots__}
        for who in ('present', 'past'):
            said[who] = [each.dump() for each in said[who].values()]
        return said | {'gone': list(self.gone.items())}

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> Room:
        """What `dump` was made of."""
        people = {
            who: {each.id: each for each in (Participant(**values) for values in said[who])}
            for who in ('present', 'past')
        }
        return cls(**{**said, **people, 'gone': dict(said['gone'])})

    def _open(self, at: float) -> None:
        self.opened_at = at
        self.most = self.different = 0
        self.talk_seconds = 0.0
        # The events of the first seconds can come in any order; a recording of before has ended unheard.
        self.is_recording_known = self.is_recording_known and self.recording_at >= at - _LATE_SECONDS
        self.is_recording = self.is_recording and self.is_recording_known
        self.is_recorded = self.is_recording


def room_id(event: Event, data: Mapping[str, Any], kind: str) -> int | str | None:
    """The room that an event is about; `None` where it is about none.

    Args:
        event: the event.
        data: what it says.
        kind: the kind of the room.
    """
    if kind == 'meeting':
        return uuid_of(data.get('meeting_uuid')) or uuid_of(event.headers.get('meeting_uuid'))
    found = data.get('conference_id')
    if type(found) is not int:
        found = event.conference_id
    return whole_of(data.get('id') if found is None and event.name.startswith('conference_record') else found)
