# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The HTTP sessions that handlers share, opened when the first of them asks for one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wazo_busd import __version__
from wazo_busd.route import Route

if TYPE_CHECKING:
    import aiohttp

    from wazo_busd.http.guarded import GuardedSessions

_TOTAL_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_CONNECTIONS = 100
_CONNECTIONS_PER_HOST = 20


def is_outage(error: BaseException) -> bool:
    """Whether an error of aiohttp means that the other side is out; those of the standard library are not asked here.

    Args:
        error: what a handler raised.
    """
    # Who has not imported it has no error of it; see `_opened`. A thread may be about to import it.
    outage = getattr(sys.modules.get('aiohttp'), 'ClientConnectionError', None)
    return outage is not None and isinstance(error, outage)


class SharedSession:
    """One `aiohttp.ClientSession` for the life of the daemon, with bounded connections, and one for each route."""

    def __init__(self) -> None:
        self._guarded: GuardedSessions | None = None
        self._session: aiohttp.ClientSession | None = None

    def get(self) -> aiohttp.ClientSession:
        """The session. It has a timeout, connections are bounded, and cookies are not kept."""
        if self._session is None or self._session.closed:
            # A handler may have closed what is not its own; the others go on.
            self._session = _opened()
        return self._session

    def guarded(self, route: Route) -> aiohttp.ClientSession:
        """The session of a route, which connects to allowed addresses only.

        Raises:
            OSError: a file of the route cannot be read, or holds no certificate or key.
        """
        if self._guarded is None:
            # See `_opened`.
            from wazo_busd.http.guarded import GuardedSessions

            self._guarded = GuardedSessions()
        return self._guarded.get(route)

    async def close(self) -> None:
        """Close what is open; the next `get` opens a new one."""
        session, self._session = self._session, None
        guarded, self._guarded = self._guarded, None
        if guarded is not None:
            await guarded.close()
        if session is not None:
            await session.close()


def _opened() -> aiohttp.ClientSession:
    # Where no handler asks anybody, the daemon does without it: it is a quarter of the time to start.
    import aiohttp

    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=_TOTAL_SECONDS, connect=_CONNECT_SECONDS),
        connector=aiohttp.TCPConnector(limit=_CONNECTIONS, limit_per_host=_CONNECTIONS_PER_HOST),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={'User-Agent': f'wazo-busd/{__version__}'},
    )
