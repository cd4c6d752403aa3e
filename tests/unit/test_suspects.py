# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The suspects: who was there at a crash, how often, and who waits for whom."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.rig import Settlements, log_lines, make_delivery, patiently, turn
from wazo_busd import suspects as module
from wazo_busd.delivery import Delivery
from wazo_busd.suspects import Suspects

MONTH_SECONDS = 30 * 86_400.0


def delivery_of(body: bytes) -> Delivery:
    return make_delivery(Settlements(), body=body)


def identity_of(body: bytes) -> str:
    return delivery_of(body).identity


def crash(state_dir: Path, *, alone: Iterable[bytes] = (), beside: Iterable[bytes] = (), handler: str = 'bell') -> None:
    """Leave what a process leaves that ended in the midst of these events."""
    box = loaded(state_dir).black_box(handler, 10)
    for body in alone:
        box.enter(delivery_of(body), alone=True)
    for body in beside:
        box.enter(delivery_of(body))


def loaded(state_dir: Path) -> Suspects:
    """The suspects, as the next process finds them."""
    suspects = Suspects(state_dir)
    suspects.load()
    return suspects


def crashes(suspects: Suspects, *bodies: bytes) -> list[int]:
    return [suspects.crashes('bell', identity_of(body)) for body in bodies]


def nobody() -> None:
    """Told that others run again."""


# ---- what is found


async def test_where_nothing_crashed_there_are_no_suspects(tmp_path: Path) -> None:
    assert not loaded(tmp_path).any


async def test_whoever_was_there_is_a_suspect(tmp_path: Path) -> None:
    crash(tmp_path, beside=[b'1', b'2'])

    assert crashes(loaded(tmp_path), b'1', b'2', b'3') == [1, 1, 0]


async def test_a_suspect_of_one_handler_is_none_of_another(tmp_path: Path) -> None:
    crash(tmp_path, beside=[b'1'])

    assert loaded(tmp_path).crashes('fax', identity_of(b'1')) == 0


async def test_each_crash_of_an_event_that_ran_alone_counts(tmp_path: Path) -> None:
    crash(tmp_path, beside=[b'1'])
    crash(tmp_path, alone=[b'1'])
    crash(tmp_path, alone=[b'1'])

    assert crashes(loaded(tmp_path), b'1') == [3]


async def test_that_an_event_was_there_beside_others_again_and_again_proves_nothing(tmp_path: Path) -> None:
    for _ in range(10):
        crash(tmp_path, beside=[b'1', b'2'])

    assert crashes(loaded(tmp_path), b'1', b'2') == [1, 1]


@pytest.mark.parametrize(('times', 'seconds'), [(1, 5.0), (2, 10.0), (3, 20.0), (50, 900.0)])
async def test_what_ends_the_process_late_has_longer_alone_each_time(
    tmp_path: Path, times: int, seconds: float
) -> None:
    for _ in range(times):
        crash(tmp_path, beside=[b'1'])

    assert loaded(tmp_path).seconds_alone('bell', identity_of(b'1')) == seconds


async def test_that_an_event_was_there_beside_others_takes_no_crash_away(tmp_path: Path) -> None:
    crash(tmp_path, beside=[b'1'])
    crash(tmp_path, alone=[b'1'])
    crash(tmp_path, beside=[b'1'])

    assert crashes(loaded(tmp_path), b'1') == [2]


async def test_an_end_without_a_crash_counts_for_nothing(tmp_path: Path) -> None:
    crash(tmp_path, beside=[b'1'])

    for _ in range(3):
        loaded(tmp_path)

    assert crashes(loaded(tmp_path), b'1') == [1]


async def test_the_suspects_of_several_handlers_are_found(tmp_path: Path) -> None:
    # Given a process that ended while two handlers ran
    suspects = loaded(tmp_path)
    for handler in ('bell', 'fax-alerts_2'):
        suspects.black_box(handler, 1).enter(delivery_of(b'1'))

    # When the next one looks
    found = loaded(tmp_path)

    # Then both have a suspect
    assert [found.crashes(handler, identity_of(b'1')) for handler in ('bell', 'fax-alerts_2')] == [1, 1]


