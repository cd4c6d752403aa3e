# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The copy of an event as it lies in the broker: the body as it came, all else in headers that begin with `busd-`.

The original properties lie in a header too, byte for byte: left where they were, an expiration would end the copy, a
`user_id` that is not ours would be refused (RabbitMQ, validated user-id), `CC` would send copies elsewhere, and an
`x-death` would make RabbitMQ drop what looks like a cycle. Where a header has no room for them they follow the body.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pamqp import encode
from pamqp.commands import Basic

from wazo_busd.amqp.properties import WireProperties
from wazo_busd.delivery import Delivery, History
from wazo_busd.event import identity
from wazo_busd.outcome import Reason
from wazo_busd.topology import DELAY_HEADER

_HEADERS_LIMIT = 49_152
"""Bytes of the original properties that a header holds, in each form: a content header must fit into one frame."""

_TEXT_LIMIT = 8_192
"""Bytes of each text that are kept: its end."""

_SPARE_TEXT_LIMIT = 256
"""The same for a broker whose frames are small; AMQP allows 4,096 bytes, half of which two hostile names can fill."""

_NAME_LIMIT = 1_020
"""Bytes of the longest name or key: 255 that are not UTF-8, each written as `\\xff`."""

_NUMBER_LIMIT = 253_402_300_799_999
"""The milliseconds until the end of the year 9999. What is larger is forged, and could not be written down again."""

_PERSISTENT = 2

NUMBER = 'busd-copy'
"""The header that tells a copy that was published twice, over a lost connection, from two copies."""

MOVED = 'busd-moved'
"""The header of a copy that was only moved from one queue to another: its event comes for the first time."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What is published for an event that is to be tried again or kept.

    Attributes:
        body: its body.
        properties: its properties.
    """

    body: bytes
    properties: Basic.Properties


@dataclass(frozen=True, slots=True)
class Original:
    """What a copy was made of.

    Attributes:
        exchange: the exchange it was published on.
        routing_key: the key it was published with.
        raw_properties: flags and property list of its content header, as they came.
        body: its body; the first 64 KiB if it was over the limit.
        size: the true size of its body.
        history: what was tried.
    """

    exchange: str
    routing_key: str
    raw_properties: bytes
    body: bytes
    size: int
    history: History


class NoCopy(ValueError):
    """Raised when something is no copy of ours, though it lies or comes where copies do."""


def postponed(delivery: Delivery, history: History, *, delay_milliseconds: int, number: str, is_spare: bool) -> Copy:
    """The copy that waits in a delay queue.

    Args:
        delivery: what is to be tried again.
        history: what was tried.
        delay_milliseconds: the delay queue it is for.
        number: what tells this copy from others.
        is_spare: whether the content header must be small.
    """
    headers = {
        **_common(delivery, history.event_id, number, is_spare=is_spare),
        DELAY_HEADER: delay_milliseconds,
        'busd-attempts': history.attempts,
        'busd-rounds': history.rounds,
        'busd-first-at': _thousandths(history.first_at),
        'busd-first-error': _text(history.first_error[:_SPARE_TEXT_LIMIT], _SPARE_TEXT_LIMIT),
        'busd-due-at': _thousandths(history.due_at),
    }
    return _made(delivery, headers, is_spare=is_spare)


def dead_letter(delivery: Delivery, reason: Reason, *, number: str, is_spare: bool) -> Copy:
    """The copy that is kept for a person to look at.

    Args:
        delivery: what the handler gave up on.
        reason: why.
        number: what tells this copy from others.
        is_spare: whether the content header must be small.
    """
    texts = {
        'busd-handler': reason.handler,
        'busd-plugin': reason.plugin,
        'busd-plugin-version': reason.plugin_version,
        'busd-error': reason.error,
        'busd-error-text': reason.text,
        'busd-traceback': reason.traceback,
    }
    headers = {
        **_common(delivery, reason.event_id, number, is_spare=is_spare),
        **{name: _text(text, _SPARE_TEXT_LIMIT if is_spare else _TEXT_LIMIT) for name, text in texts.items()},
        'busd-attempts': reason.attempts,
        'busd-first-at': _thousandths(reason.first_at),
        'busd-last-at': _thousandths(reason.last_at),
    }
    readable = None if is_spare else _readable(delivery)
    if readable is not None:
        headers['busd-properties'] = readable
    return _made(delivery, headers, is_spare=is_spare)


def again(copy: Original, *, handler: str, number: str) -> Copy:
    """The copy that a person sends back to the handler that gave up.

    Args:
        copy: what lay among the dead letters.
        handler: the handler.
        number: what tells this copy from others.
    """
    headers = {
        **_origin(copy.exchange, copy.routing_key, copy.history.event_id, number, copy.size),
        'busd-handler': handler,
        'busd-attempts': 0,
        'busd-rounds': 0,
        'busd-trailer': len(copy.raw_properties),
    }
    return Copy(copy.body + copy.raw_properties, _properties(headers))


def handed(exchange: str, routing_key: str, body: bytes, *, name: str, handler: str, number: str) -> Copy:
    """What is published for one handler alone, as if it came from somewhere.

    Args:
        exchange: the exchange that it is to come from.
        routing_key: the key that it is to come with.
        body: its body.
        name: its name, which goes into a header.
        handler: the handler.
        number: what tells this copy from others.
    """
    history = History(event_id=identity(exchange, routing_key, body), attempts=0)
    properties = Basic.Properties(content_type='application/json', headers={'name': _utf_8(name)})
    return again(
        Original(exchange, routing_key, properties.marshal(), body, len(body), history), handler=handler, number=number
    )


