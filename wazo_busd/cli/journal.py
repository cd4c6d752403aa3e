# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd journal`: writes what a journal keeps for other programs.

It knows no plugin: the class of a plugin that keeps records may have `read_file`, an asynchronous generator of those of
a file, beside `read`. That of `journal` has both.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from wazo_busd.cli.commands import FULL
from wazo_busd.cli.completion import handler_names
from wazo_busd.cli.journal_form import FIELDS, cells, csv_line, json_line
from wazo_busd.cli.journal_source import PLUGIN, Advice, fail, moment_of, name_of, records_of, told_of
from wazo_busd.cli.options import config_option, misconfigured
from wazo_busd.config import load
from wazo_busd.loader import Loader

_ADVICE = Advice('wazo-busd journal export {}', 'wazo-busd journal export --file FILE, or name a handler')


@click.group(short_help='Write what a journal keeps for other programs.')
def journal() -> None:
    """Write what a journal keeps for other programs."""


@journal.command(short_help='Write the records to standard output.')
@click.argument('handler', required=False, shell_complete=handler_names)
@click.option('--csv', 'form', flag_value='csv', help='A table for spreadsheets.')
@click.option('--jsonl', 'form', flag_value='jsonl', default='jsonl', help='One JSON object a line. The default.')
@click.option('--since', metavar='WHEN', help='Only events that came then or later, as in 7d or 2026-03-01T09:00.')
@click.option('--until', metavar='WHEN', help='Only events that came before.')
@click.option('--name', metavar='NAME', help='Only events of this name.')
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
    selection = {'since': moment_of('--since', since), 'until': moment_of('--until', until), 'name': name}
    records = _of_file(file, selection) if file is not None else _of_handler(path, handler, selection)
    try:
        asyncio.run(_write(records, form, fields or FIELDS))
    except BrokenPipeError:
        # Whoever reads has enough, as `head` has.
        raise
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL:
            # Not what is read, but where it goes.
            raise
        fail(*told_of(error))


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


def _of_handler(path: Path, name: str | None, selection: Mapping[str, Any]) -> AsyncIterator[Mapping[str, Any]]:
    configuration = load(path)
    if configuration.problems:
        misconfigured(configuration.problems)
    return records_of(configuration, name or name_of(configuration, _ADVICE), selection, _ADVICE)
