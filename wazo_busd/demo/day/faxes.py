# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Faxes: sent by users or by a machine, and arrived or failed."""

from __future__ import annotations

from typing import Any

from wazo_busd.catalogue.publication import TENANT, Publication
from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import Person

_COURSES = ('succeeded', 'failed', 'succeeded', 'by a machine')
_ERRORS = ('recipient did not answer', 'recipient is busy', 'no carrier', 'not enough memory at the recipient')


def fax(host: Host) -> Story:
    """A fax is sent; of one that a user sends, the user is told too."""
    course = host.deal('fax', _COURSES)
    user = None if course == 'by a machine' else host.rng.choice(host.people)
    id_ = host.clock.unique_id()
    said: dict[str, Any] = {
        'id': id_,
        'call_id': id_,
        'extension': f'418555{host.rng.randrange(10_000):04}',
        'context': 'ctx-example-outcall',
        'caller_id': f'fax <418555{user.number if user else "0000"}>',
        'user_uuid': user.uuid if user else None,
        'tenant_uuid': TENANT,
    }
    yield from _told(host, user, 'created', {**said, 'ivr_extension': None, 'wait_time': None})
    yield host.rng.uniform(20, 90)
    if course == 'failed':
        yield from _told(host, user, 'failed', {**said, 'error': host.rng.choice(_ERRORS)})
    else:
        yield from _told(host, user, 'succeeded', said)


def _told(host: Host, user: Person | None, what: str, data: dict[str, Any]) -> Story:
    told: list[Publication] = [host.say(f'fax_outbound_{what}', data)]
    if user is not None:
        told.append(host.say(f'fax_outbound_user_{what}', data))
    yield from told
