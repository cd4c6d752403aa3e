# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd explain`: which handlers would run on an event, and why the others would not."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from wazo_busd import catalogue, roster, sample
from wazo_busd.catalogue.publication import Era
from wazo_busd.cli.completion import event_names
from wazo_busd.cli.fields import changes, moment_option, read_json
from wazo_busd.cli.options import (
    EXIT_CONFIGURATION,
    as_json,
    command,
    config_option,
    failure,
    output_option,
    plural,
    print_problems,
    unknown_event,
)
from wazo_busd.codec import Limits
from wazo_busd.config import Configuration, load, written
from wazo_busd.errors import Undecodable, UnknownEvent
from wazo_busd.event import Event
from wazo_busd.rehearsal import Rehearsal
from wazo_busd.roster import Roster
from wazo_busd.text import escape
from wazo_busd.verdict import Ruling, Verdict

_WORDS = {
    Ruling.RUNS: 'runs',
    Ruling.NOT: 'no',
    Ruling.DEAD: 'a dead letter',
    Ruling.UNKNOWN: 'runs',
}


@click.command(short_help='Show which handlers would run on an event, and why the others would not.')
@click.argument('wanted', metavar='EVENT|FILE', shell_complete=event_names)
@click.argument('fields', metavar='[FIELD=VALUE]...', nargs=-1)
@config_option
@output_option
@click.option('--render', is_flag=True, help='Show what each would send, too.')
@click.option(
    '--era', type=click.Choice(['now', '2019']), default='now', show_default=True, help='As hosts of that time send it.'
)
@moment_option
def explain(
    wanted: str,
    fields: Sequence[str],
    path: Path,
    output: str,
    render: bool,
    era: Era,
    at: float | None,
) -> None:
    """Show which handlers would run on an event, and of all others what says no.

    EVENT is a name of the catalogue, and stands for its example. FILE is a JSON file with an event, as emit --dry-run
    or dead show -o json writes it, or its body alone; - is standard input. FIELD=VALUE changes a field of its data,
    as for emit. Nothing is connected to, nothing is sent.

    \b
    Examples:
      wazo-busd explain fax_outbound_failed error=busy --at '2026-11-28 23:00'
      wazo-busd dead show 3f2a91c0d4e5 -o json | wazo-busd explain - --render
    """
    configuration = load(path)
    names = roster.call(configuration)
    problems = [*configuration.problems, *names.problems]
    if problems:
        print_problems(problems)
        click.echo(f'{plural(len(problems), "error")}; next: {command("check", path)}', err=True)
        sys.exit(EXIT_CONFIGURATION)
    event = _event(wanted, fields, era, at, configuration)
    verdicts = asyncio.run(_verdicts(configuration, names, event, at, previews=render))
    if output == 'json':
        click.echo(as_json(_plain(event, verdicts)))
        return
    where = f'on {event.routing_key} ({event.exchange})'
    click.echo(escape(f'{event.name or "an event without a name"} {where}'))
    for each in verdicts:
        for line in _lines(each, asked=render):
            click.echo(line)
    runs = sum(each.ruling in (Ruling.RUNS, Ruling.UNKNOWN) for each in verdicts)
    following = '' if runs else f'. next: {command("handlers", path)}, to see what each matches'
    click.echo(escape(f'{runs} of {plural(len(verdicts), "handler")} would run{following}'))


async def _verdicts(
    configuration: Configuration, names: Roster, event: Event, at: float | None, *, previews: bool
) -> list[Verdict]:
    with Rehearsal(configuration, names, previews=previews, state_dir=configuration.config.state_dir) as rehearsal:
        found = await rehearsal.verdicts(event, now=at)
    for lack in rehearsal.lacks:
        click.echo(escape(f'warning: {lack}'), err=True)
    return found


def _event(wanted: str, fields: Sequence[str], era: Era, at: float | None, configuration: Configuration) -> Event:
    bus = configuration.config.bus
    try:
        if _is_file(wanted):
            with click.open_file(wanted, 'rb') as file:
                said = read_json(file)
            made = sample.of_content(said, list(changes(fields)), era=era, at=at)
        else:
            made = sample.of_name(wanted, list(changes(fields)), era=era, at=at)
        return sample.event_of(made, at=at, limits=Limits(bus.max_body_size, bus.max_depth))
    except UnknownEvent as error:
        on_key = [each.name for each in catalogue.entries() if '.' in wanted and each.comes_on(wanted)]
        if on_key:
            _fail(f'{wanted} is a key, on which {on_key[0]} comes', f'wazo-busd explain {on_key[0]}')
        _fail(unknown_event(error), 'wazo-busd events')
    except OSError as error:
        _fail(f'{wanted}: {error.strerror or error}', f'ls -l {shlex.quote(wanted)}')
    except Undecodable as error:
        _fail(f'to every handler it would be a dead letter: {error}', '')
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _is_file(wanted: str) -> bool:
    if catalogue.find(wanted) is not None:
        return False
    return wanted == '-' or '/' in wanted or wanted.endswith('.json') or Path(wanted).exists()


def _lines(verdict: Verdict, *, asked: bool) -> Iterator[str]:
    reasons = [escape(each) for each in verdict.reasons]
    yield f'{verdict.handler}: {_WORDS[verdict.ruling]}'
    yield from (f'  {each}' for each in reasons)
    if verdict.sends is not None:
        yield from (f'  {escape(line)}' for line in written(dict(verdict.sends)).splitlines())
    elif asked and verdict.runs:
        yield '  (its plugin does not tell what it would send)'


def _plain(event: Event, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    return {
        'event': {
            'name': event.name,
            'exchange': event.exchange,
            'routing_key': event.routing_key,
            'headers': event.headers,
            'body': event.metadata,
        },
        'handlers': [
            {
                'handler': each.handler,
                'ruling': each.ruling.value,
                'reasons': list(each.reasons),
                'sends': None if each.sends is None else dict(each.sends),
            }
            for each in verdicts
        ],
    }


def _fail(text: str, cure: str) -> NoReturn:
    click.echo(failure(text, cure), err=True)
    sys.exit(1)
