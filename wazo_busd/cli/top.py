# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd top`: how the daemon and its handlers fare, all the time."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console

from wazo_busd.cli.asking import EXIT_AWAY, Unanswered
from wazo_busd.cli.options import as_json, command, config_option, failure, misconfigured, output_option
from wazo_busd.cli.top_daemon import INTERVAL_SECONDS, Daemon, Snapshots
from wazo_busd.cli.top_frame import ASCII, BLOCKS, frame
from wazo_busd.cli.top_screen import Closed, Screen
from wazo_busd.cli.top_snapshot import History, Rates
from wazo_busd.cli.top_view import Deed, Reader, View, Wish
from wazo_busd.config import load
from wazo_busd.errors import Interrupted
from wazo_busd.text import escape

_READING_SECONDS = 60.0
_WIDTH = 80


@click.command(short_help='Watch the daemon, its handlers, calls and queues on a full screen.')
@config_option
@output_option
@click.option('--once', is_flag=True, help='Print one frame and end.')
def top(path: Path, output: str, once: bool) -> None:
    """Watch how the running daemon and its handlers fare: rates, backlogs, dead letters, calls and queues.

    Keys: up and down select a handler, p pauses it or lets it go on, t shows its live events, d its dead letters,
    ? explains the rest, q quits. Where there is no terminal, and with -o json, one frame is printed; the rates in it
    are those of one second.

    \b
    Examples:
      wazo-busd top
      wazo-busd top --once
    """
    configuration = load(path)
    daemon = Daemon(configuration, path)
    try:
        is_screen = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get('TERM', 'dumb') != 'dumb'
        if once or output == 'json' or not is_screen:
            _print(daemon, output)
        else:
            _watch(daemon)
    except Unanswered as error:
        if error.runs is False and configuration.problems:
            misconfigured(configuration.problems)
        click.echo(failure(error.text, error.cure), err=True)
        sys.exit(EXIT_AWAY)


def _print(daemon: Daemon, output: str) -> None:
    """One frame, of two snapshots: there are no rates in one."""
    history = History()
    history.add(daemon.snapshot())
    time.sleep(INTERVAL_SECONDS)
    history.add(daemon.snapshot())
    if output == 'json':
        click.echo(as_json(_plain(history)))
        return
    encoding = (sys.stdout.encoding or '').lower()
    width = int(os.environ['COLUMNS']) if os.environ.get('COLUMNS', '').isdecimal() else _WIDTH
    if sys.stdout.isatty():
        width = os.get_terminal_size(sys.stdout.fileno()).columns
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)
    glyphs = BLOCKS if 'utf' in encoding else ASCII
    for line in frame(View(history), width=width, height=None, now=time.time(), glyphs=glyphs):
        line.rstrip()
        console.print(line, soft_wrap=True)


def _plain(history: History) -> dict[str, Any]:
    last = history.last
    if last is None:
        return {}
    handlers = [{**each, **_per_second(history.rates(each['handler']))} for each in last.status['handlers']]
    lines = [
        {
            'queue': each.name,
            'waiting': each.waiting,
            'longest_wait_seconds': each.longest_seconds,
            'agents': dict(each.agents),
        }
        for each in last.lines
    ]
    calls = None if last.calls is None else dict(last.calls)
    return {**last.status, **_per_second(history.rates()), 'handlers': handlers, 'calls': calls, 'queues': lines}


def _per_second(rates: Rates) -> dict[str, float]:
    return {
        'received_per_second': round(rates.now, 3),
        'done_per_second': round(rates.done, 3),
        'failed_per_second': round(rates.failed, 3),
    }


