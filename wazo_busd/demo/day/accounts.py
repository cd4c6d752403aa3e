# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Accounts: tenants, accounts of users at external services, and their favorite contacts."""

from __future__ import annotations

from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import draw_uuid

_EXTERNAL = ('google', 'microsoft', 'zoho')


def tenant(host: Host) -> Story:
    """A tenant for somebody who tries the system out."""
    uuid = draw_uuid(host.rng)
    number = host.rng.randrange(1000)
    said = {'uuid': uuid, 'name': f'Trial {number}'}
    slug = {'slug': f'trial{number}', 'domain_names': [f'trial{number}.example.com']}
    yield host.say('auth_tenant_added', {**said, **slug}, tenant=uuid)
    yield host.rng.uniform(30, 120)
    yield host.say('auth_tenant_updated', {**said, 'name': f'Trial {number} Ltd'}, tenant=uuid)
    yield 60 + host.rng.expovariate(1 / 1800)
    yield host.say('auth_tenant_deleted', {'uuid': uuid}, tenant=uuid)


def external_account(host: Host) -> Story:
    """A user links an account of an external service, and takes it away again."""
    said = {
        'user_uuid': host.rng.choice(host.people).uuid,
        'external_auth_name': host.deal('external account', _EXTERNAL),
    }
    yield host.say('auth_user_external_auth_added', said)
    yield host.rng.uniform(5, 60)
    yield host.say('auth_user_external_auth_authorized', said)
    yield 60 + host.rng.expovariate(1 / 1800)
    yield host.say('auth_user_external_auth_deleted', said)


def favorite(host: Host) -> Story:
    """A user marks a contact as a favorite for some time."""
    who, whom = host.rng.sample(host.people, 2)
    said = {'xivo_uuid': host.origin, 'user_uuid': who.uuid, 'source': 'internal', 'source_entry_id': str(whom.id)}
    yield host.say('favorite_added', said)
    yield 30 + host.rng.expovariate(1 / 1200)
    yield host.say('favorite_deleted', said)
