# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The reference names every command and option, and its examples work."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from wazo_busd import roster
from wazo_busd.cli import main
from wazo_busd.codec import Limits
from wazo_busd.config import HandlerConfig, load
from wazo_busd.language import VARIABLES
from wazo_busd.language.filters import FILTERS, TESTS
from wazo_busd.testing import make_event, preview
from wazo_busd.trial import read_cases, try_case
from wazo_busd.trial.step import Step
from wazo_busd.verdict import Ruling

PAGE = (Path(__file__).parents[2] / 'docs' / 'reference.md').read_text()
OPTIONS = [(name, each) for name, command in main.commands.items() for each in command.params]


def section(command: str) -> str:
    return PAGE.split(f'\n### {command}\n')[1].split('\n### ')[0].split('\n## ')[0]


def test_every_command_has_a_section() -> None:
    commands = PAGE.split('\n## Commands\n')[1].split('\n## ')[0]

    assert sorted(re.findall(r'^### ([\w-]+)$', commands, re.MULTILINE)) == sorted(main.commands)


@pytest.mark.parametrize(('command', 'option'), OPTIONS, ids=lambda each: getattr(each, 'name', each))
def test_every_option_of_a_command_is_there(command: str, option: click.Parameter) -> None:
    names = option.opts if isinstance(option, click.Option) else [option.make_metavar(click.Context(main)).strip('[].')]

    assert [name for name in names if any(word in section(command) for word in re.split(r'[|\]]', name))] != []


@pytest.mark.parametrize('block', re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL))
def test_every_configuration_that_it_shows_is_right(block: str, tmp_path: Path) -> None:
    (tmp_path / 'config.yml').write_text(block)
    configuration = load(tmp_path / 'config.yml')

    assert (configuration.problems, roster.call(configuration).problems) == ((), [])


@pytest.mark.parametrize('code', ['0', '1', '2', '3', '78'])
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


WANTED = {'tenants', 'users', 'acl', 'where', 'when', 'schedule', 'expires_after', 'throttle', 'collapse'}


@pytest.mark.parametrize('key', sorted(WANTED & set(HandlerConfig.model_fields)))
def test_the_keys_that_filter_are_there(key: str) -> None:
    assert f'| `{key}` |' in PAGE


async def test_the_cases_that_it_shows_pass(tmp_path: Path) -> None:
    configuration, cases = re.findall(r'```(?:yaml|yml)\n(.*?)```', section('test'), re.DOTALL)
    (tmp_path / 'config.yml').write_text(configuration)
    (tmp_path / 'cases.yml').write_text(cases)
    loaded = load(tmp_path / 'config.yml')
    read = read_cases(tmp_path / 'cases.yml', tuple(loaded.config.handlers), Limits())
    differences = [each for case in read.cases for each in await try_case(case, loaded, roster.call(loaded))]

    assert (read.problems, len(read.cases), differences) == ([], 2, [])


def test_every_key_of_a_case_is_there() -> None:
    assert [name for name in Step.model_fields if f'| `{name}` |' not in section('test')] == []


@pytest.mark.parametrize('ruling', Ruling)
def test_every_ruling_is_there(ruling: Ruling) -> None:
    assert f'| `{ruling.value}` |' in section('explain')


async def test_the_plugin_that_tells_what_it_would_send_does_so() -> None:
    (code,) = re.findall(r'```python\n(.*?)```', PAGE.split('### What it would send')[1], re.DOTALL)
    module = ModuleType('board')
    exec(compile(code, 'board.py', 'exec', dont_inherit=True), vars(module))
    options = {'number': '7', 'text': 'Fax to {{ data.extension }}'}

    told = await preview(module.Board, make_event('fax_outbound_failed', {'extension': '1002'}), options=options)
    assert told == {'number': '7', 'text': 'Fax to 1002'}
