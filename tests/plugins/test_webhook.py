# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`webhook`: what is sent for an event."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.webhook import Webhook
from plugins.webhook.cloudevent import cloudevent
from plugins.webhook.signature import signature
from tests.plugins.webserver import Sent, WebServer
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, Outcomes, deliver, make_event

TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
USERS = ('2e752722-0864-4665-887d-a78a024cf7c7', 'a1223fe6-bff8-4fb6-a982-f9157dea5094')


def event(data: Any = None, **more: Any) -> Event:
    return make_event('call_created', {'call_id': '1'} if data is None else data, **more)


async def send(server: WebServer, *events: Event, url: str = '', **options: Any) -> Outcomes:
    given = {'url': server.url + url, 'allow_networks': ['127.0.0.0/8'], **options}
    return await deliver(Webhook, *(events or (event(),)), options=given)


async def sent(server: WebServer, *events: Event, **options: Any) -> Sent:
    """The one request that goes for the events."""
    await send(server, *events, **options)
    (request,) = server.sent
    return request


async def test_an_event_is_done_with_when_the_server_accepts_it(server: WebServer) -> None:
    assert await send(server) == [Outcome.DONE]


@pytest.mark.parametrize('method', ['POST', 'PUT', 'PATCH', 'DELETE', 'GET'])
async def test_a_request_has_the_method_of_the_options(server: WebServer, method: str) -> None:
    assert (await sent(server, method=method)).method == method


async def test_get_sends_no_body(server: WebServer) -> None:
    request = await sent(server, method='GET')

    assert (request.body, 'Content-Type' in request.headers) == (b'', False)


async def test_values_stand_in_the_url(server: WebServer) -> None:
    one = event({'call_id': '1/2', 'name': 'A & B'})

    request = await sent(server, one, url='/{{ data.call_id }}?name={{ data.name }}')

    assert (request.target, request.query) == ('/hook/1%2F2?name=A%20%26%20B', {'name': 'A & B'})


async def test_a_missing_field_is_a_dead_letter_that_names_it(server: WebServer) -> None:
    outcomes = await send(server, url='/{{ data.nothing }}')

    assert (outcomes, server.sent) == ([Outcome.DEAD], [])
    assert 'options.url' in outcomes.reasons[0].text


# ---- the body


async def test_by_default_it_is_the_whole_event_as_the_bus_has_it(server: WebServer) -> None:
    one = event()

    request = await sent(server, one)

    assert (request.headers['Content-Type'], request.json) == ('application/json', json.loads(one.body))


async def test_of_a_burst_it_says_how_many_they_are_with_the_first_and_the_last(server: WebServer) -> None:
    calls = [event({'call_id': str(number)}) for number in range(3)]
    await deliver(Webhook, *calls, options={'url': server.url, 'allow_networks': ['127.0.0.0/8']}, collapse='30s')

    (request,) = server.sent
    assert request.json == {
        **calls[2].metadata,
        'burst': {'count': 3, 'first': calls[0].metadata, 'last': calls[2].metadata},
    }


async def test_it_is_json_although_the_bus_has_what_is_none(server: WebServer) -> None:
    body = b'{"name": "call_created", "data": {"a": NaN, "b": "\\ud800", "b": 1}}'
    one = Event('call_created', routing_key='calls.call.created', metadata=json.loads(body), body=body)

    request = await sent(server, one)

    assert request.json['data'] == {'a': None, 'b': 1}


async def test_a_template_is_a_document_with_values_of_the_event(server: WebServer) -> None:
    request = await sent(server, template='{"call": "{{ data.call_id }}", "all": {{ data }}}')

    assert (request.headers['Content-Type'], request.json) == (
        'application/json',
        {'call': '1', 'all': {'call_id': '1'}},
    )


async def test_a_text_is_plain(server: WebServer) -> None:
    request = await sent(server, text='Call {{ data.call_id }} été')

    assert (request.headers['Content-Type'], request.body.decode()) == ('text/plain; charset=utf-8', 'Call 1 été')


async def test_a_content_type_of_the_configuration_goes_before(server: WebServer) -> None:
    request = await sent(server, text='<call/>', headers={'content-type': 'text/xml'})

    assert request.headers['Content-Type'] == 'text/xml'


# ---- headers


async def test_headers_have_values_of_the_event(server: WebServer) -> None:
    request = await sent(server, headers={'X-Call': 'call {{ data.call_id }}'})

    assert request.headers['X-Call'] == 'call 1'


async def test_a_header_without_values_can_be_long(server: WebServer) -> None:
    token = 'a' * 4000

    assert (await sent(server, headers={'X-Token': token})).headers['X-Token'] == token


