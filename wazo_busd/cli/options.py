# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What several commands take and print."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from wazo_busd.codec import encode
from wazo_busd.errors import Problem, UnknownEvent, in_order
from wazo_busd.text import escape

_NAMES = (
    r'check|dead \w+|doctor|emit|events|explain|handlers|journal export|log-level|pause|plugin (?:check|list)|plugins'
    r'|queue \w+|record|reload|replay|resume|run|setup-broker|status|tail|test|top'
)
_OURS = re.compile(rf'\bwazo-busd ({_NAMES})\b(?! -c)|\bsystemctl start wazo-busd\b')
"""Our commands that read a configuration; systemd's daemon reads the usual one."""

_NO_ASCII = re.compile(r'[^\x00-\x7e]')
_CONFIG = 'wazo_busd.config'

F = TypeVar('F', bound=Callable[..., Any])

DEFAULT_CONFIG = Path('/etc/wazo-busd/config.yml')
EXIT_CONFIGURATION = 78
"""The exit code of a configuration that cannot be used (sysexits.h, EX_CONFIG); systemd does not restart on it."""


def config_option(function: F) -> F:
    """Add `-c FILE`."""
    return click.option(
        '-c',
        '--config',
        '--config-file',
        'path',
        # Not readable=True, click's default: that is wrong usage (2) to it, and a wrong configuration (78) to us.
        type=click.Path(path_type=Path, readable=False),
        default=DEFAULT_CONFIG,
        show_default=True,
        metavar='FILE',
        callback=_noted,
        help='The main configuration file; conf.d beside it is read too.',
    )(function)


def _noted(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    context.meta[_CONFIG] = value
    return value


def command(name: str, path: Path) -> str:
    """A command for a person to type, with the configuration that this one was given, if it is not the usual one.

    Args:
        name: the command and what stands behind it.
        path: the main configuration file.
    """
    return f'wazo-busd {name}' + ('' if path == DEFAULT_CONFIG else f' -c {shlex.quote(str(path))}')


def with_config(cure: str, path: Path) -> str:
    """What to type, for a configuration that is not the usual one: each of our commands in it names that.

    Args:
        cure: what to type, as for the usual one.
        path: the main configuration file.
    """
    if path == DEFAULT_CONFIG:
        return cure
    return _OURS.sub(lambda match: command(match[1] or 'run', path), cure)


def typed(cure: str) -> str:
    """What to type, for the configuration that the command was given which runs now; see `with_config`."""
    context = click.get_current_context(silent=True)
    return with_config(cure, DEFAULT_CONFIG if context is None else context.meta.get(_CONFIG, DEFAULT_CONFIG))


def failure(text: str, cure: str) -> str:
    """`error: text. next: cure`, on one line for a terminal; without the cure where nothing is known to help."""
    return escape(f'error: {text}. next: {typed(cure)}' if cure else f'error: {text}')


def unknown_event(error: UnknownEvent) -> str:
    """That no event is called so, with those that were perhaps meant."""
    return f'{error} ({error.hint})' if error.near else str(error)


def next_command(cure: str) -> str:
    """The command that a cure in prose ends with, after a colon; all of the cure if it ends with none of ours."""
    _, colon, last = cure.rpartition(': ')
    return last if colon and _OURS.match(last) else cure


def has_colour() -> bool:
    """Whether standard output is a terminal where colour is wanted."""
    return sys.stdout.isatty() and not os.environ.get('NO_COLOR')


def misconfigured(problems: Sequence[Problem]) -> NoReturn:
    """Say what is wrong with the configuration, and end.

    Args:
        problems: what is wrong with it.
    """
    print_problems(problems)
    click.echo(escape(f'next: {typed("wazo-busd check")}'), err=True)
    sys.exit(EXIT_CONFIGURATION)


def print_problems(problems: Sequence[Problem], kind: str = 'error') -> None:
    """Print problems to standard error, one a line, in the order of files and lines."""
    for problem in in_order(problems):
        click.echo(escape(f'{kind}: {problem}'), err=True)


def plural(number: int, noun: str) -> str:
    """`1 handler`, `2 handlers`."""
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def size(count: int) -> str:
    """`900 B`, `1.3 MiB`: so many bytes, for people."""
    value, unit = float(count), 'B'
    for unit in ('B', 'KiB', 'MiB', 'GiB'):
        if value < 1024 or unit == 'GiB':
            break
        value /= 1024
    return f'{value:.0f} {unit}' if unit == 'B' else f'{value:.1f} {unit}'


def output_option(function: F) -> F:
    """Add `-o text|json`."""
    return click.option(
        '-o',
        '--output',
        type=click.Choice(['text', 'json']),
        default='text',
        show_default=True,
        help='For people, or JSON for programs.',
    )(function)


def as_json(value: Any) -> str:
    """JSON for programs, whatever came over the bus: it can be written to any terminal, and read again."""
    text = json.dumps(json.loads(encode(value)), indent=2, ensure_ascii=False)
    # What cannot be UTF-8 stays escaped, and what a terminal could take for more than a letter is.
    return _NO_ASCII.sub(_plain, text.encode('utf-8', 'backslashreplace').decode())


def _plain(found: re.Match[str]) -> str:
    letter = found[0]
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]
