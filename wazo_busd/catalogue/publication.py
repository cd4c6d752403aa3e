# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The publication: an event of the catalogue with everything around it, as a host sends it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from wazo_busd.catalogue.entry import PLACEHOLDER, Entry, Property
from wazo_busd.event import ALL_USERS

Era = Literal['now', '2019']
ERAS: tuple[Era, ...] = ('now', '2019')

ORIGIN = 'ca7f87e9-c2c8-5fad-ba1b-c3140ebb9be3'
TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
USER = '2e752722-0864-4665-887d-a78a024cf7c7'

_OTHER_UUID = '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2'
_DEFAULTS = {
    'tenant_uuid': TENANT,
    'user_uuid': USER,
    'name': 'default',
    'status': 'completed',
    'forward_name': 'busy',
    'service_name': 'dnd',
}
_SAMPLES: dict[str, Any] = {
    'string': 'text',
    'integer': 1,
    'number': 1.5,
    'boolean': True,
    'object': {},
    'array': [],
}
_ESCAPES = {'.': '__DOT__', '#': '__HASH__', '*': '__STAR__'}
_ESCAPED = re.compile(r'[.#*]')
_WITHOUT_ACL_2019 = {'amid', 'confd', ''}
_WITH_ACL_2019 = ('users_forwards_', 'users_services_')


@dataclass(frozen=True, slots=True)
class Publication:
    """What a host gives to the broker.

    Attributes:
        exchange: the exchange.
        routing_key: the key.
        headers: the AMQP headers.
        body: the body, before it becomes JSON.
    """

    exchange: str
    routing_key: str
    headers: dict[str, Any]
    body: dict[str, Any]


def example(entry: Entry, era: Era = 'now') -> dict[str, Any]:
    """A complete `data` of an event, as a host of an era sends it.

    Args:
        entry: the event.
        era: which hosts.
    """
    if era == '2019' and entry.example_2019 is not None:
        return deepcopy(entry.example_2019)
    if entry.example is not None:
        # It is of a host of today; what came later is not in that of 2019.
        late = {name for name, field in entry.fields.items() if field.era == 'now' and era == '2019'}
        return {name: deepcopy(value) for name, value in entry.example.items() if name not in late}
    data: dict[str, Any] = {}
    for name, field in entry.fields.items():
        if field.era in (None, era):
            data[name] = _sample(name, field)
    return data


def publication(
    entry: Entry,
    data: Mapping[str, Any] | None = None,
    *,
    name: str = '',
    era: Era = 'now',
    exchange: str | None = None,
    key: str | None = None,
    users: Iterable[str] | None = None,
    tenant: str | None = None,
    origin: str = ORIGIN,
    at: datetime | None = None,
    more: Mapping[str, Any] | None = None,
) -> Publication:
    """An event as a host of an era sends it: headers, body and key as in Wazo's own library.

    Args:
        entry: the event.
        data: what it says; the complete example if `None`.
        name: what the event is called, if not as that era calls it: an alias, or one of a family.
        era: whether a host of today or of around 19.05 sends it.
        exchange: where it is published; where that era's service does if `None`.
        key: which of the entry's keys, with its placeholders; that of the era if `None`.
        users: the users it concerns; the one in `data`, else one of the examples, if `None`.
        tenant: the tenant it concerns; that of `data`, else the one of the examples, if `None`.
        origin: the host that sends it.
        at: when it happened, in local time; now if `None`.
        more: headers and top-level keys of its own beside those that are known from `data`.
    """
    said = example(entry, era) if data is None else dict(data)
    own = {name: _found(entry, said, name, _sample(name, field)) for name, field in entry.headers.items()}
    own |= more or {}
    concerned = _users(entry, said, users)
    whose = tenant or _tenant(entry, said)
    fills = {'tenant_uuid': whose, 'user_uuid': next(iter(concerned), USER)}
    fills = {**{key: value for key, value in fills.items() if key not in said}, **own}
    name = name or _name(entry, era, {**said, **fills})
    routing_key = fill(key or _key(entry, era), said, fills, name=name, era=era)
    # Of a channel without a user, Wazo's library writes the word None.
    nobody = {} if concerned else {'user_uuid': 'None'}
    acl = fill(entry.acl, said, fills | nobody, name=name, era=era) if entry.acl else entry.acl
    if nobody and era == '2019' and entry.null_acl_2019:
        acl = None
    required = {'required_acl': f'events.{routing_key}' if acl == '' else acl}
    metadata: dict[str, Any] = {'name': name, 'origin_uuid': origin}
    of_users = {f'user_uuid:{uuid}': True for uuid in concerned}
    if era == '2019':
        metadata |= required if has_acl_2019(entry) else {}
        of_users = of_users or _nobody_2019(entry)
        return Publication(exchange or 'xivo', routing_key, {**metadata, **of_users}, {**metadata, 'data': said})
    metadata |= {
        'timestamp': (at or datetime.now()).isoformat(),  # noqa: DTZ005 — without a zone, as services send it
        **required,
        'required_access': f'event.{name}',
        **own,
        **({} if entry.scope == 'service' else {'tenant_uuid': whose}),
        **({ALL_USERS: True} if entry.scope == 'tenant' else {}),
        **of_users,
    }
    exchange = exchange or ('xivo' if entry.service == 'auth' else 'wazo-headers')
    return Publication(exchange, routing_key, metadata, {**metadata, 'data': said})


