# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Changes and calls, for tests of audit."""

from __future__ import annotations

from typing import Any, Literal

from plugins.audit import AuditTracker, Options
from tests.plugins.trackers.rig import Found, event, run
from wazo_busd.event import Event

ALICE, BOB = '2e752722-0864-4665-887d-a78a024cf7c7', 'a1223fe6-bff8-4fb6-a982-f9157dea5094'
TENANT = 'a623c278-3a94-414b-8830-2ee69a9c1d73'
ABROAD, HOME, PREMIUM = '+442079460000', '+14185550123', '+33899123456'

Era = Literal['now', '2019']


def what(events: list[Event], called: dict[str, str] | None = None, **options: Any) -> list[Found]:
    return run(lambda: AuditTracker(Options.model_validate(options), called, 'CA'), events)


def forward(
    enabled: bool, destination: str | None, at: float, name: str = 'noanswer', user: str = ALICE, era: Era = 'now'
) -> Event:
    said = {'user_uuid': user, 'enabled': enabled, 'destination': destination}
    return event(f'users_forwards_{name}_updated', said, at, era=era)


def service(enabled: bool, at: float, name: str = 'dnd') -> Event:
    return event(f'users_services_{name}_updated', {'user_uuid': ALICE, 'enabled': enabled}, at)


def account(word: str, at: float, user: str = ALICE) -> Event:
    return event(f'auth_user_external_auth_{word}', {'user_uuid': user, 'external_auth_name': 'google'}, at)


def favorite(word: str, at: float) -> Event:
    return event(f'favorite_{word}', {'user_uuid': ALICE, 'source': 'internal', 'source_entry_id': '42'}, at)


def call(at: float, number: str = ABROAD, *, call_id: str = '', user: str | None = ALICE, **more: Any) -> Event:
    said = {'call_id': call_id or f'{at}', 'user_uuid': user, 'is_caller': True, 'dialed_extension': number}
    name = more.pop('name', 'call_created')
    return event(name, {**said, 'direction': 'outbound', **more}, at)


def said(found: Found, *fields: str) -> tuple[Any, ...]:
    return tuple(found.derivation.data[each] for each in fields)


def sentences(found: list[Found]) -> list[str]:
    return [each.derivation.data['sentence'] for each in found]


def risks(found: list[Found]) -> list[Found]:
    return [each for each in found if each.derivation.name == 'busd.guard.risky']
