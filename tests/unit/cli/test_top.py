# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd top`: from snapshots to rates, from these to frames, and what keys do."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.unit.cli.conftest import Shell
from tests.unit.controlled import FakeDaemon, daemon_status, handler_status, listening, short_directory
from wazo_busd.cli import main
from wazo_busd.cli.status import rate
from wazo_busd.cli.top_frame import ASCII, frame, sparkline, texts
from wazo_busd.cli.top_screen import keys
from wazo_busd.cli.top_snapshot import History, Snapshot, WaitingLine, take
from wazo_busd.cli.top_view import Deed, Reader, View, Wish
from wazo_busd.outcome import Outcome
from wazo_busd.settlement import Counts
from wazo_busd.status import State

SINCE = 1_700_000_000.0
NOW = SINCE + 11_540.0
EXPOSITION = """\
wazo_busd_calls_conversations{handler="calls",direction="internal"} 2.0
wazo_busd_calls_conversations{handler="calls",direction="inbound"} 1.0
wazo_busd_queues_waiting{handler="queues",queue="sales"} 2.0
wazo_busd_queues_longest_wait_seconds{handler="queues",queue="sales"} 45.0
wazo_busd_queues_agents{handler="queues",queue="sales",state="logged_in"} 3.0
wazo_busd_queues_waiting{handler="queues",queue="a\\"b\\\\n"} 0.0
"""


def counts(received: int, done: int, dead: int = 0) -> Counts:
    made = Counts(received=received)
    made.outcomes[Outcome.DONE] = done
    made.outcomes[Outcome.DEAD] = dead
    return made


def snapshot(at: float, more: Sequence[Any] = (), *, received: int = 0, **status: Any) -> Snapshot:
    """A snapshot of a daemon with the handler `crm`, which has received so many events."""
    crm = handler_status(name='crm', counts=counts(received, received))
    told = daemon_status(crm, *more, **status).plain(in_full=True)
    return Snapshot(at, told)


def history(*received: int, more: Sequence[Any] = ()) -> History:
    """A history with a snapshot a second."""
    made = History()
    for second, number in enumerate(received):
        made.add(snapshot(float(second), more, received=number))
    return made


def view(*received: int, more: Sequence[Any] = ()) -> View:
    made = View(history(*received, more=more))
    made.settle()
    return made


def shown(view: View, width: int = 80, height: int | None = 24, glyphs: str = ' ▁▂▃▄▅▆▇█') -> list[str]:
    return list(texts(frame(view, width=width, height=height, now=NOW, glyphs=glyphs)))


FAXES = handler_status(State.RESTING, 'the mail server is out', name='faxes', in_hand=3, counts=counts(12, 9, 3))


# ---- snapshots and rates


def test_a_rate_is_what_came_between_samples_by_the_time_between() -> None:
    made = History()
    made.add(snapshot(10.0, received=100))
    made.add(snapshot(12.0, received=150))

    assert (made.rates('crm').received, made.rates('crm').now, made.rates('crm').done) == ((25.0,), 25.0, 25.0)


def test_the_rate_that_is_told_is_that_of_the_last_seconds() -> None:
    assert history(0, 1000, 1000, 1000, 1000, 1000, 1000).rates().now == 0.0


def test_all_handlers_together_are_summed() -> None:
    assert history(0, 10, more=[FAXES]).rates().now == 10.0


def test_one_sample_has_no_rate() -> None:
    assert (history(5).rates().now, history().rates().received) == (0.0, ())


def test_a_handler_that_was_begun_anew_has_no_rate_below_nothing() -> None:
    assert history(100, 3).rates('crm').received == (0.0,)


def test_a_handler_that_is_new_begins_with_no_rate() -> None:
    made = history(5)
    made.add(snapshot(1.0, [FAXES], received=5))

    assert made.rates('faxes').received == (0.0,)


def test_a_daemon_that_was_started_since_is_another_story() -> None:
    made = history(100, 200)
    made.add(Snapshot(2.0, {**snapshot(2.0, received=5).status, 'since': SINCE + 60}))

    assert made.rates().received == ()


def test_two_samples_at_the_same_time_have_no_rate() -> None:
    made = History()
    made.add(snapshot(1.0, received=1))
    made.add(snapshot(1.0, received=2))

    assert made.rates().now == 0.0


