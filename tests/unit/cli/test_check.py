# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd check`: what it says, to people and to programs, and its exit code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Shell

RIGHT = 'calls: {plugin: log, match: calls.call.*}'
SURPRISING = 'calls:\n  plugin: log\n  match: [calls.*]'
WRONG = 'calls:\n  plugin: log\n  match: [call_creatd]'


def checked(shell: Shell, handlers: str) -> Any:
    """What it prints for programs."""
    shell.handlers(handlers)
    return json.loads(shell('check', '-c', str(shell.config), '-o', 'json').stdout)


def test_of_each_handler_it_says_what_it_would_get(shell: Shell) -> None:
    shell.handlers(RIGHT)

    said = shell('check', '-c', str(shell.config))

    assert (said.exit_code, said.stderr, said.stdout.splitlines()[1:]) == (
        0,
        '',
        [
            '  6 known events, such as call_created, call_updated, call_ended, call_answered',
            f'{shell.config} is right: 1 handler would run. next: wazo-busd reload -c {shell.config}',
        ],
    )


@pytest.mark.parametrize(
    ('match', 'said'),
    [
        ('user_missed_call', '1 known event: user_missed_call'),
        ('[user_created, user_deleted]', '2 known events: user_created, user_deleted'),
        ('stasis.#', 'no known event'),
        ('auth_tenant_created', '1 known event: auth_tenant_added'),
    ],
)
def test_known_events_are_counted_and_named(shell: Shell, match: str, said: str) -> None:
    shell.handlers(f'it: {{plugin: log, match: {match}}}')

    assert shell('check', '-c', str(shell.config)).stdout.splitlines()[1] == f'  {said}'


def test_what_the_filter_keeps_away_is_told_and_not_counted(shell: Shell) -> None:
    shell.handlers('calls: {plugin: log, match: call_created, acl: events.faxes.#}')

    said = shell('check', '-c', str(shell.config))

    assert (said.exit_code, said.stdout.splitlines()[1], said.stderr.count('warning: ')) == (0, '  no known event', 1)


def test_the_mistake_of_wazos_page_is_told_with_line_and_cure(shell: Shell) -> None:
    shell.handlers(SURPRISING)

    said = shell('check', '-c', str(shell.config)).stderr

    assert said == (
        f"warning: {shell.config}:4: handlers.calls.match[0]: 'calls.*' gets user_missed_call and not the other 24 of "
        "'calls.#': * is one word (did you mean calls.#?)\n"
    )


def test_a_warning_does_not_keep_the_daemon_from_starting(shell: Shell) -> None:
    shell.handlers(SURPRISING)

    assert shell('check', '-c', str(shell.config)).exit_code == 0


def test_an_unknown_name_is_an_error_with_near_names(shell: Shell) -> None:
    shell.handlers(WRONG)

    said = shell('check', '-c', str(shell.config))

    problem = 'handlers.calls.match[0]: no event is called call_creatd'
    hint = 'did you mean call_created or incall_created or outcall_created?'

    assert (said.exit_code, said.stdout, said.stderr.splitlines()) == (
        78,
        '',
        [
            f'error: {shell.config}:4: {problem} ({hint})',
            f'1 error in {shell.config}. next: mend that, then: wazo-busd check -c {shell.config}',
        ],
    )


def test_a_removed_event_is_an_error_with_what_to_use_instead(shell: Shell) -> None:
    shell.handlers('phones: {plugin: log, match: endpoint_status_update}')

    said = shell('check', '-c', str(shell.config))

    assert (said.exit_code, 'is gone since Wazo 19.05 (use line_status_updated instead)' in said.stderr) == (78, True)


FAXES = ['  1 known event: fax_outbound_created']
"""What is said of the handler `faxes` after its first line."""


