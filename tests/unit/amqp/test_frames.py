# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Frames: what is cut out and what passes, compared with what pamqp reads in the same bytes."""

from __future__ import annotations

import struct
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from unittest import mock

import pamqp.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic, Channel, Connection, Exchange, Queue
from pamqp.frame import FrameTypes
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from tests.examples import examples
from wazo_busd.amqp import frames
from wazo_busd.amqp.frames import Cut, FrameCutter

OURS = 'wazo-busd'
TAPPED = (1, 2)
"""The channels with a consumer of ours; those with other numbers have none."""
BODY_LIMIT = 40
KEPT_OF_OVERSIZE = 25
"""Instead of 64 KiB, so that short bodies show what becomes of long ones."""

Frames = list[tuple[int, FrameTypes]]
"""Frames and the channels they come on."""


@dataclass
class Pending:
    """A delivery to us that is not complete, as a reader of pamqp's frames keeps it."""

    method: Basic.Deliver
    properties: bytes | None = None
    size: int = 0
    body: bytes = b''


@dataclass
class Reading:
    """What is ours and what is not in a stream of frames."""

    cuts: dict[int, list[Cut]] = field(default_factory=lambda: {channel: [] for channel in TAPPED})
    passed: list[bytes] = field(default_factory=list)


class Ear:
    """A cutter with our consumers on it, and what came of the bytes it was fed."""

    def __init__(
        self, channels: Iterable[int] = TAPPED, *, body_limit: int = BODY_LIMIT, at_once: int = frames.AT_ONCE
    ) -> None:
        self.cutter = FrameCutter(body_limit, at_once)
        self.cuts: dict[int, list[Cut]] = {channel: [] for channel in channels}
        self.calls: list[tuple[int, int]] = []
        """Channel and number of the deliveries of every call of a sink."""
        self.passed = b''
        for channel in channels:
            self.cutter.tap(channel, OURS, self._sink(channel))

    def hear(self, data: bytes, lengths: Iterable[int] = ()) -> Ear:
        """Feed the bytes in pieces of these lengths, and what is left in one; let each be cut to its end."""
        for piece in pieces(data, lengths):
            self.passed += self.cutter.feed(piece)
            self.go_on()
        return self

    def go_on(self) -> None:
        """Let what was fed be cut to its end."""
        while self.cutter.is_more:
            self.passed += self.cutter.feed(b'')

    def _sink(self, channel: int) -> Callable[[list[Cut]], None]:
        def sink(cuts: list[Cut]) -> None:
            self.calls.append((channel, len(cuts)))
            self.cuts[channel] += cuts

        return sink


def pieces(data: bytes, lengths: Iterable[int]) -> Iterator[bytes]:
    position = 0
    for length in lengths:
        yield data[position : position + length]
        position += length
    yield data[position:]


def marshal(stream: Frames) -> bytes:
    return b''.join(pamqp.frame.marshal(frame, channel) for channel, frame in stream)


def unmarshal(data: bytes) -> Iterator[tuple[int, FrameTypes, bytes]]:
    """The frames that pamqp finds in `data`: channel, frame, and its bytes."""
    while data:
        length, channel, frame = pamqp.frame.unmarshal(data)
        yield channel, frame, data[:length]
        data = data[length:]


def read(data: bytes) -> Reading:
    """The same job done the simple way, over what pamqp reads."""
    reading = Reading()
    pending: dict[int, Pending] = {}
    for channel, frame, raw in unmarshal(data):
        delivery = pending.pop(channel, None)
        if isinstance(frame, Basic.Deliver) and frame.consumer_tag == OURS and channel in TAPPED:
            pending[channel] = Pending(frame)
            continue
        if delivery is None or isinstance(frame, pamqp.base.Frame):
            reading.passed.append(raw)
            continue
        if isinstance(frame, ContentHeader) and delivery.properties is None:
            delivery.properties, delivery.size = raw[7 + 12 : -1], frame.body_size
        elif isinstance(frame, ContentBody) and delivery.properties is not None and fits(delivery, frame):
            delivery.body += frame.value
        else:
            reading.passed.append(raw)
            continue
        if len(delivery.body) == delivery.size and delivery.properties is not None:
            reading.cuts[channel].append(as_cut(delivery, delivery.properties))
        else:
            pending[channel] = delivery
    return reading


