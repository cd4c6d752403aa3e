# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Properties: what is well-formed is what pamqp reads, and what is not spoils one event and nothing else."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pamqp.decode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from tests.examples import examples
from wazo_busd.amqp.plain_headers import _known, plain_headers
from wazo_busd.amqp.properties import WireProperties, decode
from wazo_busd.errors import Undecodable

YEAR_2106 = 0xFFFF_FFFF
"""From here on pamqp takes seconds for milliseconds; we do not."""

NAMES = (
    'content_type',
    'content_encoding',
    'headers',
    'delivery_mode',
    'priority',
    'correlation_id',
    'reply_to',
    'expiration',
    'message_id',
    'timestamp',
    'message_type',
    'user_id',
    'app_id',
    'cluster_id',
)
"""The properties as pamqp calls them, from the highest bit of the flags down."""

SHORT_STRINGS = tuple(
    name for name in NAMES if name not in {'headers', 'delivery_mode', 'priority', 'timestamp', 'cluster_id'}
)


def short(text: bytes) -> bytes:
    return bytes([len(text)]) + text


def long(content: bytes) -> bytes:
    return struct.pack('>I', len(content)) + content


def packed(kind: bytes, form: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Fields of one type, as bytes."""
    return values.map(lambda value: kind + struct.pack(form, value))


def keyed(entries: dict[bytes, bytes]) -> bytes:
    return long(b''.join(short(key) + value for key, value in entries.items()))


short_texts = st.text(max_size=63).map(str.encode)
seconds = st.integers(0, YEAR_2106)
scalars = st.one_of(
    packed(b't', '>?', st.booleans()),
    packed(b'b', '>b', st.integers(-(2**7), 2**7 - 1)),
    packed(b'B', '>B', st.integers(0, 2**8 - 1)),
    packed(b's', '>h', st.integers(-(2**15), 2**15 - 1)),
    packed(b'u', '>H', st.integers(0, 2**16 - 1)),
    packed(b'I', '>i', st.integers(-(2**31), 2**31 - 1)),
    packed(b'i', '>I', st.integers(0, 2**32 - 1)),
    packed(b'l', '>q', st.integers(-(2**63), 2**63 - 1)),
    packed(b'L', '>q', st.integers(-(2**63), 2**63 - 1)),
    packed(b'f', '>f', st.floats(width=32, allow_nan=False)),
    packed(b'd', '>d', st.floats(allow_nan=False)),
    packed(b'T', '>Q', seconds),
    st.builds(lambda scale, digits: b'D' + struct.pack('>Bi', scale, digits), st.integers(0, 255), st.integers(-9, 9)),
    st.builds(lambda text: b'S' + long(text), st.text(max_size=40).map(str.encode)),
    st.builds(lambda content: b'S' + long(content), st.binary(max_size=40)),
    st.builds(lambda content: b'x' + long(content), st.binary(max_size=40)),
    st.just(b'V'),
)
fields = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda values: b'A' + long(b''.join(values))),
        st.dictionaries(short_texts, inner, max_size=4).map(lambda entries: b'F' + keyed(entries)),
    ),
    max_leaves=8,
)
tables = st.dictionaries(short_texts, fields, max_size=6).map(keyed)
octets = st.integers(0, 255).map(lambda value: bytes([value]))
lists = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(SHORT_STRINGS, short_texts.map(short)),
        'headers': tables,
        'delivery_mode': octets,
        'priority': octets,
        'timestamp': seconds.map(lambda value: struct.pack('>Q', value)),
        'cluster_id': short_texts.map(short),
    },
)
"""Well-formed properties: the bytes of each, by name."""


def wire(found: dict[str, bytes]) -> bytes:
    """Flags and property list."""
    flags = sum(0x8000 >> bit for bit, name in enumerate(NAMES) if name in found)
    return struct.pack('>H', flags) + b''.join(found[name] for name in NAMES if name in found)


def with_headers(table: bytes) -> bytes:
    return wire({'headers': table})


def with_field(value: bytes) -> bytes:
    """Properties with one header, `a`."""
    return with_headers(keyed({b'a': value}))


def pamqp_reads(raw: bytes, names: set[str]) -> dict[str, Any]:
    header = ContentHeader()
    header.unmarshal(struct.pack('>HHQ', 60, 0, 0) + raw)
    return {
        name.removeprefix('message_') if name == 'message_type' else name: header.properties[name] for name in names
    }


def readable(raw: bytes) -> bool:
    """Whether `decode` gives a dictionary. All it may raise else is Undecodable."""
    try:
        found = decode(raw)
    except Undecodable:
        return False
    assert type(found) is dict
    return True


@given(found=lists)
@settings(max_examples=examples(100))
def test_well_formed_properties_are_what_pamqp_reads(found: dict[str, bytes]) -> None:
    raw = wire(found)

    assert decode(raw) == pamqp_reads(raw, set(found))


@given(value=fields)
@settings(max_examples=examples(100))
def test_every_type_of_field_is_what_pamqp_reads(value: bytes) -> None:
    _, expected = pamqp.decode.embedded_value(value)

    assert decode(with_field(value)) == {'headers': {'a': expected}}


@pytest.mark.parametrize(
    ('value', 'kind'),
    [
        (b't\x01', bool),
        (b'b\xff', int),
        (b'D\x02\x00\x00\x00\x01', Decimal),
        (b'd' + struct.pack('>d', 0.1), float),
        (b'S' + long(b'text'), str),
        (b'S' + long(b'\xff'), bytes),
        (b'x' + long(b'text'), bytes),
        (b'T' + struct.pack('>Q', 1), datetime),
        (b'A' + long(b''), list),
        (b'F' + long(b''), dict),
        (b'V', type(None)),
    ],
)
def test_a_field_becomes_a_plain_value(value: bytes, kind: type) -> None:
    assert type(decode(with_field(value))['headers']['a']) is kind


@given(
    st.builds(
        Basic.Properties,
        content_type=st.none() | st.text(max_size=20),
        headers=st.none()
        | st.dictionaries(
            st.text(max_size=20),
            st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.floats(0, 1, width=32),
        ),
        delivery_mode=st.sampled_from([1, 2]),
        expiration=st.none() | st.text(max_size=20),
        user_id=st.none() | st.text(max_size=20),
    )
)
def test_what_pamqp_writes_is_read(properties: Basic.Properties) -> None:
    expected = {name: properties[name] for name in NAMES if properties[name] not in (None, '')}

    assert decode(properties.marshal()) == expected


def test_a_key_that_comes_twice_has_its_last_value() -> None:
    assert decode(with_headers(long(b'\x01at\x00\x01at\x01')))['headers'] == {'a': True}


@pytest.mark.parametrize('year', [2106, 2107, 9999])
def test_a_timestamp_is_seconds_however_far_off(year: int) -> None:
    when = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)

    assert decode(wire({'timestamp': struct.pack('>Q', int(when.timestamp()))})) == {'timestamp': when}


def test_no_properties_are_none() -> None:
    assert decode(b'\x00\x00') == {}


@given(st.binary(max_size=300))
@settings(max_examples=examples(100))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    readable(raw)


@given(flags=st.integers(0, 0xFFFF), rest=st.binary(max_size=100))
@settings(max_examples=examples(100))
def test_any_flags_with_any_bytes_are_read_or_refused(flags: int, rest: bytes) -> None:
    readable(struct.pack('>H', flags) + rest)


@given(found=lists, data=st.data())
@settings(max_examples=examples(100))
def test_one_changed_byte_is_read_or_refused(found: dict[str, bytes], data: st.DataObject) -> None:
    raw = bytearray(wire(found))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))

    readable(bytes(raw))


@given(found=lists.filter(len), data=st.data())
@settings(max_examples=examples(100))
def test_what_is_cut_off_is_refused(found: dict[str, bytes], data: st.DataObject) -> None:
    raw = wire(found)

    assert not readable(raw[: data.draw(st.integers(0, len(raw) - 1))])


@given(found=lists, more=st.binary(min_size=1, max_size=9))
def test_what_is_too_long_is_refused(found: dict[str, bytes], more: bytes) -> None:
    with pytest.raises(Undecodable, match=f'{len(more)} bytes too many'):
        decode(wire(found) + more)


@pytest.mark.parametrize(
    ('raw', 'text'),
    [
        (b'', 'the property flags is cut off'),
        (b'\x00', 'the property flags is cut off'),
        (b'\x00\x01\x00\x00', 'the properties have flags that AMQP 0-9-1 does not know'),
        (wire({'content_type': b'\x04\xff\xfe\xfd\xfc'}), 'the property content_type holds text that is not UTF-8'),
        (wire({'app_id': b'\x09app'}), 'the property app_id is cut off'),
        (wire({'priority': b''}), 'the property priority is cut off'),
        (
            wire({'timestamp': b'\xff' * 8}),
            'the property timestamp is malformed: a timestamp of 18446744073709551615 seconds is past the year 9999',
        ),
        (
            wire({'timestamp': struct.pack('>Q', 253_402_300_800)}),
            'the property timestamp is malformed: a timestamp of 253402300800 seconds is past the year 9999',
        ),
        (with_headers(b'\xff\xff\xff\xff'), 'the property headers is cut off'),
        (with_field(b'S\xff\xff\xff\xff'), 'the property headers is cut off'),
        (with_field(b'x\x7f\xff\xff\xff'), 'the property headers is cut off'),
        (with_field(b'A\xff\xff\xff\xff'), 'the property headers is cut off'),
        (with_field(b'F\xff\xff\xff\xff'), 'the property headers is cut off'),
        (with_field(b'?'), "the property headers is malformed: a field of the unknown type b'?'"),
        (with_headers(keyed({b'\xff': b'V'})), 'the property headers holds text that is not UTF-8'),
        (with_headers(long(b'\x01aS\x00\x00\x00\x02')) + b'ab', 'a table is longer than it says'),
    ],
)
def test_what_is_malformed_is_named(raw: bytes, text: str) -> None:
    with pytest.raises(Undecodable) as refused:
        decode(raw)

    assert text in str(refused.value)


def nested(kind: bytes, depth: int) -> bytes:
    value = b'V'
    for _ in range(depth):
        value = kind + long(b'\x01a' + value if kind == b'F' else value)
    return value


@pytest.mark.parametrize('kind', [b'F', b'A'])
@pytest.mark.parametrize('depth', [64, 500, 5_000])
def test_what_is_nested_too_deep_is_refused(kind: bytes, depth: int) -> None:
    with pytest.raises(Undecodable, match='nested deeper than 64 levels'):
        decode(with_field(nested(kind, depth)))


@pytest.mark.parametrize('kind', [b'F', b'A'])
def test_what_is_nested_less_deep_is_read(kind: bytes) -> None:
    assert readable(with_field(nested(kind, 63)))


def many_headers(number: int) -> bytes:
    return with_headers(keyed({str(each).encode(): b'V' for each in range(number)}))


def many_tables(number: int) -> bytes:
    return with_field(b'A' + long((b'F' + long(b'')) * number))


def tables_that_say_more(number: int) -> bytes:
    """Each table claims to hold everything after it."""
    return with_field(b'A' + long((b'F\x00\x00\x00\x05' + b'\x00F') * number))


@pytest.mark.parametrize('build', [many_headers, many_tables, tables_that_say_more])
def test_very_many_fields_do_not_last_for_minutes(build: Callable[[int], bytes]) -> None:
    readable(build(100_000))


def test_headers_are_empty_where_there_are_none() -> None:
    assert WireProperties(b'\x00\x00').headers == {}


def test_headers_are_decoded_once() -> None:
    properties = WireProperties(with_field(b't\x01'))

    assert properties.headers is properties.headers


def test_properties_keep_the_bytes_they_came_as() -> None:
    raw = with_field(b't\x01')
    properties = WireProperties(raw)
    assert properties.headers

    assert properties.raw is raw


def test_nothing_is_decoded_before_it_is_asked_for() -> None:
    properties = WireProperties(b'not properties')

    with pytest.raises(Undecodable):
        _ = properties.headers


def test_what_is_malformed_is_refused_each_time_it_is_asked_for() -> None:
    properties = WireProperties(b'')
    with pytest.raises(Undecodable):
        _ = properties.decoded

    with pytest.raises(Undecodable):
        _ = properties.decoded


PLAIN_NAMES = st.binary(max_size=6).map(short)
PLAIN_VALUES = st.binary(max_size=12).map(lambda text: b'S' + long(text)) | st.binary(min_size=1, max_size=1).map(
    lambda octet: b't' + octet
)
ALMOST_PLAIN = st.builds(
    lambda flags, before, fields, behind, spoilt: (
        bytes([flags, 0])
        + b''.join(map(short, before))
        + long(b''.join(name + value for name, value in fields))[spoilt:]
        + behind
    ),
    st.sampled_from([0x20, 0xE0, 0xF8, 0xA0, 0x60, 0x38, 0x30, 0x28, 0xF0, 0x24]),
    st.lists(st.binary(max_size=5), max_size=2),
    st.lists(st.tuples(PLAIN_NAMES, PLAIN_VALUES), max_size=4),
    st.binary(max_size=3),
    st.sampled_from([0, 0, 0, 0, 1, 4]),
)
"""Properties as kombu sends them, or nearly so."""


@given(ALMOST_PLAIN | st.binary(max_size=40).map(lambda raw: b'\xf8\x00' + raw))
@settings(max_examples=examples(500))
def test_headers_that_are_read_the_short_way_are_those_of_the_long_way(raw: bytes) -> None:
    try:
        expected: object = decode(raw).get('headers', {})
    except Undecodable as error:
        expected = str(error)

    try:
        found: object = WireProperties(raw).headers
    except Undecodable as error:
        found = str(error)

    assert found == expected


MARKED = b'\x09timestampS\x00\x00\x00'
TIMES = st.sampled_from([b'2026-01-01', b'2026-01-02', b'', b'\xff', MARKED + b'\x01', b'x' * 10])
TIMED_FIELDS = st.tuples(
    st.sampled_from([b'timestamp', b'name', b'x']).map(short),
    TIMES.map(lambda text: b'S' + long(text))
    | TIMES.map(lambda text: b'S' + long(MARKED + bytes([len(text)]) + text))
    | st.just(b't\x01'),
)
TIMED = st.lists(TIMED_FIELDS, max_size=3).map(
    lambda fields: b'\x20\x00' + long(b''.join(name + value for name, value in fields))
)
"""Properties some of which differ by the time alone, and texts that look like a header with the time."""


@given(st.lists(TIMED, min_size=2, max_size=6))
@settings(max_examples=examples(500))
def test_headers_that_are_known_but_for_the_time_are_those_of_the_long_way(raws: list[bytes]) -> None:
    assert [WireProperties(raw).headers for raw in raws] == [decode(raw)['headers'] for raw in raws]


def timed(text: bytes) -> bytes:
    return with_headers(keyed({b'name': b'S' + long(b'Newstate'), b'timestamp': b'S' + long(text)}))


def test_headers_whose_time_is_cut_off_are_not_known_from_those_whose_is_not() -> None:
    raw = timed(b'2026-01-01')
    assert WireProperties(raw).headers

    with pytest.raises(Undecodable):
        _ = WireProperties(raw[:-3]).headers


def test_headers_that_somebody_changes_are_those_of_one_event() -> None:
    first = WireProperties(timed(b'2026-01-01')).headers
    assert isinstance(first, dict)
    first['name'] = 'Hangup'

    assert WireProperties(timed(b'2026-01-02')).headers == {'name': 'Newstate', 'timestamp': '2026-01-02'}


def test_many_kinds_of_headers_are_not_all_kept() -> None:
    for number in range(5_000):
        assert WireProperties(with_headers(keyed({str(number).encode(): b't\x01'}))).headers

    assert len(_known) <= 2_048


def test_what_kombu_sends_is_read_the_short_way() -> None:
    headers: FieldTable = {'name': 'Newstate', 'required_acl': 'events.ami.Newstate', 'user_uuid:x': True}
    raw = ContentHeader(
        properties=Basic.Properties(
            content_type='application/json', content_encoding='utf-8', headers=headers, delivery_mode=2, priority=0
        )
    ).marshal()[12:]

    assert plain_headers(raw) == headers
