# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd dead` on a bus that is only pretended: what it shows, what it asks, and what it refuses."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.conftest import Shell
from wazo_busd.amqp import ORPHANS, DeadLetter
from wazo_busd.amqp.copy import Original
from wazo_busd.cli.dead_selection import Selection
from wazo_busd.delivery import History
from wazo_busd.errors import BusError

NOW = 1_790_000_000.0
DAY = 86_400.0


def letter(number: int = 1, **changed: Any) -> DeadLetter:
    """A dead letter of the handler `crm`."""
    given: dict[str, Any] = {
        'handler': 'crm',
        'error': 'ValueError',
        'text': 'it does not fit',
        'traceback': 'Traceback:\n  it does not fit\n',
        'plugin': 'crm',
        'plugin_version': '1.2',
        'last_at': NOW,
        'body': b'{"name": "call_ended", "data": {"id": 7}}',
        'size': None,
        'routing_key': 'calls.call.ended',
    } | changed
    body, size = given.pop('body'), given.pop('size')
    original = Original(
        exchange='wazo-headers',
        routing_key=given.pop('routing_key'),
        raw_properties=b'\x00\x00',
        body=body,
        size=len(body) if size is None else size,
        history=History(event_id=f'{number:032x}', attempts=3, first_at=NOW - 60.0),
    )
    return DeadLetter(original=original, number=f'{number:016x}', **given)


class Queues:
    """Dead letters that lie in no broker."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.sent: list[DeadLetter] = []
        self.handlers = {'crm'}
        """Those whose queue is there."""
        self.refusal: BusError | None = None

    def __call__(self, config: object) -> Self:
        return self

    async def __aenter__(self) -> Self:
        if self.refusal:
            raise self.refusal
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def has_queue(self, handler: str) -> bool:
        return handler in self.handlers

    async def read(
        self, handler: str, is_meant: Callable[[DeadLetter], bool], act: Callable[[DeadLetter], Any] | None = None
    ) -> AsyncIterator[DeadLetter]:
        lying = [each for each in self.letters if each.handler == handler or (handler == ORPHANS and not each.plugin)]
        for each in lying:
            if is_meant(each):
                if act is not None:
                    await act(each)
                    self.letters.remove(each)
                yield each

    async def send_back(self, each: DeadLetter) -> None:
        self.sent.append(each)


class Bench:
    """The command on these queues."""

    def __init__(self, shell: Shell, queues: Queues) -> None:
        self.queues = queues
        self._shell = shell
        self.typed = shell.typed
        shell.handlers('crm: {plugin: log, match: calls.#}')

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return self._shell('dead', *arguments, '-c', str(self._shell.config), stdin=stdin)


@pytest.fixture
def bench(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Bench:
    queues = Queues()
    # The package has the command under the name of its module.
    monkeypatch.setattr(importlib.import_module('wazo_busd.cli.dead'), 'DeadLetters', queues)
    return Bench(shell, queues)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody at a terminal."""
    monkeypatch.setattr('click.testing._NamedTextIOWrapper.isatty', lambda _: True, raising=False)


def test_where_there_are_none_that_is_said(bench: Bench) -> None:
    done = bench('list')

    assert (done.exit_code, done.stdout) == (0, bench.typed('no dead letters. next: wazo-busd status\n'))


def test_what_was_asked_for_is_said_where_there_are_none(bench: Bench) -> None:
    done = bench('list', '--handler', 'fax', '--error', 'KeyError')

    told = 'no dead letters of the handler fax with the error KeyError. next: wazo-busd dead list\n'
    assert done.stdout == bench.typed(told)


def test_they_are_grouped_by_handler_error_and_text_the_most_first(bench: Bench) -> None:
    bench.queues.letters = [
        letter(1, error='KeyError', text="'id'"),
        letter(2),
        letter(3),
        letter(4, text='it does not fit\neither'),
    ]

    lines = bench('list').stdout.splitlines()
    assert [line.split(':')[0].split() for line in lines[:2]] == [['3', 'crm', 'ValueError'], ['1', 'crm', 'KeyError']]


