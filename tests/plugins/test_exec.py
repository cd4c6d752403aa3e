# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""exec: programs that get what they are meant to get, whatever the event says, and that end when they are to end."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.exec import PATH, Exec, program
from tests.examples import examples
from tests.plugins.hostile import HOSTILE, NAMES, names, paired
from tests.support import eventually
from tests.unit.language.values import nasty_text
from tests.unit.rig import Rig, log_lines, make_context, make_handler, patiently, started
from wazo_busd.errors import Permanent, Retry
from wazo_busd.testing import Outcome, Outcomes, deliver, make_event

SHOW = 'for each; do printf "%s\\0" "$each"; done > argv'
"""Writes its arguments, each with a NUL behind it: the one letter that none can have."""


async def run(
    state_dir: Path, script: str, *arguments: str, data: Any = None, burst: bool = False, **more: Any
) -> Outcomes:
    """Let the handler run a script in the state directory."""
    event = make_event('fax_outbound_failed', data or {})
    options = {'argv': ['/bin/sh', '-c', script, 'script', *arguments], **more.pop('options', {})}
    return await deliver(Exec, *([event, event] if burst else [event]), options=options, state_dir=state_dir, **more)


async def seen(state_dir: Path, *arguments: str, data: Any) -> list[str]:
    """The arguments that a program gets."""
    assert await run(state_dir, SHOW, *arguments, data=data) == [Outcome.DONE]
    return (state_dir / 'argv').read_bytes().decode().split('\0')[:-1]


async def environment(state_dir: Path, **more: Any) -> dict[str, str]:
    """The environment that a program gets."""
    assert await run(state_dir, 'cp /proc/$$/environ environ', **more) == [Outcome.DONE]
    pairs = (state_dir / 'environ').read_bytes().decode().split('\0')[:-1]
    return dict(pair.split('=', 1) for pair in pairs)


# ---- arguments


async def test_arguments_are_texts(tmp_path: Path) -> None:
    found = await seen(tmp_path, 'to {{ data.x }}', '--number={{ data.n }}', data={'x': 'a b', 'n': 5})

    assert found == ['to a b', '--number=5']


@pytest.mark.parametrize('name', NAMES, ids=range(len(NAMES)))
async def test_a_hostile_name_is_one_argument(tmp_path: Path, name: str) -> None:
    found = await seen(tmp_path, 'one', 'name: {{ data.x }}', 'three', data={'x': name})

    assert (len(found), found[0], found[1][:6], found[2]) == (3, 'one', 'name: ', 'three')


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names | nasty_text, names | nasty_text)
async def test_no_value_is_ever_another_argument(tmp_path: Path, one: str, two: str) -> None:
    found = await seen(tmp_path, '-x', '={{ data.one }}=', '--', '{{ data.two }}', data={'one': one, 'two': two})

    assert [found[0], found[1][0], found[1][-1], found[2], len(found)] == ['-x', '=', '=', '--', 4]
    assert not {'\n', '\r', '\x1b', '\u202e'} & set(''.join(found))


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(categories=['L', 'N', 'S']), min_size=1))
async def test_letters_come_as_they_are(tmp_path: Path, text: str) -> None:
    assert await seen(tmp_path, '{{ data.x }}', data={'x': text}) == [text]


@pytest.mark.parametrize('value', ['-rf', '--help', '-', -5])
async def test_a_value_that_a_program_would_take_for_an_option_is_a_dead_letter(tmp_path: Path, value: Any) -> None:
    outcomes = await run(tmp_path, SHOW, 'a', '{{ data.x }}', data={'x': value})

    assert outcomes == [Outcome.DEAD]
    assert outcomes.reasons[0].text == (
        'handler test, options.argv.5: it would begin with -, which /bin/sh takes for an option; '
        "put '--' before it, if the program knows that, or text"
    )


async def test_behind_two_dashes_it_is_none(tmp_path: Path) -> None:
    assert await seen(tmp_path, '--', '{{ data.x }}', data={'x': '-rf'}) == ['--', '-rf']


async def test_a_missing_field_is_a_dead_letter_that_names_the_argument(tmp_path: Path) -> None:
    outcomes = await run(tmp_path, SHOW, '{{ data.x }}')

    assert outcomes == [Outcome.DEAD]
    assert 'options.argv.4: data.x is not in the event' in outcomes.reasons[0].text


