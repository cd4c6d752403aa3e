# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Values that came over the bus: the way into them, and their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wazo_busd.codec import encode
from wazo_busd.language.fault import Fault

_DIGITS = 400
_WORDS = {None: 'null', True: 'true', False: 'false'}

NOTHING: Any = object()
"""Stands for what is not there."""


def within(value: Any, way: Sequence[str | int]) -> Any:
    """What `value` holds at the end of a way of keys and places; `NOTHING` if the way leads nowhere.

    No attribute of any object is ever read: there are maps, lists, and plain values.
    """
    for part in way:
        if type(value) is dict or isinstance(value, Mapping):
            value = value.get(part if isinstance(part, str) else text_of(part), NOTHING)
        elif isinstance(value, (list, tuple)):
            place = _place(part)
            value = value[place] if place is not None and -len(value) <= place < len(value) else NOTHING
        else:
            return NOTHING
    return value


def text_of(value: Any) -> str:
    """The text of a value, in JSON's words: `true`, `null`, maps and lists as JSON.

    Raises:
        Fault: it is a number with more digits than anybody reads.
    """
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, int) and value.bit_length() > 3 * _DIGITS:
        raise Fault(f'a number has more than {_DIGITS} digits')
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode('utf-8', 'replace')
    if isinstance(value, (Mapping, list, tuple)):
        return encode(value).decode()
    return str(value)


def _place(part: str | int) -> int | None:
    if isinstance(part, int):
        return None if isinstance(part, bool) else part
    return int(part) if len(part) < _DIGITS and part.isascii() and part.isdecimal() else None
