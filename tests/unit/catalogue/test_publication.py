# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The publication: headers, body, key and exchange as a host of either era sends them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd import catalogue
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.publication import ERAS, ORIGIN, TENANT, USER, Era, Publication, example, fill, publication
from wazo_busd.codec import Limits, decode, encode
from wazo_busd.event import Event

ENTRIES = [entry for entry in catalogue.entries() if entry.routing_keys]
AT = datetime(2026, 1, 31, 10, 20, 30, 123456)  # noqa: DTZ001 — without a zone, as services send it
OTHER_USER = 'a1223fe6-bff8-4fb6-a982-f9157dea5094'
OTHER_TENANT = '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2'


def entry(name: str) -> Entry:
    found = catalogue.find(name)
    assert found, name
    return found


def made(event: str, /, *arguments: Any, **more: Any) -> Publication:
    return publication(entry(event), *arguments, **more)


def arrived(sent: Publication) -> Event:
    return decode(
        encode(sent.body),
        headers=sent.headers,
        routing_key=sent.routing_key,
        exchange=sent.exchange,
        received_at=0.0,
        redelivered=False,
        limits=Limits(),
    )


# ---- the shape of today


def test_a_host_of_today_sends_all_this() -> None:
    sent = made('call_held', at=AT)
    headers = {
        'name': 'call_held',
        'origin_uuid': ORIGIN,
        'timestamp': '2026-01-31T10:20:30.123456',
        'required_acl': f'events.calls.{USER}',
        'required_access': 'event.call_held',
        'tenant_uuid': TENANT,
        f'user_uuid:{USER}': True,
    }

    assert sent == Publication(
        'wazo-headers', 'calls.hold.created', headers, {**headers, 'data': example(entry('call_held'))}
    )


@pytest.mark.parametrize(
    ('name', 'keys'),
    [
        ('QueueMemberStatus', set()),
        ('service_registered', set()),
        ('fax_outbound_created', {'tenant_uuid', 'user_uuid:*'}),
        ('call_created', {'tenant_uuid', f'user_uuid:{USER}'}),
        ('agent_status_update', {'tenant_uuid', f'user_uuid:{USER}'}),
        ('conference_participant_muted', {'tenant_uuid', 'user_uuid:*', 'conference_id'}),
        ('users_forwards_busy_updated', {'tenant_uuid', f'user_uuid:{OTHER_USER}', 'forward_name'}),
    ],
)
def test_the_scope_decides_the_headers(name: str, keys: set[str]) -> None:
    usual = {'name', 'origin_uuid', 'timestamp', 'required_acl', 'required_access'}

    assert made(name).headers.keys() - usual == keys


def test_the_body_of_today_is_the_headers_and_the_data() -> None:
    sent = [(each, publication(each, at=AT)) for each in ENTRIES]

    assert [each.name for each, made in sent if made.body != {**made.headers, 'data': example(each)}] == []


@pytest.mark.usefixtures('noon')
def test_the_time_is_that_of_the_publication() -> None:
    before = datetime.now()  # noqa: DTZ005 — without a zone, as services send it
    said = datetime.fromisoformat(made('call_created').headers['timestamp'])

    assert before <= said <= datetime.now()  # noqa: DTZ005


def test_a_header_of_an_event_is_found_in_its_data() -> None:
    assert made('conference_participant_joined', {'conference_id': 7}).headers['conference_id'] == 7


def test_more_headers_come_at_the_top_level_too() -> None:
    sent = made('call_created', more={'room_uuid': 'abc'})

    assert (sent.headers['room_uuid'], sent.body['room_uuid']) == ('abc', 'abc')


# ---- the shape of 2019


def test_a_host_of_2019_sends_all_this() -> None:
    sent = made('call_created', era='2019')
    metadata = {'name': 'call_created', 'origin_uuid': ORIGIN, 'required_acl': f'events.calls.{USER}'}

    assert sent == Publication(
        'xivo',
        'calls.call.created',
        {**metadata, f'user_uuid:{USER}': True},
        {**metadata, 'data': example(entry('call_created'), '2019')},
    )


def test_the_body_of_2019_has_four_keys_at_most() -> None:
    keys = {key for each in ENTRIES for key in publication(each, era='2019').body}

    assert keys == {'name', 'origin_uuid', 'required_acl', 'data'}


