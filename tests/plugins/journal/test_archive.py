# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`journal` in JSON lines: files are rotated by day and size, compressed, and kept for a time."""

from __future__ import annotations

import errno
import gzip
import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from plugins.journal import Journal
from plugins.journal.archive import Archive, Rotated, rotated
from tests.plugins.journal.book import Book, event
from tests.unit.rig import log_lines, patiently

DAY_SECONDS = 86_400.0

pytestmark = pytest.mark.usefixtures('noon')


def today() -> date:
    return datetime.now(UTC).astimezone().date()


def names(book: Book) -> list[str]:
    return sorted(each.name for each in book.directory.glob('calls*'))


def age(path: Path, days: float) -> None:
    """Let a file be as old as that."""
    then = time.time() - days * DAY_SECONDS
    os.utime(path, (then, then))


async def archived(journal: Journal) -> None:
    """Wait until all that is to be archived is."""
    store: Any = journal._store
    while store._archiving is not None:
        await patiently(store._archiving)


@pytest.mark.parametrize(('rotate', 'expected'), [('daily', 2), ('never', 1)])
async def test_a_new_day_has_a_new_file(lines: Book, rotate: str, expected: int) -> None:
    # Given a file that was written yesterday
    async with lines.opened(rotate=rotate) as journal:
        await journal.on_event(event(1))
        age(lines.path, 1)

        # When an event comes today
        await journal.on_event(event(2))

    # Then yesterday's is put aside by the day that it was written on
    yesterday = today() - timedelta(days=1)
    assert len(rotated(lines.path)) == expected - 1
    assert {each.day for each in rotated(lines.path)} <= {yesterday}
    assert await lines.data() == [1, 2]


async def test_a_day_without_events_is_over_too(lines: Book) -> None:
    await lines.write(event(1))
    age(lines.path, 1)

    async with lines.opened() as journal:
        await journal._clerk.tidy()

    assert (lines.path.read_bytes(), len(rotated(lines.path))) == (b'', 1)


async def test_a_file_that_would_be_too_large_is_rotated_before(lines: Book) -> None:
    async with lines.opened(max_size='10KiB', compress=False) as journal:
        for number in range(10):
            await journal.on_event(event([number, 'x' * 3000]))

    sizes = [each.path.stat().st_size for each in rotated(lines.path)]
    assert (len(sizes), max(sizes) <= 10_240) == (3, True)
    assert [each[0] for each in await lines.data()] == list(range(10))


async def test_an_event_that_is_larger_than_a_file_may_be_has_one_of_its_own(lines: Book) -> None:
    async with lines.opened(max_size='4KiB', compress=False) as journal:
        for value in ('x' * 9000, 'y'):
            await journal.on_event(event(value))

    assert [len(each) for each in await lines.data()] == [9000, 1]


async def test_rotated_files_are_compressed_and_read_all_the_same(lines: Book) -> None:
    async with lines.opened(max_size='4KiB') as journal:
        for number in range(3):
            await journal.on_event(event([number, 'x' * 3000]))
        await archived(journal)

    assert names(lines) == [f'calls-{today()}.1.jsonl.gz', f'calls-{today()}.2.jsonl.gz', 'calls.jsonl']
    assert [each[0] for each in await lines.data()] == [0, 1, 2]


async def test_a_compressed_file_is_what_zcat_reads(lines: Book) -> None:
    async with lines.opened(max_size='4KiB') as journal:
        for number in range(2):
            await journal.on_event(event([number, 'x' * 3000]))
        await archived(journal)

    (packed,) = rotated(lines.path)
    assert json.loads(gzip.decompress(packed.path.read_bytes()))['data'][0] == 0


async def test_rotated_files_are_kept_as_long_as_keep_says(lines: Book) -> None:
    for days in (89, 90, 91):
        day = today() - timedelta(days=days)
        (lines.directory / f'calls-{day}.1.jsonl.gz').write_bytes(gzip.compress(b''))

    async with lines.opened(keep='90d') as journal:
        await journal._clerk.tidy()
        await archived(journal)

    assert [(today() - each.day).days for each in rotated(lines.path)] == [90, 89]


