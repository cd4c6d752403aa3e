# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd test`: its output for people and programs, and its exit codes."""

from __future__ import annotations

import json
from textwrap import dedent

import pytest
from click.testing import Result

from tests.unit.cli.conftest import Shell

HANDLERS = 'busy: {plugin: log, match: fax_outbound_failed, where: {data.error: busy}}'
RIGHT = """
a busy fax is told:
  event: fax_outbound_failed
  fields: {error: busy}
  sent: [busy]
any other is not:
  event: fax_outbound_failed
  fields: {error: x}
  sent: []
"""
WRONG = RIGHT.replace('sent: []', 'sent: busy')


def run(shell: Shell, *files: str, output: str = 'text') -> Result:
    """Try cases; each file is given by what it says."""
    paths = []
    for number, text in enumerate(files):
        paths.append(str(shell.config.with_name(f'cases{number}.yml')))
        shell.config.with_name(f'cases{number}.yml').write_text(dedent(text).lstrip())
    return shell('test', *paths, '-c', str(shell.config), '-o', output)


@pytest.fixture(autouse=True)
def handlers(shell: Shell) -> None:
    shell.handlers(HANDLERS)


def test_cases_that_pass_are_listed(shell: Shell) -> None:
    done = run(shell, RIGHT)
    lines = [line.replace(str(shell.config.parent), '…') for line in done.stdout.splitlines()]

    assert (done.exit_code, lines) == (
        0,
        [
            'ok  …/cases0.yml:1: a busy fax is told',
            'ok  …/cases0.yml:5: any other is not',
            '2 passed, 0 failed',
        ],
    )


def test_a_case_that_fails_says_what_is_different_and_why(shell: Shell) -> None:
    done = run(shell, WRONG)

    assert (done.exit_code, done.stdout.splitlines()[-3:]) == (
        1,
        [
            '      busy: expected that it runs, and it does not run',
            "        where: data.error is 'x', and wanted is 'busy'",
            '1 passed, 1 failed',
        ],
    )


def test_a_handler_that_nobody_expected_is_told(shell: Shell) -> None:
    done = run(shell, RIGHT.replace('[busy]', '[]'))

    assert 'busy: expected that it does not run, and it runs' in done.stdout


def test_programs_get_every_difference(shell: Shell) -> None:
    told = json.loads(run(shell, WRONG, output='json').stdout)

    assert (told['passed'], told['failed'], told['cases'][1]['line'], told['cases'][1]['differences']) == (
        1,
        1,
        5,
        [
            {
                'step': 1,
                'handler': 'busy',
                'text': 'expected that it runs, and it does not run',
                'reasons': ["where: data.error is 'x', and wanted is 'busy'"],
            }
        ],
    )


def test_several_files_are_tried(shell: Shell) -> None:
    assert run(shell, RIGHT, RIGHT).stdout.splitlines()[-1] == '4 passed, 0 failed'


def test_of_a_directory_all_files_are_tried(shell: Shell) -> None:
    directory = shell.config.with_name('tests')
    directory.mkdir()
    for name in ('a.yml', 'b.yml', '.hidden.yml', 'notes.txt'):
        (directory / name).write_text(RIGHT)
    done = shell('test', str(directory), '-c', str(shell.config))

    assert done.stdout.splitlines()[-1] == '4 passed, 0 failed'


def test_a_difference_names_which_of_several_events(shell: Shell) -> None:
    step = '{event: fax_outbound_failed, fields: {error: busy}, sent: %s}'
    done = run(shell, f'twice:\n  - {step % "busy"}\n  - {step % "[]"}')

    assert '      event 2, busy: expected that it does not run, and it runs' in done.stdout.splitlines()


def test_a_throttle_counts_the_time_between_events(shell: Shell) -> None:
    shell.handlers('once: {plugin: log, match: fax_outbound_failed, throttle: {once_within: 10m}}')
    times = [('at: 2026-11-25 10:00', 'once'), ('after: 9m', '[]'), ('after: 2m', 'once')]
    steps = [f'  - {{event: fax_outbound_failed, {when}, sent: {sent}}}' for when, sent in times]

    assert run(shell, 'one in ten minutes:\n' + '\n'.join(steps)).exit_code == 0


@pytest.mark.parametrize('output', ['text', 'json'])
def test_a_mistake_in_a_file_is_wrong_usage_with_its_line(output: str, shell: Shell) -> None:
    done = run(shell, RIGHT.replace('fields:', 'field:', 1), output=output)
    said = done.stderr if output == 'text' else str(json.loads(done.stdout)['errors'])

    assert (done.exit_code, 'unknown key' in said, ':3:' in said or "'line': 3" in said) == (2, True, True)


@pytest.mark.parametrize('arguments', [[], ['missing.yml']])
def test_without_a_file_it_is_wrong_usage(arguments: list[str], shell: Shell) -> None:
    assert shell('test', *arguments, '-c', str(shell.config)).exit_code == 2


def test_an_empty_directory_is_wrong_usage(shell: Shell) -> None:
    (shell.config.parent / 'none').mkdir()

    assert shell('test', str(shell.config.parent / 'none'), '-c', str(shell.config)).exit_code == 2


def test_a_wrong_configuration_is_told_as_such(shell: Shell) -> None:
    shell.handlers('busy: {plugin: log, mach: calls.#}')

    assert run(shell, RIGHT).exit_code == 78
