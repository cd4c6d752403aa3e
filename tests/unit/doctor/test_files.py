# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Files that others can read or write and should not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.doctor.made import configured, only, severities
from wazo_busd.doctor.files import look
from wazo_busd.doctor.finding import Finding, Severity

LONG = 'https://chat.example.org/hooks/0123456789abcdef'


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def looked(directory: Path, text: str = '', mode: int = 0o640) -> list[Finding]:
    state, plugins = directory / 'state', directory / 'plugins.d'
    for each in (state, plugins):
        each.mkdir(exist_ok=True)
    configuration = configured(directory, f'state_dir: state\nplugin_dirs: [plugins.d]\n{text}\n')
    (directory / 'config.yml').chmod(mode)
    return list(look(configuration, directory / 'config.yml'))


def test_files_that_are_safe_are_well(tmp_path: Path) -> None:
    assert severities(looked(tmp_path)) == [Severity.OK]


def test_a_configuration_that_others_can_write_is_a_problem(tmp_path: Path) -> None:
    found = only(looked(tmp_path, mode=0o666))

    assert (found.severity, found.cure) == (
        Severity.PROBLEM,
        f'chown root: {tmp_path}/config.yml; chmod go-w {tmp_path}/config.yml',
    )


@pytest.mark.parametrize(
    ('text', 'is_told'),
    [
        ('bus: {password: hunter2}', True),
        ('bus: {password: guest}', False),
        ('bus: {password: "${file:secret}"}', False),
        (f'handlers: {{a: {{plugin: x, options: {{url: "{LONG}"}}}}}}', True),
        ('handlers: {a: {plugin: x, options: {url: "http://u:p@crm.example.org/"}}}', True),
        ('handlers: {a: {plugin: x, options: {url: "http://crm.example.org/hook"}}}', False),
        # What a handler is called says nothing of its keys.
        ('handlers: {auth-key: {plugin: x, match: auth.#}}', False),
    ],
)
def test_secrets_that_everybody_can_read_are_a_warning(tmp_path: Path, text: str, is_told: bool) -> None:
    assert severities(looked(tmp_path, text, 0o644)) == [Severity.WARNING if is_told else Severity.OK]


def test_a_plugin_that_others_can_write_is_a_problem(tmp_path: Path) -> None:
    looked(tmp_path)
    (tmp_path / 'plugins.d' / 'bell.py').write_text('')
    (tmp_path / 'plugins.d' / 'bell.py').chmod(0o666)

    assert only(looked(tmp_path)).text.startswith(f'others can write {tmp_path}/plugins.d/bell.py')


def test_a_directory_of_plugins_that_others_can_write_is_told_once(tmp_path: Path) -> None:
    looked(tmp_path)
    for name in ('bell.py', 'lamp.py'):
        (tmp_path / 'plugins.d' / name).write_text('')
    (tmp_path / 'plugins.d').chmod(0o777)

    assert only(looked(tmp_path)).severity is Severity.PROBLEM


@pytest.mark.parametrize(('mode', 'severity'), [(0o755, Severity.WARNING), (0o777, Severity.PROBLEM)])
def test_a_state_directory_that_is_open_is_told(tmp_path: Path, mode: int, severity: Severity) -> None:
    looked(tmp_path)
    (tmp_path / 'state').chmod(mode)

    assert severities(looked(tmp_path)) == [severity]


def test_a_key_that_everybody_can_read_is_a_problem(tmp_path: Path) -> None:
    for name in ('key.pem', 'certificate.pem'):
        (tmp_path / name).write_text('')
    (tmp_path / 'key.pem').chmod(0o644)

    assert (
        'key.pem' in only(looked(tmp_path, 'bus: {tls: {key_file: key.pem, certificate_file: certificate.pem}}')).text
    )


def test_a_control_socket_for_everybody_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / 'control.sock').touch()
    (tmp_path / 'control.sock').chmod(0o666)
    tmp_path.chmod(0o711)

    assert only(looked(tmp_path, 'http: {socket: control.sock}')).cure == f'chmod 0660 {tmp_path}/control.sock'
