# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The source of records: the journal of a handler of the configuration.

It knows no plugin: the class of a plugin that keeps records has `read`, an asynchronous generator of them, as that of
`journal` has.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple, NoReturn

import click

from wazo_busd import roster
from wazo_busd.cli.options import failure, misconfigured
from wazo_busd.config import Configuration, near, parse_duration
from wazo_busd.handler import Handler

PLUGIN = 'journal'


class Advice(NamedTuple):
    """What to type where it is not clear which journal is meant.

    Attributes:
        command: the command, with `{}` for the name of a handler.
        missing: what to do where there is no journal.
    """

    command: str
    missing: str


def name_of(configuration: Configuration, advice: Advice) -> str:
    """The name of the only journal; if there is none, or more than one, say so and end.

    Args:
        configuration: the configuration.
        advice: what to type then.
    """
    names = _names(configuration)
    if not names:
        fail('no handler uses the plugin journal', advice.missing)
    if len(names) > 1:
        fail(f'there is more than one journal: {", ".join(names)}', advice.command.format(names[0]))
    return names[0]


def records_of(
    configuration: Configuration, name: str, selection: Mapping[str, Any], advice: Advice
) -> AsyncIterator[Mapping[str, Any]]:
    """The records of the journal of a handler; if it has none, say so and end.

    Args:
        configuration: the configuration, without problems.
        name: the name of the handler.
        selection: which records: `since`, `until`, `name`.
        advice: what to type where there are none.
    """
    handler = _handler(configuration, name, advice)
    read: Any = getattr(handler.plugin.factory, 'read', None)
    if read is None:
        fail(
            f'{handler.name} uses the plugin {handler.plugin.name}, which keeps no records',
            _another(configuration, advice),
        )
    place = configuration.config.state_dir / 'handlers' / handler.name
    found: AsyncIterator[Mapping[str, Any]] = read(handler.options, handler.name, place, **selection)
    return found


def moment_of(option: str, text: str | None) -> datetime | None:
    """A point in time: how long ago, or in ISO 8601, in local time unless it says another zone.

    Args:
        option: the option that says it.
        text: what it says; `None` for nothing.

    Raises:
        click.UsageError: it is none.
    """
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


def told_of(error: Exception) -> tuple[str, str]:
    """What an error of reading says, and what to type next."""
    text, _, cure = str(error).partition('. next: ')
    if isinstance(error, OSError) and error.filename is not None:
        return f'{error.filename} cannot be read: {error.strerror}', f'ls -l {error.filename}'
    return text, cure or 'wazo-busd check'


def fail(text: str, cure: str) -> NoReturn:
    """Say what is wrong and what to type next, and end."""
    click.echo(failure(text, cure), err=True)
    sys.exit(1)


def _handler(configuration: Configuration, name: str, advice: Advice) -> Handler:
    """The handler of a name, be it one that rests; no other plugin is imported."""
    handlers = configuration.config.handlers
    if name not in handlers:
        fail(f'there is no handler {name!r}', near(name, handlers) or _another(configuration, advice))
    found = roster.alone(configuration, name)
    problems = [each for each in (*found.problems, *found.failures) if each.handler == name]
    if problems or name not in found.handlers:
        misconfigured(problems)
    return found.handlers[name]


def _names(configuration: Configuration) -> list[str]:
    return [name for name, each in configuration.config.handlers.items() if each.plugin == PLUGIN]


def _another(configuration: Configuration, advice: Advice) -> str:
    names = _names(configuration)
    return advice.command.format(names[0]) if names else 'wazo-busd check'
