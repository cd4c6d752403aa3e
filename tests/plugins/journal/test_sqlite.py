# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`journal` in SQLite: the table, how long rows are kept, a disk that is full, and files that are not ours."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import time
from collections.abc import Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from plugins.journal import Journal, schema
from plugins.journal.database import APPLICATION
from plugins.journal.sqlite import SqliteStore
from tests.plugins.hostile import NAMES
from tests.plugins.journal.book import Book, event, rows, together
from tests.unit.rig import log_lines, patiently
from wazo_busd.errors import Retry
from wazo_busd.testing import Outcome, deliver, make_event

DAY_SECONDS = 86_400.0


def connection_of(journal: Journal) -> sqlite3.Connection:
    """The connection that a journal writes on."""
    assert isinstance(journal._store, SqliteStore)
    found = journal._store._database._connection
    assert found is not None
    return found


async def in_thread(journal: Journal, statement: str) -> Any:
    """Run a statement on that connection, where it is used."""
    assert isinstance(journal._store, SqliteStore)
    return await journal._store._thread.run(lambda: connection_of(journal).execute(statement).fetchall())


# ---- the table


async def test_anybody_can_read_it_with_sql(sqlite: Book) -> None:
    given = make_event('call_created', {'call_id': '7.1', 'n': 1}, headers={'tenant_uuid': 't'})

    await sqlite.write(given)

    statement = "SELECT name, call_id, tenant_uuid, json_extract(data, '$.n'), redelivered, handler FROM events"
    assert rows(sqlite.path, statement) == [('call_created', '7.1', 't', 1, 0, 'calls')]


async def test_names_of_callers_are_no_sql(sqlite: Book) -> None:
    # Lone halves of letters and NUL, which no database holds, are as they were in what is read with `export`.
    texts = [name for name in NAMES if name.isprintable()]

    await sqlite.write(*(event({'caller_id_name': name}) for name in texts))

    assert rows(sqlite.path, "SELECT json_extract(data, '$.caller_id_name') FROM events ORDER BY seq") == [
        (text,) for text in texts
    ]


async def test_a_call_is_found_by_an_index(sqlite: Book) -> None:
    await sqlite.write(event({'call_id': '1'}))

    (plan,) = rows(sqlite.path, "EXPLAIN QUERY PLAN SELECT * FROM events WHERE call_id = '1'")
    assert 'USING INDEX events_call_id' in plan[3]


async def test_what_the_columns_cannot_have_is_kept_as_it_was_besides(sqlite: Book) -> None:
    await sqlite.write(event('plain'), event('a\0b\ud800'))

    assert rows(sqlite.path, 'SELECT original IS NULL, data FROM events ORDER BY seq') == [
        (1, '"plain"'),
        (0, '"a\\ufffdb\\ufffd"'),
    ]


async def test_it_is_not_for_everybody(sqlite: Book) -> None:
    await sqlite.write(event())

    assert stat.S_IMODE(sqlite.path.stat().st_mode) == 0o640


async def test_many_events_that_come_together_share_few_commits(sqlite: Book) -> None:
    await sqlite.write(*map(event, range(200)))

    ((count,),) = rows(sqlite.path, 'SELECT count(DISTINCT written_at) FROM events')
    assert count <= 2


# ---- how long it is kept


async def test_rows_are_kept_as_long_as_keep_says(sqlite: Book) -> None:
    # Given an old row and a new one
    await sqlite.write(event('old'))
    _age(sqlite.path, 91)
    await sqlite.write(event('new'))

    # When the journal is tidied
    async with sqlite.opened(keep='90d') as journal:
        await journal._clerk.tidy()

    # Then the old one is gone
    assert await sqlite.data() == ['new']


async def test_rows_of_a_clock_that_was_ahead_keep_no_old_ones(sqlite: Book) -> None:
    # Given many rows that seem to be of another year, an old one behind them, and a new one
    await sqlite.write(*(event(f'ahead {number}') for number in range(600)))
    _age(sqlite.path, -3650)
    await sqlite.write(event('old'))
    _age(sqlite.path, 91, after=600)
    await sqlite.write(event('new'))

    # When the journal is tidied
    async with sqlite.opened(keep='90d') as journal:
        await journal._clerk.tidy()

    # Then the old one is gone
    assert (await sqlite.data())[-2:] == ['ahead 599', 'new']


async def test_rows_are_kept_for_ever_unless_said(sqlite: Book) -> None:
    await sqlite.write(event('old'))
    _age(sqlite.path, 5000)

    async with sqlite.opened() as journal:
        await journal._clerk.tidy()

    assert await sqlite.data() == ['old']


async def test_many_old_rows_go_in_steps_between_which_events_are_written(sqlite: Book) -> None:
    await sqlite.write(*map(event, range(1200)))
    _age(sqlite.path, 91)

    async with sqlite.opened(keep='90d') as journal:
        tidying = asyncio.create_task(journal._clerk.tidy())
        await journal.on_event(event('new'))
        assert not tidying.done()
        await patiently(tidying)

    assert await sqlite.data() == ['new']


def _age(path: Path, days: float, *, after: int = 0) -> None:
    then = time.strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', time.gmtime(time.time() - days * DAY_SECONDS))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute('UPDATE events SET written_at = ? WHERE seq > ?', (then, after))


