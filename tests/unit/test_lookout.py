# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The lookout: who blocks the loop is named, once and again when it is over, and the broker hears of us meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from io import StringIO
from types import SimpleNamespace

import pytest
import uvloop

from tests.support import eventually_sync
from tests.unit.rig import PATIENCE_SECONDS, log_lines, make_handler, turn
from wazo_busd.event import Event
from wazo_busd.lookout import Lookout, Stalls
from wazo_busd.memory import MemoryBus
from wazo_busd.plugin import handler
from wazo_busd.runner import _until_done


@handler
async def bell(event: Event) -> None:
    """Take an event and do nothing."""


class Heart(MemoryBus):
    """A bus that counts the beats, and frees the loop at the second one: the first comes before the log."""

    def __init__(self) -> None:
        super().__init__()
        self.beats = 0
        self.fails = False
        self.enough = threading.Event()

    def beat(self) -> None:
        self.beats += 1
        if self.beats == 2:
            self.enough.set()
        if self.fails:
            raise ValueError('mine')


class Watched(Lookout):
    """A lookout that looks when the test says so, in the thread of the loop, which so never seems idle."""

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self.now = 0.0
        self.burnt = 0.0

    def look(self, times: int = 1, *, after: float = 0.4, burnt: float = 0.0) -> None:
        """Look, so many seconds later, of which some were spent on calculations."""
        for _ in range(times):
            self.now += after
            self.burnt += burnt
            self._look(self.now, self.burnt)


@pytest.fixture
async def lookout() -> Watched:
    """Watches the loop of the test. It knows the handler bell, whose plugin's code is all of the tests."""
    made = Watched()
    made.begin(asyncio.get_running_loop())
    with made.strays.inside(make_handler(bell, name='bell')):
        return made


@pytest.fixture
async def stranger() -> Watched:
    """Watches the loop of the test, and knows no handler."""
    made = Watched()
    made.begin(asyncio.get_running_loop())
    return made


async def in_task(name: str, blocks: Callable[[], None]) -> None:
    """Run a function in a task that is called so."""

    async def run() -> None:
        blocks()

    await asyncio.create_task(run(), name=name)


async def in_callback(blocks: Callable[[], None]) -> None:
    """Run a function in no task."""
    done = asyncio.get_running_loop().create_future()

    def run() -> None:
        blocks()
        done.set_result(None)

    asyncio.get_running_loop().call_soon(run)
    await done


def blocking(lookout: Watched, looks: int = 2) -> Callable[[], None]:
    """What blocks the loop from one look to the next."""

    def block() -> None:
        lookout.look(looks)

    return block


async def test_a_loop_that_turns_is_not_blocked(lookout: Watched, log: StringIO) -> None:
    for _ in range(10):
        lookout.look()
        await turn(1)

    assert log_lines(log, 'loop_blocked') == []


async def test_a_loop_that_turns_needs_no_beats(lookout: Watched) -> None:
    lookout.bus = heart = Heart()

    for _ in range(10):
        lookout.look()
        await turn(1)

    assert heart.beats == 0


async def test_who_blocks_the_loop_is_named_by_the_task_that_we_call_the_plugin_in(
    stranger: Watched, log: StringIO
) -> None:
    with stranger.strays.inside(make_handler(bell, name='bell')):
        await in_task('bell/3', blocking(stranger))

    assert log_lines(log, 'loop_blocked')[0]['handler'] == 'bell'


async def test_who_blocks_the_loop_in_its_start_is_named(lookout: Watched, log: StringIO) -> None:
    await in_task('start/bell', blocking(lookout))

    assert log_lines(log, 'loop_blocked')[0]['handler'] == 'bell'


async def test_who_blocks_the_loop_in_a_task_of_its_own_is_named(lookout: Watched, log: StringIO) -> None:
    asyncio.get_running_loop().set_task_factory(lookout.strays)
    with lookout.strays.inside(make_handler(bell, name='bell')):
        await in_task('whatever', blocking(lookout))
    asyncio.get_running_loop().set_task_factory(None)

    assert log_lines(log, 'loop_blocked')[0]['handler'] == 'bell'


async def test_who_blocks_the_loop_in_a_callback_is_named_by_the_file(lookout: Watched, log: StringIO) -> None:
    await in_callback(blocking(lookout))

    assert log_lines(log, 'loop_blocked')[0]['handler'] == 'bell'


async def test_two_handlers_of_the_same_code_are_both_named_for_a_callback(lookout: Watched, log: StringIO) -> None:
    with lookout.strays.inside(make_handler(bell, name='gong')):
        await in_callback(blocking(lookout))

    assert log_lines(log, 'loop_blocked')[0]['handler'] == 'bell, gong'


async def test_a_task_that_is_no_handlers_is_named_itself(stranger: Watched, log: StringIO) -> None:
    await in_task('renew the queues', blocking(stranger))

    (line,) = log_lines(log, 'loop_blocked')
    assert (line['task'], 'handler' in line) == ('renew the queues', False)


async def test_a_task_that_is_called_as_no_handler_is_is_no_handlers(stranger: Watched, log: StringIO) -> None:
    await in_task('bell/3', blocking(stranger))

    assert log_lines(log, 'loop_blocked')[0]['task'] == 'bell/3'


async def test_the_stack_ends_where_the_loop_is_blocked(stranger: Watched, log: StringIO) -> None:
    await in_task('x', blocking(stranger))

    stack = [line for line in log.getvalue().splitlines() if line.startswith('    ')]
    # Below it there is only the lookout itself, as the test looks in the thread that it blocks.
    assert f'{__file__}:' in stack[-4]
    assert stack[-4].endswith(' in blocking.<locals>.block')


