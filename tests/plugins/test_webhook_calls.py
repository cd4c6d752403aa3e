# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The presets of `webhook`: what a program for customers is told of calls, on hosts of both eras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.webhook import Webhook
from plugins.webhook.call import Calls
from tests.plugins.webserver import WebServer
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import Era, publication
from wazo_busd.codec import encode
from wazo_busd.errors import Discard
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, deliver, make_event

Preset = Literal['zammad', 'crm']

ALICE, BOB = '2e752722-0864-4665-887d-a78a024cf7c7', 'a1223fe6-bff8-4fb6-a982-f9157dea5094'
CALLEE = {
    'call_id': '9',
    'caller_id_name': 'Bob',
    'caller_id_number': '1002',
    'conversation_id': '8',
    'peer_caller_id_name': 'Outside',
    'peer_caller_id_number': '+15551234',
    'dialed_extension': '500',
    'status': 'Ringing',
    'user_uuid': BOB,
    'is_caller': False,
    'direction': 'inbound',
}
CALLER = {
    'call_id': '8',
    'caller_id_name': 'Alice',
    'caller_id_number': '1001',
    'peer_caller_id_number': '+15551234',
    'dialed_extension': '00015551234',
    'status': 'Ring',
    'user_uuid': ALICE,
    'is_caller': True,
    'direction': 'outbound',
}
UP = {'status': 'Up', 'answer_time': '2026-05-01T15:57:09.110000+00:00', 'talking_to': {'8': None}}


def of_catalogue(name: str, era: Era, **changes: Any) -> Event:
    """The catalogue's own example of an event."""
    entry = catalogue.find(name)
    assert entry is not None
    made = publication(entry, era=era)
    made.body['data'] |= changes
    return Event(
        name,
        made.body['data'],
        routing_key=made.routing_key,
        exchange=made.exchange,
        headers=made.headers,
        metadata=made.body,
        body=encode(made.body),
        received_at=1.0,
    )


def told(name: str, data: Any, preset: Preset = 'zammad', names: Mapping[str, str] | None = None) -> dict[str, Any]:
    return Calls(preset, names or {}).content(Event(name, data))


def refused(name: str, data: Any) -> str:
    with pytest.raises(Discard) as raised:
        told(name, data)
    return raised.value.reason


# ---- both eras


@pytest.mark.parametrize('preset', ['zammad', 'crm'])
@pytest.mark.parametrize('era', ['now', '2019'])
@pytest.mark.parametrize(('name', 'kind'), [('call_created', 'newCall'), ('call_ended', 'hangup')])
async def test_the_events_of_both_eras_are_sent(server: WebServer, preset: str, era: Era, name: str, kind: str) -> None:
    options = {'url': server.url, 'allow_networks': ['127.0.0.0/8'], 'preset': preset}

    outcomes = await deliver(Webhook, of_catalogue(name, era), options=options)

    got = server.sent[0].json
    assert (outcomes, got['event'], got['direction'], got['from'], got['to']) == (
        [Outcome.DONE],
        kind,
        'out',
        '1001',
        '1002',
    )


def test_a_host_of_today_says_that_a_call_is_answered() -> None:
    assert Calls('zammad', {}).content(of_catalogue('call_answered', 'now'))['event'] == 'answer'


@pytest.mark.parametrize('era', ['now', '2019'])
def test_a_change_of_a_call_that_is_connected_is_its_answer(era: Era) -> None:
    changed = of_catalogue('call_updated', era, status='Up', talking_to={'1': None})

    assert Calls('zammad', {}).content(changed)['event'] == 'answer'


@pytest.mark.parametrize(
    'changes', [{'status': 'Ringing', 'talking_to': {'1': None}}, {'status': 'Up', 'talking_to': {}}]
)
def test_a_change_of_a_call_that_is_not_connected_is_left_out(changes: dict[str, Any]) -> None:
    assert refused('call_updated', CALLEE | changes) == 'the call is not answered'


def test_a_call_is_answered_once() -> None:
    # Given a call that was said to be answered
    calls = Calls('zammad', {})
    first = Event('call_answered', CALLEE | UP, id='1')
    calls.content(first)

    # When something else about it changes
    with pytest.raises(Discard):
        calls.content(Event('call_updated', CALLEE | UP | {'on_hold': True}, id='2'))

    # Then only the same event is sent once more, when it is tried again
    assert calls.content(first.next_try())['event'] == 'answer'


def test_what_is_remembered_of_calls_does_not_grow_for_ever() -> None:
    calls = Calls('zammad', {})

    for number in range(5000):
        calls.content(Event('call_answered', CALLEE | {'call_id': str(number)}, id=str(number)))

    assert len(calls._answered) <= 4096