async def test_the_id_of_the_event_is_the_idempotency_key_at_every_attempt(server: WebServer) -> None:
    one = event()

    await send(server, one, one.next_try())

    assert [each.headers['Idempotency-Key'] for each in server.sent] == [one.id, one.id]


async def test_a_server_is_told_who_asks(server: WebServer) -> None:
    assert (await sent(server)).headers['User-Agent'].startswith('wazo-busd/')


async def test_basic_authentication(server: WebServer) -> None:
    request = await sent(server, auth={'username': 'wazo', 'password': 'pässword: x'})

    kind, _, encoded = request.headers['Authorization'].partition(' ')
    assert (kind, base64.b64decode(encoded).decode()) == ('Basic', 'wazo:pässword: x')


async def test_a_bearer_token(server: WebServer) -> None:
    assert (await sent(server, auth={'bearer': 'abc.def'})).headers['Authorization'] == 'Bearer abc.def'


# ---- the signature


async def test_a_server_can_verify_the_signature(server: WebServer) -> None:
    # Given a request that is signed
    request = await sent(server, signing_secret='s3cret')

    # When the server computes the signature of what came
    at, v1 = re.fullmatch(r't=(\d+),v1=([0-9a-f]{64})', request.headers['X-Busd-Signature']).groups()  # type: ignore[union-attr]
    expected = hmac.new(b's3cret', at.encode() + b'.' + request.body, hashlib.sha256).hexdigest()

    # Then it is the same, and of now
    assert (v1, abs(int(at) - datetime.now().timestamp()) < 600) == (expected, True)  # noqa: DTZ005


async def test_a_request_without_a_body_is_signed_too(server: WebServer) -> None:
    assert 'X-Busd-Signature' in (await sent(server, method='GET', signing_secret='s3cret')).headers


async def test_without_a_secret_nothing_is_signed(server: WebServer) -> None:
    assert 'X-Busd-Signature' not in (await sent(server)).headers


@given(st.binary(), st.binary(), st.integers(0, 2**40), st.integers(0, 2**40), st.text(min_size=1))
def test_another_body_or_time_has_another_signature(one: bytes, other: bytes, at: int, then: int, secret: str) -> None:
    same = signature(secret, one, at).partition(',')[2] == signature(secret, other, then).partition(',')[2]

    assert same == ((one, at) == (other, then))


# ---- CloudEvents


async def test_an_event_as_cloudevents_have_it(server: WebServer) -> None:
    one = event({'call_id': '1'}, headers={'tenant_uuid': TENANT, **{f'user_uuid:{each}': True for each in USERS}})

    request = await sent(server, one, body='cloudevents')

    got = request.json
    assert datetime.fromisoformat(got.pop('time')).tzinfo is not None
    assert (request.headers['Content-Type'], got) == (
        'application/cloudevents+json; charset=utf-8',
        {
            'specversion': '1.0',
            'id': one.id,
            'source': f'urn:uuid:{one.origin_uuid}',
            'type': 'org.wazo-platform.call_created',
            'datacontenttype': 'application/json',
            'subject': 'calls.call.created',
            'tenantuuid': TENANT,
            'useruuids': ','.join(USERS),
            'data': {'call_id': '1'},
        },
    )


def test_what_is_not_known_of_an_event_is_left_out() -> None:
    got = cloudevent(Event('', None, received_at=1.0))

    assert (got['type'], got['source'], sorted(got)) == (
        'org.wazo-platform.unnamed',
        'urn:wazo:unknown',
        ['data', 'datacontenttype', 'id', 'source', 'specversion', 'time', 'type'],
    )


ANY = st.text() | st.sampled_from(['\x00', '\x85', '\ud800', '\uffff', '\u202e', '\U000e0001'])


@given(ANY, ANY, ANY, ANY, ANY)
def test_whatever_comes_over_the_bus_attributes_are_as_the_specification_wants(
    name: str, key: str, tenant: str, user: str, origin: str
) -> None:
    headers = {'tenant_uuid': tenant, f'user_uuid:{user}': True, 'origin_uuid': origin}

    got = cloudevent(Event(name, routing_key=key, headers=headers, received_at=1.0, id='a'))

    # CloudEvents 1.0.2: no control characters, surrogates and noncharacters; no attribute that is empty
    attributes = {each: value for each, value in got.items() if each != 'data'}
    assert all(isinstance(value, str) and value and value.isprintable() for value in attributes.values())
    assert all(re.fullmatch('[a-z0-9]{1,20}', each) for each in attributes)
