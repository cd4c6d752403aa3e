# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd tail`: live events from the bus itself, whether the daemon runs or not."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from wazo_busd import roster
from wazo_busd.advice import Advice
from wazo_busd.amqp import Heard
from wazo_busd.cli.completion import event_names
from wazo_busd.cli.journal_source import Advice as JournalAdvice
from wazo_busd.cli.journal_source import moment_of, name_of, records_of
from wazo_busd.cli.listening import configuration_of, seconds_of, selection_of, selection_options
from wazo_busd.cli.options import config_option, failure, has_colour, misconfigured, output_option, typed
from wazo_busd.cli.tail_line import LONGEST, Style, json_line, json_text, line
from wazo_busd.cli.tail_mask import masked_text
from wazo_busd.cli.tail_output import Form, write
from wazo_busd.cli.tail_past import NoRecords, Past
from wazo_busd.cli.tail_report import Report
from wazo_busd.cli.tail_selection import hints
from wazo_busd.cli.tail_session import Session
from wazo_busd.config import Configuration
from wazo_busd.errors import BusError
from wazo_busd.event import Event
from wazo_busd.handler import Handler
from wazo_busd.text import escape
from wazo_busd.verdict import Ruling, verdict

_WIDTH_SECONDS = 1.0
"""How often it is looked how wide the terminal is."""

_ADVICE = JournalAdvice(
    'wazo-busd tail --since 1h --journal {}',
    'add a handler that keeps events, as in history: {plugin: journal, match: calls.#}, and wazo-busd reload',
)

_APART = (
    ('names_only', ('whole', 'handlers', 'report')),
    ('report', ('whole', 'handlers')),
)
_WRITTEN = {'names_only': '--names-only', 'whole': '--data', 'handlers': '--handlers', 'report': '--report'}


@click.command(short_help='Show live events from the bus.')
@click.argument('items', metavar='[PATTERN|NAME]...', nargs=-1, shell_complete=event_names)
@config_option
@output_option
@selection_options
@click.option('--since', metavar='WHEN', help='First what a journal has since then, as in 2h or 2026-03-01T09:00.')
@click.option('--journal', metavar='HANDLER', help='With --since: that of this handler, where there are several.')
@click.option(
    '--ami', is_flag=True, help="Show events of AMI too, Asterisk's own, which are hidden unless they are named."
)
@click.option('--names-only', is_flag=True, help='The name of each event, or its key if it has none, and nothing else.')
@click.option('--data', 'whole', is_flag=True, help='All of the data, in JSON, however long.')
@click.option('--mask', is_flag=True, help='Hide telephone numbers and names of people.')
@click.option('--handlers', is_flag=True, help='Say which configured handlers take each event.')
@click.option('--report', is_flag=True, help='Count only; in the end show the keys by number, rate and size.')
def tail(
    items: Sequence[str],
    path: Path,
    output: str,
    when: str | None,
    most: int | None,
    span: str | None,
    since: str | None,
    journal: str | None,
    ami: bool,
    **flags: bool,
) -> None:
    """Show live events from the bus itself, until Ctrl-C. The daemon need not run, and notices nothing of it.

    NAME is an event of the catalogue, on whatever key it comes; PATTERN is one of routing keys, as in match. None means
    all. Events come on a queue of its own, which goes with it; nothing is taken away from anybody. With --since those
    that a handler with the plugin journal has kept come first, and none comes twice.

    \b
    Examples:
      wazo-busd tail 'calls.#' --when "data.caller_id_number == '1001'"
      wazo-busd tail --report --for 30s
      wazo-busd tail 'calls.#' --since 2h
    """
    _check(flags, output)
    if journal is not None and since is None:
        raise click.UsageError('--journal is of --since')
    if since is not None and flags['report']:
        raise click.UsageError('either --report or --since: it counts what comes')
    first = moment_of('--since', since)
    seconds = seconds_of(span)
    configuration = configuration_of(path)
    selection = selection_of(items, when, configuration, ami=ami)
    for hint in hints(items, Advice(configuration.document)):
        _tell(f'warning: {hint}')
    takers = _takers(configuration, path) if flags['handlers'] else None
    report = Report(masked_text if flags['mask'] else str) if flags['report'] else None
    form = _form(output, flags, takers, report)
    past = _past(configuration, journal, first) if first is not None else None
    session = Session(configuration.config, selection, form, most, _tell, past=past)
    _run(session, seconds, report, output)


