# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The protocol: what a connection brings goes through the cutter, and what that leaves goes to the library.

Of a large read a few deliveries are cut out in each turn of the loop. What the library waits for comes behind those
that the broker has sent before it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import cast

from wazo_busd.amqp.frames import FrameCutter
from wazo_busd.amqp.gathering import Gathering

HEARTBEAT_FRAME = b'\x08\x00\x00\x00\x00\x00\x00\xce'
"""What says that a peer is alive (AMQP 0-9-1, section 4.2.7)."""

_HEARTBEAT_EVERY_SECONDS = 1.0
_BEHIND_SECONDS = 0.02
"""For how long acknowledgements gather while a read is handed on: no long time, for what was not told when the process
is killed comes again."""


class TapProtocol(asyncio.StreamReaderProtocol):
    """Feeds the library's reader with what the cutter leaves.

    Args:
        reader: what the library reads from.
        cutter: cuts the deliveries out.
        max_latency_seconds: how long deliveries may be left unread while they come fast.
    """

    def __init__(self, reader: asyncio.StreamReader, cutter: FrameCutter, max_latency_seconds: float) -> None:
        super().__init__(reader)
        self._cutter = cutter
        self._max_latency_seconds = max_latency_seconds
        self.gathering: Gathering | None = None
        """Lets deliveries gather; `None` before there is a connection."""
        self._underlay: asyncio.Transport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._going_on: asyncio.Handle | None = None
        """The next step, while what was read is cut in several."""
        self._is_hurried = False
        """Whether the next step is the last one."""
        self._behind: list[Callable[[], None]] = []
        """What is to be called when the present read is handed on."""
        self._behind_since = 0.0
        self._came = 0
        """How many deliveries the present read has brought."""
        self._library_fed_at = 0.0
        self.heard_at = 0.0
        """When the broker last sent anything, or what it has sent was last gone on with; on the monotonic clock."""
        self.is_lost = False
        """Whether the connection is lost."""
        self.writing = threading.Lock()
        """Held by whoever sends something, so that it goes out as a whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        super().connection_made(transport)
        # Those of uvloop are no subclasses of asyncio's.
        self._underlay = cast('asyncio.Transport', transport)
        self.gathering = Gathering(
            self._max_latency_seconds,
            pause=self._pause,
            resume=self._resume,
            call_later=asyncio.get_running_loop().call_later,
        )

    def data_received(self, data: bytes) -> None:
        """Something was read."""
        self._step(data)
        if self._cutter.is_more:
            # What is not read lies in the socket until its turn comes, and not here beside what is being handled.
            self._pause()

    def eof_received(self) -> bool | None:
        """The broker says no more."""
        try:
            self._finish()
        finally:
            keeps_open = super().eof_received()
        return keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        # After this the socket is closed, and its number may be that of another one.
        with self.writing:
            self.is_lost = True
        if self.gathering is not None:
            self.gathering.close()
        try:
            self._finish()
        finally:
            super().connection_lost(exc)

    def behind(self, callback: Callable[[], None]) -> None:
        """Call something when all that was read has been handed on, or in 20 ms; see `Transport.behind`."""
        if not self._behind:
            self._behind_since = time.monotonic()
        self._behind.append(callback)

    def hurry(self) -> None:
        """Hand on all that was read in the next turn of the loop."""
        self._is_hurried = self._cutter.is_more

    def _step(self, data: bytes) -> None:
        """Cut a few deliveries, and the next ones behind the workers, whom these call before the loop turns."""
        self._cut(data)
        while self._is_hurried and self._cutter.is_more:
            self._cut(b'')
        if self._cutter.is_more:
            if self._behind and self.heard_at - self._behind_since > _BEHIND_SECONDS:
                self._call_behind()
            self._going_on = self._going_on or self._call_soon(self._go_on)
            return
        self._is_hurried = False
        if self._behind:
            self._call_behind()
        if self._came and self.gathering is not None:
            self.gathering.came(self._came, self.heard_at)
            self._came = 0

    def _go_on(self) -> None:
        self._going_on = None
        try:
            self._step(b'')
        except BaseException:
            # A mistake of ours. Where a read begins the loop ends the connection for one, and here nobody would go on.
            self._underlay.abort()
            raise
        if not self._cutter.is_more and self.gathering is not None and not self.gathering.is_on:
            # The library reads on and on. Where its reader had reading paused, what is here is read first all the same.
            self._resume()

    def _finish(self) -> None:
        """Nothing is read any more: what was read is seen to now."""
        if self._going_on is not None:
            self._going_on.cancel()
        while self._cutter.is_more:
            self._cut(b'')

    def _call_behind(self) -> None:
        """Call what was to be called, each by itself, behind whoever was woken by the last deliveries."""
        behind, self._behind = self._behind, []
        for callback in behind:
            self._call_soon(callback)

    def _pause(self) -> None:
        # One of uvloop's that is closed raises an error.
        if not self._underlay.is_closing():
            self._underlay.pause_reading()

    def _resume(self) -> None:
        if not self._underlay.is_closing():
            self._underlay.resume_reading()

    def _cut(self, data: bytes) -> None:
        before = self._cutter.delivered
        rest = self._cutter.feed(data)
        now = self.heard_at = time.monotonic()
        self._came += self._cutter.delivered - before
        if rest:
            self._library_fed_at = now
            super().data_received(rest)
        elif self._cutter.tapping and now - self._library_fed_at >= _HEARTBEAT_EVERY_SECONDS:
            # A busy broker sends no heartbeats, and the library sees no deliveries: without this it would hold the
            # connection for dead. The cutter leaves whole frames only, so one fits in between. Before there is a
            # consumer nothing goes past the library, and during the handshake it takes no heartbeat.
            self._library_fed_at = now
            super().data_received(HEARTBEAT_FRAME)
