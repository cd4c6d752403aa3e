# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The streams: who may read, and how they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.unit.rig import PATIENCE_SECONDS, patiently
from wazo_busd.http import server, streams
from wazo_busd.http.page import Page, Query, part
from wazo_busd.http.rate import Rate
from wazo_busd.http.server import HttpServer


class Told:
    """A stream that tells what a test gives it, and knows who reads."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[bytes] = asyncio.Queue()
        self.readers = 0
        self.query: Query = {}
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def open(self, query: Query) -> Page | AsyncIterator[bytes]:
        self.query = query
        return Page(b'no\n', status=400) if 'bad' in query else self._tell()

    async def _tell(self) -> AsyncIterator[bytes]:
        self.readers += 1
        self.begun.set()
        try:
            while True:
                yield await self.words.get()
        finally:
            self.readers -= 1
            self.ended.set()


class Served:
    """A server with that stream, and a client."""

    def __init__(self, told: Told, port: int, session: aiohttp.ClientSession, http: HttpServer) -> None:
        self.told = told
        self.server = http
        self._base = f'http://127.0.0.1:{port}'
        self._session = session

    def get(self, path: str = '/told', **headers: str) -> aiohttp.client._RequestContextManager:
        return self._session.get(f'{self._base}{path}', headers=headers)


@asynccontextmanager
async def serving(told: Told) -> AsyncIterator[Served]:
    """While it can be asked."""

    async def health() -> Page:
        return Page(b'ok\n')

    http = HttpServer({'/health': health, '/status': health}, streams={'/told': told.open})
    port = await http.open('127.0.0.1', 0)
    async with aiohttp.ClientSession() as session:
        yield Served(told, port, session, http)
    await http.close()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(Told()) as made:
        yield made


async def test_what_is_told_comes_at_once(served: Served) -> None:
    served.told.words.put_nowait(part('word', b'{}'))
    async with served.get() as answer:
        came = await answer.content.readuntil(b'\n\n')

    assert (came, answer.headers['Content-Type']) == (b'event: word\ndata: {}\n\n', 'text/event-stream; charset=utf-8')


async def test_what_was_asked_for_is_handed_on(served: Served) -> None:
    served.told.words.put_nowait(b': \n\n')
    async with served.get('/told?match=calls.%23&match=x&handler=crm'):
        assert served.told.query == {'match': ['calls.#', 'x'], 'handler': ['crm']}


async def test_a_refusal_is_a_page(served: Served) -> None:
    async with served.get('/told?bad=1') as answer:
        assert (answer.status, await answer.text()) == (400, 'no\n')


async def test_a_reader_who_hangs_up_reads_no_more(served: Served) -> None:
    served.told.words.put_nowait(b': 1\n\n')
    async with served.get() as answer:
        await answer.content.readuntil(b'\n\n')
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not served.told.ended.is_set():
            served.told.words.put_nowait(b': 2\n\n')
            await asyncio.sleep(0.01)

    assert served.told.readers == 0


async def test_the_end_of_the_server_ends_them_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a server that would wait for ever for whoever still reads
    monkeypatch.setattr(server, '_SHUTDOWN_SECONDS', 3600.0)
    told = Told()
    async with serving(told) as served:
        told.words.put_nowait(b': 1\n\n')
        async with served.get() as answer:
            await answer.content.readuntil(b'\n\n')

            # When it ends
            await patiently(served.server.close())

    # Then nobody reads any more
    assert told.readers == 0


async def test_readers_leave_room_for_whoever_asks_and_one_too_many_is_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given as many readers as there may be, and more than may ask at a time
    monkeypatch.setattr(served.server, '_at_a_time', asyncio.Semaphore(1))
    monkeypatch.setattr(streams, '_MOST', 2)
    for _ in range(2):
        served.told.words.put_nowait(b': 1\n\n')

    # When one more comes, and somebody asks for a page
    async with served.get(), served.get(), served.get() as refused, served.get('/health') as asked:
        # Then the page is there
        assert (refused.status, asked.status) == (503, 200)


@pytest.mark.parametrize(('site', 'status'), [('cross-site', 403), ('same-origin', 200), ('none', 200)])
async def test_a_page_of_somebody_else_cannot_be_a_reader(served: Served, site: str, status: int) -> None:
    served.told.words.put_nowait(b': 1\n\n')
    async with served.get(**{'Sec-Fetch-Site': site}) as answer:
        assert answer.status == status


async def test_a_reader_who_takes_nothing_is_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, '_PATIENCE_SECONDS', 0.05)
    async with served.get():
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not served.told.ended.is_set():
                served.told.words.put_nowait(b': ' + b'x' * 1_000_000 + b'\n\n')
                await asyncio.sleep(0.01)

    assert served.told.readers == 0


@pytest.fixture
def hurry(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks takes no time for it, so that nobody may ask again because a moment has gone by."""
    monkeypatch.setattr(served.server, '_rate', Rate(server._MOST_A_SECOND, server._MOST_AT_ONCE, lambda: 0.0))


async def ask_often(served: Served, path: str) -> list[int]:
    """Ask more often than one may, on one connection; the status of each answer."""
    found = []
    for _ in range(260):
        async with served.get(path) as answer:
            found.append(answer.status)
    return found


@pytest.mark.usefixtures('hurry')
async def test_who_asks_too_often_is_told_to_wait(served: Served) -> None:
    assert await ask_often(served, '/status') == [200] * 200 + [429] * 60


@pytest.mark.usefixtures('hurry')
async def test_whether_it_lives_is_told_however_often_somebody_asks(served: Served) -> None:
    assert await ask_often(served, '/health') == [200] * 260
