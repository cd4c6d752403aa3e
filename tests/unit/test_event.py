# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The event: what follows from the wire, and that nothing changes it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.catalogue import Entry, entries, find
from wazo_busd.catalogue.publication import Era, example, publication
from wazo_busd.event import FIELDS, Event, from_wire

ERAS: tuple[Era, ...] = ('now', '2019')
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


def test_an_event_from_the_wire_is_as_one_that_was_made_by_its_class() -> None:
    said: tuple[Any, ...] = ('call_created', {'a': 1}, 'k', 'xivo', {'b': 2}, {'c': 3}, b'{}', 1.5, True, 3, 'carried')
    from_the_wire, made = from_wire(*said), Event(*said)

    assert type(from_the_wire) is Event
    assert pickle.dumps(from_the_wire) == pickle.dumps(made)


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
        ({'user_uuid:*': True}, ()),
        ({'user_uuid:*': True, f'user_uuid:{USER}': True}, (USER,)),
        ({'user_uuid:': True}, ()),
        ({'user_uuid': True}, ()),
        ({f'USER_UUID:{USER}': True}, ()),
    ],
)
def test_users_are_those_with_a_true_header(headers: dict[str, Any], users: tuple[str, ...]) -> None:
    assert Event('x', headers=headers).user_uuids == users


@pytest.mark.parametrize(
    ('data', 'users'),
    [
        ({'user_uuid': USER}, (USER,)),
        ({'user_uuids': [USER, OTHER_USER]}, (USER, OTHER_USER)),
        ({'user_uuid': OTHER_USER, 'user_uuids': [USER, OTHER_USER]}, (OTHER_USER, USER)),
        ({'user_uuids': [USER, None, 7, '', 'None', [USER], USER]}, (USER,)),
        ({'user_uuids': USER}, ()),
        ({'user_uuids': {USER: True}}, ()),
        ({'user_uuid': None}, ()),
        ({'user_uuid': 'None'}, ()),
        ({'user_uuid': '*'}, ()),
        ({'user_uuid': ''}, ()),
        ({'user_uuid': 7}, ()),
        ({'user_uuid': [USER]}, ()),
        ({'uuid': USER}, ()),
        ([{'user_uuid': USER}], ()),
        (USER, ()),
        (None, ()),
    ],
)
def test_users_are_those_of_the_data_as_well(data: Any, users: tuple[str, ...]) -> None:
    assert Event('x', data).user_uuids == users


def test_users_of_the_headers_come_first_and_each_once() -> None:
    event = Event('x', {'user_uuids': [OTHER_USER, USER]}, headers={f'user_uuid:{USER}': True})
    assert event.user_uuids == (USER, OTHER_USER)


@pytest.mark.parametrize(
    ('key', 'users'),
    [('config.user.edited', (USER,)), ('config.users.edited', ()), ('config.groups.edited', ()), ('', ())],
)
def test_a_user_that_is_configured_is_the_uuid_of_the_data(key: str, users: tuple[str, ...]) -> None:
    assert Event('x', {'uuid': USER}, routing_key=key).user_uuids == users


# ---- what it is about


@pytest.mark.parametrize(
    ('data', 'found'),
    [
        ({'call_id': '1547576420.11'}, '1547576420.11'),
        ({'relocated_call': '1.1', 'initiator_call': '1.2', 'recipient_call': '1.3'}, '1.1'),
        ({'transferred_call': '1.1', 'initiator_call': '1.2'}, '1.1'),
        ({'Uniqueid': '1.1', 'Linkedid': '1.0'}, '1.1'),
        ({'queued_call_id': '1.1', 'operator_call_id': '1.2'}, '1.1'),
        ({'held_call_id': '1.1', 'operator_call_id': '1.2'}, '1.1'),
        ({'operator_call_id': '1.2'}, None),
        ({'call': {'id': '1.1', 'status': 'Up'}}, '1.1'),
        ({'call_id': '1.1', 'call': {'id': '1.2'}}, '1.1'),
        ({'call_id': None, 'call': {'id': '1.2'}}, '1.2'),
        ({'call_id': 'None', 'Uniqueid': '1.2'}, '1.2'),
        ({'call_id': ''}, None),
        ({'call_id': 'None'}, None),
        ({'call_id': 1547576420.11}, None),
        ({'call_id': True}, None),
        ({'call_id': ['1.1']}, None),
        ({'call': '1.1'}, None),
        ({'call': ['id']}, None),
        ({'call': None}, None),
        ({'call': {}}, None),
        ({'call': {'id': None}}, None),
        ({'id': '1.1'}, None),
        ({}, None),
        ({'uniqueid': '1.1'}, None),
        ([{'call_id': '1.1'}], None),
        ('call_id', None),
        (None, None),
    ],
)
def test_a_call_is_the_one_that_the_data_say(data: Any, found: str | None) -> None:
    assert Event('x', data, routing_key='calls.call.created').call_id == found


