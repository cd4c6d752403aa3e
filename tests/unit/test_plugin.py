# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin: what its code declares, read without running any of it."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from wazo_busd.context import Context
from wazo_busd.errors import PluginError
from wazo_busd.event import Event
from wazo_busd.options import BaseOptions
from wazo_busd.plugin import Plugin, concurrency_of, describe, handler


def read(target: Any) -> Plugin:
    return describe(target, name='bell', source='/plugins/bell.py', version='1.0')


def module(code: str, name: str = 'bell') -> ModuleType:
    made = ModuleType(name)
    exec(f'from wazo_busd.api import BaseOptions, handler\n{code}', vars(made))
    return made


class RingOptions(BaseOptions):
    url: str = 'http://10.0.0.5/bell'


@handler
async def bare(event: Event) -> None:
    """Take all that the configuration names."""


@handler('calls.#', 'faxes.#')
async def patterned(event: Event) -> None:
    """Take calls and faxes."""


# ---- the decorator


def test_a_bare_handler_declares_no_match() -> None:
    assert read(bare).match == ()


def test_a_handler_called_with_nothing_declares_no_match() -> None:
    @handler()
    def ring(event: Event) -> None: ...

    assert read(ring).match == ()


def test_a_handler_declares_its_patterns_in_their_order() -> None:
    assert read(patterned).match == ('calls.#', 'faxes.#')


def test_a_handler_is_still_the_function_that_it_was() -> None:
    async def ring(event: Event) -> None: ...

    assert handler('calls.#')(ring) is ring


def test_a_bare_handler_is_still_the_function_that_it_was() -> None:
    async def ring(event: Event) -> None: ...

    assert handler(ring) is ring


def test_a_function_can_have_options() -> None:
    @handler('calls.#', options=RingOptions)
    async def ring(event: Event) -> None: ...

    assert read(ring).options is RingOptions


def test_a_function_without_options_has_no_model() -> None:
    assert read(bare).options is None


def test_a_function_runs_on_one_event_at_a_time_unless_it_says_otherwise() -> None:
    assert read(bare).concurrency == 1


def test_a_function_can_run_on_several_events_at_a_time() -> None:
    @handler('calls.#', concurrency=8)
    async def ring(event: Event) -> None: ...

    assert read(ring).concurrency == 8


# ---- functions


def test_a_plugin_keeps_what_it_is_called_and_where_it_came_from() -> None:
    plugin = read(bare)

    assert (plugin.name, plugin.source, plugin.version) == ('bell', '/plugins/bell.py', '1.0')


def test_a_function_is_no_factory() -> None:
    assert read(bare).factory is None


def test_an_async_function_does_not_block() -> None:
    assert not read(bare).methods[0].blocking


def test_a_plain_function_blocks() -> None:
    @handler
    def ring(event: Event) -> None: ...

    assert read(ring).methods[0].blocking


def test_a_partial_of_an_async_function_does_not_block() -> None:
    async def ring(url: str, event: Event) -> None: ...

    assert not read(handler('calls.#')(functools.partial(ring, 'http://10.0.0.5/bell'))).methods[0].blocking


def test_a_function_of_one_parameter_gets_no_context() -> None:
    assert not read(bare).methods[0].wants_context


def test_a_function_of_two_parameters_gets_the_context() -> None:
    @handler
    async def ring(event: Event, context: Context) -> None: ...

    assert read(ring).methods[0].wants_context


def test_a_function_whose_second_parameter_has_a_default_gets_the_context() -> None:
    @handler
    async def ring(event: Event, context: Context | None = None) -> None: ...

    assert read(ring).methods[0].wants_context


def test_a_function_that_takes_no_event_is_refused() -> None:
    def ring() -> None: ...

    with pytest.raises(PluginError, match='ring cannot be called with an event'):
        read(handler('calls.#')(ring))


def test_a_function_that_needs_more_than_event_and_context_is_refused() -> None:
    def ring(event: Event, context: Context, more: int) -> None: ...

    with pytest.raises(PluginError, match='ring cannot be called with an event'):
        read(handler('calls.#')(ring))