async def test_arguments_that_are_too_long_for_the_system_are_a_dead_letter(tmp_path: Path) -> None:
    outcomes = await run(tmp_path, SHOW, 'x{{ data.x }}', data={'x': 'x' * 900_000})

    assert (list(outcomes), outcomes.reasons[0].text) == (
        [Outcome.DEAD],
        '/bin/sh cannot be run: its arguments are too long',
    )


# ---- standard input and environment


async def test_the_event_is_json_on_standard_input(tmp_path: Path) -> None:
    await run(tmp_path, 'cat > stdin', data={'x': HOSTILE['newlines']})

    found = json.loads((tmp_path / 'stdin').read_text())
    assert (found['name'], found['data'], found['attempt'], found['handler']) == (
        'fax_outbound_failed',
        {'x': HOSTILE['newlines']},
        1,
        'test',
    )


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names | nasty_text)
@example('\ud800\udc00')
async def test_on_standard_input_a_name_is_one_text(tmp_path: Path, name: str) -> None:
    await run(tmp_path, 'cat > stdin', data={'x': name, 'y': 1})

    (line,) = (tmp_path / 'stdin').read_bytes().split(b'\n')[:-1]
    assert json.loads(line)['data'] == {'x': paired(name), 'y': 1}


async def test_a_burst_comes_with_its_events(tmp_path: Path) -> None:
    await run(tmp_path, 'cat > stdin', data={'x': 1}, burst=True, collapse='30s')

    found = json.loads((tmp_path / 'stdin').read_text())['burst']
    assert (found['count'], [each['data'] for each in found['events']]) == (2, [{'x': 1}, {'x': 1}])


async def test_a_program_need_not_read_it(tmp_path: Path) -> None:
    assert await run(tmp_path, 'exec <&-', data={'x': 'x' * 500_000}) == [Outcome.DONE]


async def test_the_environment_is_clean_and_its_names_are_fixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('CREDENTIALS_DIRECTORY', '/run/credentials')
    found = await environment(tmp_path)

    assert sorted(found) == [
        'BUSD_ATTEMPT',
        'BUSD_BURST_COUNT',
        'BUSD_CALL_ID',
        'BUSD_EVENT_ID',
        'BUSD_EVENT_NAME',
        'BUSD_HANDLER',
        'BUSD_ORIGIN_UUID',
        'BUSD_ROUTING_KEY',
        'BUSD_TENANT_UUID',
        'BUSD_TIMESTAMP',
        'HOME',
        'LANG',
        'PATH',
    ]
    assert (found['PATH'], found['HOME'], found['LANG']) == (PATH, str(tmp_path), 'C.UTF-8')
    assert (found['BUSD_EVENT_NAME'], found['BUSD_HANDLER']) == ('fax_outbound_failed', 'test')


async def test_more_variables_come_from_the_configuration(tmp_path: Path) -> None:
    found = await environment(tmp_path, options={'environment': {'LAMP_TOKEN': '{{ secret }}', 'LANG': 'de_DE.UTF-8'}})

    assert (found['LAMP_TOKEN'], found['LANG']) == ('{{ secret }}', 'de_DE.UTF-8')


@pytest.mark.parametrize('name', NAMES, ids=range(len(NAMES)))
async def test_a_hostile_name_makes_no_other_variable(tmp_path: Path, name: str) -> None:
    event = make_event(name, {}, routing_key='my.key', headers={'tenant_uuid': name})
    argv = ['/bin/sh', '-c', 'cp /proc/$$/environ environ']

    assert await deliver(Exec, event, options={'argv': argv}, state_dir=tmp_path) == [Outcome.DONE]
    lines = (tmp_path / 'environ').read_bytes().decode().split('\0')[:-1]
    assert len(lines) == 13
    assert not any(letter in '\n\r\x1b\u202e' for line in lines for letter in line)


async def test_it_runs_in_its_state_directory_where_nobody_else_can_read_what_it_writes(tmp_path: Path) -> None:
    await run(tmp_path, 'pwd > where')

    assert (tmp_path / 'where').read_text() == f'{tmp_path}\n'
    assert stat.S_IMODE((tmp_path / 'where').stat().st_mode) == 0o600


async def test_it_inherits_no_open_file(tmp_path: Path) -> None:
    with (tmp_path / 'secret').open('w') as file:
        os.set_inheritable(file.fileno(), True)
        await run(tmp_path, 'ls -l /proc/$$/fd > files')

    assert 'secret' not in (tmp_path / 'files').read_text()


# ---- how it ends


