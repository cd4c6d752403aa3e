# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Services: they come up with the host, and are restarted now and then."""

from __future__ import annotations

from typing import Any

from wazo_busd.catalogue.publication import Publication
from wazo_busd.demo.day.host import Host, Story
from wazo_busd.demo.day.people import draw_uuid

_PORTS = {'wazo-auth': 9497, 'wazo-calld': 9500, 'wazo-confd': 9486, 'wazo-dird': 9489, 'wazo-plugind': 9503}


def boot(host: Host) -> Story:
    """The host starts: Asterisk, then the services."""
    yield host.say_ami('FullyBooted', {'Uptime': '7', 'LastReload': '7'})
    for service in _PORTS:
        yield host.rng.uniform(0.5, 4)
        yield _register(host, service)


def restart(host: Host) -> Story:
    """A service is restarted."""
    if not host.services:
        return
    service = host.rng.choice(list(host.services))
    said = _service(host, service)
    del host.services[service]
    yield host.say('service_deregistered', said)
    yield host.rng.uniform(2, 15)
    yield _register(host, service)


def _register(host: Host, service: str) -> Publication:
    host.services[service] = draw_uuid(host.rng)
    said = {**_service(host, service), 'address': '192.168.1.42', 'port': _PORTS[service]}
    return host.say('service_registered', said)


def _service(host: Host, service: str) -> dict[str, Any]:
    return {
        'service_name': service,
        'service_id': host.services[service],
        'tags': [service, host.origin, 'Québec'],
    }
