# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd tail --since`: what a journal has comes first, and nothing twice."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click.testing
import pytest

from tests.unit.cli.conftest import Shell
from tests.unit.cli.tail import Hearsay, cut, hangup
from wazo_busd.amqp import Cut, heard
from wazo_busd.codec import Limits


@pytest.fixture
def ear(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hearsay:
    ear = Hearsay()
    monkeypatch.setattr('wazo_busd.cli.tail_session.Ear', ear)
    monkeypatch.setattr('wazo_busd.cli.tail_session._JOURNAL_SECONDS', 0.0)
    path = tmp_path / 'history.jsonl'
    shell.config.write_text(
        f'handlers:\n  history: {{plugin: journal, match: "calls.#", options: {{path: {path}}}}}\n'
        '  log: {plugin: log, match: calls.#}\n'
    )
    return ear


def call(number: int) -> Cut:
    return cut('call_created', {'call_id': str(number)})


def keep(directory: Path, *cuts: Cut, ago_seconds: float = 0.0) -> None:
    """Let the journal have these events."""
    with (directory / 'history.jsonl').open('a') as file:
        for each in cuts:
            event = heard(each, time.time() - ago_seconds, Limits()).event
            record: dict[str, Any] = {
                'received_at': datetime.fromtimestamp(event.received_at, UTC).isoformat(timespec='microseconds'),
                'headers': dict(event.headers),
            }
            record |= {key: getattr(event, key) for key in ('name', 'exchange', 'routing_key', 'data', 'id')}
            file.write(f'{json.dumps(record)}\n')


def run(shell: Shell, *arguments: str) -> click.testing.Result:
    return shell('tail', *arguments, '--for', '30ms', '-c', str(shell.config))


def numbers(done: click.testing.Result) -> list[str]:
    return [json.loads(line)['data']['call_id'] for line in done.stdout.splitlines()]


def test_what_was_comes_before_what_comes(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), call(2), ago_seconds=60.0)
    ear.hears(call(3))
    done = run(shell, '--since', '1h', '-o', 'json')

    assert numbers(done) == ['1', '2', '3']
    assert '2 events of the journal history; now what comes\n' in done.stderr


def test_an_event_that_is_in_the_journal_and_heard_is_shown_once(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), call(2))
    ear.hears(call(2), call(3))

    assert numbers(run(shell, '--since', '1h', '-o', 'json')) == ['1', '2', '3']


def test_of_two_events_that_are_alike_both_are_shown(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1))
    ear.hears(call(1), call(1))

    assert numbers(run(shell, '--since', '1h', '-o', 'json')) == ['1', '1']


def test_one_that_is_like_an_old_one_is_shown(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), ago_seconds=60.0)
    ear.hears(call(1))

    assert numbers(run(shell, '--since', '1h', '-o', 'json')) == ['1', '1']


def test_what_is_older_is_not_shown(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), ago_seconds=7200.0)
    keep(tmp_path, call(2), ago_seconds=60.0)

    assert numbers(run(shell, '--since', '1h', '-o', 'json')) == ['2']


def test_the_same_is_meant_of_what_was(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), cut('fax', {}, 'faxes.sent'), hangup(), ago_seconds=60.0)
    done = run(shell, 'calls.#', '--since', '1h', '--when', "data.call_id == '1'", '-o', 'json')

    assert numbers(done) == ['1']


def test_events_of_ami_are_hidden_and_counted(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, hangup(), call(1), ago_seconds=60.0)
    done = run(shell, '--since', '1h', '-o', 'json')

    assert (numbers(done), '1 of AMI hidden' in done.stderr) == (['1'], True)


def test_enough_is_enough(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), call(2), ago_seconds=60.0)
    ear.hears(call(3), call(4))

    assert numbers(shell('tail', '--since', '1h', '-n', '3', '-o', 'json', '-c', str(shell.config))) == ['1', '2', '3']
    assert numbers(shell('tail', '--since', '1h', '-n', '2', '-o', 'json', '-c', str(shell.config))) == ['1', '2']


@pytest.mark.usefixtures('noon')
def test_the_day_of_what_is_not_of_today_is_told(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), ago_seconds=3 * 86_400.0)
    day = datetime.fromtimestamp(time.time() - 3 * 86_400.0).astimezone().date()

    assert f'of {day}:\n' in run(shell, '--since', '7d').stderr


@pytest.mark.parametrize(
    ('arguments', 'code', 'told'),
    [
        (('--since', 'yesterday'), 2, 'expected how long ago, as in 7d, or a time'),
        (('--journal', 'history'), 2, '--journal is of --since'),
        (('--since', '1h', '--report'), 2, 'either --report or --since'),
        (('--since', '1h', '--journal', 'log'), 1, 'log uses the plugin log, which keeps no records. next: '),
        (('--since', '1h', '--journal', 'hist'), 1, "there is no handler 'hist'. next: "),
    ],
)
def test_what_is_asked_wrongly_is_told(
    shell: Shell, ear: Hearsay, arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = run(shell, *arguments)

    assert (done.exit_code, told in done.stderr) == (code, True)


def test_without_a_journal_it_is_told_how_to_add_one(shell: Shell, ear: Hearsay) -> None:
    shell.config.write_text('handlers: {log: {plugin: log, match: calls.#}}\n')

    assert run(shell, '--since', '1h').stderr == (
        'error: no handler uses the plugin journal. next: add a handler that keeps events, as in '
        f'history: {{plugin: journal, match: calls.#}}, and wazo-busd reload -c {shell.config}\n'
    )


def test_where_there_are_two_journals_one_is_named(shell: Shell, ear: Hearsay) -> None:
    shell.config.write_text('handlers: {a: {plugin: journal, match: calls.#}, b: {plugin: journal, match: faxes.#}}\n')

    assert run(shell, '--since', '1h').stderr == (
        f'error: there is more than one journal: a, b. next: wazo-busd tail -c {shell.config} --since 1h --journal a\n'
    )


def test_a_journal_that_is_broken_is_told_with_file_and_line(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1))
    with (tmp_path / 'history.jsonl').open('a') as file:
        file.write('junk\n')
    done = run(shell, '--since', '1h')

    assert (done.exit_code, f'{tmp_path}/history.jsonl:2: this is no record of a journal' in done.stderr) == (1, True)


def test_a_journal_that_nobody_has_written_yet_is_told(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    done = run(shell, '--since', '1h')

    assert f'error: {tmp_path}/history.jsonl cannot be read: No such file or directory. next: ls -l' in done.stderr


def test_the_example_of_the_help_works(shell: Shell, ear: Hearsay, tmp_path: Path) -> None:
    keep(tmp_path, call(1), ago_seconds=60.0)

    assert len(run(shell, 'calls.#', '--since', '2h').stdout.splitlines()) == 1
