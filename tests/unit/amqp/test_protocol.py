# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The protocol: what comes to us and what to the library, in which turn of the loop, and when reading rests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pamqp.frame
import pytest
from pamqp.commands import Basic
from pamqp.commands import Connection as ConnectionClass
from pamqp.heartbeat import Heartbeat

from tests.unit.amqp.broker import PATIENCE_SECONDS, delivery
from tests.unit.amqp.clock import Clock
from tests.unit.rig import turn
from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.amqp.answers import WireAnswers
from wazo_busd.amqp.arrival import first_hand
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.frames import AT_ONCE, Cut, FrameCutter
from wazo_busd.amqp.protocol import TapProtocol
from wazo_busd.amqp.transport import Transport
from wazo_busd.outcome import Outcome

HEARTBEAT = Heartbeat().marshal()
START = pamqp.frame.marshal(ConnectionClass.Start(server_properties={}), 0)
DELIVERY = b''.join(pamqp.frame.marshal(frame, 1) for frame in delivery(1, b'{}'))
ACK = pamqp.frame.marshal(Basic.Ack(1), 1)


class Library:
    """A protocol and what it lets the library read, with a consumer of ours on channel 1."""

    def __init__(self, clock: Clock, *, tapped: bool = True, latency_seconds: float = 0.0) -> None:
        self.cuts: list[Cut] = []
        self.reader = asyncio.StreamReader()
        cutter = self.cutter = FrameCutter(1_000)
        if tapped:
            cutter.tap(1, 'wazo-busd', self.cuts.extend)
        self.protocol = TapProtocol(self.reader, cutter, latency_seconds)
        self._clock = clock

    def hears(self, data: bytes, *, after: float = 0.0) -> None:
        self._clock.now += after
        self.protocol.data_received(data)

    async def read(self) -> bytes:
        self.reader.feed_eof()
        return await self.reader.read()


async def test_deliveries_go_past_the_library(clock: Clock) -> None:
    library = Library(clock)
    library.hears(ACK + DELIVERY + ACK)

    assert await library.read() == ACK + ACK


async def test_deliveries_come_to_us(clock: Clock) -> None:
    library = Library(clock)

    library.hears(ACK + DELIVERY + ACK)

    assert [cut.body for cut in library.cuts] == [b'{}']


async def test_a_library_that_hears_nothing_else_hears_a_heartbeat(clock: Clock) -> None:
    library = Library(clock)
    library.hears(ACK)
    library.hears(DELIVERY, after=1.0)

    assert await library.read() == ACK + HEARTBEAT


async def test_a_busy_connection_has_one_heartbeat_a_second(clock: Clock) -> None:
    library = Library(clock)
    library.hears(ACK)
    for _ in range(50):
        library.hears(DELIVERY, after=0.1)

    assert await library.read() in (ACK + HEARTBEAT * 4, ACK + HEARTBEAT * 5)


async def test_a_library_that_has_just_heard_something_hears_no_heartbeat(clock: Clock) -> None:
    library = Library(clock)
    library.hears(ACK)
    library.hears(DELIVERY, after=0.9)

    assert await library.read() == ACK


async def test_a_heartbeat_does_not_come_into_the_middle_of_a_frame(clock: Clock) -> None:
    library = Library(clock)
    library.hears(ACK)
    library.hears(DELIVERY + ACK[:9], after=1.0)
    library.hears(ACK[9:])

    assert await library.read() == ACK + HEARTBEAT + ACK


class Resting(asyncio.Transport):
    """A transport that notes how often reading was to rest, and whether it does."""

    def __init__(self) -> None:
        super().__init__()
        self.rests = 0
        self.is_resting = False
        self.is_closed = False

    def pause_reading(self) -> None:
        assert not self.is_closed
        self.rests += 1
        self.is_resting = True

    def resume_reading(self) -> None:
        assert not self.is_closed
        self.is_resting = False

    def is_closing(self) -> bool:
        return self.is_closed

    def abort(self) -> None:
        self.is_closed = True


@pytest.fixture
async def gathering(clock: Clock) -> AsyncIterator[tuple[Library, Resting]]:
    """A protocol whose deliveries gather, and its transport."""
    library, transport = Library(clock, latency_seconds=0.005), Resting()
    library.protocol.connection_made(transport)
    yield library, transport
    library.protocol.connection_lost(None)


async def test_a_connection_whose_deliveries_gather_has_a_heartbeat_a_second(
    gathering: tuple[Library, Resting],
) -> None:
    library, transport = gathering
    library.hears(ACK)
    for _ in range(400):
        library.hears(DELIVERY * 15, after=0.005)
    heard = await library.read()

    assert (heard[len(ACK) :] in (HEARTBEAT, HEARTBEAT * 2), transport.rests > 0) == (True, True)


async def test_nothing_gathers_behind_what_the_broker_waits_for(clock: Clock) -> None:
    # Given a consumer that has as much in hand as it may
    library, transport = Library(clock, latency_seconds=0.005), Resting()
    library.protocol.connection_made(transport)
    assert library.protocol.gathering is not None
    library.cutter.tap(1, 'wazo-busd', lambda _: library.protocol.gathering.read_on())  # type: ignore[union-attr]

    for _ in range(400):
        library.hears(DELIVERY * 15, after=0.005)

    assert transport.rests == 0


