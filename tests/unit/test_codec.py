# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The codec: whatever arrives becomes an event or is said to be none; whatever is known becomes JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NoReturn

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from wazo_busd.codec import Limits, decode, encode
from wazo_busd.errors import Undecodable
from wazo_busd.event import Event

UUID = '2d0b8a4c-9c1a-4f0d-8d7c-1b5d3a0f7e21'

any_text = st.text(st.characters(exclude_categories=()))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(any_text, inner, max_size=4),
        st.fixed_dictionaries({'__type__': st.sampled_from(['uuid', 'date', 'x']) | inner, '__value__': inner}),
        st.fixed_dictionaries({'__type__': st.just('uuid'), '__value__': st.fixed_dictionaries({'hex': any_text})}),
    ),
    max_leaves=12,
)
amqp_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.text(),
        st.binary(),
        st.datetimes(timezones=st.just(UTC)),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
bodies = st.one_of(
    st.binary(),
    any_text.map(lambda text: text.encode('utf-8', 'surrogatepass')),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(any_text, json_values, max_size=4).map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps(value, ensure_ascii=False).encode('utf-8', 'surrogatepass')[:-1]),
)


def decoded(
    body: bytes | str,
    headers: Mapping[str, Any] | None = None,
    *,
    size: int | None = None,
    limits: Limits | None = None,
) -> Event:
    return decode(
        body.encode() if isinstance(body, str) else body,
        size=size,
        headers=headers or {},
        routing_key='calls.call.created',
        exchange='wazo-headers',
        received_at=1.5,
        redelivered=True,
        limits=limits or Limits(),
    )


def nested(depth: int, inner: str = '1') -> str:
    """A body of `depth` levels around `inner`, its own object counted."""
    return '{"data":' + '[' * (depth - 1) + inner + ']' * (depth - 1) + '}'


