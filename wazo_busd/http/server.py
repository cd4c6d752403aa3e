# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The HTTP server: what the daemon shows of itself to who may see it. It says nothing of what events say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path

from aiohttp import web

from wazo_busd.guard import is_address
from wazo_busd.http.connections import Connections
from wazo_busd.http.page import Ask, Deed, Open, Page
from wazo_busd.http.rate import Rate
from wazo_busd.http.streams import Streams
from wazo_busd.http.unix_socket import UnixSocket

_LOCAL = ('localhost', '127.0.0.1', '[::1]')
_SHUTDOWN_SECONDS = 1.0
_MOST_AT_A_TIME = 16
_LONGEST_REQUEST = 8192
_MOST_A_SECOND = 50.0
_MOST_AT_ONCE = 200
_ALWAYS = ('/health', '/ready')
"""What costs next to nothing, and is asked by who restarts us if there is no answer."""


class HttpServer:
    """Answers on one address: GET, and POST where there are deeds.

    A browser that somebody has led astray gets nothing: the header `Host` must be an address or name this host (DNS
    rebinding needs a name). Who is slow to ask is hung up on, and no more are heard at a time, or in a second, than so
    many.

    Args:
        pages: what is answered, by paths.
        hosts: the names by which it may be asked for, beside those of loopback.
        deeds: what changes something, by paths; in a path `{name}` stands for any name. Only for a unix socket.
        streams: what is told on and on, by paths.
    """

    def __init__(
        self,
        pages: Mapping[str, Ask],
        *,
        hosts: Iterable[str] = (),
        deeds: Mapping[str, Deed] | None = None,
        streams: Mapping[str, Open] | None = None,
    ) -> None:
        self._pages = pages
        self._deeds = deeds or {}
        self._begins = streams or {}
        self._streams = Streams()
        self._rate = Rate(_MOST_A_SECOND, _MOST_AT_ONCE)
        self._hosts = {*_LOCAL, *hosts}
        self._at_a_time = asyncio.Semaphore(_MOST_AT_A_TIME)
        self._runner: web.AppRunner | None = None
        self._connections: Connections | None = None
        self._socket: UnixSocket | None = None

    async def open(self, host: str, port: int) -> int:
        """Begin to listen.

        Args:
            host: the address.
            port: the port; 0 is any.

        Returns:
            The port.

        Raises:
            OSError: it is taken, or none of this machine.
        """
        runner = await self._ready_runner()
        await self._start(runner, web.TCPSite(runner, host, port))
        return int(runner.addresses[0][1])

    async def open_socket(self, path: Path) -> None:
        """Begin to listen on a unix socket, which is for our user and group alone.

        Args:
            path: where it is.

        Raises:
            OSError: another daemon answers there, or nothing can be made there.
        """
        made = UnixSocket(path)
        runner = await self._ready_runner()
        self._socket = made
        await self._start(runner, web.SockSite(runner, made.socket))

    async def close(self) -> None:
        """Listen no more."""
        await self._streams.close()
        if self._connections is not None:
            self._connections.close()
            self._connections = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _ready_runner(self) -> web.AppRunner:
        application = web.Application(client_max_size=_LONGEST_REQUEST, middlewares=[self._guarded])
        for path, page in self._pages.items():
            application.router.add_get(path, _answering(page), allow_head=True)
        for path, deed in self._deeds.items():
            application.router.add_post(path, _doing(deed))
        for path, begin in self._begins.items():
            application.router.add_get(path, self._streams.answering(begin, _response), allow_head=False)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        return runner

    async def _start(self, runner: web.AppRunner, site: web.BaseSite) -> None:
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        if runner.server is not None:
            self._connections = Connections(runner.server)

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        name = _name_of(request.headers.get('Host', ''))
        if not (name in self._hosts or is_address(name.removeprefix('[').removesuffix(']'))):
            raise web.HTTPForbidden(text='This is no name of this host: add it to http.names of the configuration.\n')
        if request.path not in _ALWAYS and not self._rate.allows():
            raise web.HTTPTooManyRequests(
                text='Too many requests; try again in a second.\n', headers={'Retry-After': '1'}
            )
        with self._connections.asking(request) if self._connections is not None else nullcontext():
            if request.path in self._begins:
                # It goes on for hours, and has a limit of its own.
                return await handler(request)
            async with self._at_a_time:
                return await handler(request)


def _answering(ask: Ask) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return _response(await ask())

    return answer


def _doing(deed: Deed) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        body = (await request.read()).decode('utf-8', 'replace')
        return _response(await deed(request.match_info.get('name', ''), body))

    return answer


def _response(page: Page) -> web.Response:
    return web.Response(
        body=page.body,
        status=page.status,
        headers={
            'Content-Type': page.content_type,
            'Cache-Control': 'no-store',
            'X-Content-Type-Options': 'nosniff',
            **page.headers,
        },
    )


def _name_of(host: str) -> str:
    """The name in a header `Host`, without the port."""
    name, colon, port = host.rpartition(':')
    return (name if colon and port.isdecimal() else host).lower()
