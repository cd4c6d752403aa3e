# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Conferences: people join, talk, are muted, are recorded, and leave."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wazo_busd.catalogue.publication import Publication
from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.legs import Leg
from wazo_busd.demo.day.people import draw_outsider


def conference(host: Host) -> Story:
    """A meeting in one of the rooms."""
    if not host.rooms:
        return
    number = min(host.rooms)
    host.rooms.remove(number)
    room = _Room(host, number)
    for _ in range(host.rng.randrange(3, 6)):
        yield from room.join()
        yield host.rng.uniform(2, 25)
    yield room.say_record('started')
    for _ in range(host.rng.randrange(2, 7)):
        yield host.rng.uniform(3, 40)
        yield from room.talk()
    yield host.rng.uniform(1, 5)
    yield from room.mute()
    for _ in range(host.rng.randrange(1, 6)):
        yield host.rng.uniform(3, 40)
        yield from room.talk()
    yield host.rng.uniform(1, 20)
    yield room.say_record('stopped')
    while room.participants:
        yield host.rng.uniform(0.5, 8)
        yield from room.leave()
    host.rooms.add(number)


@dataclass(slots=True)
class _Participant:
    leg: Leg
    joined_at: datetime
    is_admin: bool
    is_muted: bool = False


class _Room:
    def __init__(self, host: Host, number: int) -> None:
        self.participants: list[_Participant] = []
        self._host = host
        self._number = number

    def join(self) -> Story:
        host = self._host
        outside = self.participants and host.rng.random() < 0.2
        party = draw_outsider(host.rng) if outside else host.free_person(lambda person: not host.is_agent(person))
        if party is None:
            return
        direction = 'inbound' if party.user_uuid is None else 'internal'
        leg = Leg(host, party, None, f'400{self._number}', direction=direction)
        yield leg.created()
        yield 0.5
        leg.up()
        yield leg.updated()
        yield host.rng.uniform(2, 6)
        one = _Participant(leg, host.clock.now, is_admin=not self.participants)
        self.participants.append(one)
        yield self._say('joined', one)

    def leave(self) -> Story:
        one = self._host.rng.choice(self.participants)
        told = self._say('left', one)
        self.participants.remove(one)
        yield told
        yield one.leg.ended()

    def talk(self) -> Story:
        heard = [one for one in self.participants if not one.is_muted]
        if not heard:
            return
        one = self._host.rng.choice(heard)
        yield self._say('talk_started', one)
        yield self._host.rng.uniform(2, 30)
        yield self._say('talk_stopped', one)

    def mute(self) -> Story:
        if not self.participants:
            return
        one = self._host.rng.choice(self.participants)
        one.is_muted = True
        yield self._say('muted', one)
        yield from self.talk()
        yield self._host.rng.uniform(10, 60)
        one.is_muted = False
        yield self._say('unmuted', one)

    def say_record(self, what: str) -> Publication:
        return self._host.say(f'conference_record_{what}', {'id': self._number})

    def _say(self, what: str, one: _Participant) -> Publication:
        users = [each.leg.party.user_uuid for each in self.participants]
        # To mute somebody is the affair of the whole tenant; all else is told to those who are in the room.
        concerned = [] if what in ('muted', 'unmuted') else [uuid for uuid in users if uuid is not None]
        return self._host.say(f'conference_participant_{what}', self._data(one), users=concerned)

    def _data(self, one: _Participant) -> dict[str, Any]:
        return {
            'id': one.leg.call_id,
            'caller_id_name': one.leg.party.name,
            'caller_id_number': one.leg.party.number,
            'muted': one.is_muted,
            'join_time': int((self._host.clock.now - one.joined_at).total_seconds()),
            'admin': one.is_admin,
            'language': 'fr_CA',
            'call_id': one.leg.call_id,
            'user_uuid': one.leg.party.user_uuid,
            'conference_id': self._number,
        }
