# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The context: what a plugin gets besides the event."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wazo_busd.fact import Fact
from wazo_busd.language import Surroundings
from wazo_busd.meter import Meter
from wazo_busd.panels import Panels
from wazo_busd.route import Route
from wazo_busd.work import Work, current_work

if TYPE_CHECKING:
    import aiohttp
    import structlog


Emit = Callable[[str, Any, str | None, Work | Fact | None], Awaitable[None]]
"""Publishes a derived event: name, data, routing key, and the work that causes it or the fact that it announces."""


_LEAST_SECRET = 4
"""Shorter ones are parts of words that are none."""


class Context:
    """What a plugin gets besides the event. There is no channel and no acknowledgement in reach.

    Args:
        name: the name of the handler.
        options: its validated options: an instance of the plugin's model, or a map where the plugin has none.
        log: a logger that knows the handler's name.
        http: gives the shared HTTP session.
        emit: publishes derived events.
        state_dir: the directory that the handler may keep files in; it is made when it is asked for.
        surroundings: what the texts of its options know besides the event.
        guarded: gives the session of a route.
        concurrency: how many events the handler can have at a time.
        secrets: what the configuration has from files and credentials.
        meter: what the handler counts with.
        panels: what the handler has to show to people.
        consuming_seconds: tells for how long events have come without interruption.
    """

    def __init__(
        self,
        name: str,
        options: Any,
        *,
        log: structlog.stdlib.BoundLogger,
        http: Callable[[], aiohttp.ClientSession],
        emit: Emit,
        state_dir: Path,
        surroundings: Surroundings | None = None,
        guarded: Callable[[Route], aiohttp.ClientSession] | None = None,
        concurrency: int = 1,
        secrets: Iterable[str] = (),
        meter: Meter | None = None,
        panels: Panels | None = None,
        consuming_seconds: Callable[[], float] = lambda: math.inf,
    ) -> None:
        self.name = name
        self.options = options
        self.log = log
        self.surroundings = surroundings or Surroundings()
        self.concurrency = concurrency
        self.meter = meter or Meter()
        """What can be counted with and shown, for whoever measures the host."""
        self.panels = panels or Panels()
        """What is shown to people, on the board."""
        self._consuming_seconds = consuming_seconds
        self._http = http
        self._guarded = guarded
        self._secrets = sorted((each for each in secrets if len(each) >= _LEAST_SECRET), key=len, reverse=True)
        self._emit = emit
        self._state_dir = state_dir
        self._loop = asyncio.get_running_loop()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The HTTP session that all handlers share. Use it in `async` methods only."""
        return self._http()

    def guarded_http(
        self,
        *,
        allow_networks: Iterable[IPv4Network | IPv6Network] = (),
        ca_file: Path | None = None,
        certificate_file: Path | None = None,
        key_file: Path | None = None,
        proxy: str | None = None,
        connections: int = 100,
        total_seconds: float | None = None,
    ) -> aiohttp.ClientSession:
        """An HTTP session that connects to addresses of the public internet only, and to those that are allowed.

        Use it for destinations that somebody else may have a say in. Handlers that ask for the same share one session.
        Ask before each request: the session is another one when a certificate was renewed.

        Args:
            allow_networks: networks that may be reached although they are not public.
            ca_file: the authorities that servers are verified against; those of the system if `None`.
            certificate_file: what is shown to servers that ask for a certificate.
            key_file: the key of that; in the same file if `None`.
            proxy: the URL of an HTTP proxy. The proxy resolves names, so that only addresses in URLs are guarded.
            connections: how many connections there may be at a time.
            total_seconds: how long a request may take, with its answer; 30 s if `None`.

        Raises:
            OSError: a file cannot be read, or holds no certificate or key.
            RuntimeError: there are no sessions here.
        """
        if self._guarded is None:
            raise RuntimeError('this context was made without sessions')
        return self._guarded(
            Route(
                allow_networks=tuple(allow_networks),
                ca_file=ca_file,
                certificate_file=certificate_file,
                key_file=key_file,
                proxy=proxy,
                connections=connections,
                total_seconds=total_seconds,
            )
        )

    @property
    def consuming_seconds(self) -> float:
        """For how many seconds the handler's queue has been consumed without interruption; 0 while it is not.

        Who takes it for news that no event has come asks this first: events may be waiting.
        """
        return self._consuming_seconds()

    def concealed(self, text: str) -> str:
        """`text` without what the configuration has from files and credentials: for what a server has answered."""
        for secret in self._secrets:
            text = text.replace(secret, '…')
        return text

    @property
    def state_dir(self) -> Path:
        """A directory of this handler's own, kept over restarts."""
        self._state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        return self._state_dir

    def emit(
        self, name: str, data: Any, *, routing_key: str | None = None, fact: Fact | None = None
    ) -> Awaitable[None]:
        """Publish a derived event on the hub, where any handler can match it.

        In an `async` method, await it: it is done when the broker has confirmed. In a plain method, which runs in a
        thread, it has been confirmed when the call returns. Its identity follows from the event that caused it, so that
        the same fact, derived twice, has one id. What follows from several events has a `fact` instead.

        Args:
            name: the name of the event, `busd.` first, as in `busd.call.missed`.
            data: what it says; anything that JSON can hold.
            routing_key: the key to publish with; the name if `None`.
            fact: what it is known by, and whom it concerns; if `None`, that follows from the event that is handled.

        Raises:
            ValueError: the name does not begin with `busd.`.
            wazo_busd.errors.BusError: the broker refuses it.
        """
        if not name.startswith('busd.'):
            raise ValueError(f'a derived event is called busd.…, not {name!r}')
        publishing = self._publish(name, data, routing_key, fact or current_work.get())
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return _Confirmed(asyncio.run_coroutine_threadsafe(publishing, self._loop).result())
        return publishing

    async def _publish(self, name: str, data: Any, routing_key: str | None, cause: Work | Fact | None) -> None:
        await self._emit(name, data, routing_key, cause)


class _Confirmed:
    """An awaitable that is done; for plain methods, which do not await."""

    def __init__(self, result: None) -> None:
        self._result = result

    def __await__(self) -> Any:
        yield from ()
        return self._result
