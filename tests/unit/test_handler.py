# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The handler: a configured use of a plugin."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.rig import make_context, make_handler, make_plugin, started, turn
from wazo_busd.conditions import Refusal
from wazo_busd.config import HandlerConfig
from wazo_busd.context import Context
from wazo_busd.errors import ConditionError, Expired, UnknownEvent
from wazo_busd.event import Event
from wazo_busd.handler import Handler
from wazo_busd.language import PlainText
from wazo_busd.options import BaseOptions, FreeOptions
from wazo_busd.plugin import handler
from wazo_busd.work import Call

CALL = Event('call_created', {'call_id': '1'}, routing_key='calls.call.created')
TENANT = 'bd72b051-fd14-40be-9c3d-6b5fe65271ca'
USER = '2e752722-0864-4665-887d-a78a024cf7c7'
FAX = Event('fax_created', routing_key='faxes.outbound.created')


class Several:
    """Notes which method took what."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    @handler('calls.call.created')
    async def on_created(self, event: Event) -> None:
        self.taken.append('on_created')

    @handler('calls.#')
    async def on_call(self, event: Event) -> None:
        self.taken.append('on_call')

    @handler('faxes.#')
    async def on_fax(self, event: Event) -> None:
        self.taken.append('on_fax')


async def taken_by(handler_: Handler, event: Event) -> list[str]:
    """Which methods of `Several` an event reaches."""
    call = handler_.call_for(event)
    if not isinstance(call, Call):
        return []
    await call.run(event)
    taken: list[str] = call.run.__self__.taken  # type: ignore[attr-defined]
    return taken


# ---- which events, which method


def of_calls(event: Event) -> None: ...


handler('calls.#')(of_calls)


def test_a_handler_matches_what_its_plugin_declares() -> None:
    assert Handler('test', make_plugin(of_calls), HandlerConfig(plugin='test'), None).match.items == ('calls.#',)


def test_what_the_configuration_matches_replaces_what_the_plugin_declares() -> None:
    assert make_handler(of_calls, match=['faxes.#', 'agents.#']).match.items == ('faxes.#', 'agents.#')


async def test_an_event_that_the_configuration_does_not_match_is_not_for_the_handler() -> None:
    assert (await started(of_calls, match='calls.call.ended')).call_for(CALL) is None


async def test_an_event_that_only_the_configuration_matches_reaches_a_plugin_of_one_method() -> None:
    assert (await started(of_calls, match='faxes.#')).call_for(FAX) is not None


async def test_the_first_method_in_the_code_that_declares_an_event_takes_it() -> None:
    assert await taken_by(await started(Several), CALL) == ['on_created']


async def test_an_event_that_only_a_later_method_declares_reaches_that_one() -> None:
    assert await taken_by(await started(Several), FAX) == ['on_fax']


async def test_of_several_methods_none_takes_what_none_declares() -> None:
    assert await taken_by(await started(Several), Event('x', routing_key='agents.status')) == []


async def test_the_configuration_narrows_several_methods_as_well() -> None:
    assert await taken_by(await started(Several, match='faxes.#'), CALL) == []


async def test_a_method_without_a_match_takes_what_the_methods_before_it_do_not() -> None:
    # Given a plugin whose last method takes the rest
    class Rest(Several):
        @handler
        async def on_rest(self, event: Event) -> None:
            self.taken.append('on_rest')

    # When an event comes that no other method declares
    found = await taken_by(await started(Rest), Event('x', routing_key='agents.status'))

    # Then it takes it
    assert found == ['on_rest']


class ByName(Several):
    """Its methods name events, and patterns."""

    @handler('relocate_completed')
    async def on_completed(self, event: Event) -> None:
        self.taken.append('on_completed')

    @handler('relocate_answered', 'user_created')
    async def on_answered(self, event: Event) -> None:
        self.taken.append('on_answered')


RELOCATED = 'calls.relocate.edited'


class OnlyByName:
    """Two events that share a key, and nothing else."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    @handler('relocate_completed')
    async def on_completed(self, event: Event) -> None:
        self.taken.append('on_completed')

    @handler('relocate_answered', 'service_deregistered')
    async def on_answered(self, event: Event) -> None:
        self.taken.append('on_answered')


