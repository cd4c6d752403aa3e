# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The store of JSON lines."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from wazo_busd.api import encode_json

from .archive import Archive
from .claims import Claims
from .entry import Entry
from .line_file import LineFile
from .line_tail import last_ids
from .obstruction import of_file
from .options import JournalOptions
from .thread import OwnThread

DEFAULT_NAME = 'journal.jsonl'

_NICENESS = 10


class LineStore:
    """One JSON object a line, and no second one when its event comes again.

    What a line lacks is the time of its commit; that of its event stands for it. So after a crash fewer lines are known
    to be open than in a database, and an event can have a second one, which says `redelivered`. None is missing.

    Args:
        path: the file.
        options: what the configuration says.
        log: the handler's log.
    """

    most = sys.maxsize

    def __init__(self, path: Path, options: JournalOptions, log: Any) -> None:
        self._archive = Archive(path, compress=options.compress, keep_seconds=options.keep, log=log)
        self._file = LineFile(path, self._archive, daily=options.rotate == 'daily', max_size=options.max_size, log=log)
        self._log = log
        self._thread = OwnThread('journal')
        self._archivist = OwnThread('journal-archive', _be_nice)
        self._claims = Claims()
        self._archiving: asyncio.Task[None] | None = None
        self._is_more = False

    async def open(self) -> None:
        """See `Store`."""
        self._claims = Claims(await self._thread.run(self._open))

    def form(self, record: Mapping[str, Any]) -> bytes:
        """See `Store`."""
        return encode_json(record) + b'\n'

    async def write(self, entries: Sequence[Entry]) -> None:
        """See `Store`."""
        lines = b''.join(entry.form for entry in self._claims.sort_out(entries))
        try:
            is_rotated = False
            if lines:
                is_rotated = await self._thread.run(lambda: self._file.append(lines))
            if is_rotated:
                self._archive_soon()
        except BaseException as error:
            self._claims.failed(entries)
            if isinstance(error, OSError):
                raise of_file(error, self._file.path) from error
            raise
        self._claims.committed(entries, time.time())

    def orphaned(self, entry: Entry) -> None:
        """See `Store`."""
        self._claims.orphaned(entry)

    async def tidy(self) -> bool:
        """See `Store`."""
        try:
            await self._thread.run(self._file.rotate_if_due)
        except OSError as error:
            raise of_file(error, self._file.path) from error
        self._archive_soon()
        return False

    async def close(self) -> None:
        """See `Store`."""
        self._archive.stop()
        if self._archiving is not None:
            await asyncio.wait([self._archiving])
        await self._thread.run(self._file.close)
        self.abandon()

    def abandon(self) -> None:
        """See `Store`."""
        self._archivist.end(self._archive.stop)
        self._thread.end(self._file.close)

    def _open(self) -> list[str]:
        self._file.open()
        return last_ids(self._file.path)

    def _archive_soon(self) -> None:
        self._is_more = True
        if self._archiving is None:
            self._archiving = asyncio.create_task(self._tidy_archive(), name='journal/archive')

    async def _tidy_archive(self) -> None:
        try:
            while self._is_more:
                self._is_more = False
                await self._archivist.run(self._archive.tidy)
        except OSError as error:
            self._log.warning(
                'journal_not_archived',
                path=str(self._file.path),
                error=str(error),
                effect='rotated files stay as they are; it is tried again in an hour',
                hint=f'df -h {self._file.path.parent}',
            )
        finally:
            self._archiving = None


def _be_nice() -> None:
    """Let all other threads go first; on Linux this is of the calling thread alone."""
    # The sandbox of the unit forbids it: then the weight that systemd gives the daemon has to do.
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