def strictly(document: bytes) -> Any:
    """What a strict reader of JSON (RFC 8259) makes of it."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f'{constant} is not JSON')

    return json.loads(document.decode('utf-8'), parse_constant=refuse)


def test_an_event_of_today_is_read_whole() -> None:
    event = decoded(
        '{"name": "call_created", "tenant_uuid": "t", "data": {"call_id": "1"}}', {'name': 'call_created', 'a': 1}
    )
    assert (event.name, event.data, event.metadata, event.headers) == (
        'call_created',
        {'call_id': '1'},
        {'name': 'call_created', 'tenant_uuid': 't', 'data': {'call_id': '1'}},
        {'name': 'call_created', 'a': 1},
    )


def test_an_event_keeps_how_it_arrived() -> None:
    event = decoded('{}')
    assert (event.routing_key, event.exchange, event.received_at, event.redelivered, event.body, event.attempt) == (
        'calls.call.created',
        'wazo-headers',
        1.5,
        True,
        b'{}',
        1,
    )


@pytest.mark.parametrize(
    ('headers', 'body', 'name'),
    [
        ({'name': 'header'}, '{"name": "body"}', 'header'),
        ({'name': 'header'}, '{}', 'header'),
        ({}, '{"name": "body"}', 'body'),
        ({'name': None}, '{"name": "body"}', 'body'),
        ({'name': 7}, '{"name": "body"}', 'body'),
        ({'name': b'\xff'}, '{"name": "body"}', 'body'),
        ({}, '{"name": null}', ''),
        ({}, '{"name": 7}', ''),
        ({}, '{"data": {"name": "a user, not an event"}}', ''),
        ({}, '{}', ''),
    ],
)
def test_the_name_is_that_of_the_header_else_of_the_body(headers: dict[str, Any], body: str, name: str) -> None:
    assert decoded(body, headers).name == name


@pytest.mark.parametrize(
    ('body', 'data'),
    [('{}', None), ('{"data": null}', None), ('{"data": {}}', {}), ('{"data": [1]}', [1]), ('{"data": "x"}', 'x')],
)
def test_data_may_be_anything_or_missing(body: str, data: Any) -> None:
    assert decoded(body).data == data


@pytest.mark.parametrize(
    ('body', 'said'),
    [
        (b'', 'the body is empty'),
        (b'null', 'the body is null, not a JSON object'),
        (b'""', 'the body is a string, not a JSON object'),
        (b'2', 'the body is a number, not a JSON object'),
        (b'2.5', 'the body is a number, not a JSON object'),
        (b'true', 'the body is a boolean, not a JSON object'),
        (b'[{}]', 'the body is a list, not a JSON object'),
        (b'NaN', 'the body is a number, not a JSON object'),
        (b'{"data": ', 'the body is not JSON'),
        (b'{} {}', 'the body is not JSON'),
        (b"{'data': 1}", 'the body is not JSON'),
        (b'PUTVAL uuid/calls/gauge interval=10 N:1', 'the body is not JSON'),
        (b'\xef\xbb\xbf{}', 'the body is not JSON'),
        (b'{"data": "\n"}', 'the body is not JSON'),
        (b'\xff{}', 'the body is not UTF-8 at byte 0'),
        (b'{"data": "caf\xe9"}', 'the body is not UTF-8 at byte 13'),
        (b'\x80\x04\x95', 'the body is not UTF-8 at byte 0'),
        (b'{"data": ' + b'9' * 5000 + b', "x": NaN}', 'the body is not JSON that can be read'),
        (b'[' * 100_000, 'the body is not JSON that can be read'),
    ],
)
def test_what_is_no_event_is_named_for_what_it_is(body: bytes, said: str) -> None:
    with pytest.raises(Undecodable, match=f'^{said}'):
        decoded(body)


@pytest.mark.parametrize('body', ['["tést", x]', '{"data": x}'])
def test_a_syntax_error_is_told_with_its_place(body: str) -> None:
    with pytest.raises(Undecodable, match=r'at character \d+$'):
        decoded(body)


def test_numbers_that_json_has_not_are_read_all_the_same() -> None:
    assert repr(decoded('{"data": [NaN, Infinity, -Infinity, 1e999]}').data) == '[nan, inf, -inf, inf]'


def test_half_a_surrogate_pair_is_read_all_the_same() -> None:
    assert decoded(r'{"data": "\ud83d?"}').data == '\ud83d?'


def test_a_key_given_twice_counts_once() -> None:
    assert decoded('{"data": 1, "data": 2}').data == 2


def test_a_body_may_have_a_mebibyte_and_64_levels_unless_it_is_said_otherwise() -> None:
    assert Limits() == Limits(size=1_048_576, depth=64)


def test_a_body_as_large_as_allowed_is_read() -> None:
    assert decoded('{"data": 10}', limits=Limits(size=12)).data == 10


def test_a_body_larger_than_allowed_is_refused_with_the_key_to_change() -> None:
    with pytest.raises(Undecodable, match=r'^the body has 13 bytes, the limit is 12 \(bus.max_body_size\)$'):
        decoded('{"data": 100}', limits=Limits(size=12))


def test_of_a_body_that_was_cut_the_true_size_counts() -> None:
    with pytest.raises(Undecodable, match=r'^the body has 5,000 bytes, the limit is 12'):
        decoded('{"data": 10', size=5000, limits=Limits(size=12))


@pytest.mark.parametrize('depth', [1, 2, 7])
def test_a_body_as_deep_as_allowed_is_read(depth: int) -> None:
    assert isinstance(decoded(nested(depth), limits=Limits(depth=depth)), Event)


def levels(value: Any) -> int:
    """How many levels of maps and lists a value has."""
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(levels, value.values() if isinstance(value, dict) else value), default=0)


@given(
    data=st.recursive(
        st.none() | st.text(st.sampled_from('{}[]a'), max_size=4),
        lambda inner: st.dictionaries(st.sampled_from('ab'), inner, max_size=2) | st.lists(inner, max_size=2),
        max_leaves=6,
    ),
    depth=st.integers(1, 4),
)
@example({'a': {}}, 2)
@example({'a': {'a': {}}}, 3)
@settings(max_examples=examples(800))
def test_a_body_is_refused_exactly_if_it_has_more_levels_than_allowed(data: Any, depth: int) -> None:
    refused = False
    try:
        decoded(json.dumps({'data': data}), limits=Limits(depth=depth))
    except Undecodable:
        refused = True

    assert refused is (levels({'data': data}) > depth)


@pytest.mark.parametrize('depth', [1, 2, 7, 200])
def test_a_body_deeper_than_allowed_is_refused_with_the_key_to_change(depth: int) -> None:
    with pytest.raises(Undecodable, match=rf'^the body is nested deeper than {depth} levels \(bus.max_depth\)$'):
        decoded(nested(depth + 1), limits=Limits(depth=depth))


def test_objects_and_lists_are_levels_alike() -> None:
    with pytest.raises(Undecodable, match='deeper than 3 levels'):
        decoded('{"a": [{"b": []}]}', limits=Limits(depth=3))


def test_brackets_in_texts_are_no_levels() -> None:
    assert decoded('{"data": "[[[[{{{{"}', limits=Limits(depth=1)).data == '[[[[{{{{'


def test_many_small_objects_are_not_deep() -> None:
    assert len(decoded(f'{{"data": [{", ".join(["{}"] * 100)}]}}', limits=Limits(depth=3)).data) == 100


@pytest.mark.parametrize(
    ('tagged', 'text'),
    [
        ({'__type__': 'uuid', '__value__': {'hex': UUID.replace('-', '')}}, UUID),
        ({'__type__': 'uuid', '__value__': {'hex': 'short'}}, 'short'),
        ({'__type__': 'datetime', '__value__': '2026-03-01T10:00:00'}, '2026-03-01T10:00:00'),
        ({'__type__': 'date', '__value__': '2026-03-01'}, '2026-03-01'),
        ({'__type__': 'time', '__value__': '10:00:00'}, '10:00:00'),
        ({'__type__': 'decimal', '__value__': '1.50'}, '1.50'),
    ],
)
@pytest.mark.parametrize('shape', ['{"data": TAGGED}', '{"data": {"deep": [TAGGED]}}'])
def test_what_kombu_tags_is_read_as_the_text_that_older_hosts_send(tagged: Any, text: str, shape: str) -> None:
    assert decoded(shape.replace('TAGGED', json.dumps(tagged))).data in (text, {'deep': [text]})


@pytest.mark.parametrize(
    'value',
    [
        {'__type__': 'uuid', '__value__': {'hex': 7}},
        {'__type__': 'uuid', '__value__': {}},
        {'__type__': 'uuid', '__value__': None},
        {'__type__': 'thing', '__value__': [1]},
        {'__type__': 'thing', '__value__': {'hex': UUID}},
        {'__type__': 7, '__value__': 'x'},
        {'__type__': 'uuid'},
        {'__type__': 'date', '__value__': '2026-03-01', 'more': 1},
    ],
)
def test_what_only_looks_tagged_stays_as_it_is(value: Any) -> None:
    assert decoded(json.dumps({'data': value})).data == value


def test_a_body_that_is_tagged_itself_is_an_object_without_a_name() -> None:
    event = decoded('{"__type__": "date", "__value__": "2026-03-01"}')
    assert (event.name, event.data, event.metadata) == (
        '',
        None,
        {'__type__': 'date', '__value__': '2026-03-01'},
    )


def test_tags_are_read_as_deep_as_the_deepest_body_that_can_be_configured() -> None:
    body = nested(199, '{"__type__": "date", "__value__": "2026-03-01"}')
    assert '2026-03-01' in json.dumps(decoded(body, limits=Limits(depth=200)).data)


def test_tags_too_deep_for_the_interpreter_are_no_event() -> None:
    body = nested(900, '{"__type__": "date", "__value__": "2026-03-01"}')
    with pytest.raises(Undecodable, match='nested'):
        decoded(body, limits=Limits(depth=1000))


@given(
    body=bodies,
    headers=st.dictionaries(st.text() | st.just('name'), amqp_values, max_size=4),
    size=st.none() | st.integers(0, 100),
    limits=st.builds(Limits, size=st.integers(0, 60) | st.just(10**6), depth=st.integers(1, 5) | st.just(64)),
)
@example(body=b'{"__type__": "uuid", "__value__": "x"}', headers={}, size=None, limits=Limits())
@example(body=b'{"__type__":"uuid","__value__":{"hex":"x"}}', headers={}, size=None, limits=Limits())
def test_whatever_arrives_is_an_event_or_undecodable(
    body: bytes, headers: dict[str, Any], size: int | None, limits: Limits
) -> None:
    try:
        event = decoded(body, headers, size=size, limits=limits)
    except Undecodable as error:
        said = str(error)
    else:
        types = (type(event.name), type(event.metadata))
        said = 'the body is an event' if types == (str, dict) else f'it has {types}'
    assert said.startswith('the body ')


@given(body=bodies, headers=st.dictionaries(st.text(), amqp_values, max_size=4))
def test_nothing_that_is_derived_from_an_event_raises(body: bytes, headers: dict[str, Any]) -> None:
    try:
        event = decoded(body, headers)
    except Undecodable:
        return
    texts = [event.id, event.origin_uuid, event.tenant_uuid, event.required_acl, *event.user_uuids]
    assert all(text is None or isinstance(text, str) for text in texts)


@given(bodies)
def test_what_was_decoded_can_be_encoded(body: bytes) -> None:
    try:
        event = decoded(body)
    except Undecodable:
        return
    assert isinstance(strictly(encode(event.metadata)), dict)


@given(json_values | amqp_values | st.lists(json_values | amqp_values))
def test_what_is_encoded_is_strict_json_in_one_line(value: Any) -> None:
    encoded = encode(value)
    strictly(encoded)
    assert b'\n' not in encoded


exact_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=12,
)


@given(exact_values)
def test_what_json_can_say_survives_encoding(value: Any) -> None:
    assert strictly(encode(value)) == value


HALF = '\ud800'
"""What orjson refuses, so that the standard library has to do."""


@pytest.mark.parametrize('neighbour', ['x', HALF], ids=['orjson', 'standard library'])
@pytest.mark.parametrize(
    ('value', 'written'),
    [
        (float('nan'), None),
        (float('inf'), None),
        (float('-inf'), None),
        ([float('nan')], [None]),
        (0.5, 0.5),
        ({'a': (float('nan'),)}, {'a': [None]}),
        ({float('nan')}, [None]),
        (b'caf\xc3\xa9', 'caf\u00e9'),
        (b'\xff\n', '\\xff\n'),
        (bytearray(b'x'), 'x'),
        (Decimal('1.50'), '1.50'),
        (Decimal('NaN'), 'NaN'),
        (datetime(2026, 3, 1, 10, tzinfo=UTC), '2026-03-01T10:00:00+00:00'),
        (date(2026, 3, 1), '2026-03-01'),
        (time(10, 30), '10:30:00'),
        ((1, 2), [1, 2]),
        (frozenset({1}), [1]),
        (MappingProxyType({'a': b'x'}), {'a': 'x'}),
        (2**64 - 1, 2**64 - 1),
        (2**70, 2**70),
        (1 + 2j, '(1+2j)'),
        ('caf\u00e9', 'caf\u00e9'),
        ('\u2028', '\u2028'),
    ],
)
def test_what_json_has_not_is_written_in_what_it_has(value: Any, written: Any, neighbour: str) -> None:
    assert strictly(encode({'value': value, 'neighbour': neighbour}))['value'] == written


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert encode({'a': '\ud83d'}) == rb'{"a":"\ud83d"}'


def test_text_is_written_as_utf_8() -> None:
    assert encode('caf\u00e9') == '"caf\u00e9"'.encode()


@pytest.mark.parametrize('inner', ['1', r'"\ud800"', 'NaN', '123456789012345678901234567890'])
def test_the_deepest_body_that_can_be_configured_can_be_encoded(inner: str) -> None:
    event = decoded(nested(200, inner), limits=Limits(depth=200))
    assert strictly(encode(event.metadata)).keys() == {'data'}
