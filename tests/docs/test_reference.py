# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The reference names every command and option, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from wazo_busd import roster
from wazo_busd.cli import main
from wazo_busd.config import HandlerConfig, load
from wazo_busd.language import VARIABLES
from wazo_busd.language.filters import FILTERS, TESTS

PAGE = (Path(__file__).parents[2] / 'docs' / 'reference.md').read_text()
OPTIONS = [(name, each) for name, command in main.commands.items() for each in command.params]


def section(command: str) -> str:
    return PAGE.split(f'\n### {command}\n')[1].split('\n### ')[0].split('\n## ')[0]


def test_every_command_has_a_section() -> None:
    commands = PAGE.split('\n## Commands\n')[1].split('\n## ')[0]

    assert sorted(re.findall(r'^### (\w+)$', commands, re.MULTILINE)) == sorted(main.commands)


@pytest.mark.parametrize(('command', 'option'), OPTIONS, ids=lambda each: getattr(each, 'name', each))
def test_every_option_of_a_command_is_there(command: str, option: click.Parameter) -> None:
    names = option.opts if isinstance(option, click.Option) else [option.make_metavar(click.Context(main)).strip('[].')]

    assert [name for name in names if any(word in section(command) for word in re.split(r'[|\]]', name))] != []


@pytest.mark.parametrize('block', re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL))
def test_every_configuration_that_it_shows_is_right(block: str, tmp_path: Path) -> None:
    (tmp_path / 'config.yml').write_text(block)
    configuration = load(tmp_path / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])


@pytest.mark.parametrize('code', ['0', '1', '2', '78'])
def test_every_exit_code_of_the_help_is_there(code: str) -> None:
    assert re.search(rf'\b{code} ', CliRunner().invoke(main, ['--help']).stdout.split('Exit codes:')[1])
    assert re.search(rf'^\| {code} \|', PAGE, re.MULTILINE)


@pytest.mark.parametrize('name', sorted(each for each in FILTERS if not each.startswith(' ')))
def test_every_filter_of_a_text_is_there(name: str) -> None:
    assert re.search(rf'`{name}\b', PAGE.split('### Filters')[1])


@pytest.mark.parametrize('name', sorted(TESTS))
def test_everything_that_can_be_asked_with_is_is_there(name: str) -> None:
    assert f'`{name}`' in PAGE


@pytest.mark.parametrize('name', [*VARIABLES, 'names'])
def test_every_variable_is_there(name: str) -> None:
    assert f'`{name}`' in PAGE


WANTED = {'tenants', 'users', 'acl', 'where', 'when', 'schedule', 'expires_after'}


@pytest.mark.parametrize('key', sorted(WANTED & set(HandlerConfig.model_fields)))
def test_the_keys_that_filter_are_there(key: str) -> None:
    assert f'| `{key}` |' in PAGE
