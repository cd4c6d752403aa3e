# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of conferences: knows who is in which room, and tells when that changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wazo_busd.api import Event, Figure, Panel

from ..tracking import (
    Alarms,
    Derivation,
    Shelf,
    Tracker,
    iso,
    mapping_of,
    seconds_between,
    text_of,
    uuid_of,
    uuids_of,
)
from .board import rooms_panel
from .participant import Participant
from .place import Places
from .room import MOST_PARTICIPANTS, Room, room_id

_WHATS = ('joined', 'left', 'muted', 'unmuted', 'talk_started', 'talk_stopped')
EVENTS: dict[str, tuple[str, str]] = {
    **{f'conference_participant_{what}': ('conference', what) for what in _WHATS},
    **{f'conference_user_participant_{what}': ('conference', what) for what in _WHATS if 'muted' not in what},
    **{f'conference_record_{what}': ('conference', f'record_{what}') for what in ('started', 'stopped')},
    **{
        f'meeting_{who}{what}': ('meeting', what)
        for who in ('participant_', 'user_participant_')
        for what in _WHATS[:2]
    },
}
"""The events of rooms that it takes: the kind of the room, and what each says."""
ENDED = 'call_ended'
"""What is said of a call that is over, and with that of a participant who left, should that be missing."""

_Counted = dict[tuple[str, ...], float]

_HOUR_SECONDS = 3600.0
_NAMED = 50
_KINDS = ('conference', 'meeting')
_COUNTS = ('opened', 'left', 'stale', 'recordings')
_PARTICIPANTS_A_ROOM = 20
_FEWEST_ROOMS = 10


