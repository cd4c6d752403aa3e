# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The event: an immutable fact that a service announced."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn, cast

if TYPE_CHECKING:
    from wazo_busd.burst import Burst

FIELDS = (
    'data',
    'headers',
    'metadata',
    'name',
    'routing_key',
    'exchange',
    'tenant_uuid',
    'origin_uuid',
    'required_acl',
    'call_id',
    'conference_id',
    'agent_id',
)
"""What a dotted field of the configuration can begin with."""

ALL_USERS = 'user_uuid:*'
"""The header of an event that is for all users of a tenant, `true` there (Wazo fact, since 2022)."""

_USER_UUID_HEADER = 'user_uuid:'
_CALL_ID_KEYS = ('call_id', 'relocated_call', 'transferred_call', 'queued_call_id', 'held_call_id', 'Uniqueid')
_MOST_DIGITS = 18


class _Fields:
    """What an event says, and where that is kept."""

    __slots__ = (
        '_id',
        'attempt',
        'body',
        'burst',
        'data',
        'exchange',
        'headers',
        'metadata',
        'name',
        'received_at',
        'redelivered',
        'routing_key',
    )

    name: str
    data: Any
    routing_key: str
    exchange: str
    headers: Mapping[str, Any]
    metadata: Mapping[str, Any]
    body: bytes
    received_at: float
    redelivered: bool
    attempt: int
    burst: Burst | None
    _id: str | None


class _Draft(_Fields):
    """An event from the wire while it is made: its fields are set as those of anything else, then its class."""

    __slots__ = ()


