# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd setup-broker`, with a `rabbitmqctl` that only writes down what it is told."""

from __future__ import annotations

import json
import os
import shlex
import stat
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import Result

from tests.unit.cli.conftest import Shell
from wazo_busd.cli import main
from wazo_busd.cli.account import Account
from wazo_busd.config import load
from wazo_busd.errors import Problem

PROGRAM = """#!/bin/sh
[ "$1" = --quiet ] && shift
printf '%s\\n' "$*" >>"$DIARY"
case "$1" in
    list_users) cat "$USERS" ;;
    list_vhosts) echo '[{"name": "/"}, {"name": "test"}, {"name": "lab"}]' ;;
    add_user|change_password) cat >>"$TYPED" ;;
esac
case "$1" in
    "$REFUSED") printf 'Error:\\n%s\\n' "${REASON:-no $1 here}" >&2; exit 70 ;;
esac
"""
OWN = '^wazo-busd([.].*)?$'
EXAMPLES = [
    line.strip()
    for line in (main.commands['setup-broker'].help or '').partition('Examples:')[2].splitlines()
    if line.strip()
]


@dataclass
class Broker:
    """What the program was told."""

    directory: Path

    def has(self, **users: list[str]) -> None:
        (self.directory / 'users').write_text(
            json.dumps([{'user': name, 'tags': tags} for name, tags in users.items()])
        )

    @property
    def told(self) -> list[str]:
        diary = self.directory / 'diary'
        lines = diary.read_text().splitlines() if diary.exists() else []
        return [line for line in lines if not line.startswith('list_')]

    @property
    def typed(self) -> str:
        return (self.directory / 'typed').read_text()


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker(tmp_path / 'broker')
    (made.directory / 'bin').mkdir(parents=True)
    program = made.directory / 'bin' / 'rabbitmqctl'
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv('PATH', f'{program.parent}:{os.environ["PATH"]}')
    for name in ('diary', 'users', 'typed'):
        monkeypatch.setenv(name.upper(), str(made.directory / name))
    monkeypatch.setenv('REFUSED', 'nothing')
    monkeypatch.delenv('CREDENTIALS_DIRECTORY', raising=False)
    made.has(guest=['administrator'])
    return made


@pytest.fixture(autouse=True)
def config(shell: Shell) -> None:
    shell.config.write_text('debug: false\n')


@pytest.fixture
def credential(shell: Shell) -> Path:
    return shell.config.parent / 'credentials' / 'bus'


@pytest.fixture
def settings(shell: Shell) -> Path:
    return shell.config.parent / 'conf.d' / '10-broker.yml'


def run(shell: Shell, *arguments: str) -> Result:
    return shell('setup-broker', '-c', str(shell.config), *arguments)


def test_it_makes_a_user_with_the_least_rights(shell: Shell, broker: Broker) -> None:
    done = run(shell)

    assert (done.exit_code, broker.told) == (
        0,
        [
            'add_user wazo-busd',
            f'set_permissions -p / wazo-busd {OWN} {OWN} ^(xivo|wazo-headers|wazo-busd([.].*)?)$',
        ],
    )


def test_the_password_goes_to_the_broker_as_it_is_in_the_file(shell: Shell, broker: Broker, credential: Path) -> None:
    run(shell)

    assert (broker.typed, len(broker.typed) > 32) == (credential.read_text(), True)


def test_the_password_is_no_argument_and_is_not_shown(shell: Shell, broker: Broker, credential: Path) -> None:
    done = run(shell)
    password = credential.read_text().strip()

    assert [text for text in (done.output, *broker.told) if password in text] == []


def test_only_its_owner_can_read_the_password(shell: Shell, broker: Broker, credential: Path) -> None:
    run(shell)

    assert stat.S_IMODE(credential.stat().st_mode) == 0o600


def test_the_configuration_uses_it_afterwards(shell: Shell, broker: Broker, credential: Path) -> None:
    run(shell)
    configuration = load(shell.config)

    assert (configuration.problems, configuration.config.bus.username, configuration.config.bus.password) == (
        (),
        'wazo-busd',
        credential.read_text().strip(),
    )