@pytest.mark.parametrize(('plugin', 'asked'), [('webhook', ['/status']), ('queues', ['/status', '/metrics'])])
def test_figures_are_asked_for_only_where_a_tracker_has_some(plugin: str, asked: list[str]) -> None:
    told: list[str] = []
    status = daemon_status(handler_status()).plain(in_full=True)
    status['handlers'][0]['plugin'] = plugin

    def ask(page: str) -> Any:
        told.append(page)
        return status if page == '/status' else EXPOSITION

    take(ask)
    assert told == asked


def test_calls_and_queues_are_read_from_the_figures() -> None:
    status = daemon_status(handler_status()).plain(in_full=True)
    status['handlers'][0]['plugin'] = 'calls'
    found = take(lambda page: status if page == '/status' else EXPOSITION)

    assert found.calls == {'internal': 2, 'inbound': 1}
    assert found.lines == (WaitingLine('sales', 2, 45.0, {'logged_in': 3}), WaitingLine('a"b\\n'))


@pytest.mark.parametrize(
    ('values', 'width', 'bars'),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], 9, ' ▁▂▃▄▅▆▇█'),
        ([0.001, 100], 2, '▁█'),
        ([5, 5], 4, '  ██'),
        ([0, 0], 2, '  '),
        ([1, 2, 3], 2, '▅█'),
        ([], 3, '   '),
        ([1], 0, ''),
    ],
)
def test_a_sparkline_is_as_high_as_its_highest_value(values: list[float], width: int, bars: str) -> None:
    assert sparkline(values, width) == bars


@given(st.lists(st.floats(0, 1e9, allow_subnormal=False)), st.integers(0, 100))
def test_a_sparkline_is_as_wide_as_there_is_room(values: list[float], width: int) -> None:
    assert len(sparkline(values, width)) == width


@pytest.mark.parametrize(
    ('value', 'told'), [(0.0, '0.0'), (0.01, '<0.1'), (0.2, '0.2'), (12.34, '12.3'), (123.4, '123'), (5000.0, '5000')]
)
def test_a_rate_is_short(value: float, told: str) -> None:
    assert rate(value) == told


# ---- frames


def test_a_frame_shows_daemon_rates_and_handlers() -> None:
    lines = shown(view(0, 10, 30, more=[FAXES]))

    assert lines[0].startswith('wazo-busd 0.1.0  connected to localhost:5672  up 3 h 12 min')
    assert (lines[1].startswith('15.0 events/s'), lines[1].endswith('backlog 3  dead 3')) == (True, True)
    assert [' '.join(line.split()) for line in lines[4:6]] == [
        '> crm consuming 15.0 0 0 30 0 ▄█',
        'faxes resting 0.0 3 3 9 0',
    ]
    assert lines[-1].startswith('p pause  t tail  d dead letters')


def test_why_the_selected_handler_does_not_consume_is_told() -> None:
    made = view(0, more=[FAXES])
    made.press('j')

    assert shown(made)[-2] == 'faxes: the mail server is out'


def test_calls_and_queues_are_shown() -> None:
    made = view(0)
    made.history.add(
        Snapshot(1.0, snapshot(1.0).status, {'internal': 2, 'inbound': 0}, (WaitingLine('sales', 2, 75.0),))
    )

    assert shown(made)[2:4] == ['2 calls: 2 internal', 'queue sales: 2 wait, 1 min 15 s']


def test_of_many_queues_those_are_shown_that_there_is_room_for() -> None:
    made = view(0)
    lines = tuple(WaitingLine(f'q{number}') for number in range(50))
    made.history.add(Snapshot(1.0, snapshot(1.0).status, {}, lines))

    assert [line for line in shown(made) if 'queues more' in line] == ['and 47 queues more']


@pytest.mark.parametrize('text', ['\x1b[2J', 'a\nb', '\u202e', '\x9b'])
def test_what_came_over_the_bus_cannot_control_the_terminal(text: str) -> None:
    made = view(0, more=[handler_status(State.STOPPED, text, name='x')])
    made.history.add(Snapshot(1.0, {**made.history.last.status, 'summary': text}, {text: 1}, (WaitingLine(text, 1),)))  # type: ignore[union-attr]
    made.selected = 'x'

    assert [line for line in shown(made) if not line.isprintable()] == []