# ---- the words of Zammad


def test_a_call_from_outside_to_a_user() -> None:
    assert told('call_created', CALLEE) == {
        'event': 'newCall',
        'callId': '9',
        'direction': 'in',
        'from': '+15551234',
        'to': '500',
        'user': 'Bob',
    }


def test_a_user_who_answers() -> None:
    assert told('call_answered', CALLEE | UP) == {
        'event': 'answer',
        'callId': '9',
        'direction': 'in',
        'from': '+15551234',
        'to': '500',
        'user': 'Bob',
        'answeringNumber': '1002',
    }


def test_a_call_of_a_user_to_the_outside_that_ends() -> None:
    assert told('call_ended', CALLER | UP | {'reason_code': 16}) == {
        'event': 'hangup',
        'callId': '8',
        'direction': 'out',
        'from': '1001',
        'to': '00015551234',
        'user': 'Alice',
        'cause': 'normalClearing',
    }


@pytest.mark.parametrize(
    ('reason', 'status', 'cause'),
    [
        (16, 'Up', 'normalClearing'),
        (16, 'Ringing', 'cancel'),
        (17, 'Ringing', 'busy'),
        (19, 'Ringing', 'noAnswer'),
        (21, 'Ringing', 'noAnswer'),
        (1, 'Ring', 'notFound'),
        (20, 'Ring', 'notFound'),
        (26, 'Ringing', 'forwarded'),
        (34, 'Ring', 'congestion'),
        (None, 'Up', 'normalClearing'),
        (None, 'Ring', 'cancel'),
        (127, 'Up', 'normalClearing'),
        ('17', 'Ring', 'cancel'),
        ([], 'Ring', 'cancel'),
    ],
)
def test_why_a_call_ended(reason: Any, status: str, cause: str) -> None:
    data = CALLEE | {'status': status} | ({} if reason is None else {'reason_code': reason})

    assert told('call_ended', data)['cause'] == cause


def test_a_caller_without_a_number_is_anonymous() -> None:
    assert told('call_created', CALLEE | {'peer_caller_id_number': None})['from'] == 'anonymous'


def test_a_user_is_called_as_the_configuration_says() -> None:
    assert told('call_created', CALLEE, names={BOB: 'Bob Martin'})['user'] == 'Bob Martin'


def test_an_id_is_as_long_as_zammad_takes_it() -> None:
    assert len(told('call_created', CALLEE | {'call_id': '1' * 1000})['callId']) == 250


# ---- other programs


def test_another_program_is_told_more() -> None:
    one = make_event('call_created', CALLEE)

    got = Calls('crm', {}).content(one)

    more = {key: got[key] for key in ('id', 'conversationId', 'internal', 'userUuid', 'tenantUuid')}
    assert more == {
        'id': one.id,
        'conversationId': '8',
        'internal': False,
        'userUuid': BOB,
        'tenantUuid': one.tenant_uuid,
    }


def test_what_a_host_of_2019_does_not_say_is_null_or_the_call_itself() -> None:
    got = Calls('crm', {}).content(of_catalogue('call_created', '2019'))

    assert (got['internal'], got['tenantUuid'], got['time'], got['conversationId']) == (None, None, None, got['callId'])


# ---- what is left out


@pytest.mark.parametrize('user', [None, '', 'None', 5])
def test_a_leg_of_no_user_is_left_out(user: Any) -> None:
    assert refused('call_created', CALLEE | {'user_uuid': user}) == 'it is a leg of no user'


@pytest.mark.parametrize(
    ('name', 'data'), [('call_held', CALLEE), ('x', {}), ('call_created', None), ('call_ended', {})]
)
def test_what_is_about_no_call_is_left_out(name: str, data: Any) -> None:
    assert refused(name, data) == 'it is about no call'


async def test_what_is_left_out_is_acknowledged(server: WebServer) -> None:
    options = {'url': server.url, 'allow_networks': ['127.0.0.0/8'], 'preset': 'crm'}

    outcomes = await deliver(Webhook, make_event('call_held', {'call_id': '1'}), options=options)

    assert (outcomes, server.sent) == ([Outcome.DISCARDED], [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.sampled_from(['call_created', 'call_answered', 'call_updated', 'call_ended', 'x', '']),
    st.dictionaries(st.sampled_from([*CALLEE, *UP, 'reason_code']), JSON) | JSON,
    st.sampled_from(['zammad', 'crm']),
)
def test_whatever_an_event_says_it_is_told_or_left_out(name: str, data: Any, preset: Preset) -> None:
    try:
        got = told(name, data, preset)
    except Discard:
        return

    assert got['direction'] in ('in', 'out')
    assert encode(got)
