# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The dead letter: what a person needs is beside it, nothing steers a broker, and its headers fit into one frame."""

from __future__ import annotations

import dataclasses
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pamqp.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from tests.unit.amqp import test_properties
from tests.unit.rig import Settlements
from wazo_busd.amqp.dead_letter import properties_of
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.delivery import Delivery, PlainProperties, Properties
from wazo_busd.outcome import Reason

FRAME_LIMIT = 131_072
"""Bytes of a frame, as RabbitMQ has it unless it is configured otherwise."""

LEAST_FRAME_LIMIT = 4_096
"""Bytes of a frame that every broker takes (AMQP 0-9-1, constant frame-min-size)."""

REASON = Reason(
    handler='fax-alerts',
    plugin='notify',
    plugin_version='1.2.3',
    error='ValueError',
    text='it does not fit',
    traceback='Traceback (most recent call last): …',
    attempts=3,
    first_at=1_700_000_000.5,
    last_at=1_700_000_001.25,
    event_id='a' * 32,
)

HEADER_OF_FIELD = {
    'handler': ('busd-handler', 'fax-alerts'),
    'plugin': ('busd-plugin', 'notify'),
    'plugin_version': ('busd-plugin-version', '1.2.3'),
    'error': ('busd-error', 'ValueError'),
    'text': ('busd-error-text', 'it does not fit'),
    'traceback': ('busd-traceback', 'Traceback (most recent call last): …'),
    'attempts': ('busd-attempts', 3),
    'first_at': ('busd-first-at', 1_700_000_000_500),
    'last_at': ('busd-last-at', 1_700_000_001_250),
    'event_id': ('busd-id', 'a' * 32),
}


def make_delivery(
    properties: Properties | None = None,
    *,
    body: bytes = b'{}',
    size: int | None = None,
    exchange: str = 'wazo-headers',
    routing_key: str = 'a.b',
) -> Delivery:
    return Delivery(
        1,
        body=body,
        exchange=exchange,
        routing_key=routing_key,
        properties=properties or PlainProperties({}),
        redelivered=False,
        received_at=1.0,
        acknowledger=Settlements(),
        size=size,
    )


def wire(**properties: Any) -> WireProperties:
    """Properties as a publisher sends them."""
    return WireProperties(Basic.Properties(**properties).marshal())


def sent(delivery: Delivery, reason: Reason = REASON, *, is_spare: bool = False) -> tuple[int, Basic.Properties]:
    """The size of the content header's frame, and the properties as they arrive."""
    properties = properties_of(delivery, reason, is_spare=is_spare)
    properties.message_id = 'a' * 32  # as the library adds one
    frame = pamqp.frame.marshal(ContentHeader(body_size=2, properties=properties), 1)
    _, _, header = pamqp.frame.unmarshal(frame)
    assert isinstance(header, ContentHeader)
    return len(frame), header.properties


def headers_of(delivery: Delivery, reason: Reason = REASON, *, is_spare: bool = False) -> dict[str, Any]:
    """The headers as they arrive."""
    headers = sent(delivery, reason, is_spare=is_spare)[1].headers
    assert headers is not None
    return headers


@pytest.mark.parametrize('field', [field.name for field in dataclasses.fields(Reason)])
def test_every_field_of_the_reason_is_a_header(field: str) -> None:
    header, value = HEADER_OF_FIELD[field]

    assert headers_of(make_delivery())[header] == value


@pytest.mark.parametrize(
    ('header', 'value'),
    [('busd-exchange', 'wazo-headers'), ('busd-routing-key', 'a.b'), ('busd-size', 2)],
)
def test_where_it_came_from_is_a_header(header: str, value: object) -> None:
    assert headers_of(make_delivery())[header] == value


def test_of_an_oversize_body_the_true_size_is_a_header() -> None:
    assert headers_of(make_delivery(body=b'{', size=5_000_000))['busd-size'] == 5_000_000


def test_it_survives_a_restart_of_the_broker() -> None:
    assert properties_of(make_delivery(), REASON).delivery_mode == 2


def test_its_body_is_held_for_nothing_but_bytes() -> None:
    assert properties_of(make_delivery(), REASON).content_type == 'application/octet-stream'


def test_it_says_who_wrote_it() -> None:
    assert properties_of(make_delivery(), REASON).app_id == 'wazo-busd'


def test_the_original_properties_can_be_read() -> None:
    original = wire(content_type='application/json', headers={'name': 'call_created', 'user_uuid:1': True})

    assert headers_of(make_delivery(original))['busd-properties'] == {
        'content_type': 'application/json',
        'headers': {'name': 'call_created', 'user_uuid:1': True},
    }


def test_the_original_properties_are_kept_to_the_byte() -> None:
    original = wire(content_type='application/json', headers={'name': 'call_created'}, expiration='60000')

    assert headers_of(make_delivery(original))['busd-raw-properties'] == original.raw


