# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sample: an event by its name, or written down in one of several forms."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.catalogue.publication import TENANT
from wazo_busd.conditions import happened_at
from wazo_busd.errors import Undecodable, UnknownEvent
from wazo_busd.event import Event
from wazo_busd.sample import event_of, of_content, of_name

AT = 1_790_000_000.0
OTHER = '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2'


def event(said: Any, *changes: tuple[str, Any], **more: Any) -> Event:
    return event_of(of_content(said, changes, **more))


def test_a_name_stands_for_its_example_as_a_host_of_its_era_sends_it() -> None:
    made = [event_of(of_name('call_ended', era=era)) for era in ('now', '2019')]

    assert [(each.exchange, each.tenant_uuid) for each in made] == [('wazo-headers', TENANT), ('xivo', None)]


def test_fields_can_be_changed_and_headers_follow() -> None:
    made = event_of(of_name('call_ended', [('tenant_uuid', OTHER), ('a.b', 1)]))

    assert (made.tenant_uuid, made.data['a']) == (OTHER, {'b': 1})


@pytest.mark.parametrize('name', ['', 'nonsense'])
def test_a_name_that_nobody_sends_is_refused(name: str) -> None:
    with pytest.raises(UnknownEvent):
        of_name(name)


@pytest.mark.parametrize('era', ['now', '2019'])
def test_what_emit_shows_comes_back_as_it_was(era: Any) -> None:
    made = of_name('fax_outbound_failed', era=era)

    assert of_content(json.loads(json.dumps(asdict(made))), era=era) == made


def test_what_dead_shows_is_taken() -> None:
    made = of_name('fax_outbound_failed')
    shown = [
        {
            'id': '1',
            'exchange': made.exchange,
            'routing_key': made.routing_key,
            'properties': {'headers': made.headers},
            'body': json.dumps(made.body),
        }
    ]

    assert of_content(shown) == made


def test_of_a_body_alone_the_rest_is_as_a_host_sends_it() -> None:
    made = event({'name': 'call_created', 'tenant_uuid': OTHER, 'data': {'call_id': '1'}})

    assert (made.routing_key, made.tenant_uuid, made.required_acl is None) == ('calls.call.created', OTHER, False)


def test_headers_that_are_given_go_before() -> None:
    assert event({'name': 'call_created', 'headers': {'required_acl': 'x'}}).required_acl == 'x'


def test_an_event_that_is_not_known_comes_on_its_name() -> None:
    assert event({'name': 'my_event', 'data': [1]}).routing_key == 'my_event'


def test_the_data_that_is_written_down_can_be_changed_too() -> None:
    assert event({'name': 'x', 'data': {'a': 1}}, ('b.c', 2)).data == {'a': 1, 'b': {'c': 2}}


@pytest.mark.parametrize('said', [{'name': 'call_created'}, {'name': 'x', 'timestamp': '2020-01-01T00:00:00'}])
def test_a_time_that_is_asked_for_is_when_it_happened(said: Any) -> None:
    assert happened_at(event_of(of_content(said, at=AT), at=AT)) == AT


@pytest.mark.parametrize(
    ('said', 'changes'),
    [
        (1, []),
        ([], []),
        ([{'name': 'x'}, {'name': 'y'}], []),
        ({}, []),
        ({'name': 1}, []),
        ({'name': 'x', 'headers': 'y'}, []),
        ({'routing_key': 'x', 'body': 'no JSON'}, []),
        ({'routing_key': 'x', 'body': [1]}, []),
        ({'name': 'x', 'data': [1]}, [('a', 1)]),
        ({'name': 'x', 'data': {'a': 1}}, [('a.b', 1)]),
        ({'name': 'x'}, [('a..b', 1)]),
        ({'routing_key': 'x' * 256}, []),
        ({'routing_key': '\ud800'}, []),
        ({'routing_key': 'x', 'exchange': 'busd.burst', 'body': {'count': 1, 'events': []}}, []),
    ],
)
def test_what_is_no_event_is_refused(said: Any, changes: Any) -> None:
    with pytest.raises(ValueError, match=r'\w'):
        of_content(said, changes)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
WORDS = st.sampled_from(['call_created', 'call_ended', 'x', '', 'UserEvent', 'user_created', 'auth_tenant_added'])


@given(
    st.fixed_dictionaries(
        {},
        optional={
            'name': WORDS | PLAIN,
            'data': PLAIN,
            'headers': PLAIN | st.dictionaries(st.sampled_from(['name', 'tenant_uuid', 'user_uuid:x']), PLAIN),
            'routing_key': WORDS | PLAIN,
            'exchange': WORDS | PLAIN,
            'body': PLAIN | st.fixed_dictionaries({'name': WORDS, 'data': PLAIN}),
            'properties': PLAIN,
            'tenant_uuid': PLAIN,
        },
    ),
    st.sampled_from(['now', '2019']),
)
def test_whatever_is_written_down_becomes_an_event_or_is_refused(said: Any, era: Any) -> None:
    try:
        found = event(said, era=era)
    except (ValueError, Undecodable):
        return
    assert len(found.id) == 32


def test_what_is_nested_too_deep_is_no_event() -> None:
    data: Any = []
    for _ in range(500):
        data = [data]
    with pytest.raises(Undecodable, match='nested deeper than 64'):
        event({'name': 'x', 'data': data})
