# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A broker of a few lines on a loopback socket: it says yes to everything, unless the test answers for it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pamqp.frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Confirm, Connection, Exchange, Queue
from pamqp.frame import FrameTypes
from pamqp.header import ContentHeader

from wazo_busd.amqp.connection import Link, connect
from wazo_busd.config import BusConfig

PATIENCE_SECONDS = 20.0
"""How long a test waits for what must come; nothing that works comes near it."""

F = TypeVar('F')

Answer = Callable[[Any], Sequence[FrameTypes]]
"""What the broker says to a method, on the channel that it came on."""

SILENCE: Answer = lambda _: []  # noqa: E731 — it reads better as a value


class Session:
    """One connection, as the broker sees it."""

    def __init__(self, broker: ScriptedBroker, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received: list[tuple[int, FrameTypes]] = []
        self._broker = broker
        self._reader = reader
        self._writer = writer
        self._came = asyncio.Event()
        self._ended = False
        self._published: dict[int, itertools.count[int]] = {}

    @property
    def _transport(self) -> asyncio.Transport:
        transport = self._writer.transport
        assert isinstance(transport, asyncio.Transport)
        return transport

    async def serve(self) -> None:
        """Answer until the client is gone."""
        try:
            await self._reader.readexactly(8)
            self.send(0, *self._broker.greeting)
            while True:
                head = await self._reader.readexactly(7)
                rest = await self._reader.readexactly(int.from_bytes(head[3:]) + 1)
                _, channel, frame = pamqp.frame.unmarshal(head + rest)
                self.received.append((channel, frame))
                self._came.set()
                self.send(channel, *self._broker.answer(self, channel, frame))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._ended = True
            self._came.set()
            self._writer.close()

    def send(self, channel: int, *frames: FrameTypes) -> None:
        """Say something, asked or not; what concerns the whole connection, on no channel."""
        for frame in frames:
            self.write(pamqp.frame.marshal(frame, 0 if frame.name.startswith('Connection.') else channel))

    def write(self, data: bytes) -> None:
        """Say anything at all."""
        if data:
            self._writer.write(data)

    def deliver(self, channel: int, tag: int, body: bytes, **properties: Any) -> None:
        """Give out an event on a channel."""
        self.send(channel, *delivery(tag, body, **properties))

    def pause(self) -> None:
        """Read nothing more, as a broker does that has no memory left; not even the goodbyes of TLS."""
        over_tls = getattr(self._transport, '_ssl_protocol', None)
        (over_tls._transport if over_tls else self._transport).pause_reading()

    def abort(self) -> None:
        """Be gone without a word."""
        if not self._transport.is_closing():
            self._transport.abort()

    def confirmation(self, channel: int) -> int:
        """The number of the next confirmation on a channel."""
        return next(self._published.setdefault(channel, itertools.count(1)))

    def frames(self, kind: type[F]) -> list[F]:
        """The frames of a kind that came."""
        return [frame for _, frame in self.received if isinstance(frame, kind)]

    async def heard(self, kind: type[F], number: int = 1) -> tuple[int, F]:
        """Wait for the frame of a kind, the first if no number is given.

        Returns:
            Its channel and the frame.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = [(channel, frame) for channel, frame in self.received if isinstance(frame, kind)]
                if len(found) >= number:
                    return found[number - 1]
                if self._ended:
                    raise EOFError(f'the client went without {kind.__name__}')
                self._came.clear()
                await self._came.wait()

    async def ended(self) -> None:
        """Wait until the client is gone."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._ended:
                self._came.clear()
                await self._came.wait()


class ScriptedBroker:
    """A broker that a test listens to.

    Attributes:
        answers: what it says to a kind of method instead of yes.
        silent: whether it reads and says nothing any more, as one does whose host is gone.
    """

    def __init__(self) -> None:
        self.answers: dict[type[Any], Answer] = {}
        self.greeting: list[FrameTypes] = [
            Connection.Start(
                server_properties={
                    'capabilities': {'publisher_confirms': True, 'basic.nack': True, 'consumer_cancel_notify': True}
                }
            )
        ]
        self.silent = False
        self.port = 0
        self.sessions: list[Session] = []
        self._opened = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def config(self) -> BusConfig:
        """The configuration that leads here."""
        return BusConfig(host='127.0.0.1', port=self.port)

    async def session(self, number: int = 1) -> Session:
        """Wait for a connection, the first if no number is given."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.sessions) < number:
                self._opened.clear()
                await self._opened.wait()
        return self.sessions[number - 1]

    def answer(self, session: Session, channel: int, frame: FrameTypes) -> Sequence[FrameTypes]:
        """What to say to a frame."""
        if self.silent:
            return []
        for kind, answer in self.answers.items():
            if isinstance(frame, kind):
                return answer(frame)
        if isinstance(frame, ContentHeader) and frame.body_size:
            return []
        if isinstance(frame, (ContentHeader, ContentBody)):
            return [Basic.Ack(session.confirmation(channel))]
        return _yes(frame)

    async def opened(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        session = Session(self, reader, writer)
        self.sessions.append(session)
        self._opened.set()
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        await session.serve()

    async def close(self) -> None:
        """Drop whoever is still connected."""
        for session in self.sessions:
            session.abort()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def listening(tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedBroker]:
    """A broker that listens on a port of its own."""
    broker = ScriptedBroker()
    server = await asyncio.start_server(broker.opened, '127.0.0.1', 0, ssl=tls)
    broker.port = server.sockets[0].getsockname()[1]
    try:
        yield broker
    finally:
        server.close()
        await broker.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await server.wait_closed()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[ScriptedBroker, Link]]:
    """A broker and a connection to it."""
    async with listening() as broker:
        link = await connect(broker.config, 'test')
        try:
            yield broker, link
        finally:
            await link.close()


def delivery(
    tag: int,
    body: bytes,
    *,
    consumer_tag: str = 'wazo-busd',
    exchange: str = 'wazo-headers',
    routing_key: str = 'calls.call.created',
    redelivered: bool = False,
    properties: Basic.Properties | None = None,
) -> list[FrameTypes]:
    """The frames of a delivery."""
    return [
        Basic.Deliver(consumer_tag, tag, redelivered, exchange, routing_key),
        ContentHeader(body_size=len(body), properties=properties),
        *([ContentBody(body)] if body else []),
    ]


def _yes(frame: FrameTypes) -> list[FrameTypes]:
    match frame:
        case Connection.StartOk():
            return [Connection.Tune(2047, 131_072, 0)]
        case Connection.Open():
            return [Connection.OpenOk()]
        case Connection.Close():
            return [Connection.CloseOk()]
        case Channel.Open():
            return [Channel.OpenOk()]
        case Channel.Close():
            return [Channel.CloseOk()]
        case Confirm.Select():
            return [Confirm.SelectOk()]
        case Exchange.Declare():
            return [Exchange.DeclareOk()]
        case Exchange.Bind():
            return [Exchange.BindOk()]
        case Queue.Declare():
            return [Queue.DeclareOk(frame.queue, 0, 0)]
        case Queue.Bind():
            return [Queue.BindOk()]
        case Queue.Unbind():
            return [Queue.UnbindOk()]
        case Basic.Qos():
            return [Basic.QosOk()]
        case Basic.Consume():
            return [Basic.ConsumeOk(frame.consumer_tag)]
        case Basic.Cancel():
            return [Basic.CancelOk(frame.consumer_tag)]
        case _:
            return []
