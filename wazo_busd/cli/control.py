# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd pause`, `resume`, `reload` and `log-level`: change something in the running daemon."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import click

from wazo_busd.cli.asking import Answer, ask
from wazo_busd.cli.completion import handler_names
from wazo_busd.cli.options import (
    EXIT_CONFIGURATION,
    as_json,
    command,
    config_option,
    failure,
    output_option,
    plural,
    print_problems,
)
from wazo_busd.control import LEVELS
from wazo_busd.errors import Problem

_LISTED = 'wazo-busd status'


@click.command(short_help='Let a handler take no more events.')
@click.argument('handler', metavar='HANDLER', shell_complete=handler_names)
@config_option
@output_option
def pause(handler: str, path: Path, output: str) -> None:
    """Let HANDLER take no more events, until it is resumed or the daemon is restarted.

    They gather in its queue, and keep their order. What it has begun goes on to its end. A reload changes nothing about
    it.

    \b
    Examples:
      wazo-busd pause crm
      wazo-busd pause crm -c ./config.yml
    """
    answer = ask(path, f'/handlers/{quote(handler, safe="")}/pause', method='POST')
    following = command(f'resume {handler}', path)
    _done(answer, output, f'{handler} is paused: its events gather in its queue. next: {following}')


@click.command(short_help='Let a paused handler take events again.')
@click.argument('handler', metavar='HANDLER', shell_complete=handler_names)
@config_option
@output_option
def resume(handler: str, path: Path, output: str) -> None:
    """Let HANDLER take events again, those first that have gathered.

    \b
    Examples:
      wazo-busd resume crm
      wazo-busd resume crm -c ./config.yml
    """
    answer = ask(path, f'/handlers/{quote(handler, safe="")}/resume', method='POST')
    _done(answer, output, f'{handler} takes events again. next: {command("status", path)}')


@click.command('reload', short_help='Let the daemon read its configuration again.')
@config_option
@output_option
def reload_command(path: Path, output: str) -> None:
    """Let the daemon read its configuration again, and wait for what comes of it.

    With any mistake nothing is changed, and all of them are told (exit code 78). Else only the handlers that
    changed are ended and begun.

    \b
    Examples:
      wazo-busd reload
      wazo-busd reload -c ./config.yml
    """
    # A handler that changed may take its drain_timeout to end.
    answer = ask(path, '/reload', method='POST', patience_seconds=None)
    problems = [Problem(**each) for each in answer.value.get('problems', ())]
    if output == 'json':
        click.echo(as_json(answer.value))
        sys.exit(0 if answer.value.get('applied') else EXIT_CONFIGURATION)
    if not answer.value.get('applied'):
        print_problems(problems)
        count = plural(len(problems), 'error')
        click.echo(f'{count}; the daemon goes on with what it has. next: {command("check", path)}', err=True)
        sys.exit(EXIT_CONFIGURATION)
    click.echo(f'the configuration is applied. next: {command("status", path)}')


@click.command('log-level', short_help='Change from which level on the daemon logs.')
@click.argument('level', metavar='LEVEL', type=click.Choice(LEVELS, case_sensitive=False))
@config_option
@output_option
def log_level(level: str, path: Path, output: str) -> None:
    """Log from LEVEL on, until the daemon is restarted: debug, info, warning, error or critical.

    \b
    Examples:
      wazo-busd log-level debug
      wazo-busd log-level info -c ./config.yml
    """
    answer = ask(path, '/log-level', method='POST', body=level)
    _done(answer, output, f'the daemon logs from {level} on. next: journalctl -fu wazo-busd')


def _done(answer: Answer, output: str, told: str) -> None:
    """Say that it is done, or end with what the daemon says against it."""
    is_done = answer.status == 200
    if output == 'json':
        click.echo(as_json(answer.value))
        sys.exit(0 if is_done else 1)
    if is_done:
        click.echo(told)
    else:
        error, hint = answer.value.get('error', ''), answer.value.get('hint', '')
        # A daemon of before an upgrade says where they are listed, which stands at the end anyway.
        meant = f' ({hint})' if hint and _LISTED not in hint else ''
        click.echo(failure(f'{error}{meant}', _LISTED), err=True)
        sys.exit(1)
