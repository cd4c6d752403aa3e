# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The store in PostgreSQL: one row an event, and no second one when it comes again, over one connection."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from wazo_busd.api import Permanent, Retry

from .claims import Claims
from .entry import Entry
from .row import COLUMNS, Row, row_of
from .session import Session, SessionError, connected

_DATA_ERRORS = ('22', '23', '54')
"""The classes of errors that say that what was to be written is at fault (PostgreSQL, appendix A)."""

_FAULTS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    SessionError,
)
_TICK = timedelta(microseconds=1)
_ALONE = 1000


class PostgresqlStore:
    """A table in PostgreSQL.

    Args:
        url: where it is. It holds a password, and is never shown.
        handler: the name of the handler.
        keep_seconds: how long rows are kept; `None` is for ever.
    """

    def __init__(self, url: str, handler: str, keep_seconds: float | None) -> None:
        self.most = sys.maxsize
        self._url = url
        self._handler = handler
        self._keep_seconds = keep_seconds
        self._session: Session | None = None
        self._claims = Claims()
        self._written_at = datetime.fromtimestamp(0, UTC)
        self._doubt: Sequence[Entry] = ()
        """What was being written when the connection broke: nobody knows whether it was committed."""
        self._alone = 0
        """How many are still to be written one by one, to find one that PostgreSQL refuses."""

    async def open(self) -> None:
        """See `Store`."""
        try:
            self._session = await connected(self._url, self._handler)
            self._claims = Claims(await self._session.begin_run())
        except _FAULTS as error:
            raise ConnectionError(_told(error)) from error

    def form(self, record: Mapping[str, Any]) -> Row:
        """See `Store`."""
        return row_of(record)

    async def write(self, entries: Sequence[Entry]) -> None:
        """See `Store`.

        Raises:
            wazo_busd.api.Permanent: PostgreSQL will never take it.
        """
        try:
            session = await self._usable()
        except _FAULTS as error:
            raise Retry(_told(error), endless=True) from error
        rows = self._claims.sort_out(entries)
        try:
            if rows:
                self._written_at = max(datetime.now(UTC), self._written_at + _TICK)
                await session.insert(COLUMNS, [(*_values(row.form), self._written_at) for row in rows])
        except asyncpg.PostgresError as error:
            if (error.sqlstate or '')[:2] not in _DATA_ERRORS:
                self._break(entries)
                raise Retry(_told(error), endless=True) from error
            self._claims.failed(entries)
            raise self._refused(error, len(entries)) from error
        except BaseException as error:
            self._break(entries)
            if isinstance(error, _FAULTS):
                raise Retry(_told(error), endless=True) from error
            raise
        self._claims.committed(entries, time.time())
        self._was_taken(len(entries))

    def orphaned(self, entry: Entry) -> None:
        """See `Store`."""
        self._claims.orphaned(entry)

    async def tidy(self) -> bool:
        """See `Store`."""
        if self._keep_seconds is None:
            return False
        try:
            session = await self._usable()
            return await session.remove(datetime.now(UTC) - timedelta(seconds=self._keep_seconds))
        except _FAULTS as error:
            self.abandon()
            raise Retry(_told(error), endless=True) from error

    async def close(self) -> None:
        """See `Store`."""
        if self._session is not None:
            await self._session.close()

    def abandon(self) -> None:
        """See `Store`."""
        if self._session is not None:
            self._session.terminate()

    async def _usable(self) -> Session:
        """The session; a new one if it is gone, and then it is known what became of the last batch."""
        if self._session is None or self._session.is_closed:
            self._session = await connected(self._url, self._handler)
        if self._doubt:
            is_there = await self._session.last_commit() == self._written_at
            doubt, self._doubt = self._doubt, ()
            if is_there:
                self._claims.committed(doubt, time.time())
                for entry in doubt:
                    if not entry.written.cancelled():
                        self._claims.orphaned(entry)
            else:
                self._claims.failed(doubt)
        return self._session

    def _break(self, entries: Sequence[Entry]) -> None:
        """Give up the session in the middle of a batch."""
        self._doubt = entries
        self.abandon()

    def _refused(self, error: asyncpg.PostgresError, count: int) -> Exception:
        """What a batch gets of which PostgreSQL refuses something: all but the culprit are to be tried again, alone."""
        if count == 1:
            self._was_taken(1)
            return Permanent(f'PostgreSQL refuses the record: {error}')
        self.most, self._alone = 1, max(_ALONE, count)
        return Retry(f'PostgreSQL refuses one of {count} records: {error}', endless=True)

    def _was_taken(self, count: int) -> None:
        self._alone = max(0, self._alone - count)
        if not self._alone:
            self.most = sys.maxsize


def _values(row: Row) -> tuple[Any, ...]:
    return (datetime.fromisoformat(row.received_at), *row[1:])


def _told(error: BaseException) -> str:
    if isinstance(error, SessionError):
        return str(error)
    reason = str(error) or type(error).__name__
    return f'PostgreSQL cannot be used: {reason}. next: psql with the URL of the option url'
