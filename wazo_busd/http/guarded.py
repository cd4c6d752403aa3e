# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Guarded sessions: each connection goes to an address that the guard has looked at, and to no other.

A name is resolved, its addresses are looked at, and one of those that may be reached is connected to: nothing resolves
the name a second time in between. The last look is at the address that the socket is made for, whatever came before.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from wazo_busd import __version__
from wazo_busd.guard import Guard, is_address
from wazo_busd.http.refused import Refused
from wazo_busd.route import Route

_TOTAL_SECONDS = 30.0
_CONNECT_SECONDS = 5.0

Stamp = tuple[int, ...]
"""When the files of a route were written last."""


class GuardedSessions:
    """One `aiohttp.ClientSession` for each route, opened when the first handler asks for it."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[Route, Stamp], aiohttp.ClientSession] = {}

    def get(self, route: Route) -> aiohttp.ClientSession:
        """The session of a route; another one once the files of the route are others, such as a renewed certificate.

        Raises:
            OSError: a file of the route cannot be read, or holds no certificate or key.
        """
        key = (route, tuple(each.stat().st_mtime_ns for each in route.files))
        session = self._sessions.get(key)
        if session is None or session.closed:
            session = self._sessions[key] = _session(route)
        return session

    async def close(self) -> None:
        """Close what is open; the next `get` opens a new one."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()


def _session(route: Route) -> aiohttp.ClientSession:
    total_seconds = _TOTAL_SECONDS if route.total_seconds is None else route.total_seconds
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=total_seconds, sock_connect=_CONNECT_SECONDS),
        connector=_connector(route),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={'User-Agent': f'wazo-busd/{__version__}'},
        proxy=route.proxy,
    )


def _connector(route: Route) -> aiohttp.TCPConnector:
    guard = Guard(route.allow_networks)
    common: dict[str, Any] = {'limit': route.connections, 'ssl': tls_context(route)}
    if route.proxy is not None:
        return _ProxiedConnector(guard, **common)
    return aiohttp.TCPConnector(resolver=_GuardedResolver(guard), socket_factory=_Sockets(guard), **common)


def tls_context(route: Route) -> ssl.SSLContext:
    """How servers are verified, and what is shown to them.

    Raises:
        OSError: a file cannot be read, or holds no certificate or key.
    """
    context = ssl.create_default_context(cafile=str(route.ca_file) if route.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if route.certificate_file is not None:
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(route.certificate_file, route.key_file, password=lambda: b'')
    return context


class _GuardedResolver(AbstractResolver):
    """Resolves names to those of their addresses that may be connected to."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        refusals = {each['host']: self._guard.refusal(each['host']) for each in found}
        allowed = [each for each in found if not refusals[each['host']]]
        if not allowed:
            raise Refused('; '.join(refusals.values()) or f'{host} has no address')
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class _Sockets:
    """Makes sockets for addresses that may be connected to, and for none that has yet to be resolved."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, info: Any) -> socket.socket:
        family, kind, protocol, _, target = info
        host = str(target[0])
        # A name, or an address in an odd notation, would be resolved again.
        reason = self._guard.refusal(host) if is_address(host) else f'{host} is no address in its usual notation'
        if reason:
            raise Refused(reason)
        return socket.socket(family, kind, protocol)


class _ProxiedConnector(aiohttp.TCPConnector):
    """Connects to a proxy, which the configuration names. It resolves names itself, so only addresses are looked at."""

    def __init__(self, guard: Guard, **options: Any) -> None:
        super().__init__(**options)
        self._guard = guard

    async def connect(self, req: aiohttp.ClientRequest, *more: Any, **options: Any) -> aiohttp.connector.Connection:
        reason = self._guard.refusal(req.url.raw_host or '')
        if reason:
            raise aiohttp.ClientConnectorError(req.connection_key, Refused(reason))
        return await super().connect(req, *more, **options)
