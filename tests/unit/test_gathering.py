# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gathering: lines that are on disk or not there, and files that never change again."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from wazo_busd.gathering import Gathering, counted, left_behind

RECORD = b'{"id":"a","received_at":5.0,"body":"{}"}'


def opened(directory: Path, handler: str = 'bell') -> Gathering:
    files = Gathering(directory, handler)
    files.open()
    return files


def write(directory: Path, *lines: bytes, handler: str = 'bell') -> None:
    """Leave what a process leaves that has ended."""
    files = opened(directory, handler)
    files.append(lines)
    files.close()


def ids(directory: Path, handler: str = 'bell') -> list[str]:
    """What the next process finds."""
    files = Gathering(directory, handler)
    found = [line.id for line in files.open()]
    files.close()
    return found


def test_what_was_written_is_there_for_the_next_process(tmp_path: Path) -> None:
    write(tmp_path, RECORD + b'\n', counted('b'))

    lines = Gathering(tmp_path, 'bell').open()
    assert [(line.id, line.received_at, line.record) for line in lines] == [('a', 5.0, RECORD), ('b', 0.0, None)]


@pytest.mark.parametrize('torn', [b'{"id":"b"', b'\xff', b'{"id":"b","body":"x"}'])
def test_what_a_crash_has_cut_off_is_taken_away(tmp_path: Path, torn: bytes) -> None:
    write(tmp_path, counted('a'))
    with (tmp_path / 'bell.open').open('ab') as file:
        file.write(torn)

    found = ids(tmp_path)

    assert (found, (tmp_path / 'bell.open').read_bytes()) == (['a'], counted('a'))


@pytest.mark.parametrize('line', [b'[]', b'{}', b'null', b'"', b'{"id": 1, "received_at": "x"}'])
def test_a_line_that_is_none_is_passed_over(tmp_path: Path, line: bytes) -> None:
    write(tmp_path, line + b'\n', counted('a'))

    assert ids(tmp_path) == ['a']


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = opened(tmp_path)
    files.append([counted('a')])
    really = os.write

    def short(file: int, content: Any) -> int:
        if len(content) > 5:
            return really(file, bytes(content)[:5])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'write', short)
    with pytest.raises(OSError, match='No space'):
        files.append([counted('b')])
    monkeypatch.undo()
    files.append([counted('c')])
    files.close()

    assert ids(tmp_path) == ['a', 'c']


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    files = opened(tmp_path)

    with pytest.raises(BlockingIOError):
        Gathering(tmp_path, 'bell').open()
    files.close()


def test_what_is_sealed_is_found_in_its_order_and_what_comes_then_is_apart(tmp_path: Path) -> None:
    files = opened(tmp_path)
    for name in ('a', 'b', 'c'):
        files.append([counted(name)])
        if name != 'c':
            files.seal()
    files.close()

    assert [[line.id for line in lines] for _, lines in Gathering(tmp_path, 'bell').sealed()] == [['a'], ['b']]
    assert ids(tmp_path) == ['c']


def test_the_files_of_a_handler_whose_name_begins_alike_are_not_touched(tmp_path: Path) -> None:
    other = opened(tmp_path, 'bell-2')
    other.append([counted('a')])
    other.seal()

    assert (Gathering(tmp_path, 'bell').is_there(), Gathering(tmp_path, 'bell-2').is_there()) == (False, True)


def test_what_handlers_that_are_gone_have_left_is_found(tmp_path: Path) -> None:
    for name in ('bell', 'fax'):
        write(tmp_path, counted('a'), handler=name)

    assert left_behind(tmp_path, {'bell'}) == [tmp_path / 'fax.open']


def test_nobody_else_can_read_what_was_gathered(tmp_path: Path) -> None:
    write(tmp_path / 'gathered', counted('a'))

    assert oct((tmp_path / 'gathered' / 'bell.open').stat().st_mode)[-3:] == '600'