async def test_an_event_that_has_ended_is_no_suspect_any_more_and_never_again(tmp_path: Path) -> None:
    # Given a suspect
    crash(tmp_path, beside=[b'1', b'2'])
    suspects = loaded(tmp_path)

    # When it has ended, and the process has not
    suspects.cleared('bell', identity_of(b'1'))

    # Then neither this process nor the next one suspects it; the other one stays
    assert (crashes(suspects, b'1', b'2'), crashes(loaded(tmp_path), b'1', b'2')) == ([0, 1], [0, 1])


async def test_when_the_last_one_is_cleared_there_are_no_suspects(tmp_path: Path) -> None:
    crash(tmp_path, beside=[b'1'])
    suspects = loaded(tmp_path)

    suspects.cleared('bell', identity_of(b'1'))

    assert not suspects.any


async def test_one_that_is_no_suspect_is_cleared_without_a_word(tmp_path: Path) -> None:
    suspects = loaded(tmp_path)

    suspects.cleared('bell', identity_of(b'1'))

    assert list(tmp_path.iterdir()) == []


async def test_that_there_was_a_crash_is_told(tmp_path: Path, log: StringIO) -> None:
    crash(tmp_path, beside=[b'1', b'2'])

    loaded(tmp_path)

    assert log_lines(log, 'crash_found') == [
        {'level': 'WARNING', 'suspects': '2', 'effect': 'each is run alone when it comes again'}
    ]


async def test_where_nothing_crashed_nothing_is_told(tmp_path: Path, log: StringIO) -> None:
    loaded(tmp_path)

    assert log_lines(log, 'crash_found') == []


@settings(max_examples=examples(40))
@given(
    st.lists(
        st.tuples(st.sampled_from([b'1', b'2', b'3']), st.lists(st.sampled_from([b'4', b'5', b'6']), unique=True)),
        max_size=5,
    )
)
async def test_whatever_crashed_only_what_ran_alone_has_more_than_one(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[bytes, list[bytes]]]
) -> None:
    # Given crashes, in each of which one event was run alone, and others no more
    state_dir = tmp_path_factory.mktemp('state')
    for alone, beside in history:
        crash(state_dir, alone=[alone], beside=beside)

    # When the next process counts
    suspects = loaded(state_dir)

    # Then it counts for each as many as it was alone in, and one for those that were there
    lone, others = [alone for alone, _ in history], {body for _, beside in history for body in beside}
    assert crashes(suspects, b'1', b'2', b'3') == [lone.count(body) for body in (b'1', b'2', b'3')]
    assert crashes(suspects, b'4', b'5', b'6') == [int(body in others) for body in (b'4', b'5', b'6')]


# ---- files


async def test_without_a_directory_nothing_is_kept() -> None:
    suspects = Suspects()

    suspects.load()
    slot = suspects.black_box('bell', 4).enter(delivery_of(b'1'))

    assert (suspects.any, slot) == (False, -1)


def write_counts(state_dir: Path, content: Any) -> None:
    (state_dir / 'crashes.json').write_text(content if isinstance(content, str) else json.dumps(content))


async def test_a_count_of_more_than_a_month_ago_is_forgotten(tmp_path: Path) -> None:
    old, new = time.time() - MONTH_SECONDS - 60, time.time() - MONTH_SECONDS + 60
    write_counts(tmp_path, {'bell': {'a' * 32: [2, old, 0], 'b' * 32: [2, new, 0]}, 'fax': {'a' * 32: [2, old, 0]}})

    suspects = loaded(tmp_path)

    assert [suspects.crashes('bell', each * 32) for each in 'ab'] == [0, 2]


async def test_a_handler_of_which_everything_is_forgotten_has_no_suspects(tmp_path: Path) -> None:
    write_counts(tmp_path, {'bell': {'a' * 32: [2, 1.0, 0]}})

    assert not loaded(tmp_path).any


