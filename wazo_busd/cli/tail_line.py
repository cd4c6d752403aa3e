# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The line of `wazo-busd tail`: one event in one line, for an operator who looks for somebody or something."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from wazo_busd.amqp import Heard
from wazo_busd.cli.tail_mask import masked, masked_text
from wazo_busd.codec import encode
from wazo_busd.text import escape

LONGEST = 200
"""Columns of a line that goes to no terminal."""

_NARROW = 120
"""Columns from which on the key has a place of its own."""

_NAME_WIDTH, _KEY_WIDTH = 26, 30
_CLOCK = 12
_VALUE_WIDTH = 40
_SHORT_ID = 8
_PEOPLE = (
    ('caller', ('caller_id_name', 'CallerIDName'), ('caller_id_number', 'caller_id_num', 'CallerIDNum', 'CallerID')),
    (
        'peer',
        ('peer_caller_id_name', 'ConnectedLineName'),
        ('peer_caller_id_number', 'callee_id_number', 'ConnectedLineNum'),
    ),
)
"""Who is on a call: what they are called here, the fields of the name and those of the number."""

_FACTS = (
    ('dialed', ('dialed_extension', 'dialed', 'DNID')),
    ('queue', ('queue_name', 'Queue', 'queue_id', 'queue')),
    ('agent', ('agent_number', 'agent_id', 'MemberName', 'Agent')),
    ('ext', ('extension', 'exten', 'Exten', 'extensions')),
    ('status', ('status', 'state', 'session', 'Status', 'ChannelStateDesc', 'Paused')),
    ('reason', ('error', 'reason', 'reason_code', 'Cause-txt', 'Cause')),
    ('service', ('service_name', 'service')),
    ('position', ('Position', 'position')),
    ('wait', ('wait_seconds', 'HoldTime', 'Wait')),
    ('call', ('call_id', 'Uniqueid', 'conference_id')),
    ('user', ('user_uuid',)),
)
"""What else a person asks of an event: what it is called here, and the fields that may have it, the best first."""

_FEW = 4
"""Where nothing of that is known, so many fields are shown as they are."""


@dataclass(frozen=True, slots=True)
class Style:
    """How lines are written.

    Attributes:
        width: columns that a line has at most; `None` for any number.
        colour: whether it is for a terminal that shows colours.
        whole: whether the data is shown as it is, in JSON, however long.
        mask: whether numbers and names are hidden.
    """

    width: int | None = LONGEST
    colour: bool = False
    whole: bool = False
    mask: bool = False


def line(heard: Heard, style: Style, handlers: str = '') -> str:
    """An event in one line.

    Args:
        heard: the event.
        style: how it is written.
        handlers: which handlers take it, in words; `''` where nobody asked.
    """
    event = heard.event
    name = escape(event.name) or ('(unreadable)' if heard.error else '(no name)')
    key = escape(masked_text(event.routing_key) if style.mask else event.routing_key)
    if style.whole:
        who = f'unreadable: {escape(heard.error)}' if heard.error else json_text(_shown(event.data, style))
    else:
        who = ' '.join(_about(heard, style))
    clock = f'{time.strftime("%H:%M:%S", time.localtime(event.received_at))}.{int(event.received_at % 1 * 1000):03d}'
    tenant = f'tenant={escape(event.tenant_uuid[:_SHORT_ID])}' if event.tenant_uuid and not style.whole else ''
    taken = f'-> {escape(handlers)}' if handlers else ''
    roomy = style.width is None or style.width >= _NARROW
    rest = (f'{key:<{_KEY_WIDTH}}', taken, who, tenant) if roomy else (taken, who, key, tenant)
    text = f'{clock} {name:<{_NAME_WIDTH}} {" ".join(each for each in rest if each)}'.rstrip()
    if style.width is not None and not style.whole:
        text = cut(text, style.width)
    return _coloured(text, len(name)) if style.colour else text


