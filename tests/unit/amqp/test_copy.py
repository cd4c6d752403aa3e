# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The copy: the event comes back out of it to the byte, nothing in it steers a broker, and it fits into one frame."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pamqp.frame
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pamqp import encode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from tests.examples import examples
from tests.unit.amqp import test_properties
from tests.unit.rig import Settlements
from wazo_busd.amqp import copy
from wazo_busd.amqp.copy import Copy, NoCopy, Original
from wazo_busd.amqp.properties import WireProperties, decode
from wazo_busd.delivery import Delivery, History, PlainProperties, Properties
from wazo_busd.errors import Undecodable
from wazo_busd.outcome import Reason

FRAME_LIMIT = 131_072
"""Bytes of a frame, as RabbitMQ has it unless it is configured otherwise."""

LEAST_FRAME_LIMIT = 4_096
"""Bytes of a frame that every broker takes (AMQP 0-9-1, constant frame-min-size)."""

MOST_PROPERTIES = FRAME_LIMIT - 8 - 12
"""Bytes of flags and properties that a publisher can get into one frame."""

NUMBER = '0123456789abcdef'
"""The number of a copy."""

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

HISTORY = History(
    event_id='b' * 32,
    attempts=4,
    rounds=2,
    first_at=1_700_000_000.5,
    first_error='ValueError: it does not fit',
    due_at=1_700_000_060.25,
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


def letter(delivery: Delivery, reason: Reason = REASON, *, is_spare: bool = False) -> Copy:
    return copy.dead_letter(delivery, reason, number=NUMBER, is_spare=is_spare)


def waiting(delivery: Delivery, history: History = HISTORY, *, is_spare: bool = False) -> Copy:
    return copy.postponed(delivery, history, delay_milliseconds=60_000, number=NUMBER, is_spare=is_spare)


FORMS: dict[str, Callable[[Delivery], Copy]] = {
    'postponed': waiting,
    'postponed, spare': lambda delivery: waiting(delivery, is_spare=True),
    'dead': letter,
    'dead, spare': lambda delivery: letter(delivery, is_spare=True),
}
"""Every form that an event can lie in the broker in."""


def wire(**properties: Any) -> WireProperties:
    """Properties as a publisher sends them."""
    return WireProperties(Basic.Properties(**properties).marshal())


def frame_of(made: Copy) -> bytes:
    """The frame of the content header."""
    made.properties.message_id = 'a' * 32  # as the library adds one
    return pamqp.frame.marshal(ContentHeader(body_size=len(made.body), properties=made.properties), 1)


def arrived(made: Copy) -> Basic.Properties:
    """The properties of a copy as others read them."""
    _, _, header = pamqp.frame.unmarshal(frame_of(made))
    assert isinstance(header, ContentHeader)
    return header.properties


def read(made: Copy) -> Original:
    """What a copy was made of, as it is read from the bytes that the broker gives out."""
    return copy.original(made.body, WireProperties(frame_of(made)[7 + 12 : -1]).headers)


def headers_of(delivery: Delivery, reason: Reason = REASON, *, is_spare: bool = False) -> dict[str, Any]:
    """The headers of a dead letter as they arrive."""
    headers = arrived(letter(delivery, reason, is_spare=is_spare)).headers
    assert headers is not None
    return headers


ways = st.binary(max_size=255).map(lambda raw: raw.decode('utf-8', 'backslashreplace'))
"""The names of exchanges and the routing keys that can come over the wire, as a delivery has them."""

anything_for_properties = st.one_of(
    test_properties.lists.map(test_properties.wire),
    st.binary(max_size=300),
    st.builds(lambda chunk, times: (chunk * times)[:MOST_PROPERTIES], st.binary(max_size=100), st.integers(0, 20_000)),
)
"""What a hostile publisher can put where the properties are: any bytes at all, up to a frame of them."""

bodies = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda chunk, times: chunk * times, st.binary(max_size=50), st.integers(0, 2_000)),
)


def history_with(**said: Any) -> History:
    return dataclasses.replace(HISTORY, **said)