@given(
    st.integers(20, 300), st.integers(3, 100), st.integers(0, 40), st.sampled_from(['', 'j', 'G', '?', 'p', 'reader'])
)
def test_a_frame_fits_whatever_size_the_terminal_has(width: int, height: int, number: int, key: str) -> None:
    more = [handler_status(State.REFUSED, 'w' * 400, name=f'queue-{each}' * 3) for each in range(number)]
    made = view(0, 7, more=more)
    made.history.add(Snapshot(2.0, snapshot(2.0, more).status, {'internal': 3}, (WaitingLine('売り場' * 30, 2),)))
    made.reader = Reader('t', ['x' * 500] * 90) if key == 'reader' else None
    made.press(key)
    lines = frame(made, width=width, height=height, now=NOW)

    assert {cell_len(line.plain) for line in lines} == {width}
    assert len(lines) == height


@given(st.integers(9, 40), st.integers(1, 60), st.integers(0, 60))
def test_the_selected_handler_is_always_to_be_seen(height: int, number: int, steps: int) -> None:
    made = view(0, more=[handler_status(name=f'h{each:02}') for each in range(number)])
    for _ in range(steps):
        made.press('down')

    assert [line.split()[1] for line in shown(made, height=height) if line.startswith('> ')] == [made.selected]


@pytest.mark.parametrize('width', [20, 30, 40, 60])
def test_a_narrow_terminal_shows_handlers_and_states_first(width: int) -> None:
    lines = shown(view(0, 10, more=[FAXES]), width=width)

    (crm,) = [line for line in lines if line.startswith('> crm')]
    assert crm.split()[:3] == ['>', 'crm', 'consuming']


def test_where_the_terminal_has_no_blocks_a_frame_is_ascii() -> None:
    assert all(line.isascii() for line in shown(view(0, 10, 30), glyphs=ASCII))


def test_a_daemon_that_has_gone_away_is_told_and_what_was_known_stays() -> None:
    made = view(0, 10)
    made.history.away = 'the daemon does not run'
    lines = shown(made)

    assert (lines[0], lines[-1]) == ('the daemon does not run', 'it is looked for every second; q quits')
    assert any('crm' in line for line in lines)


def test_when_it_is_back_it_is_shown_again() -> None:
    made = view(0, 10)
    made.history.away = 'the daemon does not run'
    made.history.add(snapshot(9.0, received=11))

    assert shown(made)[0].startswith('wazo-busd ')


def test_before_the_first_answer_it_says_that_it_asks() -> None:
    assert shown(View())[0] == 'asking the daemon …'


# ---- keys


@pytest.mark.parametrize(
    ('typed', 'pressed'),
    [
        ('q', ['q']),
        ('jk', ['j', 'k']),
        ('\x1b[A\x1b[B\x1bOA', ['up', 'down', 'up']),
        ('\x1b[5~\x1b[6~', ['page up', 'page down']),
        ('\x1b[H\x1b[1~\x1b[F', ['home', 'home', 'end']),
        ('\x1b', ['escape']),
        ('\r\n', ['enter', 'enter']),
        ('\x1b[1;5C', ['']),
        ('é', ['é']),
    ],
)
def test_what_a_terminal_sends_is_keys(typed: str, pressed: list[str]) -> None:
    assert list(keys(typed)) == pressed


@given(st.text(max_size=50))
def test_whatever_is_typed_does_no_harm(typed: str) -> None:
    made = view(0, more=[FAXES])
    for key in keys(typed):
        made.press(key)
    assert made.selected in made.handlers


def test_a_handler_is_paused_only_after_a_yes() -> None:
    made = view(0)

    assert (made.press('p'), made.press('y')) == (None, Wish(Deed.PAUSE, 'crm'))


@pytest.mark.parametrize('key', ['n', 'p', 'enter', 'escape', ' ', 'q'])
def test_anything_but_a_yes_is_a_no(key: str) -> None:
    made = view(0)
    made.press('p')

    assert (made.press(key), made.question) == (None, None)


def test_one_that_is_paused_is_let_go_on() -> None:
    made = view(0, more=[handler_status(State.PAUSED, name='faxes')])
    made.press('down')
    made.press('p')

    assert shown(made)[-1] == 'faxes: let it take events again? y or n'
    assert made.press('y') == Wish(Deed.RESUME, 'faxes')