@pytest.mark.parametrize(
    'name', ['calls-2020-01-01.1.jsonl.bak', 'calls-2020-13-01.1.jsonl', 'other-2020-01-01.1.jsonl', 'calls.jsonl.1']
)
async def test_files_of_somebody_else_are_left_alone(lines: Book, name: str) -> None:
    (lines.directory / name).write_text('mine')

    async with lines.opened(keep='1d') as journal:
        await journal._clerk.tidy()
        await archived(journal)

    assert (lines.directory / name).read_text() == 'mine'


async def test_what_a_crash_left_of_compressing_is_taken_away_and_done_again(lines: Book) -> None:
    left = lines.directory / f'calls-{today()}.1.jsonl'
    left.write_bytes(b'{"data": 1, "received_at": "2026"}\n')
    left.with_name(f'{left.name}.gz.part').write_bytes(b'half')

    async with lines.opened() as journal:
        await journal._clerk.tidy()
        await archived(journal)

    assert names(lines) == [f'{left.name}.gz', 'calls.jsonl']
    assert await lines.data() == [1]


async def test_what_is_compressed_and_not_yet_removed_is_read_once(lines: Book) -> None:
    left = lines.directory / f'calls-{today()}.1.jsonl'
    left.write_bytes(b'{"data": 1, "received_at": "2026"}\n')
    left.with_name(f'{left.name}.gz').write_bytes(gzip.compress(left.read_bytes()))

    assert await lines.data() == [1]


async def test_what_is_compressed_while_it_is_read_is_read(lines: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = lines.directory / f'calls-{today()}.1.jsonl.gz'
    packed.write_bytes(gzip.compress(b'{"data": 1, "received_at": "2026"}\n'))
    before = [Rotated(today(), 1, packed.with_suffix(''))]

    monkeypatch.setattr('plugins.journal.reading.rotated', lambda _: before)

    assert await lines.data() == [1]


async def test_a_file_that_is_rotated_while_it_is_read_is_read_once(lines: Book) -> None:
    await lines.write(event(1))
    found = aiter(Journal.read(lines.options, 'calls', lines.directory))
    selected = [(await anext(found))['data']]
    lines.path.rename(lines.directory / f'calls-{today()}.1.jsonl')
    lines.path.write_bytes(b'{"data": 2, "received_at": "2026"}\n')

    selected += [record['data'] async for record in found]

    assert selected == [1]
    assert await lines.data() == [1, 2]


async def test_where_a_sandbox_forbids_priorities_files_are_compressed_all_the_same(
    lines: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, 'setpriority', refuse)
    async with lines.opened(max_size='4KiB') as journal:
        for number in range(2):
            await journal.on_event(event([number, 'x' * 3000]))
        await archived(journal)

    assert names(lines) == [f'calls-{today()}.1.jsonl.gz', 'calls.jsonl']


async def test_a_full_disk_leaves_rotated_files_as_they_are(
    lines: Book, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    def full(*_: Any) -> bool:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Archive, '_pack_into', full)
    async with lines.opened(max_size='4KiB') as journal:
        for number in range(2):
            await journal.on_event(event([number, 'x' * 3000]))
        await archived(journal)

    assert [line['hint'] for line in log_lines(log, 'journal_not_archived')][:1] == [f'df -h {lines.directory}']
    assert [each[0] for each in await lines.data()] == [0, 1]


async def test_a_file_that_cannot_be_put_aside_grows(
    lines: Book, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    async with lines.opened(max_size='4KiB') as journal:
        monkeypatch.setattr(type(lines.path), 'rename', refuse)
        for number in range(3):
            await journal.on_event(event([number, 'x' * 3000]))

    assert len(log_lines(log, 'journal_not_rotated')) == 1
    assert [each[0] for each in await lines.data()] == [0, 1, 2]
