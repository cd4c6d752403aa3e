# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The line file: JSON lines that are whole or not there, whatever crashes or is full."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from .archive import Archive, day_of
from .lock import flush_directory, open_locked

_PATIENCE_SECONDS = 3600.0
_BLOCK = 65_536


class LineFile:
    """The file that a journal appends to. All of it blocks.

    A file that was renamed or removed, as log rotation does, is made anew.

    Args:
        path: where it is.
        archive: what becomes of it when it is rotated.
        daily: whether a new one is begun every day.
        max_size: how many bytes it may have; `None` is any number.
        log: the handler's log.
    """

    def __init__(self, path: Path, archive: Archive, *, daily: bool, max_size: int | None, log: Any) -> None:
        self.path = path
        self._archive = archive
        self._daily = daily
        self._max_size = max_size
        self._log = log
        self._file = -1
        self._no_rotation_before = 0.0

    def open(self) -> None:
        """Open it, make it if it is missing, and take away what a crash left of a record.

        Raises:
            OSError: it cannot be opened, or another journal has it.
        """
        self.close()
        self._file = open_locked(self.path)
        try:
            if os.fstat(self._file).st_size:
                self._cut_torn_record()
            else:
                flush_directory(self.path.parent)
        except BaseException:
            # The next try opens it anew, for which the lock must be free.
            self.close()
            raise

    def append(self, records: bytes) -> bool:
        """Append records, and return when they are on disk: all of them, or none.

        Returns:
            Whether it was rotated before.

        Raises:
            OSError: they cannot be written.
        """
        is_rotated = self.rotate_if_due(len(records))
        size = os.fstat(self._file).st_size
        rest = memoryview(records)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            self._take_away(size)
            raise
        return is_rotated

    def rotate_if_due(self, coming: int = 0) -> bool:
        """Put it aside and begin a new one, if its day is over or it would become too large.

        Args:
            coming: the number of bytes that are to be appended.

        Returns:
            Whether it did so.

        Raises:
            OSError: it cannot be opened, or the new one cannot be made.
        """
        self._follow()
        state = os.fstat(self._file)
        is_too_large = self._max_size is not None and state.st_size + coming > self._max_size
        day = day_of(state.st_mtime)
        is_over = self._daily and day < day_of(time.time())
        if not (state.st_size and (is_too_large or is_over)) or time.monotonic() < self._no_rotation_before:
            return False
        try:
            self.path.rename(self._archive.next_path(day))
        except OSError as error:
            self._no_rotation_before = time.monotonic() + _PATIENCE_SECONDS
            self._log.warning(
                'journal_not_rotated',
                path=str(self.path),
                error=error.strerror,
                effect='the file grows; it is tried again in an hour',
                hint=f'ls -ld {self.path.parent}',
            )
            return False
        self.open()
        return True

    def close(self) -> None:
        """Close it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _follow(self) -> None:
        """Make the file anew if it is no longer the one that is open."""
        try:
            is_same = self._file >= 0 and os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            is_same = False
        if not is_same:
            self.open()

    def _take_away(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
        except OSError:
            # What is torn is cut off when the file is opened again.
            self.close()

    def _cut_torn_record(self) -> None:
        """Take away what a crash left of a record: from after the last line end."""
        size = os.fstat(self._file).st_size
        end = size
        while end:
            start = max(0, end - _BLOCK)
            found = os.pread(self._file, end - start, start).rfind(b'\n')
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._file, end)
            self._log.warning('torn_record_removed', path=str(self.path), size=size - end)