@pytest.mark.parametrize(
    'wrong',
    [
        WRONG,
        'calls: {plugin: lgo, match: calls.#}',
        'calls: {plugin: log, match: calls.#, timeout: soon}',
        'calls: {plugin: log, match: calls.#, tenants: acme}',
        'calls: {plugin: log, match: calls.#, colour: red}',
    ],
)
def test_handlers_that_are_right_are_explained_beside_one_that_is_not(shell: Shell, wrong: str) -> None:
    shell.handlers(f'{wrong}\nfaxes: {{plugin: log, match: fax_outbound_created}}')

    said = shell('check', '-c', str(shell.config))

    assert (said.exit_code, said.stdout.splitlines()[1:], said.stderr.splitlines()[-1]) == (
        78,
        FAXES,
        f'1 error in {shell.config}. next: mend that, then: wazo-busd check -c {shell.config}',
    )


def test_with_an_error_outside_of_the_handlers_all_are_explained(shell: Shell) -> None:
    shell.config.write_text('bus: {port: high}\nhandlers:\n  faxes: {plugin: log, match: fax_outbound_created}\n')

    said = shell('check', '-c', str(shell.config))

    assert (said.exit_code, said.stdout.splitlines()[1:]) == (78, FAXES)


def test_a_handler_that_rests_is_told(shell: Shell) -> None:
    shell.handlers(f'{RIGHT}\nfaxes: {{plugin: log, match: faxes.#, enabled: false}}')

    assert 'faxes: off' in shell('check', '-c', str(shell.config)).stdout.splitlines()


def test_without_a_handler_the_next_step_is_told(shell: Shell) -> None:
    shell.config.write_text('handlers: {}\n')

    assert shell('check', '-c', str(shell.config)).stdout.splitlines() == [
        f'{shell.config} is right: 0 handlers would run',
        'next: name a handler in conf.d beside it, as its comments show',
    ]


def test_a_file_that_is_not_there_is_an_error(shell: Shell) -> None:
    said = shell('check', '-c', str(shell.config))

    assert (said.exit_code, said.stderr.startswith(f'error: {shell.config}: the file does not exist')) == (78, True)


# ---- for programs


def test_programs_get_the_two_lists_that_they_rely_on(shell: Shell) -> None:
    assert checked(shell, RIGHT) == {'errors': [], 'warnings': []}


def test_a_warning_has_the_five_keys_that_programs_rely_on(shell: Shell) -> None:
    assert checked(shell, SURPRISING)['warnings'] == [
        {
            'file': str(shell.config),
            'line': 4,
            'handler': 'calls',
            'message': "handlers.calls.match[0]: 'calls.*' gets user_missed_call and not the other 24 of 'calls.#': "
            '* is one word',
            'hint': 'did you mean calls.#?',
        }
    ]


def test_an_error_has_the_same_keys(shell: Shell) -> None:
    said = checked(shell, WRONG)

    assert said == {
        'errors': [
            {
                'file': str(shell.config),
                'line': 4,
                'handler': 'calls',
                'message': 'handlers.calls.match[0]: no event is called call_creatd',
                'hint': 'did you mean call_created or incall_created or outcall_created?',
            }
        ],
        'warnings': [],
    }


def test_for_programs_nothing_is_on_standard_error(shell: Shell) -> None:
    shell.handlers(WRONG)

    said = shell('check', '-c', str(shell.config), '-o', 'json')

    assert (said.exit_code, said.stderr) == (78, '')


def test_problems_are_in_the_order_of_lines(shell: Shell) -> None:
    found = checked(
        shell,
        """
        a: {plugin: log, match: [status.*, calls.*]}
        b: {plugin: log, match: ami.#}
        c: {plugin: log, match: faxes.*}
        """,
    )

    assert [each['line'] for each in found['warnings']] == [2, 2, 3, 4]


@pytest.mark.parametrize('content', [b'\xff\xfe\x00', b'handlers: [', b'handlers: 3', b'- 1', b'', b'x: \x1b[31m'])
def test_whatever_the_file_holds_it_ends_without_a_traceback(shell: Shell, content: bytes) -> None:
    shell.config.write_bytes(content)

    assert set(json.loads(shell('check', '-c', str(shell.config), '-o', 'json').stdout)) == {'errors', 'warnings'}


def test_what_a_file_holds_cannot_write_on_the_terminal(shell: Shell) -> None:
    shell.handlers('calls: {plugin: log, match: "calls.\\e[31m.*"}')

    said = shell('check', '-c', str(shell.config))

    assert '\x1b' not in said.stdout + said.stderr
