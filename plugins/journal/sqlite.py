# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The store in SQLite: one row an event, and no second one when it comes again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from sqlite3 import Error as SqliteError
from typing import Any

from .claims import Claims
from .database import Database
from .entry import Entry
from .obstruction import of_file, of_sqlite
from .record import moment
from .row import Row, row_of
from .thread import OwnThread

DEFAULT_NAME = 'journal.sqlite'


class SqliteStore:
    """A database in a file. All that blocks is done in one thread of its own.

    Args:
        path: the file.
        handler: the name of the handler.
        keep_seconds: how long rows are kept; `None` is for ever.
    """

    most = sys.maxsize

    def __init__(self, path: Path, handler: str, keep_seconds: float | None) -> None:
        self._path = path
        self._keep_seconds = keep_seconds
        self._database = Database(path, handler)
        self._thread = OwnThread('journal')
        self._claims = Claims()
        self._inode = (0, 0)

    async def open(self) -> None:
        """See `Store`."""
        try:
            earlier = await self._thread.run(self._database.open)
        except SqliteError as error:
            raise OSError(str(of_sqlite(error, self._path))) from error
        self._claims = Claims(earlier)
        self._inode = _inode(self._path)

    def form(self, record: Mapping[str, Any]) -> Row:
        """See `Store`."""
        return row_of(record)

    async def write(self, entries: Sequence[Entry]) -> None:
        """See `Store`."""
        try:
            if _inode(self._path) != self._inode:
                # It was moved away: what is written into it would not be found.
                await self.open()
            rows = self._claims.sort_out(entries)
            try:
                if rows:
                    written_at = moment(time.time())
                    await self._thread.run(lambda: self._database.insert([(*row.form, written_at) for row in rows]))
            except BaseException:
                # Also where it is cancelled: what is not known to be committed must be taken when it comes again.
                self._claims.failed(entries)
                raise
        except SqliteError as error:
            raise of_sqlite(error, self._path) from error
        except OSError as error:
            raise of_file(error, self._path) from error
        self._claims.committed(entries, time.time())

    def orphaned(self, entry: Entry) -> None:
        """See `Store`."""
        self._claims.orphaned(entry)

    async def tidy(self) -> bool:
        """See `Store`."""
        if self._keep_seconds is None:
            return False
        before = moment(time.time() - self._keep_seconds)
        try:
            return await self._thread.run(lambda: self._database.remove(before))
        except SqliteError as error:
            raise of_sqlite(error, self._path) from error

    async def close(self) -> None:
        """See `Store`."""
        await self._thread.run(self._database.close)
        self.abandon()

    def abandon(self) -> None:
        """See `Store`."""
        self._thread.end(self._database.close)


def _inode(path: Path) -> tuple[int, int]:
    """What tells the file at `path` from another; zeros where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 — once a batch, and a third of the cost of Path.stat
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino
