# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin: what its code declares, read without running any of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from wazo_busd import patterns
from wazo_busd.errors import PluginError

F = TypeVar('F', bound=Callable[..., Any])

Preview = Mapping[str, Any]
"""What a plugin would send for an event: names and plain values, as `preview(event, context)` of its class returns it.

It is called on an instance that was not started, sends nothing, and raises what the plugin would raise for the event.
"""

_MARK = '__wazo_busd_handler__'
_PREVIEW = 'preview'
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What `@handler` noted on a function."""

    match: tuple[Any, ...]
    options: type[BaseModel] | None
    concurrency: int | None


@dataclass(frozen=True, slots=True)
class Method:
    """One function of a plugin that takes events.

    Attributes:
        name: its name; a method of a class is found by it.
        function: the function, or the unbound method.
        match: what it declared; nothing means all that the handler gets.
        wants_context: whether it takes the context besides the event.
        blocking: whether it is a plain function, which runs in a thread.
    """

    name: str
    function: Callable[..., Any]
    match: tuple[str, ...]
    wants_context: bool
    blocking: bool


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin: its code and what the code declares.

    Attributes:
        name: what configuration calls it.
        source: where it came from, for people: a distribution or a file.
        version: the version of the distribution, or a digest of the drop-in's content.
        methods: what takes events, in the order of the code.
        factory: the class to make an instance of; `None` for plain functions.
        options: the model of its options; `None` if it takes any.
        concurrency: how many events it runs on at a time, unless the configuration says otherwise.
    """

    name: str
    source: str
    version: str
    methods: tuple[Method, ...]
    factory: type | None
    options: type[BaseModel] | None
    concurrency: int

    @property
    def match(self) -> tuple[str, ...]:
        """What all its methods declared; nothing if one of them takes everything."""
        if any(not method.match for method in self.methods):
            return ()
        return tuple(dict.fromkeys(pattern for method in self.methods for pattern in method.match))

    @property
    def reads_surroundings(self) -> bool:
        """Whether it reads names and region of the configuration itself: its class says `reads_surroundings = True`."""
        return getattr(self.factory, 'reads_surroundings', False) is True

    @property
    def previews(self) -> bool:
        """Whether it tells what it would send for an event: its class has a method `preview`."""
        return callable(getattr(self.factory, _PREVIEW, None))


@overload
def handler(match: F, /) -> F: ...
@overload
def handler(
    *match: str, options: type[BaseModel] | None = None, concurrency: int | None = None
) -> Callable[[F], F]: ...
def handler(*match: Any, options: type[BaseModel] | None = None, concurrency: int | None = None) -> Any:
    """Mark a function or method as one that takes events: `@handler('calls.#')`.

    An `async` function runs on the event loop, a plain one in a thread. It takes the event and, if it has a second
    parameter, the context.

    Args:
        match: routing-key patterns; with none, the configuration must say what to match.
        options: a pydantic model of the options, for a plugin that is a function; a class has its own `Options`.
        concurrency: how many events a function runs on at a time; 1 unless said. A class has its own `concurrency`.
    """
    if len(match) == 1 and callable(match[0]):
        return handler()(match[0])

    def mark(function: F) -> F:
        setattr(function, _MARK, _Mark(tuple(match), options, concurrency))
        return function

    return mark


def describe(target: Any, *, name: str, source: str, version: str) -> Plugin:
    """Read what a plugin declares.

    Args:
        target: a function or class that is marked, or a module that holds either marked functions or one such class.
        name: what configuration calls it.
        source: where it came from, for people.
        version: its version.

    Raises:
        PluginError: it is no plugin; the text says what was expected.
    """
    if isinstance(target, ModuleType):
        target = _inside(target, name, source)
    if isinstance(target, type):
        factory: type | None = target
        functions = {key: value for key, value in _members(target).items() if _mark(value)}
        options = getattr(target, 'Options', None)
        concurrency = getattr(target, 'concurrency', 1)
    else:
        factory = None
        functions = target if isinstance(target, dict) else {getattr(target, '__name__', name): target}
        marks = [mark for mark in map(_mark, functions.values()) if mark]
        options = next((mark.options for mark in marks if mark.options), None)
        concurrency = _greatest([mark.concurrency for mark in marks if mark.concurrency is not None])
    plugin = Plugin(
        name,
        source,
        version,
        tuple(_method(key, value, name, source, factory) for key, value in functions.items()),
        factory,
        options,
        concurrency,
    )
    _check(plugin, options)
    return plugin


def concurrency_of(plugin: Plugin, options: Any) -> int:
    """How many events a plugin runs on at a time with some options: their model may have a property `concurrency`.

    Raises:
        PluginError: that is no number of events.
    """
    if not isinstance(getattr(type(options), 'concurrency', None), property):
        return plugin.concurrency
    asked = options.concurrency
    if not _is_concurrency(asked):
        text = f'plugin {plugin.name!r} ({plugin.source}): the concurrency of its options is {asked!r}'
        raise PluginError(text, 'a whole number from 1')
    return int(asked)


