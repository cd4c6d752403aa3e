# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A web server in a thread of its own, on a port that it can be away from."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from aiohttp import web

from tools.ports import free_ports


class WebServer:
    """Notes the JSON that is posted to it. Nothing listens until it is opened."""

    def __init__(self) -> None:
        self.posted: list[Any] = []
        (self.port,) = free_ports(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name='web')
        self._runner: web.AppRunner | None = None

    def open(self) -> None:
        """Begin to listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        application = web.Application()
        application.router.add_post('/', self._note)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, '127.0.0.1', self.port).start()

    async def _note(self, request: web.Request) -> web.Response:
        self.posted.append(json.loads(await request.text()))
        return web.Response()
