# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The dead letter as it lies in the broker: the body as it came, the reason in headers that begin with `busd-`.

The original properties lie in headers too, whole: left where they were, an expiration would end the dead letter, a
`user_id` that is not ours would be refused (RabbitMQ, validated user-id), `CC` would send copies elsewhere, and an
`x-death` would make RabbitMQ drop what looks like a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from pamqp import encode
from pamqp.commands import Basic

from wazo_busd.amqp.properties import WireProperties
from wazo_busd.delivery import Delivery
from wazo_busd.outcome import Reason

_HEADERS_LIMIT = 49_152
"""Bytes of the original properties that are kept, in each form: a content header must fit into one frame."""

_TEXT_LIMIT = 8_192
"""Bytes of each text that are kept: its end."""

_SPARE_TEXT_LIMIT = 512
"""The same for a broker whose frames are small; AMQP allows 4,096 bytes."""

_PERSISTENT = 2


def properties_of(delivery: Delivery, reason: Reason, *, is_spare: bool = False) -> Basic.Properties:
    """The properties of the dead letter of a delivery.

    Args:
        delivery: what the handler gave up on.
        reason: why.
        is_spare: whether to leave out what a small frame has no room for: the original properties, and all but the end
            of the texts.
    """
    text_limit = _SPARE_TEXT_LIMIT if is_spare else _TEXT_LIMIT
    texts = {
        'busd-handler': reason.handler,
        'busd-plugin': reason.plugin,
        'busd-plugin-version': reason.plugin_version,
        'busd-error': reason.error,
        'busd-error-text': reason.text,
        'busd-traceback': reason.traceback,
        'busd-id': reason.event_id,
        'busd-exchange': delivery.exchange,
        'busd-routing-key': delivery.routing_key,
    }
    headers: dict[str, Any] = {
        **{name: _text(text, text_limit) for name, text in texts.items()},
        'busd-attempts': reason.attempts,
        'busd-first-at': _thousandths(reason.first_at),
        'busd-last-at': _thousandths(reason.last_at),
        'busd-size': len(delivery.body) if delivery.size is None else delivery.size,
    }
    if not is_spare and isinstance(delivery.properties, WireProperties):
        headers['busd-raw-properties'] = bytearray(delivery.properties.raw[:_HEADERS_LIMIT])
    readable = None if is_spare else _readable(delivery)
    if readable is not None:
        headers['busd-properties'] = readable
    return Basic.Properties(
        content_type='application/octet-stream', delivery_mode=_PERSISTENT, headers=headers, app_id='wazo-busd'
    )


def _readable(delivery: Delivery) -> dict[str, Any] | None:
    """The original properties as a table for people; none if they are malformed or too large."""
    try:
        if isinstance(delivery.properties, WireProperties):
            table = _encodable(delivery.properties.decoded)
        else:
            table = _encodable({'headers': delivery.properties.headers})
        return table if len(encode.field_table(table)) <= _HEADERS_LIMIT else None
    except Exception:  # noqa: BLE001 — whatever they are, the letter is written; Undecodable is the usual one
        return None


def _encodable(value: Any) -> Any:
    """`value` in the types that can be encoded into a table."""
    if isinstance(value, Mapping):
        return {_utf_8(str(key)): _encodable(child) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encodable(child) for child in value]
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


def _text(text: str, limit: int) -> str:
    return _utf_8(text).encode()[-limit:].decode('utf-8', 'ignore')


def _utf_8(text: str) -> str:
    return text.encode('utf-8', 'backslashreplace').decode()


def _thousandths(seconds: float) -> int:
    return int(seconds * 1000)