# ---- a full disk


async def outcomes(journal: Journal, values: Sequence[Any]) -> list[Any]:
    """What events come to that come together."""
    return await asyncio.gather(*(journal.on_event(event(value)) for value in values), return_exceptions=True)


async def test_a_full_disk_refuses_all_of_a_batch_and_says_what_to_type(sqlite: Book) -> None:
    async with sqlite.opened() as journal:
        await journal.on_event(event('before'))
        await in_thread(journal, 'PRAGMA max_page_count = 1')

        found = await outcomes(journal, ['x' * 100_000, 'y' * 100_000])

    assert {(type(each), each.endless, str(each)) for each in found} == {
        (Retry, True, f'{sqlite.path} cannot be written: database or disk is full. next: df -h {sqlite.directory}')
    }
    assert await sqlite.data() == ['before']


async def test_when_there_is_space_again_it_goes_on_with_the_same_events(sqlite: Book) -> None:
    # Given events that a full disk has refused
    async with sqlite.opened() as journal:
        await in_thread(journal, 'PRAGMA max_page_count = 1')
        refused = [event(number, headers={'long': 'x' * 50_000}) for number in range(5)]
        with pytest.raises(Retry):
            await patiently(together(journal, refused))

        # When there is space and they come again, with others
        await in_thread(journal, 'PRAGMA max_page_count = 100000')
        again = [event(number, headers={'long': 'x' * 50_000}, attempt=2) for number in range(5)]
        await together(journal, [*again, event('new')])

    # Then each is there once
    assert sorted(map(str, await sqlite.data())) == ['0', '1', '2', '3', '4', 'new']


async def test_a_full_disk_makes_no_event_dead(sqlite: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, 'No space left on device', str(sqlite.path))

    monkeypatch.setattr('plugins.journal.database.Database.insert', full)

    found = await deliver(Journal, event(1, attempt=500), options=sqlite.given, retry={'attempts': 2})

    assert found == [Outcome.RETRY]


async def test_a_row_that_somebody_else_locks_out_is_tried_again(sqlite: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('plugins.journal.database._BUSY_SECONDS', 0.01)
    async with sqlite.opened() as journal:
        with closing(sqlite3.connect(sqlite.path, isolation_level=None)) as other:
            other.execute('BEGIN IMMEDIATE')
            with pytest.raises(Retry, match=f'database is locked. next: fuser -v {sqlite.path}'):
                await journal.on_event(event(1))
        await journal.on_event(event(1, attempt=2))

    assert await sqlite.data() == [1]


# ---- files


async def test_a_database_of_something_else_is_left_alone(sqlite: Book) -> None:
    with closing(sqlite3.connect(sqlite.path)) as connection:
        connection.execute('CREATE TABLE events (x)')

    with pytest.raises(OSError, match='is a database of something else'):
        await sqlite.write(event())


async def test_a_schema_of_the_future_is_left_alone(sqlite: Book) -> None:
    with closing(sqlite3.connect(sqlite.path)) as connection:
        connection.execute(f'PRAGMA application_id = {APPLICATION}')
        connection.execute(f'PRAGMA user_version = {schema.VERSION + 1}')

    with pytest.raises(OSError, match='install a newer wazo-busd'):
        await sqlite.write(event())


async def test_a_file_that_is_no_database_is_left_alone(sqlite: Book) -> None:
    sqlite.path.write_text('this is my diary\n' * 100)

    with pytest.raises(OSError, match='file is not a database'):
        await sqlite.write(event())


async def test_a_database_has_one_journal(sqlite: Book) -> None:
    async with sqlite.opened():
        with pytest.raises(OSError, match='another handler or process writes this file'):
            await sqlite.write(event(), handler='other')


async def test_a_journal_that_could_not_be_opened_can_be_opened_when_the_cause_is_gone(sqlite: Book) -> None:
    sqlite.path.mkdir()
    with pytest.raises(OSError, match='unable to open database file'):
        await sqlite.write(event(1))
    sqlite.path.rmdir()

    await sqlite.write(event(2))

    assert await sqlite.data() == [2]


async def test_a_database_that_was_moved_away_is_made_anew(sqlite: Book) -> None:
    async with sqlite.opened() as journal:
        await journal.on_event(event(1))
        for each in sqlite.directory.glob('calls.sqlite*'):
            each.rename(each.with_name(f'old-{each.name}'))
        await journal.on_event(event(2))

    assert await sqlite.data() == [2]


async def test_a_journal_that_has_stopped_holds_no_file(sqlite: Book) -> None:
    await sqlite.write(event())

    held = [os.path.realpath(each) for each in Path('/proc/self/fd').iterdir()]
    assert [each for each in held if each.startswith(f'{sqlite.directory}/')] == []


async def test_a_journal_that_cannot_be_tidied_says_so_and_goes_on(
    sqlite: Book, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    def broken(*_: Any) -> None:
        raise sqlite3.OperationalError('disk I/O error')

    monkeypatch.setattr('plugins.journal.database.Database.remove', broken)
    await sqlite.write(event(1), keep='90d')

    assert [line['level'] for line in log_lines(log, 'journal_not_tidied')] == ['WARNING']
