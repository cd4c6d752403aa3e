# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon as a process: exit codes, signals, and what its service manager hears."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.conftest import Broker
from tests.support import DaemonProcess, write_config

HANDLERS = """
    calls: {plugin: log, match: calls.#, options: {to: stdout}}
    faxes: {plugin: log, match: faxes.#, options: {to: stdout}}
"""


def wazo_busd(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name('wazo-busd')), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


AS_NOBODY = """
import os, sys
from wazo_busd.cli import main
list(main.commands.values())
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
main(sys.argv[1:])
"""
"""Gives up all rights when everything is imported: the interpreter may lie where nobody else can read."""


def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-c', AS_NOBODY, *arguments],
        cwd='/',
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def public(tmp_path: Path) -> Iterator[Path]:
    """A directory that everybody can go through, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        for path in Path(name).iterdir():
            path.chmod(0o700)


@pytest.fixture
def config(broker: Broker, tmp_path: Path) -> Path:
    return write_config(tmp_path / 'etc', broker, HANDLERS)


@pytest.mark.parametrize(
    ('arguments', 'code'),
    [
        (['--version'], 0),
        (['--help'], 0),
        (['run', '--help'], 0),
        (['check', '--help'], 0),
        ([], 2),
        (['rnu'], 2),
        (['run', '--frobnicate'], 2),
        (['run', '-l', 'loud'], 2),
        (['check', '-c', '/nonexistent/config.yml'], 78),
        (['run', '-c', '/nonexistent/config.yml'], 78),
    ],
)
def test_the_exit_code_says_what_kind_of_trouble_it_is(arguments: list[str], code: int) -> None:
    assert wazo_busd(*arguments).returncode == code


@pytest.mark.parametrize('command', ['check', 'run'])
def test_a_file_that_may_not_be_read_is_a_wrong_configuration(public: Path, command: str) -> None:
    path = public / 'config.yml'
    path.write_text('')
    path.chmod(0o000)

    done = as_nobody(command, '-c', str(path))

    assert (done.returncode, f'{path}: the file cannot be read: permission denied' in done.stderr) == (78, True)


@pytest.mark.parametrize('command', ['check', 'run'])
def test_a_directory_that_may_not_be_searched_is_a_wrong_configuration(public: Path, command: str) -> None:
    path = public / 'etc' / 'config.yml'
    path.parent.mkdir()
    path.write_text('')
    path.parent.chmod(0o600)

    done = as_nobody(command, '-c', str(path))

    assert (done.returncode, f'{path}: the file cannot be read: permission denied' in done.stderr) == (78, True)


@pytest.mark.parametrize('command', ['check', 'run'])
def test_a_key_that_may_not_be_read_is_a_wrong_configuration(public: Path, command: str) -> None:
    path = public / 'config.yml'
    path.write_text('bus:\n  tls:\n    certificate_file: cert.pem\n    key_file: key.pem\n')
    (public / 'cert.pem').write_text('PEM')
    (public / 'key.pem').write_text('PEM')
    (public / 'key.pem').chmod(0o000)

    done = as_nobody(command, '-c', str(path))

    told = f'{path}:4: bus.tls.key_file: {public}/key.pem cannot be read: Permission denied (ls -l {public}/key.pem)'
    assert (done.returncode, told in done.stderr) == (78, True)


@pytest.mark.parametrize('command', ['check', 'run'])
def test_a_configuration_that_is_a_pipe_is_refused_at_once(tmp_path: Path, command: str) -> None:
    os.mkfifo(tmp_path / 'config.yml')

    assert wazo_busd(command, '-c', str(tmp_path / 'config.yml')).returncode == 78


def test_nothing_that_was_typed_ends_in_a_traceback(tmp_path: Path) -> None:
    (tmp_path / 'config.yml').write_bytes(b'\xff\xfe\x00handlers: {')

    assert 'Traceback' not in wazo_busd('run', '-c', str(tmp_path / 'config.yml')).stderr


def test_the_version_is_that_of_the_distribution() -> None:
    assert wazo_busd('--version').stdout == f'wazo-busd {version("wazo-busd")}\n'


def test_check_says_what_would_run(config: Path) -> None:
    assert 'calls: plugin log (wazo-busd' in wazo_busd('check', '-c', str(config)).stdout


def test_check_lists_every_mistake_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / 'config.yml'
    path.write_text('handlers:\n  calls:\n    plugin: lgo\n    mtach: calls.#\n    on: x\n')

    lines = wazo_busd('check', '-c', str(path)).stderr.splitlines()

    assert [line.split(': ')[1] for line in lines[:-1]] == [f'{path}:{line}' for line in (3, 4, 5)]


def test_a_wrong_configuration_starts_nothing_and_says_what_to_type(tmp_path: Path) -> None:
    path = tmp_path / 'config.yml'
    path.write_text('bus: {prot: 5}\n')

    assert wazo_busd('run', '-c', str(path)).stderr.splitlines()[-1].endswith(f'next: wazo-busd check -c {path}')


def test_run_lists_every_mistake_broken_plugins_among_them(tmp_path: Path) -> None:
    path = tmp_path / 'config.yml'
    path.write_text(
        'bus: {prot: 5}\nplugin_dirs: [.]\nhandlers:\n'
        '  bad: {plugin: broken, match: "#"}\n  good: {plugin: log, match: "#"}\n'
    )
    (tmp_path / 'broken.py').write_text('assert False\n')

    told = wazo_busd('run', '-c', str(path)).stderr.splitlines()

    assert [line.split(': ')[1] for line in told[:-1]] == [f'{path}:1', f'{path}:4']


def test_broken_plugins_are_listed_beside_a_state_directory_that_cannot_be_used(public: Path) -> None:
    path = public / 'config.yml'
    handlers = 'bad: {plugin: broken, match: "#"}, good: {plugin: good, match: "#"}'
    path.write_text(f'state_dir: state\nplugin_dirs: [plugins.d]\nhandlers: {{{handlers}}}\n')
    (public / 'plugins.d').mkdir()
    (public / 'plugins.d' / 'broken.py').write_text('assert False\n')
    (public / 'plugins.d' / 'good.py').write_text('from wazo_busd.api import handler\n@handler\ndef good(event): ...\n')
    (public / 'state').mkdir(mode=0o500)

    done = as_nobody('run', '-c', str(path))

    told = [line.split(': ')[2] for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert (done.returncode, told) == (78, ['state_dir', 'handlers.bad.plugin'])


def test_check_finds_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    path = tmp_path / 'config.yml'
    path.write_text('state_dir: config.yml/state\n')

    assert wazo_busd('check', '-c', str(path)).returncode == 78


def test_check_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / 'config.yml'
    path.write_text('state_dir: state\nplugin_dirs: []\n')

    wazo_busd('check', '-c', str(path))

    assert [each.name for each in tmp_path.iterdir()] == ['config.yml']


def test_check_says_that_it_is_stricter_than_run_with_plugins_that_are_broken() -> None:
    shown = ' '.join(wazo_busd('check', '--help').stdout.split())

    assert 'A plugin that cannot be imported is an error here (78), although run would start the other' in shown


def test_a_state_directory_that_cannot_be_made_is_a_wrong_configuration(broker: Broker, tmp_path: Path) -> None:
    config = write_config(tmp_path, broker, HANDLERS)
    (tmp_path / 'state').write_text('a file')

    done = wazo_busd('run', '-c', str(config))

    assert (done.returncode, f'{config}:2: state_dir' in done.stderr) == (78, True)


def test_systemd_hears_ready_status_and_stopping_in_this_order(config: Path, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        daemon.stop()

    told = [each.partition('\n')[0] for each in daemon.told]
    assert told.index('READY=1') < told.index('STOPPING=1') < told.index('STATUS=stopped')


def test_systemd_is_asked_to_wait_for_the_drain_that_is_configured(tmp_path: Path, broker: Broker) -> None:
    config = write_config(tmp_path, broker, HANDLERS, drain_timeout='1h')

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        daemon.stop()

    assert 'STOPPING=1\nEXTEND_TIMEOUT_USEC=3630000000' in daemon.told


def test_systemd_hears_that_the_loop_lives(config: Path, tmp_path: Path) -> None:
    with DaemonProcess(config, tmp_path, environment={'WATCHDOG_USEC': '300000'}) as daemon:
        assert daemon.wait_told('^WATCHDOG=1$')


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_code_zero(config: Path, tmp_path: Path, number: signal.Signals) -> None:
    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_consuming()
        daemon.signal(number)

        assert daemon.wait_exit() == 0


def test_a_signal_stops_it_while_the_broker_is_away(tmp_path: Path, broker: Broker) -> None:
    config = write_config(tmp_path, broker, HANDLERS, bus='{port: 1}')

    with DaemonProcess(config, tmp_path) as daemon:
        daemon.wait_told('STATUS=nothing listens on localhost:1')

        assert daemon.stop() == 0


def test_it_is_ready_although_the_broker_is_away(tmp_path: Path, broker: Broker) -> None:
    config = write_config(tmp_path, broker, HANDLERS, bus='{port: 1}')

    with DaemonProcess(config, tmp_path) as daemon:
        assert daemon.wait_told('^READY=1$')


def test_a_broken_plugin_takes_out_its_handler_and_nothing_else(broker: Broker, tmp_path: Path) -> None:
    config = write_config(tmp_path, broker, HANDLERS + "    broken: {plugin: broken, match: '#'}\n")
    (tmp_path / 'plugins.d' / 'broken.py').write_text('import sys\nsys.exit(3)\n')

    with DaemonProcess(config, tmp_path) as daemon:
        assert 'broken: handlers.broken.plugin: plugin' in daemon.wait_told('2 of 3 handlers consume')


def test_broken_plugins_alone_start_nothing(broker: Broker, tmp_path: Path) -> None:
    config = write_config(tmp_path, broker, "    broken: {plugin: broken, match: '#'}\n")
    (tmp_path / 'plugins.d' / 'broken.py').write_text('assert False\n')

    done = wazo_busd('run', '-c', str(config))

    assert (done.returncode, "plugin 'broken'" in done.stderr) == (78, True)