def test_a_function_that_needs_a_keyword_is_refused() -> None:
    def ring(event: Event, *, url: str) -> None: ...

    with pytest.raises(PluginError, match='ring cannot be called with an event'):
        read(handler('calls.#')(ring))


def test_what_a_function_should_look_like_is_said() -> None:
    def ring() -> None: ...

    with pytest.raises(PluginError) as caught:
        read(handler('calls.#')(ring))

    assert caught.value.hint == 'expected ring(event, context)'


def test_a_generator_is_refused_as_calling_it_runs_nothing() -> None:
    def ring(event: Event) -> Iterator[None]:
        yield

    with pytest.raises(PluginError, match='ring has a yield'):
        read(handler('calls.#')(ring))


def test_an_async_generator_is_refused_as_awaiting_it_runs_nothing() -> None:
    async def ring(event: Event) -> AsyncIterator[None]:
        yield

    with pytest.raises(PluginError, match='ring has a yield'):
        read(handler('calls.#')(ring))


def test_a_function_that_is_not_marked_is_no_plugin() -> None:
    def ring(event: Event) -> None: ...

    with pytest.raises(PluginError, match='is function, not a function or class that takes events'):
        read(ring)


@pytest.mark.parametrize('target', [None, 7, 'calls.#', object()])
def test_what_is_no_code_is_no_plugin(target: object) -> None:
    with pytest.raises(PluginError, match=r"plugin 'bell' \(/plugins/bell.py\)"):
        read(target)


@pytest.mark.parametrize(
    ('pattern', 'mistake'),
    [
        ('calls.call*', "'call\\*' is no wildcard"),
        ('', 'at least one word'),
        ('a' * 256, 'at most 255 bytes'),
        (7, 'a pattern is a text'),
    ],
)
def test_a_pattern_that_cannot_be_bound_is_refused(pattern: Any, mistake: str) -> None:
    @handler(pattern, 'calls.#')
    def ring(event: Event) -> None: ...

    with pytest.raises(PluginError, match=mistake):
        read(ring)


def test_a_pattern_that_is_too_long_is_told_with_what_to_write() -> None:
    @handler('a' * 256)
    def ring(event: Event) -> None: ...

    with pytest.raises(PluginError) as caught:
        read(ring)

    assert caught.value.hint == "name fewer words, # stands for the others: @handler('calls.#')"


@pytest.mark.parametrize('pattern', ['', 'calls.call*', 7])
def test_any_pattern_that_cannot_be_bound_is_told_with_one_that_can(pattern: Any) -> None:
    @handler(pattern, 'calls.#')
    def ring(event: Event) -> None: ...

    with pytest.raises(PluginError) as caught:
        read(ring)

    assert caught.value.hint.endswith("@handler('calls.#')")


def test_options_that_are_no_model_are_refused() -> None:
    not_a_model: Any = dict

    @handler('calls.#', options=not_a_model)
    def ring(event: Event) -> None: ...

    with pytest.raises(PluginError, match='its Options are no pydantic model'):
        read(ring)


@pytest.mark.parametrize('wrong', [0, -1, True, '4', 1.5])
def test_a_concurrency_of_a_class_that_is_no_whole_number_from_one_is_refused(wrong: Any) -> None:
    class Bell:
        concurrency = wrong

        @handler('calls.#')
        async def ring(self, event: Event) -> None: ...

    with pytest.raises(PluginError, match='its concurrency is'):
        read(Bell)


@pytest.mark.parametrize('wrong', ['0', '-1', 'True', "'4'", '1.5'])
def test_a_concurrency_of_a_function_that_is_no_whole_number_from_one_is_refused(wrong: str) -> None:
    code = f'@handler(concurrency=2)\ndef a(event): ...\n@handler(concurrency={wrong})\ndef b(event): ...'

    with pytest.raises(PluginError, match=f'its concurrency is {wrong}'):
        read(module(code))


