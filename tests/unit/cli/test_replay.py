# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd replay`: what it plays where, what it asks before, and what it says of it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import click.testing
import pytest

from tests.unit.cli.conftest import Shell
from tests.unit.cli.test_recording import HEAD, LINE, RECORD, written
from wazo_busd.amqp import Unsendable
from wazo_busd.cli.host import is_loopback
from wazo_busd.cli.pace import Pace
from wazo_busd.cli.replay import replay
from wazo_busd.errors import BusError

HERE = HEAD | {'host': socket.gethostname()}
PICKY = """
from wazo_busd.api import Discard, Retry, handler

@handler('calls.#')
async def picky(event, context):
    what = event.data['what']
    if what == 'fail':
        raise ValueError('no \\x1b[31m ' + context.options['secret'])
    if what == 'later':
        raise Retry('later', after=300)
    if what == 'drop':
        raise Discard
    if what == 'tell':
        await context.emit('busd.picky', {'n': 1})
"""


def line(what: str, at: float = 0.0, key: str = 'calls.call.ended', **changed: Any) -> dict[str, Any]:
    return LINE | {'at': at, 'routing_key': key, 'body': {'name': 'call_ended', 'data': {'what': what}}} | changed


class Broker:
    """What is published, and takes all but what is for no handler."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str, bytes]] = []
        self.refusal: BusError | None = None

    def __call__(self, config: object) -> Self:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def publish(
        self, exchange: str, routing_key: str, body: bytes, headers: Mapping[str, Any], properties: Mapping[str, Any]
    ) -> bool:
        await asyncio.sleep(0)
        if self.refusal:
            raise self.refusal
        if 'uncarried' in headers:
            raise Unsendable('AMQP cannot carry it: no')
        self.published.append((exchange, routing_key, body))
        return not routing_key.startswith('nobody.')


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr('wazo_busd.cli.replay_bus.Playback', broker)
    return broker


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path / 'calls.jsonl', HEAD, line('a'), line('b', 0.001, exchange='xivo'))


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody at a terminal."""
    monkeypatch.setattr('click.testing._NamedTextIOWrapper.isatty', lambda _: True, raising=False)


def run(shell: Shell, file: Path, *arguments: str, stdin: str | None = None) -> click.testing.Result:
    return shell('replay', str(file), '-c', str(shell.config), *arguments, stdin=stdin)


@pytest.fixture
def bus(shell: Shell, broker: Broker) -> Shell:
    shell.config.write_text('bus: {host: localhost}\n')
    return shell


# ---- onto the bus


def test_events_go_onto_the_hub_in_their_order(bus: Shell, broker: Broker, file: Path) -> None:
    done = run(bus, file, '--yes')

    assert (done.exit_code, [(exchange, json.loads(body)['data']) for exchange, _, body in broker.published]) == (
        0,
        [('wazo-busd', {'what': 'a'}), ('wazo-busd', {'what': 'b'})],
    )
    assert done.stdout == bus.typed('2 events published. next: wazo-busd status\n')