def test_typed_again_it_changes_nothing(shell: Shell, broker: Broker, credential: Path, settings: Path) -> None:
    run(shell)
    before = (credential.read_text(), settings.stat().st_ino)
    broker.has(guest=['administrator'], **{'wazo-busd': []})
    done = run(shell)

    assert (done.exit_code, (credential.read_text(), settings.stat().st_ino)) == (0, before)
    assert broker.told[2] == 'change_password wazo-busd'


def test_a_new_password_is_made_when_asked_for(shell: Shell, broker: Broker, credential: Path) -> None:
    run(shell)
    before = credential.read_text()
    run(shell, '--new-password')

    assert credential.read_text() != before


def test_a_password_that_others_could_read_is_closed(shell: Shell, broker: Broker, credential: Path) -> None:
    credential.parent.mkdir()
    credential.write_text('hunter2\n')
    credential.chmod(0o644)
    run(shell)

    assert (stat.S_IMODE(credential.stat().st_mode), broker.typed) == (0o640, 'hunter2\n')


def test_another_user_and_virtual_host_are_taken(shell: Shell, broker: Broker) -> None:
    run(shell, '--user', 'lab', '--vhost', 'test')
    bus = load(shell.config).config.bus

    assert (broker.told[1].split()[:4], bus.username, bus.vhost) == (
        ['set_permissions', '-p', 'test', 'lab'],
        'lab',
        'test',
    )


def test_the_rights_are_those_of_the_namespace(shell: Shell, broker: Broker) -> None:
    shell.config.write_text('bus: {namespace: busd-2}\n')
    run(shell)

    assert broker.told[1].startswith('set_permissions -p / busd-2 ^busd-2([.].*)?$')


def test_a_dry_run_does_nothing(shell: Shell, broker: Broker, credential: Path, settings: Path) -> None:
    done = run(shell, '--dry-run')

    assert (done.exit_code, broker.told, credential.exists(), settings.exists()) == (0, [], False, False)


def test_a_dry_run_shows_commands_that_can_be_pasted(shell: Shell, broker: Broker) -> None:
    commands = [line for line in run(shell, '--dry-run').output.splitlines() if line.startswith('rabbitmqctl')]

    assert [shlex.split(line, comments=True)[1:3] for line in commands] == [
        ['add_user', 'wazo-busd'],
        ['set_permissions', '-p'],
    ]


def test_an_administrator_of_the_broker_is_left_alone(shell: Shell, broker: Broker, credential: Path) -> None:
    broker.has(boss=['administrator'])
    done = run(shell, '--user', 'boss')

    assert (done.exit_code, broker.told, credential.exists()) == (1, [], False)
    again = f'wazo-busd setup-broker -c {shell.config} --user ANOTHER'
    assert f'is an administrator of the broker. next: {again}' in done.output


@pytest.mark.parametrize('name', ['guest', 'a b', '-x', '$(id)', 'é'])
def test_a_name_that_cannot_be_one_is_wrong_usage(shell: Shell, broker: Broker, name: str) -> None:
    assert (run(shell, f'--user={name}').exit_code, broker.told) == (2, [])


