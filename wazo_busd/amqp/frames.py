# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Frames: cuts deliveries out of the bytes of a connection and leaves the rest whole (AMQP 0-9-1, section 4.2.3).

A delivery is a method frame, a content header and body frames on one channel; frames of other channels may come between
them. What is not a delivery to a consumer of ours is passed on untouched, in whole frames and in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

# What is `Final` needs no look into the module's names when it is compiled.
_METHOD: Final = 1
_HEADER: Final = 2
_BODY: Final = 3
_HEARTBEAT: Final = 8
_KINDS: Final = frozenset((_METHOD, _HEADER, _BODY, _HEARTBEAT))
_FRAME_END: Final = 0xCE
_DELIVER: Final = b'\x00\x3c\x00\x3c'
_CHANNEL_CLOSE: Final = b'\x00\x14\x00\x28'
_CONNECTION_CLOSE: Final = b'\x00\x0a\x00\x32'
_CONNECTION_BLOCKED: Final = b'\x00\x0a\x00\x3c'
_CONNECTION_UNBLOCKED: Final = b'\x00\x0a\x00\x3d'
_CONTENT_HEAD_SIZE: Final = 12
"""Class, weight and the size of the body, before the properties."""

_DELIVER_TAIL_SIZE: Final = 10
"""Delivery tag, whether it is redelivered, and the length of the exchange's name."""

AT_ONCE: Final = 32
"""So many deliveries are cut out in one step. One read can bring hundreds. Were all made into events before the first
is handled, each would be fetched from memory far away when its turn comes; of a few all that they need is still at hand
(measured: with 50 handlers a third less of what comes from there). With fewer the steps cost more than they save."""

KEPT_OF_OVERSIZE = 65_536
"""So many bytes are kept of a body that is over the limit."""

_new: Final = tuple.__new__


class Cut(NamedTuple):
    """A delivery, cut out of the stream.

    Attributes:
        tag: the delivery tag.
        redelivered: whether the broker gave it out before.
        exchange: the exchange it was published on, as bytes.
        routing_key: its routing key, as bytes.
        properties: flags and property list of the content header.
        size: the size of the body in bytes.
        body: the body; the first 64 KiB of it if it is over the limit.
    """

    tag: int
    redelivered: bool
    exchange: bytes
    routing_key: bytes
    properties: bytes = b''
    size: int = 0
    body: bytes = b''


Sink = Callable[[list[Cut]], None]
"""Takes the deliveries of one step, in their order."""


class _Tapped:
    """A channel with a consumer of ours, and the delivery that is coming in on it."""

    __slots__ = ('batch', 'begin', 'channel', 'chunks', 'cut', 'is_closed', 'missing', 'properties', 'sink', 'size')

    def __init__(self, channel: int, consumer_tag: bytes, sink: Sink) -> None:
        self.channel = channel
        self.begin = _DELIVER + bytes([len(consumer_tag)]) + consumer_tag
        """What the payload of a delivery to the consumer begins with."""
        self.sink = sink
        self.is_closed = False
        """Whether the broker has closed the channel."""
        self.batch: list[Cut] = []
        self.cut: Cut | None = None
        self.properties = b''
        self.size = 0
        self.chunks: list[bytes] = []
        self.missing = -1
        """Bytes of the body that have not come; -1 while the content header has not."""

    def drop(self) -> None:
        """A delivery that was not complete never will be: AMQP allows no method between its frames."""
        self.cut = None
        self.missing = -1
        self.chunks.clear()