@pytest.mark.parametrize(
    ('script', 'outcome'),
    [
        ('exit 0', Outcome.DONE),
        ('exit 75', Outcome.RETRY),
        ('exit 1', Outcome.DEAD),
        ('exit 74', Outcome.DEAD),
        ('exit 255', Outcome.DEAD),
        ('kill -KILL $$', Outcome.RETRY),
        ('kill -TERM $$', Outcome.RETRY),
    ],
)
async def test_the_exit_code_decides(tmp_path: Path, script: str, outcome: Outcome) -> None:
    assert await run(tmp_path, script) == [outcome]


async def test_a_dead_letter_has_the_end_of_what_it_said_of_its_errors(tmp_path: Path) -> None:
    outcomes = await run(tmp_path, "seq 99999 >&2; printf 'the lamp\\033[31m is out\\n' >&2; echo fine; exit 3")

    text = outcomes.reasons[0].text
    assert text.startswith('/bin/sh exited with 3\n')
    assert text.endswith('\n99999\nthe lamp\\x1b[31m is out')
    assert len(text) < 2_100


async def test_one_that_said_nothing_of_errors_has_the_end_of_its_output(tmp_path: Path) -> None:
    outcomes = await run(tmp_path, 'echo no lamp; exit 3')

    assert outcomes.reasons[0].text == '/bin/sh exited with 3\nno lamp'


async def test_what_is_to_be_tried_again_says_why(tmp_path: Path) -> None:
    outcomes = await run(tmp_path, 'echo busy >&2; exit 75')

    assert outcomes.retries[0].first_error == 'Retry: /bin/sh exited with 75 busy'


async def test_the_signal_that_ended_it_is_named(tmp_path: Path) -> None:
    outcomes = await run(tmp_path, 'kill -SEGV $$')

    assert outcomes.retries[0].first_error == 'ProgramKilled: /bin/sh was ended by SIGSEGV'


async def test_output_without_end_does_not_block_it_and_is_not_kept(tmp_path: Path) -> None:
    outcomes = await run(tmp_path, 'head -c 50000000 /dev/zero; head -c 50000000 /dev/zero >&2; echo end >&2; exit 1')

    assert outcomes.reasons[0].text.endswith('end')


async def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    assert await patiently(run(tmp_path, 'sleep 1000 & echo $! > child')) == [Outcome.DONE]

    await eventually(lambda: not is_alive(int((tmp_path / 'child').read_text())))


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has collected does not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


async def run_too_long(state_dir: Path, script: str) -> Outcome | None:
    """Let the handler run a script until that has made a file `up`, and then let its time be over."""
    options = {'argv': ['/bin/sh', '-c', script]}
    handler = make_handler(Exec, options=options, timeout='15m', retry={'in_place': 0})
    await handler.start(make_context(options=handler.options, state_dir=state_dir))
    rig = Rig(handler)
    delivery = rig.give({})
    await eventually((state_dir / 'up').exists)
    rig.expire()
    await rig.all_settled()
    return delivery.settled


async def test_a_timeout_ends_all_that_it_has_started_even_what_ignores_it(tmp_path: Path) -> None:
    script = 'trap "" TERM; (trap "" TERM; sleep 1000) & echo $! > child; echo $$ > parent; touch up; sleep 1000'

    assert await run_too_long(tmp_path, script) is Outcome.RETRY
    await eventually(lambda: not is_alive(int((tmp_path / 'child').read_text())))
    await eventually(lambda: left_of(tmp_path) == [])


async def test_one_that_is_not_gone_as_soon_as_it_is_killed_is_collected_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, '_KILL_SECONDS', 0.0)
    await run_too_long(tmp_path, 'trap "" TERM; touch up; while :; do sleep 0.1; done')

    await eventually(lambda: left_of(tmp_path) == [])


@pytest.mark.parametrize('turns', range(1, 8))
async def test_one_that_is_cancelled_while_it_starts_leaves_nothing_running(tmp_path: Path, turns: int) -> None:
    argv = ['/bin/sh', '-c', 'sleep 1000 & echo $! > child.new; mv child.new child; wait']
    task = asyncio.create_task(program.run(argv, cwd=tmp_path, env={'PATH': PATH}, stdin=b''))
    for _ in range(turns):
        await asyncio.sleep(0)
    # The loop stands still meanwhile, so that the start is where it is.
    while running_in(tmp_path) and not (tmp_path / 'child').exists():
        pass

    task.cancel()
    await patiently(asyncio.wait([task]))

    await eventually(lambda: running_in(tmp_path) == [])
    assert task.cancelled()


