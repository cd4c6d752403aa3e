# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The event: what follows from the wire, and that nothing changes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.event import FIELDS, Event

TENANT = '6f3b1c1e-0d0c-4d7c-9a53-1ff2e2c0b1a5'
USER = '2d0b8a4c-9c1a-4f0d-8d7c-1b5d3a0f7e21'
OTHER_USER = 'a4f1b0de-6d0b-4b5e-8f9b-6a4ee5a3b1c2'


def test_an_event_says_what_it_was_given() -> None:
    event = Event(
        'call_created',
        {'call_id': '1'},
        routing_key='calls.call.created',
        exchange='wazo-headers',
        headers={'name': 'call_created'},
        metadata={'data': {'call_id': '1'}},
        body=b'{}',
        received_at=1.5,
        redelivered=True,
        attempt=3,
        id='carried',
    )
    assert (
        event.name,
        event.data,
        event.routing_key,
        event.exchange,
        event.headers,
        event.metadata,
        event.body,
        event.received_at,
        event.redelivered,
        event.attempt,
        event.id,
    ) == (
        'call_created',
        {'call_id': '1'},
        'calls.call.created',
        'wazo-headers',
        {'name': 'call_created'},
        {'data': {'call_id': '1'}},
        b'{}',
        1.5,
        True,
        3,
        'carried',
    )


def test_an_event_that_was_given_nothing_else_is_a_first_try_of_nothing() -> None:
    event = Event('x')
    assert (event.data, event.routing_key, event.exchange, event.headers, event.metadata) == (None, '', '', {}, {})
    assert (event.body, event.received_at, event.redelivered, event.attempt) == (b'', 0.0, False, 1)


@pytest.mark.parametrize('field', sorted({*FIELDS, 'id', 'body', 'attempt', 'received_at', 'redelivered', 'timestamp'}))
def test_no_attribute_of_an_event_can_be_set(field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Event('call_created'), field, 'changed')


def test_an_event_takes_no_other_attribute() -> None:
    with pytest.raises(AttributeError):
        Event('call_created').colour = 'red'  # type: ignore[attr-defined]


@pytest.mark.parametrize('field', FIELDS)
def test_every_field_that_configuration_can_name_is_an_attribute(field: str) -> None:
    assert hasattr(Event('call_created'), field)


def test_events_without_headers_do_not_share_them() -> None:
    assert Event('one').headers is not Event('two').headers


def test_a_representation_names_the_event_and_its_key() -> None:
    event = Event('agent\n_status_update', routing_key='status.agent')
    assert repr(event) == "<Event 'agent\\n_status_update' on 'status.agent'>"


def test_an_id_is_32_hex_digits() -> None:
    event = Event('call_created', routing_key='calls.call.created', exchange='xivo', body=b'{}')
    assert (len(event.id), set(event.id) <= set('0123456789abcdef')) == (32, True)


def test_an_id_is_the_same_for_the_same_wire() -> None:
    def make(**kwargs: Any) -> Event:
        return Event('call_created', routing_key='calls.call.created', exchange='xivo', body=b'{}', **kwargs)

    assert make(attempt=2, redelivered=True, received_at=7.0, headers={'a': 1}).id == make().id


Wire = tuple[str, str, bytes]


@given(
    st.tuples(st.text('ab.', max_size=3), st.text('ab.', max_size=3), st.binary(max_size=3)),
    st.tuples(st.text('ab.', max_size=3), st.text('ab.', max_size=3), st.binary(max_size=3)),
)
def test_ids_differ_exactly_if_exchange_key_or_body_differ(one: Wire, other: Wire) -> None:
    def identity(wire: Wire) -> str:
        return Event('x', exchange=wire[0], routing_key=wire[1], body=wire[2]).id

    assert (identity(one) == identity(other)) is (one == other)


def test_bytes_do_not_move_between_the_parts_of_an_id() -> None:
    assert Event('x', exchange='a', routing_key='bc').id != Event('x', exchange='ab', routing_key='c').id


