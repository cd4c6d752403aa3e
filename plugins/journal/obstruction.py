# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The obstruction: why nothing can be written now, as the error that keeps the events in their queue."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from wazo_busd.api import Retry

_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PRIMARY = 0xFF
"""SQLite's extended codes have the code that they are a kind of in their lowest byte."""


def of_file(error: OSError, path: Path) -> Retry:
    """What a file that cannot be written is to the events: not now, but perhaps later.

    Args:
        error: what the system says.
        path: the journal's file.
    """
    if error.errno is None:
        # It is one of ours, which says all of that.
        return Retry(str(error), endless=True)
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else path
    if error.errno in _SPACE:
        cure = f'df -h {path.parent}'
    elif error.errno == errno.EIO:
        cure = 'journalctl -k'
    else:
        cure = f'ls -ld {place}'
    reason = error.strerror or str(error)
    return Retry(f'{place} cannot be written: {reason}. next: {cure}', endless=True)


def of_sqlite(error: sqlite3.Error, path: Path) -> Retry:
    """What a database that cannot be written is to the events; see `of_file`."""
    code = getattr(error, 'sqlite_errorcode', 0) & _PRIMARY
    if code == sqlite3.SQLITE_FULL:
        cure = f'df -h {path.parent}'
    elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        cure = f'fuser -v {path}'
    elif code == sqlite3.SQLITE_IOERR:
        cure = f'df -h {path.parent}; journalctl -k'
    elif code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        cure = f"sqlite3 {path} 'PRAGMA integrity_check', and move it away: a new one is made"
    else:
        cure = f'ls -ld {path}'
    return Retry(f'{path} cannot be written: {error}. next: {cure}', endless=True)
