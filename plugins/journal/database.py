# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The database: a journal's file of SQLite, as one thread uses it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from . import schema
from .claims import Tail, Written
from .lock import flush_directory, open_locked
from .record import moment, seconds
from .row import COLUMNS

APPLICATION = 0x62757364
"""What tells our files from other databases: `busd`."""

_BUSY_SECONDS = 5.0
_STEP = 500
_MOST_RUNS = 1000
_LOG_LIMIT = 67_108_864
_INSERT = f'INSERT INTO events ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})'  # noqa: S608
_REMOVE = """
    DELETE FROM events
    WHERE seq IN (SELECT seq FROM events WHERE written_at <= ? ORDER BY seq LIMIT ?) AND written_at < ?
"""
"""Behind rows of a clock that was ahead can be old ones."""


class Database:
    """A database and the only one who writes it. All of it blocks, and is to be called in one thread.

    Args:
        path: the file.
        handler: the name of the handler.
    """

    def __init__(self, path: Path, handler: str) -> None:
        self._path = path
        self._handler = handler
        self._lock = -1
        self._connection: sqlite3.Connection | None = None

    def open(self) -> list[str]:
        """Open it, or make it; note that a run begins.

        Returns:
            The ids of the rows of earlier runs whose events may come again.

        Raises:
            OSError: it cannot be opened, another journal has it, or it is no journal.
            sqlite3.Error: it cannot be read or written.
        """
        self.close()
        try:
            self._lock = open_locked(self._path.with_name(f'{self._path.name}.lock'))
            _make(self._path)
            self._connection = _connect(self._path)
            self._see_to_schema(self._connection)
            return self._begin_run(self._connection)
        except BaseException:
            # The next try opens it anew, for which the lock must be free.
            self.close()
            raise

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Put rows on disk, all of them or none.

        Raises:
            sqlite3.Error: it cannot.
        """
        connection = self._opened()
        with _transaction(connection):
            connection.executemany(_INSERT, rows)

    def remove(self, before: str) -> bool:
        """Remove some of the rows that were written before a time.

        Returns:
            Whether there may be more of them.

        Raises:
            sqlite3.Error: it cannot.
        """
        connection = self._opened()
        with _transaction(connection):
            return connection.execute(_REMOVE, (moment(time.time()), _STEP, before)).rowcount == _STEP

    def close(self) -> None:
        """Close it."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self.open()
        if self._connection is None:
            raise sqlite3.OperationalError('the database is closed')
        return self._connection

    def _see_to_schema(self, connection: sqlite3.Connection) -> None:
        application = connection.execute('PRAGMA application_id').fetchone()[0]
        version = connection.execute('PRAGMA user_version').fetchone()[0]
        if not application and not connection.execute('SELECT count(*) FROM sqlite_master').fetchone()[0]:
            numbers = f'PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {schema.VERSION}'
            # executescript would end a transaction that was begun before.
            connection.executescript(f'BEGIN IMMEDIATE; {schema.SQLITE} {numbers}; COMMIT')
        else:
            check(self._path, application, version)

    def _begin_run(self, connection: sqlite3.Connection) -> list[str]:
        """Note that a run begins, and find what the ones before have left open."""
        earlier = self._open_rows(connection)
        with _transaction(connection):
            last = connection.execute('SELECT coalesce(max(seq), 0) FROM events').fetchone()[0]
            row = (self._handler, moment(time.time()), last)
            connection.execute('INSERT INTO runs (handler, started_at, last_seq) VALUES (?, ?, ?)', row)
            connection.execute('DELETE FROM runs WHERE run <= (SELECT max(run) FROM runs) - ?', (_MOST_RUNS,))
        return earlier

    def _open_rows(self, connection: sqlite3.Connection) -> list[str]:
        """The ids of the rows of earlier runs whose events may come again; see `Claims`."""
        found: list[str] = []
        upper = 2**63 - 1
        for (last,) in connection.execute('SELECT last_seq FROM runs ORDER BY run DESC').fetchall():
            first = connection.execute('SELECT written_at FROM events WHERE seq > ? ORDER BY seq LIMIT 1', (last,))
            tail = Tail(seconds(*(first.fetchone() or (moment(0.0),))))
            rows = connection.execute(
                """
                SELECT id, NOT redelivered AND attempt = 1, received_at, written_at
                FROM events WHERE seq > ? AND seq <= ? ORDER BY seq DESC
                """,
                (last, upper),
            )
            with closing(rows):
                for identity, is_first, received_at, written_at in rows:
                    if not tail.see(Written(identity, bool(is_first), seconds(received_at), seconds(written_at))):
                        break
            found += tail.open
            upper = last
            if not tail.is_short:
                break
        return found


def check(path: Path, application: int, version: int) -> None:
    """See that a database is a journal that this version can use.

    Args:
        path: its file.
        application: its `application_id`.
        version: its `user_version`.

    Raises:
        OSError: it is none.
    """
    if application != APPLICATION:
        raise OSError(f'{path} is a database of something else. next: name another file in path')
    if version != schema.VERSION:
        text = f'{path} has the schema {version} of a journal, this wazo-busd knows {schema.VERSION}'
        raise OSError(f'{text}. next: name another file in path, or install a newer wazo-busd')


def _make(path: Path) -> None:
    """Make the file before SQLite does, which would let everybody read it."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
    except FileExistsError:
        return
    flush_directory(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    # By itself Python would begin transactions; isolation_level=None leaves that to us.
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # Readers hinder no writer, and a commit is one flush of the log. NORMAL would not flush it: after a loss of
        # power the last commits would be gone, whose events are acknowledged.
        connection.execute('PRAGMA journal_mode = WAL')
        connection.execute('PRAGMA synchronous = FULL')
        connection.execute(f'PRAGMA journal_size_limit = {_LOG_LIMIT}')
    except BaseException:
        # Whoever calls has no connection that he could close.
        connection.close()
        raise
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute('BEGIN IMMEDIATE')
    try:
        yield
        connection.execute('COMMIT')
    except BaseException:
        # All of it or none, whatever it was. Of some errors SQLite has made it undone already.
        if connection.in_transaction:
            connection.execute('ROLLBACK')
        raise
