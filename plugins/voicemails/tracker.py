# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tracker of voicemails: follows each message from who left it to who deleted it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wazo_busd.api import Event, Figure

from ..tracking import (
    Alarms,
    Derivation,
    Shelf,
    Tracker,
    e164_of,
    iso,
    mapping_of,
    seconds_between,
    text_of,
    uuid_of,
)
from .message import VoiceMessage, id_of

EVENTS = {
    f'{whose}_voicemail_{what}': what
    for whose in ('user', 'global')
    for what in ('message_created', 'message_updated', 'message_deleted', 'transcription_created')
}
"""The events that it takes, and what each says."""

_Counted = dict[tuple[str, ...], float]

_GATHER_SECONDS = 1.0
_REMEMBER_SECONDS = 30 * 86_400.0
_TEXT_LETTERS = 2_000
_COUNTS = ('left', 'read', 'transcribed', 'short', 'true', 'false', 'unknown')


class VoicemailTracker(Tracker):
    """Tells each message once, however many users share the voicemail.

    Args:
        unread_after_seconds: when a message that nobody has heard is unread.
        shorter_than_seconds: messages that are shorter are none.
        most: how many messages are remembered.
        region: the country that numbers without a prefix are of; `None` for none.
    """

    def __init__(
        self,
        *,
        unread_after_seconds: float = 14_400.0,
        shorter_than_seconds: float = 2.0,
        most: int = 20_000,
        region: str | None = None,
    ) -> None:
        self._unread_after_seconds = unread_after_seconds
        self._shorter_than_seconds = shorter_than_seconds
        self._region = region
        self._messages: Shelf[str, VoiceMessage] = Shelf(most, _REMEMBER_SECONDS)
        self._alarms: Alarms[str] = Alarms()
        self._counts = dict.fromkeys(_COUNTS, 0)

    def feed(self, event: Event, at: float) -> Iterable[Derivation]:
        """Take an event of a message."""
        what, data = EVENTS.get(event.name), mapping_of(event.data)
        id_ = id_of(data)
        if what is None or id_ is None:
            return ()
        message = self._known(event, id_, at)
        message.learn(data, at)
        if event.name.startswith('global'):
            message.is_global = True
        if self._is_short(message):
            return ()
        if what == 'message_created':
            self._leave(message, at)
            return ()
        return [*self._gathered(message), *self._change(message, what, data, at)]

    def tick(self, at: float) -> Iterable[Derivation]:
        """Say which messages were left, and which ones nobody has heard for too long."""
        found: list[Derivation] = []
        for key, due in self._alarms.due(at):
            message = self._messages.get(key)
            if message is None:
                continue
            if message.is_gathering:
                found += self._gathered(message)
            else:
                message.due_at = None
                seconds = seconds_between(message.left_at, due)
                found.append(self._derivation('busd.voicemail.unread', message, {'seconds': seconds}))
        for key, _ in self._messages.expired(at):
            self._alarms.cancel(key)
        return found

    def due(self) -> float | None:
        """When the next message is unread, or something is forgotten."""
        moments = (self._alarms.next(), self._messages.oldest_at())
        return min((each for each in moments if each is not None), default=None)

    def dump(self) -> dict[str, Any]:
        """The messages, and what was counted."""
        return {'messages': [(at, each.dump()) for at, _, each in self._messages.dump()], 'counts': self._counts}

    def load(self, said: Mapping[str, Any]) -> None:
        """Know them again."""
        for at, values in said['messages']:
            message = VoiceMessage(**values)
            self._keep(message, float(at))
            if message.due_at is not None:
                self._alarms.set(message.key, float(message.due_at))
        self._counts = {name: int(said['counts'][name]) for name in _COUNTS}

    def figures(self, at: float) -> Iterable[Figure]:
        """How many were left, heard, deleted, and wait to be heard."""
        counts = self._counts
        unread = sum(each.is_left and not (each.is_read or each.is_deleted) for each in self._messages.values())
        deleted: _Counted = {(heard,): float(counts[heard]) for heard in ('true', 'false', 'unknown')}
        for name, meaning, value in (
            ('left', 'Messages that were left.', counts['left']),
            ('read', 'Messages that were heard.', counts['read']),
            ('transcribed', 'Messages that became a text.', counts['transcribed']),
            ('short', 'Messages that were none, as somebody hung up at once.', counts['short']),
            ('forgotten', 'Messages that were forgotten because there were too many.', self._messages.dropped),
        ):
            yield Figure(f'wazo_busd_voicemails_{name}_total', meaning, 'counter', values={(): value})
        yield Figure(
            'wazo_busd_voicemails_deleted_total', 'Messages that were deleted.', 'counter', ('heard',), deleted
        )
        yield Figure('wazo_busd_voicemails_unread', 'Messages that nobody has heard yet.', values={(): unread})

    def _known(self, event: Event, id_: str, at: float) -> VoiceMessage:
        origin = uuid_of(event.origin_uuid)
        message = self._messages.touch(f'{origin or ""}/{id_}', at)
        if message is None:
            message = VoiceMessage(id_, origin, uuid_of(event.tenant_uuid))
            self._keep(message, at)
        return message

    def _is_short(self, message: VoiceMessage) -> bool:
        """Whether it is none, which is decided when it is first heard of."""
        if not (message.is_short or message.is_left or message.is_gathering or message.duration_seconds is None):
            message.is_short = message.duration_seconds < self._shorter_than_seconds
            self._counts['short'] += message.is_short
        return message.is_short

    def _leave(self, message: VoiceMessage, at: float) -> None:
        """Wait a moment for the events of those who share the voicemail, so that all of them are named."""
        if message.is_left or message.is_gathering:
            return
        if message.left_at is None:
            message.left_at = at
        message.is_gathering = True
        self._set(message, at + _GATHER_SECONDS)

    def _gathered(self, message: VoiceMessage) -> Iterator[Derivation]:
        if not message.is_gathering:
            return
        message.is_gathering, message.is_left = False, True
        self._counts['left'] += 1
        is_new = not (message.is_heard or message.is_read or message.is_deleted)
        if is_new and message.left_at is not None:
            self._set(message, message.left_at + self._unread_after_seconds)
        else:
            self._cancel(message)
        yield self._derivation('busd.voicemail.left', message, {})

    def _change(self, message: VoiceMessage, what: str, data: Mapping[str, Any], at: float) -> Iterator[Derivation]:
        if message.is_deleted:
            return
        if what == 'transcription_created':
            yield from self._transcribe(message, data)
        elif what == 'message_deleted':
            yield self._delete(message, at)
        elif message.is_heard and not message.is_read:
            message.is_read = True
            self._cancel(message)
            # Of a message that was left who knows when, it is not known either whether it was heard long ago.
            if message.left_at is not None:
                self._counts['read'] += 1
                yield self._derivation(
                    'busd.voicemail.read',
                    message,
                    {
                        'user_uuid': message.only_user_uuid,
                        'read_at': iso(at),
                        'seconds': seconds_between(message.left_at, at),
                    },
                )

    def _delete(self, message: VoiceMessage, at: float) -> Derivation:
        heard = True if message.is_read else message.is_heard
        message.is_deleted = True
        self._cancel(message)
        self._counts['unknown' if heard is None else str(heard).lower()] += 1
        told = {'heard': heard, 'deleted_at': iso(at), 'seconds': seconds_between(message.left_at, at)}
        return self._derivation('busd.voicemail.deleted', message, told)

    def _transcribe(self, message: VoiceMessage, data: Mapping[str, Any]) -> Iterator[Derivation]:
        text = data.get('transcription_text')
        written = text_of(text, _TEXT_LETTERS) if isinstance(text, str) else None
        if written is None or message.is_transcribed:
            return
        message.is_transcribed = True
        self._counts['transcribed'] += 1
        told = {'text': written, 'is_cut': len(str(text)) > _TEXT_LETTERS, 'language': text_of(data.get('language'))}
        yield self._derivation('busd.voicemail.transcribed', message, told)

    def _derivation(self, name: str, message: VoiceMessage, more: Mapping[str, Any]) -> Derivation:
        users = sorted(message.user_uuids)
        told = {
            'message_id': message.id,
            'voicemail_id': message.voicemail_id,
            'voicemail_name': message.voicemail_name,
            'user_uuids': users,
            'caller_id_name': message.caller_id_name,
            'caller_id_number': message.caller_id_number,
            'caller_id_number_e164': e164_of(message.caller_id_number, self._region),
            'duration_seconds': message.duration_seconds,
            'folder': message.folder,
            'left_at': None if message.left_at is None else iso(message.left_at),
        }
        return Derivation(name, {**told, **more}, message.key, message.tenant_uuid, tuple(users), message.origin_uuid)

    def _set(self, message: VoiceMessage, at: float) -> None:
        message.due_at = at
        self._alarms.set(message.key, at)

    def _cancel(self, message: VoiceMessage) -> None:
        message.due_at = None
        self._alarms.cancel(message.key)

    def _keep(self, message: VoiceMessage, at: float) -> None:
        dropped = self._messages.put(message.key, message, at)
        if dropped is not None:
            self._alarms.cancel(dropped.key)
