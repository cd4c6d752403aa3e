# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Reading: the records of journals that are files, one after the other, however many there are."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from .archive import PACKED, rotated
from .database import check
from .record import KEYS
from .row import text_of
from .selection import Selection

_SQLITE_HEAD = b'SQLite format 3\0'
_GZIP_HEAD = b'\x1f\x8b'
_PAGE = 1000
_SELECT = f"""
    SELECT seq, {', '.join(KEYS)}, original FROM events
    WHERE (received_at, seq) > (?, ?) AND received_at >= ? AND received_at < ? AND (? IS NULL OR name = ?)
    ORDER BY received_at, seq LIMIT {_PAGE}
"""  # noqa: S608 — names of columns


class NoRecord(ValueError):
    """Raised for a line that is none. The text says where it is."""


def read_journal(path: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    """The records of a journal of JSON lines, those of its rotated files first.

    Args:
        path: the file of the journal.
        selection: which of them.

    Raises:
        OSError: it cannot be read.
        NoRecord: there is something else in it.
    """
    older = rotated(path)
    if not path.exists() and older:
        for each in older:
            yield from _read_rotated(each.path, selection)
        return
    # The file is open before the others are looked for, so that it can be rotated meanwhile.
    with path.open('rb') as file:
        for each in rotated(path):
            if not _is_same(each.path, file):
                yield from _read_rotated(each.path, selection)
        yield from _read_open(file, path, selection)


def read_file(path: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    """The records of one file: JSON lines, be they compressed, or a database of SQLite.

    Args:
        path: the file.
        selection: which of them.

    Raises:
        OSError: it cannot be read.
        NoRecord: there is something else in it.
    """
    with path.open('rb') as file:
        yield from _read_open(file, path, selection)


def read_lines(lines: IO[bytes] | Iterable[bytes], place: str, selection: Selection) -> Iterator[dict[str, Any]]:
    """The records of JSON lines. A last one that is not whole is being written, or was when something crashed.

    Args:
        lines: where they come from.
        place: what that is called.
        selection: which of them.

    Raises:
        NoRecord: there is something else among them.
    """
    for number, line in enumerate(lines, 1):
        if not line.endswith(b'\n'):
            return
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise NoRecord(f'{place}:{number}: this is no record of a journal')
        if selection.takes(record):
            yield record


def record_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The record that a row was made of.

    Args:
        row: the columns by their names; `headers` and `data` in JSON.
    """
    if row['original'] is not None:
        original: dict[str, Any] = json.loads(row['original'])
        return original
    record = {key: row[key] for key in KEYS}
    return record | {
        'headers': json.loads(row['headers']),
        'data': json.loads(row['data']),
        'redelivered': bool(row['redelivered']),
    }


def _read_rotated(path: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    """The records of a rotated file, which may be compressed meanwhile, or be there in both forms."""
    packed = path.with_name(f'{path.name}{PACKED}')
    if path.suffix == PACKED and path.with_suffix('').exists():
        return
    try:
        file = path.open('rb')
    except FileNotFoundError:
        if path.suffix == PACKED or not packed.exists():
            # It is too old by now.
            return
        file = packed.open('rb')
    with file:
        yield from _read_open(file, path, selection)


def _read_open(file: IO[bytes], path: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    head = file.read(len(_SQLITE_HEAD))
    file.seek(0)
    if head == _SQLITE_HEAD:
        yield from _read_database(path, selection)
    elif head.startswith(_GZIP_HEAD):
        with gzip.open(file) as lines:
            yield from read_lines(lines, str(path), selection)
    else:
        yield from read_lines(file, str(path), selection)


def _is_same(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _read_database(path: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    try:
        with closing(sqlite3.connect(f'{path.absolute().as_uri()}?mode=ro', uri=True)) as connection:
            name = text_of(selection.name)
            numbers = [
                connection.execute(f'PRAGMA {name}').fetchone()[0] for name in ('application_id', 'user_version')
            ]
            check(path, *numbers)
            connection.row_factory = sqlite3.Row
            where = ['', -1]
            # A page at a time: one long query would keep the log from being written back.
            while rows := connection.execute(_SELECT, (*where, selection.first, selection.last, name, name)).fetchall():
                for row in rows:
                    record = record_of_row(dict(row))
                    if selection.takes(record):
                        yield record
                where = [rows[-1]['received_at'], rows[-1]['seq']]
    except sqlite3.Error as error:
        raise OSError(f'{path} cannot be read: {error}. next: ls -l {path}*') from error
