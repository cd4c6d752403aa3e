# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The harness for the tests of plugins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

from tests.unit.rig import turn
from wazo_busd import catalogue, testing
from wazo_busd.catalogue.publication import example
from wazo_busd.codec import Limits, decode
from wazo_busd.context import Context
from wazo_busd.emission import emitter
from wazo_busd.errors import Discard, Permanent, PluginError, Retry, UnknownEvent
from wazo_busd.event import Event
from wazo_busd.language import PlainText
from wazo_busd.match import Match, bindings_of
from wazo_busd.options import BaseOptions
from wazo_busd.patterns import Matcher
from wazo_busd.plugin import handler
from wazo_busd.testing import Emitted, Outcome, deliver, make_event

TENANT = '6f3b1c1e-0d0c-4d7c-9a53-1ff2e2c0b1a5'
OTHER_TENANT = '0fd5a4a2-6b3e-4b9b-8c64-1a4d0c2f5e11'
OTHER_USER = '5c1f6e0a-7f0e-4b0c-9a3e-0d1c2b3a4f5e'
USER = 'a4f1b0de-6d0b-4b5e-8f9b-6a4ee5a3b1c2'


@handler('calls.#')
async def ring(event: Event, context: Context) -> None:
    """Do what the event says."""
    match event.data:
        case 'discard':
            raise Discard('not now')
        case 'fail':
            raise ValueError('it does not fit')
        case 'emit':
            await context.emit('busd.bell.rung', 1)
            await context.emit('busd.bell.rung', 2, routing_key='busd.bell.rung.2')


def failing(error: BaseException) -> Callable[[Event], Awaitable[None]]:
    """A plugin that always raises `error`."""

    @handler
    async def fail(event: Event) -> None:
        raise error

    return fail


ONCE = {'attempts': 1}
"""A policy with which what fails is dead."""

# ---- events


def test_an_event_has_its_name_in_headers_and_body_as_a_wazo_host_sends_it() -> None:
    event = make_event('bell_rung', {'call_id': '1'})

    assert (event.name, event.headers, event.metadata) == (
        'bell_rung',
        {'name': 'bell_rung'},
        {'name': 'bell_rung', 'data': {'call_id': '1'}},
    )


def test_an_event_is_what_a_handler_would_get_of_its_body() -> None:
    # Given an event with everything
    event = make_event('call_created', {'a': [1]}, routing_key='calls.x', exchange='xivo', headers={'tenant_uuid': 't'})

    # When it goes over the wire
    wired = decode(
        event.body,
        headers=event.headers,
        routing_key=event.routing_key,
        exchange=event.exchange,
        received_at=event.received_at,
        redelivered=event.redelivered,
        limits=Limits(),
    )

    # Then it is the same
    assert [getattr(wired, name) for name in ('name', 'data', 'tenant_uuid', 'id', 'metadata')] == [
        getattr(event, name) for name in ('name', 'data', 'tenant_uuid', 'id', 'metadata')
    ]


def test_an_event_is_published_with_its_name_as_key_unless_said() -> None:
    assert (make_event('a').routing_key, make_event('a', routing_key='b.c').routing_key) == ('a', 'b.c')


@pytest.mark.parametrize(
    ('name', 'data', 'headers', 'key'),
    [
        ('call_created', {'call_id': '1'}, {}, 'calls.call.created'),
        ('call_created', None, {}, 'calls.call.created'),
        ('call_created', 'fail', {}, 'calls.call.created'),
        ('call_created', [1], {}, 'calls.call.created'),
        ('Hangup', {'Uniqueid': '1.1'}, {}, 'ami.Hangup'),
        ('fax_outbound_failed', {'id': '1234567.89'}, {}, 'faxes.outbound.1234567__DOT__89.failed'),
        ('service_deregistered_event', {'service_name': 'wazo-dird'}, {}, 'service.registered.wazo-dird'),
        ('conference_participant_joined', {}, {'conference_id': 5}, 'conferences.5.participants.joined'),
        ('favorite_added', {}, {f'user_uuid:{USER}': True}, f'directory.{USER}.favorite.created'),
        ('favorite_added', {'user_uuid': USER}, {}, f'directory.{USER}.favorite.created'),
        ('auth_tenant_deleted', {}, {'tenant_uuid': TENANT}, f'auth.tenants.{TENANT}.deleted'),
    ],
)
def test_a_known_event_is_published_with_the_key_of_a_host_of_today(
    name: str, data: Any, headers: dict[str, Any], key: str
) -> None:
    assert make_event(name, data, headers=headers).routing_key == key


