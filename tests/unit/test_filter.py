# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The filter: whose events a handler takes, by tenant, user and access."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.config import HandlerConfig
from wazo_busd.event import Event
from wazo_busd.filter import Filter

TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
OTHER_TENANT = '6f3b1c1e-0d0c-4d7c-9a53-1ff2e2c0b1a5'
USER = '2e752722-0864-4665-887d-a78a024cf7c7'
OTHER_USER = 'a4f1b0de-6d0b-4b5e-8f9b-6a4ee5a3b1c2'
ACL = f'events.calls.{USER}'


def lets(event: Event, **config: Any) -> bool:
    return Filter(HandlerConfig.model_validate({'plugin': 'test', **config})).lets(event)


def with_headers(**headers: Any) -> Event:
    return Event('x', headers=headers)


def of_users(*uuids: str) -> Event:
    return Event('x', headers={f'user_uuid:{uuid}': True for uuid in uuids})


hostile = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.binary(), st.lists(st.text()), st.floats())


@pytest.mark.parametrize(
    'event',
    [
        Event(''),
        with_headers(tenant_uuid=TENANT),
        with_headers(required_acl='events.calls'),
        with_headers(required_acl=None),
        of_users(USER),
    ],
)
def test_a_filter_that_asks_for_nothing_lets_everything_through(event: Event) -> None:
    assert lets(event)


# ---- tenants


@pytest.mark.parametrize(
    ('tenants', 'event', 'found'),
    [
        (TENANT, with_headers(tenant_uuid=TENANT), True),
        (TENANT, with_headers(tenant_uuid=OTHER_TENANT), False),
        ([TENANT, OTHER_TENANT], with_headers(tenant_uuid=OTHER_TENANT), True),
        (TENANT.upper(), with_headers(tenant_uuid=TENANT), True),
        (TENANT, with_headers(tenant_uuid=TENANT.upper()), True),
        (TENANT, Event('x', {'tenant_uuid': TENANT}), True),
        (TENANT, Event('x', metadata={'tenant_uuid': TENANT}), True),
        (TENANT, Event('x', {'tenant_uuid': TENANT}, headers={'tenant_uuid': OTHER_TENANT}), False),
        (TENANT, Event('x'), False),
        (TENANT, with_headers(tenant_uuid=None), False),
        (TENANT, with_headers(tenant_uuid='None'), False),
        (TENANT, with_headers(tenant_uuid=''), False),
        (TENANT, with_headers(tenant_uuid=[TENANT]), False),
    ],
)
def test_only_events_of_its_tenants_are_let_through(tenants: Any, event: Event, found: bool) -> None:
    assert lets(event, tenants=tenants) is found


# ---- users


@pytest.mark.parametrize(
    ('users', 'event', 'found'),
    [
        (USER, of_users(USER), True),
        (USER, of_users(OTHER_USER), False),
        (USER, of_users(OTHER_USER, USER), True),
        ([OTHER_USER, USER], of_users(USER), True),
        (USER.upper(), of_users(USER), True),
        (USER, of_users(USER.upper()), True),
        (USER, Event('x', {'user_uuid': USER}), True),
        (USER, Event('x', {'user_uuids': [OTHER_USER, USER]}), True),
        (USER, Event('user_edited', {'uuid': USER}, routing_key='config.user.edited'), True),
        (USER, Event('group_edited', {'uuid': USER}, routing_key='config.groups.edited'), False),
        (USER, Event('x'), False),
        (USER, Event('x', headers={f'user_uuid:{USER}': False}), False),
        (USER, Event('x', headers={'user_uuid:None': True}), False),
        (USER, Event('x', headers={'user_uuid:*': True}), False),
        (USER, Event('x', {'user_uuid': USER}, headers={'user_uuid:*': True}), True),
        (USER, Event('x', {'user_uuid': [USER]}), False),
    ],
)
def test_only_events_of_its_users_are_let_through(users: Any, event: Event, found: bool) -> None:
    assert lets(event, users=users) is found


# ---- access


@pytest.mark.parametrize(
    ('acl', 'headers', 'found'),
    [
        ('events.calls.*', {'required_acl': ACL}, True),
        ('events.calls.*', {'required_acl': 'events.faxes'}, False),
        ('events.calls.*', {'required_acl': ACL.upper()}, False),
        (['events.faxes', 'events.calls.*'], {'required_acl': ACL}, True),
        (['events.#', '!events.calls.#'], {'required_acl': ACL}, False),
        (['events.#', '!events.calls.#'], {'required_acl': 'events.faxes'}, True),
        ('#', {}, False),
        ('#', {'required_access': 'event.call_created'}, False),
        ('events.faxes', {'required_acl': None}, True),
        ('!#', {'required_acl': None}, True),
        ('event.call_*', {'required_acl': ACL, 'required_access': 'event.call_created'}, True),
        ('event.fax_*', {'required_acl': ACL, 'required_access': 'event.call_created'}, False),
        (['#', '!event.call_*'], {'required_acl': ACL, 'required_access': 'event.call_created'}, False),
        (['#', '!events.calls.*'], {'required_acl': ACL, 'required_access': 'event.call_created'}, False),
        ('events.calls.*', {'required_acl': ACL, 'required_access': None}, True),
        ('#', {'required_acl': 7}, False),
        ('#', {'required_acl': [ACL]}, False),
        ('#', {'required_acl': b'\xff'}, False),
        ('events.calls.*', {'required_acl': 'events.calls.None'}, True),
        ('#', {'required_acl': ''}, True),
    ],
)
def test_only_events_whose_access_is_given_are_let_through(acl: Any, headers: dict[str, Any], found: bool) -> None:
    assert lets(Event('x', headers=headers), acl=acl) is found


def test_an_access_that_stands_in_the_body_alone_is_none() -> None:
    event = Event('x', metadata={'required_acl': ACL})

    assert not lets(event, acl='#')


# ---- several of them


@pytest.mark.parametrize('wrong', ['tenants', 'users', 'acl'])
def test_an_event_must_be_let_through_by_all_of_them(wrong: str) -> None:
    event = Event('x', headers={'tenant_uuid': TENANT, f'user_uuid:{USER}': True, 'required_acl': ACL})
    right = {'tenants': TENANT, 'users': USER, 'acl': 'events.calls.*'}
    others = {'tenants': OTHER_TENANT, 'users': OTHER_USER, 'acl': 'events.faxes.*'}

    assert (lets(event, **right), lets(event, **{**right, wrong: others[wrong]})) == (True, False)


@given(hostile, hostile, hostile, st.dictionaries(st.sampled_from(['tenant_uuid', 'user_uuid', 'user_uuids']), hostile))
def test_whatever_comes_over_the_bus_is_let_through_or_not(tenant: Any, acl: Any, access: Any, data: Any) -> None:
    event = Event(
        'x', data, headers={'tenant_uuid': tenant, 'required_acl': acl, 'required_access': access, 'user_uuid:x': True}
    )

    assert lets(event, tenants=TENANT, users=USER, acl='!#') is False
