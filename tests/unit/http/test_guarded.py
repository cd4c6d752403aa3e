# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Guarded sessions connect to the addresses that the guard has looked at, and to no other."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from wazo_busd import __version__
from wazo_busd.guard import Guard
from wazo_busd.http import Refused, SharedSession, is_outage
from wazo_busd.http.guarded import _Sockets
from wazo_busd.route import Route

LOOPBACK = (ip_network('127.0.0.0/8'), ip_network('::1'))

Names = Callable[..., list[str]]


@pytest.fixture
async def shared() -> AsyncIterator[SharedSession]:
    shared = SharedSession()
    yield shared
    await shared.close()


class Server:
    """A web server on several addresses of the loopback network, which notes on which it is reached."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.reached.append(request.transport.get_extra_info('sockname')[0])
        if request.path == '/away':
            raise web.HTTPFound(f'http://127.0.0.2:{self.port}/')
        return web.Response(text='hello')


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    application = web.Application()
    application.router.add_get('/{path:.*}', server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, '0.0.0.0', 0).start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Says what names stand for, the first time and each further time; gives the names that were asked for."""

    def stand_for(*answers: list[str]) -> list[str]:
        asked: list[str] = []
        left = list(answers)

        async def resolve(self: Any, host: str, port: int = 0, family: Any = 0) -> list[dict[str, Any]]:
            asked.append(host)
            found = left.pop(0) if len(left) > 1 else left[0]
            return [
                {'hostname': host, 'host': each, 'port': port, 'family': 0, 'proto': 0, 'flags': 0} for each in found
            ]

        monkeypatch.setattr(aiohttp.ThreadedResolver, 'resolve', resolve)
        return asked

    return stand_for


async def get(session: aiohttp.ClientSession, url: str, **more: Any) -> str:
    async with session.get(url, **more) as response:
        return await response.text()


# ---- where it connects to


