# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The forms in which the records of a journal are written for others: JSON lines and CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any

from wazo_busd.codec import encode
from wazo_busd.text import escape

FIELDS = (
    'received_at',
    'name',
    'exchange',
    'routing_key',
    'origin_uuid',
    'tenant_uuid',
    'headers',
    'data',
    'id',
    'redelivered',
    'attempt',
    'handler',
)
"""The columns of CSV unless said."""

_TRIGGERS = '=+\\-@\uff1d\uff0b\uff0d\uff20'
"""What a spreadsheet takes for the beginning of a formula, in half and in full width."""

_FORMULA = re.compile(rf'\s*[{_TRIGGERS}]')
_FORMULA_BEHIND = re.compile(rf'(;\s*)(?=["\s]*[{_TRIGGERS}])')
"""Where a formula begins for a spreadsheet to which the semicolon separates cells, and quotes begin one."""

_NUMBER = re.compile(r'[+-]?[0-9]{1,40}')
_BEHIND_IN_JSON = re.compile(rf'(;(?:\s|\\")*)([{_TRIGGERS}])')


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON that has letters only, whatever its events said.

    What a terminal could take for more than a letter is escaped as JSON escapes it, so programs read what was written.
    """
    return _json(record)


def csv_line(cells: Iterable[str]) -> str:
    """One line of CSV (RFC 4180), with its end."""
    line, row = StringIO(), list(cells)
    if len(row) > 1 and row[0].startswith(('+', '-')):
        # To a spreadsheet to which the comma separates nothing, the whole line is one cell, and no number.
        row[0] = f"'{row[0]}"
    csv.writer(line).writerow(row)
    return line.getvalue()


def cells(record: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    """The cells of a record, none of which a spreadsheet takes for a formula.

    Args:
        record: the record.
        fields: which ones, each a dotted way through the record.
    """
    return [_cell(_at(record, field)) for field in fields]


def _at(value: Any, field: str) -> Any:
    """What is at a dotted field; `None` where nothing is."""
    if isinstance(value, Mapping):
        if field in value:
            return value[field]
        head, _, rest = field.partition('.')
        return _at(value.get(head), rest) if rest else None
    if isinstance(value, list):
        head, _, rest = field.partition('.')
        if not (head.isascii() and head.isdecimal() and len(head) < 10 and int(head) < len(value)):
            return None
        return _at(value[int(head)], rest) if rest else value[int(head)]
    return None


def _cell(value: Any) -> str:
    if value is None:
        return ''
    if not isinstance(value, str):
        return _BEHIND_IN_JSON.sub(_escaped_in_json, _json(value))
    text = _FORMULA_BEHIND.sub(r"\1'", escape(value))
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _json(value: Any) -> str:
    text = encode(value).decode()
    return text if text.isprintable() else ''.join(each if each.isprintable() else _in_json(each) for each in text)


def _in_json(letter: str) -> str:
    """A letter as JSON escapes it; those beyond 16 bits are two."""
    raw = letter.encode('utf-16-be', 'surrogatepass')
    return ''.join(f'\\u{raw[place]:02x}{raw[place + 1]:02x}' for place in range(0, len(raw), 2))


def _escaped_in_json(found: re.Match[str]) -> str:
    # A semicolon is nowhere in JSON but in a text, where every letter may be escaped.
    return f'{found[1]}{_in_json(found[2])}'
