# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Completion: what each shell is given, and what values there are, soon enough."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import get_completion_class

from tests.unit.cli.conftest import Shell
from wazo_busd import catalogue
from wazo_busd.cli import main
from wazo_busd.cli.completion import SHELLS, SUBCOMMANDS, VARIABLE, quick


def completed(*words: str) -> list[str]:
    """What the last of these words can be."""
    made = get_completion_class('bash')
    assert made is not None
    *before, incomplete = words
    return [each.value for each in made(main, {}, 'wazo-busd', VARIABLE).get_completions(before, incomplete)]


@pytest.fixture
def config(shell: Shell) -> str:
    shell.handlers('crm: {plugin: log, match: calls.#}\nfaxes: {plugin: log, match: faxes.#}')
    return str(shell.config)


@pytest.mark.parametrize('name', sorted(SHELLS))
def test_each_shell_gets_code_that_asks_for_its_form(shell: Shell, name: str) -> None:
    assert f'{VARIABLE}={name}_complete' in shell('completion', name).stdout


def test_in_zsh_a_function_that_is_loaded_already_completes_too(shell: Shell) -> None:
    code = shell('completion', 'zsh').stdout

    assert ('loadautofunc' in code, '[[ $funcstack[1] == _wazo-busd ]]' in code) == (False, True)


def test_a_shell_that_is_not_known_is_told_which_are(shell: Shell) -> None:
    done = shell('completion', 'ksh')
    assert (done.exit_code, "'bash', 'fish', 'zsh'" in done.stderr) == (2, True)


def test_the_code_for_bash_is_right(shell: Shell) -> None:
    code = shell('completion', 'bash').stdout
    done = subprocess.run(['bash', '-n'], input=code, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, '')


def test_commands_are_completed() -> None:
    assert completed('pl') == ['plugin', 'plugins']


def test_options_are_completed() -> None:
    assert completed('tail', '--na') == ['--names-only']
    assert completed('--ver') == ['--version']


@pytest.mark.parametrize(
    'words',
    [('pause', '-c', '{}', ''), ('resume', '--config', '{}', ''), ('dead', 'list', '-c', '{}', '--handler', ''),
     ('dead', 'drop', '--yes', '-c', '{}', '--handler', ''), ('journal', 'export', '-c', '{}', '')],
)  # fmt: skip
def test_handlers_of_the_configuration_are_completed(config: str, words: tuple[str, ...]) -> None:
    assert completed(*(each.format(config) for each in words)) == ['crm', 'faxes']


def test_a_handler_is_completed_from_its_beginning(config: str) -> None:
    assert completed('pause', '-c', config, 'cr') == ['crm']


def test_of_a_configuration_that_is_not_there_no_handler_is_completed(tmp_path: Path) -> None:
    assert completed('pause', '-c', str(tmp_path / 'none.yml'), '') == []


@pytest.mark.parametrize('command', ['tail', 'events', 'emit', 'explain'])
def test_events_are_completed(command: str) -> None:
    assert completed(command, 'fax_outbound_f') == ['fax_outbound_failed']


def test_events_are_completed_behind_options(config: str) -> None:
    assert completed('tail', '--ami', 'fax_outbound_f') == ['fax_outbound_failed']


def test_all_events_of_the_catalogue_are_completed() -> None:
    known = sorted(each.name for each in catalogue.entries() if not each.is_family)
    assert sorted(quick(['tail'], '') or ()) == known


@pytest.mark.parametrize('text', ['.*', '[', '(', '\\'])
def test_what_is_no_name_completes_to_nothing(text: str) -> None:
    assert quick(['tail'], text) == []


def test_only_what_takes_many_events_completes_a_second() -> None:
    assert (quick(['tail', 'call_ended'], 'fax_outbound_f'), quick(['emit', 'call_ended'], 'fax')) == (
        ['fax_outbound_failed'],
        None,
    )


@pytest.mark.parametrize('words', [('log-level', 'warn'), ('completion', 'ba'), ('plugin', 'che'), ('dead', 'sh')])
def test_words_that_a_command_knows_are_completed(words: tuple[str, str]) -> None:
    assert [each.startswith(words[1]) for each in completed(*words)] == [True]


def test_the_commands_of_commands_are_those_that_there_are() -> None:
    groups = {name: each for name, each in main.commands.items() if isinstance(each, click.Group)}
    assert {name: tuple(sorted(each.commands)) for name, each in groups.items()} == SUBCOMMANDS


def test_every_command_is_called_as_it_is_listed() -> None:
    assert [name for name, each in main.commands.items() if each.name != name] == []


def test_a_command_that_is_none_is_refused(shell: Shell) -> None:
    assert (shell('no-such').exit_code, main.commands.get('no-such')) == (2, None)


def test_a_tab_for_an_event_waits_for_no_library() -> None:
    code = f'import sys; from {quick.__module__} import quick; quick(["tail"], "call"); print(*sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    heavy = {'pydantic', 'yaml', 'aio_pika', 'aiohttp', 'jinja2', 'structlog', 'wazo_busd.config', 'asyncio'}
    assert heavy & set(done.stdout.split()) == set()


def test_its_page_of_help_has_two_examples() -> None:
    examples = (main.commands['completion'].help or '').partition('Examples:')[2]
    assert examples.count('wazo-busd completion') == 2