class Event(_Fields):
    """One fact that a service announced, as it came over the bus.

    Everything that follows from the wire is derived when it is first asked for, so an event that is only matched and
    dropped costs little. An event is never changed: its attributes are read-only.

    Args:
        name: the event's name, from the header `name`, else from the body; `''` where neither has one.
        data: the body's `data`; `None` where the body has none.
        routing_key: the key that the service published with.
        exchange: the exchange that the service published on; `''` for an event that no broker carried.
        headers: the AMQP headers, decoded.
        metadata: the whole decoded body, `data` included; its other keys are what old hosts sent instead of headers.
        body: the bytes of the body, which `id` is computed from.
        received_at: when it arrived here, in Unix seconds.
        redelivered: whether the broker gave it out before.
        attempt: 1-based ordinal of the present try.
        id: the identity it carries if it is a copy; computed from the wire otherwise.
        burst: the events that it stands for, itself included, where several are handled as one; `None` where it is
            alone.

    Each of them is an attribute of the same name.
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        data: Any = None,
        routing_key: str = '',
        exchange: str = '',
        headers: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        body: bytes = b'',
        received_at: float = 0.0,
        redelivered: bool = False,
        attempt: int = 1,
        id: str | None = None,  # noqa: A002 — the word of the glossary
        burst: Burst | None = None,
    ) -> None:
        # An attribute is read in a fifth of the time that a property takes, and events are read more often than made.
        # So it is the class that keeps an event from being changed, past which its fields are set here.
        keep = object.__setattr__
        keep(self, 'name', name)
        keep(self, 'data', data)
        keep(self, 'routing_key', routing_key)
        keep(self, 'exchange', exchange)
        keep(self, 'headers', headers if headers is not None else {})
        keep(self, 'metadata', metadata if metadata is not None else {})
        keep(self, 'body', body)
        keep(self, 'received_at', received_at)
        keep(self, 'redelivered', redelivered)
        keep(self, 'attempt', attempt)
        keep(self, 'burst', burst)
        keep(self, '_id', id)

    if not TYPE_CHECKING:
        # With it type checkers would let anything be set.
        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise AttributeError(f'an event is never changed: {name} cannot be set')

        def __delattr__(self, name: str) -> NoReturn:
            raise AttributeError(f'an event is never changed: {name} cannot be deleted')

    def __setstate__(self, state: tuple[dict[str, Any] | None, dict[str, Any]]) -> None:
        """Say what another one says, of which this is a copy."""
        for fields in state:
            for name, value in (fields or {}).items():
                object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f'<Event {self.name!r} on {self.routing_key!r}>'

    @property
    def id(self) -> str:
        """The identity: 32 hex digits of a hash over exchange, routing key and body.

        Two genuine events of a 2019 host can be identical to the byte, so the same id does not prove a repeat.
        """
        if self._id is None:
            object.__setattr__(self, '_id', identity(self.exchange, self.routing_key, self.body))
        return cast('str', self._id)

    def next_try(self) -> Event:
        """The same event, for the try after this one."""
        return Event(
            self.name,
            self.data,
            routing_key=self.routing_key,
            exchange=self.exchange,
            headers=self.headers,
            metadata=self.metadata,
            body=self.body,
            received_at=self.received_at,
            redelivered=self.redelivered,
            attempt=self.attempt + 1,
            id=self._id,
            burst=self.burst,
        )

    @property
    def origin_uuid(self) -> str | None:
        """The UUID of the Wazo host that published it; `None` where it is unknown."""
        return self._text('origin_uuid')

    @property
    def tenant_uuid(self) -> str | None:
        """The tenant it belongs to, from the header, else from the body, else from `data`; `None` where unknown."""
        found = self._text('tenant_uuid')
        if found is None and isinstance(self.data, Mapping):
            found = _known(self.data.get('tenant_uuid'))
            if found is None and self.routing_key.startswith('auth.tenants.'):
                found = _known(self.data.get('uuid'))
        return found

    @property
    def required_acl(self) -> str | None:
        """The access that a client needs to see it; `None` where the event has none or says null."""
        return self._text('required_acl')

    @property
    def user_uuids(self) -> tuple[str, ...]:
        """The users it names, from the headers `user_uuid:UUID: true` and from `data`, each once.

        Hosts of 2019 send a header `user_uuid:None` where a channel has no user, those of today `user_uuid:*` with what
        is for all users of a tenant; neither names anybody.
        """
        start = len(_USER_UUID_HEADER)
        found = [
            name[start:] for name, value in self.headers.items() if value is True and name.startswith(_USER_UUID_HEADER)
        ]
        many = self._said('user_uuids')
        said = [self._said('user_uuid'), *(many if isinstance(many, (list, tuple)) else ())]
        if self.routing_key.startswith('config.user.'):
            said.append(self._said('uuid'))
        return tuple(dict.fromkeys(uuid for uuid in map(_known, [*found, *said]) if uuid not in (None, '*')))

    @property
    def call_id(self) -> str | None:
        """The call it is about, which Asterisk calls the channel's unique ID; `None` where it is about none.

        It is `data.call_id`, the call that is relocated or transferred, the one that waited at a switchboard,
        `data.call.id`, or AMI's `Uniqueid`.
        """
        for key in _CALL_ID_KEYS:
            found = _known(self._said(key))
            if found is not None:
                return found
        call = self._said('call')
        return _known(call.get('id')) if isinstance(call, Mapping) else None

    @property
    def conference_id(self) -> int | str | None:
        """The conference room it is about: of `data`, else of the headers, else of the key `conferences.ID.…`."""
        if self.routing_key.startswith('config.conferences.'):
            found = _number(self._said('id'))
            if found is not None:
                return found
        return self._identifier('conference_id', 'conferences.')

    @property
    def agent_id(self) -> int | str | None:
        """The agent it is about: of `data`, else of the headers, else of the key `agentd.agents.ID.…`."""
        if self.routing_key.startswith('config.agent.'):
            found = _number(self._said('id'))
            if found is not None:
                return found
        return self._identifier('agent_id', 'agentd.agents.')

    @property
    def timestamp(self) -> datetime | None:
        """When the service says it happened, aware; `None` where it does not say.

        Wazo sends the publisher's local time without a zone, which is only right on the same host.
        """
        text = self._text('timestamp')
        if text is None:
            return None
        try:
            return datetime.fromisoformat(text).astimezone()
        except (ValueError, OverflowError, OSError):
            return None

    def _said(self, key: str) -> Any:
        return self.data.get(key) if isinstance(self.data, Mapping) else None

    def _identifier(self, key: str, start: str) -> int | str | None:
        for value in (self._said(key), self.headers.get(key), self.metadata.get(key)):
            found = _number(value)
            if found is not None:
                return found
        if not self.routing_key.startswith(start):
            return None
        word = self.routing_key[len(start) :].partition('.')[0]
        return int(word) if _is_digits(word) else None

    def _text(self, key: str) -> str | None:
        found = _known(self.headers.get(key))
        return _known(self.metadata.get(key)) if found is None else found


def from_wire(
    name: str,
    data: Any,
    routing_key: str,
    exchange: str,
    headers: Mapping[str, Any],
    metadata: Mapping[str, Any],
    body: bytes,
    received_at: float,
    redelivered: bool,
    attempt: int,
    id: str | None,  # noqa: A002 — the word of the glossary
) -> Event:
    """An event as calling `Event` makes it of the same values, in a quarter of the time: each delivery becomes one."""
    draft: Any = _Draft()
    draft.name = name
    draft.data = data
    draft.routing_key = routing_key
    draft.exchange = exchange
    draft.headers = headers
    draft.metadata = metadata
    draft.body = body
    draft.received_at = received_at
    draft.redelivered = redelivered
    draft.attempt = attempt
    draft.burst = None
    draft._id = id  # noqa: SLF001 — it is this one
    draft.__class__ = Event
    event: Event = draft
    return event


def identity(exchange: str, routing_key: str, body: bytes) -> str:
    """What an event is recognised by: 32 hex digits of a hash over exchange, routing key and body."""
    digest = hashlib.blake2b(digest_size=16)
    for part in (exchange.encode(), routing_key.encode(), body):
        digest.update(len(part).to_bytes(8, 'big'))
        digest.update(part)
    return digest.hexdigest()


def _known(value: Any) -> str | None:
    """The text of `value`; `None` for what is no text, is empty, or is Python's `None` printed by a publisher."""
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode('utf-8', 'replace')
    if not isinstance(value, str) or value in ('', 'None'):
        return None
    return value


def _number(value: Any) -> int | str | None:
    """An identifier, as a number if it is one: services send `1`, `'1'` or a UUID."""
    if type(value) is int:
        return value
    text = _known(value)
    return int(text) if text is not None and _is_digits(text) else text


def _is_digits(text: str) -> bool:
    return len(text) <= _MOST_DIGITS and text.isascii() and text.isdecimal()