def fits(delivery: Pending, frame: ContentBody) -> bool:
    return len(delivery.body) + len(frame.value) <= delivery.size


def as_cut(delivery: Pending, properties: bytes) -> Cut:
    method = delivery.method
    assert method.delivery_tag is not None
    assert method.routing_key is not None
    return Cut(
        method.delivery_tag,
        method.redelivered,
        method.exchange.encode(),
        method.routing_key.encode(),
        properties,
        delivery.size,
        delivery.body if delivery.size <= BODY_LIMIT else delivery.body[:KEPT_OF_OVERSIZE],
    )


def chopped(body: bytes, lengths: Iterable[int]) -> list[ContentBody]:
    """A body in frames of these lengths, and what is left in one."""
    return [ContentBody(piece) for piece in pieces(body, lengths) if piece]


tags = st.integers(1, 2**63 - 1)
names = st.from_regex(r'[a-z.-]{0,12}', fullmatch=True)
keys = st.text(max_size=20)
bodies = st.binary(max_size=2 * BODY_LIMIT)
properties = st.builds(
    Basic.Properties,
    content_type=st.none() | st.just('application/json'),
    headers=st.none() | st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers(0, 9) | st.booleans()),
    delivery_mode=st.none() | st.just(2),
    timestamp=st.none() | st.just(datetime(2026, 1, 1, tzinfo=UTC)),
)
other_tags = st.sampled_from(['', 'wazo-bus', 'wazo-busd2', 'Wazo-busd', 'ctag1.2'])


@st.composite
def contents(draw: st.DrawFn) -> list[FrameTypes]:
    body = draw(bodies)
    return [
        ContentHeader(body_size=len(body), properties=draw(properties)),
        *chopped(body, draw(st.lists(st.integers(1, 30), max_size=4))),
    ]


@st.composite
def deliveries(draw: st.DrawFn, consumer_tag: st.SearchStrategy[str]) -> list[FrameTypes]:
    method = Basic.Deliver(draw(consumer_tag), draw(tags), draw(st.booleans()), draw(names), draw(keys))
    return [method, *draw(contents())]


methods: st.SearchStrategy[FrameTypes] = st.one_of(
    st.builds(Queue.DeclareOk, queue=names, message_count=st.integers(0, 9), consumer_count=st.integers(0, 9)),
    st.builds(Basic.ConsumeOk, consumer_tag=st.just(OURS)),
    st.builds(Basic.Cancel, consumer_tag=st.just(OURS)),
    st.builds(Basic.Ack, delivery_tag=tags, multiple=st.booleans()),
    st.builds(Exchange.BindOk),
    st.builds(Channel.Close, reply_code=st.just(406), reply_text=keys, class_id=st.just(50), method_id=st.just(10)),
    st.builds(Channel.CloseOk),
)
alone = methods.map(lambda frame: [frame])
returned: st.SearchStrategy[list[FrameTypes]] = st.builds(
    lambda content: [Basic.Return(312, 'NO_ROUTE', 'wazo-busd', 'x'), *content], contents()
)
broken_off: st.SearchStrategy[list[FrameTypes]] = st.builds(
    lambda delivery, length: delivery[:length], deliveries(st.just(OURS)), st.integers(1, 3)
)
stray: st.SearchStrategy[list[FrameTypes]] = st.one_of(
    bodies.filter(len).map(lambda body: [ContentBody(body)]),
    contents().map(lambda content: content[:1]),
)
ours = st.one_of(deliveries(st.just(OURS)), deliveries(st.just(OURS)), broken_off, stray)
others = st.one_of(deliveries(other_tags), alone, returned)
on_channels: st.SearchStrategy[tuple[int, list[FrameTypes]]] = st.one_of(
    st.tuples(st.just(TAPPED[0]), ours),
    st.tuples(st.sampled_from(TAPPED), ours | others),
    st.tuples(st.sampled_from([3, 65_535]), ours | others),
)
on_connection: st.SearchStrategy[tuple[int, list[FrameTypes]]] = st.tuples(
    st.just(0),
    st.sampled_from(
        [
            [Heartbeat()],
            [Connection.Blocked('low on memory')],
            [Connection.Unblocked()],
            [Connection.Close(320, 'CONNECTION_FORCED', 0, 0)],
            [Connection.CloseOk()],
        ]
    ),
)


