# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The participant: somebody in a room, and how long they have talked there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..tracking import iso, number_of, text_of, uuid_of

_REPEAT_SECONDS = 5.0
"""Copies of an event come within this time of it; what comes later is another one, and the end between was lost."""


@dataclass(slots=True)
class Participant:
    """Somebody in a room.

    Attributes:
        id: what the host calls them in this room.
        call_id: their call.
        caller_id_name: their name.
        caller_id_number: their number.
        user_uuid: the user they are; `None` for nobody, and where the host does not say.
        is_admin: whether they lead the conference.
        is_muted: whether nobody hears them.
        muted_at: when that was said last, in Unix seconds.
        joined_at: when they came, in Unix seconds.
        seen_at: when something was said of them last, in Unix seconds.
        talk_seconds: how long they have talked.
        talking_since: since when they talk, in Unix seconds; `None` while they do not.
        talk_at: when something was said of that last, in Unix seconds.
    """

    id: str
    call_id: str | None
    caller_id_name: str | None
    caller_id_number: str | None
    user_uuid: str | None
    is_admin: bool
    is_muted: bool
    joined_at: float
    seen_at: float
    muted_at: float = 0.0
    talk_seconds: float = 0.0
    talking_since: float | None = None
    talk_at: float = 0.0

    @classmethod
    def of(cls, data: Mapping[str, Any], id_: str, at: float) -> Participant:
        """Who an event says that somebody is.

        Args:
            data: the data of the event.
            id_: what the host calls them.
            at: when it happened, in Unix seconds.
        """
        return cls(
            id_,
            text_of(data.get('call_id')),
            text_of(data.get('caller_id_name')),
            # Wazo's page says caller_id_num and answered_time (Wazo fact).
            text_of(data.get('caller_id_number', data.get('caller_id_num'))),
            uuid_of(data.get('user_uuid')),
            data.get('admin') is True,
            data.get('muted') is True,
            at,
            at,
        )

    def backdate(self, data: Mapping[str, Any], most_seconds: float) -> None:
        """Have come when an event says, which is not that of their coming.

        Args:
            data: the data of the event.
            most_seconds: how long ago that can be at most.
        """
        ago = number_of(data.get('join_time', data.get('answered_time')))
        if ago is not None and ago <= most_seconds:
            self.joined_at -= ago

    def start_talking(self, at: float) -> None:
        """Talk, unless that was said already."""
        if at <= self.talk_at or (self.talking_since is not None and at - self.talking_since <= _REPEAT_SECONDS):
            return
        self.talking_since = self.talk_at = at

    def stop_talking(self, at: float) -> float:
        """Talk no more.

        Returns:
            How many seconds they have talked since they began; 0 if they did not.
        """
        if self.talking_since is None or at < self.talking_since:
            return 0.0
        seconds = at - self.talking_since
        self.talk_seconds += seconds
        self.talking_since, self.talk_at = None, at
        return seconds

    def mute(self, at: float, *, is_muted: bool) -> bool:
        """Be muted or not.

        Returns:
            Whether that is new.
        """
        if is_muted == self.is_muted or (at <= self.muted_at if is_muted else at < self.muted_at):
            return False
        self.is_muted, self.muted_at = is_muted, at
        return True

    @property
    def who(self) -> dict[str, Any]:
        """Who they are, for people."""
        return {
            'call_id': self.call_id,
            'caller_id_name': self.caller_id_name,
            'caller_id_number': self.caller_id_number,
            'user_uuid': self.user_uuid,
        }

    @property
    def told(self) -> dict[str, Any]:
        """That, and how they take part."""
        return {
            **self.who,
            'admin': self.is_admin,
            'muted': self.is_muted,
            'joined_at': iso(self.joined_at),
        }

    def dump(self) -> dict[str, Any]:
        """What `Participant(**dump)` makes the same of."""
        return asdict(self)
