# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The HTTP server: who may ask, and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from io import StringIO

import aiohttp
import pytest

from tests.unit.rig import PATIENCE_SECONDS, log_lines
from wazo_busd.http import connections
from wazo_busd.http.page import Page
from wazo_busd.http.server import HttpServer


class Asked:
    """A server, and a client of it."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port = port
        self._session = session

    async def status(self, method: str = 'GET', path: str = '/health', host: str | None = None) -> int:
        headers = {'Host': f'{host}:{self.port}' if host else f'127.0.0.1:{self.port}'}
        async with self._session.request(method, f'http://127.0.0.1:{self.port}{path}', headers=headers) as answer:
            await answer.read()
            return answer.status


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    async def health() -> Page:
        return Page(b'ok\n')

    async def broken() -> Page:
        raise ValueError('a secret')

    server = HttpServer({'/health': health, '/broken': broken}, hosts=['pbx.example.com'])
    port = await server.open('127.0.0.1', 0)
    async with aiohttp.ClientSession() as session:
        yield Asked(port, session)
    await server.close()


async def test_a_page_is_answered(asked: Asked) -> None:
    assert await asked.status() == 200


@pytest.mark.parametrize(
    'host', ['localhost', '127.0.0.1', '[::1]', 'pbx.example.com', 'LOCALHOST', '192.0.2.7', '[2001:db8::1]']
)
async def test_the_names_of_the_host_are_answered(asked: Asked, host: str) -> None:
    assert await asked.status(host=host) == 200


@pytest.mark.parametrize(
    'host',
    ['evil.example.com', 'localhost.evil.example.com', '10.0.0.1.evil.example.com', 'pbx.example.com.', '017700000001'],
)
async def test_a_browser_that_was_led_astray_is_refused(asked: Asked, host: str) -> None:
    assert await asked.status(host=host) == 403


@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])
async def test_nobody_can_change_anything(asked: Asked, method: str) -> None:
    assert await asked.status(method) == 405


async def test_what_is_not_there_is_not_found(asked: Asked) -> None:
    assert await asked.status(path='/../etc/passwd') == 404


async def test_a_mistake_of_ours_says_nothing_of_itself(asked: Asked) -> None:
    async with aiohttp.ClientSession() as session, session.get(f'http://127.0.0.1:{asked.port}/broken') as answer:
        said = await answer.text()

    assert (answer.status, 'secret' in said) == (500, False)


async def test_a_port_that_is_taken_is_an_error(asked: Asked) -> None:
    with pytest.raises(OSError, match='in use'):
        await HttpServer({}).open('127.0.0.1', asked.port)


async def test_who_says_nothing_for_long_is_hung_up_on(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, '_LOOK_SECONDS', 0.01)
    monkeypatch.setattr(connections, '_PATIENCE_SECONDS', 0.02)
    reader, writer = await asyncio.open_connection('127.0.0.1', asked.port)
    writer.write(b'GET /health HTTP/1.1\r\nHost: ')

    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.read() == b''
    writer.close()


async def test_who_is_one_too_many_is_hung_up_on_and_others_are_answered(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    # Given more connections than there may be
    monkeypatch.setattr(connections, '_LOOK_SECONDS', 0.01)
    monkeypatch.setattr(connections, '_MOST', 3)
    opened = [await asyncio.open_connection('127.0.0.1', asked.port) for _ in range(5)]

    # When some were hung up on
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.wait([asyncio.create_task(reader.read()) for reader, _ in opened], return_when='FIRST_COMPLETED')

    # Then it is told, and who asks is answered
    assert log_lines(log, 'http_connections_dropped') != []
    for _, writer in opened:
        writer.close()