@pytest.mark.parametrize('form', FORMS)
@given(raw=anything_for_properties, body=bodies, exchange=ways, routing_key=ways)
@example(raw=b'', body=b'', exchange='', routing_key='')
@example(raw=b'\xff' * MOST_PROPERTIES, body=b'\x00', exchange='\\xff' * 255, routing_key='\\xff' * 255)
@example(raw=b'x' * 49_152, body=b'{}', exchange='xivo', routing_key='a')
@example(raw=b'x' * 49_153, body=b'{}', exchange='xivo', routing_key='a')
@example(raw='é'.encode(), body='é'.encode(), exchange='é', routing_key='é')
@settings(max_examples=examples(100))
def test_the_event_comes_back_out_of_its_copy_to_the_byte(
    form: str, raw: bytes, body: bytes, exchange: str, routing_key: str
) -> None:
    delivery = make_delivery(WireProperties(raw), body=body, exchange=exchange, routing_key=routing_key)

    found = read(FORMS[form](delivery))

    assert (found.raw_properties, found.body, found.size, found.exchange, found.routing_key) == (
        raw,
        body,
        len(body),
        exchange,
        routing_key,
    )


@pytest.mark.parametrize('form', FORMS)
@given(raw=anything_for_properties, body=bodies, exchange=ways, routing_key=ways)
@settings(max_examples=examples(50))
def test_what_came_back_comes_back_once_more(
    form: str, raw: bytes, body: bytes, exchange: str, routing_key: str
) -> None:
    first = read(FORMS[form](make_delivery(WireProperties(raw), body=body, exchange=exchange, routing_key=routing_key)))
    again = make_delivery(
        WireProperties(first.raw_properties),
        body=first.body,
        size=first.size,
        exchange=first.exchange,
        routing_key=first.routing_key,
    )

    second = read(FORMS[form](again))

    assert second == first


@given(raw=anything_for_properties, body=bodies, exchange=ways, routing_key=ways)
@settings(max_examples=examples(50))
def test_what_a_person_sends_back_is_the_event_to_the_byte(
    raw: bytes, body: bytes, exchange: str, routing_key: str
) -> None:
    kept = read(letter(make_delivery(WireProperties(raw), body=body, exchange=exchange, routing_key=routing_key)))

    found = read(copy.again(kept, handler='fax-alerts', number=NUMBER))

    assert (found.raw_properties, found.body, found.size, found.exchange, found.routing_key) == (
        raw,
        body,
        len(body),
        exchange,
        routing_key,
    )


@given(raw=anything_for_properties, body=bodies)
@settings(max_examples=examples(50))
def test_a_broker_that_hands_bytes_on_as_text_changes_nothing(raw: bytes, body: bytes) -> None:
    made = waiting(make_delivery(WireProperties(raw), body=body))
    headers = dict(WireProperties(frame_of(made)[7 + 12 : -1]).headers)
    given_as = headers.get('busd-raw-properties')
    if isinstance(given_as, bytes):
        headers['busd-raw-properties'] = decode(test_properties.with_field(b'S' + test_properties.long(given_as)))[
            'headers'
        ]['a']

    assert copy.original(made.body, headers).raw_properties == raw


moments = st.integers(0, 253_402_300_799_999).map(lambda thousandths: thousandths / 1000)
"""Times as they lie in a header: to the millisecond, until the end of the year 9999."""


@pytest.mark.parametrize('is_spare', [False, True])
@given(
    event_id=st.text(st.characters(categories=['L', 'N']), max_size=32),
    attempts=st.integers(0, 2**31),
    rounds=st.integers(0, 2**31),
    first_at=moments,
    first_error=st.text(max_size=60),
    due_at=moments,
)
@settings(max_examples=examples(100))
def test_what_was_tried_comes_back_out_of_a_copy(is_spare: bool, **said: Any) -> None:
    found = read(waiting(make_delivery(), History(**said), is_spare=is_spare)).history

    assert dataclasses.replace(found, first_at=0.0, due_at=0.0) == History(**(said | {'first_at': 0.0, 'due_at': 0.0}))
    assert (found.first_at, found.due_at) == pytest.approx((said['first_at'], said['due_at']), abs=0.0011, rel=0)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_of_a_first_error_makes_a_copy(text: str) -> None:
    found = read(waiting(make_delivery(), history_with(first_error=text)))

    assert text.encode('utf-8', 'backslashreplace').endswith(found.history.first_error.encode())


def test_of_a_long_first_error_the_beginning_is_kept() -> None:
    found = read(waiting(make_delivery(), history_with(first_error='ValueError: ' + 'x' * 10_000)))

    assert found.history.first_error.startswith('ValueError: xxx')


def test_the_number_of_tries_comes_back_out_of_a_dead_letter() -> None:
    assert read(letter(make_delivery())).history == History(event_id='a' * 32, attempts=3, first_at=1_700_000_000.5)


