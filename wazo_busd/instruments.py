# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The instruments: the figures of the daemon and of its handlers, and the HTTP servers that show them."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from wazo_busd.config import HttpConfig
from wazo_busd.control import Control
from wazo_busd.figure import Figure
from wazo_busd.http.page import Ask, Deed, Open, Page
from wazo_busd.meter import Meter
from wazo_busd.outcome import told

if TYPE_CHECKING:
    from wazo_busd.http.server import HttpServer

_AGAIN_SECONDS = 30.0

log = structlog.stdlib.get_logger(__name__)


class Shown(Protocol):
    """What has pages, and streams beside them."""

    def pages(self) -> Mapping[str, Ask]:
        """The pages, by paths."""

    def streams(self, *, in_full: bool) -> Mapping[str, Open]:
        """The streams, by paths.

        Args:
            in_full: whether they go to somebody who may see what events say.
        """


class Instruments:
    """Shows what can be measured, and how the daemon fares; by its socket, lets it be changed.

    Args:
        own: the figures of the daemon itself.
        control: the other pages, and the deeds.
        shown: what else is to be seen.
    """

    def __init__(self, own: Callable[[], Iterable[Figure]], control: Control, shown: Sequence[Shown] = ()) -> None:
        self._own = own
        self._control = control
        self._shown = shown
        self._meters: dict[str, Meter] = {}
        self._told: set[str] = set()
        """The handlers of which it was told that their figures are none."""
        self._config = HttpConfig()
        self._server: HttpServer | None = None
        self._retrying: asyncio.TimerHandle | None = None
        self._attempt: asyncio.Task[None] | None = None
        """Kept, as nobody else would."""
        self._path: Path | None = None
        self._socket: HttpServer | None = None

    def meter(self, handler: str) -> Meter:
        """A meter for a handler that starts; what an earlier one has counted is shown no more."""
        meter = self._meters[handler] = Meter()
        return meter

    def forget(self, handler: str) -> None:
        """The handler has ended: show nothing of it any more."""
        self._meters.pop(handler, None)
        self._told.discard(handler)

    async def apply(self, config: HttpConfig) -> None:
        """Listen where the configuration says. Telephones ring without: an address that is taken is only told.

        Args:
            config: the configuration.
        """
        await self._listen(config)
        await self._open_socket(config.control_socket)

    async def close(self) -> None:
        """Listen no more."""
        self._stop_retrying()
        await self._close_server()
        await self._close_socket()

    async def _listen(self, config: HttpConfig) -> None:
        if self._server is not None and (config.listen, config.names) == (self._config.listen, self._config.names):
            return
        await self._close_server()
        self._stop_retrying()
        self._config = config
        await self._try(config)

    async def _try(self, config: HttpConfig) -> None:
        """Listen, or try again in a while."""
        if config.address is None or config is not self._config:
            return
        made = await self._made(config, in_full=False)
        host, port = config.address
        try:
            await made.open(host, port)
        except OSError as error:
            if self._retrying is None:
                log.warning(
                    'http_not_listening',
                    address=config.listen,
                    reason=error.strerror,
                    effect='nobody can fetch figures; events are handled all the same',
                    hint=f'ss -ltnp sport = :{port} says who has it; it is tried again, or name another one: http: '
                    '{listen: …}',
                )
            self._retrying = asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._listen_again, config)
            return
        if self._retrying is not None:
            self._retrying = None
            log.info('http_listening', address=config.listen)
        self._server = made

    async def _open_socket(self, path: Path | None) -> None:
        # Whoever asked for a reload waits there for its answer: one that stays where it is stays open.
        if self._socket is not None and path == self._path:
            return
        await self._close_socket()
        self._path = path
        if path is None:
            return
        made = await self._made(HttpConfig(), in_full=True)
        try:
            await made.open_socket(path)
        except OSError as error:
            log.warning(
                'control_socket_not_open',
                path=str(path),
                reason=error.strerror or str(error),
                effect='wazo-busd status, pause, resume, reload and log-level do not reach this daemon',
                hint='name another path in http: {socket: …}, or off; then: systemctl reload wazo-busd',
            )
            return
        self._socket = made
        log.debug('control_socket_open', path=str(path))

    async def _made(self, config: HttpConfig, *, in_full: bool) -> HttpServer:
        """A server; in full, it is that of the control socket."""
        pages: dict[str, Ask] = {**self._control.pages(in_full=in_full), '/metrics': self._metrics}
        streams: dict[str, Open] = {}
        for each in self._shown:
            pages.update(each.pages())
            streams.update(each.streams(in_full=in_full))
        deeds: Mapping[str, Deed] = self._control.deeds() if in_full else {}
        # It is imported by a thread, for it takes a while, and events come meanwhile.
        server = await asyncio.to_thread(importlib.import_module, 'wazo_busd.http.server')
        made: HttpServer = server.HttpServer(pages, hosts=config.names, deeds=deeds, streams=streams)
        return made

    def _listen_again(self, config: HttpConfig) -> None:
        self._attempt = asyncio.create_task(self._try(config), name='listen again')

    def _stop_retrying(self) -> None:
        if self._retrying is not None:
            self._retrying.cancel()
            self._retrying = None

    async def _close_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    async def _close_socket(self) -> None:
        server, self._socket = self._socket, None
        if server is not None:
            await server.close()

    async def _metrics(self) -> Page:
        """All figures."""
        figures = {'': list(self._own())}
        for handler, meter in self._meters.items():
            try:
                figures[handler] = list(meter.figures())
            except Exception as error:  # noqa: BLE001 — a plugin may raise anything, and the others are shown
                if handler not in self._told:
                    self._told.add(handler)
                    log.error('figures_failed', handler=handler, error=told(error), effect='it shows none')
        # To put the text together takes a while, and events come meanwhile: a thread does that, on what was collected.
        return await asyncio.to_thread(_page, figures)


def _page(figures: Mapping[str, Iterable[Figure]]) -> Page:
    # Who is never asked for figures does without the library.
    from wazo_busd.http.exposition import CONTENT_TYPE, exposition

    return Page(exposition(figures), CONTENT_TYPE)