def test_what_the_broker_refuses_is_told(shell: Shell, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('REFUSED', 'set_permissions')
    done = run(shell)

    assert (done.exit_code, 'error: rabbitmqctl set_permissions: no set_permissions here. next: ' in done.output) == (
        1,
        True,
    )


def test_a_host_without_rabbitmq_is_told_where_to_type_it(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr('wazo_busd.cli.rabbitmqctl._SYSTEM', ())
    monkeypatch.setenv('PATH', str(tmp_path))
    done = run(shell)

    assert (done.exit_code, "next: type this on the broker's own host" in done.output) == (1, True)


def test_a_file_of_somebody_else_is_not_replaced(shell: Shell, broker: Broker, settings: Path) -> None:
    settings.parent.mkdir()
    settings.write_text('bus: {prefetch: 10}\n')
    done = run(shell)

    assert (done.exit_code, settings.read_text()) == (1, 'bus: {prefetch: 10}\n')
    assert f'next: mv -i {settings}' in done.output


def test_a_file_that_comes_before_and_says_another_user_is_named(shell: Shell, broker: Broker, settings: Path) -> None:
    settings.parent.mkdir()
    first = settings.with_name('00-mine.yml')
    first.write_text('bus: {username: busd}\n')
    done = run(shell, '--user', 'wazo-busd')

    assert (done.exit_code, f'error: {first} says another username and comes before 10-broker.yml' in done.output) == (
        1,
        True,
    )


WRONG = {
    'a mistake in YAML': 'bus: {namespace: wazo-busd-second\n',
    'an unknown key': 'handlers: {x: {plugin: log, mtch: a}}\n',
    'a secret of a handler that is not there': 'names: {x: "${credential:x}"}\nbus: {username: "${credential:y}"}\n',
}


@pytest.mark.parametrize('text', WRONG.values(), ids=WRONG)
def test_where_the_configuration_is_wrong_nothing_is_changed(
    shell: Shell, broker: Broker, credential: Path, text: str
) -> None:
    shell.config.write_text(text)
    done = run(shell)

    assert (done.exit_code, broker.told, credential.exists()) == (78, [], False)
    assert f'nothing is changed. next: wazo-busd check -c {shell.config}' in done.output


def test_where_the_configuration_is_not_there_nothing_is_changed(shell: Shell, broker: Broker) -> None:
    shell.config.unlink()

    assert (run(shell).exit_code, broker.told) == (78, [])


@pytest.mark.parametrize(
    'message', ['the file cannot be read: permission denied', 'x cannot be read: Permission denied']
)
def test_who_cannot_read_the_configuration_is_told_to_be_root(
    shell: Shell, broker: Broker, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    read = load(shell.config)
    closed = replace(read, problems=(Problem(message, str(shell.config)),))
    monkeypatch.setattr('wazo_busd.cli.setup_broker.load', lambda _: closed)
    done = run(shell, '--user', 'lab')

    assert f'next: the same as root: sudo wazo-busd setup-broker -c {shell.config} --user lab' in done.output


def test_a_password_that_is_not_there_yet_is_no_mistake(shell: Shell, broker: Broker) -> None:
    shell.config.write_text('bus: {username: lab, password: "${credential:bus}"}\n')

    assert (run(shell).exit_code, broker.told[0]) == (0, 'add_user lab')


def test_a_user_whose_password_is_not_here_is_left_alone(shell: Shell, broker: Broker, credential: Path) -> None:
    broker.has(**{'wazo-busd': []})
    done = run(shell)

    assert (done.exit_code, broker.told, credential.exists()) == (1, [], False)
    assert f'next: wazo-busd setup-broker -c {shell.config} --user ANOTHER; or, if none does: ' in done.output


def test_a_user_whose_password_is_not_here_gets_a_new_one_when_asked_for(shell: Shell, broker: Broker) -> None:
    broker.has(**{'wazo-busd': []})

    assert (run(shell, '--new-password').exit_code, broker.told[0]) == (0, 'change_password wazo-busd')


def test_a_virtual_host_that_is_not_there_is_named_before_anything_is_changed(
    shell: Shell, broker: Broker, credential: Path
) -> None:
    done = run(shell, '--vhost', 'nowhere')

    assert (done.exit_code, broker.told, credential.exists()) == (1, [], False)
    assert 'the broker has no virtual host nowhere. next: rabbitmqctl add_vhost nowhere' in done.output


def test_a_password_that_is_no_text_is_named_and_replaced_when_asked_for(
    shell: Shell, broker: Broker, credential: Path
) -> None:
    credential.parent.mkdir()
    credential.write_bytes(b'\xff\xfe\n')
    done = run(shell)

    assert (done.exit_code, broker.told, f'error: {credential} is not UTF-8. next: wazo-busd' in done.output) == (
        1,
        [],
        True,
    )
    assert run(shell, '--new-password').exit_code == 0


def test_a_password_in_use_that_is_no_text_is_replaced_when_asked_for(
    shell: Shell, broker: Broker, credential: Path
) -> None:
    run(shell)
    credential.write_bytes(b'\xff\xfe\n')

    assert (run(shell).exit_code, run(shell, '--new-password').exit_code) == (78, 0)


@pytest.mark.parametrize('content', [b'\xff\xfe', b'bus: {prefetch: 10}\n'])
def test_whatever_a_file_of_somebody_else_says_nothing_is_changed(
    shell: Shell, broker: Broker, credential: Path, settings: Path, content: bytes
) -> None:
    settings.parent.mkdir()
    settings.write_bytes(content)
    run(shell)

    assert (broker.told, credential.exists()) == ([], False)


def test_a_directory_in_the_place_of_the_password_is_named(shell: Shell, broker: Broker, credential: Path) -> None:
    credential.mkdir(parents=True)
    done = run(shell)

    assert (done.exit_code, f'Is a directory. next: ls -ld {credential}' in done.output) == (1, True)


@pytest.mark.parametrize(
    'reason', ['Only root or rabbitmq can run rabbitmqctl', "Failed to create cookie file '/home/x/.erlang.cookie'"]
)
def test_who_is_not_root_is_told_the_same_command_with_all_that_was_typed(
    shell: Shell, broker: Broker, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.setenv('REFUSED', 'list_users')
    monkeypatch.setenv('REASON', reason)
    done = run(shell, '--user', 'lab', '--vhost', 'lab')

    assert (
        f'next: the same as root: sudo wazo-busd setup-broker -c {shell.config} --user lab --vhost lab' in done.output
    )


@pytest.mark.parametrize(
    ('path', 'command'),
    [
        ('/etc/wazo-busd/config.yml', 'systemctl restart wazo-busd'),
        ('/etc/wazo-busd/instances/second/config.yml', 'systemctl restart wazo-busd@second'),
        ('/srv/config.yml', 'end the daemon that reads /srv/config.yml, and wazo-busd run -c /srv/config.yml'),
    ],
)
def test_the_restart_is_that_of_the_daemon_that_reads_it(path: str, command: str) -> None:
    somewhere = Path('/nowhere')
    account = Account('lab', '/', 'wazo-busd', somewhere, somewhere, Path(path), ())

    assert account.restart == command


def test_a_broker_elsewhere_is_noted(shell: Shell, broker: Broker) -> None:
    shell.config.write_text('bus: {host: 192.0.2.7}\n')

    assert 'note: the daemon connects to 192.0.2.7' in run(shell, '--dry-run').output


@pytest.mark.parametrize('example', EXAMPLES)
def test_every_example_of_the_help_works(shell: Shell, broker: Broker, example: str) -> None:
    done = shell(*shlex.split(example)[1:], '-c', str(shell.config))

    assert done.exit_code == 0


def test_the_help_has_examples() -> None:
    assert len(EXAMPLES) >= 2


def test_programs_are_told_what_was_made(shell: Shell, broker: Broker, credential: Path, settings: Path) -> None:
    assert json.loads(run(shell, '-o', 'json').stdout) == {
        'user': 'wazo-busd',
        'vhost': '/',
        'permissions': {'configure': OWN, 'write': OWN, 'read': '^(xivo|wazo-headers|wazo-busd([.].*)?)$'},
        'credential': str(credential),
        'settings': str(settings),
        'done': True,
        'new_password': True,
        'new_user': True,
        'new_settings': True,
        'next': f'end the daemon that reads {shell.config}, and wazo-busd run -c {shell.config}',
    }


def test_programs_are_told_what_stayed_as_it_was(shell: Shell, broker: Broker) -> None:
    run(shell)
    broker.has(**{'wazo-busd': []})
    told = json.loads(run(shell, '-o', 'json').stdout)

    assert [told[key] for key in ('new_password', 'new_user', 'new_settings')] == [False, False, False]


def test_programs_are_told_what_a_dry_run_would_do_and_nothing_is_done(
    shell: Shell, broker: Broker, credential: Path
) -> None:
    told = json.loads(run(shell, '--dry-run', '-o', 'json').stdout)

    assert (told['done'], told['new_password'], told['next'], broker.told, credential.exists()) == (
        False,
        True,
        f'wazo-busd setup-broker -c {shell.config}',
        [],
        False,
    )


def test_programs_are_not_told_the_password(shell: Shell, broker: Broker, credential: Path) -> None:
    done = run(shell, '-o', 'json')

    assert credential.read_text().strip() not in done.output


def test_each_step_is_told_on_standard_error_where_programs_are_told(shell: Shell, broker: Broker) -> None:
    assert 'made the user wazo-busd' in run(shell, '-o', 'json').stderr


def test_what_is_refused_leaves_standard_output_empty_for_programs(shell: Shell, broker: Broker) -> None:
    broker.has(boss=['administrator'])
    done = run(shell, '--user', 'boss', '-o', 'json')

    assert (done.exit_code, done.stdout) == (1, '')
