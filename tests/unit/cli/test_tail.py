# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd tail`: what it shows and hides, when it ends, and what it says of mistakes."""

from __future__ import annotations

import importlib
import json
import re

import click.testing
import pytest

from tests.unit.cli.conftest import Shell
from tests.unit.cli.tail import Hearsay, call, cut, hangup
from wazo_busd.cli.tail import tail
from wazo_busd.errors import BusError


@pytest.fixture
def ear(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Hearsay:
    ear = Hearsay()
    monkeypatch.setattr(importlib.import_module('wazo_busd.cli.tail_session'), 'Ear', ear)
    shell.config.write_text('bus: {host: rabbit.example.org}\n')
    return ear


def run(shell: Shell, *arguments: str) -> click.testing.Result:
    """What is said until everything is shown that was heard."""
    return shell('tail', *arguments, '--for', '10ms', '-c', str(shell.config))


def names(shell: Shell, *arguments: str) -> list[str]:
    return run(shell, *arguments, '--names-only').stdout.split()


# ---- what is shown


def test_an_event_is_one_line_with_time_name_key_who_and_tenant(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call())
    who = r'caller=Alice <1001> dialed=1002 status=Ring call=1777629422\.8 tenant=2c34c282'

    assert re.fullmatch(rf'\d\d:\d\d:\d\d\.\d\d\d call_created +calls\.call\.created +{who}\n', run(shell).stdout)


def test_json_is_one_object_a_line(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call(), call())
    told = [json.loads(line) for line in run(shell, '-o', 'json').stdout.splitlines()]

    assert [sorted(each) for each in told] == [
        ['data', 'exchange', 'headers', 'name', 'received_at', 'routing_key']
    ] * 2


def test_names_alone_can_be_asked_for(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call(), cut(None, {}, 'without.name'))

    assert names(shell) == ['call_created', 'without.name']


def test_the_whole_data_can_be_asked_for(shell: Shell, ear: Hearsay) -> None:
    ear.hears(cut('call_created', {'long': 'x' * 500}))

    assert run(shell, '--data').stdout.endswith(f'{{"long":"{"x" * 500}"}}\n')


def test_what_cannot_be_read_is_shown_as_such(shell: Shell, ear: Hearsay) -> None:
    ear.hears(cut('call_created', body=b'[1]'))

    assert re.search(r'\(unreadable\) .*the body is a list, not a JSON object', run(shell).stdout)


@pytest.mark.parametrize('name', ['auth_tenant_created', 'auth_tenant_added'])
def test_a_name_stands_for_all_that_hosts_call_the_event(shell: Shell, ear: Hearsay, name: str) -> None:
    ear.hears(cut('auth_tenant_added', {}, 'auth.tenants.1.created'), call())

    assert names(shell, name) == ['auth_tenant_added']


def test_the_queue_is_bound_with_the_keys_of_both_eras(shell: Shell, ear: Hearsay) -> None:
    run(shell, 'service_deregistered')

    assert ear.patterns == ('service.deregistered.#', 'service.registered.#')


def test_without_a_name_everything_is_meant(shell: Shell, ear: Hearsay) -> None:
    run(shell)

    assert ear.patterns == ('#',)


def test_an_expression_chooses(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call('1001'), call('1003'))

    said = run(shell, '--when', "data.caller_id_number == '1001'").stdout

    assert ('1001' in said, '1003' in said) == (True, False)


def test_what_an_expression_cannot_be_worked_out_for_is_counted(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call(number='1001'))

    assert 'of 1 it cannot be worked out' in run(shell, '--when', 'data.dialed_extension / 0 > 1').stderr


def test_it_ends_after_as_many_events_as_were_asked_for(shell: Shell, ear: Hearsay) -> None:
    ear.hears(*[call()] * 5)
    done = shell('tail', '-n', '2', '-c', str(shell.config))

    assert (len(done.stdout.splitlines()), done.exit_code) == (2, 0)


def test_in_the_end_it_says_what_there_was(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call(), hangup())

    assert re.search(r'^1 event in \d+\.\d s; 1 of AMI hidden$', run(shell).stderr, re.MULTILINE)


def test_what_the_ear_tells_is_told(shell: Shell, ear: Hearsay) -> None:
    ear.notes.append('the exchange wazo-busd was not there')

    assert 'the exchange wazo-busd was not there\n' in run(shell).stderr


# ---- AMI


def test_ami_is_hidden_and_that_is_said_once(shell: Shell, ear: Hearsay) -> None:
    ear.hears(hangup(), hangup(), call())
    done = run(shell, '--names-only')

    assert (done.stdout, done.stderr.count('--ami shows them')) == ('call_created\n', 1)


@pytest.mark.parametrize('argument', ['--ami', 'ami.Hangup', 'ami.#', 'Hangup'])
def test_ami_that_is_asked_for_is_shown(shell: Shell, ear: Hearsay, argument: str) -> None:
    ear.hears(hangup())
    done = run(shell, argument, '--names-only')

    assert (done.stdout, 'hidden' in done.stderr) == ('Hangup\n', False)


def test_of_ami_nothing_is_said_where_none_can_come(shell: Shell, ear: Hearsay) -> None:
    assert 'AMI' not in run(shell, 'calls.#').stderr


# ---- the report


def test_a_report_has_the_keys_by_number_rate_and_size(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call(), call(), cut('call_ended', {}, 'calls.call.ended'))
    head, first, second = run(shell, '--report').stdout.splitlines()

    assert (head.split(), first.split()[0], first.split()[-1], second.split()[-1]) == (
        ['events', 'a', 'second', 'share', 'kB', 'B', 'each', 'key'],
        '2',
        'calls.call.created',
        'calls.call.ended',
    )


def test_a_report_for_programs_is_one_object(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call())
    told = json.loads(run(shell, '--report', '-o', 'json').stdout)

    assert (told['events'], told['keys'][0]['routing_key'], sorted(told['keys'][0])) == (
        1,
        'calls.call.created',
        ['bytes', 'events', 'per_second', 'routing_key'],
    )


# ---- handlers


def test_the_handlers_that_take_an_event_are_named(shell: Shell, ear: Hearsay) -> None:
    shell.handlers("""
        all: {plugin: log, match: 'calls.#'}
        none: {plugin: log, match: call_ended}
        some: {plugin: log, match: call_created, when: "data.caller_id_number == '1001'"}
    """)
    ear.hears(call('1001'), call('1003'))
    told = [json.loads(line)['handlers'] for line in run(shell, '--handlers', '-o', 'json').stdout.splitlines()]

    assert told == [['all', 'some'], ['all']]


def test_that_no_handler_takes_an_event_is_said(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call())

    assert '-> no handler' in run(shell, '--handlers').stdout


# ---- mistakes


def test_a_name_that_no_event_has_gets_the_nearest(shell: Shell, ear: Hearsay) -> None:
    done = run(shell, 'call_creatd')

    assert (done.exit_code, 'did you mean call_created' in done.stderr) == (2, True)


def test_a_star_that_leaves_out_much_is_told(shell: Shell, ear: Hearsay) -> None:
    assert "* is one word; did you mean 'calls.#'?" in run(shell, 'calls.*').stderr


def test_a_pattern_that_nothing_fits_is_told(shell: Shell, ear: Hearsay) -> None:
    assert "no known event comes on a key that 'call.#' fits; did you mean 'calls.#'?" in run(shell, 'call.#').stderr


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['calls.c*'], "'c*' is no wildcard"),
        (['--when', 'data.x =='], '--when: '),
        (['--for', 'long'], 'expected a duration'),
        (['--for', '0s'], 'expected more than nothing'),
        (['-n', '0'], '-n'),
        (['--names-only', '--report'], 'either --names-only or --report'),
        (['--data', '-o', 'json'], 'either --data or -o json'),
    ],
    ids=lambda each: each if isinstance(each, str) else ' '.join(each),
)
def test_wrong_usage_is_told(shell: Shell, ear: Hearsay, arguments: list[str], said: str) -> None:
    done = shell('tail', *arguments, '-c', str(shell.config))

    assert (done.exit_code, done.stdout, said in done.stderr) == (2, '', True)