@pytest.mark.parametrize(
    'content',
    [
        '',
        '{',
        '[]',
        'null',
        '3',
        {'bell': []},
        {'bell': {'a': 3}},
        {'bell': {'a': [1]}},
        {'bell': {'a': [1, 1e12]}},
        {'bell': {'a': ['x', 1e12, 0]}},
        {'bell': {'a': [math.inf, 1e12, 0]}},
    ],
)
async def test_counts_that_nobody_can_read_are_none_and_that_is_said(
    tmp_path: Path, log: StringIO, content: Any
) -> None:
    write_counts(tmp_path, content)

    suspects = loaded(tmp_path)

    (line,) = log_lines(log, 'crashes_unreadable')
    assert (suspects.any, line['hint']) == (False, f'rm {tmp_path / "crashes.json"}')


async def test_a_box_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path, log: StringIO) -> None:
    # Given a box that is a directory, beside one that is none
    crash(tmp_path, beside=[b'1'])
    (tmp_path / 'running' / 'a.box').mkdir()

    # When the next process looks
    suspects = loaded(tmp_path)

    # Then it finds the suspect of the other one
    (line,) = log_lines(log, 'black_box_unreadable')
    assert (crashes(suspects, b'1'), line['path']) == ([1], str(tmp_path / 'running' / 'a.box'))


async def test_counts_that_cannot_be_written_are_kept_in_this_process_and_that_is_said(
    tmp_path: Path, log: StringIO
) -> None:
    # Given a directory where the counts are to be written
    crash(tmp_path, beside=[b'1'])
    (tmp_path / 'crashes.new').mkdir()

    # When the next process looks
    suspects = loaded(tmp_path)

    # Then it knows its suspects all the same
    (line,) = log_lines(log, 'crashes_not_written')
    assert (crashes(suspects, b'1'), line['level']) == ([1], 'ERROR')


# ---- alone


class Crowd:
    """Suspects, and events that run among them."""

    def __init__(self) -> None:
        self.suspects = Suspects()
        self.begun: list[str] = []
        self.told: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self, name: str, *, suspect: bool = False) -> None:
        """Let an event be run, as far as it gets."""
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._suspect(name) if suspect else self._other(name))
        await turn()

    async def end(self, name: str) -> None:
        """Let an event end."""
        self._ends[name].set()
        await patiently(self._tasks[name])
        await turn()

    async def until_begun(self, name: str) -> None:
        async with asyncio.timeout(20):
            while name not in self.begun:
                await asyncio.sleep(0.001)

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])
        await turn()

    async def _other(self, name: str) -> None:
        await self.suspects.passage()
        await self._run(name)

    async def _suspect(self, name: str) -> None:
        async with self.suspects.alone('test', name, lambda: self.told.append(name)):
            await self._run(name)

    async def _run(self, name: str) -> None:
        self.suspects.enter()
        try:
            self.begun.append(name)
            await self._ends[name].wait()
        finally:
            self.suspects.leave()


