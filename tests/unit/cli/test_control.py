# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd status`, `pause`, `resume`, `reload` and `log-level`, against a daemon that only answers."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.unit.cli.conftest import Shell
from tests.unit.controlled import FakeDaemon, daemon_status, handler_status, listening, short_directory
from wazo_busd.breaker import BreakerState
from wazo_busd.cli import asking, main
from wazo_busd.cli.status import lines
from wazo_busd.config import load, schema
from wazo_busd.errors import BusError, Problem
from wazo_busd.http import server
from wazo_busd.outcome import Outcome
from wazo_busd.settlement import BOUNDS_SECONDS, Counts
from wazo_busd.status import HandlerStatus, State

COMMANDS = ['status', 'pause', 'resume', 'reload', 'log-level']
EXAMPLES = [
    (name, line.strip())
    for name in COMMANDS
    for line in (main.commands[name].help or '').partition('Examples:')[2].splitlines()
    if line.strip()
]


@pytest.fixture
def path() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory / 'control.sock'


@pytest.fixture
def daemon(path: Path) -> Iterator[FakeDaemon]:
    made = FakeDaemon()
    with listening(made, path):
        yield made


@pytest.fixture(autouse=True)
def config(shell: Shell, path: Path) -> None:
    shell.config.write_text(f'http: {{socket: {path}}}\n')


def run(shell: Shell, *arguments: str) -> tuple[int, str, str]:
    done = shell(*arguments, '-c', str(shell.config))
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize('name', COMMANDS)
def test_the_help_has_two_examples(name: str) -> None:
    assert sum(each == name for each, _ in EXAMPLES) == 2


