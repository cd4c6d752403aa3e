# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`webhook` with TLS: who the server is, who we are, and through a proxy."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from plugins.webhook import Webhook
from tests.plugins.webserver import WebServer
from wazo_busd.outcome import Outcome
from wazo_busd.testing import Outcomes, deliver, make_event


@dataclass(frozen=True)
class Authority:
    """Who issues certificates, and the files that options name."""

    ca: trustme.CA
    directory: Path

    @property
    def file(self) -> Path:
        path = self.directory / 'ca.pem'
        self.ca.cert_pem.write_to_path(path)
        return path

    def server(self, *names: str, wants_certificates: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names).configure_cert(context)
        if wants_certificates:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def client(self, name: str) -> dict[str, Path]:
        issued = self.ca.issue_cert(name)
        certificate, key = self.directory / f'{name}.pem', self.directory / f'{name}.key'
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return {'certificate_file': certificate, 'key_file': key}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(trustme.CA(), tmp_path)


async def send(url: str, **options: Any) -> Outcomes:
    given = {'url': url, 'allow_networks': ['127.0.0.0/8'], **options}
    return await deliver(Webhook, make_event('call_created', {'call_id': '1'}), options=given)


async def test_a_server_of_an_authority_of_ours_is_trusted(authority: Authority) -> None:
    async with WebServer(authority.server('localhost')) as server:
        outcomes = await send(server.url, tls={'ca_file': authority.file})

        assert (outcomes, len(server.sent)) == ([Outcome.DONE], 1)


async def test_a_server_of_an_unknown_authority_gets_nothing(authority: Authority) -> None:
    async with WebServer(authority.server('localhost')) as server:
        outcomes = await send(server.url)

        assert (outcomes, server.sent) == ([Outcome.RETRY], [])
        assert 'CERTIFICATE_VERIFY_FAILED' in outcomes.retries[0].first_error


async def test_a_server_of_another_name_gets_nothing(authority: Authority) -> None:
    async with WebServer(authority.server('elsewhere')) as server:
        outcomes = await send(server.url, tls={'ca_file': authority.file})

        assert (outcomes, server.sent) == ([Outcome.RETRY], [])


async def test_a_server_can_be_one_of_an_address(authority: Authority) -> None:
    async with WebServer(authority.server('127.0.0.1')) as server:
        outcomes = await send(server.url.replace('localhost', '127.0.0.1'), tls={'ca_file': authority.file})

        assert outcomes == [Outcome.DONE]


async def test_a_server_that_speaks_old_tls_only_gets_nothing(authority: Authority) -> None:
    context = authority.server('localhost')
    context.set_ciphers('DEFAULT:@SECLEVEL=0')
    with pytest.warns(DeprecationWarning, match='deprecated'):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    async with WebServer(context) as server:
        outcomes = await send(server.url, tls={'ca_file': authority.file})

        assert (outcomes, server.sent) == ([Outcome.RETRY], [])


async def test_a_server_that_wants_a_certificate_gets_ours(authority: Authority) -> None:
    async with WebServer(authority.server('localhost', wants_certificates=True)) as server:
        tls = {'ca_file': authority.file, **authority.client('wazo.example')}

        assert await send(server.url, tls=tls) == [Outcome.DONE]
        (sent,) = server.sent
        assert sent.certificate is not None
        assert ('DNS', 'wazo.example') in sent.certificate['subjectAltName']


async def test_without_a_certificate_such_a_server_accepts_nothing(authority: Authority) -> None:
    async with WebServer(authority.server('localhost', wants_certificates=True)) as server:
        outcomes = await send(server.url, tls={'ca_file': authority.file})

        assert (outcomes, server.sent) == ([Outcome.RETRY], [])


# ---- through a proxy


class Proxy:
    """An HTTP proxy that knows a name of its own for this host, and passes on what it is asked for."""

    NAME = 'crm.example'

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heads: list[bytes] = []
        self.port = 0
        self.refuses = False
        self._connections: list[asyncio.Task[Any]] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.append(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b'\r\n\r\n')
        self.heads.append(head)
        method, target, _ = head.split(b' ', 2)
        self.asked.append(f'{method.decode()} {target.decode()}')
        if self.refuses:
            writer.write(b'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')
            writer.close()
            return
        place = target.removeprefix(b'http://').partition(b'/')[0].decode()
        there_reader, there = await asyncio.open_connection('127.0.0.1', int(place.rpartition(':')[2]))
        if method == b'CONNECT':
            writer.write(b'HTTP/1.1 200 Connection established\r\n\r\n')
        else:
            there.write(head)
        await asyncio.gather(_pass_on(reader, there), _pass_on(there_reader, writer))

    async def close(self) -> None:
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.connected, '127.0.0.1', 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()
    await proxy.close()


async def test_through_a_proxy_a_server_with_tls_is_verified_by_its_own_name(
    authority: Authority, proxy: Proxy
) -> None:
    async with WebServer(authority.server(Proxy.NAME)) as server:
        url = f'https://{Proxy.NAME}:{server.port}/hook'
        outcomes = await send(url, proxy=f'http://127.0.0.1:{proxy.port}', tls={'ca_file': authority.file})

        assert (outcomes, len(server.sent)) == ([Outcome.DONE], 1)
        assert proxy.asked == [f'CONNECT {Proxy.NAME}:{server.port}']


async def test_through_a_proxy_a_server_of_another_name_gets_nothing(authority: Authority, proxy: Proxy) -> None:
    async with WebServer(authority.server('elsewhere')) as server:
        url = f'https://{Proxy.NAME}:{server.port}/hook'
        outcomes = await send(url, proxy=f'http://127.0.0.1:{proxy.port}', tls={'ca_file': authority.file})

        assert (outcomes, server.sent) == ([Outcome.RETRY], [])


async def test_through_a_proxy_a_server_without_tls_is_reached_too(server: WebServer, proxy: Proxy) -> None:
    outcomes = await send(f'http://{Proxy.NAME}:{server.port}/hook', proxy=f'http://127.0.0.1:{proxy.port}')

    assert (outcomes, proxy.asked) == ([Outcome.DONE], [f'POST http://{Proxy.NAME}:{server.port}/hook'])


async def test_a_proxy_is_told_a_name_and_a_password(server: WebServer, proxy: Proxy) -> None:
    url = f'http://me:hunter%202@127.0.0.1:{proxy.port}'

    await send(f'http://{Proxy.NAME}:{server.port}/hook', proxy=url)

    expected = b'Proxy-Authorization: Basic ' + base64.b64encode(b'me:hunter 2')
    assert (expected in proxy.heads[0], 'Proxy-Authorization' in server.sent[0].headers) == (True, True)


@pytest.mark.parametrize('scheme', ['http', 'https'])
async def test_a_proxy_that_does_not_answer_is_tried_again(proxy: Proxy, scheme: str) -> None:
    proxy.refuses = scheme == 'https'
    port = proxy.port if proxy.refuses else 1

    outcomes = await send(f'{scheme}://{Proxy.NAME}/hook', proxy=f'http://me:hunter2@127.0.0.1:{port}')

    assert (outcomes, 'hunter2' in outcomes.retries[0].first_error) == ([Outcome.RETRY], False)