@pytest.mark.parametrize(
    ('event', 'methods'),
    [
        (Event('relocate_completed', routing_key=RELOCATED), ['on_completed']),
        (Event('relocate_answered', routing_key=RELOCATED), ['on_answered']),
        (Event('relocate_initiated', routing_key=RELOCATED), []),
        (Event('relocate_answered', routing_key='some.other.key'), ['on_answered']),
        (Event('service_deregistered', routing_key='service.registered.x'), ['on_answered']),
        (Event('service_deregistered_event', routing_key='service.deregistered.x'), ['on_answered']),
        (Event('service_registered', routing_key='service.registered.x'), []),
    ],
)
async def test_methods_that_name_events_take_those_by_their_name(event: Event, methods: list[str]) -> None:
    assert await taken_by(await started(OnlyByName), event) == methods


async def test_a_method_that_names_an_event_stands_in_the_order_of_the_code_like_any_other() -> None:
    assert await taken_by(await started(ByName), Event('relocate_answered', routing_key=RELOCATED)) == ['on_call']


def test_a_handler_of_names_binds_their_keys() -> None:
    one = make_handler(of_calls, match=['service_deregistered_event', 'calls.#'])
    assert one.match.bindings == ('calls.#', 'service.deregistered.#', 'service.registered.#')


def test_a_handler_of_a_plugin_of_names_binds_the_keys_of_all_of_them() -> None:
    one = Handler('test', make_plugin(OnlyByName), HandlerConfig(plugin='test'), None)
    assert {RELOCATED, 'service.deregistered.#', 'service.registered.#'} <= set(one.match.bindings)


@pytest.mark.parametrize(
    ('event', 'found'),
    [
        (CALL, True),
        (Event('call_created', routing_key='some.other.key'), True),
        (Event('call_ended', routing_key='calls.call.created'), False),
        (FAX, False),
    ],
)
async def test_a_name_in_the_configuration_decides_by_the_name(event: Event, found: bool) -> None:
    one = await started(of_calls, match='call_created')
    assert (one.call_for(event) is not None) is found


def test_a_handler_that_names_an_unknown_event_cannot_be_made() -> None:
    with pytest.raises(UnknownEvent, match='no event is called call_creatd'):
        make_handler(of_calls, match=['calls.#', 'call_creatd'])


@pytest.mark.parametrize(
    ('config', 'headers', 'found'),
    [
        ({'tenants': TENANT}, {'tenant_uuid': TENANT}, True),
        ({'tenants': TENANT}, {}, False),
        ({'users': USER}, {f'user_uuid:{USER}': True}, True),
        ({'users': USER}, {}, False),
        ({'acl': 'events.calls.*'}, {'required_acl': f'events.calls.{USER}'}, True),
        ({'acl': 'events.calls.*'}, {'required_acl': None}, True),
        ({'acl': 'events.calls.*'}, {}, False),
        ({'acl': '#', 'tenants': TENANT}, {'required_acl': 'events.calls'}, False),
        ({}, {}, True),
    ],
)
async def test_tenants_users_and_access_of_the_configuration_narrow_what_is_matched(
    config: dict[str, Any], headers: dict[str, Any], found: bool
) -> None:
    one = await started(of_calls, **config)
    event = Event('call_created', routing_key='calls.call.created', headers=headers)

    assert (one.call_for(event) is not None) is found


async def test_tenants_users_and_access_widen_nothing() -> None:
    one = await started(of_calls, match='faxes.#', tenants=TENANT)

    assert one.call_for(Event('x', routing_key='calls.call.created', headers={'tenant_uuid': TENANT})) is None


# ---- how it is called


async def test_a_function_of_one_parameter_gets_the_event() -> None:
    got: list[Event] = []

    @handler
    async def ring(event: Event) -> None:
        got.append(event)

    await call_with(ring, CALL)

    assert got == [CALL]


