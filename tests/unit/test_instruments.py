# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The instruments: figures are shown where the configuration says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from pathlib import Path

import aiohttp
import pytest

from tests.unit.controlled import FakeDaemon, short_directory
from tests.unit.rig import PATIENCE_SECONDS, log_lines, turn
from tools.ports import free_ports
from wazo_busd import instruments as module
from wazo_busd.config import HttpConfig
from wazo_busd.control import Control
from wazo_busd.figure import Figure
from wazo_busd.instruments import Instruments


def free_port() -> int:
    (port,) = free_ports(1)
    return port


@pytest.fixture
async def instruments() -> AsyncIterator[Instruments]:
    made = Instruments(lambda: [Figure('wazo_busd_connected', 'Whether.', values={(): 1})], Control(FakeDaemon()))
    yield made
    await made.close()


async def fetch(port: int, path: str) -> str:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.get(f'http://127.0.0.1:{port}{path}') as answer,
    ):
        return await answer.text()


def config(port: int) -> HttpConfig:
    return HttpConfig(listen=f'127.0.0.1:{port}', socket=None)


async def test_the_daemon_says_that_it_lives(instruments: Instruments) -> None:
    await instruments.apply(config(port := free_port()))

    assert await fetch(port, '/health') == 'ok\n'


async def test_the_figures_of_daemon_and_handlers_are_shown(instruments: Instruments) -> None:
    await instruments.apply(config(port := free_port()))
    instruments.meter('door').counter('wazo_busd_bells_total', 'Bells that rang.').add()

    shown = await fetch(port, '/metrics')

    assert 'wazo_busd_connected 1.0\n' in shown
    assert 'wazo_busd_bells_total{handler="door"} 1.0\n' in shown


async def test_of_a_handler_that_has_ended_nothing_is_shown(instruments: Instruments) -> None:
    await instruments.apply(config(port := free_port()))
    instruments.meter('door').counter('wazo_busd_bells_total', 'Bells that rang.').add()

    instruments.forget('door')

    assert 'wazo_busd_bells_total' not in await fetch(port, '/metrics')


async def test_a_handler_that_starts_again_counts_anew(instruments: Instruments) -> None:
    await instruments.apply(config(port := free_port()))
    instruments.meter('door').counter('wazo_busd_bells_total', 'Bells that rang.').add()

    instruments.meter('door').counter('wazo_busd_bells_total', 'Bells that rang.').add(amount=5)

    assert 'wazo_busd_bells_total{handler="door"} 5.0\n' in await fetch(port, '/metrics')


async def test_where_the_configuration_says_nowhere_nobody_listens(instruments: Instruments) -> None:
    await instruments.apply(config(port := free_port()))

    await instruments.apply(HttpConfig(listen=None, socket=None))

    with pytest.raises(aiohttp.ClientConnectionError):
        await fetch(port, '/health')


async def test_another_address_is_gone_over_to(instruments: Instruments) -> None:
    await instruments.apply(config(free_port()))

    await instruments.apply(config(port := free_port()))

    assert await fetch(port, '/health') == 'ok\n'


async def test_an_address_that_is_taken_is_told_and_tried_again_with_the_next_reload(
    instruments: Instruments, log: StringIO
) -> None:
    # Given an address that somebody else has
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        await instruments.apply(config(port))
        (line,) = log_lines(log, 'http_not_listening')

    # When it is free
    await instruments.apply(config(port))

    # Then it is ours
    assert (line['address'], line['level']) == (f'127.0.0.1:{port}', 'WARNING')
    assert await fetch(port, '/health') == 'ok\n'


async def test_an_address_that_is_taken_is_tried_again_by_itself(
    instruments: Instruments, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    # Given an address that somebody else has, which is told once
    monkeypatch.setattr(module, '_AGAIN_SECONDS', 0.01)
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        await instruments.apply(config(port))
        await turn(50)

    # When it is free
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not log_lines(log, 'http_listening'):
            await asyncio.sleep(0.01)

    # Then it is ours
    assert (await fetch(port, '/health'), len(log_lines(log, 'http_not_listening'))) == ('ok\n', 1)


async def test_figures_that_are_none_are_left_out_and_told_with_their_handler(
    instruments: Instruments, log: StringIO
) -> None:
    # Given a handler that shows what is no figure, and another one
    await instruments.apply(config(port := free_port()))
    instruments.meter('broken').show(lambda: [Figure('wazo_busd_x', 'A mistake.', values={(None,): 1})])  # type: ignore[dict-item]
    instruments.meter('door').counter('wazo_busd_bells_total', 'Bells that rang.').add()

    # When somebody looks twice
    shown = [await fetch(port, '/metrics') for _ in range(2)]

    # Then the other one is there, and the first was told once
    assert ['wazo_busd_bells_total{handler="door"} 1.0\n' in each for each in shown] == [True, True]
    assert [line['handler'] for line in log_lines(log, 'figures_failed')] == ['broken']


@pytest.fixture
def path() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory / 'control.sock'


async def by_socket(path: Path) -> str:
    async with (
        aiohttp.ClientSession(raise_for_status=True, connector=aiohttp.UnixConnector(str(path))) as session,
        session.get('http://localhost/health') as answer,
    ):
        return await answer.text()


def at(path: Path | None, port: int | None = None) -> HttpConfig:
    return HttpConfig(listen=f'127.0.0.1:{port}' if port else None, socket=path)


async def test_the_socket_answers_though_nobody_listens_elsewhere(instruments: Instruments, path: Path) -> None:
    await instruments.apply(at(path))

    assert await by_socket(path) == 'ok\n'


async def test_another_address_leaves_the_socket_as_it_is(instruments: Instruments, path: Path) -> None:
    # Whoever asked for the reload waits there for its answer.
    await instruments.apply(at(path))
    before = path.stat().st_ino

    await instruments.apply(at(path, free_port()))

    assert path.stat().st_ino == before


async def test_another_path_is_gone_over_to(instruments: Instruments, path: Path) -> None:
    await instruments.apply(at(path))

    await instruments.apply(at(other := path.with_name('other.sock')))

    assert (await by_socket(other), path.exists()) == ('ok\n', False)


async def test_a_socket_of_another_daemon_is_told_and_tried_again_with_the_next_reload(
    instruments: Instruments, path: Path, log: StringIO
) -> None:
    # Given a socket that somebody else answers on
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        await instruments.apply(at(path))
        (line,) = log_lines(log, 'control_socket_not_open')

    # When that one has ended
    await instruments.apply(at(path))

    # Then it is ours
    assert (line['reason'], await by_socket(path)) == ('another daemon answers there', 'ok\n')