def _watch(daemon: Daemon) -> None:
    view = View()
    waking, waker = os.pipe()
    os.set_blocking(waking, False)
    os.set_blocking(waker, False)
    snapshots = Snapshots(daemon, waker)
    # What does not go away by itself is told before the screen is taken.
    try:
        view.history.add(daemon.snapshot())
    except Unanswered as error:
        if error.runs is not False:
            raise
        view.history.away = _gone(error)
    view.settle()
    snapshots.start()
    try:
        with Screen() as screen:
            _run(view, screen, snapshots, waking, daemon)
    except (Interrupted, Closed):
        # Ctrl-C is as good as q; and where nobody is, nobody is told.
        return
    finally:
        if snapshots.end():
            os.close(waking)
            os.close(waker)


def _run(view: View, screen: Screen, snapshots: Snapshots, waking: int, daemon: Daemon) -> None:
    glyphs = BLOCKS if screen.has_blocks else ASCII
    while True:
        _hear(view, snapshots)
        width, height = screen.size
        screen.draw(frame(view, width=width, height=height, now=time.time(), glyphs=glyphs))
        pressed = screen.wait(INTERVAL_SECONDS, waking)
        with contextlib.suppress(BlockingIOError):
            os.read(waking, 4096)
        for key in pressed:
            wish = view.press(key)
            if wish is not None and wish.deed is Deed.QUIT:
                return
            if wish is not None:
                _grant(wish, view, screen, daemon)


def _hear(view: View, snapshots: Snapshots) -> None:
    """Take over what was found since."""
    while snapshots.found:
        found = snapshots.found.popleft()
        if isinstance(found, Unanswered):
            view.history.away = _gone(found)
        else:
            view.history.add(found)
    view.settle()


def _gone(error: Unanswered) -> str:
    return f'{error.text}. next: {error.cure}'


def _grant(wish: Wish, view: View, screen: Screen, daemon: Daemon) -> None:
    handler = wish.handler
    if wish.deed in (Deed.PAUSE, Deed.RESUME):
        wrong = daemon.do(f'/handlers/{quote(handler, safe="")}/{wish.deed.value}')
        done = 'is paused: its events gather' if wish.deed is Deed.PAUSE else 'takes events again'
        view.told = f'error: {wrong}' if wrong else f'{handler} {done}'
    elif wish.deed is Deed.TAIL:
        _tail(handler, view, screen, daemon.path)
    else:
        view.told = f'reading the dead letters of {handler} …'
        width, height = screen.size
        screen.draw(frame(view, width=width, height=height, now=time.time()))
        view.told = ''
        view.reader = _dead_letters(handler, daemon.path)


def _tail(handler: str, view: View, screen: Screen, config: Path) -> None:
    """Show the events of a handler until Ctrl-C, as `wazo-busd tail` does."""
    items = _items(handler, config)
    if not items:
        view.told = f'{handler} is not in {config}. next: {command("reload", config)}'
        return
    with screen.lent():
        click.echo(escape(f'the events of {handler}; Ctrl-C comes back'))
        done = subprocess.run(_command('tail', '-c', str(config), '--', *items), check=False)  # noqa: S603 — ourselves
        if done.returncode:
            click.echo('next: Enter comes back')
            sys.stdin.readline()


def _items(handler: str, config: Path) -> tuple[str, ...]:
    """What a handler matches; nothing if it is not configured any more."""
    from wazo_busd import roster

    found = roster.call(load(config)).handlers.get(handler)
    return found.match.items if found else ()


def _dead_letters(handler: str, config: Path) -> Reader:
    """The dead letters of a handler, as `wazo-busd dead list` shows them."""
    words = _command('dead', 'list', '--handler', handler, '-c', str(config))
    title = f'wazo-busd {shlex.join(words[3:])}'
    try:
        done = subprocess.run(  # noqa: S603 — ourselves
            words, capture_output=True, text=True, errors='replace', check=False, timeout=_READING_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Reader(title, [f'the broker does not answer. next: {command("status", config)}'])
    return Reader(title, [*done.stdout.splitlines(), *done.stderr.splitlines()])


def _command(*words: str) -> list[str]:
    return [sys.executable, '-m', 'wazo_busd', *words]