@pytest.mark.parametrize('host', ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', 'localhost', '0x7f.1', '0177.0.0.1'])
async def test_a_closed_address_is_not_connected_to(shared: SharedSession, server: Server, host: str) -> None:
    with pytest.raises(aiohttp.ClientError):
        await get(shared.guarded(Route()), f'http://{host}:{server.port}/')

    assert server.reached == []


@pytest.mark.parametrize('host', ['2130706433', '127.1'])
async def test_not_even_an_allowed_address_is_connected_to_in_an_odd_notation(
    shared: SharedSession, server: Server, host: str
) -> None:
    with pytest.raises(aiohttp.ClientError):
        await get(shared.guarded(Route(allow_networks=LOOPBACK)), f'http://{host}:{server.port}/')

    assert server.reached == []


async def test_an_allowed_address_is_connected_to(shared: SharedSession, server: Server) -> None:
    assert await get(shared.guarded(Route(allow_networks=LOOPBACK)), f'http://127.0.0.1:{server.port}/') == 'hello'


async def test_a_name_of_an_allowed_address_is_connected_to(
    shared: SharedSession, server: Server, names: Names
) -> None:
    names(['127.0.0.3'])

    await get(shared.guarded(Route(allow_networks=LOOPBACK)), f'http://crm.example:{server.port}/')

    assert server.reached == ['127.0.0.3']


async def test_of_several_addresses_only_those_that_are_allowed_are_connected_to(
    shared: SharedSession, server: Server, names: Names
) -> None:
    names(['127.0.0.2', '127.0.0.1', '127.0.0.3'])
    route = Route(allow_networks=(ip_network('127.0.0.3'),))

    await get(shared.guarded(route), f'http://crm.example:{server.port}/')

    assert server.reached == ['127.0.0.3']


async def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(
    shared: SharedSession, server: Server, names: Names
) -> None:
    # Given a name that stands for another address as soon as it was looked at
    asked = names(['127.0.0.3'], ['127.0.0.2'])
    route = Route(allow_networks=(ip_network('127.0.0.3'),))

    # When a request goes there
    await get(shared.guarded(route), f'http://crm.example:{server.port}/')

    # Then nobody asked twice
    assert (server.reached, asked) == (['127.0.0.3'], ['crm.example'])


async def test_a_name_of_closed_addresses_only_is_refused_with_all_of_them(shared: SharedSession, names: Names) -> None:
    names(['10.0.0.5', 'fd00::5'])

    with pytest.raises(aiohttp.ClientConnectorError, match=r'10\.0\.0\.5 is private.*; fd00::5 is private') as raised:
        await get(shared.guarded(Route()), 'http://crm.example/')

    assert isinstance(raised.value.os_error, Refused)


async def test_a_redirection_to_a_closed_address_is_not_followed(shared: SharedSession, server: Server) -> None:
    route = Route(allow_networks=(ip_network('127.0.0.1'),))

    with pytest.raises(aiohttp.ClientConnectorError, match=r'127\.0\.0\.2 is loopback'):
        await get(shared.guarded(route), f'http://127.0.0.1:{server.port}/away')

    assert server.reached == ['127.0.0.1']


async def test_a_refusal_is_an_outage_to_the_breaker(shared: SharedSession) -> None:
    with pytest.raises(aiohttp.ClientError) as raised:
        await get(shared.guarded(Route()), 'http://127.0.0.1/')

    assert is_outage(raised.value)


@pytest.mark.parametrize('host', ['example.org', '127.1', '2130706433', '127.0.0.1', '::1', 'fe80::1%lo'])
def test_no_socket_is_made_for_what_is_closed_or_would_be_resolved_again(host: str) -> None:
    with pytest.raises(Refused):
        _Sockets(Guard())((socket.AF_INET, socket.SOCK_STREAM, 0, '', (host, 80)))


@pytest.mark.parametrize('host', ['127.0.0.1', '[::1]', 'localhost', '2130706433', '0x7f.1', '10.0.0.5'])
async def test_a_proxy_is_not_asked_for_a_closed_address(shared: SharedSession, server: Server, host: str) -> None:
    session = shared.guarded(Route(proxy=f'http://127.0.0.1:{server.port}'))

    with pytest.raises(aiohttp.ClientConnectorError, match=r'write allow_networks'):
        await get(session, f'http://{host}/')

    assert server.reached == []


async def test_a_proxy_is_asked_for_a_name_and_is_not_guarded_itself(shared: SharedSession, server: Server) -> None:
    session = shared.guarded(Route(proxy=f'http://127.0.0.1:{server.port}'))

    assert await get(session, 'http://crm.example/') == 'hello'


async def test_the_proxy_of_the_environment_is_not_used(
    shared: SharedSession, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{server.port}')

    with pytest.raises(aiohttp.ClientConnectorError):
        await get(shared.guarded(Route()), 'http://10.0.0.5/')

    assert server.reached == []


# ---- the sessions


async def test_equal_routes_share_a_session(shared: SharedSession) -> None:
    assert shared.guarded(Route(allow_networks=LOOPBACK)) is shared.guarded(Route(allow_networks=LOOPBACK))


async def test_other_routes_have_other_sessions(shared: SharedSession) -> None:
    routes = [Route(), Route(allow_networks=LOOPBACK), Route(connections=2), Route(proxy='http://proxy:3128')]

    assert len({id(shared.guarded(each)) for each in routes}) == 4


async def test_connections_are_as_many_as_the_route_says(shared: SharedSession) -> None:
    connector = shared.guarded(Route(connections=3)).connector
    assert connector is not None
    assert connector.limit == 3


async def test_no_request_lasts_for_ever_and_waiting_for_a_connection_is_no_outage(shared: SharedSession) -> None:
    timeout = shared.guarded(Route()).timeout
    assert (timeout.total, timeout.sock_connect, timeout.connect) == (30.0, 5.0, None)


async def test_cookies_are_not_kept_and_a_server_is_told_who_asks(shared: SharedSession) -> None:
    session = shared.guarded(Route())
    session.cookie_jar.update_cookies({'session': 'hunter2'})

    assert (list(session.cookie_jar), session.headers['User-Agent']) == ([], f'wazo-busd/{__version__}')


async def test_closing_closes_guarded_sessions_too(shared: SharedSession) -> None:
    session = shared.guarded(Route())
    await shared.close()

    assert (session.closed, shared.guarded(Route()).closed) == (True, False)


async def test_a_renewed_certificate_makes_a_new_session(shared: SharedSession, tmp_path: Path) -> None:
    # Given a session that shows a certificate
    certificate = tmp_path / 'client.pem'
    trustme.CA().issue_cert('wazo').private_key_and_cert_chain_pem.write_to_path(certificate)
    route = Route(certificate_file=certificate)
    first = shared.guarded(route)

    # When that is renewed
    trustme.CA().issue_cert('wazo').private_key_and_cert_chain_pem.write_to_path(certificate)
    os.utime(certificate, ns=(1, 1))

    # Then the next request goes out by another one, and those under way by the first
    assert (shared.guarded(route) is first, first.closed) == (False, False)


@pytest.mark.parametrize('content', [None, '', 'no certificate'])
async def test_a_file_that_holds_no_certificate_is_an_error(
    shared: SharedSession, tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / 'file.pem').write_text(content)

    for route in (Route(ca_file=tmp_path / 'file.pem'), Route(certificate_file=tmp_path / 'file.pem')):
        with pytest.raises(OSError):  # noqa: PT011 — which one depends on OpenSSL
            shared.guarded(route)


def test_a_route_does_not_show_its_password() -> None:
    assert 'hunter2' not in repr(Route(proxy='http://me:hunter2@proxy:3128'))
