# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The units are right for systemd, and as closed as they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from wazo_busd import roster
from wazo_busd.config import load

ROOT = Path(__file__).parents[2]
UNITS = ROOT / 'systemd'
MOST = 1.1
EXAMPLES = UNITS / 'examples'


def lines(name: str) -> list[str]:
    return [line for line in (UNITS / name).read_text().splitlines() if line and not line.startswith('#')]


@pytest.fixture
def analyze() -> str:
    """The program that judges units; in CI it has to be there."""
    found = shutil.which('systemd-analyze')
    if found is None:
        if os.environ.get('CI'):
            pytest.fail('systemd-analyze is missing; as root: tools/need-packaging analyze')
        pytest.skip('systemd-analyze is missing; as root: tools/need-packaging analyze')
    return found


def exposure(analyze: str, directory: Path, *drop_ins: Path, unit: str = 'wazo-busd.service') -> float:
    """What systemd-analyze thinks of a unit, 0.0 being closed and 10.0 open."""
    shutil.copy(UNITS / unit, directory)
    (directory / f'{unit}.d').mkdir()
    for each in drop_ins:
        shutil.copy(each, directory / f'{unit}.d')
    done = subprocess.run(
        [analyze, 'security', '--offline=true', '--no-pager', str(directory / unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r'Overall exposure level for \S+: (\d+\.\d)', done.stdout)
    assert found is not None, done.stdout + done.stderr
    return float(found[1])


def stated(drop_in: Path) -> float:
    """What a drop-in says of itself."""
    (figure,) = re.findall(r'makes the figure of `systemd-analyze security wazo-busd` (\d+\.\d)', drop_in.read_text())
    return float(figure)


def test_the_unit_is_as_closed_as_it_is_said_to_be(analyze: str, tmp_path: Path) -> None:
    assert exposure(analyze, tmp_path) <= MOST


def test_the_unit_of_an_instance_is_so_too(analyze: str, tmp_path: Path) -> None:
    assert exposure(analyze, tmp_path, unit='wazo-busd@.service') <= MOST


def test_a_unit_that_is_opened_is_found(analyze: str, tmp_path: Path) -> None:
    (tmp_path / 'open.conf').write_text('[Service]\nProtectHome=false\nNoNewPrivileges=false\nPrivateUsers=false\n')

    assert exposure(analyze, tmp_path, tmp_path / 'open.conf') > MOST


@pytest.mark.parametrize('drop_in', sorted(EXAMPLES.glob('*.conf')), ids=lambda path: path.stem)
def test_every_drop_in_says_what_it_costs_or_gains(analyze: str, tmp_path: Path, drop_in: Path) -> None:
    assert exposure(analyze, tmp_path, drop_in) == stated(drop_in)


def test_systemd_understands_every_line(analyze: str, tmp_path: Path) -> None:
    # Not with what this machine lacks: the program, the page, the user.
    text = (UNITS / 'wazo-busd.service').read_text()
    text = re.sub(r'/usr/bin/wazo-busd', '/bin/true', text)
    text = re.sub(r'^(Documentation|User|Group)=.*\n', '', text, flags=re.MULTILINE)
    (tmp_path / 'wazo-busd.service').write_text(text)
    done = subprocess.run(
        [analyze, 'verify', '--man=no', str(tmp_path / 'wazo-busd.service')],
        capture_output=True,
        text=True,
        check=False,
    )

    assert [line for line in done.stderr.splitlines() if 'wazo-busd.service:' in line] == []


NAMED = re.compile(
    r'^(Description|ExecStart|StateDirectory|LogsDirectory|RuntimeDirectory|LoadCredential|SyslogIdentifier)='
)


def test_the_unit_of_an_instance_differs_in_names_and_paths_alone() -> None:
    one, other = (
        [line for line in lines(name) if not NAMED.match(line)] for name in ('wazo-busd.service', 'wazo-busd@.service')
    )

    assert one == other


def test_two_instances_share_no_name_and_no_path() -> None:
    named = [line for line in lines('wazo-busd@.service') if NAMED.match(line)]

    assert [line for line in named if '%i' not in line] == []


def test_the_configuration_of_an_instance_is_right_and_names_its_own_directories(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / 'instance.yml', tmp_path / 'config.yml')
    configuration = load(tmp_path / 'config.yml')
    config = configuration.config

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])
    assert (config.bus.namespace, config.state_dir, config.http.control_socket, config.http.address) == (
        'wazo-busd-second',
        Path('/var/lib/wazo-busd/instances/second'),
        Path('/run/wazo-busd-second/control.sock'),
        ('127.0.0.1', 9507),
    )


def test_a_drop_in_that_lets_it_take_more_lets_it_do_so_without_being_slowed_down_before() -> None:
    limits = dict(re.findall(r'^(Memory\w+)=(\w+)$', (EXAMPLES / 'exec.conf').read_text(), re.MULTILINE))

    assert (limits['MemoryMax'], limits['MemoryHigh']) == ('1G', '768M')


def test_the_daemon_is_killed_for_memory_before_asterisk() -> None:
    assert int(dict(line.split('=', 1) for line in lines('wazo-busd.service') if '=' in line)['OOMScoreAdjust']) > 0


def test_the_broker_is_waited_for_and_not_needed() -> None:
    words = [
        line.partition('=')[0] for line in lines('wazo-busd.service') if 'rabbitmq' in line and 'Inacc' not in line
    ]

    assert words == ['After']