# ---- classes


class Base:
    @handler('calls.#')
    async def on_call(self, event: Event) -> None: ...

    @handler('faxes.#')
    async def on_fax(self, event: Event) -> None: ...


class Whole(Base):
    concurrency = 4
    Options = RingOptions

    @handler('voicemails.#', 'calls.#')
    def on_voicemail(self, event: Event, context: Context) -> None: ...

    def helper(self) -> None: ...


def test_the_factory_of_a_class_is_the_class() -> None:
    assert read(Whole).factory is Whole


def test_the_methods_of_a_class_come_in_the_order_of_the_code_those_of_its_bases_first() -> None:
    assert [method.name for method in read(Whole).methods] == ['on_call', 'on_fax', 'on_voicemail']


def test_a_class_matches_what_its_methods_declare_each_pattern_once() -> None:
    assert read(Whole).match == ('calls.#', 'faxes.#', 'voicemails.#')


def test_a_class_with_a_method_that_takes_everything_declares_no_match() -> None:
    class Bell(Base):
        @handler
        async def on_event(self, event: Event) -> None: ...

    assert read(Bell).match == ()


def test_the_options_of_a_class_are_its_options() -> None:
    assert read(Whole).options is RingOptions


def test_the_concurrency_of_a_class_is_its_concurrency() -> None:
    assert read(Whole).concurrency == 4


def test_a_class_runs_on_one_event_at_a_time_unless_it_says_otherwise() -> None:
    assert read(Base).concurrency == 1


def test_self_is_no_parameter_of_a_method() -> None:
    assert [method.wants_context for method in read(Whole).methods] == [False, False, True]


def test_a_method_without_an_event_is_refused() -> None:
    class Bell:
        @handler('calls.#')
        def ring(self) -> None: ...

    with pytest.raises(PluginError) as caught:
        read(Bell)

    assert caught.value.hint == 'expected ring(self, event, context)'


def test_a_method_that_is_overridden_without_being_marked_takes_no_events() -> None:
    class Bell(Base):
        async def on_fax(self, event: Event) -> None: ...

    assert [method.name for method in read(Bell).methods] == ['on_call']


