# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Asking the running daemon, over its control socket."""

from __future__ import annotations

import getpass
import grp
import http.client
import json
import shlex
import socket
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from wazo_busd.cli.options import DEFAULT_CONFIG, EXIT_CONFIGURATION, command, failure, print_problems
from wazo_busd.config import Configuration, load
from wazo_busd.errors import BusError
from wazo_busd.text import escape

EXIT_AWAY = 3
"""The exit code where the daemon does not run, or cannot be reached."""

_PATIENCE_SECONDS = 10.0
_AGAIN_SECONDS = 1.0
_MOST_TIMES_AGAIN = 5
"""So often, and in such intervals, it is asked again where it is asked more than it answers in a second."""

_LOG = 'journalctl -u wazo-busd -n 50'


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon says.

    Attributes:
        status: what HTTP has for it.
        value: what it says.
    """

    status: int
    value: Any


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_seconds: float | None) -> None:
        super().__init__('localhost', timeout=timeout_seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Unanswered(Exception):
    """Raised where the daemon cannot be asked.

    Args:
        text: why.
        cure: what to type.
        runs: whether it runs; `None` where that cannot be known.
    """

    def __init__(self, text: str, cure: str, *, runs: bool | None) -> None:
        super().__init__(text)
        self.text = text
        self.cure = cure
        self.runs = runs


def ask(
    config: Path, page: str, *, method: str = 'GET', body: str = '', patience_seconds: float | None = _PATIENCE_SECONDS
) -> Answer:
    """Ask the daemon; if it cannot be asked, say why and what to type, and end.

    Args:
        config: the main configuration file, which says where its socket is.
        page: the path of the page.
        method: GET, or POST for what changes something.
        body: what is sent with it.
        patience_seconds: how long to wait for the answer; `None` is as long as it takes. Where the daemon is
            asked too often, it is asked again a few times, a second apart.
    """
    # What else is wrong in the files does not matter while the daemon runs: it may be older than they are.
    configuration = load(config)
    try:
        return answer(configuration, config, page, method=method, body=body, patience_seconds=patience_seconds)
    except Unanswered as error:
        if error.runs is False and configuration.problems:
            print_problems(configuration.problems)
            # Where else it may listen cannot be known from files that are wrong.
            click.echo(escape(f'{error.text}. next: {command("check", config)}'), err=True)
            sys.exit(EXIT_CONFIGURATION)
        click.echo(failure(error.text, error.cure), err=True)
        sys.exit(EXIT_AWAY)


def answer(
    configuration: Configuration,
    config: Path,
    page: str,
    *,
    method: str = 'GET',
    body: str = '',
    patience_seconds: float | None = _PATIENCE_SECONDS,
) -> Answer:
    """What the daemon answers, for a command that can go on without.

    Args:
        configuration: what `config` says.
        config: the main configuration file, for the next command to type.
        page: the path of the page.
        method: GET, or POST for what changes something.
        body: what is sent with it.
        patience_seconds: how long to wait; `None` is as long as it takes. Where the daemon is asked too often,
            it is asked again a few times, a second apart.

    Raises:
        Unanswered: it cannot be asked, or is asked too often.
    """
    path = configuration.config.http.control_socket
    if path is None:
        cure = 'take http: {socket: off} out, and restart the daemon'
        raise Unanswered('the daemon cannot be asked: http.socket is off', cure, runs=None)
    status, said = _exchange(path, config, method, page, body, patience_seconds)
    for _ in range(_MOST_TIMES_AGAIN):
        if status != HTTPStatus.TOO_MANY_REQUESTS:
            break
        time.sleep(_AGAIN_SECONDS)
        status, said = _exchange(path, config, method, page, body, patience_seconds)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        text = f'the daemon at {path} is asked more often than it answers; systemd knows how it fares, too'
        raise Unanswered(text, 'systemctl status wazo-busd', runs=True)
    if page == '/metrics':
        return Answer(status, said.decode('utf-8', 'replace'))
    try:
        return Answer(status, json.loads(said))
    except ValueError:
        text = f'the daemon at {path} has another version: it does not know {page}'
        raise Unanswered(text, 'systemctl restart wazo-busd', runs=True) from None


def _exchange(
    path: Path, config: Path, method: str, page: str, body: str, patience_seconds: float | None
) -> tuple[int, bytes]:
    connection = _Connection(path, patience_seconds)
    try:
        connection.request(method, page, body.encode(), {'Content-Type': 'text/plain'})
        said = connection.getresponse()
        return said.status, said.read()
    except (FileNotFoundError, ConnectionRefusedError):
        start = 'systemctl start wazo-busd' if config == DEFAULT_CONFIG else command('run', config)
        raise Unanswered(f'the daemon does not run: nobody answers at {path}', start, runs=False) from None
    except PermissionError:
        group = _group(path)
        text = f'you may not open {path}: it is for the group {group}'
        cure = f'sudo usermod -aG {shlex.quote(group)} {shlex.quote(getpass.getuser())}, then log in again'
        if group == 'root':
            # Nobody is to join that for a look.
            cure = f'the same as root: sudo {command("status", config)}'
        raise Unanswered(text, cure, runs=None) from None
    except (OSError, http.client.HTTPException) as error:
        reason = 'within 10 s' if isinstance(error, TimeoutError) else f'to the end: {type(error).__name__}'
        raise Unanswered(f'the daemon at {path} does not answer {reason}', _LOG, runs=True) from None
    finally:
        connection.close()


def in_hand(configuration: Configuration, handler: str) -> int:
    """How many events the running daemon has in hand of a handler; 0 if it does not run.

    Args:
        configuration: says where its socket is.
        handler: the name of the handler.

    Raises:
        BusError: it cannot be asked, and it is not known that it does not run.
    """
    try:
        handlers = answer(configuration, DEFAULT_CONFIG, '/status').value['handlers']
    except Unanswered as error:
        if error.runs is False:
            return 0
        is_off = configuration.config.http.control_socket is None
        raise BusError(
            f'what the daemon has in hand of {handler} would be lost with the old queue, and {error.text}',
            f'{"take http: {socket: off} out; " if is_off else ""}systemctl stop wazo-busd; '
            f'then wazo-busd queue recreate {handler}',
        ) from None
    return sum(each['in_hand'] for each in handlers if each['handler'] == handler)


def _group(path: Path) -> str:
    """The name of the group that may open the socket."""
    try:
        return grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        # The directory around it may be closed too.
        return 'wazo-busd'
