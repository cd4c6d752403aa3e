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
import time
from collections.abc import Callable
from typing import Any

import aio_pika
import aio_pika.abc
import structlog
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

from wazo_busd.amqp.frames import FrameCutter
from wazo_busd.amqp.protocol import HEARTBEAT_FRAME, TapProtocol

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
        self._protocol: TapProtocol | None = None
        self._told_at = 0.0

    @property
    def is_used(self) -> bool:
        """Whether the library has connected with it."""
        return self._protocol is not None

    @property
    def heard_at(self) -> float:
        """When the broker last sent anything, or that was gone on with; on the monotonic clock, 0 before it did."""
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
        protocol = TapProtocol(reader, self.cutter, self._max_latency_seconds)
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

    def hurry(self) -> None:
        """Hand on all that was read in the next turn of the loop: whoever gives it back must do so in its order."""
        if self._protocol is not None:
            self._protocol.hurry()

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
                sent = os.write(transport.get_extra_info('socket').fileno(), HEARTBEAT_FRAME)
            except OSError as error:
                # The broker reads nothing, or is gone, which the loop will find out.
                log.debug('beat_failed', error=repr(error))
                return
            self._beaten_at = now
        if sent < len(HEARTBEAT_FRAME):
            # Half a frame spoils the connection for whatever comes next. The system takes so few bytes as a whole
            # unless the very last of its memory for this connection is used up.
            self._loop.call_soon_threadsafe(self.abort)

    def abort(self) -> None:
        """Drop the socket at once: for a broker that does not answer, which a polite close would wait for."""
        if self._socket is not None and not (self._protocol and self._protocol.is_lost):
            self._socket.abort()


class _Writer(asyncio.StreamWriter):
    """Writes for the library: whole frames, and none while a beat is sent."""

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: TapProtocol,
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
