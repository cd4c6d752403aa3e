# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The row: a record as the columns of a table, in texts that every database and every reader can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from wazo_busd.api import Event, encode_json

MOST_LETTERS = 255
"""Of what is longer a column has only the beginning: PostgreSQL refuses an index of more than 2,704 bytes."""

_ODD = re.compile('[\0\ud800-\udfff]')
_REPLACEMENT = '\ufffd'
_ESCAPE = re.compile(
    rb'\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u0000|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)'
)
_ODD_ESCAPE = re.compile(rb'\\(?:u0000|u[dD][89a-fA-F][0-9a-fA-F]{2})')
_PAIR_LENGTH = 12
_ODD_NUMBER = re.compile(rb'(?:[0-9]e\+?[0-9]+|-0\.0)(?:[,\]}]|$)')
"""`1e22` becomes a whole number in PostgreSQL, and `-0.0` loses its sign."""


class Row(NamedTuple):
    """The columns of an event, in the order of `COLUMNS`, which has two more: the time of the commit is not known yet.

    Attributes:
        received_at: see `record.KEYS`; so are the others that are there.
        call_id: the call that the event is about.
        headers: JSON.
        data: JSON.
        original: the whole record in JSON, where the columns cannot have it as it is.
    """

    received_at: str
    name: str
    exchange: str
    routing_key: str
    origin_uuid: str | None
    tenant_uuid: str | None
    call_id: str | None
    headers: str
    data: str
    id: str
    redelivered: bool
    attempt: int
    handler: str
    original: bytes | None


COLUMNS = (*Row._fields, 'written_at')


def row_of(record: Mapping[str, Any]) -> Row:
    """The row of a record."""
    data = record['data']
    raw_headers, raw_data = encode_json(record['headers']), encode_json(data)
    plain = (
        record['name'],
        record['exchange'],
        record['routing_key'],
        record['origin_uuid'],
        record['tenant_uuid'],
        record['id'],
    )
    name, exchange, key, origin, tenant, identity = map(text_of, plain)
    headers, json_data = _json(raw_headers), _json(raw_data)
    is_exact = (name, exchange, key, origin, tenant, identity) == plain and (headers, json_data) == (
        raw_headers,
        raw_data,
    )
    if _ODD_NUMBER.search(raw_data) or _ODD_NUMBER.search(raw_headers):
        is_exact = False
    return Row(
        record['received_at'],
        name or '',
        exchange or '',
        key or '',
        origin,
        tenant,
        text_of(Event('', data).call_id),
        headers.decode(),
        json_data.decode(),
        identity or '',
        record['redelivered'],
        record['attempt'],
        record['handler'],
        None if is_exact else encode_json(record),
    )


def text_of(value: str | None) -> str | None:
    """What a column holds of a text: its beginning, without what no database can hold."""
    if value is None:
        return None
    return _ODD.sub(_REPLACEMENT, value[:MOST_LETTERS])


def _json(raw: bytes) -> bytes:
    """The same JSON without NUL and lone surrogates, which JSON can escape and databases cannot hold."""
    return _ESCAPE.sub(_replaced, raw) if _ODD_ESCAPE.search(raw) else raw


def _replaced(escape: re.Match[bytes]) -> bytes:
    found = escape[0]
    return rb'\ufffd' if len(found) < _PAIR_LENGTH and _ODD_ESCAPE.fullmatch(found) else found
