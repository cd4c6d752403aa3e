# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A publisher of a few lines on a plain socket: it sends any bytes as properties, and blocks where it waits."""

from __future__ import annotations

import socket
import struct
from typing import Self, TypeVar

import pamqp.frame
from pamqp.commands import Basic, Channel, Confirm, Connection, Queue
from pamqp.exceptions import UnmarshalingException
from pamqp.frame import FrameTypes
from pamqp.header import ProtocolHeader

from tests.conftest import Broker

F = TypeVar('F', bound=FrameTypes)

FRAME_LIMIT = 131_072
"""Bytes of a frame, with its head and its end; RabbitMQ's own default."""

_BASIC = 60
_PATIENCE_SECONDS = 60.0
_PLAIN = struct.pack('>HB', 0x1000, 2)
"""Properties that say nothing but that the event is persistent."""

_UNCONFIRMED = 500


class Wire:
    """A connection and one channel with confirmations.

    Args:
        broker: the broker.
        patience_seconds: how long to wait for an answer.
    """

    def __init__(self, broker: Broker, *, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        self._socket = socket.create_connection((broker.host, broker.port), patience_seconds)
        self._vhost = broker.vhost
        self._received = b''
        self._sent = 0
        self._unconfirmed: set[int] = set()

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._socket.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def publish(
        self, body: bytes, *, properties: bytes = _PLAIN, key: str | bytes = 'calls.x', exchange: str = 'xivo'
    ) -> None:
        """Publish.

        Args:
            body: the body.
            properties: flags and property list of the content header, as bytes.
            key: the routing key; any bytes.
            exchange: the exchange.
        """
        self.push(body, properties=properties, key=key, exchange=exchange)
        self._unconfirmed.add(self._sent)
        if len(self._unconfirmed) >= _UNCONFIRMED:
            self.flush()

    def push(
        self, body: bytes, *, properties: bytes = _PLAIN, key: str | bytes = 'calls.x', exchange: str = 'xivo'
    ) -> None:
        """Send it, and wait for no confirmation, ever; see `publish`."""
        raw_key = key.encode() if isinstance(key, str) else key
        method = struct.pack('>HHHB', _BASIC, 40, 0, len(exchange)) + exchange.encode()
        method += bytes([len(raw_key)]) + raw_key + b'\0'
        header = struct.pack('>HHQ', _BASIC, 0, len(body)) + properties
        chunk = FRAME_LIMIT - 8
        self._sent += 1
        frames = [_frame(1, method), _frame(2, header)]
        self._socket.sendall(b''.join(frames))
        for start in range(0, len(body), chunk):
            self._socket.sendall(_frame(3, body[start : start + chunk]))

    def flush(self) -> None:
        """Wait until everything that was published is confirmed."""
        while self._unconfirmed:
            self._confirmed(self._next())

    def depth(self, queue: str) -> int:
        """How many events a queue has ready, right now."""
        return self._ask(1, Queue.Declare(queue=queue, passive=True), Queue.DeclareOk).message_count or 0

    def consumers(self, queue: str) -> int:
        """How many consumers a queue has, right now."""
        return self._ask(1, Queue.Declare(queue=queue, passive=True), Queue.DeclareOk).consumer_count or 0

    def delete_queue(self, queue: str) -> None:
        """Delete a queue, with all that is in it."""
        self._ask(1, Queue.Delete(queue=queue), Queue.DeleteOk)

    def _open(self) -> None:
        self._socket.sendall(ProtocolHeader().marshal())
        self._wait(Connection.Start)
        self._send(0, Connection.StartOk({}, 'PLAIN', '\0guest\0guest', 'en_US'))
        self._wait(Connection.Tune)
        self._send(0, Connection.TuneOk(1, FRAME_LIMIT, 0))
        self._ask(0, Connection.Open(self._vhost), Connection.OpenOk)
        self._ask(1, Channel.Open(), Channel.OpenOk)
        self._ask(1, Confirm.Select(), Confirm.SelectOk)

    def _ask(self, channel: int, question: FrameTypes, answer: type[F]) -> F:
        self._send(channel, question)
        return self._wait(answer)

    def _send(self, channel: int, frame: FrameTypes) -> None:
        self._socket.sendall(pamqp.frame.marshal(frame, channel))

    def _wait(self, kind: type[F]) -> F:
        while True:
            frame = self._next()
            if isinstance(frame, kind):
                return frame
            self._confirmed(frame)

    def _confirmed(self, frame: FrameTypes) -> None:
        refused = isinstance(frame, (Connection.Close, Channel.Close, Basic.Nack))
        if refused:
            raise AssertionError(f'the broker refuses it: {getattr(frame, "reply_text", frame)}')
        if isinstance(frame, Basic.Ack):
            tag = frame.delivery_tag
            done = {each for each in self._unconfirmed if each <= tag} if frame.multiple else {tag}
            self._unconfirmed -= done

    def _next(self) -> FrameTypes:
        while True:
            try:
                size, _, frame = pamqp.frame.unmarshal(self._received)
            except UnmarshalingException:
                size, frame = 0, None
            if frame is not None:
                self._received = self._received[size:]
                return frame
            data = self._socket.recv(1_048_576)
            if not data:
                raise EOFError('the broker hangs up')
            self._received += data


def _frame(kind: int, payload: bytes) -> bytes:
    return struct.pack('>BHI', kind, 1, len(payload)) + payload + b'\xce'
