# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The HTTP server on a unix socket: there things can be changed, and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.unit.controlled import FakeDaemon, short_directory
from wazo_busd.control import Control
from wazo_busd.http.server import HttpServer

DEEDS = ['/handlers/crm/pause', '/handlers/crm/resume', '/log-level', '/reload']


class Both:
    """A daemon that answers on a unix socket and over TCP."""

    def __init__(self, path: Path) -> None:
        self.daemon = FakeDaemon()
        control = Control(self.daemon)
        self.path = path
        self.socket = HttpServer(control.pages(in_full=True), deeds=control.deeds())
        self.tcp = HttpServer(control.pages(in_full=False))
        self.port = 0

    async def by_socket(self, method: str, page: str, body: str = '', host: str = 'localhost') -> int:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.path))) as session,
            session.request(method, f'http://{host}{page}', data=body) as answer,
        ):
            return answer.status

    async def by_tcp(self, method: str, page: str) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f'http://127.0.0.1:{self.port}{page}') as answer,
        ):
            return answer.status


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    with short_directory() as directory:
        made = Both(directory / 'control.sock')
        await made.socket.open_socket(made.path)
        made.port = await made.tcp.open('127.0.0.1', 0)
        yield made
        await made.socket.close()
        await made.tcp.close()


@pytest.mark.parametrize('page', ['/health', '/ready', '/status', '/1.0/status'])
async def test_the_pages_are_answered_by_both(both: Both, page: str) -> None:
    assert [await both.by_socket('GET', page), await both.by_tcp('GET', page)] == [200, 200]


@pytest.mark.parametrize('page', DEEDS)
async def test_things_are_changed_by_the_socket(both: Both, page: str) -> None:
    assert (await both.by_socket('POST', page, 'debug'), len(both.daemon.wanted)) == (200, 1)


@pytest.mark.parametrize('method', ['GET', 'POST', 'PUT', 'DELETE'])
@pytest.mark.parametrize('page', DEEDS)
async def test_nothing_is_changed_over_tcp(both: Both, page: str, method: str) -> None:
    assert (await both.by_tcp(method, page) in (404, 405), both.daemon.wanted) == (True, [])


@pytest.mark.parametrize('page', DEEDS)
async def test_who_only_looks_changes_nothing(both: Both, page: str) -> None:
    assert (await both.by_socket('GET', page), both.daemon.wanted) == (405, [])


@pytest.mark.parametrize('page', ['/status', '/ready', '/health'])
async def test_a_page_cannot_be_changed(both: Both, page: str) -> None:
    assert await both.by_socket('POST', page) == 405


async def test_what_is_too_long_is_refused(both: Both) -> None:
    assert (await both.by_socket('POST', '/log-level', 'x' * 100_000), both.daemon.wanted) == (413, [])


async def test_another_host_is_refused_here_too(both: Both) -> None:
    assert await both.by_socket('GET', '/status', host='evil.example.com') == 403


async def test_a_name_in_the_path_is_taken_as_it_is(both: Both) -> None:
    assert (await both.by_socket('POST', '/handlers/..%2Fcrm/pause'), both.daemon.wanted) == (404, [])


async def test_when_it_is_closed_the_socket_is_gone(both: Both) -> None:
    await both.socket.close()

    assert not both.path.exists()
