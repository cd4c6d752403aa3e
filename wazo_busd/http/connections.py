# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The connections of the HTTP server: who says nothing is hung up on, and so is who is one too many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_MOST = 64
"""Prometheus needs one; the daemon needs its descriptors for the broker."""

log = structlog.stdlib.get_logger(__name__)


class Connections:
    """Watches them.

    Args:
        server: the server whose they are.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._quiet_since: dict[web.RequestHandler, float] = {}
        self._asking: set[web.RequestHandler] = set()
        self._task = asyncio.create_task(self._watch(), name='http connections')

    @contextmanager
    def asking(self, request: web.Request) -> Iterator[None]:
        """While a request is answered: nobody hangs up on it."""
        protocol = request.protocol
        self._asking.add(protocol)
        try:
            yield
        finally:
            self._asking.discard(protocol)
            self._quiet_since.pop(protocol, None)

    def close(self) -> None:
        """Watch no more."""
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._look(time.monotonic())

    def _look(self, now: float) -> None:
        """Hang up on those that are quiet for too long, and on the latest of too many."""
        there = [each for each in self._server.connections if each not in self._asking]
        self._quiet_since = {each: self._quiet_since.get(each, now) for each in there}
        late = [each for each, since in self._quiet_since.items() if now - since >= _PATIENCE_SECONDS]
        rest = sorted((each for each in there if each not in late), key=lambda each: self._quiet_since[each])
        too_many = rest[max(0, _MOST - len(self._asking)) :]
        for each in (*late, *too_many):
            each.force_close()
        if too_many:
            log.warning('http_connections_dropped', count=len(too_many), most=_MOST, effect='they are hung up on')
