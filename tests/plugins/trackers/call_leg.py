# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Legs for tests: what hosts of each era tell of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tests.plugins.trackers.rig import START
from wazo_busd.event import Event

Era = Literal['now', '2019', 'seed']

SEED_KEYS = (
    'bridges',
    'call_id',
    'caller_id_name',
    'caller_id_number',
    'creation_time',
    'status',
    'talking_to',
    'user_uuid',
)
"""What Wazo's page has in its example."""
KEYS_2019 = (*SEED_KEYS, 'peer_caller_id_name', 'peer_caller_id_number', 'on_hold', 'is_caller', 'dialed_extension')

TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
USERS = {number: f'00000000-0000-4000-8000-00000000{number}' for number in ('1001', '1002', '1003', '1004', '1005')}
"""The users of the host, by their extensions."""


def event(name: str, data: Any, at: float, era: Era, **around: Any) -> Event:
    """An event as the tracker gets it, so many seconds after the start; made at once, as many are needed."""
    now = START.timestamp() + at
    headers = {'name': name, 'origin_uuid': 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3', **around}
    if era == 'now':
        headers |= {'timestamp': datetime.fromtimestamp(now, UTC).isoformat(), 'tenant_uuid': TENANT}
    return Event(name, data, headers=headers, received_at=now)


@dataclass
class Leg:
    """A leg, as its host knows it.

    Attributes:
        era: what the host tells.
        call_id: the call.
        number: the number of its party, who is a user if it is theirs.
        peer: the number of the other party.
        dialed: what was dialed.
        is_caller: whether its party called.
        conversation: the conversation.
        direction: where it came from.
        is_late: whether the host knows that only when the leg is bridged, or over, and calls it internal until then.
    """

    era: Era
    call_id: str
    number: str
    peer: str = ''
    dialed: str = ''
    is_caller: bool = False
    conversation: str = ''
    direction: str = 'inbound'
    status: str = ''
    others: dict[str, str | None] = field(default_factory=dict)
    on_hold: bool = False
    around: dict[str, Any] = field(default_factory=dict)
    is_late: bool = False

    @property
    def user(self) -> str | None:
        """The user whose it is."""
        return USERS.get(self.number)

    def says(self, name: str, at: float, **more: Any) -> Event:
        """An event of it."""
        self.is_late = self.is_late and not self.others and name != 'call_ended'
        said: dict[str, Any] = {
            'bridges': [],
            'call_id': self.call_id,
            'caller_id_name': f'Name {self.number}',
            'caller_id_number': self.number,
            'conversation_id': self.conversation or self.call_id,
            'peer_caller_id_name': f'Name {self.peer}' if self.peer else '',
            'peer_caller_id_number': self.peer or self.dialed,
            'creation_time': '2026-05-04T08:00:00.000+0000',
            'status': self.status or ('Ring' if self.is_caller else 'Ringing'),
            'on_hold': self.on_hold,
            'talking_to': dict(self.others),
            'user_uuid': self.user,
            'is_caller': self.is_caller,
            'dialed_extension': self.dialed,
            'direction': 'internal' if self.is_late else self.direction,
            'answer_time': None,
            **more,
        }
        if self.era != 'now':
            keys = KEYS_2019 if self.era == '2019' else SEED_KEYS
            said = {key: value for key, value in said.items() if key in keys}
        return event(name, said, at, self.era, **self.around)
