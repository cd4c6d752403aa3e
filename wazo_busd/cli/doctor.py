# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd doctor`: finds out why events do not reach their handlers, and says what to type."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import click

from wazo_busd import roster
from wazo_busd.cli.asking import Unanswered, answer
from wazo_busd.cli.options import (
    EXIT_CONFIGURATION,
    as_json,
    command,
    config_option,
    has_colour,
    next_command,
    output_option,
    plural,
    with_config,
)
from wazo_busd.config import Configuration, load, parse_duration
from wazo_busd.doctor import Doctor, Examined, Exists, Finding, Redaction, Severity, Told, contents, write
from wazo_busd.roster import Roster
from wazo_busd.text import escape

_COLOURS = {Severity.OK: 'green', Severity.WARNING: 'yellow', Severity.PROBLEM: 'red'}
_MOST_SECONDS = 3600.0


@click.command(short_help='Find out why events do not reach their handlers.')
@config_option
@output_option
@click.option('--listen', 'span', metavar='DURATION', default='5s', show_default=True, help='How long to hear the bus.')
@click.option(
    '--bundle',
    type=click.Path(path_type=Path, dir_okay=False),
    metavar='FILE.tar.gz',
    help='Write what was seen, without secrets, numbers and names, for those who help.',
)
def doctor(path: Path, output: str, span: str, bundle: Path | None) -> None:
    """Look at configuration, files, plugins, disk, daemon, broker and bus, and say what is wrong and what to type.

    It works whether the daemon runs or not, and changes nothing. Problems come first, each with its cure; the last line
    is what to type next. Exit codes: 0 all is well, 1 something is not, 78 the configuration is wrong.

    \b
    Examples:
      wazo-busd doctor
      wazo-busd doctor --listen 30s --bundle support.tar.gz
    """
    seconds = _seconds(span)
    if bundle is not None:
        _check_place(bundle)
    configuration = load(path)
    names = roster.call(configuration)
    waiting = _Waiting()
    chosen = Doctor(path, configuration, names, lambda: _told(configuration, path), waiting.tell)
    try:
        examined = asyncio.run(chosen.examine(seconds))
    finally:
        waiting.end()
    if output == 'json':
        click.echo(as_json(_plain(examined, bundle)))
    else:
        for line in lines(examined.findings, path, colour=has_colour()):
            click.echo(line)
    if bundle is not None:
        _write(bundle, examined, configuration, names)
    if configuration.problems or names.problems:
        sys.exit(EXIT_CONFIGURATION)
    sys.exit(1 if any(each.severity is not Severity.OK for each in examined.findings) else 0)


def lines(findings: Sequence[Finding], path: Path, *, colour: bool) -> Iterator[str]:
    """The findings for a person, and what to type next.

    Args:
        findings: what was found, problems first.
        path: the main configuration file.
        colour: whether the severity is coloured.
    """
    width = max((len(each.check) for each in findings), default=0)
    for each in findings:
        word = each.severity.value.ljust(len(Severity.PROBLEM.value))
        shown = click.style(word, fg=_COLOURS[each.severity]) if colour else word
        yield f'{shown}  {each.check.ljust(width)}  {escape(each.text)}'
        indent = ' ' * (len(word) + width + 4)
        if each.quoted:
            yield f'{indent}it says: {escape(each.quoted)}'
        if each.cure and each.severity is not Severity.OK:
            yield f'{indent}cure: {escape(with_config(each.cure, path))}'
    yield ''
    yield escape(_end(findings, path))


def _end(findings: Sequence[Finding], path: Path) -> str:
    problems = sum(each.severity is Severity.PROBLEM for each in findings)
    warnings = sum(each.severity is Severity.WARNING for each in findings)
    if not problems and not warnings:
        return f'all is well. next: {command("status", path)}'
    counts = [
        *([plural(problems, 'problem')] if problems else []),
        *([plural(warnings, 'warning')] if warnings else []),
    ]
    return f'{", ".join(counts)}. next: {with_config(next_command(findings[0].cure), path)}'


def _plain(examined: Examined, bundle: Path | None) -> dict[str, Any]:
    hearing = examined.hearing
    heard = (
        {'seconds': round(hearing.seconds, 3), 'upstream': hearing.upstream, 'hub': hearing.hub} if hearing else None
    )
    return {
        'findings': [{**asdict(each), 'severity': each.severity.value} for each in examined.findings],
        'broker': examined.broker or None,
        'heard': heard,
        'bundle': str(bundle) if bundle is not None else None,
    }


def _told(configuration: Configuration, path: Path) -> Told:
    """What the daemon says of itself."""
    try:
        return Told(answer(configuration, path, '/status').value, runs=True)
    except Unanswered as error:
        return Told(lack=error.text, cure=error.cure, runs=error.runs)


def _write(bundle: Path, examined: Examined, configuration: Configuration, names: Roster) -> None:
    """Write the bundle, and say what to do with it; the findings are shown before."""
    redaction = Redaction(configuration, {name: each.plugin for name, each in names.handlers.items()})
    try:
        size = write(bundle, contents(examined, configuration.config.bus, redaction))
    except Exists:
        _fail(bundle, 'something lies there by now', f'ls -l {bundle}')
    except OSError as error:
        _fail(bundle, error.strerror or str(error), f'df -h {bundle.parent}')
    text = f'{bundle} has {-(-size // 1024)} KiB; read it before you send it: tar -xzf {bundle}'
    click.echo(escape(text), err=True)


def _fail(bundle: Path, reason: str, cure: str) -> NoReturn:
    click.echo(escape(f'error: {bundle} cannot be written: {reason}. next: {cure}'), err=True)
    sys.exit(1)


def _check_place(bundle: Path) -> None:
    """See that the bundle can be written, before anybody waits for it.

    Raises:
        click.UsageError: something lies there, or nobody can write there.
    """
    if os.path.lexists(bundle):
        raise click.UsageError(escape(f'--bundle {bundle}: it is there already, and nothing is replaced; name another'))
    if not os.access(bundle.parent, os.W_OK | os.X_OK):
        raise click.UsageError(escape(f'--bundle {bundle}: {bundle.parent} is no directory that you can write'))


def _seconds(span: str) -> float:
    try:
        seconds = parse_duration(span)
    except ValueError as error:
        raise click.UsageError(escape(f'--listen {span}: {error}')) from None
    if not 0 < seconds <= _MOST_SECONDS:
        raise click.UsageError(escape(f'--listen {span}: expected more than nothing and at most 1h, as in 30s'))
    return seconds


class _Waiting:
    """Tells a person at a terminal what is done now, in one line that is written over."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._width = 0

    def tell(self, text: str) -> None:
        """Say what is done now."""
        if self._is_seen:
            shown = escape(text)[: max(_columns() - 1, 1)]
            click.echo(f'\r{shown.ljust(self._width)}', err=True, nl=False)
            self._width = len(shown)

    def end(self) -> None:
        """Take the line away."""
        if self._is_seen:
            click.echo(f'\r{"".ljust(self._width)}\r', err=True, nl=False)


def _columns() -> int:
    return shutil.get_terminal_size().columns