def test_programs_are_told_what_was_published_and_what_was_not(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    lines = [line('a'), line('b', key='nobody.x'), line('c', key='busd.call.missed')]
    done = run(bus, written(tmp_path / 'x', HEAD, *lines, line('d', headers={'uncarried': 1})), '--yes', '-o', 'json')

    assert (done.exit_code, json.loads(done.stdout)) == (
        1,
        {
            'published': 2,
            'unconfirmed': 0,
            'for_no_handler': 1,
            'derived_left_out': 1,
            'uncarried': 1,
            'next': bus.typed('wazo-busd status'),
        },
    )


def test_they_go_onto_the_exchanges_that_they_came_from_if_it_is_asked_for(
    bus: Shell, broker: Broker, file: Path
) -> None:
    done = run(bus, file, '--yes', '--onto', 'upstream')

    assert [exchange for exchange, _, _ in broker.published] == ['wazo-headers', 'xivo']
    assert 'where every consumer of the bus gets them, Wazo included' in done.stderr


def test_it_says_where_they_go_before(bus: Shell, broker: Broker, file: Path) -> None:
    done = run(bus, file, '--yes')

    assert re.search(
        r'2 events in 0\.0 s, recorded on pbx\.example\.org, from 2026-03-01 .*, masked; onto localhost:5672, vhost /, '
        r'the exchange wazo-busd, where its handlers get them and nobody else\n',
        done.stderr,
    )


def test_derived_events_are_left_out_as_they_are_made_anew(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    file = written(tmp_path / 'x', HEAD, line('a'), line('b', key='busd.call.missed'))
    done = run(bus, file, '--yes')
    some = len(broker.published)
    run(bus, file, '--yes', '--derived')

    assert (some, len(broker.published), '1 derived event left out' in done.stdout) == (1, 3, True)


def test_what_is_for_no_handler_is_counted(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    file = written(tmp_path / 'x', HEAD, line('a', key='nobody.x'))

    assert run(bus, file, '--yes').stdout == bus.typed(
        '1 event published; 1 of them for no handler. next: wazo-busd status\n'
    )


def test_what_is_played_to_a_person_is_asked_before(bus: Shell, broker: Broker, file: Path, person: None) -> None:
    refused = run(bus, file, stdin='n\n')
    nothing = list(broker.published)
    run(bus, file, stdin='y\n')

    assert (refused.exit_code, nothing, len(broker.published)) == (1, [], 2)


@pytest.mark.parametrize(
    ('head', 'host', 'arguments', 'told'),
    [
        (HEAD, 'localhost', (), 'nobody is there to be asked. next: add --yes'),
        (
            HERE,
            'localhost',
            ('--yes',),
            (
                f'--yes is not enough for {HERE["host"]}, where it was recorded. '
                f'next: --yes-onto {HERE["host"]}, if it is meant'
            ),
        ),
        (
            HEAD,
            'pbx.example.org',
            ('--yes',),
            'pbx.example.org is another host than this one. next: --yes-onto pbx.example.org, if it is meant',
        ),
        (
            HEAD,
            'pbx.example.org',
            ('--yes-onto', 'lab.example.org'),
            (
                '--yes-onto lab.example.org: the bus of the configuration is on pbx.example.org. '
                'next: --yes-onto pbx.example.org, if it is meant'
            ),
        ),
    ],
)
def test_yesterdays_calls_do_not_get_onto_a_bus_by_accident(
    bus: Shell, broker: Broker, tmp_path: Path, head: Any, host: str, arguments: tuple[str, ...], told: str
) -> None:
    bus.config.write_text(f'bus: {{host: {host}}}\n')
    done = run(bus, written(tmp_path / 'x', head, line('a')), *arguments)

    assert (done.exit_code, done.stderr.splitlines()[-1], broker.published) == (1, f'error: {told}', [])


@pytest.mark.parametrize(('head', 'host'), [(HERE, 'localhost'), (HEAD, 'pbx.example.org')])
def test_who_names_the_host_means_it(bus: Shell, broker: Broker, tmp_path: Path, head: Any, host: str) -> None:
    bus.config.write_text(f'bus: {{host: {host}}}\n')
    named = HERE['host'] if host == 'localhost' else host

    assert run(bus, written(tmp_path / 'x', head, line('a')), '--yes-onto', named).exit_code == 0


@pytest.mark.parametrize(
    ('host', 'wanted'),
    [('localhost', True), ('127.0.0.9', True), ('::1', True), ('10.0.0.1', False), ('localhost.example.org', False)],
)
def test_what_leads_to_this_host_alone_is_known(host: str, wanted: bool) -> None:
    assert is_loopback(host) is wanted


def test_a_journal_may_be_of_this_host(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    done = run(bus, written(tmp_path / 'x', RECORD), '--yes')

    assert ('--yes is not enough' in done.stderr, broker.published) == (True, [])


def test_what_amqp_cannot_carry_is_named_and_the_others_played(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    file = written(tmp_path / 'x', HEAD, line('a'), line('b', headers={'uncarried': 1}), line('c'))
    done = run(bus, file, '--yes')

    assert (done.exit_code, len(broker.published)) == (1, 2)
    assert f'warning: {file}:3: AMQP cannot carry it: no; it is left out\n' in done.stderr
    assert done.stdout.startswith('2 events published; 1 event left out that AMQP cannot carry. next: ')


def test_of_many_that_amqp_cannot_carry_the_first_are_named(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    file = written(tmp_path / 'x', HEAD, *(line('b', headers={'uncarried': 1}) for _ in range(30)))
    done = run(bus, file, '--yes')

    assert (done.stderr.count('AMQP cannot carry it'), '30 events left out' in done.stdout) == (20, True)


def test_what_can_be_read_only_once_is_refused(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    pipe = tmp_path / 'pipe'
    os.mkfifo(pipe)
    done = run(bus, pipe, '--yes')

    told = f'error: {pipe} is no regular file, and it is read twice'
    assert (done.exit_code, done.stderr) == (1, f'{told}. next: name the file itself; a .gz is unpacked as it is\n')


def test_broken_lines_are_named_and_the_others_played(bus: Shell, broker: Broker, tmp_path: Path) -> None:
    file = written(tmp_path / 'x', HEAD, line('a'), '{\n', line('b'))
    done = run(bus, file, '--yes')

    assert (
        done.exit_code,
        len(broker.published),
        f'warning: {file}:3: this is no JSON; it is left out' in done.stderr,
    ) == (
        1,
        2,
        True,
    )


def test_a_refusal_is_told_with_what_was_published_before(bus: Shell, broker: Broker, file: Path) -> None:
    broker.refusal = BusError('there is no exchange', 'wazo-busd run once, which makes them')
    done = run(bus, file, '--yes')

    assert (done.exit_code, done.stdout, done.stderr.splitlines()[-1]) == (
        1,
        bus.typed('0 events published. next: wazo-busd status\n'),
        bus.typed('error: there is no exchange. next: wazo-busd run once, which makes them'),
    )


@pytest.mark.parametrize('speed', ['0', '-1', 'nan', 'inf', 'fast'])
def test_a_speed_that_is_none_is_wrong_usage(bus: Shell, file: Path, speed: str) -> None:
    assert run(bus, file, '--speed', speed, '--yes').exit_code == 2


def test_a_file_that_is_no_recording_is_told_with_the_next_command(bus: Shell, tmp_path: Path) -> None:
    done = run(bus, written(tmp_path / 'x', 'a: 1\n'))

    assert (done.exit_code, done.stderr.endswith(bus.typed('next: wazo-busd record FILE makes one\n'))) == (1, True)


async def test_events_come_as_far_apart_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 100.0, []

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        slept.append(round(seconds, 6))

    monkeypatch.setattr('wazo_busd.cli.pace.time.monotonic', lambda: now)
    monkeypatch.setattr('wazo_busd.cli.pace.asyncio.sleep', sleep)
    pace = Pace(2.0)
    for at in (5.0, 6.0, 6.0, 10.0):
        await pace.reach(at)

    assert slept == [0.5, 2.0]


# ---- into a handler


@pytest.fixture
def picky(shell: Shell, tmp_path: Path) -> Shell:
    (tmp_path / 'plugins.d').mkdir()
    (tmp_path / 'plugins.d' / 'picky.py').write_text(PICKY)
    (tmp_path / 'secret').write_text('hunter2')
    (tmp_path / 'secret').chmod(0o600)
    shell.config.write_text(
        'plugin_dirs: [plugins.d]\nhandlers:\n  picky: {plugin: picky, options: {secret: "${file:secret}"}}\n'
    )
    return shell


def into(shell: Shell, directory: Path, *lines: Any, arguments: tuple[str, ...] = ()) -> click.testing.Result:
    file = written(directory / 'x', HEAD, *lines)
    return run(shell, file, '--handler', 'picky', '--speed', 'max', '--yes', *arguments)


def test_what_becomes_of_each_event_is_shown(picky: Shell, tmp_path: Path) -> None:
    done = into(picky, tmp_path, line('work', 1.0), line('drop', 2.0), line('later', 3.0), line('x', key='faxes.sent'))

    assert [each.split()[:4] for each in done.stdout.splitlines()[:3]] == [
        ['1.000', 's', 'call_ended', 'done'],
        ['2.000', 's', 'call_ended', 'discarded'],
        ['3.000', 's', 'call_ended', 'retry'],
    ]
    assert done.stdout.splitlines()[-1] == (
        'picky: 1 done; 1 discarded; 1 retry; 1 passed over: not matched, or not wanted'
    )


def test_an_error_is_shown_without_secrets_and_cannot_write_on_the_terminal(picky: Shell, tmp_path: Path) -> None:
    done = into(picky, tmp_path, line('fail'))

    assert ('ValueError: no \\x1b[31m' in done.stdout, 'hunter2' in done.stdout, '\x1b' in done.stdout) == (
        True,
        False,
        False,
    )


def test_derived_events_are_told(picky: Shell, tmp_path: Path) -> None:
    done = into(picky, tmp_path, line('tell'))

    assert (re.search(r'busd\.picky +emitted', done.stdout) is not None, '1 derived event emitted' in done.stdout) == (
        True,
        True,
    )


def test_for_programs_each_event_is_an_object_and_the_last_one_is_the_sum(picky: Shell, tmp_path: Path) -> None:
    done = into(picky, tmp_path, line('work', 1.0), line('later', 2.0), arguments=('-o', 'json'))
    *each, last = map(json.loads, done.stdout.splitlines())

    assert [(one['at'], one['outcome'], one['error']) for one in each] == [
        (1.0, 'done', ''),
        (2.0, 'retry', 'Retry: later'),
    ]
    assert last == {
        'handler': 'picky',
        'outcomes': {'done': 1, 'retry': 1},
        'passed_over': 0,
        'unsettled': 0,
        'emitted': 0,
    }


def test_a_body_that_is_no_event_is_dead_as_in_the_daemon(picky: Shell, tmp_path: Path) -> None:
    done = into(picky, tmp_path, line('x') | {'body': [1]})

    assert 'dead' in done.stdout


def test_more_events_than_fit_at_a_time_are_all_given(picky: Shell, tmp_path: Path) -> None:
    done = into(picky, tmp_path, *[line('work')] * 700)

    assert done.stdout.splitlines()[-1] == 'picky: 700 done'


def test_a_burst_is_shown_as_what_it_is(picky: Shell, tmp_path: Path) -> None:
    text = picky.config.read_text().replace('plugin: picky,', 'plugin: picky, collapse: 1h,')
    picky.config.write_text(text)
    done = into(picky, tmp_path, line('work'), line('work'))

    assert 'a burst of call_ended' in done.stdout


def test_a_plugin_that_cannot_start_is_told(picky: Shell, tmp_path: Path) -> None:
    source = 'class Picky:\n    def start(self):\n        raise OSError("no way")\n'
    (tmp_path / 'plugins.d' / 'picky.py').write_text(
        f'from wazo_busd.api import handler\n{source}\n    @handler("calls.#")\n    async def on(self, event): pass\n'
    )
    done = into(picky, tmp_path, line('work'))

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        1,
        picky.typed('error: picky cannot be started: OSError: no way. next: wazo-busd check'),
    )


def test_a_handler_that_is_not_there_is_told_with_a_near_one(picky: Shell, file: Path) -> None:
    done = run(picky, file, '--handler', 'pickee', '--yes')

    assert done.stderr.splitlines()[-1] == "error: there is no handler 'pickee'. next: did you mean 'picky'?"


@pytest.mark.parametrize(('options', 'named'), [(['--onto', 'upstream'], '--onto'), (['--derived'], '--derived')])
def test_what_would_change_nothing_for_a_handler_is_wrong_usage(
    picky: Shell, file: Path, options: list[str], named: str
) -> None:
    done = run(picky, file, '--handler', 'picky', '--yes', *options)

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, f'Error: either --handler or {named}')


def test_it_is_asked_before_a_handler_runs_in_earnest(picky: Shell, file: Path) -> None:
    done = run(picky, file, '--handler', 'picky')

    assert ('what it sends is sent' in done.stderr, done.stdout, done.exit_code) == (True, '', 1)


def test_the_help_has_two_examples_that_work(
    shell: Shell, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.config.write_text('bus: {host: localhost}\nhandlers: {crm: {plugin: log, match: calls.#}}\n')
    monkeypatch.chdir(tmp_path)
    for name in ('calls.jsonl', 'day.jsonl.gz'):
        written(tmp_path / name, HEAD, line('a'))
    examples = re.findall(r'^ +wazo-busd (replay .*)$', replay.help or '', re.MULTILINE)

    assert [shell(*each.split(), '--yes', '-c', str(shell.config)).exit_code for each in examples] == [0, 0]
