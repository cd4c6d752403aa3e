# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd explain`: which events it takes, what it says, and its exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result

from tests.unit.cli.conftest import Shell

HANDLERS = """
calls: {plugin: log, match: calls.#}
busy: {plugin: log, match: fax_outbound_failed, where: {data.error: busy}}
"""


def explain(shell: Shell, *arguments: str, stdin: str | None = None) -> Result:
    return shell('explain', *arguments, '-c', str(shell.config), stdin=stdin)


def rulings(shell: Shell, *arguments: str, stdin: str | None = None) -> dict[str, str]:
    """What it says of each handler, for programs."""
    done = explain(shell, *arguments, '-o', 'json', stdin=stdin)
    assert done.exit_code == 0, done.stderr
    return {each['handler']: each['ruling'] for each in json.loads(done.stdout)['handlers']}


@pytest.fixture(autouse=True)
def handlers(shell: Shell) -> None:
    shell.handlers(HANDLERS)


def test_a_person_reads_who_runs_and_who_does_not(shell: Shell) -> None:
    done = explain(shell, 'fax_outbound_failed', 'error=no-answer', 'id=7')

    assert (done.exit_code, done.stdout.splitlines()) == (
        0,
        [
            'fax_outbound_failed on faxes.outbound.7.failed (wazo-headers)',
            'calls: no',
            '  match: the key faxes.outbound.7.failed and the name fax_outbound_failed fit none of calls.#',
            'busy: no',
            "  where: data.error is 'no-answer', and wanted is 'busy'",
            shell.typed('0 of 2 handlers would run. next: wazo-busd handlers, to see what each matches'),
        ],
    )


@pytest.mark.parametrize(('fields', 'ruling'), [(['error=busy'], 'runs'), (['error=x'], 'not')])
def test_fields_decide(fields: list[str], ruling: str, shell: Shell) -> None:
    assert rulings(shell, 'fax_outbound_failed', *fields)['busy'] == ruling


def test_a_host_of_2019_can_be_asked_for(shell: Shell) -> None:
    said = json.loads(explain(shell, 'call_ended', '--era', '2019', '-o', 'json').stdout)['event']

    assert (said['exchange'], 'timestamp' in said['headers']) == ('xivo', False)


@pytest.mark.parametrize(
    'said',
    [
        {'name': 'fax_outbound_failed', 'data': {'id': 1, 'error': 'busy'}},
        {'routing_key': 'faxes.x', 'headers': {'name': 'fax_outbound_failed'}, 'body': {'data': {'error': 'busy'}}},
    ],
)
def test_an_event_can_be_written_down(said: Any, shell: Shell) -> None:
    assert rulings(shell, '-', stdin=json.dumps(said))['calls'] == 'not'


def test_an_event_of_a_file_can_be_changed(shell: Shell) -> None:
    path = shell.config.with_name('event.json')
    path.write_text(json.dumps({'name': 'fax_outbound_failed', 'data': {'id': 1, 'error': 'x'}}))

    assert rulings(shell, str(path), 'error=busy')['busy'] == 'runs'


def test_what_emit_shows_can_be_explained(shell: Shell) -> None:
    shown = shell('emit', 'call_created', '--dry-run').stdout

    assert rulings(shell, '-', stdin=shown) == {'calls': 'runs', 'busy': 'not'}


@pytest.mark.parametrize(('at', 'ruling'), [('2026-11-25 10:00 UTC', 'runs'), ('2026-11-25 23:00 UTC', 'not')])
def test_the_time_can_be_chosen(at: str, ruling: str, shell: Shell) -> None:
    shell.config.write_text(
        'schedules: {day: {timezone: UTC, hours: {mon-sun: "08:00-18:00"}}}\n'
        'handlers: {calls: {plugin: log, match: calls.#, schedule: day}}\n'
    )

    assert rulings(shell, 'call_created', '--at', at) == {'calls': ruling}


def test_without_render_nothing_is_asked_of_plugins(shell: Shell) -> None:
    (calls, _) = json.loads(explain(shell, 'call_created', '-o', 'json').stdout)['handlers']

    assert calls['sends'] is None


@pytest.mark.parametrize(
    ('arguments', 'stdin', 'code', 'said'),
    [
        (['call_creatd'], None, 1, 'did you mean call_created'),
        (['./missing.json'], None, 1, 'No such file'),
        (['calls.call.created'], None, 1, 'is a key, on which call_created comes'),
        (['-'], '{', 2, 'is no JSON'),
        (['-'], '[]', 2, 'an event is a map'),
        (['-'], '{"name": "x", "data": "' + 'a' * 2_000_000 + '"}', 1, 'it would be a dead letter: the body has'),
        (['call_created', 'x'], None, 2, 'is no FIELD=VALUE'),
        (['call_created', 'call_id.x=1'], None, 2, 'is no map'),
        (['call_created', '--at', 'noon'], None, 2, 'expected a date and a time'),
    ],
)
def test_what_cannot_be_explained_is_told(
    arguments: list[str], stdin: str | None, code: int, said: str, shell: Shell
) -> None:
    done = explain(shell, *arguments, stdin=stdin)

    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr


def test_a_configuration_with_mistakes_explains_nothing(shell: Shell) -> None:
    shell.handlers('calls: {plugin: log, mach: calls.#}')
    done = explain(shell, 'call_created')

    assert (done.exit_code, done.stdout, 'next: wazo-busd check' in done.stderr) == (78, '', True)


def test_what_came_over_the_bus_cannot_reach_the_terminal(shell: Shell) -> None:
    evil = '\x1b[31m\u202eX\nforged'
    said = {'name': 'fax_outbound_failed', 'data': {'id': evil, 'error': evil}}
    done = explain(shell, '-', '--render', stdin=json.dumps(said))

    assert [line for line in done.stdout.splitlines() if not line.isprintable() or line == 'forged'] == []


def test_programs_can_read_whatever_came_over_the_bus(shell: Shell) -> None:
    stdin = '{"name": "x", "data": {"a": "\\ud800 \u202e", "b": 1e999, "c": ' + '9' * 400 + '}}'
    done = explain(shell, '-', '--render', '-o', 'json', stdin=stdin)

    assert json.loads(done.stdout.encode())['event']['body']['data']['a'] == '\ud800 \u202e'


def test_an_event_of_the_daemon_can_be_explained_by_its_name(shell: Shell) -> None:
    shell.handlers('gaps: {plugin: log, match: busd.gap}')

    assert rulings(shell, 'busd.gap') == {'gaps': 'runs'}
