# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A proxy between the daemon and the broker that misbehaves as networks do."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Self


class Proxy:
    """Forwards connections on loopback until it is told otherwise.

    Args:
        host: the broker.
        port: its port.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.is_open = True
        """Whether it listens."""
        self.opened = 0
        """How many connections there were."""
        self._target = (host, port)
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._frozen: set[asyncio.StreamWriter] = set()
        self._gates: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, '127.0.0.1', 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def shut(self) -> None:
        """Let nobody in and end every connection: nothing listens there any more, until it is opened."""
        self.is_open = False
        self._server.close()
        self.reset()

    async def open(self) -> None:
        """Listen again, where it did."""
        self.is_open = True
        self._server = await asyncio.start_server(self._accept, '127.0.0.1', self.port)

    def freeze(self) -> None:
        """Let nothing more pass on the connections there are, and tell nobody: they are half open. New ones work."""
        for gate in self._gates:
            gate.clear()
        self._gates.clear()
        self._frozen |= self._writers

    def bury(self) -> None:
        """End the frozen connections, as who is at the other end does when a heartbeat stays away."""
        for writer in self._frozen:
            _reset(writer)
        self._frozen.clear()

    def reset(self) -> None:
        """End every connection with a reset."""
        for writer in self._writers:
            _reset(writer)
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        gate = asyncio.Event()
        gate.set()
        self._gates.add(gate)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            # Nobody listens there; a client is to find out that it is not here either.
            _reset(writer)
            return
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(_pump(source, target, gate))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def _reset(writer: asyncio.StreamWriter) -> None:
    if writer.transport.is_closing():
        return
    raw = writer.get_extra_info('socket')
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    writer.transport.abort()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, gate: asyncio.Event) -> None:
    try:
        while data := await source.read(65_536):
            await gate.wait()
            target.write(data)
            await target.drain()
    except ConnectionError:
        pass
    finally:
        target.close()
