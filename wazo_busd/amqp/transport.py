# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The transport under aiormq: a socket whose deliveries go past the library.

aiormq takes a `transport_factory`; aio-pika does not hand one down by itself, so `Connection` extends the parameters
that it does hand down. Nothing is patched: handshake, replies, heartbeats, cancels and closes are the library's.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import aio_pika
import aio_pika.abc
import structlog
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from wazo_busd.amqp.frames import FrameCutter
from wazo_busd.amqp.gathering import Gathering

_HEARTBEAT_FRAME = b'\x08\x00\x00\x00\x00\x00\x00\xce'
_HEARTBEAT_EVERY_SECONDS = 1.0
_BEHIND_SECONDS = 0.02
"""For how long acknowledgements gather while a read is handed on: no long time, for what was not told when the process
is killed comes again."""

log = structlog.stdlib.get_logger(__name__)


class Transport:
    """Opens one connection and cuts the deliveries out of what comes; what aiormq calls a transport factory.

    Where the library does not use it, it knows only what it is told.

    Args:
        body_limit: bytes of a body that are kept whole.
        tls: how to encrypt; `None` for a plain connection.
        server_name: the name that the broker's certificate must have; the host's own if `None`.
        heartbeat_seconds: the broker holds a connection for dead that it has not heard for twice as long.
        max_latency_seconds: how long deliveries may be left unread while they come fast, so that several are read at
            a time.
    """

    def __init__(
        self,
        *,
        body_limit: int,
        tls: ssl.SSLContext | None,
        server_name: str | None,
        heartbeat_seconds: float = 10.0,
        max_latency_seconds: float = 0.0,
    ) -> None:
        self.cutter = FrameCutter(body_limit)
        self._max_latency_seconds = max_latency_seconds
        self._tls = tls
        self._server_name = server_name
        self._beat_every_seconds = heartbeat_seconds * 2 / 3
        self._beaten_at = -math.inf
        self._loop: asyncio.AbstractEventLoop
        self._socket: asyncio.Transport | None = None
        self._underlay: asyncio.Transport | None = None
        """What is written to: the socket, or what encrypts for it."""
        self._protocol: _Protocol | None = None
        self._told_at = 0.0

    @property
    def is_used(self) -> bool:
        """Whether the library has connected with it."""
        return self._protocol is not None

    @property
    def heard_at(self) -> float:
        """When the broker last sent anything, on the monotonic clock; 0 before it did."""
        return self._protocol.heard_at if self._protocol else self._told_at

    def answered(self) -> None:
        """The broker has answered something, by whichever way."""
        self._told_at = time.monotonic()

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Called by aiormq: connect, and give it a reader and a writer.

        Raises:
            AMQPConnectionError: nobody listens, or the TLS handshake fails.
        """
        loop = self._loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = _Protocol(reader, self.cutter, self._max_latency_seconds)
        if url.host is None or url.port is None:
            raise AMQPConnectionError('an address has a host and a port')
        try:
            # TLS is put on in a second step, to keep hold of the socket: what has begun to say goodbye in TLS can no
            # longer be aborted (Python 3.11.2, Debian 12's, raises AttributeError), the socket always can.
            self._socket, _ = await loop.create_connection(asyncio.Protocol, url.host, url.port)
            transport: asyncio.Transport | None = self._socket
            if self._tls:
                name = self._server_name or url.host
                transport = await loop.start_tls(self._socket, protocol, self._tls, server_hostname=name)
            else:
                self._socket.set_protocol(protocol)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        if transport is None:
            raise AMQPConnectionError('the connection was lost during the TLS handshake')
        self._protocol, self._underlay = protocol, transport
        protocol.connection_made(transport)
        return reader, _Writer(transport, protocol, reader, loop)

    @property
    def is_gathering(self) -> bool:
        """Whether reading rests, so that deliveries gather."""
        return self._protocol is not None and self._protocol.gathering is not None and self._protocol.gathering.is_on

    @property
    def is_more(self) -> bool:
        """Whether deliveries that were read are about to be handed on."""
        return self.cutter.is_more

    def behind(self, callback: Callable[[], None]) -> None:
        """Call something when all that was read has been handed on, and whoever it woke has had its turn.

        Where that takes longer than 20 ms it is called then.
        """
        if self._protocol is not None:
            self._protocol.behind(callback)

    def read_on(self) -> None:
        """Let nothing gather behind the deliveries that are handed on now."""
        if self._protocol is not None and self._protocol.gathering is not None:
            self._protocol.gathering.read_on()

    def answer(self, channel: int, frame: bytes) -> None:
        """Write a frame past the library, which writes whole frames only, so that one fits in between.

        Nothing is written once the broker has closed the channel, even where the library does not know it yet: on a
        channel that is closed the broker takes no frame, and ends the connection (AMQP 0-9-1, section 4.10.2).

        Args:
            channel: the number of the channel, whose deliveries are cut out.
            frame: one whole frame.
        """
        transport, protocol = self._underlay, self._protocol
        if transport is None or protocol is None or transport.is_closing() or not self.cutter.is_open(channel):
            return
        with protocol.writing:
            transport.write(frame)

    def beat(self) -> None:
        """Send a heartbeat past the library, from another thread, while the loop is blocked; if it is time for one.

        The connection must be open: nobody takes heartbeats during the handshake. Where something of the library's is
        on its way, nothing is sent, as it could come into the middle of a frame. Over TLS it is never sent: only the
        loop may encrypt.
        """
        now = time.monotonic()
        transport, protocol = self._socket, self._protocol
        if transport is None or protocol is None or self._tls or now - self._beaten_at < self._beat_every_seconds:
            return
        with protocol.writing:
            if protocol.is_lost or transport.get_write_buffer_size():
                return
            try:
                sent = os.write(transport.get_extra_info('socket').fileno(), _HEARTBEAT_FRAME)
            except OSError as error:
                # The broker reads nothing, or is gone, which the loop will find out.
                log.debug('beat_failed', error=repr(error))
                return
            self._beaten_at = now
        if sent < len(_HEARTBEAT_FRAME):
            # Half a frame spoils the connection for whatever comes next. The system takes so few bytes as a whole
            # unless the very last of its memory for this connection is used up.
            self._loop.call_soon_threadsafe(self.abort)

    def abort(self) -> None:
        """Drop the socket at once: for a broker that does not answer, which a polite close would wait for."""
        if self._socket is not None and not (self._protocol and self._protocol.is_lost):
            self._socket.abort()


class _Protocol(asyncio.StreamReaderProtocol):
    """Feeds the reader with what the cutter leaves."""

    def __init__(self, reader: asyncio.StreamReader, cutter: FrameCutter, max_latency_seconds: float) -> None:
        super().__init__(reader)
        self._cutter = cutter
        self._max_latency_seconds = max_latency_seconds
        self.gathering: Gathering | None = None
        self._reading: asyncio.ReadTransport
        self._call_soon = asyncio.get_running_loop().call_soon
        self._going_on: asyncio.Handle | None = None
        """The next step, while what was read is cut in several."""
        self._behind: list[Callable[[], None]] = []
        """What is to be called when the present read is handed on."""
        self._behind_since = 0.0
        self._came = 0
        """How many deliveries the present read has brought."""
        self._library_fed_at = 0.0
        self.heard_at = 0.0
        self.is_lost = False
        self.writing = threading.Lock()
        """Held by whoever sends something, so that it goes out as a whole."""

    def connection_lost(self, exc: Exception | None) -> None:
        # After this the socket is closed, and its number may be that of another one.
        with self.writing:
            self.is_lost = True
        self._finish()
        if self.gathering is not None:
            self.gathering.close()
        super().connection_lost(exc)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # Those of uvloop are no subclasses of asyncio's.
        self._reading = cast('asyncio.ReadTransport', transport)
        self.gathering = Gathering(
            self._max_latency_seconds,
            pause=self._pause,
            resume=self._resume,
            call_later=asyncio.get_running_loop().call_later,
        )

    def data_received(self, data: bytes) -> None:
        self._step(data)
        if self._cutter.is_more:
            # What is not read lies in the socket until its turn comes, and not here beside what is being handled.
            self._pause()

    def behind(self, callback: Callable[[], None]) -> None:
        """See `Transport.behind`."""
        if not self._behind:
            self._behind_since = self.heard_at
        self._behind.append(callback)

    def eof_received(self) -> bool | None:
        self._finish()
        return super().eof_received()

    def _go_on(self) -> None:
        self._going_on = None
        self._step(b'')
        if not self._cutter.is_more and self.gathering is not None and not self.gathering.is_on:
            self._resume()

    def _pause(self) -> None:
        # One of uvloop's that is closed raises an error.
        if not self._reading.is_closing():
            self._reading.pause_reading()

    def _resume(self) -> None:
        if not self._reading.is_closing():
            self._reading.resume_reading()

    def _finish(self) -> None:
        """Nothing is read any more: what was read is seen to now."""
        if self._going_on is not None:
            self._going_on.cancel()
        while self._cutter.is_more:
            self._cut(b'')

    def _step(self, data: bytes) -> None:
        """Cut a few deliveries, and the next ones behind the workers, whom these call before the loop turns."""
        self._cut(data)
        if self._cutter.is_more:
            self._going_on = self._going_on or self._call_soon(self._go_on)
            if self._behind and self.heard_at - self._behind_since > _BEHIND_SECONDS:
                self._call_behind()
            return
        if self._behind:
            self._call_soon(self._call_behind)
        if self._came and self.gathering is not None:
            self.gathering.came(self._came, self.heard_at)
            self._came = 0

    def _call_behind(self) -> None:
        behind, self._behind = self._behind, []
        for callback in behind:
            callback()

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
            super().data_received(_HEARTBEAT_FRAME)


class _Writer(asyncio.StreamWriter):
    """Writes for the library: whole frames, and none while a beat is sent."""

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: _Protocol,
        reader: asyncio.StreamReader,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(transport, protocol, reader, loop)
        self._writing = protocol.writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        with self._writing:
            super().write(data)


def _parameters() -> tuple[Any, ...]:
    """What aio-pika hands down, and the factory with it; if it has another way to say so by now, nothing is said."""
    given: tuple[Any, ...] = getattr(aio_pika.Connection, 'PARAMETERS', ())
    parameter = getattr(aio_pika.abc, 'ConnectionParameter', None)
    if not given or parameter is None:
        return given
    return (*given, parameter(name='transport_factory', parser=lambda factory: factory, is_kwarg=True))


class Connection(aio_pika.Connection):
    """A connection of aio-pika that hands a `transport_factory` down to aiormq."""

    PARAMETERS = _parameters()
