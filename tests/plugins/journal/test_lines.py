# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`journal`: a record is whole or not there, and on disk before its event is acknowledged."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.journal import Journal
from tests.unit.rig import PATIENCE_SECONDS, log_lines, make_context, patiently, turn
from wazo_busd import roster
from wazo_busd.config import load
from wazo_busd.errors import Retry
from wazo_busd.event import Event
from wazo_busd.plugin import describe
from wazo_busd.testing import Outcome, deliver, make_event

KEYS = [
    'received_at',
    'name',
    'exchange',
    'routing_key',
    'origin_uuid',
    'tenant_uuid',
    'headers',
    'data',
    'id',
    'redelivered',
    'attempt',
    'handler',
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the journal."""
    return tmp_path / 'journal.jsonl'


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[Journal]:
    """A journal that has started."""
    made = Journal(make_context('calls', options=Journal.Options(path=path)))
    await made.start()
    yield made
    await made.stop()


def event(data: Any = None, **more: Any) -> Event:
    return make_event('call_created', data, routing_key='calls.call.created', **more)


def records(path: Path) -> list[dict[str, Any]]:
    """The records; each line must be whole."""
    text = path.read_text()
    assert text == '' or text.endswith('\n')
    return [json.loads(line) for line in text.split('\n')[:-1]]


def data(path: Path) -> list[Any]:
    return [record['data'] for record in records(path)]


def open_files(directory: Path) -> int:
    """How many files in a directory this process holds open."""
    return sum(os.path.realpath(each).startswith(f'{directory}/') for each in Path('/proc/self/fd').iterdir())


class Disk:
    """Stands between the journal and the disk."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.flushes = 0
        self.flushing = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.write_at_most: list[int] | None = None
        self.flush_error: OSError | None = None
        self._path = path
        self._write, self._fsync = os.write, os.fsync
        monkeypatch.setattr(os, 'write', self.write)
        monkeypatch.setattr(os, 'fsync', self.fsync)

    def is_ours(self, number: int) -> bool:
        return self._path.exists() and os.path.samestat(os.fstat(number), self._path.stat())

    def write(self, number: int, content: Any) -> int:
        """Write as many bytes as the test allows, the next time fewer, and then none."""
        if self.write_at_most is None or not self.is_ours(number):
            return self._write(number, content)
        if not self.write_at_most:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._write(number, bytes(content)[: self.write_at_most.pop(0)])

    def fsync(self, number: int) -> None:
        self.flushes += 1
        self.flushing.set()
        assert self.go_on.wait(PATIENCE_SECONDS)
        if self.flush_error is not None:
            raise self.flush_error
        self._fsync(number)

    async def wait_flushing(self) -> None:
        assert await asyncio.to_thread(self.flushing.wait, PATIENCE_SECONDS)


@pytest.fixture
def disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """The disk, under the control of the test."""
    made = Disk(path, monkeypatch)
    yield made
    made.go_on.set()


# ---- the record


async def test_a_record_has_these_keys_in_this_order(path: Path) -> None:
    await deliver(Journal, event(), options={'path': path})

    assert [list(record) for record in records(path)] == [KEYS]


async def test_a_record_has_what_the_event_says(path: Path) -> None:
    # Given an event with everything
    one = event({'call_id': '1'}, headers={'tenant_uuid': 'the-tenant', 'origin_uuid': 'the-host'}, redelivered=True)

    # When it is written
    await deliver(Journal, one, options={'path': path}, name='calls')

    # Then the record has it
    (record,) = records(path)
    del record['received_at']
    assert record == {
        'name': 'call_created',
        'exchange': 'wazo-headers',
        'routing_key': 'calls.call.created',
        'origin_uuid': 'the-host',
        'tenant_uuid': 'the-tenant',
        'headers': {'name': 'call_created', 'tenant_uuid': 'the-tenant', 'origin_uuid': 'the-host'},
        'data': {'call_id': '1'},
        'id': one.id,
        'redelivered': True,
        'attempt': 1,
        'handler': 'calls',
    }


async def test_a_record_says_when_its_event_came_in_universal_time(journal: Journal, path: Path) -> None:
    await journal.on_event(Event('a', received_at=1_700_000_000.25))

    assert records(path)[0]['received_at'] == '2023-11-14T22:13:20.250000+00:00'


async def test_what_an_event_does_not_have_is_null(journal: Journal, path: Path) -> None:
    await journal.on_event(Event('a'))

    (record,) = records(path)
    assert (record['tenant_uuid'], record['origin_uuid'], record['data']) == (None, None, None)


@pytest.mark.parametrize(
    ('odd', 'written'),
    [
        ('\ud800', '\ud800'),
        ([float('nan'), float('inf'), float('-inf')], [None, None, None]),
        ({'\udfff': ['\udfff', float('nan')]}, {'\udfff': ['\udfff', None]}),
        ('a\nb\r\u2028\x00', 'a\nb\r\u2028\x00'),
        (2**80, 2**80),
    ],
    ids=['lone surrogate', 'not a number', 'both', 'line ends', 'big'],
)
async def test_odd_data_is_one_valid_line_of_json(journal: Journal, path: Path, odd: Any, written: Any) -> None:
    await journal.on_event(Event('a', odd))

    (line,) = path.read_bytes().removesuffix(b'\n').split(b'\n')
    assert json.loads(line)['data'] == written


async def test_odd_headers_are_one_valid_line_of_json(journal: Journal, path: Path) -> None:
    await journal.on_event(Event('\ud800', headers={'a': b'\xff', '\ud800': float('nan'), 'c': {'d': [b'x']}}))

    assert records(path)[0]['headers'] == {'a': '\\xff', '\ud800': None, 'c': {'d': ['x']}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(JSON, min_size=1, max_size=5))
async def test_whatever_events_say_there_is_one_line_for_each(tmp_path: Path, values: list[Any]) -> None:
    # Given an empty journal
    file = tmp_path / 'any.jsonl'
    file.unlink(missing_ok=True)
    journal = Journal(make_context(options=Journal.Options(path=file)))
    await journal.start()

    # When events are written
    await asyncio.gather(*(journal.on_event(Event('a', value)) for value in values))
    await journal.stop()

    # Then each is a line
    lines = file.read_bytes().split(b'\n')
    assert lines.pop() == b''
    assert [list(json.loads(line)) for line in lines] == [KEYS] * len(values)


# ---- where it is


async def test_the_journal_is_in_the_state_directory_unless_said(tmp_path: Path) -> None:
    await deliver(Journal, event(), state_dir=tmp_path / 'state')

    assert len(records(tmp_path / 'state' / 'journal.jsonl')) == 1


async def test_the_directory_of_the_journal_is_made(tmp_path: Path) -> None:
    await deliver(Journal, event(), options={'path': tmp_path / 'a' / 'b' / 'calls.jsonl'})

    assert len(records(tmp_path / 'a' / 'b' / 'calls.jsonl')) == 1


async def test_the_journal_is_not_for_everybody(path: Path) -> None:
    await deliver(Journal, event(), options={'path': path})

    assert path.stat().st_mode & 0o007 == 0


async def test_records_are_appended_to_those_of_earlier_runs(path: Path) -> None:
    await deliver(Journal, event(1), options={'path': path})
    await deliver(Journal, event(2), options={'path': path})

    assert data(path) == [1, 2]


@pytest.mark.parametrize('below', ['journal.jsonl', 'deep/journal.jsonl'])
async def test_a_journal_that_cannot_be_opened_fails_to_start_and_names_the_place(tmp_path: Path, below: str) -> None:
    # Given a file where a directory is needed
    (tmp_path / 'file').write_text('')

    # When the journal starts
    with pytest.raises(OSError, match=f'{tmp_path}/file'):
        await deliver(Journal, event(), options={'path': tmp_path / 'file' / below})

    # Then nothing was touched
    assert (tmp_path / 'file').read_text() == ''


async def test_a_journal_that_is_a_directory_fails_to_start(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        await deliver(Journal, event(), options={'path': tmp_path})


@pytest.mark.parametrize('options', [{'format': 'csv'}, {'file': 'x'}])
async def test_options_that_it_does_not_know_are_mistakes(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await deliver(Journal, event(), options=options)


@pytest.mark.parametrize('path', ['calls.jsonl', './calls.jsonl', '~/calls.jsonl', ''])
async def test_a_path_that_begins_nowhere_is_a_mistake(path: str) -> None:
    with pytest.raises(ValidationError, match='expected an absolute path'):
        await deliver(Journal, event(), options={'path': path})


def test_a_path_that_begins_nowhere_is_told_with_one_that_is_right(tmp_path: Path) -> None:
    main = tmp_path / 'config.yml'
    main.write_text("handlers:\n  calls:\n    plugin: journal\n    match: '#'\n    options: {path: calls.jsonl}\n")

    (problem,) = roster.call(load(main)).problems

    assert (problem.line, problem.message, problem.hint) == (
        5,
        'handlers.calls.options.path: expected an absolute path',
        'as in path: /var/log/wazo-busd/calls.jsonl',
    )


def test_it_takes_any_event_so_the_configuration_says_which() -> None:
    assert describe(Journal, name='journal', source='a test', version='1').match == ()


async def test_a_journal_that_has_stopped_holds_no_file(path: Path) -> None:
    await deliver(Journal, event(), options={'path': path})

    assert open_files(path.parent) == 0


# ---- on disk before it is acknowledged


async def test_an_event_is_not_done_before_its_record_is_on_disk(journal: Journal, disk: Disk, path: Path) -> None:
    # Given a disk that takes its time
    disk.go_on.clear()
    writing = asyncio.create_task(journal.on_event(event()))
    await disk.wait_flushing()
    await turn()
    done_before = writing.done()

    # When it has flushed
    disk.go_on.set()
    await patiently(writing)

    # Then, and not before, the event is done
    assert (done_before, len(records(path))) == (False, 1)


async def test_many_events_that_come_together_share_one_flush(disk: Disk, path: Path) -> None:
    path.write_text('{"data": -1}\n')
    await deliver(Journal, *(event(number) for number in range(200)), options={'path': path})

    assert (disk.flushes, data(path)) == (1, list(range(-1, 200)))


async def test_what_comes_during_a_flush_shares_the_next_one(journal: Journal, disk: Disk, path: Path) -> None:
    # Given a flush that takes its time
    disk.go_on.clear()
    first = asyncio.create_task(journal.on_event(event(0)))
    await disk.wait_flushing()

    # When more events come meanwhile
    more = [asyncio.create_task(journal.on_event(event(number))) for number in range(1, 20)]
    await turn()
    disk.go_on.set()
    await patiently(asyncio.gather(first, *more))

    # Then they share one flush
    assert (disk.flushes, data(path)) == (2, list(range(20)))


async def test_an_event_that_comes_alone_is_flushed_alone(journal: Journal, disk: Disk) -> None:
    await journal.on_event(event())
    await journal.on_event(event())

    assert disk.flushes == 2


async def test_a_write_that_is_cut_short_is_continued(journal: Journal, disk: Disk, path: Path) -> None:
    disk.write_at_most = [10, 1, 100_000]

    await journal.on_event(event(1))

    assert data(path) == [1]


async def test_stopping_waits_for_what_is_being_written(path: Path, disk: Disk) -> None:
    # Given a journal whose flush takes its time
    journal = Journal(make_context(options=Journal.Options(path=path)))
    await journal.start()
    disk.go_on.clear()
    writing = asyncio.create_task(journal.on_event(event(1)))
    await disk.wait_flushing()

    # When it stops
    stopping = asyncio.create_task(journal.stop())
    await turn()
    stopped_before = stopping.done()
    disk.go_on.set()
    await patiently(asyncio.gather(stopping, writing))

    # Then, and not before the flush, it has stopped
    assert (stopped_before, data(path)) == (False, [1])


async def test_an_event_that_is_given_up_while_it_is_written_keeps_no_other_from_being_done(
    journal: Journal, disk: Disk, path: Path
) -> None:
    # Given two events whose flush takes its time
    disk.go_on.clear()
    given_up, other = (asyncio.create_task(journal.on_event(event(number))) for number in range(2))
    await disk.wait_flushing()

    # When one is given up
    given_up.cancel()
    await asyncio.wait([given_up])
    disk.go_on.set()
    await patiently(other)

    # Then the other is done, and the journal goes on
    await patiently(journal.on_event(event(2)))
    assert data(path) == [0, 1, 2]


# ---- torn records


@pytest.mark.parametrize(
    'torn', [b'{', b'{"name": "call_cr', b'x' * 200_000, b'\xff\x00'], ids=['short', 'half', 'long', 'garbage']
)
async def test_a_torn_last_record_is_removed_at_the_start(path: Path, torn: bytes) -> None:
    # Given what a crash left
    path.write_bytes(b'{"data": 1}\n' + torn)

    # When the journal is used again
    await deliver(Journal, event(2), options={'path': path})

    # Then every line is whole
    assert data(path) == [1, 2]


@pytest.mark.parametrize('size', [65_535, 65_536, 65_537, 131_072])
async def test_a_torn_record_is_removed_wherever_the_line_before_it_ends(path: Path, size: int) -> None:
    path.write_bytes(b'{"data": 1}\n' + b'x' * size)

    await deliver(Journal, options={'path': path})

    assert path.read_bytes() == b'{"data": 1}\n'


async def test_a_torn_record_that_is_all_there_is_is_removed(path: Path) -> None:
    path.write_bytes(b'{"name": "call_cr')

    await deliver(Journal, event(1), options={'path': path})

    assert data(path) == [1]


async def test_a_torn_record_that_is_removed_is_told(path: Path, log: StringIO) -> None:
    path.write_bytes(b'{"data": 1}\n{"name')

    await deliver(Journal, options={'path': path}, name='calls')

    assert log_lines(log, 'torn_record_removed') == [
        {'level': 'WARNING', 'handler': 'calls', 'path': str(path), 'size': '6'}
    ]


@pytest.mark.parametrize('content', [b'', b'{"data": 1}\n', b'\n\n'])
async def test_a_whole_journal_is_left_as_it_is(path: Path, log: StringIO, content: bytes) -> None:
    path.write_bytes(content)

    await deliver(Journal, options={'path': path})

    assert (path.read_bytes(), log_lines(log, 'torn_record_removed')) == (content, [])


# ---- rotation


async def test_after_a_rename_the_journal_goes_on_in_a_new_file(journal: Journal, path: Path) -> None:
    # Given a journal with a record
    await journal.on_event(event(1))

    # When it is rotated
    path.rename(path.with_suffix('.1'))
    await journal.on_event(event(2))

    # Then the old record is in the old file and the new one in the new
    assert (data(path.with_suffix('.1')), data(path)) == ([1], [2])


async def test_after_a_removal_the_journal_goes_on_in_a_new_file(journal: Journal, path: Path) -> None:
    await journal.on_event(event(1))

    path.unlink()
    await journal.on_event(event(2))

    assert data(path) == [2]


async def test_after_a_rename_the_journal_goes_on_in_the_file_that_was_put_in_its_place(
    journal: Journal, path: Path
) -> None:
    # Given a journal that is rotated by a program that makes the new file itself
    await journal.on_event(event(1))
    path.rename(path.with_suffix('.1'))
    path.write_bytes(b'{"data": "made by rotation"}\n')

    # When an event comes
    await journal.on_event(event(2))

    # Then it is appended there
    assert data(path) == ['made by rotation', 2]


async def test_a_journal_that_was_emptied_goes_on_from_its_beginning(journal: Journal, path: Path) -> None:
    await journal.on_event(event(1))

    os.truncate(path, 0)
    await journal.on_event(event(2))

    assert data(path) == [2]


async def test_a_directory_that_was_removed_is_made_again(tmp_path: Path) -> None:
    # Given a journal whose directory is gone
    path = tmp_path / 'journals' / 'journal.jsonl'
    journal = Journal(make_context(options=Journal.Options(path=path)))
    await journal.start()
    path.unlink()
    path.parent.rmdir()

    # When an event comes
    await journal.on_event(event(1))
    await journal.stop()

    # Then it is there again
    assert data(path) == [1]


async def test_rotation_leaves_no_file_open(journal: Journal, path: Path) -> None:
    for number in range(5):
        path.rename(path.with_suffix(f'.{number}'))
        await journal.on_event(event(number))

    assert open_files(path.parent) == 1


# ---- what cannot be written


async def test_an_event_that_cannot_be_written_is_to_be_tried_again(path: Path, disk: Disk) -> None:
    # Given a disk that is full after half a record
    disk.write_at_most = [20]

    # When an event comes
    outcomes = await deliver(Journal, event(), options={'path': path})

    # Then it is to be tried again, when there may be room
    (retry,) = outcomes.retries
    assert (outcomes, retry.first_error) == (
        [Outcome.RETRY],
        f'Retry: {path} cannot be written: No space left on device. next: df -h {path.parent}',
    )


async def test_what_was_written_of_a_record_is_taken_away_if_the_rest_cannot_be(
    journal: Journal, path: Path, disk: Disk
) -> None:
    # Given a journal on a disk that is full after half a record
    await journal.on_event(event(1))
    disk.write_at_most = [20]

    # When an event comes
    with pytest.raises(Retry, match='No space left'):
        await journal.on_event(event(2))

    # Then there is nothing of it
    assert data(path) == [1]


async def test_a_record_that_cannot_be_flushed_is_taken_away(journal: Journal, path: Path, disk: Disk) -> None:
    await journal.on_event(event(1))
    disk.flush_error = OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(Retry, match='Input/output error'):
        await journal.on_event(event(2))

    assert data(path) == [1]


async def test_all_events_of_a_batch_that_cannot_be_written_fail_and_none_is_there(path: Path, disk: Disk) -> None:
    # Given a disk that is full after some records
    disk.write_at_most = [1000]

    # When many events come together
    outcomes = await deliver(Journal, *(event(number) for number in range(20)), options={'path': path})

    # Then either all or none of them are there
    assert (outcomes, records(path)) == ([Outcome.RETRY] * 20, [])


async def test_when_there_is_space_again_the_journal_goes_on(journal: Journal, path: Path, disk: Disk) -> None:
    # Given a disk that was full
    disk.write_at_most = [20]
    with pytest.raises(Retry, match='No space left'):
        await journal.on_event(event(1))

    # When it is not any more
    disk.write_at_most = None
    await journal.on_event(event(2))

    # Then events are written
    assert data(path) == [2]


async def test_a_rest_that_cannot_be_taken_away_is_taken_away_before_the_next_record(
    journal: Journal, path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a disk that is full after half a record, and does not even let that be taken away
    await journal.on_event(event(1))
    disk.write_at_most = [20]
    truncate: Callable[[int, int], None] = os.ftruncate

    def fail(number: int, size: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, 'ftruncate', fail)
    with pytest.raises(Retry, match=r'No space left|Input/output error'):
        await journal.on_event(event(2))

    # When it has recovered
    monkeypatch.setattr(os, 'ftruncate', truncate)
    disk.write_at_most = None
    await journal.on_event(event(3))

    # Then every line is whole
    assert data(path) == [1, 3]


async def test_a_journal_that_cannot_be_made_anew_goes_on_when_it_can(tmp_path: Path) -> None:
    # Given a journal whose directory was replaced with a file
    path = tmp_path / 'journals' / 'journal.jsonl'
    journal = Journal(make_context(options=Journal.Options(path=path)))
    await journal.start()
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text('')
    with pytest.raises(Retry, match='journals'):
        await journal.on_event(event(1))

    # When that is put right
    path.parent.unlink()
    await journal.on_event(event(2))
    await journal.stop()

    # Then events are written
    assert data(path) == [2]


async def test_a_file_that_another_handler_writes_is_refused_at_the_start(tmp_path: Path) -> None:
    with (tmp_path / 'events.jsonl').open('w') as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(OSError, match='another handler or process writes this file'):
            await deliver(Journal, options={'path': tmp_path / 'events.jsonl'})


async def test_the_name_of_a_new_file_is_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(os, 'fsync', lambda file: flushed.append(stat.S_ISDIR(os.fstat(file).st_mode)))

    await deliver(Journal, options={'path': tmp_path / 'events.jsonl'})

    assert flushed == [True]
