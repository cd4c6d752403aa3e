# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the board shows of rooms: how many are in each, and whether it is recorded. It names no participant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from wazo_busd.api import Panel, Row, Total

from ..tracking.host import on_host
from .room import Room

_SHORT = 8
"""So much of the UUID of a meeting is shown: whoever knows all of it could enter."""


def rooms_panel(rooms: Iterable[Room], names: Mapping[str, str], at: float) -> Panel:
    """The rooms that somebody is in, the fullest first.

    Args:
        rooms: all rooms that are known.
        names: what people call them.
        at: the time, in Unix seconds.
    """
    there = [room for room in rooms if room.opened_at is not None]
    there.sort(key=lambda room: (-len(room.present), room.key))
    origins = {room.origin_uuid for room in there}
    return Panel(
        'Rooms',
        ('room', 'participants', 'muted', 'recorded', 'open for'),
        [_row(room, on_host(_name(room, names), room.origin_uuid, origins), at) for room in there],
        (Total('open', len(there)), Total('participants', sum(len(room.present) for room in there))),
        empty='Nobody is in a conference or a meeting.',
        place=50,
    )


def _row(room: Room, name: str, at: float) -> Row:
    people = room.present.values()
    muted = sum(each.is_muted for each in people)
    opened = timedelta(seconds=max(0.0, at - (room.opened_at or at)))
    recorded = 'recorded' if room.is_recording else 'no'
    return Row((name, len(people), muted, recorded, opened), 'busy' if room.is_recording else '')


def _name(room: Room, names: Mapping[str, str]) -> str:
    return names.get(str(room.id)) or f'{room.kind} {str(room.id)[:_SHORT]}'
