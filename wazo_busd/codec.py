# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The codec: from the bytes of a body to an event, and from values to JSON.

Bodies lie (Wazo fact: no name, null name, not JSON, not an object, NaN, lone surrogates, not UTF-8, no content type).
What is an event at all is decided by the body alone; content type and encoding are not asked, as valid events come
without them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

import orjson

from wazo_busd.errors import Undecodable
from wazo_busd.event import Event, from_wire

MOST_LEVELS: Final = 200
"""The most that `bus.max_depth` can be. What is nested deeper is no event to any daemon."""

_MOST_WRITTEN_LEVELS: Final = 300
"""More than any event that is read can have, and fewer than the interpreter follows."""

_BRACKET: Final = ord('[')
_FEW: Final = 3
"""So many objects in each other are seen at a glance to be no more."""

_TAG_TYPE: Final = '__type__'
_TAG_VALUE: Final = '__value__'
_TAG: Final = b'__type__'
_TAG_KEYS: Final = {_TAG_TYPE, _TAG_VALUE}
_JSON_TYPES: Final = {
    str: 'a string',
    int: 'a number',
    float: 'a number',
    bool: 'a boolean',
    list: 'a list',
    type(None): 'null',
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a body may be at most.

    Attributes:
        size: bytes of the body.
        depth: levels of nesting; the body's own object is the first.
    """

    size: int = 1_048_576
    depth: int = 64


def decode(
    body: bytes,
    headers: Mapping[str, Any],
    routing_key: str,
    exchange: str,
    received_at: float,
    redelivered: bool,
    limits: Limits,
    size: int | None = None,
    attempt: int = 1,
    id: str | None = None,  # noqa: A002 — the word of the glossary
) -> Event:
    """Make an event of what arrived.

    The name is the header `name`, else the body's: some publishers send only one of them, and some send two that
    differ (Wazo fact). A name that is no text is none.

    Args:
        body: the bytes of the body, or its beginning if it is over the limit.
        headers: the decoded AMQP headers.
        routing_key: the key it was published with.
        exchange: the exchange it was published on.
        received_at: when it arrived, Unix seconds.
        redelivered: whether the broker gave it out before.
        limits: what a body may be at most.
        size: its true size in bytes, if `body` is only the beginning; `None` if it is all.
        attempt: 1-based ordinal of the present try.
        id: the identity it carries if it is a copy.

    Raises:
        Undecodable: the body is no event; the text says what it is instead.
    """
    content = _content(body, len(body) if size is None else size, limits)
    name = headers.get('name')
    if not isinstance(name, str):
        name = content.get('name')
        if not isinstance(name, str):
            name = ''
    return from_wire(
        name, content.get('data'), routing_key, exchange, headers, content, body, received_at, redelivered, attempt, id
    )


def encode(value: Any) -> bytes:
    """The JSON of `value` in one line of UTF-8, whatever came over the bus.

    Lone surrogates, which JSON can escape and UTF-8 cannot hold, are escaped. NaN and infinities become null. Types
    that JSON has not (bytes and decimals of AMQP headers) become text.

    Raises:
        RecursionError: it is nested deeper than can be written, or holds itself.
    """
    try:
        return orjson.dumps(value, default=plain, option=orjson.OPT_NON_STR_KEYS)
    except (orjson.JSONEncodeError, RecursionError):
        return json.dumps(_finite(value, _MOST_WRITTEN_LEVELS), default=plain, separators=(',', ':')).encode()


def _content(body: bytes, size: int, limits: Limits) -> dict[str, Any]:
    if size > limits.size:
        raise Undecodable(f'the body has {size:,} bytes, the limit is {limits.size:,} (bus.max_body_size)')
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        content = _loads(body, error)
    if type(content) is not dict:
        raise Undecodable(f'the body is {_JSON_TYPES.get(type(content), "no JSON")}, not a JSON object')
    # Most have no list and up to three objects, which is seen at once; to count takes three times as long.
    second, last = body.find(b'{', 1), body.rfind(b'{')
    if _BRACKET in body or (last > second and body.find(b'{', second + 1) < last) or limits.depth < _FEW:
        _check_depth(body, content, limits.depth)
    if body.find(_TAG) >= 0:
        # The body's own object is an object even if it looks tagged.
        content = {key: _untagged(child, MOST_LEVELS) for key, child in content.items()}
    found: dict[str, Any] = content
    return found


def _loads(body: bytes, refused: orjson.JSONDecodeError) -> Any:
    """What the standard library makes of a body that orjson refuses: NaN, infinities and lone surrogates."""
    if not body:
        raise Undecodable('the body is empty')
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise Undecodable(f'the body is not UTF-8 at byte {error.start}') from None
    except json.JSONDecodeError:
        raise Undecodable(f'the body is not JSON: {refused.msg} at character {refused.pos}') from None
    except (RecursionError, ValueError):
        # RecursionError: nested too deep for the interpreter; ValueError: an integer of more than 4,300 digits.
        raise Undecodable(f'the body is not JSON that can be read: {refused.msg}') from None


def _check_depth(body: bytes, content: Any, depth: int) -> None:
    if _may_be_deeper(body, depth) and deeper_than(content, depth):
        raise Undecodable(f'the body is nested deeper than {depth} levels (bus.max_depth)')


def _may_be_deeper(body: bytes, depth: int) -> bool:
    """Whether a body has so many braces and brackets, in texts or not, that it can have more than `depth` levels."""
    # To look for the few that there are takes a fraction of the time that counting does, which looks at each byte.
    openings = 0
    for opening in (b'{', b'['):
        at = body.find(opening)
        while at >= 0:
            openings += 1
            if openings > depth:
                return True
            at = body.find(opening, at + 1)
    return False


def deeper_than(value: Any, depth: int) -> bool:
    """Whether `value` has more than `depth` levels, found without recursion."""
    level = [value]
    for _ in range(depth):
        if not level:
            break
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
    return bool(level)


def _untagged(value: Any, levels: int) -> Any:
    """`value` with what kombu 5.3 tags (`{"__type__": "uuid", "__value__": …}`) as the text that older ones send.

    Raises:
        Undecodable: it has more than `levels` levels. Code that is compiled knows no limit of the interpreter's.
    """
    if not levels:
        raise Undecodable('the body is nested deeper than can be read (bus.max_depth)')
    if isinstance(value, list):
        return [_untagged(child, levels - 1) for child in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == _TAG_KEYS and isinstance(value[_TAG_TYPE], str):
        inner = value[_TAG_VALUE]
        if value[_TAG_TYPE] == 'uuid' and isinstance(inner, dict) and isinstance(inner.get('hex'), str):
            text = inner['hex']
            return f'{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}' if len(text) == 32 else text
        if isinstance(inner, str):
            return inner
    return {key: _untagged(child, levels - 1) for key, child in value.items()}


def plain(value: Any) -> Any:
    """The JSON form of a value whose type JSON has not, as bytes, decimals and times of AMQP headers have."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode('utf-8', 'backslashreplace')
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value)


def _finite(value: Any, levels: int) -> Any:
    """`value` with null for NaN and the infinities, as orjson writes them.

    Raises:
        RecursionError: it has more than `levels` levels. Code that is compiled knows no limit of the interpreter's.
    """
    if not levels:
        raise RecursionError(f'nested deeper than {_MOST_WRITTEN_LEVELS} levels, or it holds itself')
    if isinstance(value, float) and not (float('-inf') < value < float('inf')):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(child, levels - 1) for key, child in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_finite(child, levels - 1) for child in value]
    return value
