# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A web server that answers as a test wants it, and notes what it is sent."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Respond = Callable[['Sent'], web.StreamResponse]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that came.

    Attributes:
        method: its method.
        target: path and query, as they were sent.
        path: the path, decoded.
        query: the parameters, decoded.
        headers: the headers.
        body: the body.
        certificate: what the client showed; `None` without TLS or where it showed none.
    """

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    certificate: Mapping[str, Any] | None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class WebServer:
    """A web server on a loopback address.

    Args:
        tls: how it proves who it is; `None` for no TLS.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.sent: list[Sent] = []
        self.answers: list[web.StreamResponse | Respond] = []
        """What it answers, one after the other; 204 when there is nothing more."""
        self.port = 0
        self.at_once = 0
        """How many requests it had at the same time, at most."""
        self.hold: asyncio.Event | None = None
        """What every answer waits for."""
        self._tls = tls
        self._now = 0
        self._came = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=2**24, middlewares=[self._answer_all])
        self._runner = web.AppRunner(application, auto_decompress=False, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, '127.0.0.1', 0, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        scheme = 'https' if self._tls else 'http'
        return f'{scheme}://{"localhost" if self._tls else "127.0.0.1"}:{self.port}/hook'

    def answer(self, status: int, text: str = '', times: int = 1, **headers: str) -> None:
        """Answer so the next time, or the next times."""
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        self.answers += [(lambda sent: web.Response(status=status, text=text, headers=named)) for _ in range(times)]

    async def count(self, number: int) -> None:
        """Wait until so many requests have come."""
        async with asyncio.timeout(20.0):
            while len(self.sent) < number:
                self._came.clear()
                await self._came.wait()

    @web.middleware
    async def _answer_all(self, request: web.Request, handler: object) -> web.StreamResponse:
        """Answer whatever is asked for; a route would not take a line end in a path."""
        return await self._answer(request)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        try:
            transport = request.transport
            sent = Sent(
                request.method,
                request.raw_path,
                request.path,
                dict(request.query),
                request.headers.copy(),
                await request.read(),
                transport.get_extra_info('peercert') if transport else None,
            )
            self.sent.append(sent)
            self._came.set()
            if self.hold is not None:
                await self.hold.wait()
            answer = self.answers.pop(0) if self.answers else web.Response(status=204)
            return answer(sent) if callable(answer) else answer
        finally:
            self._now -= 1