def test_headers_name_no_call() -> None:
    assert Event('x', headers={'call_id': '1.1'}, metadata={'call_id': '1.1'}).call_id is None


@pytest.mark.parametrize(('field', 'start'), [('conference_id', 'conferences.'), ('agent_id', 'agentd.agents.')])
@pytest.mark.parametrize(
    ('data', 'headers', 'key', 'found'),
    [
        ({'FIELD': 4}, {'FIELD': 5}, 'START6.participants.joined', 4),
        ({'FIELD': None}, {'FIELD': 5}, 'START6.participants.joined', 5),
        ({}, {'FIELD': '5'}, 'START6.participants.joined', 5),
        ({'id': 7}, {}, 'START6.participants.joined', 6),
        ({'FIELD': '4'}, {}, '', 4),
        ({'FIELD': 0}, {'FIELD': 5}, '', 0),
        ({'FIELD': '6d1d6f0c-3c0b-4c8e-8d49-2d1f1a6a9e34'}, {}, '', '6d1d6f0c-3c0b-4c8e-8d49-2d1f1a6a9e34'),
        ({'FIELD': True}, {}, '', None),
        ({'FIELD': 4.0}, {}, '', None),
        ({'FIELD': [4]}, {}, '', None),
        ({'FIELD': 'None'}, {}, '', None),
        ({'FIELD': ''}, {}, '', None),
        ({'FIELD': '-4'}, {}, '', '-4'),
        ({'FIELD': '\u0664'}, {}, '', '\u0664'),
        ({'FIELD': '\u00b2'}, {}, '', '\u00b2'),
        ({'FIELD': '9' * 5000}, {}, '', '9' * 5000),
        ({'FIELD': 'None'}, {'FIELD': 'None'}, 'START6', 6),
        (None, {'FIELD': b'5'}, '', 5),
        (['FIELD'], {}, 'START6.x', 6),
        ('FIELD', {}, 'START6.x', 6),
        ({}, {}, 'START', None),
        ({}, {}, 'STARTusers.6.participants.joined', None),
        ({}, {}, 'START\u0666.x', None),
        ({}, {}, 'START' + '9' * 200, None),
        ({}, {}, 'xSTART6.y', None),
        ({}, {}, '', None),
    ],
)
def test_an_identifier_is_that_of_the_data_else_of_the_headers_else_of_the_key(
    field: str, start: str, data: Any, headers: dict[str, Any], key: str, found: int | str | None
) -> None:
    if isinstance(data, dict):
        data = {name.replace('FIELD', field): value for name, value in data.items()}
    event = Event(
        'x',
        data,
        headers={name.replace('FIELD', field): value for name, value in headers.items()},
        routing_key=key.replace('START', start),
    )
    said = getattr(event, field)
    assert (said, type(said)) == (found, type(found))


@pytest.mark.parametrize('field', ['conference_id', 'agent_id'])
def test_an_identifier_can_stand_beside_the_data(field: str) -> None:
    assert getattr(Event('x', {}, metadata={field: 5}), field) == 5


@pytest.mark.parametrize(
    ('data', 'found'),
    [({'id': 42}, 42), ({'id': '42'}, 42), ({'id': None, 'agent_id': 7}, 7), ({}, None), (None, None)],
)
def test_an_agent_that_is_configured_is_the_id_of_the_data(data: Any, found: int | None) -> None:
    assert Event('agent_edited', data, routing_key='config.agent.edited').agent_id == found


def test_the_id_of_something_else_is_no_agent() -> None:
    assert Event('queue_edited', {'id': 42}, routing_key='config.queues.edited').agent_id is None


def sent(entry: Entry, era: Era) -> Event:
    """The event of the catalogue as a host sends it."""
    made = publication(entry, era=era)
    return Event(
        made.headers['name'],
        made.body['data'],
        routing_key=made.routing_key,
        exchange=made.exchange,
        headers=made.headers,
        metadata=made.body,
    )


@pytest.mark.parametrize('field', ['conference_id', 'agent_id'])
def test_what_an_event_is_about_is_the_same_in_both_eras(field: str) -> None:
    wrong = [
        (entry.name, here, there)
        for entry in entries()
        if entry.routing_keys
        for here, there in [(getattr(sent(entry, 'now'), field), getattr(sent(entry, '2019'), field))]
        if here != there
    ]
    assert wrong == []


@pytest.mark.parametrize('name', ['switchboard_queued_call_answered', 'switchboard_held_call_answered'])
def test_an_answered_call_of_a_switchboard_is_the_one_that_waited(name: str) -> None:
    (entry,) = (each for each in entries() if each.name == name)
    waited = [value for key, value in example(entry).items() if key in ('queued_call_id', 'held_call_id')]

    assert [sent(entry, 'now').call_id] == waited