@pytest.mark.parametrize(
    ('name', 'named'),
    [
        ('Hangup', False),
        ('QueueMemberStatus', False),
        ('user_created', False),
        ('extension_created', False),
        ('service_registered', False),
        ('users_forwards_busy_updated', True),
        ('users_services_dnd_updated', True),
        ('fax_outbound_failed', True),
        ('auth_tenant_deleted', True),
        ('agent_status_update', True),
        ('call_form_result', True),
    ],
)
def test_ami_services_and_the_configuration_named_no_access_in_2019(name: str, named: bool) -> None:
    sent = made(name, era='2019')

    assert ('required_acl' in sent.headers, 'required_acl' in sent.body) == (named, named)


@pytest.mark.parametrize(
    ('name', 'called'),
    [
        ('service_registered', 'service_registered_event'),
        ('service_deregistered', 'service_deregistered_event'),
        ('auth_tenant_added', 'auth_tenant_added'),
    ],
)
def test_2019_calls_an_event_by_its_name_of_then(name: str, called: str) -> None:
    sent = made(name, era='2019')

    assert (sent.headers['name'], sent.body['name']) == (called, called)


def test_what_came_after_2019_is_not_in_its_data() -> None:
    late = {name for name, field in entry('QueueMemberStatus').fields.items() if field.era == 'now'}

    assert (bool(late), late & made('QueueMemberStatus', era='2019').body['data'].keys()) == (True, set())


# ---- the exchange


@pytest.mark.parametrize(
    ('service', 'exchange'),
    [('auth', 'xivo'), *((each, 'wazo-headers') for each in sorted({entry.service for entry in ENTRIES} - {'auth'}))],
)
def test_wazo_auth_alone_publishes_on_xivo_today(service: str, exchange: str) -> None:
    assert {publication(each).exchange for each in ENTRIES if each.service == service} == {exchange}


def test_all_published_on_xivo_in_2019() -> None:
    assert {publication(each, era='2019').exchange for each in ENTRIES} == {'xivo'}


@pytest.mark.parametrize('era', ERAS)
def test_another_exchange_can_be_named(era: Era) -> None:
    assert made('call_created', era=era, exchange='elsewhere').exchange == 'elsewhere'


# ---- the key


@pytest.mark.parametrize(
    ('name', 'era', 'key'),
    [
        ('fax_outbound_failed', 'now', 'faxes.outbound.1777629422__DOT__89.failed'),
        ('fax_outbound_failed', '2019', 'faxes.outbound.1777629422.89.failed'),
        ('relocate_completed', 'now', 'calls.relocate.edited'),
        ('relocate_completed', '2019', 'calls.relocate.edited'),
        ('conference_participant_unmuted', 'now', 'conferences.1.particpants.mute'),
        ('conference_participant_unmuted', '2019', 'conferences.1.participants.mute'),
        ('service_deregistered', 'now', 'service.registered.wazo-dird'),
        ('service_deregistered', '2019', 'service.deregistered.wazo-dird'),
        ('auth_tenant_added', 'now', f'auth.tenants.{TENANT}.created'),
        ('users_forwards_busy_updated', 'now', f'config.users.{OTHER_USER}.forwards.busy.updated'),
        ('QueueMemberStatus', 'now', 'ami.QueueMemberStatus'),
        ('call_form_result', '2019', 'call_form_result'),
    ],
)
def test_the_key_is_that_of_the_era(name: str, era: Era, key: str) -> None:
    assert made(name, era=era).routing_key == key


@pytest.mark.parametrize('era', ERAS)
def test_every_placeholder_is_filled(era: Era) -> None:
    sent = [publication(each, era=era) for each in ENTRIES]
    texts = [text for each in sent for text in (each.routing_key, each.headers['name'], *each.headers)]
    accesses = [str(each.headers.get('required_acl')) for each in sent]

    assert [text for text in (*texts, *accesses) if '{' in text or '}' in text] == []


@pytest.mark.parametrize('era', ERAS)
def test_every_event_is_published_on_a_key_that_it_comes_on(era: Era) -> None:
    hosts = [each for each in ENTRIES if not (each.removed and era == 'now')]

    assert [each.name for each in hosts if not each.comes_on(publication(each, era=era).routing_key)] == []


def test_a_key_can_be_chosen_among_those_of_the_entry() -> None:
    assert made('fax_outbound_failed', key='faxes.outbound.failed').routing_key == 'faxes.outbound.failed'


def test_a_chosen_key_is_filled_as_any_other() -> None:
    assert made('fax_outbound_failed', key='mine.{id}').routing_key == 'mine.1777629422__DOT__89'


def test_an_id_of_what_the_data_is_about_is_its_id() -> None:
    assert fill('config.groups.{group_id}.updated', {'id': 7}) == 'config.groups.7.updated'


def test_a_value_inside_a_value_is_found() -> None:
    assert fill('x.{call[id]}', {'call': {'id': '1.2'}}) == 'x.1__DOT__2'


