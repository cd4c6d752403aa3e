# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The session: one connection to PostgreSQL, on which nobody else writes for the same handler."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from . import schema
from .claims import Tail, Written

_CONNECT_SECONDS = 10.0
_COMMAND_SECONDS = 20.0
"""Shorter than the timeout of a handler: what fails here is known to have failed."""
_CLOSE_SECONDS = 5.0
_STEP = 500
_MOST_RUNS = 1000
_PAGE = 1000
_KEEPALIVES = {'tcp_keepalives_idle': '20', 'tcp_keepalives_interval': '5', 'tcp_keepalives_count': '4'}
"""A session whose client is gone without a word holds its lock for 40 s, not for hours."""
_MARK = f'journal of wazo-busd, schema {schema.VERSION}'


class SessionError(Exception):
    """Raised when the database is not fit to be used. The text says why and what to do next."""


async def connected(url: str, handler: str) -> Session:
    """A session for a handler, with the tables made if they are missing.

    When this returns, everything that an earlier session of the handler was committing has been committed, or never
    will be.

    Args:
        url: where the database is.
        handler: the name of the handler.

    Raises:
        OSError: nobody is there.
        asyncpg.PostgresError: the server refuses.
        SessionError: the database is not fit to be used.
        TimeoutError: it takes too long.
    """
    settings = {'application_name': f'wazo-busd {handler}', **_KEEPALIVES}
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        url, timeout=_CONNECT_SECONDS, command_timeout=_COMMAND_SECONDS, server_settings=settings
    )
    session = Session(connection, handler)
    try:
        await session.prepare()
    except BaseException:
        # Also where it is cancelled: a connection that nobody has keeps the lock of the journal at the server.
        session.terminate()
        raise
    return session


class Session:
    """One connection.

    Args:
        connection: the connection.
        handler: the name of the handler that writes on it.
    """

    def __init__(self, connection: asyncpg.Connection[Any], handler: str) -> None:
        self._connection = connection
        self._handler = handler

    @property
    def is_closed(self) -> bool:
        """Whether it can be used no more."""
        return bool(self._connection.is_closed())

    async def prepare(self) -> None:
        """Take the lock of the handler, and see that the tables are there; for what it raises see `connected`."""
        place = await self._connection.fetchval('SELECT current_schema()')
        if place is None:
            raise SessionError('the search_path of PostgreSQL names no schema that is there. next: CREATE SCHEMA')
        key = _key(place, self._handler)
        if not await self._connection.fetchval('SELECT pg_try_advisory_lock($1)', key):
            raise SessionError(
                f'another session writes for the handler {self._handler} in the schema {place}. '
                'next: TABLE pg_stat_activity, which shows from where'
            )
        mark = await self._mark()
        if mark is None:
            async with self._connection.transaction():
                await self._connection.execute('SELECT pg_advisory_xact_lock($1)', _key(place, ''))
                if await self._mark() is None:
                    await self._connection.execute(schema.POSTGRESQL)
        elif mark != _MARK:
            text = f'the table events in the schema {place} is not that of a journal with the schema {schema.VERSION}'
            raise SessionError(f'{text}. next: name another database in url, or another schema: …?search_path=journal')

    async def begin_run(self) -> list[str]:
        """Note that a run begins.

        Returns:
            The ids of the rows of earlier runs whose events may come again.
        """
        earlier = await self._open_rows()
        await self._connection.execute(
            """
            INSERT INTO runs (handler, started_at, last_seq)
            SELECT $1, $2, coalesce((SELECT seq FROM events WHERE handler = $1 ORDER BY seq DESC LIMIT 1), 0)
            """,
            self._handler,
            datetime.now(UTC),
        )
        await self._connection.execute(
            """
            DELETE FROM runs WHERE handler = $1 AND run <
            (SELECT min(run) FROM (SELECT run FROM runs WHERE handler = $1 ORDER BY run DESC LIMIT $2) AS last)
            """,
            self._handler,
            _MOST_RUNS,
        )
        return earlier

    async def insert(self, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Write rows: all of them, or none."""
        await self._connection.copy_records_to_table(
            'events', records=rows, columns=list(columns), timeout=_COMMAND_SECONDS
        )

    async def last_commit(self) -> datetime | None:
        """When the last row of the handler was committed; `None` if there is none."""
        found: datetime | None = await self._connection.fetchval(
            'SELECT written_at FROM events WHERE handler = $1 ORDER BY seq DESC LIMIT 1', self._handler
        )
        return found

    async def remove(self, before: datetime) -> bool:
        """Remove some of the rows that were written before a time.

        Returns:
            Whether there may be more of them.
        """
        status = await self._connection.execute(
            """
            WITH oldest AS (
                -- Behind rows of a clock that was ahead can be old ones.
                SELECT seq, written_at FROM events WHERE handler = $1 AND written_at <= $4 ORDER BY seq LIMIT $2
            )
            DELETE FROM events USING oldest WHERE events.seq = oldest.seq AND oldest.written_at < $3
            """,
            self._handler,
            _STEP,
            before,
            datetime.now(UTC),
        )
        return bool(status == f'DELETE {_STEP}')

    async def close(self) -> None:
        """Close it in order, or soon in any way."""
        try:
            await self._connection.close(timeout=_CLOSE_SECONDS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            self.terminate()

    def terminate(self) -> None:
        """Close it at once."""
        self._connection.terminate()

    async def _mark(self) -> str | None:
        """The comment on the table; `None` if there is no table."""
        found: str | None = await self._connection.fetchval(
            "SELECT coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class WHERE oid = to_regclass('events')"
        )
        return found

    async def _open_rows(self) -> list[str]:
        """The ids of the rows of earlier runs whose events may come again; see `Claims`."""
        found: list[str] = []
        upper = 2**63 - 1
        runs = await self._connection.fetch(
            """
            SELECT last_seq, (
                SELECT written_at FROM events WHERE handler = $1 AND seq > last_seq ORDER BY seq LIMIT 1
            ) AS began_at
            FROM runs WHERE handler = $1 ORDER BY run DESC
            """,
            self._handler,
        )
        for run in runs:
            tail = Tail(run['began_at'].timestamp() if run['began_at'] else 0.0)
            while rows := await self._rows_before(upper, run['last_seq']):
                upper = rows[-1]['seq'] - 1
                if not all(tail.see(_written(row)) for row in rows):
                    break
            found += tail.open
            upper = run['last_seq']
            if not tail.is_short:
                break
        return found

    async def _rows_before(self, upper: int, lower: int) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await self._connection.fetch(
            """
            SELECT seq, id, NOT redelivered AND attempt = 1 AS is_first, received_at, written_at
            FROM events WHERE handler = $1 AND seq > $2 AND seq <= $3 ORDER BY seq DESC LIMIT $4
            """,
            self._handler,
            lower,
            upper,
            _PAGE,
        )
        return found


def _written(row: asyncpg.Record) -> Written:
    return Written(row['id'], row['is_first'], row['received_at'].timestamp(), row['written_at'].timestamp())


def _key(*words: str) -> int:
    """The number of an advisory lock that stands for some words."""
    digest = hashlib.blake2b('/'.join(('wazo-busd', *words)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), 'big', signed=True)