def test_a_known_event_has_the_data_that_were_given_and_no_others() -> None:
    given: list[Any] = [None, {}, 'fail']

    assert [make_event('call_created', data).data for data in given] == given


def test_a_known_event_has_the_headers_of_a_host_of_today() -> None:
    event = make_event('call_created', {'call_id': '1', 'user_uuid': USER, 'tenant_uuid': TENANT})

    assert {name: value for name, value in event.headers.items() if name not in ('timestamp', 'origin_uuid')} == {
        'name': 'call_created',
        'required_acl': f'events.calls.{USER}',
        'required_access': 'event.call_created',
        'tenant_uuid': TENANT,
        f'user_uuid:{USER}': True,
    }


@pytest.mark.usefixtures('noon')
def test_a_known_event_says_when_it_was_sent_and_from_where() -> None:
    before = datetime.now().astimezone()

    event = make_event('call_created')

    assert event.timestamp is not None
    assert before <= event.timestamp <= datetime.now().astimezone()
    assert event.origin_uuid is not None


def test_a_known_event_has_its_headers_in_its_body_as_well() -> None:
    event = make_event('call_created', {'call_id': '1'})

    assert event.metadata == {**event.headers, 'data': {'call_id': '1'}}


def test_headers_that_are_given_go_before_those_of_the_catalogue() -> None:
    given = {'required_acl': None, 'timestamp': '2026-01-31T10:20:30', 'tenant_uuid': None, 'origin_uuid': 7}

    event = make_event('call_created', headers=given)

    assert {name: event.headers[name] for name in given} == given


def test_users_that_are_given_are_all_the_users_there_are() -> None:
    event = make_event('call_created', headers={f'user_uuid:{USER}': True})

    assert (event.user_uuids, event.required_acl) == ((USER,), f'events.calls.{USER}')


def test_a_known_event_of_the_host_has_no_tenant_and_no_user() -> None:
    event = make_event('Hangup', {})

    assert (event.tenant_uuid, event.user_uuids) == (None, ())


@pytest.mark.parametrize('routing_key', ['calls.call.created', 'b.c', ''])
def test_an_event_with_a_key_of_its_own_has_no_headers_but_those_that_are_given(routing_key: str) -> None:
    event = make_event('call_created', routing_key=routing_key, headers={'tenant_uuid': TENANT})

    assert (event.routing_key, event.headers) == (routing_key, {'name': 'call_created', 'tenant_uuid': TENANT})


def test_an_event_that_is_made_by_another_of_its_names_keeps_that_one() -> None:
    event = make_event('service_deregistered_event')

    assert (event.name, event.headers['name'], event.headers['required_access']) == (
        'service_deregistered_event',
        'service_deregistered_event',
        'event.service_deregistered_event',
    )


def test_an_event_that_was_removed_is_made_like_an_unknown_one() -> None:
    event = make_event('user_status_update')

    assert (event.routing_key, event.headers) == ('user_status_update', {'name': 'user_status_update'})


def test_every_event_of_the_catalogue_can_be_made_and_matched_by_its_name() -> None:
    wrong = [
        entry.name
        for entry in catalogue.entries()
        if entry.routing_keys and not entry.is_family
        for event in [make_event(entry.name, example(entry))]
        if not (Match([entry.name]).takes(event) and Matcher(bindings_of(entry)).matches(event.routing_key))
    ]
    assert wrong == []


def test_an_event_without_a_key_has_none() -> None:
    assert make_event('a', routing_key='').routing_key == ''


def test_an_event_has_come_now() -> None:
    before = time.time()

    assert before <= make_event('a').received_at <= time.time()