async def test_a_function_of_two_parameters_gets_event_and_context() -> None:
    # Given a started plugin
    got: list[tuple[Event, Context]] = []

    @handler
    async def ring(event: Event, context: Context) -> None:
        got.append((event, context))

    context = make_context()
    one = make_handler(ring)
    await one.start(context)

    # When it is called
    call = one.call_for(CALL)
    assert isinstance(call, Call)
    await call.run(CALL)

    # Then it has both
    assert got == [(CALL, context)]


async def test_a_method_of_two_parameters_gets_event_and_context() -> None:
    class Bell:
        @handler
        async def ring(self, event: Event, context: Context) -> None:
            got.append((event, context.name))

    got: list[tuple[Event, str]] = []
    await call_with(Bell, CALL)

    assert got == [(CALL, 'test')]


async def call_with(target: Any, event: Event) -> None:
    call = (await started(target)).call_for(event)
    assert isinstance(call, Call)
    await call.run(event)


@pytest.mark.parametrize('blocking', [True, False])
async def test_a_call_says_whether_it_blocks(blocking: bool) -> None:
    async def ring(event: Event) -> None: ...

    def ring_slowly(event: Event) -> None: ...

    call = (await started(handler(ring_slowly if blocking else ring))).call_for(CALL)

    assert isinstance(call, Call)
    assert call.blocking is blocking


# ---- start and stop


class Noting:
    """Notes what happens to it."""

    happened: list[Any]

    def __init_subclass__(cls) -> None:
        cls.happened = []

    @handler
    async def on_event(self, event: Event) -> None: ...


async def test_a_class_that_wants_the_context_gets_it_when_it_is_made() -> None:
    class Bell(Noting):
        def __init__(self, context: Context) -> None:
            self.happened.append(context.name)

    await started(Bell, name='bell')

    assert Bell.happened == ['bell']


async def test_a_class_that_wants_nothing_is_made_with_nothing() -> None:
    class Bell(Noting):
        def __init__(self) -> None:
            self.happened.append('made')

    await started(Bell)

    assert Bell.happened == ['made']


async def test_an_async_start_has_ended_when_the_handler_is_started() -> None:
    class Bell(Noting):
        async def start(self) -> None:
            await asyncio.sleep(0)
            self.happened.append('started')

    await started(Bell)

    assert Bell.happened == ['started']


async def test_a_plain_start_is_called_as_well() -> None:
    class Bell(Noting):
        def start(self) -> None:
            self.happened.append('started')

    await started(Bell)

    assert Bell.happened == ['started']


@pytest.mark.parametrize('name', ['start', 'stop'])
async def test_a_plain_start_or_stop_does_not_hold_the_loop(name: str) -> None:
    # Given a plugin that waits for what the loop does
    released = threading.Event()

    def wait(self: Noting) -> None:
        self.happened.append(released.wait(20))

    class Bell(Noting): ...

    setattr(Bell, name, wait)
    one = make_handler(Bell)

    # When it starts and stops while the loop goes on
    async def life() -> None:
        await one.start(make_context())
        await one.stop()

    living = asyncio.create_task(life())
    await turn()
    released.set()
    await living

    # Then the loop has done it
    assert Bell.happened == [True]


async def test_a_plain_start_that_gives_an_awaitable_is_awaited_on_the_loop() -> None:
    class Bell(Noting):
        def start(self) -> Any:
            return self.begin()

        async def begin(self) -> None:
            self.happened.append(asyncio.get_running_loop())

    await started(Bell)

    assert Bell.happened == [asyncio.get_running_loop()]


async def test_a_plain_start_that_wants_the_context_gets_it() -> None:
    class Bell(Noting):
        def start(self, context: Context) -> None:
            self.happened.append(context.name)

    await started(Bell, name='bell')

    assert Bell.happened == ['bell']


async def test_what_a_plain_start_raises_is_raised() -> None:
    class Bell(Noting):
        def start(self) -> None:
            raise OSError('no bell')

    with pytest.raises(OSError, match='no bell'):
        await started(Bell)