@st.composite
def streams(draw: st.DrawFn) -> Frames:
    """Frames of some channels, each channel's in its order, shuffled between channels."""
    waiting: dict[int, deque[FrameTypes]] = defaultdict(deque)
    for channel, run in draw(st.lists(on_channels | on_connection, max_size=8)):
        waiting[channel].extend(run)
    stream: Frames = []
    for pick in draw(st.lists(st.integers(0, 4), max_size=20)):
        if not waiting:
            break
        channel = list(waiting)[pick % len(waiting)]
        stream.append((channel, waiting[channel].popleft()))
        if not waiting[channel]:
            del waiting[channel]
    return stream + [(channel, frame) for channel, run in waiting.items() for frame in run]


lengths = st.lists(st.integers(0, 60), max_size=30) | st.just([1] * 5_000)
"""Where the bytes are cut; the second one feeds them byte for byte."""


def hear(data: bytes, cut: Iterable[int], *, at_once: int = frames.AT_ONCE) -> Ear:
    with mock.patch.object(frames, 'KEPT_OF_OVERSIZE', KEPT_OF_OVERSIZE):
        return Ear(at_once=at_once).hear(data, cut)


def deliver(
    tag: int,
    *,
    body: bytes = b'{}',
    consumer_tag: str = OURS,
    properties: Basic.Properties | None = None,
    cut: Iterable[int] = (),
) -> list[FrameTypes]:
    """A delivery with its body in frames of these lengths."""
    return [
        Basic.Deliver(consumer_tag, tag, False, 'xivo', 'calls.call.created'),
        ContentHeader(body_size=len(body), properties=properties),
        *chopped(body, cut),
    ]


def on(channel: int, run: Iterable[FrameTypes]) -> bytes:
    return marshal([(channel, frame) for frame in run])


def raw_frame(kind: int, channel: int, payload: bytes, *, end: bytes = b'\xce') -> bytes:
    return struct.pack('>BHI', kind, channel, len(payload)) + payload + end


def raw_delivery(exchange: bytes, routing_key: bytes, *, consumer_tag: bytes = b'wazo-busd') -> bytes:
    """A delivery that pamqp would not write: its names are any bytes."""
    method = b'\x00\x3c\x00\x3c' + short(consumer_tag) + struct.pack('>QB', 1, 0) + short(exchange) + short(routing_key)
    return raw_frame(1, 1, method) + raw_frame(2, 1, struct.pack('>HHQH', 60, 0, 2, 0)) + raw_frame(3, 1, b'{}')


def short(content: bytes) -> bytes:
    return bytes([len(content)]) + content


@given(stream=streams(), cut=lengths)
@settings(max_examples=examples(100))
def test_what_is_cut_out_is_what_pamqp_reads(stream: Frames, cut: list[int]) -> None:
    data = marshal(stream)

    assert hear(data, cut).cuts == read(data).cuts


@given(stream=streams(), cut=lengths)
@settings(max_examples=examples(100))
def test_what_is_not_ours_passes_whole_and_in_its_order(stream: Frames, cut: list[int]) -> None:
    data = marshal(stream)

    assert [raw for _, _, raw in unmarshal(hear(data, cut).passed)] == read(data).passed


@given(stream=streams(), cut=lengths, at_once=st.integers(1, 3))
def test_however_few_are_cut_out_at_once_it_is_all_of_them(stream: Frames, cut: list[int], at_once: int) -> None:
    data = marshal(stream)
    few, all_of_them = hear(data, cut, at_once=at_once), hear(data, cut)

    assert (few.cuts, few.passed) == (all_of_them.cuts, all_of_them.passed)


