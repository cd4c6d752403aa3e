# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""docs/install.md, typed as it stands there, by somebody who has never seen it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.acceptance.deb.conftest import ROOT, VERSION
from tests.acceptance.deb.host import Host

PAGE = (ROOT / 'docs' / 'install.md').read_text()
SECTIONS = {
    part.partition('\n')[0]: re.findall(r'```sh\n(.*?)```', part, re.DOTALL) for part in PAGE.split('\n## ')[1:]
}


@pytest.fixture(scope='module')
def installed(host: Host, package: Path) -> tuple[Host, float]:
    """A host with RabbitMQ where the first section has been typed, and how many seconds that took."""
    host.run('apt-get install -y -q --no-download --no-install-recommends rabbitmq-server')
    host.put(package)
    begun = time.monotonic()
    for block in SECTIONS['Five minutes']:
        host.run(block)
    return host, time.monotonic() - begun


def test_the_page_is_of_this_version() -> None:
    assert set(re.findall(r'wazo-busd_(\d\S*)_amd64', PAGE)) == {VERSION}


def test_the_first_event_is_handled_within_five_minutes(installed: tuple[Host, float]) -> None:
    host, seconds = installed

    assert seconds < 300
    assert '"name":"call_ended"' in host.eventually('wazo-busd journal export | grep call_ended')


def test_in_the_end_all_is_well(installed: tuple[Host, float]) -> None:
    assert 'all is well' in installed[0].eventually('wazo-busd status')


@pytest.mark.parametrize('section', [name for name, blocks in SECTIONS.items() if blocks and name != 'Five minutes'])
def test_every_other_section_can_be_typed_too(installed: tuple[Host, float], section: str) -> None:
    host, _ = installed
    for block in SECTIONS[section]:
        host.eventually(block, seconds=20)

    host.eventually('wazo-busd status')


def test_the_second_daemon_runs_beside_the_first(installed: tuple[Host, float]) -> None:
    host, _ = installed

    assert host.run('systemctl is-active wazo-busd wazo-busd@second').split() == ['active', 'active']
    assert 'wazo-busd-second' in host.run('rabbitmqctl --silent list_exchanges name')


def test_the_figure_of_the_drop_in_is_that_of_the_page(installed: tuple[Host, float]) -> None:
    host, _ = installed

    assert 'wazo-busd.service: 1.2 OK' in host.run('systemd-analyze security --no-pager wazo-busd | tail -n 1')


def test_the_pages_can_be_read(installed: tuple[Host, float]) -> None:
    assert 'setup-broker' in installed[0].run('man -P cat wazo-busd')


def test_bash_completes_commands(installed: tuple[Host, float]) -> None:
    words = "env COMP_WORDS='wazo-busd setup' COMP_CWORD=1 _WAZO_BUSD_COMPLETE=bash_complete wazo-busd"

    assert 'setup-broker' in installed[0].run(words)
