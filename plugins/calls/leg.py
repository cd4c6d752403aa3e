# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The leg: one party's side of a call, as far as its events have told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

_MOST_LETTERS = 200
_MOST_ID_LETTERS = 100
_DIRECTIONS = ('inbound', 'internal', 'outbound')
_OUTSIDE = ('inbound', 'outbound')


def text_in(data: Mapping[str, Any], key: str) -> str:
    """A text that an event says, 200 letters of it at most; `''` for what is none, or is Python's `None` printed."""
    value = data.get(key)
    return value[:_MOST_LETTERS] if type(value) is str and value != 'None' else ''


def id_in(data: Mapping[str, Any], key: str) -> str:
    """What an event says that something is known by; `''` for what is no text, or too long to be one of those."""
    value = data.get(key)
    return value if type(value) is str and len(value) <= _MOST_ID_LETTERS and value != 'None' else ''


@dataclass(slots=True)
class Leg:
    """One party's side of a call.

    Attributes:
        call_id: the call, as the host calls it.
        created_at: when it came into being.
        is_caller: whether its party called; `None` where no event says so.
        conversation_id: what all legs of the conversation share; `''` on hosts that do not say.
        user_uuid: the user whose it is; `''` for others.
        name: the name of its party.
        number: the number of its party.
        peer_name: the name of the first other party.
        peer_number: the number of the first other party.
        dialed: the extension that was dialed.
        direction: `inbound`, `internal` or `outbound`; `''` where it is not known.
        is_up: whether it was answered.
        up_at: when; `None` where it was not, or where that is not known.
        is_over: whether it was hung up.
        ended_at: when.
        cause: why, as a hangup cause of Asterisk; 0 where it is not known.
        held_at: since when its party has the call on hold; `None` while it has not.
        hold_told: whether it was told that this hold is long.
        let_go_at: when its last hold was over.
        is_parked: whether it is on hold as its call is parked.
        by_queue: whether a queue called it.
        is_late: whether its end was the first that was told of it.
        is_guess: whether nothing but its number or its time says that it is of this conversation.
    """

    call_id: str
    created_at: float
    is_caller: bool | None = None
    conversation_id: str = ''
    user_uuid: str = ''
    name: str = ''
    number: str = ''
    peer_name: str = ''
    peer_number: str = ''
    dialed: str = ''
    direction: str = ''
    is_up: bool = False
    up_at: float | None = None
    is_over: bool = False
    ended_at: float | None = None
    cause: int = 0
    held_at: float | None = None
    hold_told: bool = False
    let_go_at: float | None = None
    by_queue: bool = False
    is_guess: bool = False
    is_late: bool = False
    is_parked: bool = False

    @property
    def is_callee(self) -> bool:
        """Whether its party was called."""
        return self.is_caller is False

    @property
    def is_known(self) -> bool:
        """Whether later events can tell nothing more of whose it is."""
        return bool(self.is_caller and self._is_named and (self.direction in _OUTSIDE or not self.conversation_id))

    @property
    def _is_named(self) -> bool:
        """Whether it is known who its party is, and whom they have called if they have."""
        return bool(self.user_uuid and self.number and (self.dialed or not self.is_caller))

    def learn(self, data: Mapping[str, Any]) -> None:
        """Take what an event says of it and was not known: later ones may tell of other parties than the first.

        Args:
            data: what the event says.
        """
        if not self.is_caller:
            # Who calls can be taken for called until the host has placed the call; the other way round never.
            said = _is_caller(data)
            self.is_caller = self.is_caller if said is None else said
        if self.direction not in _OUTSIDE:
            # A host calls each call internal until it knows better.
            said = data.get('direction')
            self.direction = said if type(said) is str and said in _DIRECTIONS else self.direction
        if not self._is_named:
            self._learn_names(data)

    def _learn_names(self, data: Mapping[str, Any]) -> None:
        self.user_uuid = self.user_uuid or id_in(data, 'user_uuid')
        self.name = self.name or text_in(data, 'caller_id_name')
        self.number = self.number or text_in(data, 'caller_id_number')
        self.peer_name = self.peer_name or text_in(data, 'peer_caller_id_name')
        self.peer_number = self.peer_number or text_in(data, 'peer_caller_id_number')
        if not self.dialed:
            dialed = text_in(data, 'dialed_extension')
            # The extension at which a host takes calls that name none.
            self.dialed = '' if dialed == 's' else dialed

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        return dict(zip(_NAMES, _values_of(self), strict=True))

    @classmethod
    def load(cls, said: Mapping[str, Any]) -> Leg:
        """What `dump` was made of."""
        return cls(**said)


_NAMES = tuple(each.name for each in fields(Leg))
_values_of = attrgetter(*_NAMES)


def _is_caller(data: Mapping[str, Any]) -> bool | None:
    said, status = data.get('is_caller'), data.get('status')
    # A channel that somebody calls with is in state Ring, one that is called never is. The first hosts say no more.
    if status == 'Ring':
        return True
    if type(said) is bool:
        return said
    return False if status in ('Ringing', 'Down', 'Dialing') else None
