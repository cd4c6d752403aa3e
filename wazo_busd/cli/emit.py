# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd emit`: publishes a test event, complete and as a Wazo host would."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from wazo_busd import catalogue, sample
from wazo_busd.amqp import publish_upstream
from wazo_busd.catalogue import Entry
from wazo_busd.catalogue.publication import Era, Publication, example, publication
from wazo_busd.cli.completion import event_names
from wazo_busd.cli.fields import changes, file_name, read_json
from wazo_busd.cli.options import as_json, config_option, failure, misconfigured, output_option, unknown_event
from wazo_busd.codec import MOST_LEVELS, deeper_than, encode
from wazo_busd.config import load
from wazo_busd.errors import BusError, UnknownEvent
from wazo_busd.text import escape

TEST_HEADER = 'busd-test'
"""The header that tells an event of a person who tests from one of a host."""


@click.command(short_help='Publish a test event on the real bus.')
@click.argument('name', shell_complete=event_names)
@click.argument('fields', metavar='[FIELD=VALUE]...', nargs=-1)
@config_option
@click.option(
    '--file', 'file', type=click.File('rb'), metavar='FILE', help='Take data from this JSON file; - is standard input.'
)
@click.option(
    '--exchange', metavar='NAME', help="Publish there instead of where that era's service does: xivo or wazo-headers."
)
@click.option('--key', metavar='KEY', help='The routing key, instead of that of the catalogue.')
@click.option(
    '--era', type=click.Choice(['now', '2019']), default='now', show_default=True, help='As hosts of that time do.'
)
@click.option('--force', is_flag=True, help='Publish an event that the catalogue does not know.')
@click.option('--dry-run', is_flag=True, help='Show what would be published, and publish nothing.')
@output_option
def emit(
    name: str,
    fields: Sequence[str],
    path: Path,
    file: Any,
    exchange: str | None,
    key: str | None,
    era: Era,
    force: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Publish a complete example of the event NAME on the real bus, for testing handlers.

    FIELD=VALUE changes a field of its data; a dot goes into a map, and a value that is JSON is taken as such. The event
    carries the header busd-test: true. It is for every consumer of the bus, Wazo's own included: on a host in
    use, mind what they make of it.

    \b
    Examples:
      wazo-busd emit user_missed_call
      wazo-busd emit fax_outbound_failed error='no answer' extension=1234
      wazo-busd emit call_ended --era 2019
      wazo-busd emit my_event --force --key my.event text=hello
    """
    if not name:
        raise click.UsageError('the NAME is empty')
    entry = _entry(name, force)
    data = _data(entry, era, file, fields)
    made = publication(entry, data, name=sample.called(name, entry, era), era=era, exchange=exchange, key=key)
    made = replace(made, headers={**made.headers, TEST_HEADER: True})
    shown = json.dumps(asdict(made), indent=2, ensure_ascii=False)
    if not _is_utf_8(shown):
        raise click.UsageError('all that is published is UTF-8, and this has bytes or escapes that are not')
    if dry_run:
        click.echo(shown)
        return
    try:
        _publish(path, made)
    except BusError as error:
        click.echo(failure(error.text, error.cure), err=True)
        sys.exit(1)
    _tell(made, output)


def _tell(made: Publication, output: str) -> None:
    name = made.headers['name']
    if output == 'json':
        told = {'published': True, 'name': name, 'exchange': made.exchange, 'routing_key': made.routing_key}
        click.echo(as_json(told))
    else:
        click.echo(escape(f'published {name} on {made.exchange} with the key {made.routing_key}'))


def _publish(path: Path, made: Publication) -> None:
    configuration = load(path)
    if configuration.problems:
        misconfigured(configuration.problems)
    body = encode(made.body)
    asyncio.run(publish_upstream(configuration.config.bus, made.exchange, made.routing_key, body, made.headers))


def _entry(name: str, force: bool) -> Entry:
    try:
        return catalogue.known(name)
    except UnknownEvent as error:
        if not force:
            click.echo(failure(unknown_event(error), 'wazo-busd events; --force publishes it all the same'), err=True)
            sys.exit(1)
    return Entry(name=name, meaning='An event of the tester.', scope='service', keys=(name,), example={})


def _data(entry: Entry, era: Era, file: Any, fields: Sequence[str]) -> dict[str, Any]:
    data = example(entry, era) if file is None else _read(file)
    try:
        sample.change(data, changes(fields))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if deeper_than(data, MOST_LEVELS):
        raise click.UsageError(f'the data is nested deeper than {MOST_LEVELS} levels')
    return data


def _read(file: Any) -> dict[str, Any]:
    data = read_json(file)
    if not isinstance(data, dict):
        raise click.UsageError(f'{file_name(file)} is no JSON object, which the data of an event is')
    return data


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
