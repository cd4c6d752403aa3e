# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The message: what is remembered of one that somebody has left in a voicemail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..tracking import mapping_of, number_of, text_of, uuid_of, whole_of

_USERS = 100
_AHEAD_SECONDS = 5.0
_BEHIND_SECONDS = 7 * 86_400.0
_NOT_HEARD = frozenset({'new', 'urgent'})
"""The types of folders that messages lie in before anybody has heard them (Wazo fact)."""


@dataclass(slots=True)
class VoiceMessage:
    """A message in a voicemail.

    Attributes:
        id: what the host calls it.
        origin_uuid: the host.
        tenant_uuid: the tenant of the voicemail.
        voicemail_id: the voicemail.
        voicemail_name: what people call that.
        is_global: whether the whole tenant shares the voicemail.
        user_uuids: the users whose voicemail it is, as far as that is known.
        caller_id_name: who left it.
        caller_id_number: the number of who left it.
        duration_seconds: how long it is.
        folder: the name of the folder that it lies in.
        folder_at: when that was said, in Unix seconds.
        is_heard: whether it lies in a folder of what was heard; `None` where no event has said so.
        left_at: when it was left, in Unix seconds; `None` where that is not known.
        due_at: when something is to be said of it, in Unix seconds; `None` for never.
        is_gathering: whether that is that it was left.
        is_left: whether it was said that it was left.
        is_read: whether it was heard.
        is_deleted: whether it is gone.
        is_transcribed: whether its text was told.
        is_short: whether it is none, as somebody hung up at once.
    """

    id: str
    origin_uuid: str | None = None
    tenant_uuid: str | None = None
    voicemail_id: int | None = None
    voicemail_name: str | None = None
    is_global: bool = False
    user_uuids: list[str] = field(default_factory=list)
    caller_id_name: str | None = None
    caller_id_number: str | None = None
    duration_seconds: float | None = None
    folder: str | None = None
    folder_at: float = 0.0
    is_heard: bool | None = None
    left_at: float | None = None
    due_at: float | None = None
    is_gathering: bool = False
    is_left: bool = False
    is_read: bool = False
    is_deleted: bool = False
    is_transcribed: bool = False
    is_short: bool = False

    def learn(self, data: Mapping[str, Any], at: float) -> None:
        """Know what an event says of it and was not known yet, and where it lies now.

        Args:
            data: the data of the event.
            at: when that happened, in Unix seconds.
        """
        said = _message(data)
        box = mapping_of(data.get('voicemail')) or mapping_of(said.get('voicemail'))
        user = uuid_of(data.get('user_uuid'))
        if user is not None and user not in self.user_uuids and len(self.user_uuids) < _USERS:
            self.user_uuids.append(user)
        if self.voicemail_id is None:
            self.voicemail_id = whole_of(data.get('voicemail_id', box.get('id')))
        self.voicemail_name = self.voicemail_name or text_of(box.get('name'))
        self.caller_id_name = self.caller_id_name or text_of(said.get('caller_id_name'))
        self.caller_id_number = self.caller_id_number or text_of(said.get('caller_id_num'))
        if self.duration_seconds is None:
            self.duration_seconds = number_of(said.get('duration'))
        if self.left_at is None:
            left_at = number_of(said.get('timestamp'))
            if left_at is not None and at - _BEHIND_SECONDS <= left_at <= at + _AHEAD_SECONDS:
                self.left_at = float(left_at)
        folder = mapping_of(said.get('folder'))
        kind = text_of(folder.get('type'))
        if kind is not None and at >= self.folder_at:
            self.folder_at = at
            self.folder, self.is_heard = text_of(folder.get('name')), kind not in _NOT_HEARD

    @property
    def key(self) -> str:
        """What it is known by among those of all hosts."""
        return f'{self.origin_uuid or ""}/{self.id}'

    @property
    def only_user_uuid(self) -> str | None:
        """The user that nobody shares the voicemail with; `None` where there are others, or it is not known."""
        is_known = self.is_left and not self.is_global and len(self.user_uuids) == 1
        return self.user_uuids[0] if is_known else None

    def dump(self) -> dict[str, Any]:
        """What `VoiceMessage(**dump)` makes the same of."""
        return asdict(self)


def id_of(data: Mapping[str, Any]) -> str | None:
    """The message that an event is about; `None` where it is about none."""
    return text_of(data.get('message_id')) or text_of(_message(data).get('id'))


def _message(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message itself: events of voicemails that a tenant shares have nothing around it."""
    return mapping_of(data.get('message')) or data
