# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The answers: whole frames on a channel that is open, in the order they are said, and nothing on one that is not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

import pamqp.frame
import pytest
import trustme
from aiormq.abc import AbstractChannel
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic, Channel
from yarl import URL

from tests.unit.amqp.broker import PATIENCE_SECONDS
from tests.unit.rig import turn
from wazo_busd.amqp.answers import LibraryAnswers, WireAnswers
from wazo_busd.amqp.frames import FrameCutter
from wazo_busd.amqp.transport import Transport

CLOSE = pamqp.frame.marshal(Channel.Close(reply_code=406, class_id=60, method_id=80), 1)
TAGS = st.integers(1, 2**63 - 1)
"""Delivery tags that pamqp can read, which takes them for signed."""


class Socket:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b''

    def answer(self, channel: int, frame: bytes) -> None:
        self.written += frame

    def frames(self) -> list[tuple[int, Basic.Ack | Basic.Nack]]:
        """The channels and the methods, as pamqp reads them."""
        found, data = [], self.written
        while data:
            size, channel, frame = pamqp.frame.unmarshal(data)
            assert isinstance(frame, (Basic.Ack, Basic.Nack))
            found.append((channel, frame))
            data = data[size:]
        return found


def on(kept: Socket, channel: int = 1) -> WireAnswers:
    return WireAnswers(kept, channel)  # type: ignore[arg-type]


@given(TAGS, st.booleans(), st.integers(1, 65_535))
def test_an_event_that_is_done_with_is_what_pamqp_reads_as_ack(tag: int, multiple: bool, channel: int) -> None:
    kept = Socket()

    on(kept, channel).ack(tag, multiple=multiple)

    assert [(number, each.delivery_tag, each.multiple, each.name) for number, each in kept.frames()] == [
        (channel, tag, multiple, 'Basic.Ack')
    ]


@given(TAGS)
def test_an_event_that_is_given_back_is_what_pamqp_reads_as_nack(tag: int) -> None:
    kept = Socket()

    on(kept).give_back(tag)

    (frame,) = [each for _, each in kept.frames()]
    assert isinstance(frame, Basic.Nack)
    assert (frame.delivery_tag, frame.multiple, frame.requeue) == (tag, False, True)


def test_answers_are_written_in_the_order_they_are_said() -> None:
    kept = Socket()
    answers = on(kept)
    answers.give_back(2)
    answers.ack(3, multiple=True)
    answers.give_back(4)

    assert [each.delivery_tag for _, each in kept.frames()] == [2, 3, 4]


def test_nothing_is_said_once_the_channel_is_gone() -> None:
    kept = Socket()
    answers = on(kept)
    answers.close()
    answers.ack(1, multiple=False)
    answers.give_back(2)

    assert kept.written == b''


async def test_what_was_said_is_on_its_way_at_once() -> None:
    await asyncio.wait_for(on(Socket()).sent(), PATIENCE_SECONDS)


class Line:
    """A connection over which deliveries on channel 1 are cut out, and its other end."""

    def __init__(self, transport: Transport, reader: asyncio.StreamReader, hears: Callable[[bytes], bytes]) -> None:
        self.transport = transport
        self.answers = WireAnswers(transport, 1)
        self._reader = reader
        self.hears = hears

    async def arrived(self) -> bytes:
        """What arrives at the other end until this one is closed."""
        return await asyncio.wait_for(self._reader.read(), PATIENCE_SECONDS)


@pytest.fixture(params=['plain', 'TLS'])
async def line(request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    authority = trustme.CA()
    server_side = client_side = None
    if request.param == 'TLS':
        server_side, client_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.issue_cert('127.0.0.1').configure_cert(server_side)
        authority.configure_trust(client_side)
    come: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(
        lambda reader, writer: come.put_nowait((reader, writer)), '127.0.0.1', 0, ssl=server_side
    )
    transport = Transport(body_limit=1_000, tls=client_side, server_name=None)
    _, ours = await transport.create(URL(f'amqp://127.0.0.1:{server.sockets[0].getsockname()[1]}/'))
    reader, theirs = await come.get()
    transport.cutter.tap(1, 'wazo-busd', lambda cuts: None)
    line = Line(transport, reader, transport.cutter.feed)
    yield line
    ours.close()
    theirs.close()
    server.close()
    for each in (ours, theirs):
        await asyncio.wait([asyncio.ensure_future(each.wait_closed())], timeout=PATIENCE_SECONDS)


def ended(line: Line) -> None:
    assert line.transport._underlay is not None
    line.transport._underlay.close()


async def test_an_answer_arrives(line: Line) -> None:
    line.answers.ack(7, multiple=True)
    ended(line)

    assert await line.arrived() == pamqp.frame.marshal(Basic.Ack(7, multiple=True), 1)


async def test_nothing_is_said_on_a_channel_that_the_broker_has_closed(line: Line) -> None:
    line.hears(CLOSE)
    line.answers.ack(7, multiple=True)
    ended(line)

    assert await line.arrived() == b''


async def test_nothing_is_said_on_it_by_another_consumer_either(line: Line) -> None:
    line.hears(CLOSE)
    line.transport.cutter.tap(1, 'wazo-busd.2', lambda cuts: None)
    line.answers.ack(7, multiple=True)
    ended(line)

    assert await line.arrived() == b''


async def test_on_a_channel_that_is_opened_anew_something_can_be_said(line: Line) -> None:
    line.hears(CLOSE)
    line.transport.cutter.untap(1)
    line.transport.cutter.tap(1, 'wazo-busd', lambda cuts: None)
    line.answers.ack(7, multiple=False)
    ended(line)

    assert await line.arrived() == pamqp.frame.marshal(Basic.Ack(7), 1)


async def test_on_a_connection_that_is_closed_nothing_is_said(line: Line) -> None:
    ended(line)
    line.answers.ack(7, multiple=True)

    assert await line.arrived() == b''


async def test_on_a_connection_that_never_was_nothing_is_said() -> None:
    transport = Transport(body_limit=1_000, tls=None, server_name=None)

    WireAnswers(transport, 1).ack(7, multiple=True)

    assert not transport.is_used


async def test_what_is_to_come_behind_what_the_library_hands_on_comes_in_this_turn_of_the_loop() -> None:
    # It hands on one delivery at a time, so that there is never more of a read.
    answers, found = LibraryAnswers(cast('AbstractChannel', None)), list[bool]()

    answers.behind(lambda: found.append(answers.is_more))
    await asyncio.sleep(0)

    assert found == [False]


async def test_on_a_connection_that_never_was_nothing_is_to_come_behind_a_read() -> None:
    found: list[int] = []
    answers = WireAnswers(Transport(body_limit=1_000, tls=None, server_name=None), 1)

    answers.behind(lambda: found.append(1))
    await turn()

    assert (found, answers.is_more) == ([], False)


def test_a_close_of_another_channel_is_nothing_to_this_one() -> None:
    cutter = FrameCutter(1_000)
    cutter.tap(1, 'wazo-busd', lambda cuts: None)
    cutter.feed(pamqp.frame.marshal(Channel.Close(reply_code=406, class_id=60, method_id=80), 2))

    assert cutter.is_open(1)
