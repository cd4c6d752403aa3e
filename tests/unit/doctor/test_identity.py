# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""XIVO_UUID: a wrong one is found by what the host has written down, and by what its events say."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.controlled import short_directory
from tests.unit.doctor.made import ELSEWHERE, HERE, only
from wazo_busd.doctor.finding import Severity
from wazo_busd.doctor.identity import PROFILE, SYSTEM, Claims, claims, daemon_process, judge

PROBLEM, OK = Severity.PROBLEM, Severity.OK


@pytest.mark.parametrize(
    ('environment', 'daemon', 'files', 'origins', 'severity'),
    [
        (HERE, HERE, {'/a': HERE}, {HERE: 3}, OK),
        (HERE, None, {'/a': HERE}, {HERE: 3, ELSEWHERE: 2}, OK),
        ('', None, {}, {ELSEWHERE: 3}, OK),
        ('', HERE, {'/a': HERE}, {}, OK),
        # A shell of root has none.
        ('', None, {'/a': HERE}, {HERE: 3}, OK),
        ('', '', {'/a': HERE}, {HERE: 3}, PROBLEM),
        (HERE, ELSEWHERE, {'/a': HERE}, {HERE: 3}, PROBLEM),
        (ELSEWHERE, None, {'/a': HERE}, {}, PROBLEM),
        (HERE, None, {'/a': HERE, '/b': ELSEWHERE}, {}, PROBLEM),
        (HERE, None, {}, {ELSEWHERE: 3}, PROBLEM),
        ('wazo', None, {}, {}, PROBLEM),
    ],
)
def test_one_that_differs_from_what_the_host_or_its_events_say_is_a_problem(
    environment: str, daemon: str | None, files: dict[str, str], origins: dict[str, int], severity: Severity
) -> None:
    assert only(judge(Claims(environment, daemon, files), Counter(origins))).severity is severity


def test_what_is_no_uuid_is_not_repeated() -> None:
    found = only(judge(Claims('hunter2', None, {'/a': HERE}), Counter()))

    assert 'hunter2' not in found.text + found.cure


@pytest.mark.parametrize(
    ('file', 'text'),
    [
        (PROFILE, f'export XIVO_UUID={HERE}\n'),
        (SYSTEM, f'[Manager]\n#DefaultEnvironment=\nDefaultEnvironment=XIVO_UUID={HERE} A=b\n'),
        ('etc/systemd/system.conf.d/wazo.conf', f'[Manager]\nDefaultEnvironment="XIVO_UUID={HERE}"\n'),
    ],
)
def test_every_file_that_a_host_keeps_it_in_is_read(tmp_path: Path, file: str, text: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)

    assert claims({}, None, tmp_path).files == {f'/{file}': HERE}


def test_one_that_is_commented_out_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / SYSTEM
    path.parent.mkdir(parents=True)
    path.write_text(f'#DefaultEnvironment=XIVO_UUID={HERE}\n')

    assert claims({}, None, tmp_path).files == {}


def test_the_process_that_listens_on_the_control_socket_is_known() -> None:
    with short_directory() as directory, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / 'control.sock'))
        listening.listen()

        assert (daemon_process(directory / 'control.sock') or 0) > 0


def test_where_nobody_listens_there_is_no_process(tmp_path: Path) -> None:
    assert daemon_process(tmp_path / 'control.sock') is None
