# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What a command line says of an event: `FIELD=VALUE`, and files of JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import click

from wazo_busd.trial import moment

F = TypeVar('F', bound=Callable[..., Any])


def changes(fields: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The fields and values of `FIELD=VALUE`; a value that is JSON is taken as such.

    Raises:
        click.UsageError: it is none.
    """
    for field in fields:
        name, equals, text = field.partition('=')
        if not (equals and all(name.split('.'))):
            raise click.UsageError(f'{field!r} is no FIELD=VALUE, as in extension=1234')
        yield name, _value(text)


def read_json(file: Any) -> Any:
    """What a file of JSON says.

    Raises:
        click.UsageError: it is none.
    """
    try:
        return _json(file.read().decode())
    except ValueError as error:
        raise click.UsageError(f'{file_name(file)} is no JSON: {error}') from None


def file_name(file: Any) -> str:
    """What a file is called, for people."""
    return str(getattr(file, 'name', '<stdin>'))


def moment_option(function: F) -> F:
    """Add `--at TIME`."""
    return click.option(
        '--at',
        metavar='TIME',
        callback=lambda context, option, value: None if value is None else _moment(value),
        help="As if it happened and came then: '2026-11-25 10:00', with a zone behind it if not that of the host.",
    )(function)


def _moment(text: str) -> float:
    try:
        return moment(text)
    except ValueError as error:
        raise click.BadParameter('; '.join([str(error), *getattr(error, '__notes__', ())])) from None


def _value(text: str) -> Any:
    try:
        return _json(text)
    except ValueError:
        return text


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError('it is nested too deep') from None


def _refuse(constant: str) -> None:
    raise ValueError(f'{constant} is none of its values')
