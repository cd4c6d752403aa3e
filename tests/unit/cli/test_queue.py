# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd queue` on queues in no broker: what it shows, asks, refuses and does."""

from __future__ import annotations

import importlib
import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import Result

from tests.unit.amqp.yard import BACKLOG, OWN, Yard
from tests.unit.cli.conftest import Shell
from wazo_busd.cli import main
from wazo_busd.cli.queue_table import Row, lines
from wazo_busd.errors import BusError

QUEUE, DEAD = OWN.queue.name, f'{OWN.queue.name}.dead'
HANDLERS = """
crm: {plugin: log, match: calls.#, queue: {max_length: 1000}}
resting: {plugin: log, match: calls.#, enabled: false}
"""
COMMANDS: Any = main.commands['queue']
EXAMPLES = [
    (name, line.strip())
    for name, command in COMMANDS.commands.items()
    for line in (command.help or '').partition('Examples:')[2].splitlines()
    if line.strip()
]

Run = Callable[..., Result]


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Yard:
    """A queue of another kind, with five events; its handler has no dead letters, and two that are gone have queues."""
    monkeypatch.setattr('wazo_busd.amqp.relocation._SETTLE_SECONDS', 0.0)
    yard = Yard(publish_every=10_000)
    yard.queues |= {DEAD: [], 'wazo-busd.old-crm': ['a', 'b'], 'wazo-busd.old-crm.dead': ['c']}
    for name in ('queue', 'queue_recreation'):
        command = importlib.import_module(f'wazo_busd.cli.{name}')
        monkeypatch.setattr(command, 'Queues', lambda *_: yard)
        monkeypatch.setattr(command, 'Ledger', Known)
    return yard


class Known:
    """A ledger that has one handler which is gone."""

    known = ('wazo-busd.old-crm',)

    def __init__(self, *_: object) -> None:
        pass

    def patterns(self, name: str) -> set[str]:
        return set()