async def test_a_plain_start_that_is_given_up_leaves_no_thread_that_keeps_the_process() -> None:
    # Given a plain start that does not return
    entered, released = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Bell(Noting):
        def start(self) -> None:
            self.happened.append(threading.current_thread())
            loop.call_soon_threadsafe(entered.set)
            released.wait(20)

    starting = asyncio.create_task(started(Bell))
    await entered.wait()

    # When it is given up
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting

    # Then the interpreter would not wait for its thread
    is_daemon = Bell.happened[0].daemon
    released.set()
    assert is_daemon


async def test_an_instance_is_made_on_the_loop() -> None:
    class Bell(Noting):
        def __init__(self) -> None:
            self.happened.append(asyncio.get_running_loop())

    await started(Bell)

    assert Bell.happened == [asyncio.get_running_loop()]


async def test_a_start_that_wants_the_context_gets_it() -> None:
    class Bell(Noting):
        async def start(self, context: Context) -> None:
            self.happened.append(context.name)

    await started(Bell, name='bell')

    assert Bell.happened == ['bell']


async def test_what_start_raises_is_raised() -> None:
    class Bell(Noting):
        async def start(self) -> None:
            raise OSError('no bell')

    with pytest.raises(OSError, match='no bell'):
        await started(Bell)


async def test_every_start_makes_a_new_instance() -> None:
    # Given a plugin whose first start failed
    class Bell(Noting):
        async def start(self) -> None:
            self.happened.append(self)
            if len(self.happened) == 1:
                raise OSError('no bell')

    one = make_handler(Bell)
    with pytest.raises(OSError, match='no bell'):
        await one.start(make_context())

    # When it is started again
    await one.start(make_context())

    # Then it is another instance
    assert Bell.happened[0] is not Bell.happened[1]


async def test_a_handler_that_is_not_started_takes_nothing() -> None:
    assert make_handler(of_calls).call_for(CALL) is None


@pytest.mark.parametrize('is_async', [True, False])
async def test_stop_is_called_async_or_not(is_async: bool) -> None:
    # Given a started plugin with a stop
    class Plain(Noting):
        def stop(self) -> None:
            self.happened.append('stopped')

    class Async(Noting):
        async def stop(self) -> None:
            await asyncio.sleep(0)
            self.happened.append('stopped')

    plugin: type[Noting] = Async if is_async else Plain
    one = await started(plugin)

    # When the handler stops
    await one.stop()

    # Then the plugin has stopped
    assert plugin.happened == ['stopped']


async def test_what_stop_raises_is_raised() -> None:
    class Bell(Noting):
        async def stop(self) -> None:
            raise OSError('the bell is stuck')

    one = await started(Bell)

    with pytest.raises(OSError, match='stuck'):
        await one.stop()


@pytest.mark.parametrize('target', [Several, of_calls])
async def test_a_plugin_without_a_stop_is_stopped_by_doing_nothing(target: Any) -> None:
    one = await started(target)

    await one.stop()

    assert one.call_for(CALL) is not None


# ---- what it is


def test_the_concurrency_of_the_configuration_goes_before_that_of_the_plugin() -> None:
    @handler('calls.#', concurrency=8)
    def ring(event: Event) -> None: ...

    assert make_handler(ring, concurrency=2).concurrency == 2


def test_without_one_in_the_configuration_the_concurrency_is_the_plugins() -> None:
    @handler('calls.#', concurrency=8)
    def ring(event: Event) -> None: ...

    assert make_handler(ring).concurrency == 8


def test_a_handler_is_the_same_as_one_of_the_same_configuration_and_code() -> None:
    assert make_handler(of_calls, timeout=5).is_same(make_handler(of_calls, timeout=5))