def _inside(module: ModuleType, name: str, source: str) -> Any:
    classes, functions = _marked(module, lambda home: home == module.__name__)
    if not (classes or functions):
        # A package that only says `from .ringing import Bell` is the plugin that its own module holds.
        classes, functions = _marked(module, lambda home: home.startswith(f'{module.__name__}.'))
    if len(classes) == 1 and not functions:
        return classes[0]
    if functions and not classes:
        return functions
    if not classes:
        raise PluginError(
            f'plugin {name!r} ({source}) has nothing that takes events',
            "put @handler('calls.#') above a function; from wazo_busd.api import handler",
        )
    found = ', '.join([*(each.__name__ for each in classes), *functions])
    raise PluginError(
        f'plugin {name!r} ({source}) has more than one thing that takes events: {found}',
        'keep one class, or functions only, in a file',
    )


def _marked(module: ModuleType, is_own: Callable[[str], bool]) -> tuple[list[type], dict[str, Any]]:
    """The classes and functions in a module that take events, if the module they were written in is one of its own."""
    own = {key: value for key, value in vars(module).items() if is_own(str(getattr(value, '__module__', '')))}
    classes = [value for value in own.values() if isinstance(value, type) and any(map(_mark, _members(value).values()))]
    return classes, {key: value for key, value in own.items() if inspect.isfunction(value) and _mark(value)}


def _members(cls: type) -> dict[str, Any]:
    """The attributes of a class and its bases, in the order of the code."""
    members: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        members.update(vars(each))
    return members


def _mark(value: Any) -> _Mark | None:
    mark = getattr(value, _MARK, None)
    if mark is None and isinstance(value, (staticmethod, classmethod)):
        mark = getattr(value.__func__, _MARK, None)
    return mark if isinstance(mark, _Mark) else None


def _method(name: str, function: Any, plugin: str, source: str, factory: type | None) -> Method:
    mark = _mark(function)
    if mark is None:
        raise PluginError(
            f'plugin {plugin!r} ({source}) is {type(function).__name__}, not a function or class that takes events',
            "put @handler('calls.#') above a function; from wazo_busd.api import handler",
        )
    where = f'plugin {plugin!r} ({source})'
    if isinstance(function, (staticmethod, classmethod)):
        kind = type(function).__name__
        raise PluginError(
            f'{where}: {name} is a {kind}, and events are taken by methods with self',
            f'take @{kind} away: def {name}(self, event, context)',
        )
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise PluginError(f'{where}: {name} has a yield, so that calling it runs nothing', 'return instead')
    if factory and (mark.options is not None or mark.concurrency is not None):
        raise PluginError(
            f'{where}: {name} is a method, and options and concurrency are of the class',
            f'class {factory.__name__}: concurrency = 4; class Options(BaseOptions): …',
        )
    wants = 2 if factory else 1
    parameters = list(inspect.signature(function).parameters.values())
    required = [p for p in parameters if p.default is p.empty and p.kind in _POSITIONAL]
    possible = [p for p in parameters if p.kind in _POSITIONAL]
    keywords = [p for p in parameters if p.default is p.empty and p.kind is p.KEYWORD_ONLY]
    if len(possible) < wants or len(required) > wants + 1 or keywords:
        expected = f'{name}({"self, " if factory else ""}event, context)'
        raise PluginError(f'{where}: {name} cannot be called with an event', f'expected {expected}')
    for pattern in mark.match:
        _check_pattern(pattern, f'{where}: {name}')
    return Method(name, function, mark.match, len(possible) > wants, not inspect.iscoroutinefunction(function))


def _check_pattern(pattern: Any, where: str) -> None:
    mistake = patterns.mistake(pattern) if isinstance(pattern, str) else 'a pattern is a text'
    if mistake is None:
        return
    is_long = isinstance(pattern, str) and len(pattern.encode(errors='replace')) > patterns.KEY_LIMIT
    cure = 'name fewer words, # stands for the others: ' if is_long else 'for example '
    raise PluginError(f'{where} matches {pattern!r}: {mistake}', f"{cure}@handler('calls.#')")


def _greatest(concurrencies: list[Any]) -> Any:
    """The greatest of what several functions ask for; one that is none, for `_check` to complain of."""
    wrong = [each for each in concurrencies if not _is_concurrency(each)]
    return wrong[0] if wrong else max(concurrencies, default=1)


def _is_concurrency(value: Any) -> bool:
    return type(value) is int and value >= 1


def _check(plugin: Plugin, options: Any) -> None:
    where = f'plugin {plugin.name!r} ({plugin.source})'
    _check_preview(plugin, where)
    if not plugin.methods:
        raise PluginError(f'{where} has no method that takes events', "put @handler('calls.#') above one")
    if options is not None and not (isinstance(options, type) and issubclass(options, BaseModel)):
        raise PluginError(f'{where}: its Options are no pydantic model', 'class Options(BaseOptions): …')
    if not _is_concurrency(plugin.concurrency):
        raise PluginError(f'{where}: its concurrency is {plugin.concurrency!r}', 'a whole number from 1')


def _check_preview(plugin: Plugin, where: str) -> None:
    preview = getattr(plugin.factory, _PREVIEW, None)
    if not inspect.isfunction(preview) or _mark(preview) is not None:
        return
    parameters = list(inspect.signature(preview).parameters.values())
    required = [each for each in parameters if each.default is each.empty and each.kind in _POSITIONAL]
    if len(parameters) < 2 or len(required) > 3:
        raise PluginError(f'{where}: preview cannot be called with an event', 'expected preview(self, event, context)')
