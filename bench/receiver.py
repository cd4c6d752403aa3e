# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The receiver: a web server that accepts every request and does nothing else, so that it costs its sender little."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Self, cast

_ACCEPTED = b'HTTP/1.1 204 No Content\r\n\r\n'
_HEAD_END = b'\r\n\r\n'
_LENGTH = re.compile(rb'content-length: *(\d+)', re.IGNORECASE)
_STARTING_SECONDS = 10.0


class Receiver:
    """Serves in a thread of its own while it is entered.

    Attributes:
        url: where it listens, on loopback.
        accepted: how many requests it has accepted.
    """

    def __init__(self) -> None:
        self.url = ''
        self.accepted = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name='receiver', daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(
            self._loop.create_server(lambda: _Connection(self), '127.0.0.1', 0), self._loop
        )
        self._server = listening.result(_STARTING_SECONDS)
        self.url = f'http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/'
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STARTING_SECONDS)
        self._loop.close()


class _Connection(asyncio.Protocol):
    """A connection of a client that sends one request after the other, each with the length of its body."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._rest = b''
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast('asyncio.Transport', transport)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (head := self._rest.find(_HEAD_END)) >= 0:
            found = _LENGTH.search(self._rest, 0, head)
            end = head + len(_HEAD_END) + (int(found[1]) if found else 0)
            if len(self._rest) < end:
                return
            self._rest = self._rest[end:]
            self._receiver.accepted += 1
            self._transport.write(_ACCEPTED)
