# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd plugins`: what could be loaded, from where, and what cannot and why."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wazo_busd.cli.options import (
    EXIT_CONFIGURATION,
    as_json,
    command,
    config_option,
    output_option,
    plural,
    print_problems,
)
from wazo_busd.config import Configuration, load
from wazo_busd.errors import PluginError
from wazo_busd.loader import Loader
from wazo_busd.plugin import Plugin
from wazo_busd.text import escape

_COLUMNS = ('plugin', 'version', 'from', 'takes', 'used by')
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What was found by one name.

    Attributes:
        name: the name.
        sources: each place where it was found, for people.
        plugin: it; `None` if it cannot be loaded.
        error: why not.
        hint: what to type or mend.
        used_by: the handlers of the configuration that use it.
    """

    name: str
    sources: tuple[str, ...]
    plugin: Plugin | None
    error: str
    hint: str
    used_by: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """It in plain types."""
        plugin = self.plugin
        return {
            'plugin': self.name,
            'version': plugin.version if plugin else None,
            'sources': list(self.sources),
            'match': list(plugin.match) if plugin else None,
            'options': list(plugin.options.model_fields) if plugin and plugin.options else None,
            'used_by': list(self.used_by),
            'error': self.error or None,
            'hint': self.hint or None,
        }

    def row(self) -> tuple[str, ...]:
        """It in the columns of the table."""
        taken = self.plugin.match if self.plugin else ()
        more = f' and {len(taken) - _SHOWN} more' if len(taken) > _SHOWN else ''
        takes = (', '.join(taken[:_SHOWN]) + more or 'any event') if self.plugin else '-'
        version = self.plugin.version if self.plugin else '-'
        return self.name, version, ' and '.join(self.sources), takes, ', '.join(self.used_by) or '-'


@click.command(short_help='Show the plugins: from where, of which version, and which cannot be loaded.')
@config_option
@output_option
def plugins(path: Path, output: str) -> None:
    """Show every plugin that is found: from which distribution or file, of which version, and which handlers use it.

    Each is loaded as the daemon would. What cannot be is shown with the reason and the cure; of a name that is there
    twice, none is loaded. Exits with 1 if that concerns a plugin that a handler uses.

    \b
    Examples:
      wazo-busd plugins
      wazo-busd plugins -o json
    """
    configuration = load(path)
    loader = Loader(configuration.config.plugin_dirs)
    found = list(_found(loader, configuration))
    remarks = [*loader.hidden, *(f'{each} cannot be listed: {why}' for each, why in loader.unreadable.items())]
    if output == 'json':
        click.echo(as_json({'plugins': [each.plain() for each in found], 'remarks': remarks}))
    else:
        for line in _table(found):
            click.echo(escape(line))
        for each in remarks:
            click.echo(escape(f'note: {each}'))
        click.echo(_end(found))
    problems = configuration.problems
    if not path.exists():
        click.echo(escape(f'note: there is no {path}: no handlers, and the default plugin_dirs'), err=True)
    elif problems:
        print_problems(problems)
        click.echo(escape(f'next: {command("check", path)}'), err=True)
        sys.exit(EXIT_CONFIGURATION)
    if loader.unreadable or any(each.error and each.used_by for each in found):
        sys.exit(1)


def _found(loader: Loader, configuration: Configuration) -> Iterator[Found]:
    """What was found, and loaded, by each name."""
    users: dict[str, list[str]] = {}
    for handler, config in configuration.config.handlers.items():
        users.setdefault(config.plugin, []).append(handler)
    for name in sorted({*loader.candidates, *loader.refusals, *users}):
        sources = tuple(each.source for each in loader.candidates.get(name, ()))
        plugin, error, hint = None, '', ''
        try:
            plugin = loader.load(name)
        except PluginError as failure:
            error, hint = failure.text, failure.hint
        yield Found(name, sources, plugin, error, hint, tuple(users.get(name, ())))


def _table(found: Sequence[Found]) -> Iterator[str]:
    rows = [_COLUMNS, *(each.row() for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row, each in zip(rows, [None, *found], strict=True):
        yield '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if each is not None and each.error:
            yield f'  {each.error}'
            yield f'  next: {each.hint}'


def _end(found: Sequence[Found]) -> str:
    failed = [each for each in found if each.error]
    count = plural(len(found), 'plugin')
    if not failed:
        return f'{count}. next: wazo-busd plugin new NAME writes one of yours'
    unused = '' if any(each.used_by for each in failed) else ', and no handler uses them'
    return f'{count}; {len(failed)} cannot be loaded{unused}'
