# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The answers: what a channel tells the broker of its deliveries, in the order it is said (AMQP 0-9-1, basic.ack).

Where the tap is under the library they go straight to the socket, in the turn of the loop that they are said in. The
library would have each of them through a task, a queue and another task, which costs more than many an event.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

import structlog
from aiormq.abc import AbstractChannel

from wazo_busd.amqp.transport import Transport
from wazo_busd.tasks import is_cancelled

_FRAME = struct.Struct('>BHIHHQBB')
"""Kind, channel, size, class, method, delivery tag, bits, and the end of the frame."""

_METHOD, _SIZE, _END = 1, 13, 0xCE
_BASIC, _ACK, _NACK = 60, 80, 120
_MULTIPLE, _REQUEUE = 1, 2
"""The first bit of an ack and the second of a nack (AMQP 0-9-1; RabbitMQ's extension of it for basic.nack)."""

log = structlog.stdlib.get_logger(__name__)


class Answers(Protocol):
    """Tells the broker, on one channel."""

    @property
    def is_gathering(self) -> bool:
        """Whether deliveries gather before they are read."""

    @property
    def is_more(self) -> bool:
        """Whether deliveries that were read are about to be handed on."""

    def behind(self, callback: Callable[[], None]) -> None:
        """Call something in a moment, behind the deliveries that were read and are about to be handed on."""

    def ack(self, tag: int, *, multiple: bool) -> None:
        """The event is done with.

        Args:
            tag: its delivery tag.
            multiple: whether this stands for all before it too.
        """

    def give_back(self, tag: int) -> None:
        """The broker is to have the event back."""

    def close(self) -> None:
        """The channel is gone: on one that is closed, or whose number is used again, the broker ends the connection."""

    async def sent(self) -> None:
        """Wait until everything that was said is on its way."""


class WireAnswers:
    """Writes them to the socket.

    Args:
        transport: the transport of the connection.
        channel: the number of the channel.
    """

    __slots__ = ('_channel', '_is_closed', '_transport')

    def __init__(self, transport: Transport, channel: int) -> None:
        self._transport = transport
        self._channel = channel
        self._is_closed = False

    @property
    def is_gathering(self) -> bool:
        """See `Answers`."""
        return self._transport.is_gathering

    @property
    def is_more(self) -> bool:
        """See `Answers`."""
        return self._transport.is_more

    def behind(self, callback: Callable[[], None]) -> None:
        """See `Answers`."""
        self._transport.behind(callback)

    def ack(self, tag: int, *, multiple: bool) -> None:
        """See `Answers`."""
        self._write(_ACK, tag, _MULTIPLE if multiple else 0)

    def give_back(self, tag: int) -> None:
        """See `Answers`."""
        self._write(_NACK, tag, _REQUEUE)

    def close(self) -> None:
        """See `Answers`."""
        self._is_closed = True

    async def sent(self) -> None:
        """See `Answers`."""

    def _write(self, method: int, tag: int, bits: int) -> None:
        if not self._is_closed:
            frame = _FRAME.pack(_METHOD, self._channel, _SIZE, _BASIC, method, tag, bits, _END)
            self._transport.answer(self._channel, frame)


class LibraryAnswers:
    """Leaves them to the library.

    Args:
        channel: the channel.
    """

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._waiting: deque[tuple[int, bool | None]] = deque()
        """Delivery tags with whether they stand for all before them; `None` is given back."""
        self._sending: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def is_gathering(self) -> bool:
        """See `Answers`; what comes by the library does not."""
        return False

    @property
    def is_more(self) -> bool:
        """See `Answers`; what comes by the library comes singly."""
        return False

    def behind(self, callback: Callable[[], None]) -> None:
        """See `Answers`."""
        asyncio.get_running_loop().call_soon(callback)

    def ack(self, tag: int, *, multiple: bool) -> None:
        """See `Answers`."""
        self._say(tag, multiple)

    def give_back(self, tag: int) -> None:
        """See `Answers`."""
        self._say(tag, None)

    def close(self) -> None:
        """See `Answers`."""
        self._is_closed = True

    async def sent(self) -> None:
        """See `Answers`."""
        if self._sending is not None:
            await asyncio.wait([self._sending])

    def _say(self, tag: int, multiple: bool | None) -> None:
        self._waiting.append((tag, multiple))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name='acknowledge')

    async def _send(self) -> None:
        try:
            while self._waiting and not self._is_closed:
                tag, multiple = self._waiting.popleft()
                if multiple is None:
                    await self._channel.basic_nack(tag, requeue=True, wait=False)
                else:
                    await self._channel.basic_ack(tag, multiple=multiple, wait=False)
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled():
                raise
            # The channel died under us; its consumer notices and opens another one.
            log.debug('acknowledgement_lost', error=repr(error))
            self._is_closed = True
        finally:
            self._sending = None