def test_malformed_properties_are_kept_to_the_byte() -> None:
    original = WireProperties(b'\x80\x00\x04\xff\xfe\xfd\xfc')

    assert headers_of(make_delivery(original))['busd-raw-properties'] == original.raw


def test_malformed_properties_cannot_be_read() -> None:
    assert 'busd-properties' not in headers_of(make_delivery(WireProperties(b'\x80\x00\x04\xff\xfe\xfd\xfc')))


def test_headers_that_never_were_on_a_wire_can_be_read() -> None:
    original = PlainProperties({'name': 'call_created'})

    assert headers_of(make_delivery(original))['busd-properties'] == {'headers': {'name': 'call_created'}}


STEERING = wire(
    headers={
        'CC': ['elsewhere'],
        'BCC': ['elsewhere'],
        'x-death': [{'queue': 'wazo-busd.fax-alerts.dead', 'reason': 'rejected', 'count': 1}],
        'x-delay': 1000,
        'busd-handler': 'forged',
    },
    delivery_mode=1,
    priority=9,
    reply_to='elsewhere',
    expiration='1',
    user_id='somebody',
    message_id='1',
    timestamp=datetime(2026, 1, 1, tzinfo=UTC),
)
"""Everything that a publisher can say to make a broker do something with a copy."""


def test_no_header_of_the_original_is_one_of_the_letter() -> None:
    assert all(name.startswith('busd-') for name in headers_of(make_delivery(STEERING)))


def test_a_forged_header_does_not_replace_ours() -> None:
    assert headers_of(make_delivery(STEERING))['busd-handler'] == 'fax-alerts'


@pytest.mark.parametrize('name', ['expiration', 'user_id', 'reply_to', 'priority', 'correlation_id', 'cluster_id'])
def test_no_property_of_the_original_is_one_of_the_letter(name: str) -> None:
    assert sent(make_delivery(STEERING))[1][name] in (None, '')


@given(found=test_properties.lists)
@settings(max_examples=300, deadline=None)
def test_whatever_came_over_the_wire_is_kept_to_the_byte(found: dict[str, bytes]) -> None:
    raw = test_properties.wire(found)

    assert headers_of(make_delivery(WireProperties(raw)))['busd-raw-properties'] == raw


@given(found=test_properties.lists)
@settings(max_examples=200, deadline=None)
def test_all_that_is_well_formed_can_be_read(found: dict[str, bytes]) -> None:
    original = WireProperties(test_properties.wire(found))

    assert headers_of(make_delivery(original))['busd-properties'].keys() == original.decoded.keys()


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_for_properties_make_a_letter(raw: bytes) -> None:
    assert headers_of(make_delivery(WireProperties(raw)))['busd-raw-properties'] == raw


anything = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.decimals(),
        st.text(st.characters(exclude_categories=())),
        st.binary(),
        st.binary().map(bytearray),
        st.datetimes(),
        st.datetimes(timezones=st.timezones()),
        st.builds(object),
        st.builds(set, st.lists(st.integers(), max_size=2)),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=5) | st.integers(), inner, max_size=3),
    ),
)


@given(anything)
@settings(max_examples=300, deadline=None)
def test_any_value_in_a_header_makes_a_letter(value: Any) -> None:
    assert headers_of(make_delivery(PlainProperties({'a': value})))['busd-id'] == REASON.event_id


@pytest.mark.parametrize(
    ('value', 'read'),
    [
        (b'\xff\x00', bytearray(b'\xff\x00')),
        (Decimal('-1.50'), '-1.50'),
        (Decimal('NaN'), 'NaN'),
        (0.1, '0.1'),
        (float('inf'), 'inf'),
        ('\ud800', '\\ud800'),
        ((1, 2), [1, 2]),
        ({'a': {'b': [b'c']}}, {'a': {'b': [bytearray(b'c')]}}),
        ({1: 2}, {'1': 2}),
        (None, None),
        (True, True),
    ],
    ids=repr,
)
def test_what_a_table_cannot_hold_is_kept_as_what_it_can(value: Any, read: Any) -> None:
    letter = headers_of(make_delivery(PlainProperties({'a': value})))

    assert letter['busd-properties'] == {'headers': {'a': read}}


def test_headers_that_are_nested_without_end_make_a_letter() -> None:
    endless: dict[str, Any] = {}
    endless['a'] = endless

    assert 'busd-properties' not in headers_of(make_delivery(PlainProperties(endless)))


