# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The emission: the same fact has the same id whenever it is derived."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import make_work
from wazo_busd.codec import Limits, decode
from wazo_busd.emission import emitter
from wazo_busd.errors import BusError
from wazo_busd.event import Event
from wazo_busd.fact import Fact
from wazo_busd.work import Work

CAUSE = Event(
    'call_ended',
    {'call_id': '1'},
    routing_key='calls.call.ended',
    exchange='wazo-headers',
    headers={
        'name': 'call_ended',
        'tenant_uuid': 'the-tenant',
        'origin_uuid': 'the-host',
        'user_uuid:the-user': True,
        'user_uuid:None': True,
        'x-secret': 'not handed on',
    },
    body=b'{"name": "call_ended", "data": {"call_id": "1"}}',
)


@pytest.fixture(autouse=True)
def _unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may be a Wazo host."""
    monkeypatch.delenv('XIVO_UUID', raising=False)


class Published:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.all: list[tuple[str, bytes, Mapping[str, Any]]] = []

    async def publish(self, routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        self.all.append((routing_key, body, headers))

    @property
    def events(self) -> list[Event]:
        """What a handler gets of it."""
        return [
            decode(
                body,
                headers=headers,
                routing_key=routing_key,
                exchange='wazo-busd',
                received_at=0.0,
                redelivered=False,
                limits=Limits(),
            )
            for routing_key, body, headers in self.all
        ]


async def emit_all(*emissions: tuple[str, Any], work: Work | None = None, routing_key: str | None = None) -> Published:
    published = Published()
    emit = emitter(published.publish)
    for name, data in emissions:
        await emit(name, data, routing_key, work)
    return published


# ---- what is published


async def test_a_derived_event_arrives_with_its_name_and_what_it_says() -> None:
    (event,) = (await emit_all(('busd.call.missed', {'call_id': '1'}))).events

    assert (event.name, event.data) == ('busd.call.missed', {'call_id': '1'})


async def test_a_derived_event_is_published_with_its_name_as_key() -> None:
    (event,) = (await emit_all(('busd.call.missed', None))).events

    assert event.routing_key == 'busd.call.missed'


async def test_a_derived_event_is_published_with_the_key_that_is_asked_for() -> None:
    (event,) = (await emit_all(('busd.call.missed', None), routing_key='busd.call.missed.1')).events

    assert event.routing_key == 'busd.call.missed.1'


async def test_a_derived_event_says_when_it_was_derived_as_every_service_does() -> None:
    published = await emit_all(('busd.call.missed', None))

    assert datetime.fromisoformat(published.all[0][2]['timestamp']).tzinfo is None


async def test_a_derived_event_names_the_event_that_caused_it() -> None:
    published = await emit_all(('busd.call.missed', None), work=make_work(CAUSE))

    assert json.loads(published.all[0][1])['cause'] == CAUSE.id


async def test_a_derived_event_belongs_to_the_tenant_of_its_cause() -> None:
    (event,) = (await emit_all(('busd.call.missed', None), work=make_work(CAUSE))).events

    assert event.tenant_uuid == 'the-tenant'


async def test_a_derived_event_concerns_the_users_of_its_cause() -> None:
    (event,) = (await emit_all(('busd.call.missed', None), work=make_work(CAUSE))).events

    assert event.user_uuids == ('the-user',)


@pytest.mark.parametrize('value', [True, False, 1, 'true', None])
async def test_a_derived_event_is_for_all_users_if_its_cause_is(value: Any) -> None:
    cause = Event('fax_outbound_failed', headers={'user_uuid:*': value})

    published = await emit_all(('busd.fax.failed', None), work=make_work(cause))

    assert published.all[0][2].get('user_uuid:*') == (True if value is True else None)


async def test_a_derived_event_comes_from_the_host_of_its_cause() -> None:
    (event,) = (await emit_all(('busd.call.missed', None), work=make_work(CAUSE))).events

    assert event.origin_uuid == 'the-host'


async def test_a_derived_event_without_a_cause_comes_from_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('XIVO_UUID', 'this-host')

    (event,) = (await emit_all(('busd.started', None))).events

    assert event.origin_uuid == 'this-host'


async def test_where_no_host_is_known_none_is_named() -> None:
    published = await emit_all(('busd.started', None))

    assert 'origin_uuid' not in published.all[0][2]


async def test_nothing_else_of_the_headers_of_the_cause_is_handed_on() -> None:
    published = await emit_all(('busd.call.missed', None), work=make_work(CAUSE))

    assert published.all[0][2].keys() == {'name', 'timestamp', 'tenant_uuid', 'origin_uuid', 'user_uuid:the-user'}


async def test_data_that_json_cannot_hold_is_published_as_what_comes_near_it() -> None:
    (event,) = (await emit_all(('busd.odd', [float('nan'), '\ud800', b'bytes', {1}]))).events

    assert event.data == [None, '\ud800', 'bytes', [1]]


async def test_what_publishing_raises_is_raised() -> None:
    async def refuse(routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        raise BusError('no such exchange')

    with pytest.raises(BusError, match='no such exchange'):
        await emitter(refuse)('busd.call.missed', None, None, None)


# ---- its identity


async def test_the_same_fact_derived_twice_from_the_same_event_has_one_id() -> None:
    # Given an event that a handler is run on twice, as after a crash
    first = await emit_all(('busd.call.missed', 1), work=make_work(CAUSE))
    second = await emit_all(('busd.call.missed', 1), work=make_work(CAUSE))

    # Then what it derives has the same identity
    assert [each.id for each in first.events] == [each.id for each in second.events]


async def test_the_time_of_derivation_is_no_part_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given the same derivation at two times
    monkeypatch.setattr('wazo_busd.emission._now', lambda: '2026-01-01T00:00:00')
    first = await emit_all(('busd.call.missed', 1), work=make_work(CAUSE))
    monkeypatch.setattr('wazo_busd.emission._now', lambda: '2026-01-02T00:00:00')
    second = await emit_all(('busd.call.missed', 1), work=make_work(CAUSE))

    # Then it has the same identity, and says both times
    assert [each.id for each in first.events] == [each.id for each in second.events]
    assert first.events[0].timestamp != second.events[0].timestamp


async def test_two_events_derived_from_one_have_different_ids_even_if_they_say_the_same() -> None:
    one, two = (await emit_all(('busd.call.missed', 1), ('busd.call.missed', 1), work=make_work(CAUSE))).events

    assert one.id != two.id


async def test_the_same_fact_derived_from_different_events_has_different_ids() -> None:
    other = Event('call_ended', routing_key='calls.call.ended', exchange='wazo-headers', body=b'{}')

    (one,) = (await emit_all(('busd.call.missed', 1), work=make_work(CAUSE))).events
    (two,) = (await emit_all(('busd.call.missed', 1), work=make_work(other))).events

    assert one.id != two.id


@given(
    data=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    ),
    number=st.integers(1, 4),
)
async def test_whatever_is_derived_its_identity_follows_from_cause_and_ordinal(data: Any, number: int) -> None:
    # Given several derivations from one event, twice
    emissions = [('busd.derived', data)] * number
    first = [each.id for each in (await emit_all(*emissions, work=make_work(CAUSE))).events]
    second = [each.id for each in (await emit_all(*emissions, work=make_work(CAUSE))).events]

    # Then each has one identity of its own, both times the same
    assert (first, len(set(first))) == (second, number)


# ---- facts


FACT = Fact('1234.5', tenant_uuid='the-tenant', user_uuids=('one', 'two'), origin_uuid='the-host')


async def test_a_fact_is_the_same_to_the_byte_whatever_caused_it() -> None:
    published = Published()
    emit = emitter(published.publish)

    await emit('busd.call.missed', {'a': 1}, None, FACT)
    await emit('busd.call.missed', {'a': 1}, None, FACT)

    assert len({event.id for event in published.events}) == 1


@pytest.mark.parametrize('other', [Fact('1234.6'), Fact('')])
async def test_another_fact_has_another_id(other: Fact) -> None:
    published = Published()
    emit = emitter(published.publish)

    await emit('busd.call.missed', {'a': 1}, None, FACT)
    await emit('busd.call.missed', {'a': 1}, None, other)

    assert len({event.id for event in published.events}) == 2


async def test_a_fact_says_whom_it_concerns() -> None:
    published = Published()

    await emitter(published.publish)('busd.call.missed', {}, None, FACT)

    (event,) = published.events
    assert (event.tenant_uuid, event.user_uuids, event.origin_uuid) == ('the-tenant', ('one', 'two'), 'the-host')


async def test_a_fact_that_concerns_nobody_says_so() -> None:
    published = Published()

    await emitter(published.publish)('busd.call.missed', {}, None, Fact('x'))

    (event,) = published.events
    assert (event.tenant_uuid, event.user_uuids, event.origin_uuid) == (None, (), None)


@pytest.mark.parametrize('identifier', ['x' * 1000, 'é' * 128, '', '\ud800'], ids=ascii)
async def test_what_is_no_identifier_that_headers_can_carry_is_left_out(identifier: str) -> None:
    published = Published()
    fact = Fact('x', tenant_uuid=identifier, user_uuids=(identifier, 'one'), origin_uuid=identifier)

    await emitter(published.publish)('busd.call.missed', {}, None, fact)

    (event,) = published.events
    assert (event.tenant_uuid, event.user_uuids, event.origin_uuid) == (None, ('one',), None)


async def test_the_headers_of_a_derived_event_are_bounded() -> None:
    published = Published()

    await emitter(published.publish)('busd.call.missed', {}, None, Fact('x', user_uuids=tuple(map(str, range(10_000)))))

    assert len(published.events[0].user_uuids) == 200