@given(stream=streams(), cut=lengths, at_once=st.integers(1, 3))
def test_what_is_read_before_the_last_read_is_cut_to_its_end_comes_behind_it(
    stream: Frames, cut: list[int], at_once: int
) -> None:
    data, ear = marshal(stream), Ear(at_once=at_once)
    with mock.patch.object(frames, 'KEPT_OF_OVERSIZE', KEPT_OF_OVERSIZE):
        for piece in pieces(data, cut):
            ear.passed += ear.cutter.feed(piece)
        ear.go_on()

    assert (ear.cuts, ear.passed) == (read(data).cuts, b''.join(read(data).passed))


@given(stream=streams(), cut=lengths)
def test_no_piece_that_passes_ends_inside_a_frame(stream: Frames, cut: list[int]) -> None:
    ear = Ear()
    data = marshal(stream)

    for piece in pieces(data, cut):
        for _, _, _ in unmarshal(ear.cutter.feed(piece)):
            pass  # pamqp raises at a frame that is cut off

    assert ear.cutter.feed(b'') == b''


@given(stream=streams(), garbage=st.binary(max_size=40), cut=lengths)
@settings(max_examples=examples(100))
def test_everything_from_a_broken_frame_on_passes(stream: Frames, garbage: bytes, cut: list[int]) -> None:
    data = marshal(stream)
    broken = raw_frame(1, 1, b'\x00\x3c\x00\x3c', end=b'\x00') + garbage

    assert hear(data + broken, cut).passed == b''.join(read(data).passed) + broken


@given(stream=streams(), garbage=st.binary(max_size=100), cut=lengths)
@settings(max_examples=examples(100))
def test_garbage_takes_nothing_away_from_the_deliveries_before_it(
    stream: Frames, garbage: bytes, cut: list[int]
) -> None:
    data = marshal(stream)
    expected = read(data).cuts

    heard = hear(data + garbage, cut).cuts

    assert {channel: heard[channel][: len(cuts)] for channel, cuts in expected.items()} == expected


@given(stream=streams(), kind=st.integers(0, 255).filter(lambda kind: kind not in {1, 2, 3, 8}), garbage=st.binary())
def test_what_begins_as_no_frame_does_passes_at_once(stream: Frames, kind: int, garbage: bytes) -> None:
    data = marshal(stream)
    broken = bytes([kind]) + b'\x00\x01\x7f\xff\xff\xff' + garbage

    assert hear(data + b'\x08\x00\x00\x00\x00\x00\x00\xce' + broken, []).passed.endswith(broken)


@given(payload=st.binary(max_size=40), kind=st.sampled_from([1, 2, 3]), cut=lengths)
def test_a_frame_with_any_content_is_cut_out_or_passes(payload: bytes, kind: int, cut: list[int]) -> None:
    frame = raw_frame(kind, 1, payload)

    assert hear(frame, cut).passed in (b'', frame)


@given(st.integers(0, 45))
def test_a_delivery_that_is_cut_short_inside_its_method_passes(length: int) -> None:
    whole = next(raw for _, _, raw in unmarshal(on(1, deliver(1))))
    method = raw_frame(1, 1, whole[7:-1][:length])

    assert hear(method, []).passed == method


@given(exchange=st.binary(max_size=255), routing_key=st.binary(max_size=255), cut=lengths)
def test_names_that_are_not_utf_8_come_as_they_are(exchange: bytes, routing_key: bytes, cut: list[int]) -> None:
    (cut_out,) = hear(raw_delivery(exchange, routing_key), cut).cuts[1]

    assert (cut_out.exchange, cut_out.routing_key) == (exchange, routing_key)


@given(st.binary(max_size=255).filter(lambda tag: tag != OURS.encode()))
def test_a_delivery_to_any_other_consumer_passes(consumer_tag: bytes) -> None:
    data = raw_delivery(b'xivo', b'a.b', consumer_tag=consumer_tag)

    assert hear(data, []).passed == data


