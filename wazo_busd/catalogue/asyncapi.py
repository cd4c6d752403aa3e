# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The catalogue as an AsyncAPI 3 document, for tools that generate code and pages from one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from wazo_busd.catalogue.entry import PLACEHOLDER, Entry, Property
from wazo_busd.catalogue.publication import publication

_DESCRIPTION = (
    'The events that a Wazo host announces, from 2019 to today. Hosts publish on the exchanges xivo (topic) and '
    'wazo-headers (headers, which ignores keys); wazo-busd brings both together on its own topic exchange, wazo-busd, '
    'which the channels name.'
)
_HUB = {'name': 'wazo-busd', 'type': 'topic', 'durable': True, 'autoDelete': False, 'vhost': '/'}
"""Where all events can be had by their keys: hosts publish on two exchanges, one of which ignores keys."""


def asyncapi(entries: Iterable[Entry], version: str) -> dict[str, Any]:
    """An AsyncAPI 3.0 document: a channel for every routing key, a message for every event.

    Args:
        entries: the events; those without a key are left out.
        version: the version of the document.
    """
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for entry in entries:
        keys = dict.fromkeys((*entry.keys, *entry.keys_2019))
        if not keys:
            continue
        name = _identifier(entry.name)
        messages[name] = _message(entry)
        for key in keys:
            channel = channels.setdefault(_identifier(key), _channel(key))
            channel['messages'][name] = {'$ref': f'#/components/messages/{name}'}
            operation = operations.setdefault(
                f'receive_{_identifier(key)}',
                {'action': 'receive', 'channel': {'$ref': f'#/channels/{_identifier(key)}'}, 'messages': []},
            )
            operation['messages'].append({'$ref': f'#/channels/{_identifier(key)}/messages/{name}'})
    return {
        **_head(version),
        'channels': channels,
        'operations': operations,
        'components': {'messages': messages},
    }


def _head(version: str) -> dict[str, Any]:
    return {
        'asyncapi': '3.0.0',
        'info': {
            'title': 'Wazo message bus',
            'version': version,
            'description': _DESCRIPTION,
            'license': {'name': 'GPL-3.0-or-later', 'url': 'https://www.gnu.org/licenses/gpl-3.0.html'},
        },
        'defaultContentType': 'application/json',
        'servers': {
            'wazo': {
                'host': 'localhost:5672',
                'protocol': 'amqp',
                'protocolVersion': '0.9.1',
                'description': 'The RabbitMQ of a Wazo host.',
            }
        },
    }


def _channel(key: str) -> dict[str, Any]:
    parameters = dict.fromkeys(map(_identifier, PLACEHOLDER.findall(key)))
    channel: dict[str, Any] = {
        'address': PLACEHOLDER.sub(lambda match: f'{{{_identifier(match[1])}}}', key),
        'messages': {},
        'bindings': {'amqp': {'is': 'routingKey', 'exchange': _HUB, 'bindingVersion': '0.3.0'}},
    }
    if parameters:
        channel['parameters'] = {
            name: {'description': f'The {name.replace("_", " ")}; a dot in it is written __DOT__ since 2022.'}
            for name in parameters
        }
    return channel


def _message(entry: Entry) -> dict[str, Any]:
    example = publication(entry)
    # The time of the example is no part of the document, which is the same whenever it is made.
    stamp = {'timestamp': '2026-01-31T10:20:30.123456'} if 'timestamp' in example.body else {}
    notes = [f'Also called {", ".join(entry.aliases)}.'] if entry.aliases else []
    notes += [f'No host sends it since Wazo {entry.removed}.'] if entry.removed else []
    return {
        'name': entry.name,
        'title': entry.name,
        'summary': entry.meaning,
        **({'description': ' '.join(notes)} if notes else {}),
        'contentType': 'application/json',
        **({'tags': [{'name': entry.service}]} if entry.service else {}),
        'headers': {
            'type': 'object',
            'properties': {'name': {'type': 'string'}, **{name: _schema(p) for name, p in entry.headers.items()}},
        },
        'payload': _payload(entry),
        'examples': [{'headers': example.headers | stamp, 'payload': example.body | stamp}],
    }


def _payload(entry: Entry) -> dict[str, Any]:
    data: dict[str, Any] = {'type': 'object', 'properties': {name: _schema(p) for name, p in entry.fields.items()}}
    required = [name for name, each in entry.fields.items() if not (each.optional or each.era)]
    if required:
        data['required'] = required
    name: dict[str, Any] = {'type': 'string'}
    if not entry.is_family:
        name['enum'] = [entry.name, *entry.aliases]
    return {
        'type': 'object',
        'properties': {
            'name': name,
            'origin_uuid': {'type': 'string', 'description': 'The Wazo host that sent it.'},
            'required_acl': {'type': ['string', 'null'], 'description': 'The access that a client needs to see it.'},
            'tenant_uuid': {'type': 'string', 'description': 'The tenant; not on hosts of 2019.'},
            'timestamp': {'type': 'string', 'description': 'Local time without a zone; not on hosts of 2019.'},
            'data': data,
        },
        'required': ['name', 'data'],
    }


def _schema(part: Property) -> dict[str, Any]:
    schema: dict[str, Any] = {'type': [part.type, 'null'] if part.nullable else part.type, 'description': part.meaning}
    if part.values:
        schema['enum'] = [*part.values, *([None] if part.nullable else [])]
    return schema


def _identifier(text: str) -> str:
    """`text` in the letters that a key of the document may have."""
    return re.sub(r'[^A-Za-z0-9_]+', '_', text.replace('{', '').replace('}', '').replace(']', '')).strip('_')
