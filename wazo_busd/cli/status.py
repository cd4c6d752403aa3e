# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd status`: how the running daemon and its handlers fare."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from wazo_busd import __version__
from wazo_busd.cli.asking import ask
from wazo_busd.cli.options import (
    DEFAULT_CONFIG,
    as_json,
    config_option,
    has_colour,
    next_command,
    output_option,
    with_config,
)
from wazo_busd.text import escape

_COLUMNS = ('handler', 'plugin', 'state', 'backlog', 'rate', 'done', 'retries', 'dead', 'p95')
COLOURS = {'consuming': 'green', 'stopped': 'red', 'refused': 'red', 'broken': 'red'}
"""Of states; all others are yellow."""
_LOG = 'journalctl -u wazo-busd -n 50'
_OWN_LOG = 'journalctl -u wazo-busd BUSD_HANDLER={handler} -n 20'
_FULL_HANDS = 100
"""A handler that has so many events in hand is behind, as a rule."""
_NEXT = {
    'broken': 'wazo-busd check',
    'refused': '',
    'stopped': 'mend that, then: wazo-busd reload',
    'waiting': _LOG,
    'starting': _OWN_LOG,
    'paused': 'wazo-busd resume {handler}',
    'resting': _OWN_LOG,
}
"""What to type, by states, the worst first; `''` is what its own reason ends with."""


@click.command(short_help='Show how the daemon and its handlers fare.')
@config_option
@output_option
def status(path: Path, output: str) -> None:
    """Show what the running daemon is connected to, and how each of its handlers fares.

    The last line is what to type next. Exit codes: 0 all is well, 1 something is not, 3 the daemon does not run or
    cannot be asked, 78 it does not run and its configuration is wrong.

    \b
    Examples:
      wazo-busd status
      wazo-busd status -o json
    """
    found = ask(path, '/status').value
    if output == 'json':
        click.echo(as_json(found))
    else:
        for line in lines(found, path, colour=has_colour()):
            click.echo(line)
    sys.exit(1 if _is_amiss(found) else 0)


def lines(found: Mapping[str, Any], path: Path = DEFAULT_CONFIG, *, colour: bool) -> Iterator[str]:
    """The status for a person.

    Args:
        found: the status, as the daemon tells it.
        path: the main configuration file, for what is to be typed.
        colour: whether states are coloured.
    """
    since = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(found['since']))
    yield escape(f'wazo-busd {found["version"]}, since {since}')
    yield escape(found['summary'] if found['connected'] else f'not connected: {with_config(found["summary"], path)}')
    # A daemon of before an upgrade does not say it.
    if found.get('cannot_publish'):
        yield escape(f'cannot publish: {with_config(found["cannot_publish"], path)}')
    yield ''
    handlers = found['handlers']
    rows = [_COLUMNS, *(_row(each) for each in handlers)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row, each in zip(rows, [None, *handlers], strict=True):
        cells = [
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        if colour and each is not None:
            cells[2] = click.style(cells[2], fg=COLOURS.get(each['state'], 'yellow'))
        yield '  '.join(cells).rstrip()
        if each is not None and each['why']:
            yield escape(f'  {with_config(each["why"], path)}')
        if each is not None and each['breaker'] != 'closed':
            yield escape(f'  breaker {each["breaker"]}: {_breaker(each)}')
        if each is not None and each['last_error']:
            yield escape(f'  last error: {each["last_error"]}')
    yield ''
    yield escape(with_config(_end(found), path))


def _row(each: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        escape(each['handler']),
        escape(each['plugin']),
        escape(each['state']),
        count(each['backlog']),
        '-' if each['rate_per_second'] is None else f'{rate(each["rate_per_second"])}/s',
        str(each['outcomes']['done']),
        str(each['retries']),
        str(each['dead']),
        duration(each['p95_seconds'], '≤ '),
    )


def _breaker(each: Mapping[str, Any]) -> str:
    """When a handler that gets no events is to get some."""
    if each['breaker'] == 'halted':
        return 'it takes nothing until it is begun anew'
    if each['breaker'] == 'probing' or each['probe_in_seconds'] is None:
        return 'one event is tried; if that works, it goes on'
    return f'one event is tried in {max(1, round(each["probe_in_seconds"]))} s'


def count(number: int | None) -> str:
    """A number; `-` where it is not known."""
    return '-' if number is None else str(number)


def rate(value: float) -> str:
    """A number a second, as short as it can be read."""
    return f'{value:.0f}' if value >= 100 else f'{value:.1f}' if value >= 0.05 or not value else '<0.1'


def duration(seconds: float | None, sign: str = '') -> str:
    """A duration in its unit; `-` for none.

    Args:
        seconds: it.
        sign: what stands before it, as `≤ `.
    """
    if seconds is None:
        return '-'
    return f'{sign}{seconds * 1000:.3g} ms' if seconds < 1 else f'{sign}{seconds:.3g} s'


def _is_amiss(found: Mapping[str, Any]) -> bool:
    return (
        not found['ready']
        or bool(found.get('cannot_publish'))
        or any(each['state'] == 'resting' for each in found['handlers'])
    )


def _end(found: Mapping[str, Any]) -> str:
    """The last line: what is amiss, and the next command."""
    if not found['connected']:
        return f'not connected. next: {_cure(found["summary"]) or _LOG}'
    if found.get('cannot_publish'):
        waits = 'retries, dead letters and derived events wait'
        return f'cannot publish: {waits}. next: {_cure(found["cannot_publish"]) or _LOG}'
    for state, following in _NEXT.items():
        affected = [each for each in found['handlers'] if each['state'] == state]
        if affected:
            first = affected[0]
            command = following.format(handler=first['handler']) or _cure(first['why']) or _LOG
            names = ', '.join(each['handler'] for each in affected)
            return f'{names}: {state}. next: {command}'
    if not found['ready']:
        return f'{"; ".join(found["reasons"])}. next: {_LOG}'
    if found['version'] != __version__:
        late = f'this is wazo-busd {__version__}: the daemon was not restarted after the upgrade'
        return f'all is well, but {late}. next: systemctl restart wazo-busd'
    return _when_well(found['handlers'])


def _when_well(handlers: Sequence[Mapping[str, Any]]) -> str:
    busy = max(handlers, key=lambda each: each['in_hand'], default=None)
    if busy is not None and busy['in_hand'] >= _FULL_HANDS:
        following = 'wazo-busd queue list shows how many events wait'
        return f'all is well now; {busy["handler"]} has its hands full. next: {following}'
    dead = next((each for each in handlers if each['dead']), None)
    if dead is not None:
        return f'all is well now; {dead["handler"]} has given up on events. next: wazo-busd dead list'
    return 'all is well. next: wazo-busd events shows what could be handled too'


def _cure(text: str) -> str:
    """The command that a reason ends with: `text; cure`."""
    return next_command(text.partition('; ')[2])