def fill(
    template: str, data: Mapping[str, Any], more: Mapping[str, Any] | None = None, *, name: str = '', era: Era = 'now'
) -> str:
    """A routing key or an access with its placeholders filled.

    Args:
        template: with placeholders, as in `faxes.outbound.{id}.failed` or `applications.{call[id]}`.
        data: what the event says, where the values are looked for.
        more: further values, which come first.
        name: the name of the event, which `{name}` of an AMI key stands for.
        era: hosts of today write `__DOT__`, `__HASH__` and `__STAR__` for what would end or stand for words; those of
            2019 did not.
    """

    def value(match: re.Match[str]) -> str:
        text = str(_value(match[1], data, more or {}, name))
        return text if era == '2019' else _ESCAPED.sub(lambda each: _ESCAPES[each[0]], text)

    return PLACEHOLDER.sub(value, template)


def has_acl_2019(entry: Entry) -> bool:
    """Whether hosts of 2019 named an access: of AMI, services and the configuration only for what users change."""
    return bool(entry.acl) or entry.service not in _WITHOUT_ACL_2019 or entry.name.startswith(_WITH_ACL_2019)


def _value(placeholder: str, data: Mapping[str, Any], more: Mapping[str, Any], name: str) -> Any:
    if placeholder in more:
        return more[placeholder]
    if placeholder == 'name' and name:
        return name
    value: Any = data
    for part in placeholder.replace(']', '').split('['):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, (Mapping, list)):
        # `{group_id}` of a group is its `id`.
        value = data.get('id') if placeholder.endswith('_id') else None
    if value is None or isinstance(value, (Mapping, list)):
        value = _DEFAULTS.get(placeholder, _OTHER_UUID if 'uuid' in placeholder else '1')
    return value


def _nobody_2019(entry: Entry) -> dict[str, bool]:
    """The header that a call without a user had."""
    return {'user_uuid:None': True} if entry.acl and '{user_uuid}' in entry.acl else {}


def _key(entry: Entry, era: Era) -> str:
    keys = (entry.keys_2019 or entry.keys) if era == '2019' else (entry.keys or entry.keys_2019)
    return (keys or entry.keys_page)[0]


def _name(entry: Entry, era: Era, values: Mapping[str, Any]) -> str:
    if entry.is_family:
        # An event of AMI has its name in its data too.
        values = {'ami_event': values.get('Event', 'Example'), **values}
        return PLACEHOLDER.sub(lambda match: str(values.get(match[1], _DEFAULTS.get(match[1], 'Example'))), entry.name)
    return entry.name_2019 if era == '2019' and entry.name_2019 else entry.name


def _tenant(entry: Entry, data: Mapping[str, Any]) -> str:
    is_tenant = any(key.startswith('auth.tenants.') for key in entry.keys)
    said = data.get('tenant_uuid', data.get('uuid') if is_tenant else None)
    return said if isinstance(said, str) and said else TENANT


def _users(entry: Entry, data: Mapping[str, Any], users: Iterable[str] | None) -> tuple[str, ...]:
    if users is not None:
        return tuple(users)
    if entry.scope not in ('user', 'users'):
        return ()
    said = data.get('user_uuid', data.get('initiator', USER))
    return (said,) if isinstance(said, str) and said else ()


def _found(entry: Entry, data: Mapping[str, Any], header: str, otherwise: Any) -> Any:
    """What a header of an event is by its data: of the same name, of the thing of that name, or of the thing itself."""
    noun, _, kind = header.rpartition('_')
    thing = data.get(noun)
    if header in data:
        return data[header]
    if isinstance(thing, Mapping) and kind in thing:
        return thing[kind]
    return data.get(kind, otherwise) if noun in entry.name else otherwise


def _sample(name: str, field: Property) -> Any:
    if field.values:
        return field.values[0]
    if field.type == 'string':
        return _DEFAULTS.get(name, _OTHER_UUID if name.endswith('uuid') else _SAMPLES['string'])
    return _SAMPLES[field.type]
