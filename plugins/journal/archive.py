# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The archive: the rotated files of a journal, which are compressed, kept for a time, and removed."""

from __future__ import annotations

import gzip
import os
import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from .lock import flush_directory

_CHUNK = 1_048_576
_PART = '.part'
PACKED = '.gz'
"""What the name of a compressed file ends with."""


class Rotated(NamedTuple):
    """A rotated file.

    Attributes:
        day: the day of the last record in it, in local time.
        number: its place among those of that day, from 1.
        path: where it is.
    """

    day: date
    number: int
    path: Path


class Archive:
    """The rotated files beside a journal: `calls.jsonl` becomes `calls-2026-03-01.1.jsonl`, then `….jsonl.gz`.

    Args:
        path: the file of the journal.
        compress: whether they are compressed.
        keep_seconds: how long they are kept; `None` is for ever.
        log: the handler's log.
    """

    def __init__(self, path: Path, *, compress: bool, keep_seconds: float | None, log: Any) -> None:
        self._path = path
        self._compress = compress
        self._keep_seconds = keep_seconds
        self._log = log
        self._is_stopped = False

    def next_path(self, day: date) -> Path:
        """What the file of the journal is to be called when its last record is of `day`."""
        number = max((each.number for each in rotated(self._path) if each.day == day), default=0) + 1
        return self._path.with_name(f'{self._path.stem}-{day.isoformat()}.{number}{self._path.suffix}')

    def tidy(self) -> None:
        """Compress what is not compressed, and remove what is too old. It takes its time: a thread is the place.

        Raises:
            OSError: it cannot.
        """
        for part in self._path.parent.glob(f'*{PACKED}{_PART}'):
            if _read_name(self._path, part.with_suffix('')) is not None:
                part.unlink(missing_ok=True)
        self._remove_old()
        for each in rotated(self._path) if self._compress else ():
            if each.path.suffix != PACKED and not self._is_stopped:
                self._pack(each.path)

    def stop(self) -> None:
        """Let `tidy` end soon, from another thread; what it has not done it does the next time."""
        self._is_stopped = True

    def _remove_old(self) -> None:
        if self._keep_seconds is None:
            return
        oldest = (datetime.now(UTC).astimezone() - timedelta(seconds=self._keep_seconds)).date()
        for each in rotated(self._path):
            if each.day < oldest:
                each.path.unlink(missing_ok=True)
                self._log.info('journal_removed', path=str(each.path))

    def _pack(self, path: Path) -> None:
        packed = path.with_name(path.name + PACKED)
        if not packed.exists():
            part = packed.with_name(packed.name + _PART)
            try:
                if not self._pack_into(path, part):
                    return
            except BaseException:
                # Half a file is of no use, also where the thread is told to stop; the whole one is still there.
                part.unlink(missing_ok=True)
                raise
            part.rename(packed)
            flush_directory(path.parent)
        # It is whole, be it from before a crash.
        path.unlink()

    def _pack_into(self, path: Path, part: Path) -> bool:
        """Whether it went to its end."""
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, 'wb') as raw, path.open('rb') as source:
            with gzip.GzipFile(filename='', mode='wb', fileobj=raw, mtime=path.stat().st_mtime) as target:
                while chunk := source.read(_CHUNK):
                    if self._is_stopped:
                        return False
                    target.write(chunk)
            raw.flush()
            os.fsync(raw.fileno())
        return True


def rotated(path: Path) -> list[Rotated]:
    """The rotated files beside the journal at `path`, the oldest first."""
    if not path.parent.is_dir():
        return []
    found = [_read_name(path, each) for each in path.parent.iterdir()]
    return sorted(each for each in found if each is not None)


def day_of(seconds: float) -> date:
    """The local day of a time in Unix seconds."""
    local = time.localtime(seconds)
    return date(local.tm_year, local.tm_mon, local.tm_mday)


def _read_name(path: Path, other: Path) -> Rotated | None:
    """What the name of a file says; `None` for one that is no rotated file of the journal at `path`."""
    pattern = (
        re.escape(path.stem) + r'-([0-9]{4}-[0-9]{2}-[0-9]{2})\.([0-9]{1,9})' + re.escape(path.suffix) + r'(?:\.gz)?'
    )
    match = re.fullmatch(pattern, other.name)
    if match is None:
        return None
    try:
        return Rotated(date.fromisoformat(match[1]), int(match[2]), other)
    except ValueError:
        return None
