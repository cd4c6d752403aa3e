# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The report: what one event says of one part of a host, that it is up or that it is down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wazo_busd.api import Event

from ..tracking.boot import uptime_in
from ..tracking.said import data_of, text, uuid

_IS_PEER_UP = {'Registered': True, 'Reachable': True, 'Lagged': True, 'Unregistered': False, 'Unreachable': False}
"""Rejected is left out: so it ends when a stranger tries a password."""
_IS_CONTACT_UP = {'Reachable': True, 'NonQualified': True}
"""A peer can have several contacts: that one is gone says nothing of the others, and Asterisk sends PeerStatus then."""
_IS_REGISTERED = {'Registered': True, 'Unregistered': False, 'Rejected': False, 'Failed': False}


@dataclass(slots=True)
class Report:
    """What one event says of one part.

    Attributes:
        kind: `asterisk`, `service`, `trunk`, `line` or `peer`.
        id: what it is known by on its host, among those of its kind.
        name: what people know it by.
        is_up: whether it is up.
        tenant_uuid: the tenant it belongs to.
        instance: which of several runs of it says so; `''` where that is not known.
        place: the address and the port where that run is; `':'` where it does not say.
        running_seconds: for how long it has been up; `None` where it does not say.
    """

    kind: str
    id: str
    name: str
    is_up: bool
    tenant_uuid: str | None = None
    instance: str = ''
    place: str = ''
    running_seconds: float | None = None


def report_in(event: Event) -> Report | None:
    """What an event says; `None` if it says nothing that is understood.

    Args:
        event: the event; any part of it can be missing or of the wrong type.
    """
    reader = _READERS.get(event.name)
    return None if reader is None else reader(event, data_of(event))


def _service(is_up: bool) -> Callable[[Event, Mapping[str, Any]], Report | None]:
    def read(event: Event, data: Mapping[str, Any]) -> Report | None:
        name = text(data.get('service_name'))
        if not name:
            return None
        place = f'{text(data.get("address"))}:{text(data.get("port"))}'
        return Report('service', name, name, is_up, instance=text(data.get('service_id')), place=place)

    return read


def _endpoint(kind: str) -> Callable[[Event, Mapping[str, Any]], Report | None]:
    def read(event: Event, data: Mapping[str, Any]) -> Report | None:
        number, is_up = text(data.get('id')), data.get('registered')
        if not (number and isinstance(is_up, bool)):
            return None
        return Report(kind, number, text(data.get('name')) or number, is_up, uuid(event.tenant_uuid))

    return read


def _peer(event: Event, data: Mapping[str, Any]) -> Report | None:
    name, is_up = text(data.get('Peer')), _IS_PEER_UP.get(text(data.get('PeerStatus')))
    return Report('peer', name, name, is_up) if name and is_up is not None else None


def _contact(event: Event, data: Mapping[str, Any]) -> Report | None:
    name, is_up = text(data.get('EndpointName')), _IS_CONTACT_UP.get(text(data.get('ContactStatus')))
    return Report('peer', f'PJSIP/{name}', f'PJSIP/{name}', is_up) if name and is_up is not None else None


def _registration(event: Event, data: Mapping[str, Any]) -> Report | None:
    user, domain = (text(data.get(key)).partition(':') for key in ('Username', 'Domain'))
    is_up = _IS_REGISTERED.get(text(data.get('Status')))
    # PJSIP says URIs, the older channel driver names.
    account, host = user[2] or user[0], domain[2] or domain[0]
    if is_up is None or not account:
        return None
    name = account if '@' in account or not host else f'{account}@{host}'
    return Report('trunk', f'{REGISTRATION}{name}', name, is_up)


def _booted(event: Event, data: Mapping[str, Any]) -> Report:
    return Report('asterisk', '', 'Asterisk', True, running_seconds=uptime_in(event))


def _shut_down(event: Event, data: Mapping[str, Any]) -> Report:
    return Report('asterisk', '', 'Asterisk', False)


REGISTRATION = 'registration/'
"""What the ids of trunks begin with that only Asterisk tells of."""

_READERS: dict[str, Callable[[Event, Mapping[str, Any]], Report | None]] = {
    'service_registered': _service(True),
    'service_registered_event': _service(True),
    'service_deregistered': _service(False),
    'service_deregistered_event': _service(False),
    'trunk_status_updated': _endpoint('trunk'),
    'line_status_updated': _endpoint('line'),
    'PeerStatus': _peer,
    'ContactStatus': _contact,
    'Registry': _registration,
    'FullyBooted': _booted,
    'Shutdown': _shut_down,
}
KINDS = {
    'service_registered': 'service',
    'service_registered_event': 'service',
    'service_deregistered': 'service',
    'service_deregistered_event': 'service',
    'trunk_status_updated': 'trunk',
    'line_status_updated': 'line',
    'PeerStatus': 'peer',
    'ContactStatus': 'peer',
    'Registry': 'trunk',
    'FullyBooted': 'asterisk',
    'Shutdown': 'asterisk',
}
"""What kind of part the events are about."""