def test_the_list_ends_with_the_next_command(bench: Bench) -> None:
    bench.queues.letters = [letter(1), letter(2)]

    assert bench('list').stdout.splitlines()[-1] == bench.typed(
        '2 dead letters. next: wazo-busd dead show 000000000000'
    )


def test_what_came_over_the_bus_cannot_write_on_the_terminal(bench: Bench) -> None:
    bench.queues.letters = [letter(1, text='\x1b[2J\x07', routing_key='\x1b]0;x\x07', error='\x1b[1m')]

    assert [char for char in bench('list').stdout + bench('show', '0').stdout if char in '\x1b\x07'] == []


def test_the_list_for_programs_has_every_letter_and_no_bodies(bench: Bench) -> None:
    bench.queues.letters = [letter(1), letter(2)]

    found = json.loads(bench('list', '-o', 'json').stdout)
    assert [(each['id'][-1], each['attempts'], 'body' in each) for each in found] == [('1', 3, False), ('2', 3, False)]


def test_bodies_are_in_the_list_for_programs_when_they_are_asked_for(bench: Bench) -> None:
    bench.queues.letters = [letter(1, body=b'\xff{')]

    (found,) = json.loads(bench('list', '-o', 'json', '--bodies').stdout)
    assert found['body'] == '\\xff{'


def test_one_is_shown_in_full(bench: Bench) -> None:
    bench.queues.letters = [letter(7)]

    shown = bench('show', f'{7:032x}').stdout
    wanted = ['ValueError: it does not fit', 'crm 1.2', 'wazo-headers', 'calls.call.ended', '"id": 7', 'Traceback:']
    assert [each for each in wanted if each not in shown] == []
    assert shown.splitlines()[-1] == bench.typed('next: wazo-busd dead replay 000000000000')


def test_a_body_is_written_byte_for_byte(bench: Bench) -> None:
    bench.queues.letters = [letter(1, body=b'\xff\x00\r\n')]

    assert bench('show', '0', '--body').stdout_bytes == b'\xff\x00\r\n'


def test_what_was_kept_of_a_large_body_is_said(bench: Bench) -> None:
    bench.queues.letters = [letter(1, body=b'{', size=9_000_000)]

    assert 'body           9000000 bytes, of which the first 1 were kept' in bench('show', '0').stdout


def test_an_id_that_none_has_is_an_error_with_the_next_command(bench: Bench) -> None:
    done = bench('show', 'abc')

    assert (done.exit_code, done.stderr) == (
        1,
        bench.typed("error: no dead letter has an id that begins with 'abc'. next: wazo-busd dead list\n"),
    )


def test_replay_sends_back_what_is_meant_and_takes_it_out(bench: Bench) -> None:
    bench.queues.letters = [letter(1), letter(2, error='KeyError'), letter(3)]

    done = bench('replay', '--error', 'ValueError', '--yes')
    assert ([each.event_id[-1] for each in bench.queues.sent], len(bench.queues.letters)) == (['1', '3'], 1)
    assert (done.exit_code, done.stdout) == (0, bench.typed('2 events sent back. next: wazo-busd dead list\n'))


def test_replay_leaves_what_came_after_the_question(bench: Bench) -> None:
    bench.queues.letters = [letter(1)]

    async def send_back(each: DeadLetter) -> None:
        bench.queues.sent.append(each)
        bench.queues.letters.append(letter(2))

    bench.queues.send_back = send_back  # type: ignore[method-assign]
    bench('replay', '--yes')
    assert [each.event_id[-1] for each in bench.queues.sent] == ['1']


def test_what_was_not_kept_whole_is_not_sent_back(bench: Bench) -> None:
    bench.queues.letters = [letter(1, size=9_000_000), letter(2)]

    done = bench('replay', '--yes')
    assert [each.event_id[-1] for each in bench.queues.sent] == ['2']
    assert done.stdout.startswith(
        '1 dead letter cannot be sent back: only the beginning of the body was kept. next: wazo-busd dead drop '
    )


