# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The report of `wazo-busd plugin check`: what a plugin is to the daemon, and what is wrong with it."""

from __future__ import annotations

import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from wazo_busd.advice import Advice
from wazo_busd.blocking import BlockingCall, blocking_calls
from wazo_busd.cli.tail_selection import hints
from wazo_busd.config import Document
from wazo_busd.errors import PluginError, UnknownEvent
from wazo_busd.loader import Loader
from wazo_busd.match import Match
from wazo_busd.plugin import Plugin
from wazo_busd.safety import walk
from wazo_busd.units import absolute

_SHOWN_BINDINGS = 6


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said of one plugin.

    Attributes:
        name: what configuration calls it.
        path: its file or folder.
        plugin: it; `None` if it cannot be loaded.
        error: what is wrong; `''` if nothing is.
        hint: what to type or mend.
        warnings: what will surprise, in sentences.
    """

    name: str
    path: Path
    plugin: Plugin | None
    error: str = ''
    hint: str = ''
    warnings: tuple[str, ...] = field(default=())

    def plain(self) -> dict[str, Any]:
        """It in plain types."""
        plugin = self.plugin
        return {
            'plugin': self.name,
            'path': str(self.path),
            'version': plugin.version if plugin else None,
            'match': list(plugin.match) if plugin else None,
            'bindings': list(_bindings(plugin)) if plugin and not self.error else None,
            'options': dict(_options(plugin)) if plugin else None,
            'concurrency': plugin.concurrency if plugin else None,
            'error': self.error or None,
            'hint': self.hint or None,
            'warnings': list(self.warnings),
        }

    def lines(self) -> Iterator[str]:
        """It for a person."""
        version = f', {self.plugin.version}' if self.plugin else ''
        yield f'{self.name}: {self.path}{version}'
        if self.error:
            yield f'  error: {self.error}'
            if self.hint:
                yield f'  next: {self.hint}'
        if self.plugin is not None and not self.error:
            yield from self._described(self.plugin)
        yield from (f'  warning: {each}' for each in self.warnings)
        yield ''

    def _described(self, plugin: Plugin) -> Iterator[str]:
        if plugin.match:
            bindings = _bindings(plugin)
            more = f' and {len(bindings) - _SHOWN_BINDINGS} more' if len(bindings) > _SHOWN_BINDINGS else ''
            yield f'  takes     {", ".join(plugin.match)}'
            yield f'  bindings  {", ".join(bindings[:_SHOWN_BINDINGS])}{more}'
        else:
            yield '  takes     any event: its handlers need a match'
        for method in plugin.methods:
            how = 'in a thread' if method.blocking else 'in the loop'
            yield f'  method    {method.name}, {how}, {plugin.concurrency} at a time'
        if plugin.options is None:
            yield '  options   any: there is no model that checks them'
        for name, said in _options(plugin):
            yield f'  option    {name}: {said}'


def reports(place: Path) -> list[Report]:
    """What is to be said of the plugins at a path.

    Args:
        place: a file, a package, or a directory that has these.
    """
    place = absolute(place)
    is_one = place.is_file() or (place / '__init__.py').is_file()
    directory = place.parent if is_one else place
    loader = Loader([directory])
    found = {
        name: each.path
        for name, candidates in loader.candidates.items()
        for each in candidates
        if each.directory == directory and each.path is not None and (not is_one or each.path == place)
    }
    if is_one and not found:
        return [Report(place.stem, place, None, *_no_plugin(place, loader))]
    refused = {} if is_one else {name: error for name, error in loader.refusals.items() if name not in found}
    return [
        *(_report(name, path, loader) for name, path in sorted(found.items())),
        *(Report(name, directory / name, None, error.text, error.hint) for name, error in sorted(refused.items())),
    ]


def _no_plugin(place: Path, loader: Loader) -> tuple[str, str]:
    """Why a file is not even looked at."""
    if place.stem in loader.refusals:
        error = loader.refusals[place.stem]
        return error.text, error.hint
    if place.name.startswith(('.', '_', 'test_')):
        better = place.parent / place.name.removeprefix('test_').lstrip('._')
        return (
            f'the daemon passes over {place.name}: its name begins with ., _ or test_',
            f'check {better}, or rename it',
        )
    return f'{place.name} is no plugin: expected a file that ends in .py, or a package', 'wazo-busd plugin new NAME'


def _report(name: str, path: Path, loader: Loader) -> Report:
    warnings = tuple(_blocking(path))
    try:
        plugin = loader.load(name)
    except PluginError as error:
        return Report(name, path, None, error.text, error.hint, warnings)
    try:
        for method in plugin.methods:
            Match(method.match)
    except UnknownEvent as error:
        return Report(name, path, plugin, f'it matches an unknown event: {error}', error.hint, warnings)
    surprises = hints(plugin.match, Advice(Document()))
    return Report(name, path, plugin, warnings=(*surprises, *warnings))


def _blocking(path: Path) -> Iterator[str]:
    """What in its code would hold up the loop."""
    for file in _sources(path):
        try:
            found: Sequence[BlockingCall] = blocking_calls(file.read_text())
        except (OSError, ValueError, SyntaxError, RecursionError):
            # The import of it says what is wrong.
            continue
        for each in found:
            where = f'{file}:{each.line}: {each.function} is async and calls {each.called}'
            yield f'{where}, which holds up all handlers; {each.cure}'


def _sources(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    for directory, _, names in walk(path) if path.is_dir() else ():
        yield from (directory / name for name in sorted(names) if name.endswith('.py'))


def _bindings(plugin: Plugin) -> tuple[str, ...]:
    return Match(plugin.match).bindings if plugin.match else ()


def _options(plugin: Plugin) -> Iterator[tuple[str, str]]:
    """The options by name: of what type, and by default."""
    for name, info in (plugin.options.model_fields if plugin.options else {}).items():
        default = 'has a default' if info.default_factory is not None else f'{info.default!r} by default'
        yield name, f'{_type(info.annotation)}, {"required" if info.is_required() else default}'


def _type(annotation: Any) -> str:
    """What a person calls a type."""
    if annotation is type(None):
        return 'null'
    if get_origin(annotation) in (Union, types.UnionType):
        return ' or '.join(map(_type, get_args(annotation)))
    return getattr(annotation, '__name__', str(annotation)) if not get_args(annotation) else str(annotation)