def running_in(directory: Path) -> list[str]:
    """The processes that run in a directory."""
    found = []
    for process in Path('/proc').glob('[0-9]*'):
        with suppress(OSError):
            if (process / 'cwd').readlink() == directory:
                found.append(process.name)
    return found


def left_of(directory: Path) -> list[str]:
    """The processes that run in a directory, and our children that have ended and that nobody has collected."""
    found = running_in(directory)
    for process in Path('/proc').glob('[0-9]*'):
        with suppress(OSError):
            state, parent = (process / 'stat').read_text().rsplit(')', 1)[1].split()[:2]
            if state == 'Z' and int(parent) == os.getpid():
                found.append(process.name)
    return found


async def test_one_that_is_asked_to_end_may_tidy_up(tmp_path: Path) -> None:
    script = 'trap "echo tidy > end; exit 1" TERM; sleep 1000 & touch up; wait'

    assert await run_too_long(tmp_path, script) is Outcome.RETRY
    assert (tmp_path / 'end').read_text() == 'tidy\n'


async def test_a_drain_that_waits_no_longer_ends_it(tmp_path: Path) -> None:
    options = {'argv': ['/bin/sh', '-c', 'echo $$ > parent; sleep 1000']}
    handler = make_handler(Exec, options=options)
    await handler.start(make_context(options=handler.options, state_dir=tmp_path))
    rig = Rig(handler)
    rig.give({})
    await eventually(lambda: (tmp_path / 'parent').exists() and bool((tmp_path / 'parent').read_text()))

    await patiently(rig.dispatcher.drain(0.0))

    await eventually(lambda: not is_alive(int((tmp_path / 'parent').read_text())))
    assert len(rig.settlements.left) == 1


async def test_many_run_side_by_side(tmp_path: Path) -> None:
    events = [make_event('call_created', {'n': n}) for n in range(4)]
    # Each waits for the others.
    script = 'touch "$1"; while [ $(ls n* | wc -l) -lt 4 ]; do sleep 0.01; done'
    argv = ['/bin/sh', '-c', script, 'script', 'n{{ data.n }}']

    assert await patiently(deliver(Exec, *events, options={'argv': argv}, state_dir=tmp_path)) == [Outcome.DONE] * 4


# ---- on the loop that the daemon has where uvloop is installed


@pytest.mark.parametrize(
    ('script', 'more', 'outcome'),
    [
        ('cat > stdin; pwd > where', {}, Outcome.DONE),
        ('exec <&-', {'data': {'x': 'x' * 500_000}}, Outcome.DONE),
        ('echo no lamp; exit 3', {}, Outcome.DEAD),
        ('exit 75', {}, Outcome.RETRY),
        ('kill -KILL $$', {}, Outcome.RETRY),
        ('trap "" TERM; sleep 1000 & wait', {'timeout': '500ms'}, Outcome.RETRY),
        ('sleep 1000 & exit 0', {}, Outcome.DONE),
        ('head -c 50000000 /dev/zero; exit 1', {}, Outcome.DEAD),
    ],
)
def test_on_uvloop_a_program_runs_and_ends_as_on_the_other(
    tmp_path: Path, script: str, more: dict[str, Any], outcome: Outcome
) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(patiently(run(tmp_path, script, **more))) == [outcome]
        runner.run(eventually(lambda: left_of(tmp_path) == []))


def test_on_uvloop_it_gets_all_of_its_input_and_nobody_else_can_read_what_it_writes(tmp_path: Path) -> None:
    data = {'x': 'x' * 500_000}
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(patiently(run(tmp_path, 'sleep 0.1; cat > stdin', data=data)))

    assert json.loads((tmp_path / 'stdin').read_text())['data'] == data
    assert stat.S_IMODE((tmp_path / 'stdin').stat().st_mode) == 0o600


# ---- a program that is not there


async def test_a_program_that_is_missing_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'there is no program /nonexistent/lamp; next: ls -l /nonexistent'):
        await started(Exec, options={'argv': ['/nonexistent/lamp']})


async def test_so_is_one_that_cannot_be_executed(tmp_path: Path) -> None:
    (tmp_path / 'lamp').write_text('#!/bin/sh\n')

    with pytest.raises(PermissionError, match=r'cannot be executed; next: chmod \+x '):
        await started(Exec, options={'argv': [str(tmp_path / 'lamp')]})