def test_a_method_is_known_by_the_name_that_the_class_has_it_under() -> None:
    # Given a decorator that does not keep the name of what it decorates
    def logged(function: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def wrapper(self: object, event: Event) -> None:
            await function(self, event)

        return wrapper

    class Bell:
        @handler('calls.#')
        @logged
        async def on_call(self, event: Event) -> None: ...

        @handler('faxes.#')
        @logged
        async def on_fax(self, event: Event) -> None: ...

    # When the class is read
    names = [method.name for method in read(Bell).methods]

    # Then its methods are those of the class
    assert names == ['on_call', 'on_fax']


@pytest.mark.parametrize('kind', [staticmethod, classmethod])
@pytest.mark.parametrize('order', ['above', 'below'])
def test_a_method_without_self_is_refused_by_name_with_what_to_write(kind: Any, order: str) -> None:
    def ring(event: Event, context: Context) -> None: ...

    found = kind(handler('calls.#')(ring)) if order == 'above' else handler('calls.#')(kind(ring))

    with pytest.raises(PluginError) as caught:
        read(type('Bell', (), {'ring': found}))

    assert (caught.value.text, caught.value.hint) == (
        f"plugin 'bell' (/plugins/bell.py): ring is a {kind.__name__}, and events are taken by methods with self",
        f'take @{kind.__name__} away: def ring(self, event, context)',
    )


def test_a_class_of_a_module_whose_only_method_is_static_is_refused_by_name() -> None:
    code = "class Bell:\n    @staticmethod\n    @handler('calls.#')\n    def ring(event): ..."

    with pytest.raises(PluginError, match='ring is a staticmethod'):
        read(module(code))


def test_a_class_without_a_marked_method_is_no_plugin() -> None:
    class Bell:
        def ring(self, event: Event) -> None: ...

    with pytest.raises(PluginError, match='has no method that takes events'):
        read(Bell)


def test_reading_a_class_makes_no_instance() -> None:
    class Bell(Base):
        def __init__(self) -> None:
            raise AssertionError

    assert read(Bell).factory is Bell


def marked(patterns: list[str]) -> Callable[..., Awaitable[None]]:
    @handler(*patterns)
    async def ring(self: object, event: Event) -> None: ...

    return ring


@given(st.lists(st.lists(st.sampled_from(['calls.#', 'faxes.*', 'busd.missed']), max_size=3), min_size=1, max_size=4))
def test_a_class_matches_everything_that_any_method_does_or_leaves_it_open(declared: list[list[str]]) -> None:
    # Given a class whose methods declare patterns
    members = {f'on_{number}': marked(patterns) for number, patterns in enumerate(declared)}

    # When it is read
    match = read(type('Bell', (), members)).match

    # Then it matches all of them; nothing in particular if a method takes everything
    everything = {pattern for patterns in declared for pattern in patterns}
    assert set(match) == (everything if all(declared) else set())


# ---- modules


def test_the_marked_function_of_a_module_is_the_plugin() -> None:
    found = read(module("@handler('calls.#')\ndef ring(event): ..."))

    assert [method.name for method in found.methods] == ['ring']


def test_all_marked_functions_of_a_module_are_the_plugin_in_the_order_of_the_code() -> None:
    code = "@handler('calls.#')\ndef b(event): ...\n@handler('faxes.#')\ndef a(event): ...\ndef helper(): ..."

    assert [method.name for method in read(module(code)).methods] == ['b', 'a']


def test_the_functions_of_a_module_share_the_options_that_one_of_them_names() -> None:
    code = (
        "class Own(BaseOptions): ...\n@handler('a')\ndef a(event): ...\n@handler('b', options=Own)\ndef b(event): ..."
    )
    found = module(code)

    assert read(found).options is vars(found)['Own']


def test_the_functions_of_a_module_run_on_as_many_events_as_the_greediest_asks_for() -> None:
    code = "@handler('a', concurrency=2)\ndef a(event): ...\n@handler('b', concurrency=5)\ndef b(event): ..."

    assert read(module(code)).concurrency == 5


def test_functions_of_a_module_are_told_apart_even_where_a_decorator_names_them_alike() -> None:
    code = (
        'def logged(function):\n    def wrapper(event): ...\n    return wrapper\n'
        "@handler('a')\n@logged\ndef a(event): ...\n@handler('b')\n@logged\ndef b(event): ..."
    )

    assert [method.name for method in read(module(code)).methods] == ['a', 'b']


def test_the_marked_class_of_a_module_is_the_plugin() -> None:
    found = module("class Bell:\n    @handler('calls.#')\n    def ring(self, event): ...")

    assert read(found).factory is vars(found)['Bell']


def test_what_a_module_imported_is_not_its_plugin() -> None:
    found = module("@handler('calls.#')\ndef ring(event): ...")
    vars(found).update(Whole=Whole, patterned=patterned)

    assert [method.name for method in read(found).methods] == ['ring']


def test_what_a_package_took_from_its_own_modules_is_its_plugin() -> None:
    # Given a package whose __init__ only says what the plugin is: from .ringing import ring
    ringing = module("@handler('calls.#')\ndef ring(event): ...", 'bell.ringing')
    package = module('', 'bell')
    vars(package)['ring'] = vars(ringing)['ring']

    # When it is read
    found = read(package)

    # Then the function of its module is the plugin
    assert [method.name for method in found.methods] == ['ring']


def test_what_a_package_has_itself_goes_before_what_it_took_from_its_own_modules() -> None:
    base = module("class Base:\n    @handler('calls.#')\n    def ring(self, event): ...", 'bell.base')
    package = module('', 'bell')
    vars(package)['Base'] = vars(base)['Base']
    exec('class Bell(Base): ...', vars(package))

    assert read(package).factory is vars(package)['Bell']


def test_a_package_of_a_similar_name_is_another_package() -> None:
    other = module("@handler('calls.#')\ndef ring(event): ...", 'bells.ringing')
    package = module('', 'bell')
    vars(package)['ring'] = vars(other)['ring']

    with pytest.raises(PluginError, match='has nothing that takes events'):
        read(package)


def test_a_module_without_anything_marked_is_no_plugin() -> None:
    with pytest.raises(PluginError) as caught:
        read(module('def ring(event): ...'))

    assert str(caught.value) == "plugin 'bell' (/plugins/bell.py) has nothing that takes events"


def test_a_module_without_anything_marked_is_told_what_to_write() -> None:
    with pytest.raises(PluginError) as caught:
        read(module(''))

    assert caught.value.hint == "put @handler('calls.#') above a function; from wazo_busd.api import handler"


def test_a_module_with_two_classes_is_refused_naming_both() -> None:
    code = ''.join(
        f"class {name}:\n    @handler('calls.#')\n    def ring(self, event): ...\n" for name in ('One', 'Two')
    )

    with pytest.raises(PluginError, match='more than one thing that takes events: One, Two'):
        read(module(code))


def test_a_module_with_a_class_and_a_function_is_refused_naming_both() -> None:
    code = (
        "class One:\n    @handler('calls.#')\n    def ring(self, event): ...\n@handler('faxes.#')\ndef two(event): ..."
    )

    with pytest.raises(PluginError, match='more than one thing that takes events: One, two'):
        read(module(code))


# ---- options


def test_an_unknown_option_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match='extra_forbidden'):
        RingOptions.model_validate({'uri': 'x'})


