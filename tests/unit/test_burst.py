# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The burst: events that become one body, and come out of it as they went in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.language.values import nasty_text
from wazo_busd.burst import EXCHANGE, Burst, body_of, burst_of, record
from wazo_busd.codec import Limits, encode
from wazo_busd.errors import Undecodable
from wazo_busd.event import Event
from wazo_busd.testing import make_event

LIMITS = Limits()


def read(body: bytes, **more: Any) -> Event:
    return burst_of(body, **{'redelivered': False, 'attempt': 1, 'id': 'b' * 32, 'limits': LIMITS, **more})


def inside(event: Event) -> Burst:
    assert event.burst is not None
    return event.burst


def told(event: Event) -> tuple[Any, ...]:
    return (event.name, event.data, event.routing_key, event.exchange, dict(event.headers), event.id, event.received_at)


@settings(deadline=None)
@given(st.lists(nasty_text, min_size=1, max_size=4))
def test_every_event_comes_out_as_it_went_in(texts: list[str]) -> None:
    events = [make_event('call_created', {'name': each}) for each in texts]

    found = read(body_of(len(events), map(record, events)))

    assert list(map(told, inside(found).events)) == list(map(told, events))


def test_the_last_event_stands_for_all() -> None:
    events = [make_event('call_created', {'n': number}) for number in range(3)]

    found = read(body_of(7, map(record, events)))

    assert (found.data, found.routing_key, inside(found).count, inside(found).events[0].data) == (
        {'n': 2},
        events[2].routing_key,
        7,
        {'n': 0},
    )


def test_its_identity_is_that_of_the_burst_at_every_try() -> None:
    found = read(body_of(1, [record(make_event('call_created'))]))

    again = found.next_try()

    assert (again.id, again.attempt, again.burst) == ('b' * 32, 2, found.burst)


def test_an_event_by_itself_has_no_burst() -> None:
    assert make_event('call_created', {'burst': {'count': 9}}).burst is None


@pytest.mark.parametrize(
    'content',
    [
        {},
        {'count': 1},
        {'count': 1, 'events': []},
        {'count': 0, 'events': [{}]},
        {'count': '1', 'events': [{}]},
        {'count': True, 'events': [{}]},
        {'count': 1, 'events': [1]},
        {'count': 1, 'events': [{}]},
        {'count': 1, 'events': {'a': 1}},
        {'count': 1, 'events': [{'id': 1, 'exchange': '', 'routing_key': '', 'body': '{}', 'headers': {}}]},
        {'count': 1, 'events': [{'id': '', 'exchange': '', 'routing_key': '', 'body': '[', 'headers': {}}]},
        {'count': 1, 'events': [{'id': '', 'exchange': '', 'routing_key': '', 'body': '{}', 'headers': []}]},
    ],
)
def test_what_is_no_burst_is_told(content: Any) -> None:
    with pytest.raises(Undecodable):
        read(encode(content))


@pytest.mark.parametrize('body', [b'', b'[]', b'\xff'])
def test_what_is_no_object_is_told(body: bytes) -> None:
    with pytest.raises(Undecodable):
        read(body)


def test_one_that_is_larger_than_any_body_is_told() -> None:
    body = body_of(1, [record(make_event('call_created'))])

    with pytest.raises(Undecodable, match='limit'):
        read(body, limits=Limits(size=10))


def test_events_that_are_nested_as_deep_as_may_be_are_no_deeper_in_a_burst() -> None:
    deep = json.loads('[' * 60 + ']' * 60)

    assert read(body_of(1, [record(make_event('call_created', deep))])).data == deep


def test_it_says_it_comes_from_an_exchange_that_no_event_comes_from() -> None:
    assert EXCHANGE not in ('', 'xivo', 'wazo-headers', 'wazo-busd')