def json_line(heard: Heard, *, mask: bool, handlers: list[str] | None = None) -> str:
    """An event as one JSON object in one line, which is printable whatever came.

    Args:
        heard: the event.
        mask: whether numbers and names are hidden.
        handlers: which handlers take it; `None` where nobody asked.
    """
    event = heard.event
    told: dict[str, Any] = {
        'received_at': round(event.received_at, 6),
        'name': event.name,
        'routing_key': masked_text(event.routing_key) if mask else event.routing_key,
        'exchange': event.exchange,
        # The name of the event is nobody's name.
        'headers': masked_headers(event.headers) if mask else event.headers,
        'data': masked(event.data) if mask else event.data,
    }
    if heard.error:
        told['error'] = heard.error
    if handlers is not None:
        told['handlers'] = handlers
    return json_text(told)


def json_text(value: Any) -> str:
    """JSON in one line, in which a terminal finds nothing but letters; a program reads the same from it."""
    text = encode(value).decode()
    if text.isprintable():
        return text
    return ''.join(letter if letter.isprintable() else _json_escape(letter) for letter in text)


def cut(text: str, width: int) -> str:
    """`text`, with its end left out where it has more than `width` columns."""
    if text.isascii():
        return text if len(text) <= width else f'{text[: width - 1]}…'
    if sum(map(_columns, text)) <= width:
        return text
    kept, room = 0, width - 1
    for letter in text:
        room -= _columns(letter)
        if room < 0:
            break
        kept += 1
    return f'{text[:kept]}…'


def _about(heard: Heard, style: Style) -> Iterator[str]:
    """What an operator wants to see of the data."""
    if heard.error:
        yield f'unreadable: {escape(heard.error)}'
        return
    data = _shown(heard.event.data, style)
    if not isinstance(data, Mapping):
        if data is not None:
            yield _value(data)
        return
    inner = data.get('call')
    fields = {**inner, **data} if isinstance(inner, Mapping) else data
    found = False
    for label, names, numbers in _PEOPLE:
        name, number = _first(fields, names), _first(fields, numbers)
        if name or number:
            found = True
            yield f'{label}={f"{name} <{number}>" if name and number and name != number else name or number}'
    for label, keys in _FACTS:
        value = _first(fields, keys)
        if value:
            found = True
            yield f'{label}={value[:_SHORT_ID] if label == "user" else value}'
    if not found:
        plain = ((key, value) for key, value in data.items() if not isinstance(value, (Mapping, list)))
        yield from (f'{escape(str(key))}={_value(value)}' for (key, value), _ in zip(plain, range(_FEW), strict=False))


def _first(fields: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """The first of some fields that says something."""
    for key in keys:
        value = fields.get(key)
        if value is not None and value != '' and not isinstance(value, Mapping):
            return _value(value)
    return ''


def _value(value: Any) -> str:
    text = escape(value) if isinstance(value, str) else json_text(value)
    return text if len(text) <= _VALUE_WIDTH else f'{text[: _VALUE_WIDTH - 1]}…'


def _shown(data: Any, style: Style) -> Any:
    return masked(data) if style.mask else data


def masked_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Headers with numbers and names of people hidden; the name of the event is nobody's."""
    kept = {key: headers[key] for key in ('name',) if key in headers}
    found: dict[str, Any] = {**masked({key: value for key, value in headers.items() if key not in kept}), **kept}
    return found


def _columns(letter: str) -> int:
    if letter < '\u0300':
        return 1
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in 'WF' else 1


def _coloured(text: str, name_length: int) -> str:
    """The line with the time faint and the name bold."""
    begin, end = _CLOCK + 1, _CLOCK + 1 + name_length
    return f'{click.style(text[:_CLOCK], dim=True)} {click.style(text[begin:end], bold=True)}{text[end:]}'


def _json_escape(letter: str) -> str:
    code = ord(letter)
    if code < 0x10000:
        return f'\\u{code:04x}'
    code -= 0x10000
    return f'\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}'
