# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The systemd unit lets the daemon do what the documents say that it does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from wazo_busd.cli.options import EXIT_CONFIGURATION
from wazo_busd.config import Config

ROOT = Path(__file__).parents[2]
README = (ROOT / 'README.md').read_text()
SETTINGS = dict(
    line.split('=', 1)
    for line in (ROOT / 'systemd' / 'wazo-busd.service').read_text().splitlines()
    if '=' in line and not line.startswith('#')
)
EXAMPLES = [yaml.safe_load(block)['handlers'] for block in re.findall(r'```yaml\n(.*?)```', README, re.DOTALL)]
WRITTEN = [
    Path(handler['options']['path'])
    for handlers in EXAMPLES
    for handler in handlers.values()
    if 'path' in handler.get('options', {})
]


def writable() -> list[Path]:
    """The directories that systemd makes for the daemon; with ProtectSystem=strict it can write nowhere else."""
    return [Path('/var/lib') / SETTINGS['StateDirectory'], Path('/var/log') / SETTINGS['LogsDirectory']]


@pytest.mark.parametrize('path', WRITTEN, ids=str)
def test_every_file_that_an_example_writes_can_be_written(path: Path) -> None:
    assert any(path.is_relative_to(directory) for directory in writable())


def test_an_example_writes_a_file() -> None:
    assert WRITTEN


def test_the_state_directory_can_be_written() -> None:
    assert Config().state_dir in writable()


def test_the_control_socket_is_in_the_directory_that_systemd_makes() -> None:
    assert Config().http.control_socket == Path('/run') / SETTINGS['RuntimeDirectory'] / 'control.sock'


def test_whoever_is_in_its_group_reaches_the_control_socket() -> None:
    assert (SETTINGS['Group'], SETTINGS['RuntimeDirectoryMode']) == ('wazo-busd', '0750')


def test_what_the_daemon_writes_is_not_for_everybody() -> None:
    assert (SETTINGS['StateDirectoryMode'], SETTINGS['LogsDirectoryMode']) == ('0750', '0750')


def test_the_documentation_is_something_that_is_there() -> None:
    page, document = SETTINGS['Documentation'].split()

    assert page == 'man:wazo-busd(1)'
    assert (ROOT / 'docs' / document.removeprefix('file:/usr/share/doc/wazo-busd/')).is_file()


def test_a_wrong_configuration_is_not_tried_again() -> None:
    assert str(EXIT_CONFIGURATION) in SETTINGS['RestartPreventExitStatus'].split()


def test_the_unit_waits_longer_than_the_daemon_drains() -> None:
    assert int(SETTINGS['TimeoutStopSec']) > Config().drain_timeout