@pytest.mark.parametrize('field', ['call_id', 'conference_id', 'agent_id'])
def test_every_known_event_whose_data_have_an_identifier_is_about_that(field: str) -> None:
    wrong = [
        (entry.name, era)
        for entry in entries()
        if field in entry.fields
        for era in ERAS
        for event in [sent(entry, era)]
        if event.data.get(field) is not None and str(getattr(event, field)) != str(event.data[field])
    ]
    assert wrong == []


@pytest.mark.parametrize('era', ERAS)
def test_every_known_event_of_a_user_names_its_users(era: Era) -> None:
    wrong = [
        entry.name
        for entry in entries()
        if entry.routing_keys and entry.scope in ('user', 'users') and not sent(entry, era).user_uuids
    ]
    assert wrong == []


@pytest.mark.parametrize('name', ['call_created', 'call_ended', 'call_held', 'relocate_initiated', 'transfer_created'])
@pytest.mark.parametrize('era', ERAS)
def test_a_known_event_of_a_call_names_it(name: str, era: Era) -> None:
    entry = find(name)
    assert entry is not None
    assert sent(entry, era).call_id is not None


@pytest.mark.parametrize('era', ERAS)
def test_a_known_event_of_a_conference_names_its_room(era: Era) -> None:
    wrong = [
        entry.name
        for entry in entries()
        if any(key.startswith('conferences.{') for key in entry.routing_keys) and sent(entry, era).conference_id is None
    ]
    assert wrong == []


hostile = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.sampled_from(['None', '', '*', USER, '1547576420.11', '9' * 5000]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(['id', 'call', 'call_id', 'user_uuid']), inner, max_size=3)
    ),
    max_leaves=5,
)
NAMED = [
    *('tenant_uuid', 'user_uuid', 'user_uuids', 'uuid', 'call_id', 'call', 'Uniqueid', 'relocated_call'),
    *(
        'queued_call_id',
        'held_call_id',
        'transferred_call',
        'conference_id',
        'agent_id',
        'id',
        'timestamp',
        'required_acl',
        'origin_uuid',
    ),
]


@given(
    st.one_of(hostile, st.dictionaries(st.sampled_from(NAMED), hostile)),
    st.dictionaries(
        st.sampled_from([*NAMED, 'user_uuid:', 'user_uuid:None', 'user_uuid:*', f'user_uuid:{USER}']), hostile
    ),
    st.sampled_from(['', 'config.user.x', 'config.agent.x', 'conferences.x', 'agentd.agents.', 'conferences.\ud800']),
)
def test_whatever_comes_what_follows_from_it_is_of_its_type_and_never_the_word_none(
    data: Any, headers: dict[str, Any], key: str
) -> None:
    event = Event('x', data, headers=headers, metadata={**headers, 'data': data}, routing_key=key)
    texts = [event.tenant_uuid, event.origin_uuid, event.required_acl, event.call_id, *event.user_uuids]
    numbers = [event.conference_id, event.agent_id]

    assert all(text is None or (type(text) is str and text not in ('', 'None')) for text in texts)
    assert not {None, '*'} & set(event.user_uuids)
    assert all(type(number) in (int, str, type(None)) and number not in ('', 'None') for number in numbers)
    assert event.timestamp is None or event.timestamp.tzinfo is not None


# ---- when it happened


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


def test_the_tenant_of_an_event_about_a_tenant_is_that_tenant() -> None:
    event = Event('auth_tenant_added', {'uuid': 'acme'}, routing_key='auth.tenants.acme.created')

    assert event.tenant_uuid == 'acme'


class Shorter(Event):
    """A class of a plugin's own, with something to keep."""

    __slots__ = ('most',)

    def __init__(self, event: Event, most: int) -> None:
        super().__init__(event.name, event.data, id=event.id)
        object.__setattr__(self, 'most', most)


def test_a_class_of_somebody_s_own_says_what_an_event_says() -> None:
    event = Event('call_created', {'a': 1}, body=b'{}')

    assert (Shorter(event, 3).data, Shorter(event, 3).id) == ({'a': 1}, event.id)


def test_nothing_can_be_set_of_a_class_of_somebody_s_own_either() -> None:
    with pytest.raises(AttributeError):
        Shorter(Event('call_created'), 3).name = 'changed'


@pytest.mark.parametrize('copied', [copy.copy, copy.deepcopy, lambda event: pickle.loads(pickle.dumps(event))])
def test_an_event_can_be_copied(copied: Callable[[Event], Event]) -> None:
    event = Event('call_created', {'a': 1}, body=b'{}')

    assert (copied(event).data, copied(event).id) == ({'a': 1}, event.id)


def test_nothing_of_an_event_can_be_deleted() -> None:
    with pytest.raises(AttributeError):
        del Event('call_created').name