async def test_so_is_a_name_that_is_nowhere() -> None:
    with pytest.raises(FileNotFoundError, match='there is no program no-such-lamp in /usr'):
        await started(Exec, options={'argv': ['no-such-lamp']})


@pytest.mark.parametrize(('program', 'number'), [('/nonexistent/lamp', 1), ('/bin/true', 0), ('true', 0)])
def test_check_warns_of_it(program: str, number: int) -> None:
    assert len(list(Exec.Options.model_validate({'argv': [program]}).surprises())) == number


async def test_one_that_goes_while_the_handler_runs_lets_the_events_wait(tmp_path: Path) -> None:
    program = tmp_path / 'lamp'
    program.write_text('#!/bin/sh\n')
    program.chmod(0o755)
    handler = make_handler(Exec, options={'argv': [str(program)]})
    context = make_context(options=handler.options, state_dir=tmp_path)
    await handler.start(context)
    program.unlink()

    (call,) = [call for _, call in handler._calls]
    with pytest.raises(Retry, match=f'{program} cannot be run: No such file or directory; next: ls -l {program}'):
        await call.run(make_event('call_created'))


# ---- options


@pytest.mark.parametrize(
    ('options', 'text'),
    [
        ({}, 'Field required'),
        ({'argv': []}, 'at least 1 item'),
        ({'argv': 'lamp on'}, 'valid list'),
        ({'argv': ['{{ data.x }}']}, 'the program cannot come from an event'),
        ({'argv': ['/bin/{{ names.x }}']}, 'the program cannot come from an event'),
        ({'argv': ['./lamp']}, 'expected the program first, with its whole path'),
        ({'argv': ['']}, 'expected the program first, with its whole path'),
        ({'argv': ['/bin/true', 'a\0b']}, 'an argument has no NUL'),
        ({'argv': ['/bin/true'], 'shell': True}, 'Extra inputs'),
        ({'argv': ['/bin/true'], 'environment': {'BUSD_EVENT_ID': '1'}}, 'none beginning with BUSD_'),
        ({'argv': ['/bin/true'], 'environment': {'A-B': '1'}}, 'expected names of variables'),
        ({'argv': ['/bin/true'], 'environment': {'A': 'a\0'}}, 'a variable has no NUL'),
    ],
)
def test_options_that_cannot_be_are_refused(options: Mapping[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Exec.Options.model_validate(options)


async def test_what_it_is_given_is_not_in_the_log(tmp_path: Path, log: StringIO) -> None:
    await run(tmp_path, 'cat', 'x{{ data.x }}', data={'x': 'a-secret'}, options={'environment': {'TOKEN': 'b-secret'}})

    assert 'secret' not in log.getvalue()
    assert log_lines(log, 'event_handled')


async def test_nor_is_what_it_has_said(tmp_path: Path, log: StringIO) -> None:
    await run(tmp_path, 'echo about a-secret >&2; exit 3')

    assert 'secret' not in log.getvalue()
    assert [line['error_text'] for line in log_lines(log, 'event_dead')] == ['/bin/sh exited with 3']


async def test_secrets_of_the_configuration_are_not_in_what_it_has_said(tmp_path: Path) -> None:
    handler = make_handler(
        Exec, options={'argv': ['/bin/sh', '-c', 'echo token=$T; exit 3'], 'environment': {'T': 'a-secret'}}
    )
    context = make_context(options=handler.options, state_dir=tmp_path, secrets=['a-secret'])
    await handler.start(context)
    (call,) = [call for _, call in handler._calls]

    with pytest.raises(Permanent, match=r'exited with 3\ntoken=…$'):
        await call.run(make_event('call_created'))


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names)
async def test_what_a_program_repeats_of_a_name_is_shown_and_not_obeyed(tmp_path: Path, name: str) -> None:
    outcomes = await run(tmp_path, 'printf "%s" "$1" >&2; exit 3', 'by {{ data.x }}.', data={'x': name})

    first, *lines = outcomes.reasons[0].text.split('\n')
    # Joiners make one sign of several, and are kept.
    assert (first, len(lines)) == ('/bin/sh exited with 3', 1)
    assert lines[0].replace('\u200c', '').replace('\u200d', '').isprintable()


async def test_no_task_is_left_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    await run(tmp_path, 'sleep 1000 & exit 0')

    assert asyncio.all_tasks() == before
