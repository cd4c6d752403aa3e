# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The probe: finds out within two seconds that a connection is half open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog

from wazo_busd.amqp.connection import Link, close_channel
from wazo_busd.tasks import is_cancelled, raise_if_cancelled

log = structlog.stdlib.get_logger(__name__)

_SILENCE_SECONDS = 1.0
_SLICES = 4
_SLICE_SECONDS = 0.25


class Probe:
    """Asks the broker something small whenever it has been silent, and drops the connection if it stays so.

    Args:
        link: the connection.
        question: asks; it may fail, as long as the broker says anything.
        needed: whether it is worth asking now.
    """

    def __init__(
        self, link: Link, question: Callable[[], Awaitable[None]], needed: Callable[[], bool] = lambda: True
    ) -> None:
        self._link = link
        self._question = question
        self._needed = needed

    async def run(self) -> None:
        """Probe until the broker does not answer; then drop the connection and return."""
        while True:
            raise_if_cancelled()
            silence = time.monotonic() - self._link.transport.heard_at
            if silence < _SILENCE_SECONDS or not self._needed():
                await asyncio.sleep(_SILENCE_SECONDS - silence if silence < _SILENCE_SECONDS else _SILENCE_SECONDS)
                continue
            if not await self._is_answered():
                log.warning('connection_half_open', broker=self._link.address)
                self._link.abort()
                return

    async def _is_answered(self) -> bool:
        """Whether the broker says anything, be it no.

        The wait is cut into slices, because time alone proves nothing: while a handler blocks the loop the answer lies
        unread, and is read between two slices.
        """
        asking = asyncio.ensure_future(self._question())
        heard_at, silent_slices = time.monotonic(), 0
        try:
            while not asking.done():
                if silent_slices == _SLICES:
                    # It may not be worth knowing any more, as when the broker has said that it reads nothing.
                    return not self._needed()
                await asyncio.wait([asking], timeout=_SLICE_SECONDS)
                # As long as it is heard it lives, and what is asked may take its time.
                silent_slices = 0 if self._link.transport.heard_at > heard_at else silent_slices + 1
                heard_at = max(heard_at, self._link.transport.heard_at)
            await asking
            self._link.transport.answered()
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            log.debug('probe_failed', error=repr(error))
            # A question that fails at once would otherwise be asked again at once.
            await asyncio.sleep(_SLICE_SECONDS)
        finally:
            asking.cancel()
        return True


@asynccontextmanager
async def probed(link: Link) -> AsyncIterator[None]:
    """While a connection is set up: drop it if it turns out to be half open, so that what waits for it fails."""
    probing = asyncio.create_task(Probe(link, partial(ask, link)).run(), name='probe the setup')
    try:
        yield
    finally:
        probing.cancel()


async def ask(link: Link) -> None:
    """Ask a broker for the smallest thing there is: a channel."""
    await close_channel(await link.open_channel())
