# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The streams of the HTTP server: answers that go on, for so many readers at a time, none of whom is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import cast

from aiohttp import web

from wazo_busd.http.page import Open, Page, json_page

_MOST = 16
_PATIENCE_SECONDS = 30.0
"""Who takes nothing for so long is hung up on."""


class Streams:
    """Answers with streams, and ends them."""

    def __init__(self) -> None:
        self._open: set[asyncio.Task[None]] = set()

    def answering(
        self, begin: Open, response_of: Callable[[Page], web.Response]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """What answers requests with a stream.

        Args:
            begin: begins it.
            response_of: makes the answer of a page, where there is no stream.
        """

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.headers.get('Sec-Fetch-Site') == 'cross-site':
                # Another site could not read it, but it could be one reader too many.
                return response_of(json_page({'error': 'this is for pages of this host'}, 403))
            if len(self._open) >= _MOST:
                return response_of(json_page({'error': f'{_MOST} read already', 'hint': 'close one'}, 503))
            query = {key: request.query.getall(key) for key in request.query}
            begun = await begin(query)
            return response_of(begun) if isinstance(begun, Page) else await self._tell(request, begun)

        return answer

    async def close(self) -> None:
        """End all of them."""
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open)

    async def _tell(self, request: web.Request, parts: AsyncIterator[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                'Content-Type': 'text/event-stream; charset=utf-8',
                'Cache-Control': 'no-store',
                'X-Content-Type-Options': 'nosniff',
                'X-Accel-Buffering': 'no',
            }
        )
        # A task of its own, so that it can be ended without ending what serves the connection.
        task = asyncio.create_task(_write(request, response, parts), name='http stream')
        self._open.add(task)
        task.add_done_callback(self._open.discard)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        if not task.cancelled() and task.exception() is not None:
            raise cast('BaseException', task.exception())
        return response


async def _write(request: web.Request, response: web.StreamResponse, parts: AsyncIterator[bytes]) -> None:
    # An asynchronous generator has what it needs for `aclosing`; its type does not say so.
    async with aclosing(parts) as told:  # type: ignore[type-var]
        try:
            await response.prepare(request)
            async for each in told:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await response.write(each)
        except ConnectionError:
            # They have hung up.
            return
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
