# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Parts of hosts that say that they are up or down, for tests of availability."""

from __future__ import annotations

from typing import Any, Literal

from plugins.availability import AvailabilityTracker, Options
from tests.plugins.trackers.rig import Found, event, run
from wazo_busd.event import Event

A, B = 'e3e70682-c209-4cac-a29f-6fbed82c07cd', 'ba8982dd-85e6-4ea9-9b66-bfda2df96747'
OTHER_TENANT = 'a623c278-3a94-414b-8830-2ee69a9c1d73'
ALL: dict[str, Any] = {'watch': ['asterisk', 'service', 'trunk', 'plugin', 'line', 'peer']}

Era = Literal['now', '2019']


def tracker(**options: Any) -> AvailabilityTracker:
    return AvailabilityTracker(Options.model_validate({**ALL, **options}))


def what(events: list[Event], **options: Any) -> list[Found]:
    return run(lambda: tracker(**options), events)


def service(
    is_up: bool,
    at: float,
    name: str = 'wazo-calld',
    *,
    origin: str = A,
    instance: str = '',
    port: int = 9500,
    **more: Any,
) -> Event:
    said: dict[str, Any] = {'service_name': name, 'service_id': instance, 'tags': []}
    said |= {'address': '192.0.2.5', 'port': port} if is_up else {}
    return event('service_registered' if is_up else 'service_deregistered', said, at, origin_uuid=origin, **more)


def trunk(is_up: bool | None, at: float, number: int = 3, *, origin: str = A, **more: Any) -> Event:
    said = {'id': number, 'technology': 'sip', 'name': f'carrier{number}', 'registered': is_up, 'current_call_count': 0}
    return event('trunk_status_updated', said, at, origin_uuid=origin, **more)


def line(is_up: bool, at: float, number: int = 1, *, origin: str = A, **more: Any) -> Event:
    said = {'id': number, 'technology': 'sip', 'name': f'phone{number}', 'registered': is_up, 'current_call_count': 0}
    return event('line_status_updated', said, at, origin_uuid=origin, **more)


def peer(is_up: bool, at: float, name: str = 'abc', *, origin: str = A, **more: Any) -> Event:
    said = {'Peer': f'PJSIP/{name}', 'PeerStatus': 'Reachable' if is_up else 'Unreachable', 'ChannelType': 'PJSIP'}
    return event('PeerStatus', said, at, origin_uuid=origin, **more)


def registry(status: str, at: float, *, origin: str = A) -> Event:
    said = {'ChannelType': 'PJSIP', 'Username': 'sip:acme@example.com', 'Domain': 'sip:example.com', 'Status': status}
    return event('Registry', said, at, origin_uuid=origin)


def step(status: str, at: float, *, action: str = 'install', errors: Any = None, era: Era = 'now') -> Event:
    said = {'uuid': '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2', 'status': status}
    errors = {} if errors is None else {'errors': errors}
    return event(f'plugin_{action}_progress', {**said, **errors}, at, era=era, origin_uuid=A)


def said(found: Found, *fields: str) -> tuple[Any, ...]:
    return tuple(found.derivation.data[each] for each in fields)


def words(found: list[Found]) -> list[tuple[str, ...]]:
    return [(each.derivation.name.rpartition('.')[2], *said(each, 'name')) for each in found]
