# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The path of the control socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from wazo_busd.config import Config, HttpConfig, load


@pytest.fixture(autouse=True)
def no_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('RUNTIME_DIRECTORY', raising=False)


def written(directory: Path, text: str) -> HttpConfig:
    (directory / 'config.yml').write_text(f'http: {text}\n')
    loaded = load(directory / 'config.yml')
    assert loaded.problems == ()
    return loaded.config.http


def test_it_is_in_the_directory_of_the_unit_unless_said() -> None:
    assert Config().http.control_socket == Path('/run/wazo-busd/control.sock')


@pytest.mark.parametrize('directories', ['/run/other', '/run/other:/run/more'])
def test_where_systemd_has_made_a_directory_it_is_there(monkeypatch: pytest.MonkeyPatch, directories: str) -> None:
    monkeypatch.setenv('RUNTIME_DIRECTORY', directories)

    assert Config().http.control_socket == Path('/run/other/control.sock')


def test_what_is_written_goes_before_what_systemd_has_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('RUNTIME_DIRECTORY', '/run/other')

    assert written(tmp_path, '{socket: /run/mine}').control_socket == Path('/run/mine')


def test_it_can_be_off(tmp_path: Path) -> None:
    assert written(tmp_path, '{socket: off}').control_socket is None


def test_a_relative_path_begins_at_its_file(tmp_path: Path) -> None:
    (tmp_path / 'config.yml').write_text('http: {socket: s}\n')

    assert load(tmp_path / 'config.yml').document.tree['http']['socket'] == str(tmp_path / 's')


def test_a_path_that_no_socket_can_have_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / 'config.yml').write_text(f'http: {{socket: /{"x" * 120}}}\n')
    (problem,) = load(tmp_path / 'config.yml').problems

    assert 'at most 107 bytes, found 121' in problem.message