def flooded(clock: Clock) -> tuple[Library, Resting]:
    """A protocol that has read more than is cut out in three steps, with something for the library behind it."""
    library, transport = Library(clock), Resting()
    library.protocol.connection_made(transport)
    library.hears(DELIVERY * (3 * AT_ONCE + 1) + ACK)
    return library, transport


async def test_a_large_read_comes_a_few_deliveries_in_each_turn_of_the_loop(clock: Clock) -> None:
    library, _ = flooded(clock)
    came = [len(library.cuts)]
    for _ in range(4):
        await asyncio.sleep(0)
        came.append(len(library.cuts))

    assert came == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE, 3 * AT_ONCE + 1, 3 * AT_ONCE + 1]


async def test_what_lies_behind_the_deliveries_of_a_large_read_comes_behind_them(
    clock: Clock,
) -> None:
    library, _ = flooded(clock)
    await turn()

    assert await library.read() == HEARTBEAT + ACK


async def test_nothing_is_read_until_a_large_read_is_handed_on(clock: Clock) -> None:
    _, transport = flooded(clock)
    was_resting = transport.is_resting
    await turn()

    assert (was_resting, transport.is_resting) == (True, False)


async def test_what_a_transport_that_is_closing_has_read_is_handed_on(clock: Clock) -> None:
    library, transport = flooded(clock)
    transport.is_closed = True

    await turn()

    assert (len(library.cuts), transport.is_resting) == (3 * AT_ONCE + 1, True)


async def test_a_transport_that_was_closed_while_it_was_read_from_is_left_alone(clock: Clock) -> None:
    library, transport = Library(clock), Resting()
    library.protocol.connection_made(transport)
    transport.is_closed = True

    library.hears(DELIVERY * (AT_ONCE + 1))

    assert transport.rests == 0


async def test_reading_rests_on_behind_a_large_read_where_deliveries_gather(
    gathering: tuple[Library, Resting], clock: Clock
) -> None:
    # Given deliveries that come so fast that they gather
    library, transport = gathering
    for _ in range(20):
        library.hears(DELIVERY * 15, after=0.005)
    assert library.protocol.gathering is not None
    assert library.protocol.gathering.is_on

    # When a large read comes all the same, as it can over TLS
    library.hears(DELIVERY * 2 * AT_ONCE)
    await turn()

    # Then it is the gathering that reads on
    assert transport.is_resting


@pytest.mark.parametrize('end', ['eof', 'lost'])
async def test_all_that_was_read_is_handed_on_when_the_connection_ends(clock: Clock, end: str) -> None:
    library, _ = flooded(clock)

    if end == 'eof':
        library.protocol.eof_received()
    else:
        library.protocol.connection_lost(None)

    assert (len(library.cuts), await library.reader.read()) == (3 * AT_ONCE + 1, HEARTBEAT + ACK)


async def test_nothing_comes_twice_when_the_connection_ends(clock: Clock) -> None:
    library, _ = flooded(clock)
    library.protocol.connection_lost(None)

    await turn()

    assert len(library.cuts) == 3 * AT_ONCE + 1


async def test_what_is_to_come_behind_a_read_comes_when_all_of_it_is_handed_on(clock: Clock) -> None:
    library, _ = flooded(clock)
    found: list[int] = []
    library.protocol.behind(lambda: found.append(len(library.cuts)))

    await turn()

    assert found == [3 * AT_ONCE + 1]


async def test_what_is_to_come_behind_a_read_comes_behind_those_that_its_last_delivery_woke(clock: Clock) -> None:
    # Given a read whose last delivery wakes somebody
    library, order = Library(clock), list[str]()
    library.protocol.connection_made(Resting())

    def wake(_: list[Cut]) -> None:
        asyncio.get_running_loop().call_soon(order.append, 'woken')

    library.cutter.tap(1, 'wazo-busd', wake)
    library.hears(DELIVERY * (AT_ONCE + 1))
    library.protocol.behind(lambda: order.append('behind'))

    await turn()

    assert order == ['woken', 'woken', 'behind']


async def test_one_that_fails_keeps_back_nothing_that_is_to_come_behind_the_same_read(clock: Clock) -> None:
    # Given a mistake of ours before something that is to come behind a read
    library, _ = flooded(clock)
    found: list[int] = []
    asyncio.get_running_loop().set_exception_handler(lambda *_: found.append(0))
    library.protocol.behind(lambda: [].pop())
    library.protocol.behind(lambda: found.append(len(library.cuts)))

    await turn()

    assert found == [0, 3 * AT_ONCE + 1]


async def test_what_is_to_come_behind_a_read_waits_no_longer_than_a_moment(clock: Clock) -> None:
    library, _ = flooded(clock)
    found: list[int] = []
    library.protocol.behind(lambda: found.append(len(library.cuts)))
    clock.now += 0.021

    await turn()

    assert found == [2 * AT_ONCE]


