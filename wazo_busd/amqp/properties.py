# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Properties as they are on the wire, decoded when they are asked for (AMQP 0-9-1, sections 2.3.5.2 and 4.2).

aiormq decodes them before anyone can catch what is wrong with them, and loses its connection over one bad byte. Here a
malformed property spoils one event.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from wazo_busd.amqp.plain_headers import plain_headers
from wazo_busd.errors import Undecodable

_DEPTH_LIMIT = 64
_NAMES = (
    'content_type',
    'content_encoding',
    'headers',
    'delivery_mode',
    'priority',
    'correlation_id',
    'reply_to',
    'expiration',
    'message_id',
    'timestamp',
    'type',
    'user_id',
    'app_id',
    'cluster_id',
)
"""The properties of the class Basic, from the highest bit of the flags down."""

_UINT16 = struct.Struct('>H')
_UINT32 = struct.Struct('>I')
_UINT64 = struct.Struct('>Q')


class WireProperties:
    """The properties of one delivery.

    Args:
        raw: the flags and the property list of the content header, as they came.
    """

    __slots__ = ('_decoded', '_headers', 'raw')

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._decoded: dict[str, Any] | None = None
        self._headers: Mapping[str, Any] | None = None

    @property
    def decoded(self) -> Mapping[str, Any]:
        """The properties that are set, by name.

        Raises:
            Undecodable: one of them is malformed.
        """
        if self._decoded is None:
            self._decoded = decode(self.raw)
        return self._decoded

    @property
    def headers(self) -> Mapping[str, Any]:
        """The headers; empty if there are none.

        Raises:
            Undecodable: a property is malformed, be it another one.
        """
        headers = self._headers
        if headers is None:
            headers = plain_headers(self.raw)
            if headers is None:
                headers = self.decoded.get('headers', {})
            self._headers = headers
        return headers


def decode(raw: bytes) -> dict[str, Any]:
    """Decode flags and property list.

    Returns:
        The properties that are set, by name; headers as a dictionary of plain values, timestamps as aware datetimes.

    Raises:
        Undecodable: they are malformed; the text names the property.
    """
    found: dict[str, Any] = {}
    name = 'flags'
    try:
        (flags,) = _UINT16.unpack_from(raw)
        if flags & 1:
            raise Undecodable('the properties have flags that AMQP 0-9-1 does not know')
        position = 2
        for bit, name in enumerate(_NAMES):
            if flags & (0x8000 >> bit):
                found[name], position = _PROPERTIES.get(name, _short_string)(raw, position, 0)
        if position != len(raw):
            name = 'end'
            raise ValueError(f'{len(raw) - position} bytes too many')
    except Undecodable:
        raise
    except (struct.error, IndexError):
        raise Undecodable(f'the property {name} is cut off') from None
    except UnicodeDecodeError:
        raise Undecodable(f'the property {name} holds text that is not UTF-8') from None
    except (ValueError, OverflowError) as error:
        raise Undecodable(f'the property {name} is malformed: {error}') from None
    return found


def _octet(raw: bytes, position: int, depth: int) -> tuple[int, int]:
    return raw[position], position + 1


def _short_string(raw: bytes, position: int, depth: int) -> tuple[str, int]:
    start = position + 1
    end = start + raw[position]
    return _slice(raw, start, end).decode(), end


def _long_string(raw: bytes, position: int, depth: int) -> tuple[str | bytes, int]:
    content, end = _bytes(raw, position, depth)
    try:
        return content.decode(), end
    except UnicodeDecodeError:
        # Unlike a short string, a long one may be any bytes.
        return content, end


def _bytes(raw: bytes, position: int, depth: int) -> tuple[bytes, int]:
    start = position + 4
    end = start + _UINT32.unpack_from(raw, position)[0]
    return _slice(raw, start, end), end


def _timestamp(raw: bytes, position: int, depth: int) -> tuple[datetime, int]:
    (seconds,) = _UINT64.unpack_from(raw, position)
    try:
        return datetime.fromtimestamp(seconds, UTC), position + 8
    except (ValueError, OverflowError, OSError):
        raise ValueError(f'a timestamp of {seconds} seconds is past the year 9999') from None


def _table(raw: bytes, position: int, depth: int) -> tuple[dict[str, Any], int]:
    position, end = _inside(raw, position, depth)
    table: dict[str, Any] = {}
    while position < end:
        key, position = _short_string(raw, position, depth)
        table[key], position = _value(raw, position, depth)
    return table, _ended(position, end)


def _array(raw: bytes, position: int, depth: int) -> tuple[list[Any], int]:
    position, end = _inside(raw, position, depth)
    array = []
    while position < end:
        value, position = _value(raw, position, depth)
        array.append(value)
    return array, _ended(position, end)


def _inside(raw: bytes, position: int, depth: int) -> tuple[int, int]:
    """Where the content of a table or array begins and ends."""
    if depth >= _DEPTH_LIMIT:
        raise ValueError(f'nested deeper than {_DEPTH_LIMIT} levels')
    start = position + 4
    end = start + _UINT32.unpack_from(raw, position)[0]
    if end > len(raw):
        raise IndexError
    return start, end


def _ended(position: int, end: int) -> int:
    if position != end:
        raise ValueError('a table is longer than it says')
    return end


def _value(raw: bytes, position: int, depth: int) -> tuple[Any, int]:
    kind = raw[position]
    decoder = _VALUES.get(kind)
    if decoder is None:
        raise ValueError(f'a field of the unknown type {bytes([kind])!r}')
    return decoder(raw, position + 1, depth + 1)


def _slice(raw: bytes, start: int, end: int) -> bytes:
    if end > len(raw):
        raise IndexError
    return raw[start:end]


def _number(form: str) -> Callable[[bytes, int, int], tuple[Any, int]]:
    each = struct.Struct(form)

    def number(raw: bytes, position: int, depth: int) -> tuple[Any, int]:
        return each.unpack_from(raw, position)[0], position + each.size

    return number


def _boolean(raw: bytes, position: int, depth: int) -> tuple[bool, int]:
    return raw[position] != 0, position + 1


def _decimal(raw: bytes, position: int, depth: int) -> tuple[Decimal, int]:
    scale, digits = struct.unpack_from('>Bi', raw, position)
    return Decimal(digits).scaleb(-scale), position + 5


def _void(raw: bytes, position: int, depth: int) -> tuple[None, int]:
    return None, position


_PROPERTIES: dict[str, Callable[[bytes, int, int], tuple[Any, int]]] = {
    'headers': _table,
    'delivery_mode': _octet,
    'priority': _octet,
    'timestamp': _timestamp,
}
"""How the properties that are no short strings are decoded."""

_VALUES: dict[int, Callable[[bytes, int, int], tuple[Any, int]]] = {
    ord('S'): _long_string,
    ord('t'): _boolean,
    ord('b'): _number('>b'),
    ord('B'): _number('>B'),
    ord('s'): _number('>h'),
    ord('u'): _number('>H'),
    ord('I'): _number('>i'),
    ord('i'): _number('>I'),
    ord('l'): _number('>q'),
    ord('L'): _number('>q'),
    ord('f'): _number('>f'),
    ord('d'): _number('>d'),
    ord('D'): _decimal,
    ord('T'): _timestamp,
    ord('A'): _array,
    ord('F'): _table,
    ord('V'): _void,
    ord('x'): _bytes,
}
"""The types of fields as RabbitMQ uses them, which is not quite as AMQP 0-9-1 says (RabbitMQ's errata, section 3)."""
