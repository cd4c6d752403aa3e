# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The roster: the handlers that a configuration asks for, and what is wrong with the others."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from traceback import TracebackException
from typing import Any

from pydantic import ValidationError

from wazo_busd.config import Configuration, Document, HandlerConfig, explain
from wazo_busd.config.schema import NAMES_OF_MATCH, nearest
from wazo_busd.errors import Interrupted, PluginError, PluginImportError, Problem, UnknownEvent
from wazo_busd.handler import Handler
from wazo_busd.loader import Loader
from wazo_busd.match import Match
from wazo_busd.options import BaseOptions, FreeOptions
from wazo_busd.plugin import Plugin, concurrency_of
from wazo_busd.texts import surroundings

_AMI_NAME = re.compile(r'[A-Z][A-Za-z0-9-]*')
"""How Asterisk writes the names of its events, and no service of Wazo does."""


_MARGIN_SECONDS = 10.0
"""How much longer than its longest wait a call had better be let run."""


@dataclass(slots=True)
class Roster:
    """The handlers of a configuration.

    Attributes:
        handlers: those that can be started, by name.
        problems: mistakes in the configuration: nothing may start with them.
        failures: plugins whose code cannot be imported: they take out their own handlers, and nothing else.
    """

    handlers: dict[str, Handler] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    failures: list[Problem] = field(default_factory=list)


def call(configuration: Configuration) -> Roster:
    """Load the plugins of all enabled handlers and check their options.

    Args:
        configuration: what the files say; its own problems are not repeated.
    """
    roster = Roster()
    loader = Loader(configuration.config.plugin_dirs)
    for directory, reason in loader.unreadable.items():
        text = f'{directory} cannot be listed: {reason}'
        roster.problems.append(configuration.document.problem(('plugin_dirs',), text, f'ls -ld {directory}'))
    for name, config in configuration.config.handlers.items():
        if config.enabled:
            _enlist(roster, loader, name, config, configuration)
    return roster


def alone(configuration: Configuration, name: str) -> Roster:
    """Load the plugin of one handler, be it one that is switched off, and check its options; no other is imported.

    Args:
        configuration: what the files say; its own problems are not repeated.
        name: the name of the handler, which is configured.
    """
    only = {name: configuration.config.handlers[name].model_copy(update={'enabled': True})}
    return call(replace(configuration, config=configuration.config.model_copy(update={'handlers': only})))


def _enlist(roster: Roster, loader: Loader, name: str, config: HandlerConfig, configuration: Configuration) -> None:
    document, place = configuration.document, ('handlers', name)
    if (*place, 'plugin') in document.misread:
        return
    plugin = _loaded(roster, loader, name, config, document)
    if plugin is None:
        roster.problems.extend(_unknown_items(name, config, document))
        return
    options, problems = _options(plugin, name, config, document)
    problems += _too_many(name, config, configuration)
    problems += _gathered_wrongly(name, config, options, document)
    problems += _cut_short(name, config, options, document)
    if not (config.match or plugin.match) and not _has_wrong_match(name, document):
        problems.append(
            document.problem(
                place, f'the plugin {plugin.name!r} takes any event, so say which', 'add a line match: [calls.#]'
            )
        )
    problems += _unknown_items(name, config, document)
    problems += _unknown_events(plugin, name, document)
    roster.problems.extend(problems)
    is_misread = any(at[:3] == (*place, 'match') for at in document.misread)
    wish = (config.schedule or '').removeprefix('!')
    is_scheduled = not wish or wish in configuration.config.schedules
    if not problems and not is_misread and is_scheduled and (config.match or plugin.match):
        around = surroundings(configuration.config, options, name=name, document=document)
        schedule = configuration.config.schedule_of(config)
        roster.handlers[name] = Handler(
            name, plugin, config, options, surroundings=around, schedule=schedule, secrets=document.secrets
        )


def _loaded(roster: Roster, loader: Loader, name: str, config: HandlerConfig, document: Document) -> Plugin | None:
    """The plugin of a handler; `None` if it cannot be used, which the roster says then."""
    place = ('handlers', name, 'plugin')
    try:
        return loader.load(config.plugin)
    except PluginImportError as error:
        roster.failures.append(document.problem(place, error.text, error.hint))
    except PluginError as error:
        if config.plugin in loader.names or not document.is_told(('plugin_dirs',)):
            roster.problems.append(document.problem(place, error.text, error.hint))
    return None


