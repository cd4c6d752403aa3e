# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""RabbitMQ's own program for its administrators, run as a person would; no password is ever one of its arguments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from wazo_busd.errors import BusError

AS_ROOT = 'sudo wazo-busd setup-broker'
"""What stands in a cure for the command that was typed, as root."""

_NAME = 'rabbitmqctl'
_PATIENCE_SECONDS = 60
_SYSTEM = ('/usr/sbin', '/usr/bin')
_TOLD_LETTERS = 500


def users() -> Mapping[str, Sequence[str]]:
    """The users of the broker, with the tags of each.

    Raises:
        BusError: it cannot be asked.
    """
    listed = _listed(['list_users'], 'user', 'tags')
    return {str(each['user']): [str(tag) for tag in each['tags']] for each in listed}


def vhosts() -> frozenset[str]:
    """The virtual hosts of the broker.

    Raises:
        BusError: it cannot be asked.
    """
    return frozenset(str(each['name']) for each in _listed(['list_vhosts', 'name'], 'name'))


def run(arguments: Sequence[str], stdin: str = '') -> str:
    """Run it.

    Args:
        arguments: its command and what belongs to that.
        stdin: what it reads, as a password.

    Returns:
        What it writes.

    Raises:
        BusError: it is not there, fails, or takes more than a minute.
    """
    where = os.pathsep.join([os.environ.get('PATH', ''), *_SYSTEM])
    program = shutil.which(_NAME, path=where)
    if program is None:
        raise BusError('rabbitmqctl is not here', "type this on the broker's own host, or: apt install rabbitmq-server")
    try:
        done = subprocess.run(  # noqa: S603 — no shell reads its arguments
            [program, '--quiet', *arguments], input=stdin, capture_output=True, text=True, timeout=_PATIENCE_SECONDS
        )
    except OSError as error:
        raise BusError(f'{program} cannot be run: {error.strerror}', f'ls -l {program}') from None
    except subprocess.TimeoutExpired:
        text = f'{_NAME} {arguments[0]} does not end within {_PATIENCE_SECONDS} s'
        raise BusError(text, 'systemctl status rabbitmq-server') from None
    if done.returncode:
        raise BusError(f'{_NAME} {arguments[0]}: {_reason(done)}', _cure(done.stderr))
    return done.stdout


def _listed(arguments: Sequence[str], *keys: str) -> list[dict[str, Any]]:
    said = run([*arguments, '--formatter', 'json'])
    try:
        found: list[dict[str, Any]] = json.loads(said)
        return [{key: each[key] for key in keys} for each in found]
    except (ValueError, KeyError, TypeError):
        text = f'{_NAME} {arguments[0]} writes no JSON'
        raise BusError(text, 'rabbitmqctl version; 3.8 or later is needed') from None


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in f'{done.stderr}\n{done.stdout}'.splitlines() if line.strip()]
    told = next((line for line in lines if line.lower().startswith('error')), lines[0] if lines else '')
    # Of `Error:` alone the reason is in the line behind it.
    if told.lower().rstrip(':') == 'error' and lines[-1] != told:
        told = lines[lines.index(told) + 1]
    return told[:_TOLD_LETTERS] or f'exit code {done.returncode}'


def _cure(stderr: str) -> str:
    # Who is not root has no cookie of Erlang's as a rule, which its own program says in its own words.
    if any(each in stderr.lower() for each in ('root', 'cookie')):
        return f'the same as root: {AS_ROOT}'
    return 'systemctl status rabbitmq-server'