@given(properties=st.binary(max_size=60))
def test_properties_are_not_looked_at(properties: bytes) -> None:
    method = pamqp.frame.marshal(Basic.Deliver(OURS, 1, False, 'xivo', 'a'), 1)
    header = raw_frame(2, 1, struct.pack('>HHQ', 60, 0, 0) + properties)

    assert hear(method + header, []).cuts[1][0].properties == properties


@pytest.mark.parametrize('frame_size', [1_000, 65_535, 65_536, 65_537, 131_064, 200_000])
def test_of_an_oversize_body_the_first_64_kib_are_kept(frame_size: int) -> None:
    body = bytes(range(251)) * 800
    run = deliver(1, body=body, cut=[frame_size] * (len(body) // frame_size))

    (cut,) = Ear(body_limit=100_000).hear(on(1, run)).cuts[1]

    assert (cut.body, cut.size) == (body[:65_536], len(body))


@pytest.mark.parametrize(('size', 'kept'), [(100_000, 100_000), (100_001, 65_536)])
def test_a_body_at_the_limit_is_whole_and_one_byte_more_is_not(size: int, kept: int) -> None:
    (cut,) = Ear(body_limit=100_000).hear(on(1, deliver(1, body=bytes(size)))).cuts[1]

    assert len(cut.body) == kept


def test_an_oversize_body_is_followed_by_the_next_delivery() -> None:
    run = [*deliver(1, body=bytes(300), cut=[70, 70]), *deliver(2)]

    assert [cut.tag for cut in Ear(body_limit=100).hear(on(1, run)).cuts[1]] == [1, 2]


def test_the_deliveries_of_one_read_come_in_one_list() -> None:
    ear = Ear()

    ear.hear(on(1, deliver(1)) + on(2, deliver(1)) + on(1, deliver(2)))

    assert ear.calls == [(1, 2), (2, 1)]


def test_no_more_than_a_few_are_cut_out_at_once() -> None:
    ear = Ear(at_once=3)

    ear.cutter.feed(on(1, deliver(1)) + on(2, deliver(1)) + on(1, [*deliver(2), *deliver(3)]))

    assert (ear.calls, ear.cutter.is_more) == ([(1, 2), (2, 1)], True)


def test_where_the_last_delivery_ends_what_was_read_there_is_no_more() -> None:
    ear = Ear(at_once=2)

    ear.cutter.feed(on(1, [*deliver(1), *deliver(2)]))

    assert not ear.cutter.is_more


def test_a_frame_that_has_not_come_whole_is_not_waited_for_by_more_steps() -> None:
    ear = Ear(at_once=1)

    ear.hear(on(1, [*deliver(1), *deliver(2)])[:-1])

    assert (ear.calls, ear.cutter.is_more) == ([(1, 1)], False)


def test_what_lies_behind_those_that_are_cut_out_passes_with_the_next_step() -> None:
    ear = Ear(at_once=1)
    closed = on(1, [Channel.Close(406, 'x', 50, 10)])

    passed = ear.cutter.feed(on(1, deliver(1)) + closed)

    assert (passed, ear.cutter.feed(b'')) == (b'', closed)


def test_a_delivery_comes_when_its_last_byte_has() -> None:
    ear = Ear()
    data = on(1, deliver(1))

    ear.cutter.feed(data[:-1])
    before = list(ear.cuts[1])
    ear.cutter.feed(data[-1:])

    assert (before, len(ear.cuts[1])) == ([], 1)


def test_no_sink_is_called_for_nothing() -> None:
    ear = Ear()

    ear.hear(on(1, deliver(1)[:2]) + on(2, deliver(1)))

    assert ear.calls == [(2, 1)]


def test_more_body_than_was_said_passes() -> None:
    run = deliver(1)
    more = on(1, [ContentBody(b'{} ')])

    assert hear(on(1, run[:2]) + more, []).passed == more


def test_a_second_header_passes() -> None:
    run = deliver(1)
    second = on(1, run[1:2])

    assert hear(on(1, run[:2]) + second, []).passed == second


def test_a_body_before_its_header_passes() -> None:
    run = deliver(1)
    body = on(1, run[2:])

    assert hear(on(1, run[:1]) + body, []).passed == body


def test_what_follows_a_broken_delivery_does_not_complete_it() -> None:
    run = deliver(1)
    ear = hear(on(1, [*run[:2], run[1], *run[2:]]), [])

    assert ear.cuts[1] == []


def test_nothing_of_a_broken_delivery_is_in_the_next_one() -> None:
    broken = deliver(1, body=b'old body', cut=[3])[:3]
    whole = deliver(2, body=b'new body', cut=[3])

    assert [cut.body for cut in hear(on(1, [*broken, *whole]), []).cuts[1]] == [b'new body']


def test_a_channel_that_is_closed_inside_a_delivery_ends_it() -> None:
    close: list[FrameTypes] = [Channel.Close(406, 'PRECONDITION_FAILED', 0, 0)]
    run = deliver(1)

    ear = hear(on(1, [*run[:2], *close, *run[2:]]), [])

    assert (ear.cuts[1], ear.passed) == ([], on(1, [*close, *run[2:]]))


def test_an_empty_body_frame_goes_to_the_library_which_refuses_it() -> None:
    empty = raw_frame(3, 1, b'')
    run = deliver(1)

    assert hear(on(1, run[:2]) + empty + on(1, run[2:]), []).passed == empty + on(1, run[2:])


def test_a_channel_that_is_no_longer_tapped_lets_deliveries_pass() -> None:
    ear = Ear()
    data = on(1, deliver(1))
    ear.cutter.untap(1)

    ear.hear(data)

    assert ear.passed == data


def test_untapping_a_channel_twice_does_nothing() -> None:
    cutter = FrameCutter(BODY_LIMIT)
    cutter.untap(1)

    assert cutter.feed(b'') == b''


def test_a_number_that_is_used_again_does_not_continue_an_old_delivery() -> None:
    ear = Ear()
    first, second = deliver(1, body=b'old'), deliver(2, body=b'new')
    ear.hear(on(1, first[:2]))
    ear.cutter.untap(1)
    cuts: list[Cut] = []
    ear.cutter.tap(1, OURS, cuts.extend)

    ear.hear(on(1, second))

    assert [cut.body for cut in cuts] == [b'new']


@given(code=st.integers(0, 65_535), text=st.binary(max_size=255), cut=lengths)
def test_the_reason_of_a_closed_connection_is_kept(code: int, text: bytes, cut: list[int]) -> None:
    payload = b'\x00\x0a\x00\x32' + struct.pack('>H', code) + short(text) + struct.pack('>HH', 60, 40)

    assert hear(raw_frame(1, 0, payload), cut).cutter.close_reason == (code, text.decode('utf-8', 'replace'))


def test_a_reason_that_is_cut_off_is_none() -> None:
    assert hear(raw_frame(1, 0, b'\x00\x0a\x00\x32\x01\x40'), []).cutter.close_reason is None


def test_no_other_method_is_held_for_the_close_of_the_connection() -> None:
    data = on(0, [Connection.Blocked('low on memory')]) + on(1, [Channel.Close(404, 'NOT_FOUND', 50, 10)])

    assert hear(data, []).cutter.close_reason is None


@pytest.mark.parametrize('cut', [[], [1, 1, 1], [3], [5]], ids=str)
def test_a_broker_that_answers_with_its_own_version_is_left_to_the_library(cut: list[int]) -> None:
    assert hear(b'AMQP\x00\x01\x00\x00', cut).passed == b'AMQP\x00\x01\x00\x00'


def test_whether_anything_is_tapped_is_told() -> None:
    cutter = FrameCutter(BODY_LIMIT)
    before = cutter.tapping
    cutter.tap(1, OURS, lambda _: None)
    during = cutter.tapping
    cutter.untap(1)

    assert (before, during, cutter.tapping) == (False, True, False)


BLOCKED = on(0, [Connection.Blocked('low on memory')])
UNBLOCKED = on(0, [Connection.Unblocked()])


@pytest.mark.parametrize(
    ('said', 'is_blocked'),
    [
        ([], False),
        ([BLOCKED], True),
        ([BLOCKED, UNBLOCKED], False),
        ([BLOCKED, UNBLOCKED, BLOCKED], True),
        ([UNBLOCKED], False),
        ([BLOCKED, on(1, deliver(1)), on(0, [Heartbeat()])], True),
    ],
    ids=['nothing', 'blocked', 'unblocked', 'blocked again', 'unblocked alone', 'something else since'],
)
@pytest.mark.parametrize('cut', [[], [1] * 100, [20]], ids=['at once', 'byte for byte', 'in two'])
def test_a_connection_that_the_broker_reads_nothing_from_is_known(
    said: list[bytes], is_blocked: bool, cut: list[int]
) -> None:
    assert hear(b''.join(said), cut).cutter.is_blocked == is_blocked


@pytest.mark.parametrize('said', ['low on memory', 'low on disk', ''])
def test_why_it_reads_nothing_is_known_as_the_broker_says_it(said: str) -> None:
    assert hear(on(0, [Connection.Blocked(said)]), []).cutter.block_reason == said


def test_a_connection_is_blocked_by_no_frame_of_a_channel() -> None:
    payload = BLOCKED[7:-1]

    assert not hear(raw_frame(1, 1, payload) + raw_frame(1, 3, payload), []).cutter.is_blocked


@pytest.mark.parametrize('kind', [2, 3, 8])
def test_a_connection_is_blocked_by_nothing_but_a_method(kind: int) -> None:
    assert not hear(raw_frame(kind, 0, BLOCKED[7:-1]), []).cutter.is_blocked


def test_a_method_that_is_cut_off_is_not_held_for_another() -> None:
    assert not hear(raw_frame(1, 0, b'\x00\x0a\x00'), []).cutter.is_blocked


@pytest.mark.parametrize('said', [BLOCKED, UNBLOCKED], ids=['blocked', 'unblocked'])
def test_the_library_is_told_too_of_a_connection_that_is_not_read_from(said: bytes) -> None:
    assert hear(said, []).passed == said


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A stream in which some bytes are others, among them lengths, kinds, channels and ends of frames."""
    data = bytearray(marshal(draw(streams())) + on(1, draw(deliveries(st.just(OURS)))))
    for at, octet in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=3)):
        data[at] = octet
    return bytes(data)


@pytest.mark.interpreted
@given(data=spoilt(), cut=lengths)
@settings(max_examples=examples(200))
def test_what_is_taken_in_at_once_is_what_is_taken_in_frame_by_frame(data: bytes, cut: list[int]) -> None:
    at_once = hear(data, cut)
    with mock.patch.object(FrameCutter, '_whole', return_value=0):
        by_frames = hear(data, cut)

    assert (at_once.cuts, at_once.passed) == (by_frames.cuts, by_frames.passed)


def test_an_exchange_that_is_longer_than_its_frame_passes() -> None:
    method = frames._DELIVER + bytes([len(OURS)]) + OURS.encode() + struct.pack('>QBB', 1, 0, 255) + b'\0'
    header = struct.pack('>HHQH', 60, 0, 1, 0)
    data = b''.join(
        struct.pack('>BHI', kind, 1, len(payload)) + payload + b'\xce'
        for kind, payload in ((1, method), (2, header), (3, b'x'))
    )

    assert Ear().hear(data).passed == data


@pytest.mark.interpreted
def test_deliveries_that_lie_one_behind_the_other_are_taken_in_at_once() -> None:
    with mock.patch.object(FrameCutter, '_takes', side_effect=AssertionError):
        ear = Ear().hear(on(1, [*deliver(1), *deliver(2)]))

    assert [cut.tag for cut in ear.cuts[1]] == [1, 2]