@pytest.fixture
def run(shell: Shell, yard: Yard) -> Run:
    shell.handlers(HANDLERS)
    return lambda *arguments, stdin=None: shell('queue', *arguments, '-c', str(shell.config), stdin=stdin)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody at a terminal."""
    monkeypatch.setattr('click.testing._NamedTextIOWrapper.isatty', lambda _: True, raising=False)


@pytest.mark.parametrize('name', list(COMMANDS.commands))
def test_the_help_has_two_examples(name: str) -> None:
    assert sum(each == name for each, _ in EXAMPLES) == 2


@pytest.mark.parametrize(('name', 'example'), EXAMPLES)
def test_every_example_works(name: str, example: str, run: Run) -> None:
    program, group, *arguments = shlex.split(example)
    done = run(*arguments, *(['--yes'] if name == 'delete' or '--force' in arguments else []))

    assert (program, group, done.exit_code) == ('wazo-busd', 'queue', 0)


def test_the_list_says_what_each_has_and_what_to_type_next(shell: Shell, run: Run) -> None:
    lines = run('list').stdout.splitlines()

    assert [line.split() for line in lines[1:4]] == [
        ['crm', QUEUE, '5', '0', '0', 'another', 'kind'],
        ['resting', 'wazo-busd.resting', '-', '0', '-', 'switched', 'off'],
        ['old-crm', 'wazo-busd.old-crm', '2', '0', '1', 'gone'],
    ]
    assert lines[4:] == [
        '',
        f'{QUEUE}: x-max-length: it has 7, the configuration says 1000',
        shell.typed('crm: another kind. next: wazo-busd queue recreate crm'),
        '',
        shell.typed('old-crm: gone. next: wazo-busd queue delete old-crm'),
    ]


@pytest.mark.parametrize(
    ('waiting', 'letters', 'last'),
    [
        (0, 0, '2 queues, 0 events wait. next: wazo-busd status'),
        (1, 0, '2 queues, 1 event waits. next: wazo-busd top'),
        (3, 2, '2 queues, 3 events wait, 2 dead letters. next: wazo-busd dead list'),
    ],
)
def test_where_all_are_as_configured_the_last_line_counts_and_says_what_to_type(
    waiting: int, letters: int, last: str
) -> None:
    rows = [
        Row('crm', QUEUE, 'as configured', waiting, 1, letters, {}, {}),
        Row('fax', 'wazo-busd.fax', 'as configured', 0, 1, 0, {}, {}),
    ]

    assert list(lines(rows))[3:] == ['', last]


def test_the_list_for_programs_has_the_same(shell: Shell, run: Run) -> None:
    told = json.loads(run('list', '-o', 'json').stdout)

    assert [(each['handler'], each['events'], each['dead_letters'], each['next']) for each in told] == [
        ('crm', 5, 0, shell.typed('wazo-busd queue recreate crm')),
        ('resting', None, None, ''),
        ('old-crm', 2, 1, shell.typed('wazo-busd queue delete old-crm')),
    ]


def test_where_somebody_was_interrupted_is_shown(run: Run, yard: Yard) -> None:
    yard.queues[OWN.interim] = ['x']

    assert f'{OWN.interim}: 1 event is on its way in it' in run('list').stdout.splitlines()


def test_a_queue_is_made_anew_with_what_was_in_it(shell: Shell, run: Run, yard: Yard) -> None:
    done = run('recreate', 'crm')

    assert (done.exit_code, yard.queues[QUEUE], yard.kinds[QUEUE]) == (0, BACKLOG, dict(OWN.queue.arguments))
    assert done.stdout.splitlines() == [
        f'{QUEUE}: is of another kind, with 5 events in it',
        '  x-max-length: it has 7, the configuration says 1000',
        f'{DEAD}: is as the configuration says',
        shell.typed('the queues of crm are as the configuration says; 5 events moved. next: wazo-busd queue list'),
    ]


def test_a_dry_run_changes_nothing(run: Run, yard: Yard) -> None:
    done = run('recreate', 'crm', '--dry-run')

    assert ('x-max-length: it has 7' in done.stdout, yard.kinds[QUEUE]['x-max-length']) == (True, 7)


def test_a_dry_run_ends_with_the_command_that_does_it(shell: Shell, run: Run) -> None:
    last = run('recreate', 'crm', '--dry-run').stdout.splitlines()[-1]

    assert last == shell.typed('nothing was done. next: wazo-busd queue recreate crm')


@pytest.mark.parametrize('options', [[], ['--dry-run']])
def test_where_nothing_is_to_be_made_anew_that_is_said(shell: Shell, run: Run, options: list[str]) -> None:
    run('recreate', 'crm')
    last = run('recreate', 'crm', *options).stdout.splitlines()[-1]

    assert last == shell.typed('nothing was done. next: wazo-busd queue list')


def test_a_wrong_configuration_is_told_with_what_to_type(shell: Shell, run: Run) -> None:
    shell.config.write_text('handler: {}\n')
    done = run('list')

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (78, shell.typed('next: wazo-busd check'))


def test_what_the_daemon_has_in_hand_keeps_the_old_queue(run: Run, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module('wazo_busd.cli.queue_recreation'), 'in_hand', lambda *_: 3)
    done = run('recreate', 'crm')

    assert (done.exit_code, 'the daemon has 3 events of crm in hand' in done.stderr, yard.queues[QUEUE]) == (
        1,
        True,
        BACKLOG,
    )


def test_what_nobody_knows_to_be_in_hand_keeps_the_old_queue(shell: Shell, run: Run, yard: Yard) -> None:
    shell.config.write_text(f'http: {{socket: off}}\n{shell.config.read_text()}')
    done = run('recreate', 'crm')

    assert (done.exit_code, 'http.socket is off' in done.stderr, yard.queues[QUEUE]) == (1, True, BACKLOG)
    assert done.stderr.endswith(f'then wazo-busd queue recreate -c {shell.config} crm\n')


def test_a_broker_without_quorum_queues_is_told_with_the_cure(
    run: Run, yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no(self: Yard) -> bool:
        return False

    monkeypatch.setattr(Yard, 'has_quorum', no)

    assert 'next: rabbitmqctl enable_feature_flag all' in run('recreate', 'crm').stderr


@pytest.mark.parametrize(
    ('arguments', 'told'),
    [
        (('recreate', 'crn'), "there is no handler 'crn'. next: did you mean 'crm'?"),
        (('recreate', 'resting'), 'resting is switched off, with enabled: false. next: wazo-busd queue delete resting'),
        (
            ('purge', 'crm'),
            'crm is configured and enabled: its events are wanted. next: wazo-busd queue purge crm --force',
        ),
        (('purge', 'nobody'), 'there is no queue wazo-busd.nobody. next: wazo-busd queue list'),
        (('purge', 'old-crm'), 'nobody is there to be asked. next: add --yes'),
        (
            ('delete', 'crm', '--yes'),
            (
                'crm is configured and enabled: its events are wanted. '
                'next: take it out of the configuration or write enabled: false, and reload'
            ),
        ),
    ],
)
def test_what_is_refused_is_told_with_the_next_command(
    shell: Shell, run: Run, arguments: tuple[str, ...], told: str
) -> None:
    done = run(*arguments)

    assert (done.exit_code, done.stderr) == (1, shell.typed(f'error: {told}\n'))


@pytest.mark.parametrize('name', ['crm.dead', '', '../x', 'CRM'])
def test_what_can_be_no_handler_is_wrong_usage(run: Run, name: str) -> None:
    assert run('delete', name, '--yes').exit_code == 2


def test_a_person_is_asked_with_the_count_before_anything_goes(run: Run, yard: Yard, person: None) -> None:
    done = run('purge', 'old-crm', stdin='n\n')

    assert ('throw away 2 events of old-crm?' in done.stdout, done.exit_code, yard.queues['wazo-busd.old-crm']) == (
        True,
        1,
        ['a', 'b'],
    )


def test_purge_throws_away_what_waits_and_says_what_is_left(shell: Shell, run: Run, yard: Yard) -> None:
    done = run('purge', 'old-crm', '--yes')

    assert (yard.queues['wazo-busd.old-crm'], done.stdout) == (
        [],
        (
            '2 events of old-crm thrown away; the queue stays; wazo-busd.old-crm.dead is left, with 1 dead letter. '
            f'next: wazo-busd dead list -c {shell.config} --handler old-crm\n'
        ),
    )


def test_delete_leaves_the_dead_letters_and_says_so(run: Run, yard: Yard) -> None:
    done = run('delete', 'old-crm', '--yes')

    assert ('wazo-busd.old-crm' in yard.queues, 'wazo-busd.old-crm.dead' in yard.queues) == (False, True)
    assert 'wazo-busd.old-crm.dead is left, with 1 dead letter' in done.stdout


def test_delete_takes_the_dead_letters_if_it_is_told_so(run: Run, yard: Yard) -> None:
    run('delete', 'old-crm', '--dead-letters', '--yes')

    assert [name for name in yard.queues if 'old-crm' in name] == []


def test_a_queue_that_is_consumed_is_not_deleted(run: Run, yard: Yard) -> None:
    yard.consumed.add('wazo-busd.old-crm')

    assert 'wazo-busd.old-crm is being consumed' in run('delete', 'old-crm', '--yes').stderr


def test_a_refusal_of_the_broker_is_told_with_its_cure(run: Run, yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(self: Yard, name: str) -> int:
        raise BusError('the broker refuses it', 'type this')

    monkeypatch.setattr(Yard, 'purge', refuse)

    assert run('purge', 'old-crm', '--yes').stderr == 'error: the broker refuses it. next: type this\n'


def test_a_recreation_is_told_to_programs_in_one_object(shell: Shell, run: Run) -> None:
    assert json.loads(run('recreate', 'crm', '-o', 'json').stdout) == {
        'handler': 'crm',
        'queue': QUEUE,
        'needed': True,
        'recreated': True,
        'moved': 5,
        'missing': [],
        'interim': {},
        'differences': {QUEUE: ['x-max-length: it has 7, the configuration says 1000']},
        'next': shell.typed('wazo-busd queue list'),
    }


def test_a_dry_run_for_programs_says_what_it_would_do_and_does_nothing(shell: Shell, run: Run, yard: Yard) -> None:
    told = json.loads(run('recreate', 'crm', '--dry-run', '-o', 'json').stdout)

    assert (told['needed'], told['recreated'], told['moved'], told['next'], yard.kinds[QUEUE]['x-max-length']) == (
        True,
        False,
        0,
        shell.typed('wazo-busd queue recreate crm'),
        7,
    )


def test_programs_are_told_where_nothing_is_to_be_made_anew(run: Run) -> None:
    run('recreate', 'crm')
    told = json.loads(run('recreate', 'crm', '-o', 'json').stdout)

    assert (told['needed'], told['recreated'], told['differences']) == (False, False, {})


def test_programs_are_told_which_queue_is_missing_and_where_somebody_was_interrupted(run: Run, yard: Yard) -> None:
    del yard.queues[DEAD]
    yard.queues[OWN.interim] = ['x']
    told = json.loads(run('recreate', 'crm', '--dry-run', '-o', 'json').stdout)

    assert (told['missing'], told['interim']) == ([DEAD], {OWN.interim: 1})


def test_what_a_recreation_tells_on_its_way_is_no_json_and_goes_to_standard_error(run: Run) -> None:
    assert f'{QUEUE}: is of another kind, with 5 events in it' in run('recreate', 'crm', '-o', 'json').stderr


def test_purge_tells_programs_what_is_gone_and_what_is_left(shell: Shell, run: Run) -> None:
    assert json.loads(run('purge', 'old-crm', '--yes', '-o', 'json').stdout) == {
        'handler': 'old-crm',
        'queue': 'wazo-busd.old-crm',
        'purged': 2,
        'dead_letters': 1,
        'next': shell.typed('wazo-busd dead list --handler old-crm'),
    }


def test_purge_tells_programs_of_an_empty_queue_that_nothing_is_gone(run: Run, yard: Yard) -> None:
    yard.queues['wazo-busd.old-crm'] = []
    done = run('purge', 'old-crm', '-o', 'json')

    assert (done.exit_code, json.loads(done.stdout)['purged']) == (0, 0)


@pytest.mark.parametrize(
    ('options', 'deleted', 'left'),
    [
        ([], {'wazo-busd.old-crm': 2}, 1),
        (['--dead-letters'], {'wazo-busd.old-crm': 2, 'wazo-busd.old-crm.dead': 1}, None),
    ],
)
def test_delete_tells_programs_what_is_gone_and_what_is_left(
    shell: Shell, run: Run, options: list[str], deleted: dict[str, int], left: int | None
) -> None:
    assert json.loads(run('delete', 'old-crm', *options, '--yes', '-o', 'json').stdout) == {
        'handler': 'old-crm',
        'queue': 'wazo-busd.old-crm',
        'deleted': deleted,
        'dead_letters': left,
        'next': '' if left is None else shell.typed('wazo-busd dead list --handler old-crm'),
    }


@pytest.mark.parametrize('command', ['purge', 'delete'])
def test_where_programs_are_told_a_person_is_asked_on_standard_error(run: Run, person: None, command: str) -> None:
    done = run(command, 'old-crm', '-o', 'json', stdin='y\n')

    assert ('[y/N]' in done.stderr, json.loads(done.stdout)['handler']) == (True, 'old-crm')


@pytest.mark.parametrize('command', ['purge', 'delete'])
def test_where_the_answer_is_no_standard_output_stays_empty_for_programs(run: Run, person: None, command: str) -> None:
    done = run(command, 'old-crm', '-o', 'json', stdin='n\n')

    assert (done.exit_code, done.stdout) == (1, '')


@pytest.mark.parametrize('command', ['purge', 'delete'])
def test_json_is_no_yes(run: Run, command: str) -> None:
    done = run(command, 'old-crm', '-o', 'json')

    assert (done.exit_code, done.stdout, done.stderr) == (
        1,
        '',
        'error: nobody is there to be asked. next: add --yes\n',
    )