async def test_a_greeting_that_comes_in_pieces_is_not_interrupted(clock: Clock) -> None:
    library = Library(clock, tapped=False)
    library.hears(START[:20])
    library.hears(START[20:], after=2.0)

    assert await library.read() == START


async def test_the_broker_is_heard_when_it_sends_anything(clock: Clock) -> None:
    library = Library(clock)

    library.hears(DELIVERY[:3], after=5.0)

    assert library.protocol.heard_at == 1005.0


async def test_what_is_to_come_behind_a_read_after_a_rest_does_not_come_before_its_end(clock: Clock) -> None:
    # Given a sink that says what is to come behind while the read is cut, a while after the last one
    library, found = Library(clock), list[int]()
    library.protocol.connection_made(Resting())
    library.hears(ACK)

    def sink(cuts: list[Cut]) -> None:
        if not library.cuts:
            library.protocol.behind(lambda: found.append(len(library.cuts)))
        library.cuts += cuts

    library.cutter.tap(1, 'wazo-busd', sink)
    library.hears(DELIVERY * 2 * AT_ONCE, after=1.0)

    await turn()

    assert found == [2 * AT_ONCE]


async def test_who_is_in_a_hurry_gets_the_rest_of_a_read_in_the_next_turn(clock: Clock) -> None:
    library, _ = flooded(clock)

    library.protocol.hurry()
    await asyncio.sleep(0)

    assert len(library.cuts) == 3 * AT_ONCE + 1


async def test_a_hurry_ends_with_the_read_that_it_was_for(clock: Clock) -> None:
    library, _ = flooded(clock)
    library.protocol.hurry()
    await turn()

    library.hears(DELIVERY * 2 * AT_ONCE)

    assert len(library.cuts) == 4 * AT_ONCE + 1


async def test_where_nothing_waits_there_is_nothing_to_hurry(clock: Clock) -> None:
    library = Library(clock)
    library.protocol.connection_made(Resting())
    library.protocol.hurry()

    library.hears(DELIVERY * 2 * AT_ONCE)

    assert len(library.cuts) == AT_ONCE


class Mistaken(Library):
    """One whose consumer fails at the second step."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.protocol.connection_made(Resting())
        self.cutter.tap(1, 'wazo-busd', self._fail_late)

    def _fail_late(self, cuts: list[Cut]) -> None:
        if self.cuts:
            raise RuntimeError('a mistake of ours')
        self.cuts += cuts


async def test_a_mistake_with_a_later_part_of_a_read_ends_the_connection_as_one_with_the_first_does(
    clock: Clock,
) -> None:
    library = Mistaken(clock)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    library.hears(DELIVERY * 3 * AT_ONCE)

    await turn()

    assert library.protocol._underlay.is_closing()


@pytest.mark.parametrize('end', ['eof', 'lost'])
async def test_a_mistake_when_the_connection_ends_does_not_keep_that_from_the_library(clock: Clock, end: str) -> None:
    library = Mistaken(clock)
    library.hears(DELIVERY * 3 * AT_ONCE)

    with pytest.raises(RuntimeError, match='a mistake of ours'):
        library.protocol.eof_received() if end == 'eof' else library.protocol.connection_lost(None)

    assert await asyncio.wait_for(library.reader.read(), PATIENCE_SECONDS) == HEARTBEAT


async def test_a_channel_that_is_let_pass_while_a_read_is_cut_lets_the_rest_of_it_pass(clock: Clock) -> None:
    library, _ = flooded(clock)

    library.cutter.untap(1)
    await turn()

    assert (len(library.cuts), await library.read()) == (AT_ONCE, HEARTBEAT + DELIVERY * (2 * AT_ONCE + 1) + ACK)


async def test_what_a_channel_has_to_acknowledge_is_told_when_its_read_is_handed_on(clock: Clock) -> None:
    # Given a channel whose deliveries are finished at once, on a connection
    library = Library(clock)
    library.protocol.connection_made(Resting())
    transport = Transport(body_limit=1_000, tls=None, server_name=None)
    transport.cutter, transport._protocol = library.cutter, library.protocol
    written: list[bytes] = []
    transport.answer = lambda channel, frame: written.append(frame)  # type: ignore[method-assign]
    acknowledger = ChannelAcknowledger(WireAnswers(transport, 1), 1000, cast('Copies', None))

    def finish(cuts: list[Cut]) -> None:
        for cut in cuts:
            each = first_hand(cut, acknowledger, 1.0, 1_000)
            acknowledger.came(each)
            each.settle(Outcome.DONE)

    library.cutter.tap(1, 'wazo-busd', finish)

    # When a read brings more than is cut out at once
    library.hears(b''.join(numbered(tag) for tag in range(1, 2 * AT_ONCE + 3)))
    await turn()

    # Then all of it is acknowledged in one frame
    assert written == [pamqp.frame.marshal(Basic.Ack(2 * AT_ONCE + 2, True), 1)]


def numbered(tag: int) -> bytes:
    """A delivery with a delivery tag."""
    return b''.join(pamqp.frame.marshal(frame, 1) for frame in delivery(tag, b'{}'))
