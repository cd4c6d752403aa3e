# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon as a process: exit codes, signals, and what its service manager hears."""

from __future__ import annotations

import signal
import subprocess
import sys
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
