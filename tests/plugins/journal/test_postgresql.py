# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`journal` in PostgreSQL, on a real server: the table, several hosts in one, servers that are killed, and refusals."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from plugins.journal import Journal
from plugins.journal.postgresql import PostgresqlStore
from plugins.journal.session import Session
from tests.conftest import require_postgresql
from tests.plugins.hostile import NAMES
from tests.plugins.journal.book import Book, event, together
from tests.support import eventually
from tests.unit.rig import make_context
from tools.postgresql_node import PostgresqlNode
from wazo_busd.errors import Permanent, Retry
from wazo_busd.testing import Outcome, deliver, make_event


async def ask(book: Book, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds, as a program of somebody else asks."""
    url = book.options.url
    assert url is not None
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url.get_secret_value())
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def session_of(journal: Journal) -> Session:
    assert isinstance(journal._store, PostgresqlStore)
    assert journal._store._session is not None
    return journal._store._session


# ---- the table


async def test_anybody_can_read_it_with_sql(postgresql: Book) -> None:
    given = make_event('call_created', {'call_id': '7.1', 'n': 1}, headers={'tenant_uuid': 't'})

    await postgresql.write(given)

    statement = "SELECT name, call_id, tenant_uuid, data->'n', redelivered, handler FROM events"
    assert await ask(postgresql, statement) == [('call_created', '7.1', 't', '1', False, 'calls')]


async def test_names_of_callers_are_no_sql(postgresql: Book) -> None:
    texts = [name for name in NAMES if name.isprintable()]

    await postgresql.write(*(event({'caller_id_name': name}) for name in texts))

    found = await ask(postgresql, "SELECT data->>'caller_id_name' FROM events ORDER BY seq")
    assert found == [(text,) for text in texts]


async def test_what_the_columns_cannot_have_is_kept_as_it_was_besides(postgresql: Book) -> None:
    await postgresql.write(event('plain'), event('a\0b\ud800'))

    found = await ask(postgresql, 'SELECT original IS NULL, data FROM events ORDER BY seq')
    assert [(is_plain, json.loads(data)) for is_plain, data in found] == [(True, 'plain'), (False, 'a\ufffdb\ufffd')]


async def test_many_events_that_come_together_share_few_commits(postgresql: Book) -> None:
    await postgresql.write(*map(event, range(200)))

    ((count,),) = await ask(postgresql, 'SELECT count(DISTINCT written_at) FROM events')
    assert count <= 2


async def test_rows_are_kept_as_long_as_keep_says(postgresql: Book) -> None:
    await postgresql.write(*(event(f'old {number}') for number in range(1200)))
    await ask(postgresql, "UPDATE events SET written_at = written_at - interval '91 days'")
    await postgresql.write(event('new'))

    async with postgresql.opened(keep='90d') as journal:
        await journal._clerk.tidy()

    assert await postgresql.data() == ['new']


async def test_rows_of_a_clock_that_was_ahead_keep_no_old_ones(postgresql: Book) -> None:
    await postgresql.write(*(event(f'ahead {number}') for number in range(600)))
    await ask(postgresql, "UPDATE events SET written_at = written_at + interval '10 years'")
    await postgresql.write(event('old'))
    await ask(postgresql, "UPDATE events SET written_at = now() - interval '91 days' WHERE written_at < now()")
    await postgresql.write(event('new'))

    async with postgresql.opened(keep='90d') as journal:
        await journal._clerk.tidy()

    assert (await postgresql.data())[-2:] == ['ahead 599', 'new']


# ---- several handlers


async def test_several_handlers_share_a_database_and_each_reads_its_own(postgresql: Book) -> None:
    async with postgresql.opened('one') as one, postgresql.opened('other') as other:
        await asyncio.gather(one.on_event(event(1)), other.on_event(event(2)))

    assert (await postgresql.data('one'), await postgresql.data('other')) == ([1], [2])


async def test_several_handlers_that_make_the_tables_at_the_same_time_make_them_once(postgresql: Book) -> None:
    names = [f'h{number}' for number in range(5)]

    await asyncio.gather(*(postgresql.write(event(name), handler=name) for name in names))

    assert [await postgresql.data(name) for name in names] == [[name] for name in names]


async def test_keep_removes_rows_of_its_own_handler_only(postgresql: Book) -> None:
    await postgresql.write(event(1), handler='one')
    await postgresql.write(event(2), handler='other')
    await ask(postgresql, "UPDATE events SET written_at = written_at - interval '91 days'")

    async with postgresql.opened('one', keep='90d') as journal:
        await journal._clerk.tidy()

    assert (await postgresql.data('one'), await postgresql.data('other')) == ([], [2])


async def test_a_second_daemon_that_writes_for_the_same_handler_is_refused(postgresql: Book) -> None:
    async with postgresql.opened():
        with pytest.raises(OSError, match='another session writes for the handler calls in the schema public'):
            await postgresql.write(event())


async def test_a_table_of_something_else_is_left_alone(postgresql: Book) -> None:
    await ask(postgresql, 'CREATE TABLE events (x int)')

    with pytest.raises(OSError, match='the table events in the schema public is not that of a journal'):
        await postgresql.write(event())


# ---- what goes wrong


async def test_a_session_that_is_ended_is_made_anew(postgresql: Book) -> None:
    async with postgresql.opened() as journal:
        await journal.on_event(event(1))
        ended = session_of(journal)
        await ask(postgresql, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'calls'")
        await eventually(lambda: ended.is_closed)

        await journal.on_event(event(2))

    assert await postgresql.data() == [1, 2]


async def test_a_commit_of_which_nobody_knows_is_found_to_be_there(
    postgresql: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a connection that breaks after the server has committed
    real = Session.insert

    async def broken(self: Session, *arguments: Any) -> None:
        await real(self, *arguments)
        monkeypatch.undo()
        self.terminate()
        raise ConnectionResetError('broken')

    async with postgresql.opened() as journal:
        monkeypatch.setattr(Session, 'insert', broken)
        with pytest.raises(Retry, match='broken'):
            await together(journal, [event(1), event(2)])

        # When the events are tried again
        await together(journal, [event(1, attempt=2), event(2, attempt=2), event(3)])

    # Then each is there once
    assert sorted(await postgresql.data()) == [1, 2, 3]


async def test_a_commit_of_which_nobody_knows_is_found_to_be_missing(
    postgresql: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: Session, *_: Any) -> None:
        monkeypatch.undo()
        self.terminate()
        raise ConnectionResetError('broken')

    async with postgresql.opened() as journal:
        monkeypatch.setattr(Session, 'insert', broken)
        with pytest.raises(Retry, match='broken'):
            await together(journal, [event(1), event(2)])
        await together(journal, [event(1, attempt=2), event(2, attempt=2), event(3)])

    assert sorted(await postgresql.data()) == [1, 2, 3]


async def test_one_record_that_it_refuses_is_dead_and_takes_no_other_along(postgresql: Book) -> None:
    # Given a table that refuses some
    await postgresql.write(event('first'))
    await ask(postgresql, 'ALTER TABLE events ADD CHECK (data <> \'"culprit"\')')

    async with postgresql.opened() as journal:
        # When the culprit comes among others, and all of them are tried again
        values = ['a', 'culprit', 'b']
        once = await asyncio.gather(*(journal.on_event(event(each)) for each in values), return_exceptions=True)
        again = [journal.on_event(event(each, attempt=2)) for each in values]
        twice = await asyncio.gather(*again, return_exceptions=True)

    # Then it alone is refused for good
    assert {type(each) for each in once} == {Retry}
    assert [type(each) for each in twice] == [type(None), Permanent, type(None)]
    assert sorted(await postgresql.data()) == ['a', 'b', 'first']


async def test_nothing_that_goes_wrong_shows_the_password(tmp_path: Path) -> None:
    given = {'format': 'postgresql', 'url': 'postgresql://busd:s3cret@127.0.0.1:1/journal'}
    options = Journal.Options.model_validate(given)
    journal = Journal(make_context('calls', options=options))

    with pytest.raises(OSError, match='PostgreSQL cannot be used') as raised:
        await journal.start()

    assert 's3cret' not in f'{raised.value}{raised.value.__cause__}{options}'


# ---- servers that are killed


@pytest.fixture(scope='module')
def mortal_cluster() -> Iterator[PostgresqlNode]:
    """The server that the tests of this file may kill."""
    require_postgresql()
    made = PostgresqlNode()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def mortal(mortal_cluster: PostgresqlNode) -> tuple[PostgresqlNode, str]:
    """That server, which runs, and the URL of a database of the test's own on it."""
    name = f'test_{uuid.uuid4().hex[:12]}'
    # A server that a thread has started ends with the thread, whenever that is.
    mortal_cluster.kill()
    mortal_cluster.start()
    mortal_cluster.create_database(name)
    return mortal_cluster, mortal_cluster.url(name)


async def test_a_server_that_is_killed_again_and_again_has_each_event_once(
    mortal: tuple[PostgresqlNode, str], tmp_path: Path
) -> None:
    # Given a journal that gets events all the time, each of which is tried until it is written
    server, url = mortal
    book = Book(tmp_path, format='postgresql', url=url)
    written = 0
    over = asyncio.Event()

    async def feed(journal: Journal, first: int) -> None:
        nonlocal written
        number = first
        while not over.is_set():
            attempt = 1
            while True:
                try:
                    await journal.on_event(event(number, attempt=attempt))
                    break
                except Retry:
                    attempt += 1
                    await asyncio.sleep(0.01)
            written += 1
            number += 20

    # When the server is killed as by a loss of power, three times
    async with book.opened() as journal, asyncio.TaskGroup() as group:
        for first in range(20):
            group.create_task(feed(journal, first))
        for _ in range(3):
            wanted = written + 200
            while written < wanted:
                await asyncio.sleep(0.01)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        over.set()

    # Then nothing is missing, and nothing there twice
    found = sorted(await book.data())
    assert (len(found), len(set(found))) == (written, written)


async def test_a_server_that_is_away_makes_no_event_dead(mortal: tuple[PostgresqlNode, str]) -> None:
    server, url = mortal
    options = {'format': 'postgresql', 'url': url}

    class Away(Journal):
        async def start(self) -> None:
            await super().start()
            await asyncio.to_thread(server.stop_server)

    found = await deliver(Away, event(1, attempt=500), options=options, retry={'attempts': 2})

    assert found == [Outcome.RETRY]