@pytest.mark.parametrize(
    'other',
    [
        make_handler(of_calls, name='other', timeout=5),
        make_handler(of_calls, timeout=6),
        make_handler(of_calls, timeout=5, match='calls.#'),
        make_handler(of_calls, timeout=5, tenants=TENANT),
        make_handler(of_calls, timeout=5, users=USER),
        make_handler(of_calls, timeout=5, acl='events.#'),
        Handler(
            'test',
            replace(make_plugin(of_calls), version='2'),
            HandlerConfig.model_validate({'plugin': 'test', 'match': '#', 'timeout': 5}),
            FreeOptions(),
        ),
        Handler(
            'test',
            replace(make_plugin(of_calls), source='elsewhere'),
            HandlerConfig.model_validate({'plugin': 'test', 'match': '#', 'timeout': 5}),
            FreeOptions(),
        ),
    ],
    ids=['name', 'configuration', 'match', 'tenants', 'users', 'acl', 'version', 'source'],
)
def test_a_handler_is_another_if_anything_of_it_is_another(other: Handler) -> None:
    assert not make_handler(of_calls, timeout=5).is_same(other)


def test_a_handler_whose_code_was_imported_again_is_another_whatever_its_version() -> None:
    def again(event: Event) -> None: ...

    one, two = (
        Handler('test', replace(make_plugin(handler('calls.#')(code)), version='1'), HandlerConfig(plugin='test'), None)
        for code in (of_calls, again)
    )

    assert not one.is_same(two)


def test_a_handler_with_other_options_is_another() -> None:
    class Options(BaseOptions):
        url: str = ''

    @handler('calls.#', options=Options)
    def ring(event: Event) -> None: ...

    def with_url(url: str) -> Handler:
        config = HandlerConfig(plugin='test', options={'url': url})
        return Handler('test', make_plugin(ring), config, Options(url=url))

    assert not with_url('a').is_same(with_url('b'))


# ---- free options


def test_free_options_are_read_as_keys() -> None:
    assert FreeOptions(url='x')['url'] == 'x'


def test_free_options_are_read_as_attributes() -> None:
    assert FreeOptions(url='x').url == 'x'


def test_a_free_option_that_is_missing_is_told_with_those_that_are_there() -> None:
    with pytest.raises(AttributeError, match="there is no option 'uri'; there are: url, text"):
        _ = FreeOptions(url='x', text='y').uri


def test_a_missing_attribute_of_no_free_options_at_all_says_so() -> None:
    with pytest.raises(AttributeError, match='there are: none'):
        _ = FreeOptions().url


# ---- conditions

OFFICE = {'schedules': {'office': {'timezone': 'UTC', 'hours': {'mon-fri': ['08:00-18:00']}}}}
MONDAY_AT_TEN = 1_767_607_200.0


@handler
async def ring(event: Event) -> None: ...


def taken(event: Event, **config: Any) -> bool | Refusal | None:
    call = make_handler_with_calls(**config).call_for(event)
    return call if not isinstance(call, Call) else True


def make_handler_with_calls(**config: Any) -> Handler:
    one = make_handler(ring, **config)
    one._calls = [one._bound(method, None) for method in one.plugin.methods]  # type: ignore[arg-type]
    return one


@pytest.mark.parametrize(
    ('config', 'wanted'),
    [
        ({'where': {'data.call_id': '1'}}, True),
        ({'where': {'data.call_id': '2'}}, False),
        ({'where': {}}, True),
        ({'when': "data.call_id == '1'"}, True),
        ({'when': "data.gone != '1'"}, False),
        ({'when': "names[call_id] == 'Anna'", 'top': {'names': {'1': 'Anna'}}}, True),
        ({'where': {'data.call_id': '1'}, 'when': 'false'}, False),
    ],
)
def test_an_event_is_taken_if_the_conditions_want_it(config: Any, wanted: bool) -> None:
    assert taken(CALL, **config) is (True if wanted else Refusal.FILTERED)


@pytest.mark.parametrize(('wish', 'found'), [('office', [True, False]), ('!office', [False, True])])
def test_a_schedule_says_when_events_are_taken(wish: str, found: list[bool]) -> None:
    events = [Event('x', received_at=MONDAY_AT_TEN + hours * 3600) for hours in (0, 12)]

    assert [taken(event, schedule=wish, top=OFFICE) is True for event in events] == found


