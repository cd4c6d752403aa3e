# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd check`: says everything that is wrong with a configuration, and what it would run."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from wazo_busd import roster
from wazo_busd.advice import Advice
from wazo_busd.catalogue import Entry
from wazo_busd.cli.options import EXIT_CONFIGURATION, command, config_option, output_option, plural, print_problems
from wazo_busd.config import Configuration, load
from wazo_busd.errors import Problem, in_order
from wazo_busd.roster import Roster
from wazo_busd.text import escape

_SHOWN = 4


@click.command(short_help='Say everything that is wrong with the configuration.')
@config_option
@output_option
def check(path: Path, output: str) -> None:
    """Say everything that is wrong with the configuration, what will surprise, and what it would run.

    Nothing is connected to, nothing is started and nothing is made. Exits with 0 if all is well, with 78 if not;
    warnings change nothing about that. A plugin that cannot be imported is an error here (78), although run would
    start the other handlers.

    \b
    Examples:
      wazo-busd check
      wazo-busd check -c ./config.yml
      wazo-busd check -o json
    """
    configuration = load(path)
    names = roster.call(configuration)
    advice = Advice(configuration.document)
    errors = in_order([*configuration.problems, *names.problems, *names.failures])
    warnings = in_order(
        [*configuration.warnings, *(each for handler in names.handlers.values() for each in advice.warnings(handler))]
    )
    if output == 'json':
        click.echo(json.dumps({'errors': _plain(errors), 'warnings': _plain(warnings)}, indent=2))
    else:
        print_problems(warnings, 'warning')
        print_problems(errors)
        _explain(configuration, names, advice, {each.handler for each in errors})
        if errors:
            again = command('check', path)
            click.echo(f'{plural(len(errors), "error")} in {path}. next: mend that, then: {again}', err=True)
        else:
            right = f'{path} is right: {plural(len(names.handlers), "handler")} would run'
            click.echo(f'{right}. next: {command("reload", path)}' if names.handlers else right)
            if not names.handlers:
                click.echo('next: name a handler in conf.d beside it, as its comments show')
    if errors:
        sys.exit(EXIT_CONFIGURATION)


def _explain(configuration: Configuration, names: Roster, advice: Advice, wrong: set[str]) -> None:
    """Print what each handler would run on; nothing of those that are wrong."""
    for name in configuration.config.handlers:
        if name in wrong:
            continue
        handler = names.handlers.get(name)
        if handler is None:
            click.echo(f'{name}: off')
            continue
        plugin = f'plugin {handler.plugin.name} ({handler.plugin.source})'
        click.echo(escape(f'{name}: {plugin} on {", ".join(handler.match.items)}'))
        click.echo(escape(f'  {_events(advice.received(handler))}'))


def _events(events: Sequence[Entry]) -> str:
    if not events:
        return 'no known event'
    shown = ', '.join(each.name for each in events[:_SHOWN])
    if len(events) <= _SHOWN:
        return f'{plural(len(events), "known event")}: {shown}'
    return f'{plural(len(events), "known event")}, such as {shown}'


def _plain(problems: Sequence[Problem]) -> list[dict[str, object]]:
    return [
        {key: said[key] for key in ('file', 'line', 'handler', 'message', 'hint')} for said in map(asdict, problems)
    ]
