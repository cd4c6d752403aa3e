# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page of the installation names what the package has; `make deb-test` types all of it."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from textwrap import dedent

import click
import pytest

from wazo_busd import roster
from wazo_busd.cli import main
from wazo_busd.config import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'install.md').read_text()
BLOCKS = re.findall(r'```(?:sh)?\n(.*?)```', PAGE, re.DOTALL)
COMMANDS = [
    re.split(r' (?:&&|\|) ', line)[0]
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith('wazo-busd ')
]
EXAMPLES = sorted(set(re.findall(r'/usr/share/doc/wazo-busd/examples/([\w.]+)', PAGE)))
VERSION = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']


@pytest.mark.parametrize('command', sorted(set(COMMANDS)))
def test_every_command_is_one(command: str) -> None:
    words = shlex.split(command)[1:]
    context = click.Context(main)
    found: click.Command | None = main
    while isinstance(found, click.Group):
        found = found.get_command(context, words.pop(0))
    assert found is not None

    assert found.make_context(command, words, resilient_parsing=True).params


@pytest.mark.parametrize('name', EXAMPLES)
def test_every_example_is_in_the_package(name: str) -> None:
    assert (ROOT / 'systemd' / 'examples' / name).is_file()


@pytest.mark.parametrize('target', sorted(set(re.findall(r'(?:^|`)make ([a-z-]+)', PAGE, re.MULTILINE))))
def test_every_make_target_is_there(target: str) -> None:
    assert re.search(rf'^{target}:.*## ', (ROOT / 'Makefile').read_text(), re.MULTILINE)


def test_the_handler_that_it_names_is_right(tmp_path: Path) -> None:
    (written,) = re.findall(r"<<'END'\n(.*?)END\n", PAGE, re.DOTALL)
    (tmp_path / 'config.yml').write_text(dedent(written))
    configuration = load(tmp_path / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])


def test_the_limits_that_it_tells_are_those_of_the_unit() -> None:
    unit = (ROOT / 'systemd' / 'wazo-busd.service').read_text()
    memory, tasks = re.findall(r'at most (\d+) MB and (\d+) tasks', PAGE)[0]

    assert (f'MemoryMax={memory}M\n' in unit, f'TasksMax={tasks}\n' in unit) == (True, True)


@pytest.mark.parametrize('name', ['exec.conf', 'loopback.conf'])
def test_the_figures_that_it_tells_are_those_of_the_drop_ins(name: str) -> None:
    (figure,) = re.findall(r'wazo-busd` (\d\.\d)', (ROOT / 'systemd' / 'examples' / name).read_text())

    assert figure in PAGE.split('## What it may do')[1].split('\n## ')[0]


def test_it_is_of_this_version() -> None:
    assert set(re.findall(r'wazo-busd_(\d\S*)_amd64', PAGE)) == {VERSION}
