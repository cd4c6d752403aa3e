# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd handlers`: what the configuration has, and how each fares where a daemon runs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Shell
from tests.unit.controlled import FakeDaemon, daemon_status, handler_status, listening, short_directory
from wazo_busd.cli import main
from wazo_busd.status import State

CONFIGURATION = """
http: {{socket: {socket}}}
handlers:
  crm:
    plugin: log
    match: [call_ended, calls.call.#]
    where: {{data.error: "!busy"}}
    expires_after: 20s
    order_by: data.call_id
  lazy: {{plugin: log, match: fax_outbound_failed, enabled: false}}
"""


@pytest.fixture
def socket() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory / 'control.sock'


@pytest.fixture(autouse=True)
def config(shell: Shell, socket: Path) -> None:
    shell.config.write_text(CONFIGURATION.format(socket=socket))


def told(shell: Shell) -> dict[str, Any]:
    return {each['handler']: each for each in json.loads(shell(*_arguments(shell)).stdout)['handlers']}


def _arguments(shell: Shell) -> tuple[str, ...]:
    return 'handlers', '-c', str(shell.config), '-o', 'json'


def test_a_handler_is_told_with_all_that_decides_what_it_gets(shell: Shell) -> None:
    crm = told(shell)['crm']

    assert (crm['plugin'], crm['match'], crm['bindings'], crm['conditions'], crm['queue']['name'], crm['order_by']) == (
        'log',
        ['call_ended', 'calls.call.#'],
        ['calls.call.#', 'calls.call.ended'],
        {'where': {'data.error': '!busy'}, 'expires_after': 20.0},
        'wazo-busd.crm',
        'data.call_id',
    )


def test_without_a_daemon_the_state_is_unknown(shell: Shell) -> None:
    assert {name: each['state'] for name, each in told(shell).items()} == {'crm': 'unknown', 'lazy': 'off'}


def test_for_people_what_to_type_is_the_last_line(shell: Shell) -> None:
    done = shell('handlers', '-c', str(shell.config))

    assert 'crm: unknown, plugin log (wazo-busd ' in done.stdout
    assert done.stdout.splitlines()[-1].startswith('2 handlers. the daemon does not run')


@pytest.mark.parametrize('state', [State.CONSUMING, State.RESTING])
def test_with_a_daemon_the_state_is_what_that_says(shell: Shell, socket: Path, state: State) -> None:
    daemon = FakeDaemon()
    daemon.said = daemon_status(handler_status(state, 'why'))
    with listening(daemon, socket):
        crm = told(shell)['crm']

    assert (crm['state'], crm['why']) == (state.value, 'why')


def test_one_that_the_daemon_has_not_read_yet_is_told(shell: Shell, socket: Path) -> None:
    daemon = FakeDaemon()
    daemon.said = daemon_status(handler_status(name='gone'))
    with listening(daemon, socket):
        assert told(shell)['crm']['state'] == 'not begun'
        assert 'until the next reload there is gone' in shell('handlers', '-c', str(shell.config)).stdout


def test_one_that_cannot_be_used_is_told_and_so_are_the_others(shell: Shell, socket: Path) -> None:
    text = CONFIGURATION.format(socket=socket) + '  bad: {plugin: no-such, match: calls.#}\n'
    shell.config.write_text(text)
    done = shell(*_arguments(shell))
    states = {each['handler']: each['state'] for each in json.loads(done.stdout)['handlers']}

    assert (done.exit_code, states) == (78, {'crm': 'unknown', 'lazy': 'off', 'bad': 'unusable'})


def test_a_secret_in_a_condition_is_not_shown(shell: Shell, socket: Path, tmp_path: Path) -> None:
    (tmp_path / 'pin').write_text('s3cret-pin')
    (tmp_path / 'pin').chmod(0o600)
    shell.config.write_text(CONFIGURATION.format(socket=socket).replace('!busy', '${file:pin}'))
    said = shell('handlers', '-c', str(shell.config)).stdout + shell(*_arguments(shell)).stdout

    assert ('s3cret' in said, 'data.error …' in said) == (False, True)


def test_of_a_configuration_that_cannot_be_read_it_does_not_say_that_there_are_none(shell: Shell) -> None:
    shell.config.write_text('handlers: [')
    done = shell('handlers', '-c', str(shell.config))

    assert (done.exit_code, done.stdout) == (78, '')


def test_without_handlers_it_says_what_to_do(shell: Shell) -> None:
    shell.config.write_text('{}')

    assert shell('handlers', '-c', str(shell.config)).stdout.startswith('no handlers. next: ')


EXAMPLES = [line.strip() for line in (main.commands['handlers'].help or '').partition('Examples:')[2].splitlines()]


@pytest.mark.parametrize('example', [each for each in EXAMPLES if each])
def test_the_examples_of_the_help_work(shell: Shell, example: str) -> None:
    program, *arguments = shlex.split(example)

    assert (program, shell(*arguments, '-c', str(shell.config)).exit_code) == ('wazo-busd', 0)
