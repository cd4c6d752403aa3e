# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The shared session: opened when it is asked for, bounded, and nobody's to close for others."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from types import ModuleType

import aiohttp
import pytest

from wazo_busd import __version__
from wazo_busd.http import SharedSession, is_outage


@pytest.fixture
async def shared() -> AsyncIterator[SharedSession]:
    shared = SharedSession()
    yield shared
    await shared.close()


async def test_everybody_gets_the_same_session(shared: SharedSession) -> None:
    assert shared.get() is shared.get()


async def test_a_session_is_opened_when_the_first_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError

    monkeypatch.setattr(aiohttp, 'ClientSession', fail)
    await SharedSession().close()


async def test_no_request_lasts_for_ever(shared: SharedSession) -> None:
    timeout = shared.get().timeout
    assert (timeout.total, timeout.connect) == (30.0, 5.0)


async def test_connections_are_bounded(shared: SharedSession) -> None:
    connector = shared.get().connector
    assert connector is not None
    assert (connector.limit, connector.limit_per_host) == (100, 20)


async def test_one_handler_does_not_get_the_cookies_of_another(shared: SharedSession) -> None:
    shared.get().cookie_jar.update_cookies({'session': 'hunter2'})
    assert list(shared.get().cookie_jar) == []


async def test_a_server_is_told_who_asks(shared: SharedSession) -> None:
    assert shared.get().headers['User-Agent'] == f'wazo-busd/{__version__}'


async def test_closing_closes_the_session(shared: SharedSession) -> None:
    session = shared.get()
    await shared.close()
    assert session.closed


async def test_closing_twice_is_closing_once(shared: SharedSession) -> None:
    shared.get()
    await shared.close()
    await shared.close()
    assert not shared.get().closed


async def test_after_closing_a_new_session_is_opened(shared: SharedSession) -> None:
    first = shared.get()
    await shared.close()
    assert shared.get() is not first


async def test_a_session_that_a_handler_closed_is_replaced_for_the_others(shared: SharedSession) -> None:
    async with shared.get():
        pass
    assert not shared.get().closed


def test_while_a_thread_imports_the_library_no_error_is_one_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'aiohttp', ModuleType('aiohttp'))

    assert not is_outage(ValueError())