def _too_many(name: str, config: HandlerConfig, configuration: Configuration) -> list[Problem]:
    """More events at a time than the bus gives out."""
    document, prefetch = configuration.document, configuration.config.bus.prefetch
    if config.concurrency is None or config.concurrency <= prefetch or document.is_told(('bus', 'prefetch')):
        return []
    text = f'{config.concurrency} is more than bus.prefetch, {prefetch}: no more events than that are taken at a time'
    hint = f'bus: {{prefetch: {config.concurrency}}}'
    return [document.problem(('handlers', name, 'concurrency'), text, hint)]


def _gathered_wrongly(name: str, config: HandlerConfig, options: Any, document: Document) -> list[Problem]:
    """Events that are gathered for longer than anybody wants them, or twice."""
    digest_seconds = options.digest_seconds if isinstance(options, BaseOptions) else None
    problems = []
    if config.collapse is not None and digest_seconds is not None:
        text = 'its plugin makes digests, which are gathered already'
        problems.append(document.problem(('handlers', name, 'collapse'), text, 'take collapse out'))
    refusal = options.burst_refusal if isinstance(options, BaseOptions) else ''
    if config.collapse is not None and refusal:
        text = f'events would be lost in the burst that collapse makes of them: {refusal}'
        hint = 'take collapse out, then: wazo-busd check'
        problems.append(document.problem(('handlers', name, 'collapse'), text, hint))
    seconds = config.collapse if digest_seconds is None else digest_seconds
    if seconds is not None and config.expires_after is not None and config.expires_after <= seconds:
        text = f'its events are gathered for {seconds:g} s, so none is that young when its turn comes'
        hint = 'make expires_after longer, or take it out'
        problems.append(document.problem(('handlers', name, 'expires_after'), text, hint))
    return problems


def _cut_short(name: str, config: HandlerConfig, options: Any, document: Document) -> list[Problem]:
    """Calls that are ended while they may still wait."""
    place = ('handlers', name, 'timeout')
    seconds = options.patience_seconds if isinstance(options, BaseOptions) else None
    if seconds is None or seconds < config.timeout or document.is_told(place):
        return []
    text = f'a call is ended after {config.timeout:g} s, and by its options it may wait {seconds:g} s for an answer'
    enough = math.ceil(seconds + _MARGIN_SECONDS)
    hint = f'write timeout: {enough}s, or let the options wait for less, then: wazo-busd check'
    return [document.problem(place, text, hint)]


def _has_wrong_match(name: str, document: Document) -> bool:
    """Whether a match was written that is wrong, or under another name, which is told already."""
    place = ('handlers', name)
    if any(document.is_told((*place, key)) for key in ('match', *NAMES_OF_MATCH)):
        return True
    written = {str(at[2]) for at in document.origins if at[:2] == place and len(at) == 3}
    unknown = written.difference(HandlerConfig.model_fields)
    return any(nearest(key, HandlerConfig.model_fields) == 'match' for key in unknown)


def _unknown_items(name: str, config: HandlerConfig, document: Document) -> list[Problem]:
    """The names in its match that no event has."""
    problems = []
    place = ('handlers', name, 'match')
    for number, item in enumerate(config.match or ()):
        if not document.misread.isdisjoint([place, (*place, number)]):
            continue
        try:
            Match([item])
        except UnknownEvent as error:
            problems.append(document.problem((*place, number), str(error), _hint(error)))
    return problems


def _unknown_events(plugin: Plugin, name: str, document: Document) -> list[Problem]:
    """The names in the match of its plugin that no event has."""
    problems = []
    for method in plugin.methods:
        try:
            Match(method.match)
        except UnknownEvent as error:
            text = f'plugin {plugin.name!r} ({plugin.source}): {method.name} matches an unknown event: {error}'
            problems.append(document.problem(('handlers', name, 'plugin'), text, _hint(error)))
    return problems


def _hint(error: UnknownEvent) -> str:
    if _AMI_NAME.fullmatch(error.name):
        end = '' if error.near else ';'
        return f'{error.hint}{end} an event of AMI that is not known is written ami.{error.name}'
    if error.near:
        return error.hint
    return f'{error.hint}; a routing key of one word is written {error.name}.#'


def _options(plugin: Plugin, name: str, config: HandlerConfig, document: Document) -> tuple[Any, list[Problem]]:
    if plugin.options is None:
        return FreeOptions(config.options), []
    place = ('handlers', name, 'options')
    try:
        options = plugin.options.model_validate(config.options)
        concurrency_of(plugin, options)
        return options, []
    except ValidationError as error:
        return None, explain(error, plugin.options, document, place)
    except Interrupted:
        raise
    except BaseException as error:  # noqa: BLE001 — the model is the plugin's own code, and may raise anything
        said = TracebackException.from_exception(error, limit=0)
        text = f'the plugin {plugin.name!r} cannot check its options: {type(error).__name__}: {said}'
        return None, [document.problem(place, text, f'mend {plugin.source}')]
