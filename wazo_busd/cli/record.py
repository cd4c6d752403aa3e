# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd record`: captures the bus in a file, to be played again."""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from wazo_busd.advice import Advice
from wazo_busd.cli.host import host_of
from wazo_busd.cli.listening import configuration_of, seconds_of, selection_of, selection_options
from wazo_busd.cli.options import as_json, config_option, failure, output_option, plural, size, typed
from wazo_busd.cli.recording import Recording
from wazo_busd.cli.tail_selection import hints
from wazo_busd.cli.tail_session import Session
from wazo_busd.errors import BusError
from wazo_busd.text import escape

_PROGRESS_SECONDS = 0.5


@click.command(short_help='Capture events of the bus in a file.')
@click.argument('file', type=click.Path(path_type=Path, dir_okay=False))
@click.argument('items', metavar='[PATTERN|NAME]...', nargs=-1)
@config_option
@selection_options
@click.option('--no-ami', is_flag=True, help='Leave out events of AMI, unless they are named.')
@click.option('--mask', is_flag=True, help='Hide telephone numbers and names of people.')
@output_option
def record(
    file: Path,
    items: Sequence[str],
    path: Path,
    when: str | None,
    most: int | None,
    span: str | None,
    no_ami: bool,
    mask: bool,
    output: str,
) -> None:
    """Capture events of the bus in FILE until Ctrl-C, to be played again with wazo-busd replay.

    NAME and PATTERN say which events, as for tail; none means all. The daemon need not run, and notices nothing of it.
    FILE is new, has mode 0600 and one JSON object a line; it is compressed if its name ends in .gz.

    \b
    Examples:
      wazo-busd record calls.jsonl 'calls.#' --mask
      wazo-busd record day.jsonl.gz --no-ami --for 8h
    """
    seconds = seconds_of(span)
    configuration = configuration_of(path)
    selection = selection_of(items, when, configuration, ami=not no_ami)
    for hint in hints(items, Advice(configuration.document)):
        _tell(f'warning: {hint}')
    config = configuration.config
    recording = _made(file, host_of(config.bus), items, mask=mask)
    session = Session(config, selection, recording.line, most, _tell, sink=recording.write)
    try:
        with recording:
            asyncio.run(_listen(session, seconds, recording))
    except BusError as error:
        _remove_empty(recording)
        _fail(error.text, error.cure)
    except OSError as error:
        _remove_empty(recording)
        there = f'{plural(recording.kept, "event")} came before'
        _fail(f'{file} cannot be written: {error.strerror or error}; {there}', f'df -h {file.absolute().parent}')
    _tell(session.summary)
    _conclude(recording, output)


def _conclude(recording: Recording, output: str) -> None:
    """Say how much was recorded; a file without events is removed."""
    file = recording.path
    skipped = ''.join(f'; {count} skipped, {reason}' for reason, count in recording.skipped.items())
    if recording.kept:
        told = f'{plural(recording.kept, "event")} in {file}, {size(recording.size)}{skipped}'
        following = f'wazo-busd replay {shlex.quote(str(file))} --handler NAME'
    else:
        _remove_empty(recording)
        told, following = f'nothing came, and {file} is removed{skipped}', 'wazo-busd tail, which shows what comes'
    if output == 'json':
        count = {'events': recording.kept, 'bytes': recording.size if recording.kept else 0}
        said = {'file': str(file), **count, 'skipped': recording.skipped, 'next': typed(following)}
        click.echo(as_json(said))
    else:
        click.echo(escape(f'{told}. next: {typed(following)}'))


def _made(file: Path, host: str, items: Sequence[str], *, mask: bool) -> Recording:
    try:
        return Recording(file, host=host, items=tuple(items), began=time.time(), mask=mask)
    except FileExistsError:
        _fail(f'{file} is there already, and stays as it is', 'name another file')
    except OSError as error:
        _fail(f'{file} cannot be written: {error.strerror or error}', f'ls -ld {file.absolute().parent}')


def _remove_empty(recording: Recording) -> None:
    """Remove what has no event, so that the same command can be typed again."""
    if not recording.kept:
        recording.path.unlink(missing_ok=True)


async def _listen(session: Session, seconds: float | None, recording: Recording) -> None:
    showing = asyncio.create_task(_show(recording))
    try:
        await session.run(seconds)
    finally:
        showing.cancel()
        await asyncio.wait([showing])


async def _show(recording: Recording) -> None:
    """Show on a terminal how much there is."""
    if not sys.stderr.isatty():
        return
    try:
        while True:
            await asyncio.sleep(_PROGRESS_SECONDS)
            click.echo(f'\r{plural(recording.kept, "event")}, {size(recording.size)} ', nl=False, err=True)
    finally:
        click.echo(err=True)


def _tell(text: str) -> None:
    click.echo(escape(text), err=True)


def _fail(text: str, cure: str) -> NoReturn:
    click.echo(failure(text, cure), err=True)
    sys.exit(1)