@pytest.mark.parametrize('redelivered', [True, False])
def test_an_event_says_whether_it_came_before(redelivered: bool) -> None:
    assert make_event('a', redelivered=redelivered).redelivered is redelivered


# ---- outcomes


async def test_what_became_of_the_events_comes_in_their_order() -> None:
    outcomes = await deliver(ring, *(make_event('call_created', data) for data in ('fail', None, 'discard', None)))

    assert outcomes == [Outcome.RETRY, Outcome.DONE, Outcome.DISCARDED, Outcome.DONE]


async def test_what_cannot_be_helped_is_dead() -> None:
    assert await deliver(failing(Permanent('there is no such user')), make_event('a')) == [Outcome.DEAD]


async def test_with_one_attempt_what_fails_is_dead() -> None:
    assert await deliver(failing(ValueError()), make_event('a'), retry=ONCE) == [Outcome.DEAD]


@pytest.mark.parametrize(('config', 'outcome'), [({}, Outcome.RETRY), ({'retry': {'attempts': 3}}, Outcome.DEAD)])
async def test_what_has_been_tried_is_tried_again_while_the_policy_allows(
    config: dict[str, Any], outcome: Outcome
) -> None:
    assert await deliver(failing(ValueError()), make_event('a', attempt=3), **config) == [outcome]


async def test_with_an_order_what_fails_is_dead_as_nobody_waits_for_another_try() -> None:
    assert await deliver(failing(ValueError()), make_event('a'), order_by='name') == [Outcome.DEAD]


@pytest.mark.parametrize(
    ('config', 'outcome'),
    [({}, Outcome.RETRY), ({'concurrency': 3}, Outcome.RETRY), ({'order_by': 'data'}, Outcome.DEAD)],
)
async def test_every_event_is_tried_though_what_the_plugin_needs_is_out(
    config: dict[str, Any], outcome: Outcome
) -> None:
    events = [make_event('a', number % 2) for number in range(20)]

    assert await deliver(failing(ConnectionRefusedError()), *events, **config) == [outcome] * 20


async def test_it_is_told_when_an_event_would_be_tried_again_and_why() -> None:
    before = time.time()
    outcomes = await deliver(failing(Retry('the server is out', after=7200.0)), make_event('a', attempt=3))

    (retry,) = outcomes.retries
    assert (retry.attempts, retry.first_error, outcomes.reasons) == (3, 'Retry: the server is out', [])
    assert retry.due_at >= before + 7200.0


async def test_the_retries_are_those_of_the_events_to_be_tried_again_in_their_order() -> None:
    @handler
    async def fail(event: Event) -> None:
        await turn(10 * (3 - event.data))
        if event.data != 1:
            raise ValueError(event.data)

    outcomes = await deliver(fail, *(make_event('a', number) for number in range(3)), concurrency=3)

    assert [retry.first_error for retry in outcomes.retries] == ['ValueError: 0', 'ValueError: 2']


async def test_events_that_overtake_each_other_have_their_outcomes_in_the_order_they_were_given() -> None:
    # Given a plugin that ends the first event last
    second_is_done = asyncio.Event()

    @handler
    async def overtake(event: Event) -> None:
        if event.data == 1:
            await second_is_done.wait()
            raise Discard
        second_is_done.set()

    # When it is run on two at a time
    outcomes = await deliver(overtake, make_event('a', 1), make_event('a', 2), concurrency=2)

    # Then the outcomes are in the order of the events
    assert outcomes == [Outcome.DISCARDED, Outcome.DONE]


async def test_the_reasons_are_those_of_the_dead_events_in_their_order() -> None:
    events = [make_event('call_created', data) for data in ('fail', None, 'fail')]
    outcomes = await deliver(ring, *events, retry=ONCE)

    assert [(reason.error, reason.text) for reason in outcomes.reasons] == [('ValueError', 'it does not fit')] * 2


async def test_derived_events_are_kept() -> None:
    outcomes = await deliver(ring, make_event('call_created', 'emit'))

    assert outcomes.emitted == [
        Emitted('busd.bell.rung', 1, 'busd.bell.rung'),
        Emitted('busd.bell.rung', 2, 'busd.bell.rung.2'),
    ]