@pytest.mark.parametrize('data', [{}, {'call': None}, {'call': 'x'}, {'call': {}}, {'call': {'id': None}}])
def test_a_value_that_is_not_there_is_made_up(data: dict[str, Any]) -> None:
    assert fill('x.{call[id]}.y', data) == 'x.1.y'


@given(st.text())
def test_today_a_value_is_one_word_of_the_key(value: str) -> None:
    words = fill('a.{id}.b', {'id': value}).split('.')

    assert (words[0], words[-1], len(words), any(each in words[1] for each in '.*#')) == ('a', 'b', 3, False)


@given(st.text())
def test_in_2019_a_value_is_in_the_key_as_it_is(value: str) -> None:
    assert fill('a.{id}.b', {'id': value}, era='2019') == f'a.{value}.b'


def test_an_escape_is_told_by_the_letter_that_it_stands_for() -> None:
    assert fill('{id}', {'id': 'a.b#c*d'}) == 'a__DOT__b__HASH__c__STAR__d'


# ---- users and tenants


@pytest.mark.parametrize('era', ERAS)
def test_the_user_is_the_one_in_the_data(era: Era) -> None:
    sent = made('call_held', {'call_id': '1.2', 'user_uuid': OTHER_USER}, era=era)

    assert arrived(sent).user_uuids == (OTHER_USER,)


@pytest.mark.parametrize('era', ERAS)
def test_several_users_have_a_header_each(era: Era) -> None:
    sent = made('agent_status_update', era=era, users=[USER, OTHER_USER])

    assert {key for key in sent.headers if key.startswith('user_uuid:')} == {
        f'user_uuid:{USER}',
        f'user_uuid:{OTHER_USER}',
    }


@pytest.mark.parametrize('era', ERAS)
def test_the_initiator_of_a_relocation_is_its_user(era: Era) -> None:
    sent = made('relocate_initiated', {'initiator': OTHER_USER}, era=era)

    assert f'user_uuid:{OTHER_USER}' in sent.headers


@pytest.mark.parametrize('era', ERAS)
def test_the_access_of_a_call_without_a_user_ends_in_none(era: Era) -> None:
    data = {**example(entry('call_created'), era), 'user_uuid': None}

    assert made('call_created', data, era=era).headers['required_acl'] == 'events.calls.None'


@pytest.mark.parametrize(('era', 'header'), [('now', []), ('2019', ['user_uuid:None'])])
def test_a_call_without_a_user_had_a_header_of_nobody_in_2019(era: Era, header: list[str]) -> None:
    sent = made('call_created', era=era, users=[])

    assert [key for key in sent.headers if key.startswith('user_uuid:')] == header


@pytest.mark.parametrize('era', ERAS)
def test_a_call_without_a_user_concerns_nobody(era: Era) -> None:
    data = {**example(entry('call_created'), era), 'user_uuid': None}

    assert arrived(made('call_created', data, era=era)).user_uuids == ()


@pytest.mark.parametrize('entry', ENTRIES, ids=lambda each: each.name)
def test_what_is_for_a_whole_tenant_is_for_all_users_today(entry: Entry) -> None:
    of_all = entry.scope == 'tenant'
    sent = publication(entry)

    assert ('user_uuid:*' in sent.headers, sent.body.get('user_uuid:*')) == (of_all, True if of_all else None)


def test_nothing_was_for_all_users_in_2019() -> None:
    assert [each.name for each in ENTRIES if 'user_uuid:*' in publication(each, era='2019').headers] == []


def test_what_is_for_all_users_can_name_some_beside() -> None:
    sent = made('fax_outbound_created', users=[OTHER_USER])

    assert [key for key in sent.headers if key.startswith('user_uuid:')] == ['user_uuid:*', f'user_uuid:{OTHER_USER}']


def test_the_tenant_is_in_header_body_and_key() -> None:
    sent = made('auth_tenant_deleted', {'uuid': OTHER_TENANT}, tenant=OTHER_TENANT)

    assert (sent.headers['tenant_uuid'], sent.body['tenant_uuid'], sent.routing_key) == (
        OTHER_TENANT,
        OTHER_TENANT,
        f'auth.tenants.{OTHER_TENANT}.deleted',
    )


def test_the_origin_can_be_another_host() -> None:
    assert made('call_created', origin='other').headers['origin_uuid'] == 'other'


# ---- the access


@pytest.mark.parametrize('era', ERAS)
def test_the_access_is_events_and_the_key_where_none_is_known(era: Era) -> None:
    sent = [publication(each, era=era) for each in ENTRIES if each.acl == '']

    assert [
        each for each in sent if each.headers.get('required_acl', '') not in ('', f'events.{each.routing_key}')
    ] == []