def _run(session: Session, seconds: float | None, report: Report | None, output: str) -> None:
    try:
        asyncio.run(session.run(seconds))
        if not session.is_closed:
            _conclude(session, report, output)
    except BusError as error:
        _fail(failure(error.text, error.cure))
    except BrokenPipeError:
        # Whoever reads has enough, as `head` has.
        return
    except NoRecords as error:
        _fail(typed(f'error: {error}'))
    except OSError as error:
        _fail(failure(f'standard output cannot be written: {error.strerror or error}', 'df -h'))


def _conclude(session: Session, report: Report | None, output: str) -> None:
    """Say in the end what there was."""
    if report is not None and output == 'json':
        told = {'seconds': round(session.seconds, 3), 'events': session.shown, 'keys': report.plain(session.seconds)}
        write(f'{json_text(told)}\n'.encode())
    elif report is not None:
        write('\n'.join([*report.lines(session.seconds), '']).encode())
    _tell(session.summary)


def _past(configuration: Configuration, journal: str | None, since: datetime) -> Past:
    """What a journal of the configuration has since then; if there is none, say so and end."""
    name = journal or name_of(configuration, _ADVICE)
    return Past(name, records_of(configuration, name, {'since': since, 'until': None, 'name': None}, _ADVICE))


def _check(flags: Mapping[str, bool], output: str) -> None:
    """See that no two options contradict each other.

    Raises:
        click.UsageError: two do.
    """
    for one, others in _APART:
        for other in others:
            if flags[one] and flags[other]:
                raise click.UsageError(f'either {_WRITTEN[one]} or {_WRITTEN[other]}')
    for one in ('names_only', 'whole'):
        if flags[one] and output == 'json':
            raise click.UsageError(f'either {_WRITTEN[one]} or -o json, which has name and data of each event')


def _takers(configuration: Configuration, path: Path) -> Callable[[Event], list[str]]:
    """What tells which handlers of the configuration take an event."""
    names = roster.call(configuration)
    if names.problems:
        misconfigured(names.problems)
    handlers = list(names.handlers.values())
    return lambda event: [told for handler in handlers if (told := _taken(handler, event))]


def _taken(handler: Handler, event: Event) -> str:
    """The name of a handler that takes an event; `''` if it does not."""
    if not handler.match.takes(event):
        return ''
    ruling = verdict(handler, event, now=event.received_at).ruling
    if ruling is Ruling.DEAD:
        return f'{handler.name} (a dead letter)'
    return handler.name if ruling is Ruling.RUNS else ''


def _form(
    output: str, flags: Mapping[str, bool], takers: Callable[[Event], list[str]] | None, report: Report | None
) -> Form:
    """How events are written."""
    if report is not None:
        return lambda heard: report.add(heard.event.routing_key, heard.size)
    if flags['names_only']:
        return lambda heard: _name(heard, mask=flags['mask'])
    if output == 'json':
        return lambda heard: json_line(heard, mask=flags['mask'], handlers=takers(heard.event) if takers else None)
    return _Lines(Style(width=LONGEST, colour=_colour(), whole=flags['whole'], mask=flags['mask']), takers)


class _Lines:
    """Writes lines as wide as the terminal is at the time."""

    def __init__(self, style: Style, takers: Callable[[Event], list[str]] | None) -> None:
        self._style = style
        self._takers = takers
        self._looked_at: float | None = None

    def __call__(self, heard: Heard) -> str:
        now = time.monotonic()
        if self._looked_at is None or now - self._looked_at > _WIDTH_SECONDS:
            self._looked_at = now
            self._style = replace(self._style, width=_width())
        taken = '' if self._takers is None else ', '.join(self._takers(heard.event)) or 'no handler'
        return line(heard, self._style, taken)


def _name(heard: Heard, *, mask: bool) -> str:
    event = heard.event
    return escape(event.name or (masked_text(event.routing_key) if mask else event.routing_key))


def _width() -> int:
    return max(shutil.get_terminal_size().columns, 20) if sys.stdout.isatty() else LONGEST


def _colour() -> bool:
    return has_colour()


def _tell(text: Any) -> None:
    click.echo(escape(str(text)), err=True)


def _fail(text: str) -> NoReturn:
    _tell(text)
    sys.exit(1)