async def test_a_derived_event_is_what_those_who_match_it_get() -> None:
    @handler
    async def derive(event: Event, context: Context) -> None:
        await context.emit('busd.x', {'when': date(2024, 1, 2), 'pair': (1, 2), 'share': float('nan')})

    outcomes = await deliver(derive, make_event('a'))

    assert outcomes.emitted[0].data == {'when': '2024-01-02', 'pair': [1, 2], 'share': None}


async def test_what_no_event_can_hold_is_refused_as_the_daemon_refuses_it() -> None:
    # Given data that has no end
    endless: list[Any] = []
    endless.append(endless)

    async def publish(routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None: ...

    with pytest.raises(Exception) as of_daemon:  # noqa: PT011 — which one is what is asked
        await emitter(publish)('busd.x', endless, None, None)

    # When a plugin derives an event of it
    @handler
    async def derive(event: Event, context: Context) -> None:
        await context.emit('busd.x', endless)

    outcomes = await deliver(derive, make_event('a'), retry=ONCE)

    # Then it fails as it would in the daemon
    assert (outcomes, outcomes.emitted, outcomes.reasons[0].error) == ([Outcome.DEAD], [], of_daemon.type.__name__)


async def test_data_may_change_after_it_was_derived() -> None:
    @handler
    async def derive(event: Event, context: Context) -> None:
        data = {'a': 1}
        await context.emit('busd.x', data)
        data['a'] = 2

    assert (await deliver(derive, make_event('a'))).emitted == [Emitted('busd.x', {'a': 1}, 'busd.x')]


async def seen(*events: Event, **config: Any) -> list[Event]:
    """The events as a plugin gets them."""
    got: list[Event] = []

    @handler
    async def keep(event: Event) -> None:
        got.append(event)

    assert set(await deliver(keep, *events, **config)) == {Outcome.DONE}
    return got


async def test_an_event_that_a_test_makes_itself_needs_no_body() -> None:
    made = Event('x', {'a': [1]}, routing_key='x.y', headers={'tenant_uuid': 't'})

    (got,) = await seen(made)

    assert (got.name, got.data, got.routing_key, got.tenant_uuid) == ('x', {'a': [1]}, 'x.y', 't')


async def test_an_event_without_a_body_keeps_its_name_and_its_metadata() -> None:
    (got,) = await seen(Event('x', headers={'name': 'y'}, metadata={'origin_uuid': 'o'}))

    assert (got.name, got.origin_uuid) == ('x', 'o')


async def test_events_without_a_body_are_not_all_the_same() -> None:
    one, two = await seen(Event('x', 1), Event('x', 2))

    assert one.id != two.id


@pytest.mark.parametrize('event', [make_event('a', attempt=3), Event('a', attempt=3)], ids=['made', 'own'])
async def test_an_event_has_the_attempt_that_it_was_given(event: Event) -> None:
    assert [got.attempt for got in await seen(event, make_event('b'))] == [3, 1]


async def test_a_copy_has_the_id_that_it_carries() -> None:
    (got,) = await seen(Event('a', body=b'{}', id='0' * 32))

    assert got.id == '0' * 32


async def test_the_reason_tells_the_attempt_that_was_given() -> None:
    events = [make_event('a', 'fail', attempt=3), make_event('a', 'fail')]
    outcomes = await deliver(ring, *events, match='#', retry=ONCE)

    assert [reason.attempts for reason in outcomes.reasons] == [3, 1]


async def test_attempts_are_those_of_their_events_when_events_overtake_each_other() -> None:
    events = [make_event('a', number, attempt=number) for number in range(1, 6)]

    assert all(got.attempt == got.data for got in await seen(*events, concurrency=5))


async def test_a_plugin_is_run_on_the_very_event_that_was_made() -> None:
    # Given an event with everything
    got: list[Event] = []

    @handler
    async def keep(event: Event) -> None:
        got.append(event)

    event = make_event('a', {'b': 1}, routing_key='c', exchange='xivo', headers={'tenant_uuid': 't'}, redelivered=True)

    # When a plugin is run on it
    await deliver(keep, event)

    # Then it gets all of it
    names = ('name', 'data', 'routing_key', 'exchange', 'tenant_uuid', 'redelivered', 'id', 'received_at', 'body')
    assert [getattr(got[0], name) for name in names] == [getattr(event, name) for name in names]


async def test_without_events_a_plugin_is_started_and_stopped() -> None:
    steps: list[str] = []

    class Bell:
        async def start(self) -> None:
            steps.append('start')

        async def stop(self) -> None:
            steps.append('stop')

        @handler
        async def on_event(self, event: Event) -> None: ...

    outcomes = await deliver(Bell)

    assert (outcomes, steps) == ([], ['start', 'stop'])


async def test_a_plugin_is_stopped_after_its_events() -> None:
    steps: list[str] = []

    class Bell:
        async def stop(self) -> None:
            steps.append('stop')

        @handler
        async def on_event(self, event: Event) -> None:
            steps.append('event')

    await deliver(Bell, make_event('a'), make_event('b'))

    assert steps == ['event', 'event', 'stop']


async def test_a_module_can_be_run() -> None:
    module = ModuleType('bell')
    exec('from wazo_busd.api import handler\n@handler\ndef ring(event): event.data["rung"] = True', vars(module))

    assert await deliver(module, make_event('a', {})) == [Outcome.DONE]


async def test_what_a_configuration_can_say_of_a_handler_can_be_said() -> None:
    @handler
    async def hang(event: Event) -> None:
        await asyncio.Event().wait()

    outcomes = await deliver(hang, make_event('a'), timeout='10ms', retry=ONCE)

    assert outcomes.reasons[0].error == 'HandlerTimeout'


class Keeping:
    """Keeps the names of what reaches it."""

    got: list[str]

    def __init_subclass__(cls) -> None:
        cls.got = []

    async def keep(self, event: Event) -> None:
        self.got.append(event.name)


EVENTS = [make_event(name) for name in ('call_created', 'call_ended', 'fax_outbound_created', 'a')]


@pytest.mark.parametrize(
    ('declared', 'match', 'reached'),
    [
        ([], None, ['call_created', 'call_ended', 'fax_outbound_created', 'a']),
        (['calls.#'], None, ['call_created', 'call_ended']),
        (['call_ended', 'faxes.#'], None, ['call_ended', 'fax_outbound_created']),
        (['calls.#'], 'fax_outbound_created', ['fax_outbound_created']),
        (['calls.#'], '#', ['call_created', 'call_ended', 'fax_outbound_created', 'a']),
        ([], ['call_ended'], ['call_ended']),
    ],
)
async def test_a_plugin_gets_what_it_declares_unless_said(
    declared: list[str], match: list[str] | str | None, reached: list[str]
) -> None:
    class Bell(Keeping):
        keep = handler(*declared)(Keeping.keep) if declared else handler(Keeping.keep)

    config: dict[str, Any] = {} if match is None else {'match': match}

    await deliver(Bell, *EVENTS, **config)

    assert Bell.got == reached


@pytest.mark.parametrize(
    'config',
    [
        {},
        {'match': 'faxes.#'},
        {'match': 'call_ended'},
        {'match': 'calls.#', 'tenants': OTHER_TENANT},
        {'match': 'calls.#', 'users': OTHER_USER},
        {'match': 'calls.#', 'acl': 'events.faxes'},
    ],
)
async def test_an_event_that_is_not_for_the_handler_is_done_and_does_not_reach_it(config: dict[str, Any]) -> None:
    # Given a plugin that fails on everything but takes nothing of this
    @handler('agents.#')
    async def fail(event: Event) -> None:
        raise ValueError

    # When it is run on a call
    outcomes = await deliver(fail, make_event('call_created', 'fail'), **config)

    # Then that is done
    assert (outcomes, outcomes.reasons) == ([Outcome.DONE], [])


@pytest.mark.parametrize('config', [{'match': 'call_creatd'}, {}])
async def test_a_plugin_that_names_an_unknown_event_is_refused(config: dict[str, Any]) -> None:
    @handler(*([] if config else ['call_creatd']))
    async def take(event: Event) -> None: ...

    with pytest.raises(UnknownEvent, match='call_creatd'):
        await deliver(take, **config)


# ---- what the plugin gets


async def test_options_are_checked_as_those_of_a_configuration() -> None:
    class Options(BaseOptions):
        url: str

    @handler(options=Options)
    async def call(event: Event) -> None: ...

    with pytest.raises(ValidationError, match='url'):
        await deliver(call, make_event('a'), options={'uri': 'x'})


async def test_a_plugin_gets_its_options() -> None:
    got: list[Any] = []

    @handler
    async def keep(event: Event, context: Context) -> None:
        got.append((context.options.url, context.name))

    await deliver(keep, make_event('a'), options={'url': 'x'}, name='bell')

    assert got == [('x', 'bell')]


async def test_a_state_directory_that_is_given_is_kept(tmp_path: Path) -> None:
    @handler
    def keep(event: Event, context: Context) -> None:
        (context.state_dir / 'seen').write_text('1')

    await deliver(keep, make_event('a'), state_dir=tmp_path / 'state')

    assert (tmp_path / 'state' / 'seen').read_text() == '1'


async def test_a_state_directory_that_is_not_given_is_removed() -> None:
    got: list[Path] = []

    @handler
    def keep(event: Event, context: Context) -> None:
        got.append(context.state_dir)

    await deliver(keep, make_event('a'))

    assert not got[0].exists()


# ---- what goes wrong


async def test_what_is_no_plugin_is_refused() -> None:
    with pytest.raises(PluginError):
        await deliver(make_event, make_event('a'))


async def test_what_start_raises_is_raised() -> None:
    class Bell:
        async def start(self) -> None:
            raise OSError('no bell')

        @handler
        async def on_event(self, event: Event) -> None: ...

    with pytest.raises(OSError, match='no bell'):
        await deliver(Bell, make_event('a'))


async def test_what_stop_raises_is_raised() -> None:
    class Bell:
        async def stop(self) -> None:
            raise OSError('stuck')

        @handler
        async def on_event(self, event: Event) -> None: ...

    with pytest.raises(OSError, match='stuck'):
        await deliver(Bell, make_event('a'))


@pytest.mark.parametrize('method', ['start', 'on_event', 'stop'])
async def test_the_http_session_is_closed_whatever_the_plugin_raises(method: str) -> None:
    # Given a plugin that uses the session and fails
    sessions: list[aiohttp.ClientSession] = []

    class Bell:
        def __init__(self, context: Context) -> None:
            self.context = context

        async def start(self) -> None:
            self.fail('start')

        async def stop(self) -> None:
            self.fail('stop')

        @handler
        async def on_event(self, event: Event) -> None:
            self.fail('on_event')

        def fail(self, name: str) -> None:
            if name == method:
                sessions.append(self.context.http)
                raise OSError(name)

    # When it is run
    try:
        await deliver(Bell, make_event('a'))
    except OSError:
        assert method != 'on_event'

    # Then the session is closed
    assert [session.closed for session in sessions] == [True]


def test_what_a_test_needs_can_be_imported_from_one_place() -> None:
    assert set(testing.__all__) == {'Emitted', 'Outcome', 'Outcomes', 'Reason', 'deliver', 'make_event', 'preview'}


async def test_conditions_and_texts_have_what_the_top_level_says() -> None:
    class Options(BaseOptions):
        text: PlainText

    said = []

    @handler(options=Options)
    async def speak(event: Event, context: Context) -> None:
        said.append(context.options.text.render(event, context))

    await deliver(
        speak,
        make_event('fax', {'to': '0123456789'}),
        make_event('fax', {'to': '1001'}),
        make_event('fax', {'to': '1002'}),
        options={'text': '{{ data.to | phone }} {{ names[data.to] | default("") }}'},
        top={
            'names': {'1001': 'Anna'},
            'region': 'FR',
            'schedules': {'always': {'hours': {'mon-sun': '00:00-24:00'}}},
        },
        when="data.to != '1002'",
        schedule='always',
    )

    assert said == ['01 23 45 67 89 ', '1001 Anna']