async def test_the_stack_begins_where_the_plugin_is_called(lookout: Watched, log: StringIO) -> None:
    await in_task('bell/3', blocking(lookout))

    stack = [line for line in log.getvalue().splitlines() if line.startswith('    ')]
    assert stack[0].endswith(' in in_task.<locals>.run')


async def test_a_stall_is_told_once(lookout: Watched, log: StringIO) -> None:
    await in_task('bell/3', blocking(lookout, 10))

    assert len(log_lines(log, 'loop_blocked')) == 1


async def test_the_end_of_a_stall_is_told(lookout: Watched, log: StringIO) -> None:
    await in_task('bell/3', blocking(lookout))

    await turn(1)
    lookout.look()

    (line,) = log_lines(log, 'loop_free_again')
    assert (line['level'], line['handler']) == ('WARNING', 'bell')


async def test_a_second_stall_is_told_again(lookout: Watched, log: StringIO) -> None:
    for _ in range(2):
        await in_task('bell/3', blocking(lookout))
        await turn(1)
        lookout.look()
        await turn(1)

    assert len(log_lines(log, 'loop_blocked')) == 2


async def test_stalls_are_counted_for_each_handler(lookout: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.lookout.time', SimpleNamespace(monotonic=lambda: 4.0))
    for _ in range(2):
        await in_task('bell/3', blocking(lookout))
        await turn(1)
        lookout.look()
        await turn(1)

    assert lookout.stalls == {'bell': Stalls(times=2, seconds=6.0)}


async def test_every_look_at_a_blocked_loop_is_a_beat(lookout: Watched) -> None:
    lookout.bus = heart = Heart()

    await in_task('bell/3', blocking(lookout, 5))

    assert heart.beats == 4


@pytest.mark.parametrize('marks', [0, 1])
async def test_a_process_that_was_stopped_as_a_whole_was_not_blocked(
    lookout: Watched, log: StringIO, marks: int
) -> None:
    def stopped() -> None:
        lookout.look(marks)
        lookout.look(after=100.0)

    await in_task('bell/3', stopped)

    assert log_lines(log, 'loop_blocked') == []


async def test_who_blocks_the_loop_after_a_stop_is_named(lookout: Watched, log: StringIO) -> None:
    def block() -> None:
        lookout.look()
        lookout.look(after=100.0)
        lookout.look()

    await in_task('bell/3', block)

    assert log_lines(log, 'loop_blocked')[0]['handler'] == 'bell'


@pytest.mark.parametrize('marks', [0, 1])
async def test_code_that_holds_up_this_thread_too_is_named_when_it_lets_go(
    lookout: Watched, log: StringIO, marks: int
) -> None:
    def calculate() -> None:
        lookout.look(marks)
        lookout.look(after=100.0, burnt=99.0)

    await in_task('bell/3', calculate)

    assert log_lines(log, 'loop_blocked')[0]['handler'] == 'bell'


async def test_how_long_this_thread_was_held_up_is_counted(lookout: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.lookout.time', SimpleNamespace(monotonic=lambda: 101.0))

    await in_task('bell/3', lambda: lookout.look(after=100.0, burnt=99.0))
    await turn(1)
    lookout.look()

    assert lookout.stalls == {'bell': Stalls(times=1, seconds=101.0)}


async def test_a_loop_that_is_idle_is_not_woken(lookout: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, '_stack', list)

    lookout.look()

    assert not lookout._is_marked


async def test_a_loop_that_waits_is_idle(lookout: Watched) -> None:
    await asyncio.to_thread(eventually_sync, lambda: lookout._stack() == [])


def test_a_loop_of_uvloop_that_waits_is_idle() -> None:
    lookout, loop, over = Lookout(), uvloop.new_event_loop(), asyncio.Event()
    task = loop.create_task(over.wait())
    thread = threading.Thread(target=lambda: _until_done(loop, task))
    thread.start()
    lookout._loop_thread = thread.ident or 0

    eventually_sync(lambda: lookout._stack() == [])

    loop.call_soon_threadsafe(over.set)
    thread.join(PATIENCE_SECONDS)
    loop.close()


async def test_a_loop_that_does_something_is_not_idle(lookout: Watched) -> None:
    assert lookout._stack()[1].file == __file__


@pytest.fixture
async def heart() -> AsyncIterator[Heart]:
    """The bus of a lookout that looks by itself."""
    made = Heart()
    lookout = Lookout(0.01)
    lookout.bus = made
    with lookout.strays.inside(make_handler(bell, name='bell')):
        lookout.begin(asyncio.get_running_loop())
    yield made
    lookout.end()


async def test_a_thread_names_who_blocks_the_loop_while_it_does(heart: Heart, log: StringIO) -> None:
    told: list[dict[str, str]] = []

    def block() -> None:
        assert heart.enough.wait(PATIENCE_SECONDS)
        told.extend(log_lines(log, 'loop_blocked'))

    await in_task('bell/0', block)

    assert told[-1]['handler'] == 'bell'


async def test_a_lookout_outlives_its_own_mistakes(heart: Heart) -> None:
    heart.fails = True
    outlived: list[bool] = []

    await in_task('bell/0', lambda: outlived.append(heart.enough.wait(PATIENCE_SECONDS)))

    assert outlived == [True]


async def test_a_lookout_that_is_ended_looks_no_more() -> None:
    lookout = Lookout(0.01)
    lookout.begin(asyncio.get_running_loop())

    await asyncio.to_thread(lookout.end)

    assert not lookout._thread.is_alive()
