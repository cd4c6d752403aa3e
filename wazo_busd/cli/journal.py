# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd journal`: writes what a journal keeps for other programs.

It knows no plugin: the class of a plugin that keeps records has `read`, an asynchronous generator of them, and may have
`read_file`, the same for a file. That of `journal` has both.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import click

from wazo_busd import roster
from wazo_busd.cli.completion import handler_names
from wazo_busd.cli.journal_form import FIELDS, cells, csv_line, json_line
from wazo_busd.cli.options import EXIT_CONFIGURATION, config_option, print_problems
from wazo_busd.config import Configuration, load, near, parse_duration
from wazo_busd.handler import Handler
from wazo_busd.loader import Loader
from wazo_busd.text import escape

PLUGIN = 'journal'


@click.group(short_help='Write what a journal keeps for other programs.')
def journal() -> None:
    """Write what a journal keeps for other programs."""


@journal.command(short_help='Write the records to standard output.')
@click.argument('handler', required=False, shell_complete=handler_names)
@click.option('--csv', 'form', flag_value='csv', help='A table for spreadsheets.')
@click.option('--jsonl', 'form', flag_value='jsonl', default='jsonl', help='One JSON object a line. The default.')
@click.option('--since', metavar='WHEN', help='Only events that came then or later, as in 7d or 2026-03-01T09:00.')
@click.option('--until', metavar='WHEN', help='Only events that came before.')
@click.option('--name', help='Only events of this name.')
@click.option('--field', 'fields', metavar='FIELD', multiple=True, help='With --csv: a column, as in data.call_id.')
@click.option(
    '--file',
    'file',
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help='Read this file, whatever the configuration says; - is standard input.',
)
@config_option
def export(
    handler: str | None,
    form: str,
    since: str | None,
    until: str | None,
    name: str | None,
    fields: Sequence[str],
    file: Path | None,
    path: Path,
) -> None:
    """Write the records of the journal of HANDLER to standard output, the oldest first.

    HANDLER can be left out where only one uses the plugin journal. It works whether the daemon runs or not; rotated and
    compressed files are read too. In CSV nothing is taken for a formula: what begins like one has a ' before it.

    \b
    Examples:
      wazo-busd journal export > calls.jsonl
      wazo-busd journal export calls --csv --since 7d > calls.csv
      wazo-busd journal export --csv --field received_at --field data.caller_id_number
      wazo-busd journal export --file calls-2026-03-01.1.jsonl.gz
    """
    if fields and form != 'csv':
        raise click.UsageError('--field is of --csv: JSON lines have all of them')
    if file is not None and handler is not None:
        raise click.UsageError('either HANDLER or --file')
    selection = {'since': _moment('--since', since), 'until': _moment('--until', until), 'name': name}
    records = _of_file(file, selection) if file is not None else _of_handler(load(path), handler, selection)
    try:
        asyncio.run(_write(records, form, fields or FIELDS))
    except BrokenPipeError:
        # Whoever reads has enough, as `head` has.
        raise
    except (OSError, ValueError) as error:
        _fail(*_told(error))


async def _write(records: AsyncIterator[Mapping[str, Any]], form: str, fields: Sequence[str]) -> None:
    # Not in the encoding of a terminal, which may lack letters, nor with its line ends.
    output = sys.stdout.buffer
    if form == 'csv':
        output.write(csv_line(fields).encode())
    async for record in records:
        line = csv_line(cells(record, fields)) if form == 'csv' else f'{json_line(record)}\n'
        output.write(line.encode())
    output.flush()


def _of_file(file: Path, selection: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    source = sys.stdin.buffer if str(file) == '-' else file
    plugin: Any = Loader([]).load(PLUGIN).factory
    found: AsyncIterator[Mapping[str, Any]] = plugin.read_file(source, **selection)
    return found


def _of_handler(
    configuration: Configuration, name: str | None, selection: Mapping[str, Any]
) -> AsyncIterator[Mapping[str, Any]]:
    if configuration.problems:
        print_problems(configuration.problems)
        sys.exit(EXIT_CONFIGURATION)
    handler = _handler(configuration, name or _only(configuration))
    read: Any = getattr(handler.plugin.factory, 'read', None)
    if read is None:
        _fail(f'{handler.name} uses the plugin {handler.plugin.name}, which keeps no records', _journals(configuration))
    place = configuration.config.state_dir / 'handlers' / handler.name
    found: AsyncIterator[Mapping[str, Any]] = read(handler.options, handler.name, place, **selection)
    return found


def _handler(configuration: Configuration, name: str) -> Handler:
    """The handler of a name, be it one that rests; no other plugin is imported."""
    handlers = configuration.config.handlers
    if name not in handlers:
        _fail(f'there is no handler {name!r}', near(name, handlers) or _journals(configuration))
    alone = {name: handlers[name].model_copy(update={'enabled': True})}
    found = roster.call(replace(configuration, config=configuration.config.model_copy(update={'handlers': alone})))
    problems = [each for each in (*found.problems, *found.failures) if each.handler == name]
    if problems or name not in found.handlers:
        print_problems(problems)
        sys.exit(EXIT_CONFIGURATION)
    return found.handlers[name]


def _only(configuration: Configuration) -> str:
    """The name of the only journal."""
    names = _names(configuration)
    if not names:
        _fail('no handler uses the plugin journal', 'wazo-busd journal export --file FILE, or name a handler')
    if len(names) > 1:
        _fail(f'there is more than one journal: {", ".join(names)}', f'wazo-busd journal export {names[0]}')
    return names[0]


def _names(configuration: Configuration) -> list[str]:
    return [name for name, each in configuration.config.handlers.items() if each.plugin == PLUGIN]


def _journals(configuration: Configuration) -> str:
    names = _names(configuration)
    return f'wazo-busd journal export {names[0]}' if names else 'wazo-busd check'


def _moment(option: str, text: str | None) -> datetime | None:
    """A point in time: how long ago, or in ISO 8601, in local time unless it says another zone."""
    if text is None:
        return None
    try:
        return datetime.now().astimezone() - timedelta(seconds=parse_duration(text))
    except (ValueError, OverflowError):
        pass
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.UsageError(
            f'{option} {text}: expected how long ago, as in 7d, or a time, as in 2026-03-01'
        ) from None


def _told(error: Exception) -> tuple[str, str]:
    """What an error says, and what to type next."""
    text, _, cure = str(error).partition('. next: ')
    if isinstance(error, OSError) and error.filename is not None:
        return f'{error.filename} cannot be read: {error.strerror}', f'ls -l {error.filename}'
    return text, cure or 'wazo-busd check'


def _fail(text: str, cure: str) -> NoReturn:
    click.echo(escape(f'error: {text}. next: {cure}'), err=True)
    sys.exit(1)
