# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The change: what one event says that was changed, and how it is from now on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from wazo_busd.api import Event

from ..tracking.said import data_of, text, uuid

State = Mapping[str, Any]
"""How something is, as far as events say it."""


@dataclass(slots=True)
class Change:
    """What one event says.

    Attributes:
        what: `tenant`, `user`, `external_auth`, `forward`, `service` or `favorite`.
        name: which one of that kind the subject has: `noanswer`, `dnd`, `google`; `''` where there is one only.
        subject_uuid: the user or tenant.
        tenant_uuid: the tenant; `None` where that is not known.
        verb: what was done, in a word; `''` where that follows from before and after.
        after: what it says of how that is from now on.
        is_blind: whether it says that something was changed, and not what.
    """

    what: str
    name: str
    subject_uuid: str
    tenant_uuid: str | None
    verb: str
    after: State
    is_blind: bool = False

    @property
    def key(self) -> str:
        """What was changed, among all that can be."""
        return f'{self.subject_uuid}/{self.what}/{self.name}'


def change_in(event: Event) -> Change | None:
    """What an event says; `None` if it says nothing that is understood.

    Args:
        event: the event; any part of it can be missing or of the wrong type.
    """
    reader = READERS.get(event.name)
    return None if reader is None else reader(event, data_of(event))


Reader = Callable[[Event, Mapping[str, Any]], Change | None]


def _tenant(verb: str, *, exists: bool = True) -> Reader:
    def read(event: Event, data: Mapping[str, Any]) -> Change | None:
        subject = uuid(data.get('uuid')) or uuid(event.tenant_uuid)
        if subject is None:
            return None
        name = {'name': text(data.get('name')) or None} if exists and 'name' in data else {}
        return Change('tenant', '', subject, subject, verb, {'exists': exists, **name})

    return read


def _user(verb: str, *, exists: bool = True, is_blind: bool = False) -> Reader:
    def read(event: Event, data: Mapping[str, Any]) -> Change | None:
        subject, number = uuid(data.get('uuid')), data.get('id')
        if subject is None:
            return None
        # Only numbers have a text that is they themselves.
        has_number = exists and isinstance(number, int) and text(number) == str(number)
        after = {'exists': exists, **({'id': number} if has_number else {})}
        return Change('user', '', subject, uuid(event.tenant_uuid), verb, after, is_blind)

    return read


def _external(verb: str, *, is_blind: bool = False, **after: bool) -> Reader:
    def read(event: Event, data: Mapping[str, Any]) -> Change | None:
        subject, name = uuid(data.get('user_uuid')), text(data.get('external_auth_name'))
        if subject is None or not name:
            return None
        return Change('external_auth', name, subject, uuid(event.tenant_uuid), verb, after, is_blind)

    return read


def _forward(name: str) -> Reader:
    def read(event: Event, data: Mapping[str, Any]) -> Change | None:
        subject, is_on = uuid(data.get('user_uuid')), data.get('enabled')
        if subject is None or not isinstance(is_on, bool):
            return None
        after = {'enabled': is_on, 'destination': text(data.get('destination')) or None}
        return Change('forward', name, subject, uuid(event.tenant_uuid), '', after)

    return read


def _service(name: str) -> Reader:
    def read(event: Event, data: Mapping[str, Any]) -> Change | None:
        subject, is_on = uuid(data.get('user_uuid')), data.get('enabled')
        if subject is None or not isinstance(is_on, bool):
            return None
        return Change('service', name, subject, uuid(event.tenant_uuid), '', {'enabled': is_on})

    return read


def _favorite(verb: str, *, is_one: bool) -> Reader:
    def read(event: Event, data: Mapping[str, Any]) -> Change | None:
        subject, entry = uuid(data.get('user_uuid')), text(data.get('source_entry_id'), 100)
        if subject is None or not entry:
            return None
        name = f'{entry} of {text(data.get("source"), 90) or "a directory"}'
        return Change('favorite', name, subject, uuid(event.tenant_uuid), verb, {'favorite': is_one})

    return read


READERS: dict[str, Reader] = {
    'auth_tenant_added': _tenant('created'),
    'auth_tenant_created': _tenant('created'),
    'auth_tenant_updated': _tenant('edited'),
    'auth_tenant_deleted': _tenant('deleted', exists=False),
    'user_created': _user('created'),
    'user_edited': _user('edited', is_blind=True),
    'user_deleted': _user('deleted', exists=False),
    'auth_user_external_auth_added': _external('added', linked=True, authorized=False),
    'auth_user_external_auth_authorized': _external('authorized', linked=True, authorized=True),
    'auth_user_external_auth_updated': _external('edited', linked=True, is_blind=True),
    'auth_user_external_auth_deleted': _external('deleted', linked=False, authorized=False),
    'favorite_added': _favorite('added', is_one=True),
    'favorite_deleted': _favorite('deleted', is_one=False),
    **{f'users_forwards_{name}_updated': _forward(name) for name in ('busy', 'noanswer', 'unconditional')},
    **{f'users_services_{name}_updated': _service(name) for name in ('dnd', 'incallfilter')},
}
"""How the events are read, by their names of then and now."""