@pytest.mark.parametrize('field', ['origin_uuid', 'tenant_uuid', 'required_acl'])
@pytest.mark.parametrize(
    ('headers', 'metadata', 'found'),
    [
        ({'FIELD': 'header'}, {'FIELD': 'body'}, 'header'),
        ({}, {'FIELD': 'body'}, 'body'),
        ({'FIELD': None}, {'FIELD': 'body'}, 'body'),
        ({'FIELD': ''}, {'FIELD': 'body'}, 'body'),
        ({'FIELD': 'None'}, {'FIELD': 'body'}, 'body'),
        ({'FIELD': 7}, {'FIELD': 'body'}, 'body'),
        ({'FIELD': b'bytes'}, {}, 'bytes'),
        ({'FIELD': b'caf\xe9'}, {}, 'caf\ufffd'),
        ({'FIELD': bytearray(b'bytes')}, {}, 'bytes'),
        ({}, {'FIELD': None}, None),
        ({}, {'FIELD': 'None'}, None),
        ({}, {'FIELD': ['x']}, None),
        ({}, {}, None),
    ],
)
def test_a_text_comes_from_the_header_else_from_the_body(
    field: str, headers: dict[str, Any], metadata: dict[str, Any], found: str | None
) -> None:
    event = Event(
        'x',
        headers={key.replace('FIELD', field): value for key, value in headers.items()},
        metadata={key.replace('FIELD', field): value for key, value in metadata.items()},
    )
    assert getattr(event, field) == found


@pytest.mark.parametrize(
    ('data', 'found'),
    [
        ({'tenant_uuid': TENANT}, TENANT),
        ({'tenant_uuid': None}, None),
        ({'tenant_uuid': 'None'}, None),
        ({}, None),
        (None, None),
        (['tenant_uuid'], None),
        ('tenant_uuid', None),
    ],
)
def test_a_tenant_is_looked_for_in_the_data_last(data: Any, found: str | None) -> None:
    assert Event('x', data).tenant_uuid == found


def test_a_tenant_in_the_body_wins_over_one_in_the_data() -> None:
    assert Event('x', {'tenant_uuid': 'data'}, metadata={'tenant_uuid': TENANT}).tenant_uuid == TENANT


@pytest.mark.parametrize(
    ('headers', 'users'),
    [
        ({}, ()),
        ({f'user_uuid:{USER}': True}, (USER,)),
        ({f'user_uuid:{USER}': True, 'name': 'x', f'user_uuid:{OTHER_USER}': True}, (USER, OTHER_USER)),
        ({f'user_uuid:{USER}': False}, ()),
        ({f'user_uuid:{USER}': 1}, ()),
        ({f'user_uuid:{USER}': 'true'}, ()),
        ({'user_uuid:None': True}, ()),
        ({'user_uuid:': True}, ()),
        ({'user_uuid': True}, ()),
        ({f'USER_UUID:{USER}': True}, ()),
    ],
)
def test_users_are_those_with_a_true_header(headers: dict[str, Any], users: tuple[str, ...]) -> None:
    assert Event('x', headers=headers).user_uuids == users


@pytest.mark.parametrize(
    ('text', 'when'),
    [
        ('2026-03-01T10:00:00+00:00', datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ('2026-03-01T10:00:00Z', datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ('2016-02-10T11:57:02.592-0500', datetime(2016, 2, 10, 16, 57, 2, 592_000, tzinfo=UTC)),
        ('2026-03-01T10:00:00.123456', datetime(2026, 3, 1, 10, 0, 0, 123_456).astimezone()),
        ('yesterday', None),
        ('', None),
        ('2026-13-01T00:00:00', None),
        ('0001-01-01T00:00:00+23:59', None),
        ('9999-12-31T23:59:59-23:59', None),
    ],
)
def test_a_timestamp_is_aware_or_none(text: str, when: datetime | None) -> None:
    assert Event('x', headers={'timestamp': text}).timestamp == when


def test_a_naive_timestamp_gets_the_zone_of_this_host() -> None:
    stamp = Event('x', metadata={'timestamp': '2026-03-01T10:00:00'}).timestamp
    assert stamp is not None
    assert stamp.utcoffset() == datetime(2026, 3, 1, 10).astimezone().utcoffset()


@given(st.one_of(st.text(), st.datetimes().map(str), st.integers(), st.none(), st.binary()))
def test_no_timestamp_raises(stamp: Any) -> None:
    found = Event('x', headers={'timestamp': stamp}).timestamp
    assert found is None or found.tzinfo is not None