@pytest.mark.parametrize(('name', 'example'), EXAMPLES)
def test_every_example_works(
    name: str, example: str, shell: Shell, path: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The default socket is where systemd says, and the configuration is the default one or that of this directory.
    monkeypatch.setenv('RUNTIME_DIRECTORY', str(path.parent))
    monkeypatch.chdir(shell.config.parent)

    assert shell(*shlex.split(example)[1:]).exit_code == 0


def test_all_is_well(shell: Shell, daemon: FakeDaemon) -> None:
    code, said, _ = run(shell, 'status')

    assert (code, said.splitlines()[-1].partition('.')[0]) == (0, 'all is well')


def test_for_programs_it_is_json(shell: Shell, daemon: FakeDaemon) -> None:
    code, said, _ = run(shell, 'status', '-o', 'json')

    assert (code, json.loads(said)) == (0, daemon.said.plain(in_full=True))


@pytest.mark.parametrize(
    ('state', 'why', 'last'),
    [
        (State.BROKEN, 'SyntaxError', 'crm: broken. next: wazo-busd check -c CONFIG'),
        (State.REFUSED, 'it differs; rabbitmqctl it', 'crm: refused. next: rabbitmqctl it'),
        (
            State.REFUSED,
            'it differs; put the old value back, or make it anew: wazo-busd queue recreate crm',
            'crm: refused. next: wazo-busd queue recreate -c CONFIG crm',
        ),
        (State.REFUSED, 'it differs', 'crm: refused. next: journalctl -u wazo-busd -n 50'),
        (State.STOPPED, 'stopped: no', 'crm: stopped. next: mend that, then: wazo-busd reload -c CONFIG'),
        (State.PAUSED, 'by a person', 'crm: paused. next: wazo-busd resume -c CONFIG crm'),
        (State.RESTING, 'out', 'crm: resting. next: journalctl -u wazo-busd BUSD_HANDLER=crm -n 20'),
        (State.STARTING, 'OSError', 'crm: starting. next: journalctl -u wazo-busd BUSD_HANDLER=crm -n 20'),
        (State.WAITING, '', 'crm: waiting. next: journalctl -u wazo-busd -n 50'),
    ],
)
def test_a_handler_that_is_not_well_is_a_problem_and_the_last_line_says_what_to_type(
    shell: Shell, daemon: FakeDaemon, state: State, why: str, last: str
) -> None:
    daemon.said = daemon_status(handler_status(state, why), handler_status(name='fax'))
    code, said, _ = run(shell, 'status')

    assert (code, said.splitlines()[-1]) == (1, last.replace('CONFIG', str(shell.config)))


def test_what_is_to_be_typed_names_no_configuration_where_it_is_the_usual_one() -> None:
    *_, last = lines(daemon_status(handler_status(State.PAUSED)).plain(in_full=True), colour=False)

    assert last == 'crm: paused. next: wazo-busd resume crm'


def test_the_reason_stands_below_the_handler(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(handler_status(State.STOPPED, 'stopped: the disk is full'))

    assert '\n  stopped: the disk is full\n' in run(shell, 'status')[1]


@pytest.mark.parametrize(
    ('breaker', 'seconds', 'line'),
    [
        (BreakerState.OPEN, 11.7, 'breaker open: one event is tried in 12 s'),
        (BreakerState.OPEN, 0.0, 'breaker open: one event is tried in 1 s'),
        (BreakerState.PROBING, None, 'breaker probing: one event is tried; if that works, it goes on'),
        (BreakerState.HALTED, None, 'breaker halted: it takes nothing until it is begun anew'),
    ],
)
def test_below_the_reason_stands_when_events_are_tried_again(
    breaker: BreakerState, seconds: float | None, line: str
) -> None:
    found = daemon_status(handler_status(State.RESTING, 'out', breaker=breaker, probe_in_seconds=seconds))
    said = list(lines(found.plain(in_full=True), colour=False))

    assert said[said.index('  out') + 1] == f'  {line}'


def test_backlog_and_rate_are_shown_as_far_as_they_are_known() -> None:
    known = handler_status(waiting=4000, in_hand=256, rate_per_second=31.25)
    unknown = handler_status(State.WAITING, name='fax', waiting=None)
    heading, *rows = list(lines(daemon_status(known, unknown).plain(in_full=True), colour=False))[3:6]

    assert heading.split()[3:5] == ['backlog', 'rate']
    assert [row.split()[3:5] for row in rows] == [['4256', '31.2/s'], ['-', '-']]


def test_usual_numbers_fit_into_a_hundred_columns() -> None:
    counts = Counts(durations=[0, 1, *[0] * (len(BOUNDS_SECONDS) - 1)], retried_in_place=12_345)
    counts.outcomes |= {Outcome.DONE: 123_456_789, Outcome.DEAD: 1234}
    busy = handler_status(name='availability', waiting=250_000, rate_per_second=2000.0, counts=counts)

    assert max(map(len, lines(daemon_status(busy).plain(in_full=True), colour=False))) <= 100


def test_without_a_connection_the_cure_is_the_next_command(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(connected=False, summary='nothing listens; systemctl status rabbitmq-server')
    code, said, _ = run(shell, 'status')

    assert (code, said.splitlines()[-1]) == (1, 'not connected. next: systemctl status rabbitmq-server')


def test_a_daemon_that_cannot_publish_is_a_problem_with_the_cure_at_the_end(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(cannot_publish='it takes nothing, as it is low on \x1bmemory; rabbitmqctl list_alarms')
    code, said, _ = run(shell, 'status')
    lines = said.splitlines()

    assert (code, lines[2], lines[-1]) == (
        1,
        r'cannot publish: it takes nothing, as it is low on \x1bmemory; rabbitmqctl list_alarms',
        'cannot publish: retries, dead letters and derived events wait. next: rabbitmqctl list_alarms',
    )


def test_a_daemon_of_an_older_version_says_nothing_of_publishing(shell: Shell, daemon: FakeDaemon) -> None:
    old = {key: value for key, value in daemon.said.plain(in_full=True).items() if key != 'cannot_publish'}

    assert 'publish' not in '\n'.join(lines(old, colour=False))


def test_dead_letters_are_shown_and_no_problem_of_the_daemon(shell: Shell, daemon: FakeDaemon) -> None:
    counts = Counts(received=5, last_error='ValueError')
    counts.outcomes[Outcome.DEAD] = 2
    daemon.said = daemon_status(handler_status(counts=counts))
    code, said, _ = run(shell, 'status')

    assert (code, said.splitlines()[-1].partition('next: ')[2]) == (
        0,
        f'wazo-busd dead list -c {shell.config}',
    )
    assert 'last error: ValueError' in said


def test_one_with_its_hands_full_is_named_and_no_problem(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(handler_status(in_hand=3), handler_status(name='slow', in_hand=256))
    code, said, _ = run(shell, 'status')

    last = f'slow has its hands full. next: wazo-busd queue list -c {shell.config} shows how many events wait'
    assert (code, said.splitlines()[-1]) == (0, f'all is well now; {last}')


def test_a_daemon_that_was_not_restarted_after_an_upgrade_is_told(
    shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.cli.status.__version__', '99.0')
    code, said, _ = run(shell, 'status')

    late = 'this is wazo-busd 99.0: the daemon was not restarted after the upgrade'
    assert (code, said.splitlines()[-1]) == (0, f'all is well, but {late}. next: systemctl restart wazo-busd')


def test_what_a_plugin_says_cannot_do_anything_to_the_terminal(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(HandlerStatus('crm', 'web\x1b]0;hook', State.STOPPED, 'stopped: \x1b[2J\nall is well'))
    said = run(shell, 'status')[1]

    assert ('\x1b' in said, '\nall is well' in said) == (False, False)


def _plain() -> dict[str, Any]:
    return daemon_status(handler_status(State.REFUSED, 'no')).plain(in_full=True)


def test_a_state_is_coloured_on_a_terminal() -> None:
    assert any('\x1b[31mrefused' in line for line in lines(_plain(), colour=True))


def test_without_colour_it_says_the_same() -> None:
    coloured = [click.unstyle(line) for line in lines(_plain(), colour=True)]

    assert coloured == list(lines(_plain(), colour=False))


@pytest.mark.parametrize(
    ('terminal', 'no_color', 'coloured'), [(True, '', True), (True, '1', False), (False, '', False)]
)
def test_there_is_colour_only_on_a_terminal_and_where_it_is_wanted(
    shell: Shell,
    daemon: FakeDaemon,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    no_color: str,
    coloured: bool,
) -> None:
    wanted: list[bool] = []

    def note(found: Any, path: Path, *, colour: bool) -> list[str]:
        wanted.append(colour)
        return []

    monkeypatch.setattr(importlib.import_module('wazo_busd.cli.status'), 'lines', note)
    monkeypatch.setattr('click.testing._NamedTextIOWrapper.isatty', lambda self: terminal, raising=False)
    monkeypatch.setenv('NO_COLOR', no_color)
    run(shell, 'status')

    assert wanted == [coloured]


def test_columns_stand_below_each_other() -> None:
    found = daemon_status(handler_status(), handler_status(State.REFUSED, name='a-longer-name')).plain(in_full=True)
    table = list(lines(found, colour=False))[3:6]

    assert {line.index(state) for line, state in zip(table, ('state', 'consuming', 'refused'), strict=True)} == {24}


@pytest.mark.parametrize(
    ('typed', 'following', 'wanted'),
    [
        (['pause', 'crm'], 'wazo-busd resume crm', ('pause', 'crm')),
        (['resume', 'crm'], 'wazo-busd status', ('resume', 'crm')),
        (['reload'], 'wazo-busd status', ('reload',)),
    ],
)
def test_the_next_command_is_for_the_same_configuration(
    shell: Shell, daemon: FakeDaemon, typed: list[str], following: str, wanted: tuple[str, ...]
) -> None:
    code, said, _ = run(shell, *typed)

    assert (code, said.strip().partition('next: ')[2], daemon.wanted) == (
        0,
        f'{following} -c {shell.config}',
        [wanted],
    )


@pytest.mark.parametrize('command', ['pause', 'resume'])
def test_for_an_unknown_handler_the_nearest_is_suggested(shell: Shell, daemon: FakeDaemon, command: str) -> None:
    code, _, error = run(shell, command, 'cmr')
    following = shell.typed('wazo-busd status')

    assert (code, error) == (
        1,
        f"error: no handler that runs is called 'cmr' (did you mean 'crm'?). next: {following}\n",
    )


@pytest.mark.parametrize(
    ('typed', 'code', 'said'),
    [
        (['pause', 'crm'], 0, {'handler': 'crm', 'paused': True}),
        (['resume', 'crm'], 0, {'handler': 'crm', 'paused': False}),
        (['log-level', 'DEBUG'], 0, {'log_level': 'debug'}),
        (['reload'], 0, {'applied': True, 'problems': []}),
        (['pause', 'cmr'], 1, {'error': "no handler that runs is called 'cmr'", 'hint': "did you mean 'crm'?"}),
    ],
)
def test_what_is_changed_is_told_to_programs_too(
    shell: Shell, daemon: FakeDaemon, typed: list[str], code: int, said: dict[str, Any]
) -> None:
    found = run(shell, *typed, '-o', 'json')

    assert (found[0], json.loads(found[1])) == (code, said)


def test_a_reload_that_is_refused_is_told_to_programs(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.problems = [Problem('no', 'config.yml', 3, hint='yes')]
    code, said, error = run(shell, 'reload', '-o', 'json')

    assert (code, [each['message'] for each in json.loads(said)['problems']], error) == (78, ['no'], '')


@pytest.mark.parametrize('name', ['../reload', 'a/b', '', 'ü', '?'])
def test_a_name_never_becomes_another_page(shell: Shell, daemon: FakeDaemon, name: str) -> None:
    code, _, _ = run(shell, 'pause', name)

    assert (code != 0, daemon.wanted) == (True, [])


def test_a_reload_names_the_configuration_in_what_is_to_be_typed(shell: Shell, daemon: FakeDaemon) -> None:
    assert run(shell, 'reload')[1].endswith(f'next: wazo-busd status -c {shell.config}\n')


def test_a_reload_that_is_refused_prints_every_mistake(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.problems = [Problem('no', 'config.yml', 3, hint='yes'), Problem('neither', 'config.yml', 4)]
    code, _, error = run(shell, 'reload')

    assert (code, error.splitlines()[:2]) == (78, ['error: config.yml:3: no (yes)', 'error: config.yml:4: neither'])
    assert error.splitlines()[2].startswith('2 errors; the daemon goes on with what it has. next: wazo-busd check -c')


def test_the_level_is_handed_on(shell: Shell, daemon: FakeDaemon) -> None:
    assert (run(shell, 'log-level', 'DEBUG')[0], daemon.wanted) == (0, [('log-level', 'debug')])


def test_a_level_that_is_none_is_wrong_usage(shell: Shell, daemon: FakeDaemon) -> None:
    assert (run(shell, 'log-level', 'loud')[0], daemon.wanted) == (2, [])


@pytest.mark.parametrize(
    'command', [['status'], ['pause', 'crm'], ['resume', 'crm'], ['reload'], ['log-level', 'info']]
)
def test_a_daemon_that_does_not_run_is_told_with_how_to_start_it(shell: Shell, command: list[str]) -> None:
    code, _, error = run(shell, *command)

    assert (code, error.partition('next: ')[2]) == (3, f'wazo-busd run -c {shell.config}\n')


def test_one_that_was_killed_does_not_run(shell: Shell, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    assert run(shell, 'status')[0] == 3


def test_if_it_does_not_run_a_wrong_configuration_is_told(shell: Shell, path: Path) -> None:
    shell.config.write_text(f'http: {{socket: {path}}}\nhandler: {{}}\n')
    code, _, error = run(shell, 'status')

    assert (code, error.splitlines()[-1]) == (
        78,
        f'the daemon does not run: nobody answers at {path}. next: wazo-busd check -c {shell.config}',
    )


def test_if_it_runs_a_wrong_configuration_does_not_matter(shell: Shell, path: Path, daemon: FakeDaemon) -> None:
    shell.config.write_text(f'http: {{socket: {path}}}\nhandler: {{}}\n')

    assert run(shell, 'status')[0] == 0


def test_who_may_not_open_the_socket_is_told_which_group_may(
    shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: asking._Connection) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(asking._Connection, 'connect', refuse)
    monkeypatch.setattr(asking, '_group', lambda path: 'telephony')
    monkeypatch.setattr('getpass.getuser', lambda: 'alice')
    code, _, error = run(shell, 'status')

    assert (code, error.partition('next: ')[2]) == (3, 'sudo usermod -aG telephony alice, then log in again\n')


def test_nobody_is_told_to_join_the_group_of_root(
    shell: Shell, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: asking._Connection) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr(asking._Connection, 'connect', refuse)
    monkeypatch.setattr(asking, '_group', lambda path: 'root')
    _, _, error = run(shell, 'status')

    assert error.partition('next: ')[2] == f'the same as root: sudo wazo-busd status -c {shell.config}\n'


def test_the_group_is_that_of_the_socket(path: Path, daemon: FakeDaemon) -> None:
    assert asking._group(path) == path.group()


def test_a_socket_that_is_off_is_told(shell: Shell) -> None:
    shell.config.write_text('http: {socket: off}\n')
    code, _, error = run(shell, 'status')

    assert (code, 'http.socket is off' in error) == (3, True)


def test_one_that_hangs_is_told(shell: Shell, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(self: asking._Connection) -> None:
        raise TimeoutError

    monkeypatch.setattr(asking._Connection, 'getresponse', wait)
    with listening(FakeDaemon(), path):
        code, _, error = run(shell, 'status')

    assert (code, re.search('does not answer within 10 s', error) is not None) == (3, True)


def test_one_that_is_asked_too_often_is_asked_again_in_a_moment(
    shell: Shell, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, '_MOST_AT_ONCE', 1)
    monkeypatch.setattr(asking, '_AGAIN_SECONDS', 0.01)
    with listening(FakeDaemon(), path):
        codes = [run(shell, 'status')[0] for _ in range(3)]

    assert codes == [0, 0, 0]


def test_of_one_that_others_ask_too_often_it_is_told_what_says_the_same(
    shell: Shell, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, '_MOST_AT_ONCE', 0)
    monkeypatch.setattr(asking, '_AGAIN_SECONDS', 0.0)
    with listening(FakeDaemon(), path):
        found = run(shell, 'status')

    text = f'the daemon at {path} is asked more often than it answers; systemd knows how it fares, too'
    assert found == (3, '', f'error: {text}. next: systemctl status wazo-busd\n')


def test_a_word_that_is_far_from_all_handlers_is_told_where_they_are_listed(shell: Shell, daemon: FakeDaemon) -> None:
    assert schema.near('zzz', ['crm']) == ''
    assert run(shell, 'pause', 'zzz')[2].endswith(shell.typed("called 'zzz'. next: wazo-busd status\n"))


def test_of_a_daemon_that_does_not_run_nothing_is_in_hand(shell: Shell) -> None:
    assert asking.in_hand(load(shell.config), 'crm') == 0


def test_what_is_in_hand_of_a_handler_is_counted(shell: Shell, daemon: FakeDaemon) -> None:
    daemon.said = daemon_status(handler_status(in_hand=3), handler_status(name='fax', in_hand=2))

    assert asking.in_hand(load(shell.config), 'crm') == 3


@pytest.mark.parametrize('error', [PermissionError(13, 'Permission denied'), TimeoutError(), ConnectionResetError()])
def test_of_a_daemon_that_cannot_be_asked_nobody_knows_what_is_in_hand(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(self: asking._Connection) -> None:
        raise error

    monkeypatch.setattr(asking._Connection, 'connect', refuse)
    with pytest.raises(BusError) as caught:
        asking.in_hand(load(shell.config), 'crm')

    assert caught.value.cure == 'systemctl stop wazo-busd; then wazo-busd queue recreate crm'


def test_without_a_socket_nobody_knows_what_is_in_hand(shell: Shell) -> None:
    shell.config.write_text('http: {socket: off}\n')
    with pytest.raises(BusError) as caught:
        asking.in_hand(load(shell.config), 'crm')

    assert caught.value.cure.startswith('take http: {socket: off} out; systemctl stop wazo-busd; then ')