def large(size: int, *, letter: str = 'x') -> WireProperties:
    """Properties of about that size, the most that fits into one frame included."""
    return wire(headers={'a': letter * (size // len(letter.encode()))})


LONGEST = dataclasses.replace(
    REASON,
    handler='h' * 100,
    plugin='p' * 255,
    plugin_version='v' * 255,
    error='\U0001f4a9' * 10_000,
    text='\U0001f4a9' * 100_000,
    traceback='\ud800' * 100_000,
)
"""A reason that is as long as it can be in every text that nobody bounds."""

LONGEST_NAME = '\\xff' * 255
"""The longest name of an exchange, and the longest routing key, none of which is UTF-8."""


@pytest.mark.parametrize('size', [1_000, 49_000, 49_120, 49_152, 60_000, 131_000])
@pytest.mark.parametrize('letter', ['x', '\U0001f4a9'])
def test_the_headers_fit_into_one_frame(size: int, letter: str) -> None:
    delivery = make_delivery(large(size, letter=letter), exchange=LONGEST_NAME, routing_key=LONGEST_NAME)

    assert sent(delivery, LONGEST)[0] < FRAME_LIMIT


@pytest.mark.parametrize('number', [100, 4_000, 10_000])
def test_values_that_grow_when_they_are_read_fit_into_one_frame(number: int) -> None:
    doubles = b''.join(b'd' + struct.pack('>d', 1 / 3) for _ in range(number))
    raw = test_properties.with_field(b'A' + test_properties.long(doubles))

    assert sent(make_delivery(WireProperties(raw)), LONGEST)[0] < FRAME_LIMIT


def test_of_large_properties_the_readable_form_is_left_out() -> None:
    assert 'busd-properties' not in headers_of(make_delivery(large(60_000)))


def test_of_large_properties_the_beginning_is_kept() -> None:
    original = large(60_000)

    assert original.raw.startswith(headers_of(make_delivery(original))['busd-raw-properties'])


def test_of_a_long_text_the_end_is_kept() -> None:
    reason = dataclasses.replace(REASON, text='x' * 100_000 + 'the end')

    assert headers_of(make_delivery(), reason)['busd-error-text'].endswith('xxx' + 'the end')


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_of_an_error_makes_a_letter(text: str) -> None:
    reason = dataclasses.replace(REASON, error=text, text=text, traceback=text)

    assert headers_of(make_delivery(), reason)['busd-id'] == REASON.event_id


@pytest.mark.parametrize('field', ['plugin', 'plugin_version', 'error', 'text', 'traceback', 'event_id'])
def test_a_text_that_cannot_be_encoded_makes_a_letter(field: str) -> None:
    changes: dict[str, Any] = {field: '\udcff'}
    reason = dataclasses.replace(REASON, **changes)

    assert headers_of(make_delivery(), reason)[HEADER_OF_FIELD[field][0]] == '\\udcff'


@pytest.mark.parametrize('letter', ['x', '\U0001f4a9', '\udcff'])
@pytest.mark.parametrize('size', [1_000, 131_000])
def test_the_spare_headers_fit_into_the_smallest_frame(letter: str, size: int) -> None:
    text = letter * 10_000
    reason = Reason(
        handler='h' * 100,
        plugin=text,
        plugin_version=text,
        error=text,
        text=text,
        traceback=text,
        attempts=2**31 - 1,
        first_at=2.0**33,
        last_at=2.0**33,
        event_id='a' * 32,
    )
    delivery = make_delivery(large(size), exchange=LONGEST_NAME, routing_key=LONGEST_NAME, size=2**40)

    assert sent(delivery, reason, is_spare=True)[0] <= LEAST_FRAME_LIMIT


@pytest.mark.parametrize(
    'original', [wire(app_id='wazo-calld'), PlainProperties({'name': 'call_created'})], ids=['wire', 'plain']
)
@pytest.mark.parametrize('header', ['busd-properties', 'busd-raw-properties'])
def test_the_original_properties_are_not_among_the_spare_headers(original: Properties, header: str) -> None:
    assert header not in headers_of(make_delivery(original), is_spare=True)


@pytest.mark.parametrize('field', [field.name for field in dataclasses.fields(Reason)])
def test_every_field_of_the_reason_is_a_spare_header(field: str) -> None:
    header, value = HEADER_OF_FIELD[field]

    assert headers_of(make_delivery(), is_spare=True)[header] == value


@pytest.mark.parametrize('field', ['error', 'text', 'traceback'])
def test_of_a_long_text_the_last_512_bytes_are_a_spare_header(field: str) -> None:
    changes: dict[str, Any] = {field: 'x' * 1_000 + 'é' * 256}
    reason = dataclasses.replace(REASON, **changes)

    assert headers_of(make_delivery(), reason, is_spare=True)[HEADER_OF_FIELD[field][0]] == 'é' * 256


def test_of_a_long_text_no_half_of_a_letter_is_a_spare_header() -> None:
    reason = dataclasses.replace(REASON, text='é' * 1_000 + 'x')

    assert headers_of(make_delivery(), reason, is_spare=True)['busd-error-text'] == 'é' * 255 + 'x'


@pytest.mark.parametrize('name', ['content_type', 'delivery_mode', 'app_id'])
def test_a_spare_letter_is_a_letter_otherwise(name: str) -> None:
    letter, spare = (properties_of(make_delivery(), REASON, is_spare=is_spare) for is_spare in (False, True))

    assert spare[name] == letter[name]