class ConferenceTracker(Tracker):
    """Follows rooms from the first participant to the last.

    Args:
        stale_after_seconds: when somebody of whom nothing is heard any more has left unseen.
        most: how many participants are remembered; of rooms, a twentieth of that.
        names: what people call rooms.
    """

    def __init__(
        self, *, stale_after_seconds: float = 43_200.0, most: int = 20_000, names: Mapping[str, str] | None = None
    ) -> None:
        self._names = names or {}
        self._stale_after_seconds = stale_after_seconds
        self._most = most
        rooms = max(_FEWEST_ROOMS, most // _PARTICIPANTS_A_ROOM)
        self._rooms: Shelf[str, Room] = Shelf(rooms, stale_after_seconds + _HOUR_SECONDS)
        self._alarms: Alarms[tuple[str, str]] = Alarms()
        self._places = Places()
        self._counts = {kind: dict.fromkeys(_COUNTS, 0) for kind in _KINDS}
        self._talk_seconds = 0.0
        self._refused = 0

    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        """Take an event of a room."""
        said = EVENTS.get(event.name)
        if said is None:
            return self._hang_up(event, at) if event.name == ENDED else ()
        kind, what = said
        data = mapping_of(event.data)
        id_ = room_id(event, data, kind)
        if id_ is None:
            return ()
        if what.startswith('record_'):
            return self._record(self._room(event, kind, id_, at), at, is_recording=what == 'record_started')
        who = text_of(data.get('id')) or text_of(data.get('call_id'))
        if who is None:
            return ()
        room = self._room(event, kind, id_, at)
        if 'user_uuid' not in data and what in _WHATS[:2]:
            room.named = uuids_of(event.user_uuids, _NAMED)
        if what == 'left':
            return self._leave(room, who, at)
        one = room.present.get(who)
        found: list[Derivation] = []
        if one is None:
            one, found = self._come(room, data, who, what, at)
        if one is not None:
            one.seen_at = max(one.seen_at, at)
            self._alarms.set((room.key, who), one.seen_at + self._stale_after_seconds)
            found += self._change(room, one, what, at)
        return found

    def tick(self, at: float) -> Iterable[Derivation]:
        """Let those go of whom nothing was heard for too long."""
        found: list[Derivation] = []
        for (key, who), due in self._alarms.due(at):
            room = self._rooms.get(key)
            one = None if room is None else room.present.get(who)
            if room is not None and one is not None and self._go(room, who, one.seen_at):
                found += self._gone(room, one, 'stale', due, room.seen_at)
        for _, room in self._rooms.expired(at):
            self._forget(room)
        return found

    def due(self) -> float | None:
        """When the next one has to go, or a room is forgotten."""
        moments = (self._alarms.next(), self._rooms.oldest_at())
        return min((each for each in moments if each is not None), default=None)

    def dump(self) -> dict[str, Any]:
        """The rooms, and what was counted."""
        return {
            'rooms': [(at, room.dump()) for at, _, room in self._rooms.dump()],
            'counts': self._counts,
            'talk_seconds': self._talk_seconds,
            'refused': self._refused,
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know them again."""
        for at, values in said['rooms']:
            room = Room.load(values)
            self._keep(room, float(at))
            for one in room.present.values():
                self._alarms.set((room.key, one.id), one.seen_at + self._stale_after_seconds)
                self._note(room, one)
        self._counts = {kind: {name: int(said['counts'][kind][name]) for name in _COUNTS} for kind in _KINDS}
        self._talk_seconds, self._refused = float(said['talk_seconds']), int(said['refused'])

    def figures(self, at: float) -> Iterable[Figure]:
        """How many rooms are open, how many take part, and what was counted."""
        opened = [room for room in self._rooms.values() if room.opened_at is not None]
        rooms: _Counted = {(kind,): sum(room.kind == kind for room in opened) for kind in _KINDS}
        people: _Counted = {(kind,): sum(len(room.present) for room in opened if room.kind == kind) for kind in _KINDS}
        name = 'wazo_busd_conferences'
        yield Figure(f'{name}_rooms', 'Rooms that somebody is in.', labels=('kind',), values=rooms)
        yield Figure(f'{name}_participants', 'Participants in all rooms.', labels=('kind',), values=people)
        for count, said in (('opened', 'opened'), ('recordings', 'recorded')):
            values: _Counted = {(kind,): float(self._counts[kind][count]) for kind in _KINDS}
            yield Figure(f'{name}_{count}_total', f'How often a room was {said}.', 'counter', ('kind',), values)
        closed: _Counted = {(kind, why): float(self._counts[kind][why]) for kind in _KINDS for why in ('left', 'stale')}
        yield Figure(
            f'{name}_closed_total', 'How often a room was closed, and why.', 'counter', ('kind', 'reason'), closed
        )
        for count, said, value in (
            ('talk_seconds', 'How long participants have talked.', round(self._talk_seconds, 1)),
            ('refused', 'Participants that were one too many to be remembered.', self._refused),
            ('forgotten', 'Rooms that were forgotten because there were too many.', self._rooms.dropped),
        ):
            yield Figure(f'{name}_{count}_total', said, 'counter', values={(): value})

    def panels(self, at: float) -> Iterable[Panel]:
        """The rooms that are open."""
        return (rooms_panel(self._rooms.values(), self._names, at),)

    def _room(self, event: Event, kind: str, id_: int | str, at: float) -> Room:
        origin = uuid_of(event.origin_uuid)
        room = self._rooms.get(f'{origin or ""}/{kind}/{id_}')
        if room is None:
            room = Room(kind, id_, origin)
        room.seen_at = max(room.seen_at, at)
        if room.tenant_uuid is None and len(room.present) <= 1:
            room.tenant_uuid = uuid_of(event.tenant_uuid)
        self._keep(room, room.seen_at)
        return room

    def _come(
        self, room: Room, data: Mapping[str, Any], who: str, what: str, at: float
    ) -> tuple[Participant | None, list[Derivation]]:
        """Let in who joined, and who must have joined unseen, as something else is said of them."""
        is_said = what == 'joined'
        if not room.may_come(who, at, is_said=is_said):
            return None, []
        if not self._has_room(room):
            self._refused += 1
            return None, []
        one = Participant.of(data, who, at)
        if not is_said:
            one.backdate(data, self._stale_after_seconds)
        if 'muted' in what:
            one.is_muted, one.muted_at = what == 'muted', at
        found = []
        self._note(room, one)
        if room.come(one):
            self._counts[room.kind]['opened'] += 1
            found.append(self._derivation('busd.conference.opened', room, one.who, room.users()))
        found.append(self._roster(room, one, 'joined', at))
        return one, found

    def _change(self, room: Room, one: Participant, what: str, at: float) -> Iterator[Derivation]:
        if what == 'talk_started':
            one.start_talking(at)
        elif what == 'talk_stopped':
            self._talked(room, one.stop_talking(at))
        elif 'muted' in what and one.mute(at, is_muted=what == 'muted'):
            yield self._roster(room, one, what, at)

    def _hang_up(self, event: Event, at: float) -> Iterable[Derivation]:
        call_id = text_of(mapping_of(event.data).get('call_id'))
        found: list[Derivation] = []
        for key, who in self._places.of(uuid_of(event.origin_uuid), call_id) if call_id else ():
            room = self._rooms.get(key)
            if room is not None:
                room.seen_at = max(room.seen_at, at)
                found += self._leave(room, who, at)
        return found

    def _leave(self, room: Room, who: str, at: float) -> Iterable[Derivation]:
        one = self._go(room, who, at)
        if one is None:
            return ()
        self._alarms.cancel((room.key, who))
        return self._gone(room, one, 'left', at, at)

    def _go(self, room: Room, who: str, at: float) -> Participant | None:
        talked = room.talk_seconds
        one = room.go(who, at)
        self._talk_seconds += room.talk_seconds - talked
        return one

    def _gone(self, room: Room, one: Participant, why: str, at: float, closed_at: float) -> list[Derivation]:
        """What follows when somebody is not there any more."""
        self._places.take(room.origin_uuid, one.call_id or one.id, (room.key, one.id))
        found = [self._roster(room, one, why, at)]
        if not room.present:
            self._counts[room.kind][why] += 1
            told = {**room.history(closed_at), 'reason': why}
            found.append(self._derivation('busd.conference.closed', room, told, room.users(*room.past.values())))
            room.close()
        return found

    def _record(self, room: Room, at: float, *, is_recording: bool) -> Iterable[Derivation]:
        since = room.recording_since if room.is_recording else None
        if not room.record(at, is_recording=is_recording):
            return ()
        self._counts[room.kind]['recordings'] += is_recording
        told = {
            'state': 'started' if is_recording else 'stopped',
            'at': iso(at),
            'seconds': None if is_recording else seconds_between(since, at),
            'count': len(room.present),
        }
        return (self._derivation('busd.conference.recording', room, told, room.users()),)

    def _talked(self, room: Room, seconds: float) -> None:
        room.talk_seconds += seconds
        self._talk_seconds += seconds

    def _roster(self, room: Room, one: Participant, change: str, at: float) -> Derivation:
        told = {'change': change, 'at': iso(at), **one.who, **room.roster()}
        return self._derivation('busd.conference.roster', room, told, room.users(one))

    def _derivation(self, name: str, room: Room, more: Mapping[str, Any], users: tuple[str, ...]) -> Derivation:
        return Derivation(name, {**room.told, **more}, room.key, room.tenant_uuid, users, room.origin_uuid)

    def _has_room(self, room: Room) -> bool:
        """Whether one more participant is remembered; rooms of which nothing was heard for long go for them."""
        if len(room.present) >= MOST_PARTICIPANTS:
            return False
        while len(self._alarms) >= self._most:
            oldest = next(iter(self._rooms))
            if oldest == room.key:
                return False
            dropped = self._rooms.pop(oldest)
            if dropped is not None:
                self._rooms.dropped += 1
                self._forget(dropped)
        return True

    def _note(self, room: Room, one: Participant) -> None:
        self._places.add(room.origin_uuid, one.call_id or one.id, (room.key, one.id))

    def _keep(self, room: Room, at: float) -> None:
        dropped = self._rooms.put(room.key, room, at)
        if dropped is not None:
            self._forget(dropped)

    def _forget(self, room: Room) -> None:
        for one in room.present.values():
            self._alarms.cancel((room.key, one.id))
            self._places.take(room.origin_uuid, one.call_id or one.id, (room.key, one.id))
