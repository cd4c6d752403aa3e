# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The AsyncAPI document: its references resolve, its parameters are declared, and its examples fit their schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from wazo_busd import catalogue
from wazo_busd.catalogue.asyncapi import asyncapi

ENTRIES = catalogue.entries()
DOCUMENT: dict[str, Any] = json.loads(json.dumps(asyncapi(ENTRIES, '1.2.3')))
MESSAGES: dict[str, Any] = DOCUMENT['components']['messages']

_TYPES: dict[str, tuple[type, ...]] = {
    'string': (str,),
    'integer': (int,),
    'number': (int, float),
    'boolean': (bool,),
    'object': (dict,),
    'array': (list,),
    'null': (type(None),),
}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get('$ref'), str):
            yield value['$ref']
        yield from (each for child in value.values() for each in references(child))
    elif isinstance(value, list):
        yield from (each for child in value for each in references(child))


def resolved(reference: str) -> Any:
    """What a reference points at; `None` if that is nothing."""
    start, *parts = reference.split('/')
    found: Any = DOCUMENT if start == '#' else None
    for part in parts:
        found = found.get(part.replace('~1', '/').replace('~0', '~')) if isinstance(found, dict) else None
    return found


def misfits(schema: dict[str, Any], value: Any, place: str = '') -> Iterator[str]:
    """Where a value does not fit a schema, for the words of JSON Schema that the document uses."""
    assert schema.keys() <= {'type', 'description', 'enum', 'properties', 'required'}
    types = [schema['type']] if isinstance(schema['type'], str) else schema['type']
    fits = any(
        isinstance(value, _TYPES[each]) and not (isinstance(value, bool) and each in ('integer', 'number'))
        for each in types
    )
    if not fits:
        yield f'{place} is {value!r}, not {types}'
    if 'enum' in schema and value not in schema['enum']:
        yield f'{place} is {value!r}, none of {schema["enum"]}'
    if isinstance(value, dict):
        yield from (f'{place}.{name} is missing' for name in schema.get('required', ()) if name not in value)
        for name, part in schema.get('properties', {}).items():
            if name in value:
                yield from misfits(part, value[name], f'{place}.{name}')


def test_the_checker_finds_what_does_not_fit() -> None:
    schema = {
        'type': 'object',
        'properties': {'a': {'type': 'integer'}, 'b': {'type': ['string', 'null'], 'enum': ['x', None]}},
        'required': ['c'],
    }

    assert list(misfits(schema, {'a': True, 'b': 'y'})) == [
        '.c is missing',
        ".a is True, not ['integer']",
        ".b is 'y', none of ['x', None]",
    ]


def test_it_is_an_asyncapi_3_document() -> None:
    assert (DOCUMENT['asyncapi'], DOCUMENT['info']['version'], sorted(DOCUMENT)) == (
        '3.0.0',
        '1.2.3',
        ['asyncapi', 'channels', 'components', 'defaultContentType', 'info', 'operations', 'servers'],
    )


def test_it_is_the_same_whenever_it_is_made() -> None:
    assert json.loads(json.dumps(asyncapi(ENTRIES, '1.2.3'))) == DOCUMENT


def test_every_reference_resolves() -> None:
    found = list(references(DOCUMENT))

    assert (len(found) > len(MESSAGES), [each for each in found if resolved(each) is None]) == (True, [])


def test_every_event_with_a_key_has_a_message_of_its_own() -> None:
    wanted = sorted(entry.name for entry in ENTRIES if entry.routing_keys)

    assert sorted(message['name'] for message in MESSAGES.values()) == wanted


def test_every_key_has_a_channel_of_its_own() -> None:
    keys = {key for entry in ENTRIES for key in (*entry.keys, *entry.keys_2019)}

    assert len(DOCUMENT['channels']) == len(keys)


@pytest.mark.parametrize('name', ['call_created', 'service_deregistered', 'fax_outbound_failed', 'QueueMemberStatus'])
def test_an_event_is_on_the_channel_of_each_of_its_keys(name: str) -> None:
    entry = catalogue.find(name)
    found = {channel['address'] for channel in DOCUMENT['channels'].values() if name in channel['messages']}

    assert entry
    assert found == {*entry.keys, *entry.keys_2019}


def test_an_address_has_the_words_of_its_key() -> None:
    keys = {key for entry in ENTRIES for key in (*entry.keys, *entry.keys_2019)}
    addresses = [channel['address'] for channel in DOCUMENT['channels'].values()]
    plain = sorted(re.sub(r'\{[^}]*\}', '{}', each) for each in addresses)

    assert plain == sorted(re.sub(r'\{[^}]*\}', '{}', each) for each in keys)


def test_every_parameter_of_an_address_is_declared_and_no_other() -> None:
    wrong = [
        channel['address']
        for channel in DOCUMENT['channels'].values()
        if set(re.findall(r'\{([A-Za-z0-9_-]+)\}', channel['address'])) != set(channel.get('parameters', {}))
        or channel['address'].count('{') != len(channel.get('parameters', {}))
    ]

    assert wrong == []


def test_every_identifier_has_letters_that_are_allowed() -> None:
    names = [*DOCUMENT['channels'], *DOCUMENT['operations'], *MESSAGES]

    assert [name for name in names if not re.fullmatch(r'[A-Za-z0-9_]+', name)] == []


def test_every_operation_receives_the_messages_of_its_channel() -> None:
    wrong = []
    for name, operation in DOCUMENT['operations'].items():
        reference = operation['channel']['$ref']
        wanted = {f'{reference}/messages/{message}' for message in resolved(reference)['messages']}
        if operation['action'] != 'receive' or {each['$ref'] for each in operation['messages']} != wanted:
            wrong.append(name)

    assert (len(DOCUMENT['operations']), wrong) == (len(DOCUMENT['channels']), [])


@pytest.mark.parametrize('part', ['payload', 'headers'])
def test_every_example_fits_its_schema(part: str) -> None:
    wrong = [
        f'{name}{misfit}'
        for name, message in MESSAGES.items()
        for example in message['examples']
        for misfit in misfits(message[part], example[part])
    ]

    assert wrong == []


def test_every_message_has_an_example() -> None:
    assert [name for name, message in MESSAGES.items() if len(message['examples']) != 1] == []


def test_an_example_has_a_fixed_time() -> None:
    times = {message['examples'][0]['payload'].get('timestamp') for message in MESSAGES.values()}

    assert times == {'2026-01-31T10:20:30.123456'}


def test_a_message_tells_its_other_names_and_its_end() -> None:
    told = [MESSAGES[name]['description'] for name in ('auth_tenant_added', 'call_form_result')]

    assert told == ['Also called auth_tenant_created.', 'No host sends it since Wazo 19.04.']


def test_both_names_of_an_event_fit_its_schema() -> None:
    assert MESSAGES['service_registered']['payload']['properties']['name']['enum'] == [
        'service_registered',
        'service_registered_event',
    ]


def test_a_family_takes_any_name() -> None:
    assert MESSAGES['ami_event']['payload']['properties']['name'] == {'type': 'string'}


def test_a_field_that_not_every_host_sends_is_not_required() -> None:
    data = MESSAGES['call_created']['payload']['properties']['data']

    assert ('call_id' in data['required'], 'sip_call_id' in data['required']) == (True, False)
