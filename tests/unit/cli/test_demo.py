# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd demo`: what it is asked in a wrong way, and its examples."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from wazo_busd.cli import main
from wazo_busd.cli.demo import demo

EXAMPLES = [
    line.strip()
    for line in (demo.help or '').partition('Examples:')[2].splitlines()
    if line.strip().startswith('wazo-busd')
]


@pytest.mark.parametrize('example', EXAMPLES)
def test_the_examples_are_commands(example: str) -> None:
    assert demo.make_context('demo', shlex.split(example)[2:]).params['seed'] in (0, 7)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--headless', '--board'], 'leave one of them out'),
        (['--board', '-o', 'json'], 'leave one of them out'),
        (['--speed', '0'], '--speed'),
        (['--hours', '100'], '--hours'),
        (['--keep', '/proc/nowhere'], 'Name another directory: --keep DIR'),
    ],
)
def test_what_cannot_be_is_wrong_usage(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ['demo', *arguments])

    assert (done.exit_code, said in done.stderr, done.stdout) == (2, True, '')


def test_a_directory_with_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / 'mine').write_text('mine')
    done = CliRunner().invoke(main, ['demo', '--keep', str(tmp_path)])

    assert (done.exit_code, 'is not empty' in done.stderr, list(tmp_path.iterdir())) == (2, True, [tmp_path / 'mine'])