def test_what_a_person_sends_back_begins_with_the_first_try() -> None:
    kept = read(letter(make_delivery()))

    found = read(copy.again(kept, handler='fax-alerts', number=NUMBER)).history

    assert found == History(event_id='a' * 32, attempts=0)


def test_what_a_person_sends_back_says_to_whom() -> None:
    made = copy.again(read(letter(make_delivery())), handler='fax-alerts', number=NUMBER)

    assert (arrived(made).headers or {})['busd-handler'] == 'fax-alerts'


@pytest.mark.parametrize('form', FORMS)
def test_of_an_oversize_body_the_true_size_comes_back(form: str) -> None:
    assert read(FORMS[form](make_delivery(body=b'{', size=5_000_000))).size == 5_000_000


@pytest.mark.parametrize('form', FORMS)
def test_what_never_was_on_a_wire_has_no_properties_to_come_back(form: str) -> None:
    assert read(FORMS[form](make_delivery(PlainProperties({'name': 'x'})))).raw_properties == b''


@pytest.mark.parametrize('form', FORMS)
def test_a_copy_has_its_number(form: str) -> None:
    assert (arrived(FORMS[form](make_delivery())).headers or {})[copy.NUMBER] == NUMBER


def test_no_two_copies_have_one_number() -> None:
    assert len({copy.new_number() for _ in range(1_000)}) == 1_000


def test_a_copy_that_waits_says_which_queue_it_is_for() -> None:
    assert (arrived(waiting(make_delivery())).headers or {})['busd-delay'] == 60_000


def test_a_dead_letter_is_for_no_delay_queue() -> None:
    assert 'busd-delay' not in headers_of(make_delivery())


@pytest.mark.parametrize('form', FORMS)
def test_a_copy_is_a_plain_thing_that_survives_a_restart_of_the_broker(form: str) -> None:
    properties = arrived(FORMS[form](make_delivery()))

    assert (properties.delivery_mode, properties.content_type, properties.app_id) == (
        2,
        'application/octet-stream',
        'wazo-busd',
    )


