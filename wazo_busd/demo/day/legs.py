# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The legs of calls: what a host announces for each party of one."""

from __future__ import annotations

from typing import Any

from wazo_busd.catalogue.publication import Publication
from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import Party, draw_uuid

NORMAL = 16
NO_ANSWER = 19
ANSWERED_ELSEWHERE = 26


class Leg:
    """One party's side of a call, which is a channel of Asterisk.

    Args:
        host: the host that it is on.
        party: whose it is.
        peer: the other party; `None` for a service of the host itself, such as a queue.
        dialed: the extension that was dialed.
        conversation: the call that this one is made for; it begins one itself if `None`.
        direction: `internal`, `inbound` or `outbound`; the host knows it when the leg is bridged, or over, and calls it
            internal until then.
    """

    def __init__(
        self,
        host: Host,
        party: Party,
        peer: Party | None,
        dialed: str,
        *,
        conversation: Leg | None = None,
        direction: str = 'internal',
    ) -> None:
        self.host = host
        self.party = party
        self.call_id = host.clock.unique_id()
        self.conversation_id: str = conversation.conversation_id if conversation else self.call_id
        self.status = 'Ringing' if conversation else 'Ring'
        self.others: dict[str, str | None] = {}
        self.bridge = ''
        self.on_hold = False
        self.peer = peer
        self._is_caller = conversation is None
        self._dialed = dialed
        self._direction = direction
        self.is_placed = False
        self._creation_time = f'{host.clock.now.isoformat(timespec="milliseconds")}+0000'
        self._answer_time: str | None = None
        self._hangup_time: str | None = None
        self._sip_call_id = draw_uuid(host.rng)

    @property
    def data(self) -> dict[str, Any]:
        """What a host of today says of it."""
        return {
            'bridges': [self.bridge] if self.bridge else [],
            'call_id': self.call_id,
            'caller_id_name': self.party.name,
            'caller_id_number': self.party.number,
            'conversation_id': self.conversation_id,
            'peer_caller_id_name': self.peer.name if self.peer else '',
            'peer_caller_id_number': self.peer.number if self.peer else self._dialed,
            'creation_time': self._creation_time,
            'status': self.status,
            'on_hold': self.on_hold,
            'muted': False,
            'record_state': 'inactive',
            'talking_to': dict(self.others),
            'user_uuid': self.party.user_uuid,
            'is_caller': self._is_caller,
            'is_video': False,
            'dialed_extension': self._dialed,
            'sip_call_id': self._sip_call_id,
            'line_id': self.party.line_id,
            'answer_time': self._answer_time,
            'hangup_time': self._hangup_time,
            'direction': self._direction if self.is_placed else 'internal',
            'parked': False,
        }

    def created(self) -> Publication:
        """It has come into being."""
        return self.host.say('call_created', self.data)

    def updated(self) -> Publication:
        """Something about it has changed."""
        return self.host.say('call_updated', self.data)

    def up(self) -> None:
        """It is answered from now on."""
        self.status = 'Up'
        self._answer_time = self._answer_time or self.host.clock.aware.isoformat()

    def picked_up(self) -> Story:
        """Its party answers; hosts of 2019 only say that it has changed."""
        self.up()
        if self.host.is_today:
            yield self.host.say('call_answered', self.data)

    def ended(self, reason: int = NORMAL) -> Publication:
        """It was hung up, and its party is free again.

        Args:
            reason: why, as a hangup cause of Asterisk.
        """
        self._hangup_time = self.host.clock.aware.isoformat()
        self.is_placed = True
        self.others.clear()
        self.bridge = ''
        self.on_hold = False
        self.party.is_busy = False
        return self.host.say('call_ended', {**self.data, 'reason_code': reason})


def connect(one: Leg, other: Leg) -> None:
    """Let two legs talk to each other, and to nobody else."""
    bridge = draw_uuid(one.host.rng)
    for leg, peer in ((one, other), (other, one)):
        leg.up()
        leg.bridge = bridge
        leg.is_placed = True
        leg.peer = peer.party
        leg.others = {peer.call_id: peer.party.user_uuid}