def test_every_event_of_today_tells_its_access() -> None:
    assert [each.name for each in ENTRIES if 'required_acl' not in publication(each).headers] == []


@pytest.mark.parametrize(
    ('name', 'access'),
    [
        ('agent_status_update', 'events.statuses.agents'),
        ('conference_participant_unmuted', 'events.conferences.1.particpants.mute'),
        ('user_voicemail_message_created', f'events.users.{USER}.voicemails'),
        ('relocate_initiated', f'events.relocates.{USER}'),
        ('call_form_result', None),
    ],
)
def test_the_access_is_that_of_the_hosts(name: str, access: str | None) -> None:
    assert made(name, users=[USER]).headers['required_acl'] == access


# ---- names


@pytest.mark.parametrize('era', ERAS)
def test_an_alias_can_be_asked_for(era: Era) -> None:
    assert made('auth_tenant_added', name='auth_tenant_created', era=era).headers['name'] == 'auth_tenant_created'


def test_of_a_family_an_example_is_made() -> None:
    sent = made('users_services_{service_name}_updated')

    assert (sent.headers['name'], sent.routing_key.split('.')[3:]) == (
        'users_services_dnd_updated',
        ['services', 'dnd', 'updated'],
    )


def test_one_of_a_family_can_be_asked_for() -> None:
    sent = made('{ami_event}', {'Event': 'RTCPSent'}, name='RTCPSent')

    assert (sent.headers['name'], sent.routing_key) == ('RTCPSent', 'ami.RTCPSent')


def test_an_event_of_ami_is_called_what_its_data_say() -> None:
    sent = made('{ami_event}', {'Event': 'Cdr'})

    assert (sent.headers['name'], sent.routing_key) == ('Cdr', 'ami.Cdr')


# ---- examples


def test_an_example_is_the_callers_to_change() -> None:
    example(entry('call_created'))['bridges'].append('changed')

    assert example(entry('call_created'))['bridges'] == []


def test_data_that_are_given_are_not_changed() -> None:
    data = {'call_id': '1.2'}
    made('call_held', data).body['data']['more'] = 1

    assert data == {'call_id': '1.2'}


@pytest.mark.parametrize('era', ERAS)
def test_every_publication_arrives_as_what_it_was(era: Era) -> None:
    sent = [publication(each, era=era, at=AT) for each in ENTRIES]
    events = [arrived(each) for each in sent]

    assert [(each.name, each.data) for each in events] == [(each.body['name'], each.body['data']) for each in sent]


@pytest.mark.parametrize('era', ERAS)
def test_every_publication_is_json(era: Era) -> None:
    sent = [publication(each, era=era, at=AT) for each in ENTRIES]

    assert [json.loads(json.dumps(each.body)) for each in sent] == [each.body for each in sent]


# ---- what stands twice


@pytest.mark.parametrize('era', ERAS)
def test_a_thing_has_one_id_in_header_and_data(era: Era) -> None:
    wrong = []
    for entry in catalogue.entries():
        made = publication(entry, era=era) if entry.routing_keys else None
        for header in entry.headers if made else ():
            noun, _, kind = header.rpartition('_')
            thing = made.body['data'].get(noun) if made else None
            said = thing.get(kind) if isinstance(thing, dict) else None
            if made and said is not None and made.headers.get(header, said) != said:
                wrong.append((entry.name, header))

    assert wrong == []


@pytest.mark.parametrize('name', ['meeting_created', 'switchboard_edited', 'auth_session_deleted'])
def test_the_header_of_a_thing_is_the_uuid_of_its_data(name: str) -> None:
    entry = catalogue.known(name)
    (header,) = [each for each in entry.headers if each.endswith('_uuid')]
    made = publication(entry)

    assert made.headers[header] == made.body['data']['uuid']


def test_a_tenant_is_the_tenant_of_its_own_events() -> None:
    made = publication(catalogue.known('auth_tenant_added'), {'uuid': OTHER_TENANT})

    assert (made.headers['tenant_uuid'], made.routing_key) == (OTHER_TENANT, f'auth.tenants.{OTHER_TENANT}.created')


@pytest.mark.parametrize(('era', 'acl'), [('2019', None), ('now', 'events.calls.None')])
def test_a_held_call_without_a_user_requires_what_its_era_says(era: Era, acl: str | None) -> None:
    made = publication(catalogue.known('call_held'), {'call_id': '1', 'user_uuid': None}, era=era)

    assert made.headers['required_acl'] == acl
