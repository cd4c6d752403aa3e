# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The limits: whatever is named as a configuration, reading it comes to an end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.unit.config.conftest import Files, only
from tests.unit.impatience import impatience
from wazo_busd.config import load, nodes
from wazo_busd.config.nodes import VALUES_LIMIT
from wazo_busd.config.reader import FILE_LIMIT


def put(kind: str, path: Path) -> None:
    """Make something at `path` that is no file."""
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'socket':
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    else:
        path.symlink_to(kind)


KINDS = ['pipe', 'socket', '/dev/zero', '/dev/null']


@pytest.mark.parametrize('kind', [kind for kind in KINDS if kind != 'socket'])
def test_a_main_file_that_is_no_file_is_a_problem_at_once(files: Files, kind: str) -> None:
    path = files.directory / 'config.yml'
    put(kind, path)
    with impatience():
        problem = only(files.load().problems)
    assert (problem.file, problem.message, problem.hint) == (
        str(path),
        'this is no regular file',
        f'ls -l {path}',
    )


@pytest.mark.parametrize('kind', KINDS)
def test_a_file_of_conf_d_that_is_no_file_is_a_problem_at_once(files: Files, kind: str) -> None:
    (files.directory / 'conf.d').mkdir()
    put(kind, files.directory / 'conf.d/a.yml')
    with impatience():
        problems = files.load('').problems
    assert files.places(problems) == [('conf.d/a.yml', 0)]


def test_a_device_is_a_problem_at_once() -> None:
    with impatience():
        assert [each.message for each in load(Path('/dev/zero')).problems] == ['this is no regular file']


def test_a_file_may_be_as_large_as_the_limit(files: Files) -> None:
    assert files.load(b'debug: true\n'.ljust(FILE_LIMIT, b'#')).config.debug


def test_a_file_over_the_limit_is_a_problem_that_says_it(files: Files) -> None:
    problem = only(files.load(b'debug: true\n'.ljust(FILE_LIMIT + 1, b'#')).problems)
    assert (problem.message, problem.hint) == (
        'the file has more than 1048576 bytes, too many for a configuration',
        f'ls -l {files.directory / "config.yml"}',
    )


def bomb(leaf: str, item: str = '[{}]', separator: str = ', ', levels: int = 7) -> str:
    """Each level repeats the one before ten times."""
    lines = [f'a0: &a0 {leaf}']
    lines += [f'a{n}: &a{n} {item.format(separator.join([f"*a{n - 1}"] * 10))}' for n in range(1, levels)]
    return '\n'.join(lines)


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        (bomb('[1]'), 6),
        (bomb('0606'), 6),
        (f'x: 1\n{bomb("[1]")}', 7),
        (bomb('{k: 1}', '{{<<: [{}]}}', levels=20), 0),
    ],
)
def test_a_file_that_unfolds_to_too_much_is_one_problem(files: Files, text: str, line: int) -> None:
    with impatience(60):
        problem = only(files.load(f'{text}\n').problems)
    assert f'more than {VALUES_LIMIT} values' in problem.message
    assert problem.hint.startswith('write less')
    assert problem.line == line or not line


def test_a_file_of_too_many_values_is_one_problem(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, 'VALUES_LIMIT', 10)
    assert files.load(f'plugin_dirs: [{"x, " * 8}]\n').problems == ()
    assert 'more than 10 values' in only(files.load(f'plugin_dirs:\n  [{"x, " * 9}]\n').problems).message


def test_the_problem_of_a_bomb_in_a_handler_names_the_line_that_uses_it(files: Files) -> None:
    text = f'{bomb("[1]", levels=5)}\nhandlers:\n  calls:\n    options:\n      x: [{", ".join(["*a4"] * 10)}]\n'
    with impatience(60):
        assert only(files.load(text).problems).line == 9


def test_what_a_bomb_says_is_not_used(files: Files) -> None:
    with impatience(60):
        assert not files.load(f'debug: true\n{bomb("[1]")}\n').config.debug


def test_a_number_of_many_colons_is_a_problem_at_once(files: Files) -> None:
    with impatience():
        assert 'which it is not' in files.load(f'debug: 1{":1" * 500_000}\n').problems[0].message


def test_a_path_of_many_parts_is_a_problem_at_once(files: Files) -> None:
    with impatience():
        assert only(files.load(f'state_dir: {"/a" * 500_000}\n').problems).message.endswith('File name too long')


def test_many_keys_in_many_files_are_merged_at_once(files: Files) -> None:
    for name in ('a', 'b', 'c'):
        lines = (f'        {name}{number}: x\n' for number in range(10_000))
        files.write(f'conf.d/{name}.yml', f'handlers:\n  one:\n    plugin: log\n    options:\n{"".join(lines)}')
    with impatience(30):
        assert len(files.load('').config.handlers['one'].options) == 30_000


def descriptors() -> int:
    return sum(1 for _ in Path('/proc/self/fd').iterdir())


def test_no_descriptor_is_left_behind(files: Files) -> None:
    path = files.directory / 'conf.d'
    path.mkdir()
    for kind in ('pipe', '/dev/zero'):
        put(kind, path / f'{Path(kind).name}.yml')
    before = descriptors()
    files.load('')
    assert descriptors() == before