class FrameCutter:
    """Splits a stream of bytes, fed in pieces of any size, into deliveries and the rest.

    Args:
        body_limit: bytes of a body that are kept whole; a longer one is counted and thrown away as it comes.
        at_once: how many deliveries are cut out in one step.
    """

    def __init__(self, body_limit: int, at_once: int = AT_ONCE) -> None:
        self.body_limit = body_limit
        self._at_once = at_once
        self._rest = b''
        self._at = 0
        """From where on the rest is to be looked at."""
        self._tapped: dict[int, _Tapped] = {}
        self._blind = False
        self._begun = False
        self.delivered = 0
        """How many deliveries were cut out."""
        self.is_more = False
        """Whether a step has left what can be cut out in the next one."""
        self.close_reason: tuple[int, str] | None = None
        """Code and text of the broker's `connection.close`; aiormq does not tell them if it comes while connecting."""
        self.is_blocked = False
        """Whether the broker, in a memory or disk alarm, reads nothing from this connection (connection.blocked)."""
        self.block_reason = ''
        """Why, as the broker says it: `low on memory`, `low on disk`."""

    def tap(self, channel: int, consumer_tag: str, sink: Sink) -> None:
        """From now on cut out the deliveries to a consumer.

        Args:
            channel: the number of its channel; one consumer a channel.
            consumer_tag: its tag, ours to choose.
            sink: where its deliveries go.
        """
        before, tapped = self._tapped.get(channel), _Tapped(channel, consumer_tag.encode(), sink)
        tapped.is_closed = before is not None and before.is_closed
        self._tapped[channel] = tapped

    def untap(self, channel: int) -> None:
        """Let the deliveries on a channel pass."""
        self._tapped.pop(channel, None)

    def is_open(self, channel: int) -> bool:
        """Whether the deliveries on a channel are cut out, and the broker has not closed it since that began."""
        tapped = self._tapped.get(channel)
        return tapped is not None and not tapped.is_closed

    def take(self, channel: int, cut: Cut) -> None:
        """Hand on a delivery that came by another way, as if it was cut out of the stream."""
        tapped = self._tapped.get(channel)
        if tapped is not None:
            tapped.sink([cut])

    @property
    def tapping(self) -> bool:
        """Whether there are deliveries to be cut out."""
        return bool(self._tapped)

    def feed(self, data: bytes) -> bytes:
        """Take what was read, hand a few deliveries to their sinks, and give back what is not ours.

        While `is_more`, it is to be called again for what lies behind these.

        Args:
            data: the bytes that came next; none to go on with what came.

        Returns:
            Whole frames for the library, possibly none. After a byte that no frame can have there, everything: the
            library finds it out and ends the connection.
        """
        if self._blind:
            return data
        at = self._at
        if self._rest:
            data, at = (self._rest[at:] + data, 0) if data else (self._rest, at)
        if not self._begun:
            if data[:4] == b'AMQP'[: len(data)]:
                # The broker's answer to a version it does not speak; no frame begins so.
                self._blind = len(data) >= 4
                self._rest = b'' if self._blind else data
                return data if self._blind else b''
            self._begun = True
        return self._cut(data, at)

    def _cut(self, data: bytes, position: int) -> bytes:
        """Cut out the next few deliveries, from a position on."""
        passed: list[bytes] = []
        touched: list[_Tapped] = []
        taps = self._tapped
        kept_from, end = position, len(data)
        enough = self.delivered + self._at_once
        while end - position >= 7 and self.delivered < enough:
            kind, channel, size = data[position], _uint16(data, position + 1), _uint32(data, position + 3)
            following = position + size + 8
            if following > end and kind in _KINDS:
                break
            if following > end or data[following - 1] != _FRAME_END:
                self._blind = True
                position = end
                break
            tapped = taps.get(channel)
            if tapped is None:
                if channel == 0:
                    self._note(kind, data, position, size)
            else:
                whole = self._whole(tapped, data, position, following, end) if kind == _METHOD else 0
                if whole or self._takes(tapped, kind, data, position + 7, following - 1):
                    following = whole or following
                    if position > kept_from:
                        passed.append(data[kept_from:position])
                    kept_from = following
                    if len(tapped.batch) == 1 and tapped not in touched:
                        touched.append(tapped)
                elif kind == _METHOD and data.startswith(_CHANNEL_CLOSE, position + 7, following):
                    tapped.is_closed = True
            position = following
        if position > kept_from:
            passed.append(data[kept_from:position])
        self.is_more = self.delivered >= enough and position < end
        # A rest that is to be looked at in a moment is not copied.
        self._rest, self._at = (data, position) if self.is_more else (data[position:], 0)
        for tapped in touched:
            batch, tapped.batch = tapped.batch, []
            tapped.sink(batch)
        return passed[0] if len(passed) == 1 else b''.join(passed)

    def _whole(self, tapped: _Tapped, data: bytes, position: int, following: int, end: int) -> int:
        """Take in a delivery of which all three frames are there, one behind the other, as nearly all are.

        Args:
            tapped: the channel.
            data: what was read.
            position: where the method frame begins.
            following: where the next frame begins.
            end: where what was read ends.

        Returns:
            Where the frame behind them begins; 0 if it is another case, and nothing was taken.
        """
        begin, channel = tapped.begin, tapped.channel
        at = position + 7 + len(begin)
        if data[position + 7 : at] != begin or end - following < 22:
            return 0
        size = _uint32(data, following + 3)
        body_at = following + size + 8
        if data[following] != _HEADER or _uint16(data, following + 1) != channel or size < 14 or body_at + 8 > end:
            return 0
        body_size = _uint64(data, following + 11)
        after = body_at + body_size + 8
        if (
            _uint32(data, body_at + 3) != body_size
            or data[body_at] != _BODY
            or after > end
            or not 0 < body_size <= self.body_limit
            or _uint16(data, body_at + 1) != channel
            or data[body_at - 1] != _FRAME_END
            or data[after - 1] != _FRAME_END
        ):
            return 0
        key_at = at + 10 + data[at + 9]
        if key_at + 2 > following or key_at + data[key_at] + 2 != following:
            return 0
        if tapped.cut is not None:
            tapped.drop()
        self.delivered += 1
        tapped.batch.append(
            _new(
                Cut,
                (
                    _uint64(data, at),
                    data[at + 8] & 1 == 1,
                    data[at + 10 : key_at],
                    data[key_at + 1 : following - 1],
                    data[following + 19 : body_at - 1],
                    body_size,
                    data[body_at + 7 : after - 1],
                ),
            )
        )
        return after

    def _takes(self, tapped: _Tapped, kind: int, data: bytes, start: int, end: int) -> bool:
        """Whether the frame with the payload from `start` to `end` belongs to a delivery of ours; if so, take it in."""
        if kind == _METHOD:
            tapped.drop()
            tapped.cut = _delivery(tapped.begin, data, start, end)
            return tapped.cut is not None
        if tapped.cut is None:
            return False
        if kind == _HEADER and tapped.missing == -1 and end - start >= _CONTENT_HEAD_SIZE:
            tapped.size = _uint64(data, start + 4)
            tapped.properties = data[start + _CONTENT_HEAD_SIZE : end]
            tapped.missing = tapped.size
        elif kind == _BODY and 0 < end - start <= tapped.missing:
            self._take_body(tapped, data[start:end])
        else:
            tapped.cut = None
            return False
        if tapped.missing == 0:
            body = b''.join(tapped.chunks)
            self.delivered += 1
            tapped.batch.append(tapped.cut._replace(properties=tapped.properties, size=tapped.size, body=body))
            tapped.drop()
        return True

    def _take_body(self, tapped: _Tapped, payload: bytes) -> None:
        taken = tapped.size - tapped.missing
        tapped.missing -= len(payload)
        if tapped.size <= self.body_limit:
            tapped.chunks.append(payload)
        elif taken < KEPT_OF_OVERSIZE:
            tapped.chunks.append(payload[: KEPT_OF_OVERSIZE - taken])

    def _note(self, kind: int, data: bytes, position: int, size: int) -> None:
        """Note what a frame of the connection itself says that the library does not tell."""
        if kind != _METHOD:
            return
        method = data[position + 7 : position + 11]
        if method == _CONNECTION_CLOSE and size >= 7:
            code = _uint16(data, position + 11)
            length = data[position + 13]
            text = data[position + 14 : position + 14 + length]
            self.close_reason = (code, text.decode('utf-8', 'replace'))
        elif method == _CONNECTION_BLOCKED:
            self.is_blocked = True
            text = data[position + 12 : position + 12 + data[position + 11]] if size >= 5 else b''
            self.block_reason = text.decode('utf-8', 'replace')
        elif method == _CONNECTION_UNBLOCKED:
            self.is_blocked = False


def _delivery(begin: bytes, data: bytes, start: int, end: int) -> Cut | None:
    """The delivery that a method frame begins, if it is one to the consumer of this channel."""
    if not data.startswith(begin, start, end):
        return None
    position = start + len(begin)
    exchange_at = position + _DELIVER_TAIL_SIZE
    if exchange_at >= end:
        return None
    key_at = exchange_at + data[exchange_at - 1]
    if key_at >= end or key_at + 1 + data[key_at] != end:
        return None
    return Cut(_uint64(data, position), data[position + 8] & 1 == 1, data[exchange_at:key_at], data[key_at + 1 : end])


def _uint16(data: bytes, at: int) -> int:
    """The number in the two octets from `at` on. Compiled this takes a tenth of what unpacking a structure does."""
    return data[at] << 8 | data[at + 1]


def _uint32(data: bytes, at: int) -> int:
    """The number in the four octets from `at` on."""
    return data[at] << 24 | data[at + 1] << 16 | data[at + 2] << 8 | data[at + 3]


def _uint64(data: bytes, at: int) -> int:
    """The number in the eight octets from `at` on."""
    return _uint32(data, at) << 32 | _uint32(data, at + 4)