def test_options_do_not_change() -> None:
    options: Any = RingOptions()

    with pytest.raises(ValidationError, match='frozen'):
        options.url = 'x'


def test_a_wrong_option_is_not_repeated_in_the_error_as_it_may_be_a_secret() -> None:
    with pytest.raises(ValidationError) as caught:
        RingOptions.model_validate({'url': ['hunter2']})

    assert 'hunter2' not in str(caught.value)


def test_options_that_are_any_pydantic_model_are_accepted() -> None:
    class Own(BaseModel):
        url: str

    @handler('calls.#', options=Own)
    def ring(event: Event) -> None: ...

    assert read(ring).options is Own


@pytest.mark.parametrize('given', [{'concurrency': 2}, {'options': BaseOptions}])
def test_options_and_concurrency_of_a_method_are_refused_with_where_they_belong(given: dict[str, Any]) -> None:
    class Bell:
        @handler('calls.#', **given)
        async def ring(self, event: Event) -> None: ...

    with pytest.raises(PluginError) as caught:
        describe(Bell, name='bell', source='a test', version='1')

    assert 'options and concurrency are of the class' in caught.value.text


# ---- how many events at a time


class _Asking(BaseOptions):
    places: Any = 3

    @property
    def concurrency(self) -> Any:
        return self.places


class _WithAField(BaseOptions):
    concurrency: int = 7


@pytest.mark.parametrize(
    ('options', 'concurrency'), [(_Asking(), 3), (_WithAField(), 1), ({'concurrency': 7}, 1), (None, 1)]
)
def test_the_model_of_the_options_can_say_how_many_events_at_a_time(options: Any, concurrency: int) -> None:
    @handler
    async def ring(event: Event) -> None:
        """Do nothing."""

    plugin = describe(ring, name='bell', source='a test', version='1')

    assert concurrency_of(plugin, options) == concurrency


@pytest.mark.parametrize('places', [0, -1, 1.5, True, '4', None])
def test_what_is_no_number_of_events_is_an_error_that_names_the_plugin(places: Any) -> None:
    @handler
    async def ring(event: Event) -> None:
        """Do nothing."""

    plugin = describe(ring, name='bell', source='a test', version='1')

    with pytest.raises(PluginError, match=r"plugin 'bell' \(a test\): the concurrency of its options is"):
        concurrency_of(plugin, _Asking(places=places))