def test_a_handler_that_is_gone_is_told_with_the_cure_and_nothing_is_sent(bench: Bench) -> None:
    bench.queues.letters = [letter(1, handler='old')]

    done = bench('replay', '--handler', 'old', '--yes')
    assert (done.exit_code, bench.queues.sent) == (1, [])
    assert done.stderr.endswith(
        bench.typed('next: configure a handler of that name and start the daemon, or wazo-busd dead drop\n')
    )


@pytest.mark.parametrize('command', ['replay', 'drop'])
def test_without_a_person_and_without_yes_nothing_is_done(bench: Bench, command: str) -> None:
    bench.queues.letters = [letter(1)]

    done = bench(command)
    assert (done.exit_code, done.stderr) == (1, 'error: nobody is there to be asked. next: add --yes\n')
    assert len(bench.queues.letters) == 1


@pytest.mark.parametrize(('command', 'title'), [('replay', 'send back'), ('drop', 'throw away')])
@pytest.mark.parametrize(('answer', 'left', 'code'), [('n', 2, 1), ('', 2, 1), ('y', 0, 0)])
@pytest.mark.usefixtures('person')
def test_a_person_is_asked_first(bench: Bench, command: str, title: str, answer: str, left: int, code: int) -> None:
    bench.queues.letters = [letter(1), letter(2)]

    done = bench(command, stdin=f'{answer}\n')
    assert f'{title} 2 events of crm? [y/N]' in done.stdout
    assert (len(bench.queues.letters), done.exit_code) == (left, code)


@pytest.mark.parametrize('command', ['replay', 'drop'])
def test_where_there_is_nothing_to_do_that_is_an_error(bench: Bench, command: str) -> None:
    done = bench(command, 'abc', '--yes')

    assert (done.exit_code, done.stderr) == (
        1,
        bench.typed('error: no dead letters with an id that begins with abc. next: wazo-busd dead list\n'),
    )


def test_drop_takes_only_what_is_older(bench: Bench) -> None:
    bench.queues.letters = [letter(1, last_at=time.time() - 8 * DAY), letter(2, last_at=time.time() - 6 * DAY)]

    done = bench('drop', '--older', '7d', '--yes')
    assert ([each.event_id[-1] for each in bench.queues.letters], done.stdout) == (['2'], '1 dead letter dropped\n')


def test_an_age_that_is_none_is_wrong_usage(bench: Bench) -> None:
    done = bench('drop', '--older', 'soon', '--yes')

    assert (done.exit_code, '--older soon' in done.stderr) == (2, True)


def test_the_retries_of_handlers_that_are_gone_are_found_too(bench: Bench) -> None:
    bench.queues.letters = [letter(1, handler='old', plugin='', error='HandlerGone')]

    assert [each['handler'] for each in json.loads(bench('list', '-o', 'json').stdout)] == ['old']


def test_handlers_of_the_past_are_looked_at_too(bench: Bench, shell: Shell) -> None:
    state_dir = shell.config.parent / 'state'
    state_dir.mkdir()
    (state_dir / 'bindings.json').write_text(json.dumps({'localhost:5672 / wazo-busd': {'wazo-busd.old': []}}))
    shell.config.write_text(f'state_dir: {state_dir}\nhandlers: {{crm: {{plugin: log, match: calls.#}}}}\n')
    bench.queues.letters = [letter(1, handler='old')]

    assert [each['handler'] for each in json.loads(bench('list', '-o', 'json').stdout)] == ['old']


@pytest.mark.parametrize('command', [['list'], ['show', 'a'], ['replay', '--yes'], ['drop', '--yes']])
def test_a_broker_that_is_away_is_told_with_the_next_command(bench: Bench, command: list[str]) -> None:
    bench.queues.refusal = BusError('nothing listens on localhost:5672', 'systemctl status rabbitmq-server')

    done = bench(*command)
    assert (done.exit_code, done.stderr) == (
        1,
        'error: nothing listens on localhost:5672. next: systemctl status rabbitmq-server\n',
    )


@pytest.mark.parametrize('command', [['list'], ['show', 'a'], ['replay', '--yes'], ['drop', '--yes']])
def test_a_wrong_configuration_is_told_with_its_own_exit_code(bench: Bench, shell: Shell, command: list[str]) -> None:
    shell.config.write_text('handlers: 7\n')

    done = bench(*command)
    assert (done.exit_code, f'{shell.config}:1' in done.stderr) == (78, True)


