# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The paths: where they begin, and that the daemon can use what lies there; nothing is made to find that out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.config.conftest import Files, only
from tests.unit.impatience import impatience
from wazo_busd.errors import Problem

KEYS = ['ca_file', 'certificate_file', 'key_file']


def tls(**written: object) -> str:
    """A configuration with every TLS file, one a line, `ca_file` on line 3."""
    files = {'ca_file': 'ca.pem', 'certificate_file': 'cert.pem', 'key_file': 'key.pem', **written}
    return 'bus:\n  tls:\n' + ''.join(f'    {key}: {value}\n' for key, value in files.items())


@pytest.fixture
def pems(files: Files) -> Files:
    """A directory with everything that TLS needs."""
    for name in ('ca', 'cert', 'key'):
        files.write(f'{name}.pem', 'PEM')
    return files


def test_tls_files_that_are_there_are_no_problem(pems: Files) -> None:
    assert pems.load(tls()).problems == ()


@pytest.mark.parametrize(('key', 'line'), [*zip(KEYS, (3, 4, 5), strict=True)])
def test_a_tls_file_that_is_missing_is_a_problem_of_its_line(pems: Files, key: str, line: int) -> None:
    path = pems.directory / 'none.pem'
    assert only(pems.load(tls(**{key: 'none.pem'})).problems) == Problem(
        f'bus.tls.{key}: {path} cannot be read: No such file or directory',
        str(pems.directory / 'config.yml'),
        line,
        hint=f'ls -l {path}',
    )


@pytest.mark.parametrize('key', KEYS)
def test_a_tls_file_that_is_a_directory_is_a_problem(pems: Files, key: str) -> None:
    (pems.directory / 'dir').mkdir()
    assert only(pems.load(tls(**{key: 'dir'})).problems).message.endswith('/dir is no regular file')


def test_a_tls_file_that_is_a_pipe_is_a_problem_at_once(pems: Files) -> None:
    os.mkfifo(pems.directory / 'pipe')
    with impatience():
        assert only(pems.load(tls(ca_file='pipe')).problems).message.endswith('/pipe is no regular file')


def test_every_tls_file_is_told_at_once(files: Files) -> None:
    assert files.places(files.load(tls()).problems) == [('config.yml', line) for line in (3, 4, 5)]


def test_a_tls_file_that_is_no_path_is_told_once(pems: Files) -> None:
    assert only(pems.load(tls(certificate_file=7)).problems).message == 'bus.tls.certificate_file: expected a path'


def test_a_key_without_its_certificate_is_a_problem_of_the_key(pems: Files) -> None:
    problem = only(pems.load('bus:\n  tls:\n    key_file: key.pem\n').problems)
    assert (problem.line, problem.message, problem.hint) == (
        3,
        'bus.tls.key_file: a key is of no use without its certificate',
        'add a line certificate_file: …',
    )


def test_a_certificate_may_hold_its_key(pems: Files) -> None:
    assert pems.load('bus: {tls: {certificate_file: cert.pem}}\n').problems == ()


@pytest.mark.parametrize('below', ['', '/state', '/deep/state'])
def test_a_state_directory_on_a_file_is_a_problem(files: Files, below: str) -> None:
    path = files.write('file', '')
    problem = only(files.load(f'debug: true\nstate_dir: file{below}\n').problems)
    assert (problem.line, problem.message) == (
        2,
        f'state_dir: {path}{below} cannot be used: {path} is not a directory',
    )
    assert problem.hint == f'ls -ld {path}; name a directory, as in state_dir: /var/lib/wazo-busd'


def test_a_state_directory_on_a_broken_link_is_a_problem(files: Files) -> None:
    (files.directory / 'link').symlink_to('nowhere')
    assert only(files.load('state_dir: link/state\n').problems).message.endswith('/link is not a directory')


@pytest.mark.parametrize('name', ['new', 'new/deep', 'old', 'link', 'link/new'])
def test_a_state_directory_that_is_there_or_can_be_made_is_no_problem(files: Files, name: str) -> None:
    (files.directory / 'old').mkdir()
    (files.directory / 'link').symlink_to('old')
    assert files.load(f'state_dir: {name}\n').problems == ()


def test_a_state_directory_with_too_long_a_name_is_a_problem(files: Files) -> None:
    assert only(files.load(f'state_dir: {"a" * 300}\n').problems).message.endswith('cannot be used: File name too long')


def test_looking_for_the_state_directory_makes_nothing(files: Files) -> None:
    files.load('state_dir: new/deep\n')
    assert sorted(each.name for each in Path(files.directory).iterdir()) == ['config.yml']