@pytest.mark.parametrize(('key', 'deed'), [('t', Deed.TAIL), ('d', Deed.DEAD)])
def test_keys_are_about_the_selected_handler(key: str, deed: Deed) -> None:
    made = view(0, more=[FAXES])
    made.press('down')

    assert made.press(key) == Wish(deed, 'faxes')


@pytest.mark.parametrize('key', ['p', 't', 'd', 'up', 'j', 'G'])
def test_without_handlers_keys_do_nothing(key: str) -> None:
    assert View().press(key) is None


def test_the_selection_follows_its_handler() -> None:
    made = view(0, more=[FAXES])
    made.press('G')
    made.history.add(snapshot(1.0, [handler_status(name='a'), FAXES]))
    made.settle()

    assert made.selected == 'faxes'


def test_the_selection_of_one_that_is_gone_goes_to_the_first() -> None:
    made = view(0, more=[FAXES])
    made.press('G')
    made.history.add(snapshot(1.0))
    made.settle()

    assert made.selected == 'crm'


def test_a_text_is_read_page_by_page_and_not_beyond_its_end() -> None:
    made = view(0)
    made.reader = Reader('dead letters', [f'line {number}' for number in range(50)])
    shown(made)
    for key in (' ', ' ', ' ', ' '):
        made.press(key)
    lines = shown(made)

    assert (lines[1], lines[-2], lines[-1].startswith('29 to 50 of 50')) == ('line 28', 'line 49', True)
    made.press('q')
    assert made.reader is None


def test_help_goes_away_by_any_key() -> None:
    made = view(0)
    made.press('?')
    assert 'any key goes back' in shown(made)
    made.press('x')
    assert 'any key goes back' not in shown(made)


def test_q_quits() -> None:
    assert view(0).press('q') == Wish(Deed.QUIT)


# ---- the command where there is no terminal


@pytest.fixture
def running(shell: Shell) -> Iterator[FakeDaemon]:
    daemon = FakeDaemon()
    with short_directory() as directory, listening(daemon, directory / 'control.sock'):
        shell.config.write_text(f'http: {{socket: {directory}/control.sock}}\n')
        yield daemon


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.cli.top.INTERVAL_SECONDS', 0.01)


def test_where_there_is_no_terminal_one_frame_is_printed(shell: Shell, running: FakeDaemon) -> None:
    running.said = daemon_status(handler_status(), FAXES)
    done = shell('top', '-c', str(shell.config))

    assert (done.exit_code, '\x1b' in done.stdout, 'the mail server is out' in done.stdout) == (0, False, True)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_for_programs_there_are_rates(shell: Shell, running: FakeDaemon) -> None:
    told = json.loads(shell('top', '-o', 'json', '-c', str(shell.config)).stdout)

    assert (told['received_per_second'], told['handlers'][0]['done_per_second'], told['calls']) == (0.0, 0.0, None)


def test_a_daemon_that_does_not_run_is_told(shell: Shell, tmp_path: Path) -> None:
    shell.config.write_text(f'http: {{socket: {tmp_path}/none.sock}}\n')
    done = shell('top', '-c', str(shell.config))

    assert (done.exit_code, 'the daemon does not run' in done.stderr, 'next: ' in done.stderr) == (3, True, True)


def test_if_it_does_not_run_a_wrong_configuration_is_told(shell: Shell, tmp_path: Path) -> None:
    done = shell('top', '-c', str(tmp_path / 'none.yml'))

    assert (done.exit_code, done.stderr.splitlines()[-1]) == (78, f'next: wazo-busd check -c {tmp_path}/none.yml')


def test_a_daemon_of_another_version_is_told(
    shell: Shell, running: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('wazo_busd.status.DaemonStatus.plain', lambda self, in_full: {'since': 1})
    done = shell('top', '-c', str(shell.config))

    assert (done.exit_code, 'as of another version: KeyError. next: ' in done.stderr) == (3, True)


EXAMPLES = [line.strip() for line in (main.commands['top'].help or '').partition('Examples:')[2].splitlines()]


@pytest.mark.parametrize('example', [each for each in EXAMPLES if each])
def test_the_examples_of_the_help_work(shell: Shell, running: FakeDaemon, example: str) -> None:
    program, *arguments = shlex.split(example)

    assert (program, shell(*arguments, '-c', str(shell.config)).exit_code) == ('wazo-busd', 0)