CHANGES = st.fixed_dictionaries(
    {
        'handler': st.sampled_from(['crm', 'fax']),
        'error': st.sampled_from(['ValueError', 'KeyError']),
        'last_at': st.sampled_from([NOW, NOW - DAY]),
    }
)


@given(st.integers(0, 3), CHANGES, st.sampled_from([None, 'crm']), st.sampled_from([None, 'KeyError']))
def test_a_selection_takes_what_each_of_its_parts_takes(
    number: int, changes: dict[str, Any], handler: str | None, error: str | None
) -> None:
    each = letter(number, **changes)
    parts = [Selection(handler=handler), Selection(error=error), Selection(before=NOW - 1.0), Selection(ids=('0',))]
    whole = Selection(handler=handler, error=error, before=NOW - 1.0, ids=('0',))

    assert whole.takes(each) == all(part.takes(each) for part in parts)


@given(st.lists(st.integers(0, 20), unique=True), st.integers(0, 20))
def test_a_selection_of_letters_takes_them_and_no_others(numbers: list[int], number: int) -> None:
    assert Selection.of([letter(each) for each in numbers]).takes(letter(number)) == (number in numbers)


def test_replay_tells_programs_how_many_went_back_to_whom(bench: Bench) -> None:
    bench.queues.handlers.add('fax')
    bench.queues.letters = [letter(1), letter(2), letter(3, handler='fax')]

    assert json.loads(bench('replay', '--yes', '-o', 'json', '--handler', 'crm').stdout) == {
        'sent_back': 2,
        'handlers': {'crm': 2},
        'refused': 0,
        'why': '',
        'next': bench.typed('wazo-busd dead list'),
    }


def test_replay_tells_programs_what_cannot_go_back_and_why(bench: Bench) -> None:
    bench.queues.letters = [letter(1, size=9_000_000), letter(2)]
    told = json.loads(bench('replay', '--yes', '-o', 'json').stdout)

    assert (told['sent_back'], told['refused'], told['why'], told['next']) == (
        1,
        1,
        'only the beginning of the body was kept',
        bench.typed('wazo-busd dead drop 000000000000'),
    )


def test_drop_tells_programs_how_many_are_gone_of_whom(bench: Bench) -> None:
    bench.queues.letters = [letter(1), letter(2)]

    assert json.loads(bench('drop', '--yes', '-o', 'json').stdout) == {'dropped': 2, 'handlers': {'crm': 2}}


@pytest.mark.parametrize('command', ['replay', 'drop'])
def test_programs_are_told_nothing_of_what_an_event_says(bench: Bench, command: str) -> None:
    bench.queues.letters = [letter(1, body=b'{"data": "a word"}', text='a word')]

    assert 'a word' not in bench(command, '--yes', '-o', 'json').output


@pytest.mark.parametrize('command', ['replay', 'drop'])
@pytest.mark.usefixtures('person')
def test_where_programs_are_told_a_person_is_asked_on_standard_error(bench: Bench, command: str) -> None:
    bench.queues.letters = [letter(1)]
    done = bench(command, '-o', 'json', stdin='y\n')

    assert ('[y/N]' in done.stderr, json.loads(done.stdout)['handlers']) == (True, {'crm': 1})


@pytest.mark.parametrize('command', ['replay', 'drop'])
@pytest.mark.usefixtures('person')
def test_where_the_answer_is_no_standard_output_stays_empty_for_programs(bench: Bench, command: str) -> None:
    bench.queues.letters = [letter(1)]
    done = bench(command, '-o', 'json', stdin='n\n')

    assert (done.exit_code, done.stdout, len(bench.queues.letters)) == (1, '', 1)


@pytest.mark.parametrize('command', ['replay', 'drop'])
def test_json_is_no_yes(bench: Bench, command: str) -> None:
    bench.queues.letters = [letter(1)]
    done = bench(command, '-o', 'json')

    assert (done.exit_code, done.stdout, len(bench.queues.letters)) == (1, '', 1)
