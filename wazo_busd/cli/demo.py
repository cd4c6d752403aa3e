# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd demo`: a day at an office, in a minute."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from wazo_busd.cli.options import as_json, output_option
from wazo_busd.cli.run import serve
from wazo_busd.demo import files
from wazo_busd.demo.office import Office
from wazo_busd.demo.show import Show
from wazo_busd.demo.summary import Summary, summary_of
from wazo_busd.text import escape

_SPEED = 1000.0
_HOURS = 9.0
_BOARD_PORT = 9506
_DATABASE = 'history.sqlite'


@click.command(short_help='Play a day at an office in a minute, without RabbitMQ.')
@click.option('--seed', type=int, metavar='NUMBER', default=0, show_default=True, help='Another seed is another day.')
@click.option(
    '--speed',
    type=click.FloatRange(1, 100_000),
    default=_SPEED,
    show_default=True,
    help='How many times as fast as the day was.',
)
@click.option(
    '--hours',
    type=click.FloatRange(0.1, 24),
    default=_HOURS,
    show_default=True,
    help='How long the day is, from 08:00 on.',
)
@click.option('--headless', is_flag=True, help='As fast as it goes, and only the summary.')
@click.option('--board', is_flag=True, help='Show the board in a browser too, until Ctrl-C.')
@click.option(
    '--keep',
    type=click.Path(path_type=Path, file_okay=False),
    metavar='DIR',
    help='Keep configuration, mails and history in DIR.',
)
@output_option
def demo(seed: int, speed: float, hours: float, headless: bool, board: bool, keep: Path | None, output: str) -> None:
    """Play a day at an office in about half a minute: calls, queues, faxes, rooms.

    The daemon's own dispatcher and handlers take the events, from a bus in memory: no RabbitMQ, no network, no root. A
    web server, a mailbox and a chat room are played too, and the web server is out for a while. All files are in a
    temporary directory. With the same seed the summary is the same.

    Exit codes: 0 all has arrived, 1 something has not.

    \b
    Examples:
      wazo-busd demo
      wazo-busd demo --headless --seed 7 -o json
    """
    if board and output == 'json':
        raise click.UsageError('-o json is for programs, and --board for people: leave one of them out.')
    if headless and board:
        raise click.UsageError(
            '--headless shows nothing, and --board shows the day in a browser: leave one of them out.'
        )
    with _directory(keep) as directory:
        run = _Run(
            directory, seed, hours, None if headless else speed, is_quiet=headless or output == 'json', board=board
        )
        code = run.serve()
        found = run.summary()
        if output == 'json':
            click.echo(as_json(found.plain()))
        elif not run.is_told:
            run.tell(found)
        if keep is not None and output == 'text':
            _tell_kept(directory)
    sys.exit(code or (1 if run.show.is_over and not found.is_whole else 0))


class _Run:
    """One run.

    Args:
        directory: where its files are.
        seed: which day.
        hours: how long the day is.
        speed: how fast; `None` for as fast as it goes.
        board: whether the board is served.
        is_quiet: whether nothing is shown but the summary.
    """

    def __init__(
        self, directory: Path, seed: int, hours: float, speed: float | None, *, board: bool, is_quiet: bool
    ) -> None:
        self._seed = seed
        self._directory = directory
        self._is_quiet = is_quiet
        self._address = _free_address() if board else ''
        self._office = Office(directory / 'outbox', self._say)
        self.show = Show(seed, hours, speed, self._office, self._over)
        self.is_told = False

    def serve(self) -> int:
        """Run until the day is over, or somebody says stop; the exit code of the daemon."""
        values = {
            'DIRECTORY': str(self._directory),
            'BOARD': self._address or 'off',
            'WEB': str(self._office.web_port),
            'MAIL': str(self._office.mail_port),
        }
        path = files.write(self._directory, values)
        if not self._is_quiet:
            self._echo(
                'A day at an office: what reaches its mailbox, its chat room and its web server. Ctrl-C ends it.'
            )
        if self._address:
            self._echo(f'The board: http://{self._address}/board')
        if not self._is_quiet:
            self._echo('')
        try:
            return serve(path, self.show.make_bus)
        finally:
            self._office.close()

    def summary(self) -> Summary:
        """What has come of it so far."""
        left_out = tuple(files.missing_extras())
        return summary_of(self._seed, self.show, self._office, self._directory / _DATABASE, left_out)

    def tell(self, found: Summary) -> None:
        """Show the summary, and what to try next."""
        self.is_told = True
        for line in ('', *found.lines(), '', 'Next:', *_next()):
            self._echo(line)

    def _say(self, where: str, text: str) -> None:
        if not self._is_quiet:
            self._echo(f'{self.show.time}  {where:<5} {escape(text)}')

    def _over(self) -> None:
        """The day is over. With a board, it stays until somebody says stop."""
        if not self._address:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        if not self._is_quiet:
            self.tell(self.summary())
        self._echo(f'\nThe board stays at http://{self._address}/board until Ctrl-C.')

    def _echo(self, line: str) -> None:
        try:
            click.echo(line)
        except BrokenPipeError:
            # Nobody reads it, as behind `| head`: there is nothing left to show.
            os.kill(os.getpid(), signal.SIGTERM)
            sys.stdout = open(os.devnull, 'w')  # noqa: PTH123, SIM115 — what is still to be written goes nowhere


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    """The directory of a run, which is gone afterwards unless it is to be kept."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix='wazo-busd-demo-') as name:
            yield Path(name)
        return
    directory = keep.absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        is_empty = not any(directory.iterdir())
    except OSError as error:
        raise click.UsageError(f'{keep}: {error.strerror}. Name another directory: --keep DIR') from None
    if not is_empty:
        raise click.UsageError(f'{keep} is not empty. Name a directory that is not there yet: --keep DIR')
    yield directory


def _free_address() -> str:
    """Where the board listens: where it always does, or elsewhere if a daemon runs already."""
    for port in (_BOARD_PORT, 0):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(('127.0.0.1', port))
            except OSError:
                continue
            return f'127.0.0.1:{tried.getsockname()[1]}'
    return f'127.0.0.1:{_BOARD_PORT}'


def _next() -> tuple[str, ...]:
    return (
        '  wazo-busd demo --board            the same day on a live page',
        '  wazo-busd demo --keep ./office    keeps its configuration, mails and history, to read and to change',
        '  wazo-busd events                  what else can be matched',
        '  wazo-busd run                     the real thing: connects to the RabbitMQ of this host',
    )


def _tell_kept(directory: Path) -> None:
    config = shlex.quote(str(directory / 'config.yml'))
    click.echo(f'\nKept in {shlex.quote(str(directory))}:')
    click.echo(f'  wazo-busd explain busd.call.missed --render -c {config}')
    click.echo(f'  wazo-busd journal export history --csv -c {config}')
