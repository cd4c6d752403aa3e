# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The transport: how it gets under the library, and what the library hears while deliveries go past it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aio_pika
import aiormq
import pamqp.frame
import pytest
import trustme
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from pamqp.commands import Basic
from pamqp.commands import Connection as ConnectionClass
from pamqp.heartbeat import Heartbeat
from yarl import URL

from tests.unit.amqp.broker import PATIENCE_SECONDS, delivery, listening
from tests.unit.amqp.clock import Clock
from tests.unit.rig import turn
from wazo_busd.amqp.connection import connect
from wazo_busd.amqp.transport import Connection, Transport

HEARTBEAT = Heartbeat().marshal()
START = pamqp.frame.marshal(ConnectionClass.Start(server_properties={}), 0)
DELIVERY = b''.join(pamqp.frame.marshal(frame, 1) for frame in delivery(1, b'{}'))
ACK = pamqp.frame.marshal(Basic.Ack(1), 1)


class Used(Exception):
    """Raised by a transport factory that was asked."""


class Factory(TransportFactory):
    """A transport factory that only wants to be asked."""

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise Used


async def was_used(connecting: Awaitable[object]) -> bool:
    try:
        await connecting
    except Used:
        return True
    except (OSError, TypeError):
        return False
    return False


async def test_aiormq_asks_the_factory_that_it_is_given() -> None:
    connecting = aiormq.connect('amqp://localhost:1/', transport_factory=Factory())

    assert await was_used(connecting), (
        f'aiormq {aiormq.connection.__version__} no longer opens its socket with the transport_factory that it is '
        'given: without that no delivery goes past the library; see the parameters of aiormq.connection.Connection'
    )


async def test_aio_pika_hands_the_factory_down() -> None:
    connection = Connection(URL('amqp://localhost:1/'), transport_factory=Factory())

    assert await was_used(connection.connect()), (
        f'aio-pika {aio_pika.__version__} no longer hands the parameters in Connection.PARAMETERS down to aiormq: '
        'without transport_factory no delivery goes past the library; see aio_pika.connection.Connection.__init__'
    )

    await connection.close()


def test_the_parameters_of_aio_pika_stay() -> None:
    assert all(parameter in Connection.PARAMETERS for parameter in aio_pika.Connection.PARAMETERS)


async def test_a_broker_was_not_heard_before_it_sent_anything() -> None:
    assert Transport(body_limit=1_000, tls=None, server_name=None).heard_at == 0.0


@asynccontextmanager
async def opened(transport: Transport) -> AsyncIterator[tuple[asyncio.StreamReader, list[bytes]]]:
    """A transport that is connected to a server, what the library reads, and what the server got."""
    got: list[bytes] = []
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(ACK)
            got.append(await reader.read())
        except ConnectionError as error:
            got.append(type(error).__name__.encode())
        finally:
            writer.close()
            done.set()

    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    reader, writer = await transport.create(URL(f'amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/'))
    try:
        yield reader, got
    finally:
        writer.close()
        server.close()
        await asyncio.wait_for(done.wait(), PATIENCE_SECONDS)
        await turn()


class Line:
    """A plain connection, and its other end, which a test reads without the loop."""

    def __init__(self, transport: Transport, writer: asyncio.StreamWriter, peer: socket.socket) -> None:
        self.transport = transport
        self.writer = writer
        self.peer = peer

    def beat(self) -> None:
        """Beat in another thread, while the loop does nothing."""
        thread = threading.Thread(target=self.transport.beat)
        thread.start()
        thread.join(PATIENCE_SECONDS)

    async def hang_up(self) -> bytes:
        """Close it, and give all that has arrived at the other end."""
        self.writer.close()
        reader, other = await asyncio.open_connection(sock=self.peer)
        arrived = await reader.read()
        other.close()
        await other.wait_closed()
        return arrived


