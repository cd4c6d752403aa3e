# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A daemon that only says how it fares and notes what it is told, for tests of its pages, deeds and commands."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wazo_busd.control import Control
from wazo_busd.errors import Problem
from wazo_busd.http.server import HttpServer
from wazo_busd.status import DaemonStatus, HandlerStatus, State


def handler_status(state: State = State.CONSUMING, why: str = '', *, name: str = 'crm', **more: Any) -> HandlerStatus:
    """How a handler fares that is called `crm` unless said."""
    return HandlerStatus(name, 'webhook', state, why, **more)


def daemon_status(
    *handlers: HandlerStatus, connected: bool = True, summary: str = 'connected to localhost:5672', **more: Any
) -> DaemonStatus:
    """How a daemon fares that has these handlers; one that is well unless said."""
    return DaemonStatus(1_700_000_000.0, connected, summary, handlers or (handler_status(),), **more)


class FakeDaemon:
    """Says what it is told to say, and notes what was wanted of it."""

    def __init__(self) -> None:
        self.said = daemon_status()
        self.problems: list[Problem] = []
        self.wanted: list[tuple[Any, ...]] = []

    def status(self) -> DaemonStatus:
        return self.said

    def pausable(self) -> Collection[str]:
        return {each.name for each in self.said.handlers}

    def pause(self, handler: str, *, is_paused: bool) -> None:
        self.wanted.append(('pause' if is_paused else 'resume', handler))

    def log_from(self, level: str) -> None:
        self.wanted.append(('log-level', level))

    async def reread(self) -> Sequence[Problem]:
        self.wanted.append(('reload',))
        return self.problems


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(prefix='busd-') as name:
        yield Path(name)


@contextmanager
def listening(daemon: FakeDaemon, path: Path) -> Iterator[None]:
    """The control socket of a daemon, served by a thread, for commands that have no loop."""
    control = Control(daemon)
    server = HttpServer(control.pages(in_full=True), deeds=control.deeds())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.open_socket(path), loop).result()
        yield
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        # Whoever hung up on its own account is done with when the loop has looked at its socket.
        loop.run_until_complete(asyncio.sleep(0.02))
        loop.close()


async def _close(server: HttpServer) -> None:
    # Who has connected and hung up at once is still to be heard.
    await asyncio.sleep(0.05)
    await server.close()
    # Connections that were closed are done with when the loop has turned.
    for _ in range(10):
        await asyncio.sleep(0)