def test_a_broker_that_refuses_is_told_with_what_to_type(shell: Shell, ear: Hearsay) -> None:
    ear.error = BusError('nothing listens', 'systemctl status rabbitmq-server')
    done = run(shell)

    assert (done.exit_code, done.stderr) == (1, 'error: nothing listens. next: systemctl status rabbitmq-server\n')


def test_a_wrong_configuration_is_told(shell: Shell, ear: Hearsay) -> None:
    shell.config.write_text('bus: {hots: x}\n')
    done = run(shell)

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (78, f'next: wazo-busd check -c {shell.config}')


def test_handlers_that_cannot_be_made_are_a_wrong_configuration(shell: Shell, ear: Hearsay) -> None:
    shell.handlers('broken: {plugin: nowhere, match: call_created}')

    assert run(shell, '--handlers').exit_code == 78


# ---- the examples of the help


def examples() -> list[str]:
    return re.findall(r'^ +wazo-busd (tail .*)$', tail.help or '', re.MULTILINE)


def test_the_help_has_examples() -> None:
    assert len(examples()) == 3


def test_the_example_with_an_expression_shows_the_calls_of_a_number(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call('1001'), call('1003'))
    (line,) = [each for each in examples() if '--when' in each]
    pattern, expression = re.findall(r"'(calls\.#)' --when \"(.*)\"", line)[0]

    assert len(run(shell, pattern, '--when', expression).stdout.splitlines()) == 1


def test_the_example_with_a_report_counts(shell: Shell, ear: Hearsay) -> None:
    ear.hears(call())
    (line,) = [each for each in examples() if '--report' in each]
    arguments = line.replace('30s', '10ms').split()
    done = shell(*arguments, '-c', str(shell.config))

    assert (done.exit_code, 'calls.call.created' in done.stdout) == (0, True)
