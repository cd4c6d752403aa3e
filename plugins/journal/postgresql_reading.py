# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Reading from PostgreSQL: the records of one handler, a page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg

from .reading import record_of_row
from .record import KEYS
from .row import text_of
from .selection import Selection

_CONNECT_SECONDS = 10.0
_PAGE = 1000
_SELECT = f"""
    SELECT seq, {', '.join(KEYS)}, original FROM events
    WHERE handler = $1 AND (received_at, seq) > ($2, $3) AND received_at >= $4 AND received_at < $5
    AND ($6::text IS NULL OR name = $6)
    ORDER BY received_at, seq LIMIT {_PAGE}
"""  # noqa: S608 — names of columns
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, tzinfo=UTC)


async def read(url: str, handler: str, selection: Selection) -> AsyncIterator[dict[str, Any]]:
    """The records of a handler, in the order in which they came.

    Args:
        url: where the database is.
        handler: the name of the handler.
        selection: which of them.

    Raises:
        OSError: it cannot be read.
    """
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
        try:
            where = (_FIRST, 0)
            name = text_of(selection.name)
            since, until = selection.since or _FIRST, selection.until or _LAST
            while rows := await connection.fetch(_SELECT, handler, *where, since, until, name):
                for row in rows:
                    received_at = row['received_at'].astimezone(UTC).isoformat(timespec='microseconds')
                    record = record_of_row({**row, 'received_at': received_at})
                    if selection.takes(record):
                        yield record
                where = (rows[-1]['received_at'], rows[-1]['seq'])
        finally:
            await connection.close()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise OSError(f'PostgreSQL cannot be read: {reason}. next: psql with the URL of the option url') from error
