# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What commands that listen to the bus take: which events, how many, for how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from wazo_busd.cli.options import misconfigured
from wazo_busd.cli.tail_selection import Selection
from wazo_busd.config import Configuration, load, parse_duration
from wazo_busd.errors import UnknownEvent
from wazo_busd.language import Expression
from wazo_busd.text import escape
from wazo_busd.texts import surroundings

F = TypeVar('F', bound=Callable[..., Any])

_MOST_SECONDS = 366 * 86_400.0


def selection_options(function: F) -> F:
    """Add `--when`, `-n` and `--for`."""
    for option in (
        click.option('--for', 'span', metavar='DURATION', help='End after that time, as in 30s.'),
        click.option('-n', 'most', metavar='N', type=click.IntRange(min=1), help='End after so many events.'),
        click.option(
            '--when', metavar='EXPRESSION', help='Only events of which this is true, as in when of a handler.'
        ),
    ):
        function = option(function)
    return function


def configuration_of(path: Path) -> Configuration:
    """The configuration; if it is wrong, say so and end."""
    configuration = load(path)
    if configuration.problems:
        misconfigured(configuration.problems)
    return configuration


def seconds_of(span: str | None) -> float | None:
    """What `--for` says, in seconds; `None` for ever.

    Raises:
        click.UsageError: it is no duration.
    """
    if span is None:
        return None
    try:
        seconds = parse_duration(span)
    except ValueError as error:
        raise click.UsageError(f'--for {span}: {error}') from None
    if not 0 < seconds <= _MOST_SECONDS:
        raise click.UsageError(f'--for {span}: expected more than nothing and at most 366d, as in 30s')
    return seconds


def selection_of(items: Sequence[str], when: str | None, configuration: Configuration, *, ami: bool) -> Selection:
    """Which events are meant.

    Args:
        items: names and patterns; none means all.
        when: what `--when` says.
        configuration: the configuration.
        ami: whether events of AMI are wanted although nothing names them.

    Raises:
        click.UsageError: there is no such event, pattern or expression.
    """
    try:
        return Selection(items, _expression(when), surroundings(configuration.config), ami=ami)
    except UnknownEvent as error:
        raise click.UsageError(escape(f'{error}; {error.hint}')) from None
    except ValueError as error:
        raise click.UsageError(escape(str(error))) from None


def _expression(when: str | None) -> Expression | None:
    if when is None:
        return None
    try:
        return Expression(when)
    except ValueError as error:
        told = '; '.join([str(error), *getattr(error, '__notes__', ())])
        raise click.UsageError(escape(f'--when: {told}')) from None
