# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Users: hired, changed and gone, and what they switch on and off."""

from __future__ import annotations

from typing import Any

from wazo_busd.catalogue.publication import TENANT, Publication
from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import Person

_FORWARDS = ('busy', 'noanswer', 'unconditional')
_SERVICES = ('dnd', 'incallfilter')


def user(host: Host) -> Story:
    """Somebody is hired for a while."""
    person = host.hire()
    said = {
        'id': person.id,
        'uuid': person.uuid,
        'subscription_type': 0,
        'created_at': person.created_at,
        'tenant_uuid': TENANT,
    }
    yield host.say('user_created', said)
    yield host.rng.uniform(20, 120)
    yield host.say('user_edited', said)
    yield 120 + host.rng.expovariate(1 / 1800)
    yield host.say('user_deleted', said)


def forward(host: Host) -> Story:
    """A user forwards calls elsewhere for some time."""
    name = host.deal('forward', _FORWARDS)
    person = host.rng.choice(host.people)
    destination = host.rng.choice(host.people).number
    yield _forwarded(host, person, name, destination, enabled=True)
    yield 60 + host.rng.expovariate(1 / 1800)
    yield _forwarded(host, person, name, destination, enabled=False)


def service(host: Host) -> Story:
    """A user switches something on for some time; nobody calls one who is not to be disturbed."""
    name = host.deal('service', _SERVICES)
    person = host.rng.choice([each for each in host.people if not (each.is_busy or each.dnd)])
    if name == 'dnd':
        person.dnd = True
    yield _switched(host, person, name, enabled=True)
    yield 60 + host.rng.expovariate(1 / 1200)
    if name == 'dnd':
        person.dnd = False
    yield _switched(host, person, name, enabled=False)


def _forwarded(host: Host, person: Person, name: str, destination: str, *, enabled: bool) -> Publication:
    said = {**_owner(person), 'enabled': enabled, 'destination': destination}
    return host.say(f'users_forwards_{name}_updated', said, more={'forward_name': name})


def _switched(host: Host, person: Person, name: str, *, enabled: bool) -> Publication:
    said = {**_owner(person), 'enabled': enabled}
    return host.say(f'users_services_{name}_updated', said, more={'service_name': name})


def _owner(person: Person) -> dict[str, Any]:
    return {'user_id': person.id, 'user_uuid': person.uuid, 'tenant_uuid': TENANT}