@pytest.fixture
async def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for anybody."""
    monkeypatch.setattr(module, '_ALONE_SECONDS', 0.01)


async def test_a_suspect_is_run_when_nothing_else_runs(crowd: Crowd) -> None:
    await crowd.begin('suspect', suspect=True)

    assert crowd.begun == ['suspect']


async def test_a_suspect_waits_until_the_others_have_ended(crowd: Crowd) -> None:
    # Given two events that run, and a suspect that comes
    await crowd.begin('1')
    await crowd.begin('2')
    await crowd.begin('suspect', suspect=True)

    # When they end, one after the other
    await crowd.end('1')
    begun_before = list(crowd.begun)
    await crowd.end('2')

    # Then, and not before, it is run
    assert (begun_before, crowd.begun) == (['1', '2'], ['1', '2', 'suspect'])


async def test_others_wait_while_a_suspect_runs(crowd: Crowd) -> None:
    # Given a suspect that runs, and an event that comes
    await crowd.begin('suspect', suspect=True)
    await crowd.begin('1')
    begun_before = list(crowd.begun)

    # When the suspect ends
    await crowd.end('suspect')

    # Then, and not before, the event is run
    assert (begun_before, crowd.begun) == (['suspect'], ['suspect', '1'])


async def test_others_wait_while_a_suspect_waits_for_those_that_run(crowd: Crowd) -> None:
    await crowd.begin('1')
    await crowd.begin('suspect', suspect=True)

    await crowd.begin('2')

    assert crowd.begun == ['1']


async def test_suspects_are_run_one_after_the_other(crowd: Crowd) -> None:
    # Given two suspects
    await crowd.begin('first', suspect=True)
    await crowd.begin('second', suspect=True)
    begun_before = list(crowd.begun)

    # When the first one ends
    await crowd.end('first')

    # Then, and not before, the second one is run
    assert (begun_before, crowd.begun) == (['first'], ['first', 'second'])


async def test_others_that_waited_go_before_the_next_suspect(crowd: Crowd) -> None:
    await crowd.begin('first', suspect=True)
    await crowd.begin('second', suspect=True)
    await crowd.begin('1')

    await crowd.end('first')

    assert crowd.begun == ['first', '1']


@pytest.mark.usefixtures('short')
async def test_a_suspect_does_not_wait_long_for_others(crowd: Crowd) -> None:
    await crowd.begin('1')

    await crowd.begin('suspect', suspect=True)
    await crowd.until_begun('suspect')

    assert crowd.begun == ['1', 'suspect']


@pytest.mark.usefixtures('short')
async def test_others_do_not_wait_long_for_a_suspect_and_it_is_told_that_it_is_not_alone(crowd: Crowd) -> None:
    # Given a suspect that runs for long
    await crowd.begin('suspect', suspect=True)

    # When another event comes
    await crowd.begin('1')
    await crowd.until_begun('1')

    # Then that one is run as well
    assert (crowd.begun, crowd.told) == (['suspect', '1'], ['suspect'])


@pytest.mark.usefixtures('short')
async def test_another_suspect_waits_until_one_that_takes_long_has_ended(crowd: Crowd) -> None:
    # Given a suspect that runs for long, so that others run beside it
    await crowd.begin('first', suspect=True)
    await crowd.begin('second', suspect=True)
    await crowd.begin('1')
    await crowd.until_begun('1')
    begun_before = list(crowd.begun)

    # When it ends
    await crowd.end('first')
    await crowd.until_begun('second')

    # Then, and not before, the other one is run
    assert 'second' not in begun_before


@pytest.mark.usefixtures('short')
async def test_that_others_run_again_is_told_once(crowd: Crowd) -> None:
    await crowd.begin('suspect', suspect=True)
    await crowd.begin('1')
    await crowd.until_begun('1')

    await crowd.end('suspect')

    assert crowd.told == ['suspect']


async def test_when_a_suspect_that_waits_is_cancelled_others_are_run(crowd: Crowd) -> None:
    # Given a suspect that waits for an event that runs
    await crowd.begin('1')
    await crowd.begin('suspect', suspect=True)
    await crowd.begin('2')

    # When it is cancelled
    await crowd.cancel('suspect')

    # Then the event behind it is run
    assert crowd.begun == ['1', '2']


async def test_when_a_suspect_that_runs_is_cancelled_the_next_one_is_run(crowd: Crowd) -> None:
    await crowd.begin('first', suspect=True)
    await crowd.begin('second', suspect=True)

    await crowd.cancel('first')

    assert crowd.begun == ['first', 'second']


async def test_for_a_suspect_that_nobody_waits_for_neither_others_nor_suspects_wait(crowd: Crowd) -> None:
    # Given a suspect whose call ignores that it is cancelled, and others behind it
    await crowd.begin('deaf', suspect=True)
    await crowd.begin('second', suspect=True)
    await crowd.begin('1')

    # When it is abandoned
    crowd.suspects.leave()
    crowd.suspects.forsake()
    await turn()
    await crowd.end('1')

    # Then they are run
    assert crowd.begun == ['deaf', '1', 'second']


async def test_a_suspect_that_was_abandoned_and_ends_at_last_does_not_end_the_turn_of_the_next(crowd: Crowd) -> None:
    # Given a suspect that was abandoned, and another one that runs
    await crowd.begin('deaf', suspect=True)
    crowd.suspects.leave()
    crowd.suspects.forsake()
    crowd.suspects.enter()
    await crowd.begin('second', suspect=True)
    await crowd.end('deaf')

    # When others come
    await crowd.begin('third', suspect=True)
    await crowd.begin('1')

    # Then they wait
    assert crowd.begun == ['deaf', 'second']