class Wanted:
    """The lock of a connection, for one who tells that he wants it."""

    def __init__(self, transport: Transport, told: threading.Event) -> None:
        assert transport._protocol is not None
        self._lock = transport._protocol.writing
        self._told = told

    def __enter__(self) -> None:
        self._told.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A plain connection whose broker wants to hear something every two seconds."""
    transport = Transport(body_limit=1_000, tls=None, server_name=None, heartbeat_seconds=2.0)
    with socket.create_server(('127.0.0.1', 0)) as listener:
        _, writer = await transport.create(URL(f'amqp://127.0.0.1:{listener.getsockname()[1]}/'))
        peer, _ = listener.accept()
    with peer:
        peer.settimeout(PATIENCE_SECONDS)
        yield Line(transport, writer, peer)
        transport.abort()
        await turn()


async def test_the_library_reads_what_is_not_ours() -> None:
    async with opened(Transport(body_limit=1_000, tls=None, server_name=None)) as (reader, _):
        assert await reader.readexactly(len(ACK)) == ACK


async def test_a_transport_knows_when_the_broker_was_heard() -> None:
    transport = Transport(body_limit=1_000, tls=None, server_name=None)
    async with opened(transport) as (reader, _):
        began = asyncio.get_running_loop().time()
        await reader.readexactly(len(ACK))

        assert transport.heard_at >= began - PATIENCE_SECONDS


async def test_an_aborted_transport_ends_what_the_library_reads() -> None:
    transport = Transport(body_limit=1_000, tls=None, server_name=None)
    async with opened(transport) as (reader, _):
        await reader.readexactly(len(ACK))

        transport.abort()

        assert await reader.read() == b''


async def test_aborting_what_has_said_all_and_is_closed_does_nothing(line: Line) -> None:
    # Given a connection that had still something to say when it was closed
    line.writer.write(ACK * 1_000_000)
    await line.hang_up()
    await line.writer.wait_closed()

    line.transport.abort()

    assert line.writer.is_closing()


async def test_aborting_what_is_not_connected_does_nothing() -> None:
    transport = Transport(body_limit=1_000, tls=None, server_name=None)

    transport.abort()

    assert transport.heard_at == 0.0


async def test_a_beat_is_a_heartbeat_that_is_sent_without_the_loop(line: Line) -> None:
    line.beat()

    assert line.peer.recv(100) == HEARTBEAT


@pytest.mark.parametrize(('after', 'beats'), [(0.0, 1), (1.3, 1), (1.4, 2)])
async def test_a_beat_is_sent_every_two_thirds_of_the_interval(
    clock: Clock, line: Line, after: float, beats: int
) -> None:
    line.beat()
    clock.now += after
    line.beat()

    assert await line.hang_up() == HEARTBEAT * beats


async def test_a_beat_does_not_come_into_the_middle_of_a_frame(line: Line) -> None:
    # Given more than the system takes at once
    line.writer.write(ACK * 1_000_000)

    line.beat()

    assert await line.hang_up() == ACK * 1_000_000


async def test_nothing_is_written_while_a_beat_is_sent(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a beat that has begun and is not through
    began, go_on = threading.Event(), threading.Event()

    def write(number: int, data: bytes) -> int:
        began.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return os.write(number, data)

    monkeypatch.setattr('wazo_busd.amqp.transport.os', SimpleNamespace(write=write))
    beating = threading.Thread(target=line.transport.beat)
    beating.start()
    assert began.wait(PATIENCE_SECONDS)

    # When something is to be written meanwhile
    monkeypatch.setattr(line.writer, '_writing', Wanted(line.transport, go_on))
    line.writer.write(ACK)
    beating.join(PATIENCE_SECONDS)

    # Then it comes behind the beat
    assert await line.hang_up() == HEARTBEAT + ACK


async def test_a_beat_that_went_out_in_part_ends_the_connection(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.transport.os', SimpleNamespace(write=lambda number, data: 3))

    line.beat()
    await turn()

    assert line.writer.is_closing()


async def test_a_beat_that_the_system_does_not_take_is_sent_the_next_time(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(number: int, data: bytes) -> int:
        raise BlockingIOError

    with monkeypatch.context() as patched:
        patched.setattr('wazo_busd.amqp.transport.os', SimpleNamespace(write=write))
        line.beat()
    line.beat()

    assert await line.hang_up() == HEARTBEAT


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the sockets that beats are written to, none of which gets any."""
    numbers: list[int] = []

    def write(number: int, data: bytes) -> int:
        numbers.append(number)
        return len(data)

    monkeypatch.setattr('wazo_busd.amqp.transport.os', SimpleNamespace(write=write))
    return numbers


