# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The wire: a blocking AMQP connection of one channel, small enough that its own cost does not show."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from pamqp import body, commands, frame, header

_CHANNEL = 1
_FRAME_MAX = 131_072
_ANSWER_SECONDS = 60.0
_FRAME_OVERHEAD = 8


class WireError(Exception):
    """Raised when the broker refuses something. The text is the broker's."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a queue is.

    Attributes:
        host: the broker.
        port: its port.
        vhost: the virtual host.
    """

    host: str
    port: int
    vhost: str


@dataclass(frozen=True, slots=True)
class Depth:
    """What a queue holds.

    Attributes:
        events: how many events are ready in it.
        consumers: how many consume it.
    """

    events: int
    consumers: int


class Wire:
    """A connection, as guest, with one channel that is open.

    Args:
        place: where to connect to.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, place: Place) -> None:
        self._unread = b''
        self._socket = socket.create_connection((place.host, place.port), _ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(header.ProtocolHeader(0, 9, 1).marshal())
        self._receive()
        self._write(commands.Connection.StartOk({}, 'PLAIN', '\0guest\0guest', 'en_US'), 0)
        self._receive()
        self._write(commands.Connection.TuneOk(1, _FRAME_MAX, 0), 0)
        self._call(commands.Connection.Open(place.vhost), 0)
        self._call(commands.Channel.Open())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                # What was published has been read when the answer to this comes.
                self._call(commands.Connection.Close(200, '', 0, 0), 0)
        finally:
            self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are; `publish_frames` makes them."""
        self._socket.sendall(data)

    def declare_exchange(self, name: str, kind: str) -> None:
        """Declare a durable exchange."""
        self._call(commands.Exchange.Declare(exchange=name, exchange_type=kind, durable=True))

    def declare_queue(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Declare a durable queue with its `x-` arguments."""
        self._call(commands.Queue.Declare(queue=name, durable=True, arguments=dict(arguments)))

    def bind(self, queue: str, exchange: str) -> None:
        """Bind a queue to a headers exchange so that it gets everything."""
        self._call(commands.Queue.Bind(queue=queue, exchange=exchange, routing_key='', arguments={}))

    def purge(self, queue: str) -> None:
        """Throw away what a queue holds."""
        self._call(commands.Queue.Purge(queue=queue))

    def delete_queue(self, queue: str) -> None:
        """Delete a queue with what it holds."""
        self._call(commands.Queue.Delete(queue=queue))

    def depth(self, queue: str) -> Depth:
        """What a queue holds now.

        Raises:
            WireError: there is no such queue.
        """
        answer = self._call(commands.Queue.Declare(queue=queue, passive=True))
        return Depth(answer.message_count, answer.consumer_count)

    def _call(self, method: Any, channel: int = _CHANNEL) -> Any:
        self._write(method, channel)
        return self._receive()

    def _write(self, method: Any, channel: int) -> None:
        self.send(frame.marshal(method, channel))

    def _receive(self) -> Any:
        """The next answer."""
        while True:
            size = int.from_bytes(self._unread[3:7]) + _FRAME_OVERHEAD
            if len(self._unread) >= size:
                _, _, answer = frame.unmarshal(self._unread)
                self._unread = self._unread[size:]
                if isinstance(answer, (commands.Channel.Close, commands.Connection.Close)):
                    raise WireError(f'{answer.reply_code} {answer.reply_text}')
                return answer
            read = self._socket.recv(65_536)
            if not read:
                raise WireError('the broker closed the connection')
            self._unread += read


def publish_frames(exchange: str, routing_key: str, headers: Mapping[str, Any], content: bytes) -> bytes:
    """The frames that publish an event as Wazo's services do: persistent, JSON in UTF-8, priority 0, unconfirmed.

    Args:
        exchange: where to.
        routing_key: with which key.
        headers: the AMQP headers.
        content: the body.
    """
    properties = commands.Basic.Properties(
        content_type='application/json',
        content_encoding='utf-8',
        headers=dict(headers),
        delivery_mode=2,
        priority=0,
    )
    most = _FRAME_MAX - _FRAME_OVERHEAD
    parts = [content[start : start + most] for start in range(0, len(content), most)]
    return b''.join(
        [
            frame.marshal(commands.Basic.Publish(exchange=exchange, routing_key=routing_key), _CHANNEL),
            frame.marshal(header.ContentHeader(0, len(content), properties), _CHANNEL),
            *(frame.marshal(body.ContentBody(part), _CHANNEL) for part in parts),
        ]
    )
