# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd check`: says everything that is wrong with a configuration."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wazo_busd import roster
from wazo_busd.cli.options import EXIT_CONFIGURATION, config_option, plural, print_problems
from wazo_busd.config import load


@click.command(short_help='Say everything that is wrong with the configuration.')
@config_option
def check(path: Path) -> None:
    """Say everything that is wrong with the configuration, and what it would run.

    Nothing is connected to, nothing is started and nothing is made. Exits with 0 if all is well, with 78 if not. A
    plugin that cannot be imported is an error here (78), although run would start the other handlers.

    \b
    Examples:
      wazo-busd check
      wazo-busd check -c ./config.yml
    """
    configuration = load(path)
    names = roster.call(configuration)
    problems = [*configuration.problems, *names.problems, *names.failures]
    print_problems(configuration.warnings, 'warning')
    print_problems(problems)
    if problems:
        click.echo(f'{plural(len(problems), "error")} in {path}', err=True)
        sys.exit(EXIT_CONFIGURATION)
    handlers = configuration.config.handlers
    for name, handler in names.handlers.items():
        click.echo(f'{name}: plugin {handler.plugin.name} ({handler.plugin.source}) on {", ".join(handler.match)}')
    for name in handlers:
        if name not in names.handlers:
            click.echo(f'{name}: off')
    click.echo(f'{path} is right: {plural(len(names.handlers), "handler")} would run')
    if not names.handlers:
        click.echo('next: name a handler in conf.d beside it, as its comments show')