STEERING = wire(
    headers={
        'CC': ['elsewhere'],
        'BCC': ['elsewhere'],
        'x-death': [{'queue': 'wazo-busd.fax-alerts.dead', 'reason': 'rejected', 'count': 1}],
        'x-delay': 1000,
        'busd-handler': 'forged',
        'busd-delay': 1,
        'busd-attempts': 0,
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


@pytest.mark.parametrize('form', FORMS)
def test_no_header_of_the_event_is_one_of_its_copy(form: str) -> None:
    assert all(name.startswith('busd-') for name in arrived(FORMS[form](make_delivery(STEERING))).headers or {})


@pytest.mark.parametrize('form', FORMS)
def test_a_forged_header_does_not_replace_ours(form: str) -> None:
    forged, plain = (arrived(FORMS[form](make_delivery(each))).headers for each in (STEERING, None))
    names = ('busd-handler', 'busd-delay', 'busd-attempts')

    assert [(forged or {}).get(name) for name in names] == [(plain or {}).get(name) for name in names]


@pytest.mark.parametrize('name', ['expiration', 'user_id', 'reply_to', 'priority', 'correlation_id', 'cluster_id'])
@pytest.mark.parametrize('form', FORMS)
def test_no_property_of_the_event_is_one_of_its_copy(form: str, name: str) -> None:
    assert arrived(FORMS[form](make_delivery(STEERING)))[name] in (None, '')


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


def large(size: int, *, letter: str = 'x') -> WireProperties:
    """Properties of about that size, the most that fits into one frame included."""
    return wire(headers={'a': letter * (size // len(letter.encode()))})


@pytest.mark.parametrize('size', [1_000, 49_000, 49_120, 49_152, 60_000, 131_000])
@pytest.mark.parametrize('character', ['x', '\U0001f4a9'])
def test_the_headers_of_a_dead_letter_fit_into_one_frame(size: int, character: str) -> None:
    delivery = make_delivery(large(size, letter=character), exchange=LONGEST_NAME, routing_key=LONGEST_NAME)

    assert len(frame_of(letter(delivery, LONGEST))) < FRAME_LIMIT


@pytest.mark.parametrize('size', [0, 1_000, 49_152, 49_153, MOST_PROPERTIES])
def test_the_headers_of_a_copy_that_waits_fit_into_one_frame(size: int) -> None:
    delivery = make_delivery(WireProperties(b'x' * size), exchange=LONGEST_NAME, routing_key=LONGEST_NAME)

    assert len(frame_of(waiting(delivery, history_with(first_error='\U0001f4a9' * 10_000)))) < FRAME_LIMIT


@pytest.mark.parametrize('number', [100, 4_000, 10_000])
def test_values_that_grow_when_they_are_read_fit_into_one_frame(number: int) -> None:
    doubles = b''.join(b'd' + struct.pack('>d', 1 / 3) for _ in range(number))
    raw = test_properties.with_field(b'A' + test_properties.long(doubles))

    assert len(frame_of(letter(make_delivery(WireProperties(raw)), LONGEST))) < FRAME_LIMIT


LARGEST_NUMBER = 253_402_300_799_999
"""The largest number that is believed: the milliseconds until the end of the year 9999."""


@pytest.mark.parametrize('character', ['x', '\U0001f4a9', '\udcff'])
@pytest.mark.parametrize('size', [1_000, MOST_PROPERTIES])
def test_a_spare_dead_letter_fits_into_the_smallest_frame(character: str, size: int) -> None:
    text = character * 10_000
    reason = Reason(
        handler='h' * 100,
        plugin=text,
        plugin_version=text,
        error=text,
        text=text,
        traceback=text,
        attempts=LARGEST_NUMBER,
        first_at=LARGEST_NUMBER / 1000,
        last_at=LARGEST_NUMBER / 1000,
        event_id='a' * 32,
    )
    delivery = make_delivery(
        WireProperties(b'x' * size), exchange=LONGEST_NAME, routing_key=LONGEST_NAME, size=LARGEST_NUMBER
    )

    assert len(frame_of(letter(delivery, reason, is_spare=True))) <= LEAST_FRAME_LIMIT - 64


@pytest.mark.parametrize('character', ['x', '\U0001f4a9', '\udcff'])
@pytest.mark.parametrize('size', [1_000, MOST_PROPERTIES])
def test_a_spare_copy_that_waits_fits_into_the_smallest_frame_with_what_the_broker_adds(
    character: str, size: int
) -> None:
    history = History(
        event_id='a' * 32,
        attempts=LARGEST_NUMBER,
        rounds=LARGEST_NUMBER,
        first_at=LARGEST_NUMBER / 1000,
        first_error=character * 10_000,
        due_at=LARGEST_NUMBER / 1000,
    )
    delivery = make_delivery(
        WireProperties(b'x' * size), exchange=LONGEST_NAME, routing_key=LONGEST_NAME, size=LARGEST_NUMBER
    )
    where_it_was = 700  # bytes of x-death and its like, for names of 120 letters

    assert len(frame_of(waiting(delivery, history, is_spare=True))) <= LEAST_FRAME_LIMIT - where_it_was


def test_what_a_person_sends_back_fits_into_the_smallest_frame() -> None:
    delivery = make_delivery(large(130_000), exchange=LONGEST_NAME, routing_key=LONGEST_NAME, size=2**40)
    made = copy.again(read(letter(delivery, LONGEST)), handler='h' * 100, number=NUMBER)

    assert len(frame_of(made)) <= LEAST_FRAME_LIMIT - 64


@pytest.mark.parametrize('field', [field.name for field in dataclasses.fields(Reason)])
@pytest.mark.parametrize('is_spare', [False, True])
def test_every_field_of_the_reason_is_a_header(field: str, is_spare: bool) -> None:
    header, value = HEADER_OF_FIELD[field]

    assert headers_of(make_delivery(), is_spare=is_spare)[header] == value


def test_the_original_properties_can_be_read() -> None:
    properties = wire(content_type='application/json', headers={'name': 'call_created', 'user_uuid:1': True})

    assert headers_of(make_delivery(properties))['busd-properties'] == {
        'content_type': 'application/json',
        'headers': {'name': 'call_created', 'user_uuid:1': True},
    }


def test_malformed_properties_cannot_be_read() -> None:
    assert 'busd-properties' not in headers_of(make_delivery(WireProperties(b'\x80\x00\x04\xff\xfe\xfd\xfc')))


def test_headers_that_never_were_on_a_wire_can_be_read() -> None:
    properties = PlainProperties({'name': 'call_created'})

    assert headers_of(make_delivery(properties))['busd-properties'] == {'headers': {'name': 'call_created'}}


@given(found=test_properties.lists)
@settings(max_examples=examples(100))
def test_all_that_is_well_formed_can_be_read(found: dict[str, bytes]) -> None:
    properties = WireProperties(test_properties.wire(found))

    assert headers_of(make_delivery(properties))['busd-properties'].keys() == properties.decoded.keys()


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
@settings(max_examples=examples(100))
def test_any_value_in_a_header_makes_a_letter(value: Any) -> None:
    assert headers_of(make_delivery(PlainProperties({'a': value})))['busd-id'] == REASON.event_id


@pytest.mark.parametrize(
    ('value', 'told'),
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
def test_what_a_table_cannot_hold_is_kept_as_what_it_can(value: Any, told: Any) -> None:
    assert headers_of(make_delivery(PlainProperties({'a': value})))['busd-properties'] == {'headers': {'a': told}}


def test_headers_that_are_nested_without_end_make_a_letter() -> None:
    endless: dict[str, Any] = {}
    endless['a'] = endless

    assert 'busd-properties' not in headers_of(make_delivery(PlainProperties(endless)))


def test_of_large_properties_the_readable_form_is_left_out() -> None:
    assert 'busd-properties' not in headers_of(make_delivery(large(60_000)))


@pytest.mark.parametrize(
    'properties', [wire(app_id='wazo-calld'), PlainProperties({'name': 'call_created'})], ids=['wire', 'plain']
)
@pytest.mark.parametrize('header', ['busd-properties', 'busd-raw-properties'])
def test_the_original_properties_are_not_among_the_spare_headers(properties: Properties, header: str) -> None:
    assert header not in headers_of(make_delivery(properties), is_spare=True)


def test_of_a_long_text_the_end_is_kept() -> None:
    reason = dataclasses.replace(REASON, text='x' * 100_000 + 'the end')

    assert headers_of(make_delivery(), reason)['busd-error-text'].endswith('xxx' + 'the end')


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_of_an_error_makes_a_letter(text: str) -> None:
    reason = dataclasses.replace(REASON, error=text, text=text, traceback=text)

    assert headers_of(make_delivery(), reason)['busd-id'] == REASON.event_id


@pytest.mark.parametrize('field', ['plugin', 'plugin_version', 'error', 'text', 'traceback'])
def test_a_text_that_cannot_be_encoded_makes_a_letter(field: str) -> None:
    changes: dict[str, Any] = {field: '\udcff'}
    reason = dataclasses.replace(REASON, **changes)

    assert headers_of(make_delivery(), reason)[HEADER_OF_FIELD[field][0]] == '\\udcff'


@pytest.mark.parametrize('field', ['error', 'text', 'traceback'])
def test_of_a_long_text_the_last_256_bytes_are_a_spare_header(field: str) -> None:
    changes: dict[str, Any] = {field: 'x' * 1_000 + 'é' * 128}
    reason = dataclasses.replace(REASON, **changes)

    assert headers_of(make_delivery(), reason, is_spare=True)[HEADER_OF_FIELD[field][0]] == 'é' * 128


def test_of_a_long_text_no_half_of_a_letter_is_a_spare_header() -> None:
    reason = dataclasses.replace(REASON, text='é' * 1_000 + 'x')

    assert headers_of(make_delivery(), reason, is_spare=True)['busd-error-text'] == 'é' * 127 + 'x'


def headers_of_copy(**changed: Any) -> dict[str, Any]:
    """The headers of a copy that waited, with some of them changed; `...` takes one away."""
    made = waiting(make_delivery(wire(app_id='wazo-calld')))
    headers = dict(WireProperties(frame_of(made)[7 + 12 : -1]).headers)
    headers |= {f'busd-{name.replace("_", "-")}': value for name, value in changed.items()}
    return {name: value for name, value in headers.items() if value is not ...}


@pytest.mark.parametrize('name', ['id', 'exchange', 'routing_key', 'size', 'attempts'])
def test_without_what_every_copy_has_it_is_none(name: str) -> None:
    with pytest.raises(NoCopy, match=name.replace('_', '-')):
        copy.original(b'{}', headers_of_copy(**{name: ...}))


@pytest.mark.parametrize('name', ['raw_properties', 'rounds', 'first_at', 'first_error', 'due_at'])
def test_what_not_every_copy_has_can_be_missing(name: str) -> None:
    assert copy.original(b'{}', headers_of_copy(**{name: ...})).body == b'{}'


TEXTS = ('id', 'exchange', 'routing_key', 'first_error')
NUMBERS = ('size', 'attempts', 'rounds', 'first_at', 'due_at', 'trailer')


@pytest.mark.parametrize(
    'value',
    [None, 1, True, b'bytes', ['a'], {'a': 1}, 1.5, datetime(2026, 1, 1, tzinfo=UTC), 'x' * 1_021, 'é' * 511],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize('name', TEXTS)
def test_a_text_that_is_none_or_that_no_copy_can_have_is_no_copy(name: str, value: object) -> None:
    with pytest.raises(NoCopy):
        copy.original(b'{}', headers_of_copy(**{name: value}))


@pytest.mark.parametrize(
    'value', [None, '1', True, -1, 1.5, b'1', [1], {'a': 1}, Decimal(1), LARGEST_NUMBER + 1, 2**63 - 1], ids=repr
)
@pytest.mark.parametrize('name', NUMBERS)
def test_a_number_that_is_none_or_that_no_copy_can_have_is_no_copy(name: str, value: object) -> None:
    with pytest.raises(NoCopy):
        copy.original(b'{}' * 10, headers_of_copy(**{name: value}))


@pytest.mark.parametrize('value', [None, 1, True, ['a'], {'a': 1}])
def test_properties_that_are_no_bytes_are_no_copy(value: object) -> None:
    with pytest.raises(NoCopy, match='busd-raw-properties are no bytes'):
        copy.original(b'{}', headers_of_copy(raw_properties=value))


def test_properties_that_are_longer_than_the_body_that_they_follow_are_no_copy() -> None:
    with pytest.raises(NoCopy, match='shorter'):
        copy.original(b'{}', headers_of_copy(trailer=3))


def test_properties_that_follow_a_body_go_before_those_in_a_header() -> None:
    found = copy.original(b'{}raw', headers_of_copy(trailer=3))

    assert (found.body, found.raw_properties) == (b'{}', b'raw')


NAMES = [
    'busd-id',
    'busd-copy',
    'busd-exchange',
    'busd-routing-key',
    'busd-size',
    'busd-attempts',
    'busd-rounds',
    'busd-first-at',
    'busd-first-error',
    'busd-due-at',
    'busd-trailer',
    'busd-raw-properties',
]
"""Every header that is looked at."""

GENUINE = {
    name.encode(): encode.encode_table_value(bytearray(value) if isinstance(value, bytes) else value)
    for name, value in headers_of_copy().items()
}
"""The headers of a copy, as bytes."""

forgeries = st.builds(
    lambda missing, forged: {name: field for name, field in GENUINE.items() if name not in missing} | forged,
    st.sets(st.sampled_from(sorted(GENUINE)), max_size=3),
    st.dictionaries(
        st.one_of(st.sampled_from(NAMES).map(str.encode), test_properties.short_texts),
        test_properties.fields,
        max_size=6,
    ),
)
"""Tables of which some fields are as in a copy, and others are whatever somebody makes of them."""


def originals(raw: bytes, body: bytes) -> Original | None:
    """What hostile bytes are a copy of; `None` if they are none. All they may raise else is NoCopy and Undecodable."""
    try:
        return copy.original(body, WireProperties(raw).headers)
    except (NoCopy, Undecodable):
        return None


@given(table=forgeries, body=st.binary(max_size=20))
@settings(max_examples=examples(100))
def test_whatever_is_forged_makes_a_copy_or_none(table: dict[bytes, bytes], body: bytes) -> None:
    found = originals(test_properties.with_headers(test_properties.keyed(table)), body)

    assert found is None or body.startswith(found.body)


@given(table=forgeries, body=st.binary(max_size=20))
@settings(max_examples=examples(100))
def test_whatever_is_forged_can_be_copied_again(table: dict[bytes, bytes], body: bytes) -> None:
    found = originals(test_properties.with_headers(test_properties.keyed(table)), body)
    if found is None:
        return
    delivery = make_delivery(
        WireProperties(found.raw_properties), body=found.body, exchange=found.exchange, routing_key=found.routing_key
    )
    later = dataclasses.replace(found.history, attempts=found.history.attempts + 1, rounds=found.history.rounds + 1)

    assert read(waiting(delivery, later)).body == found.body


@given(raw=st.binary(max_size=200), body=st.binary(max_size=20))
@settings(max_examples=examples(100))
def test_whatever_lies_about_makes_a_copy_or_none(raw: bytes, body: bytes) -> None:
    found = originals(raw, body)

    assert found is None or body.startswith(found.body)