def test_an_event_that_came_too_late_is_not_taken() -> None:
    assert taken(Event('x', received_at=time.time() - 60), expires_after='20s') is Refusal.EXPIRED


def test_an_event_that_is_not_matched_is_not_asked_about() -> None:
    assert taken(CALL, match='faxes.#', when='1 / 0 == 1') is None


async def test_an_event_that_becomes_too_old_while_it_waits_is_not_given_to_the_plugin() -> None:
    call = make_handler_with_calls(expires_after='20s').call_for(Event('x', received_at=time.time()))

    assert isinstance(call, Call)
    with pytest.raises(Expired, match='it waited longer than 20 s'):
        call.run(Event('x', received_at=time.time() - 60))


async def test_where_it_cannot_be_said_whether_an_event_is_wanted_the_call_says_so() -> None:
    call = make_handler_with_calls(when='1 / 0 == 1').call_for(CALL)

    assert isinstance(call, Call)
    with pytest.raises(ConditionError, match='handler test: it cannot be said'):
        call.run(CALL)


def test_without_conditions_there_is_nothing_to_ask() -> None:
    assert make_handler(ring).condition is None


class Speaking(BaseOptions):
    text: PlainText | None = None


@handler(options=Speaking)
async def speak(event: Event) -> None: ...


NAMES = {'names': {'1': 'Anna'}}


@pytest.mark.parametrize(
    ('one', 'other', 'same'),
    [
        ({}, {'top': NAMES}, True),
        ({'when': 'true'}, {'when': 'true', 'top': NAMES}, False),
        ({'when': 'true', 'top': NAMES}, {'when': 'true', 'top': NAMES}, True),
        ({'top': OFFICE}, {}, True),
        ({'schedule': 'office', 'top': OFFICE}, {'schedule': 'office', 'top': OFFICE}, True),
        (
            {'schedule': 'office', 'top': OFFICE},
            {'schedule': 'office', 'top': {'schedules': {'office': {'hours': {'mon': '08:00-09:00'}}}}},
            False,
        ),
        ({'expires_after': '20s'}, {'expires_after': '30s'}, False),
    ],
)
def test_a_handler_is_another_if_what_its_conditions_depend_on_is(one: Any, other: Any, same: bool) -> None:
    assert make_handler(ring, **one).is_same(make_handler(ring, **other)) is same


@pytest.mark.parametrize(('options', 'same'), [({'text': '{{ names.x }}'}, False), ({}, True)])
def test_a_handler_with_texts_is_another_if_the_names_are(options: Any, same: bool) -> None:
    one, other = (make_handler(speak, options=options, top=top) for top in ({}, NAMES))
    other.config, other.plugin = one.config, one.plugin

    assert one.is_same(other) is same


class Reader:
    """A plugin that reads the names of the configuration itself."""

    reads_surroundings = True

    @handler
    async def ring(self, event: Event) -> None: ...


@pytest.mark.parametrize(('top', 'same'), [(NAMES, False), ({'region': 'FR'}, False), ({}, True)])
def test_a_handler_that_reads_names_and_region_itself_is_another_if_they_are(top: Any, same: bool) -> None:
    one, other = make_handler(Reader), make_handler(Reader, top=top)
    other.plugin = one.plugin

    assert one.is_same(other) is same


async def test_what_was_found_for_a_key_and_a_name_is_not_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = await started(of_calls)
    found = one.call_for(CALL)
    monkeypatch.setattr(one, 'match', None)

    assert one.call_for(CALL) is found


async def test_keys_without_end_are_not_all_remembered() -> None:
    one = await started(of_calls)
    for number in range(5_000):
        one.call_for(Event('call_created', routing_key=f'calls.{number}'))

    assert len(one._known) <= 1_000


async def test_names_of_any_length_are_not_remembered() -> None:
    one = await started(of_calls)
    one.call_for(Event('x' * 1_000_000, routing_key='calls.call.created'))

    assert not one._known