async def test_what_is_not_connected_does_not_beat(written: list[int]) -> None:
    Transport(body_limit=1_000, tls=None, server_name=None).beat()

    assert written == []


async def test_a_connection_that_is_lost_does_not_beat(line: Line, written: list[int]) -> None:
    # Given a connection that was lost, whose socket's number may be another's by now
    line.transport.abort()
    await turn()

    line.beat()

    assert written == []


async def test_where_nobody_listens_the_library_has_its_own_error(unused_port: int) -> None:
    transport = Transport(body_limit=1_000, tls=None, server_name=None)

    with pytest.raises(AMQPConnectionError) as refused:
        await transport.create(URL(f'amqp://127.0.0.1:{unused_port}/'))

    assert isinstance(refused.value.__cause__, ConnectionRefusedError)


async def test_an_address_without_a_host_is_refused() -> None:
    with pytest.raises(AMQPConnectionError, match='a host and a port'):
        await Transport(body_limit=1_000, tls=None, server_name=None).create(URL('/'))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def client_side(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_the_name_of_a_broker_can_be_another_than_its_host(authority: trustme.CA) -> None:
    async with listening(server_side(authority, 'pbx.example')) as broker:
        transport = Transport(body_limit=1_000, tls=client_side(authority), server_name='pbx.example')

        _, writer = await transport.create(URL(f'amqps://127.0.0.1:{broker.port}/'))

        assert writer.get_extra_info('ssl_object') is not None
        transport.abort()
        await turn()


async def test_what_says_goodbye_in_tls_can_be_aborted(authority: trustme.CA) -> None:
    async with listening(server_side(authority, '127.0.0.1')) as broker:
        transport = Transport(body_limit=1_000, tls=client_side(authority), server_name=None)
        _, writer = await transport.create(URL(f'amqps://127.0.0.1:{broker.port}/'))
        writer.transport.close()
        writer.transport.close()

        transport.abort()
        await turn()

        assert writer.transport.is_closing()


async def test_over_tls_nothing_is_sent_past_the_loop(authority: trustme.CA, written: list[int]) -> None:
    async with listening(server_side(authority, '127.0.0.1')) as broker:
        transport = Transport(body_limit=1_000, tls=client_side(authority), server_name=None)
        _, writer = await transport.create(URL(f'amqps://127.0.0.1:{broker.port}/'))

        transport.beat()
        transport.abort()
        await turn()

        assert (writer.is_closing(), written) == (True, [])


async def test_a_broker_of_another_name_is_refused(authority: trustme.CA) -> None:
    async with listening(server_side(authority, 'pbx.example')) as broker:
        transport = Transport(body_limit=1_000, tls=client_side(authority), server_name=None)

        with pytest.raises(AMQPConnectionError) as refused:
            await transport.create(URL(f'amqps://127.0.0.1:{broker.port}/'))

        assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)


async def test_the_library_takes_a_busy_connection_for_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.protocol._HEARTBEAT_EVERY_SECONDS', 0.0)
    async with listening() as broker:
        link = await connect(broker.config, 'test')
        underlay = link.connection.transport
        assert underlay is not None
        came = asyncio.Event()
        link.transport.cutter.tap(1, 'wazo-busd', lambda _: came.set())
        before = _last_frame_at(underlay.connection)
        (await broker.session()).deliver(1, 1, b'{}')
        await asyncio.wait_for(came.wait(), PATIENCE_SECONDS)
        await turn()

        assert _last_frame_at(underlay.connection) > before

        await link.close()


def _last_frame_at(connection: object) -> float:
    """When aiormq last heard anything; it keeps that to itself."""
    at = vars(connection)['_Connection__last_frame_time']
    assert isinstance(at, float)
    return at