def original(body: bytes, headers: Mapping[str, Any]) -> Original:
    """What a copy was made of.

    Args:
        body: the body of the copy.
        headers: its headers.

    Raises:
        NoCopy: it is no copy of ours: a header is missing, or is such as no copy has.
    """
    trailer = _number(headers, 'busd-trailer', 0)
    raw = headers.get('busd-raw-properties', b'')
    if 'busd-trailer' in headers:
        if trailer > len(body):
            raise NoCopy('the body is shorter than its properties')
        body, raw = body[: len(body) - trailer], body[len(body) - trailer :]
    if isinstance(raw, str):
        raw = raw.encode()
    if not isinstance(raw, (bytes, bytearray)):
        raise NoCopy('busd-raw-properties are no bytes')
    return Original(
        exchange=_said(headers, 'busd-exchange'),
        routing_key=_said(headers, 'busd-routing-key'),
        raw_properties=bytes(raw),
        body=body,
        size=_number(headers, 'busd-size'),
        history=History(
            event_id=_said(headers, 'busd-id'),
            attempts=_number(headers, 'busd-attempts'),
            rounds=_number(headers, 'busd-rounds', 0),
            first_at=_number(headers, 'busd-first-at', 0) / 1000,
            first_error=_said(headers, 'busd-first-error', ''),
            due_at=_number(headers, 'busd-due-at', 0) / 1000,
        ),
    )


def new_number() -> str:
    """What tells one copy from all others."""
    return os.urandom(8).hex()


def _common(delivery: Delivery, event_id: str, number: str, *, is_spare: bool) -> dict[str, Any]:
    raw = _raw(delivery)
    size = len(delivery.body) if delivery.size is None else delivery.size
    headers = _origin(delivery.exchange, delivery.routing_key, event_id, number, size)
    if is_spare or len(raw) > _HEADERS_LIMIT:
        headers['busd-trailer'] = len(raw)
    else:
        headers['busd-raw-properties'] = bytearray(raw)
    return headers


def _origin(exchange: str, routing_key: str, event_id: str, number: str, size: int) -> dict[str, Any]:
    return {
        'busd-id': event_id,
        NUMBER: number,
        'busd-exchange': _utf_8(exchange),
        'busd-routing-key': _utf_8(routing_key),
        'busd-size': size,
    }


def _made(delivery: Delivery, headers: dict[str, Any], *, is_spare: bool) -> Copy:
    body = delivery.body + _raw(delivery) if 'busd-trailer' in headers else delivery.body
    return Copy(body, _properties(headers))


def _properties(headers: dict[str, Any]) -> Basic.Properties:
    return Basic.Properties(
        content_type='application/octet-stream', delivery_mode=_PERSISTENT, headers=headers, app_id='wazo-busd'
    )


def _raw(delivery: Delivery) -> bytes:
    """The properties as they came over the wire; none of what never was on one."""
    properties = delivery.properties
    return properties.raw if isinstance(properties, WireProperties) else b''


def _readable(delivery: Delivery) -> dict[str, Any] | None:
    """The original properties as a table for people; none if they are malformed or too large."""
    try:
        if isinstance(delivery.properties, WireProperties):
            table = encodable(delivery.properties.decoded)
        else:
            table = encodable({'headers': delivery.properties.headers})
        return table if len(encode.field_table(table)) <= _HEADERS_LIMIT else None
    except Exception:  # noqa: BLE001 — whatever they are, the letter is written; Undecodable is the usual one
        return None


def encodable(value: Any) -> Any:
    """`value`, which was decoded from a table, in the types that can be encoded into one."""
    if isinstance(value, Mapping):
        return {_utf_8(str(key)): encodable(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [encodable(child) for child in value]
    if isinstance(value, bytes):
        return bytearray(value)
    if isinstance(value, str):
        return _utf_8(value)
    if value is None or isinstance(value, (bool, int, bytearray, datetime)):
        return value
    if isinstance(value, (float, Decimal)):
        # The encoder has single precision only, and refuses decimals of many digits: as text nothing is lost.
        return str(value)
    return repr(value)


_MISSING = object()


def _said(headers: Mapping[str, Any], name: str, default: Any = _MISSING) -> str:
    value = headers.get(name, default)
    if not isinstance(value, str) or len(value.encode()) > _NAME_LIMIT:
        raise NoCopy(f'{name} is no text, or is too long')
    return value


def _number(headers: Mapping[str, Any], name: str, default: Any = _MISSING) -> int:
    value = headers.get(name, default)
    if type(value) is not int or not 0 <= value <= _NUMBER_LIMIT:
        raise NoCopy(f'{name} is no number, or is out of bounds')
    return value


def _text(text: str, limit: int) -> str:
    return _utf_8(text).encode()[-limit:].decode('utf-8', 'ignore')


def _utf_8(text: str) -> str:
    return text.encode('utf-8', 'backslashreplace').decode()


def _thousandths(seconds: float) -> int:
    return int(seconds * 1000)
