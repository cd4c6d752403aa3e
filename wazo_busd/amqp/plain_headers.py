# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Plain headers: the short way to what nearly all publishers say, in the one form in which kombu sends it.

Whatever is otherwise goes the long way, by `properties`.
"""

from __future__ import annotations

import struct
from typing import Any, Final

_TEXT: Final = ord('S')
_BOOLEAN: Final = ord('t')
_SHORT: Final = b'\0\0\0'
"""What the four bytes of a length begin with if it is less than 256."""

_TIMESTAMP: Final = b'\x09timestampS\0\0\0'
"""How the header begins that is another in each event (Wazo fact, since 21.08); the length of its value follows."""

_MOST_KNOWN: Final = 2048
_LONGEST_KNOWN: Final = 2048

_UINT32: Final = struct.Struct('>I')


def plain_headers(raw: bytes) -> dict[str, Any] | None:
    """The headers, if everything is as kombu sends it: texts of ASCII and booleans, and no rare property.

    The properties of two events of a kind differ by the time alone, so what all the rest means is known as a rule.

    Args:
        raw: the flags and the property list of the content header, as they came.

    Returns:
        The headers; `None` for what is otherwise, which is decoded, or refused, with more patience.
    """
    start = raw.find(_TIMESTAMP) + len(_TIMESTAMP) + 1
    end = start + raw[start - 1] if len(_TIMESTAMP) < start <= len(raw) else 0
    if not start <= end <= len(raw):
        # There is none, or its value is cut off.
        start = end = 0
    # Which bytes are left out can be told from what is left: the first header of that name, and how long its value is.
    kind = raw[:start] + raw[end:] if start else raw
    headers = _known.get(kind)
    if headers is not None:
        headers = headers.copy()
        value = raw[start:end]
        if start and value.isascii():
            headers['timestamp'] = value.decode('ascii')
            return headers
        if not start:
            return headers
    headers, timestamp_at = _parsed(raw)
    # If it was found where no header is, in a text, it is not left out.
    if headers is not None and timestamp_at == start and len(raw) <= _LONGEST_KNOWN:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[kind] = headers.copy()
    return headers


_known: dict[bytes, dict[str, Any]] = {}
"""The headers that properties say, by those properties without the time."""


def _parsed(raw: bytes) -> tuple[dict[str, Any] | None, int]:
    """The headers, or `None`, as above, and where the text of the header `timestamp` is; 0 if there is none.

    The table becomes one text, of which the keys and values are slices.
    """
    nothing = None, 0
    size = len(raw)
    if size < 7 or raw[1] or raw[0] & 0x27 != 0x20:
        return nothing
    flags, position = raw[0], 2
    for bit in (0x80, 0x40):
        if flags & bit:
            end = position + 1 + raw[position]
            if end + 4 > size or not raw[position:end].isascii():
                return nothing
            position = end
    start = position + 4
    end = start + _UINT32.unpack_from(raw, position)[0]
    # What follows the table is one octet each: the delivery mode and the priority.
    if end + (flags >> 4 & 1) + (flags >> 3 & 1) != size:
        return nothing
    table = raw[start:end]
    if not table.isascii():
        return nothing
    text, length, position, timestamp_at = table.decode('ascii'), end - start, 0, 0
    headers: dict[str, Any] = {}
    while position < length:
        at = position + 1 + table[position]
        if at >= length:
            return nothing
        kind, key = table[at], text[position + 1 : at]
        if kind == _TEXT:
            value_at = at + 5
            if value_at > length or table[at + 1 : at + 4] != _SHORT:
                return nothing
            following = value_at + table[at + 4]
            if following > length:
                return nothing
            headers[key] = text[value_at:following]
            if key == 'timestamp':
                timestamp_at = start + value_at
            position = following
        elif kind == _BOOLEAN and at + 1 < length:
            headers[key] = table[at + 1] != 0
            if key == 'timestamp':
                # What comes twice has its last value.
                timestamp_at = -1
            position = at + 2
        else:
            return nothing
    return headers, timestamp_at
