# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The lanes: work of one key in the order it came, of different keys side by side."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Hashable, Iterable
from dataclasses import dataclass
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import PATIENCE_SECONDS, log_lines, patiently, turn
from wazo_busd.lanes import Lanes


@dataclass(frozen=True)
class Piece:
    """A piece of work."""

    number: int
    key: Hashable | None = None


class Yard:
    """Lanes whose work ends when the test says so."""

    def __init__(self, concurrency: int) -> None:
        self.lanes: Lanes[Piece] = Lanes(self._run, concurrency=concurrency, name='test')
        self.concurrency = concurrency
        self.put: list[Piece] = []
        self.begun: list[Piece] = []
        self.ended: list[Piece] = []
        self.most = 0
        self._running: dict[Piece, asyncio.Future[float | None]] = {}

    async def _run(self, piece: Piece) -> float | None:
        self.begun.append(piece)
        future: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._running[piece] = future
        self.most = max(self.most, len(self._running))
        try:
            again = await future
        finally:
            del self._running[piece]
        if again is None:
            self.ended.append(piece)
        return again

    def give(self, key: Hashable | None = None) -> Piece:
        """Put the next piece of work."""
        piece = Piece(len(self.put), key)
        self.put.append(piece)
        self.lanes.put(piece, key)
        return piece

    @property
    def running(self) -> list[Piece]:
        return list(self._running)

    def end(self, index: int = 0, *, again: float | None = None) -> None:
        """Let one of the running pieces end, if any runs; it is to be run again after `again` seconds."""
        waiting = [future for future in self._running.values() if not future.done()]
        if waiting:
            waiting[index % len(waiting)].set_result(again)

    async def end_all(self) -> None:
        """Let everything run to its end, then send the workers home."""
        for _ in range(20 * (len(self.put) + 1)):
            self.end()
            await asyncio.sleep(0)
        assert self.lanes.size == 0
        await self.lanes.cut(0.0)


# ---- examples


async def test_work_without_a_key_runs_side_by_side() -> None:
    yard = Yard(2)
    yard.give()
    yard.give()

    await turn()

    assert [piece.number for piece in yard.running] == [0, 1]


async def test_work_of_different_keys_runs_side_by_side() -> None:
    yard = Yard(2)
    yard.give('a')
    yard.give('b')

    await turn()

    assert [piece.key for piece in yard.running] == ['a', 'b']


async def test_work_of_one_key_waits_for_earlier_work_of_that_key() -> None:
    yard = Yard(2)
    yard.give('a')
    yard.give('a')

    await turn()

    assert [piece.number for piece in yard.running] == [0]


async def test_work_of_one_key_follows_when_the_earlier_has_ended() -> None:
    # Given a piece that waits behind another
    yard = Yard(2)
    yard.give('a')
    yard.give('a')
    await turn()

    # When the first one ends
    yard.end()
    await turn()

    # Then the second one runs
    assert [piece.number for piece in yard.running] == [1]


async def test_a_slow_lane_holds_no_other_up() -> None:
    # Given a lane with a long queue
    yard = Yard(2)
    for _ in range(10):
        yard.give('slow')

    # When work of another lane comes
    other = yard.give('other')
    await turn()

    # Then it runs
    assert other in yard.running


async def test_a_key_that_is_false_is_a_key() -> None:
    yard = Yard(3)
    for key in ('', 0, ''):
        yard.give(key)

    await turn()

    assert [piece.number for piece in yard.running] == [0] or [piece.number for piece in yard.running] == [0, 1]


async def test_work_that_fails_outside_its_handler_is_logged(log: StringIO) -> None:
    # Given work that raises
    async def fail(piece: Piece) -> None:
        raise RuntimeError('a mistake of ours')

    lanes: Lanes[Piece] = Lanes(fail, concurrency=1, name='test')

    # When it is run
    lanes.put(Piece(0))
    await turn()

    # Then the log says so, with the worker
    assert log_lines(log, 'work_failed_outside_its_handler') == [{'level': 'ERROR', 'worker': 'test/0'}]


@pytest.mark.parametrize('key', [None, 'a'])
async def test_a_worker_outlives_work_that_fails(key: str | None) -> None:
    # Given lanes with one worker, whose first piece of work raises
    done = []

    async def run(piece: Piece) -> None:
        if piece.number == 0:
            raise RuntimeError('a mistake of ours')
        done.append(piece.number)

    lanes: Lanes[Piece] = Lanes(run, concurrency=1, name='test')
    lanes.put(Piece(0), key)
    await turn()

    # When another comes
    lanes.put(Piece(1), key)
    await turn()

    # Then it runs
    assert done == [1]


@pytest.mark.parametrize('key', [None, 'a'])
async def test_a_worker_outlives_work_that_cancels_its_task_and_returns(key: str | None) -> None:
    # Given lanes with one worker, whose first piece of work cancels the task it is in and does not wait
    done = []

    async def run(piece: Piece) -> None:
        if piece.number == 0:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        done.append(piece.number)

    lanes: Lanes[Piece] = Lanes(run, concurrency=1, name='test')
    lanes.put(Piece(0), key)
    await turn()

    # When another comes
    lanes.put(Piece(1), key)
    await turn()

    # Then it runs
    assert done == [0, 1]


async def test_a_task_that_work_has_cancelled_does_not_cancel_the_work_behind_it() -> None:
    # Given two pieces of work, of which the first cancels the task that both are in
    done = []

    async def run(piece: Piece) -> None:
        if piece.number == 0:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        else:
            await asyncio.sleep(0)
        done.append(piece.number)

    lanes: Lanes[Piece] = Lanes(run, concurrency=1, name='test')

    # When they are run
    lanes.put(Piece(0))
    lanes.put(Piece(1))
    await turn()

    # Then both are done
    assert done == [0, 1]


def test_lanes_whose_loop_ends_let_it_end() -> None:
    # Given work that does not care that it is cancelled, and more behind it, and nobody who cuts the lanes
    async def swallow(piece: Piece) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def begin() -> None:
        lanes: Lanes[Piece] = Lanes(swallow, concurrency=1, name='test')
        lanes.put(Piece(0))
        await turn()

    # When the loop ends, which cancels every task once
    thread = threading.Thread(target=lambda: asyncio.run(begin()), daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)

    # Then it ends
    assert not thread.is_alive()


async def test_other_tasks_have_their_turn_while_work_runs_that_never_waits() -> None:
    # Given a lot of work that never waits
    done = []

    async def run(piece: Piece) -> None:
        done.append(piece)

    lanes: Lanes[Piece] = Lanes(run, concurrency=1, name='test')
    for number in range(1000):
        lanes.put(Piece(number))

    # When another task looks at it whenever it has its turn
    seen = [0]
    while seen[-1] < 1000:
        await asyncio.sleep(0)
        seen.append(len(done))

    # Then it never waited for more than a few pieces
    assert max(after - before for before, after in itertools.pairwise(seen)) <= 64


async def test_size_counts_what_waits_and_what_runs() -> None:
    yard = Yard(1)
    for key in (None, 'a', 'a', None):
        yard.give(key)

    await turn()

    assert (yard.lanes.size, yard.lanes.running) == (4, [yard.put[0]])


async def test_lanes_are_forgotten_when_their_work_is_done() -> None:
    # Given work of many keys
    yard = Yard(4)
    for number in range(100):
        yard.give(f'key {number}')

    # When all of it is done
    await yard.end_all()

    # Then nothing is kept of the keys
    assert yard.lanes._waiting == {}


# ---- withdraw


async def test_withdraw_takes_away_what_has_not_begun() -> None:
    # Given one piece that runs, one behind it, one of another lane, one without a key
    yard = Yard(1)
    pieces = [yard.give(key) for key in ('a', 'a', 'b', None)]
    await turn()

    # When the lanes are withdrawn
    withdrawn = yard.lanes.withdraw()

    # Then all but the running one are given back
    assert sorted(withdrawn, key=lambda piece: piece.number) == pieces[1:]


async def test_after_withdrawal_nothing_begins() -> None:
    # Given a lane with work behind what runs
    yard = Yard(1)
    for key in ('a', 'a', None):
        yard.give(key)
    await turn()

    # When it is withdrawn and the running work ends
    yard.lanes.withdraw()
    yard.end()
    await turn()

    # Then nothing else runs
    assert (yard.running, yard.lanes.size) == ([], 0)


@pytest.mark.parametrize('key', [None, 'running', 'waiting', 'new'])
async def test_work_that_is_put_after_withdrawal_runs(key: str | None) -> None:
    # Given lanes that were withdrawn
    yard = Yard(1)
    for each in ('running', 'running', 'waiting', 'waiting'):
        yard.give(each)
    await turn()
    yard.lanes.withdraw()

    # When work is put
    piece = yard.give(key)
    yard.end()
    await turn()

    # Then it runs
    assert yard.running == [piece]


# ---- again

FAR_SECONDS = 3600.0


async def test_work_that_is_to_be_run_again_is_run_again() -> None:
    # Given work that runs
    yard = Yard(1)
    piece = yard.give()
    await turn()

    # When it asks for that, and then ends
    yard.end(again=0.0)
    await turn()
    yard.end()
    await turn()

    # Then it has run twice
    assert (yard.begun, yard.lanes.size) == ([piece, piece], 0)


async def test_work_that_is_put_aside_keeps_its_lane() -> None:
    yard = Yard(2)
    for key in ('a', 'a', 'b'):
        yard.give(key)
    await turn()

    yard.end(again=FAR_SECONDS)
    await turn()

    assert [piece.number for piece in yard.begun] == [0, 2]


async def test_work_that_is_put_aside_takes_no_worker() -> None:
    yard = Yard(1)
    for key in ('a', 'b', None):
        yard.give(key)
    await turn()

    for _ in range(2):
        yard.end(again=FAR_SECONDS)
        await turn()

    assert [piece.number for piece in yard.begun] == [0, 1, 2]


async def test_when_work_that_was_put_aside_has_ended_its_lane_goes_on() -> None:
    yard = Yard(1)
    for _ in range(2):
        yard.give('a')
    await turn()
    yard.end(again=0.0)
    await turn()

    yard.end()
    await turn()

    assert [piece.number for piece in yard.begun] == [0, 0, 1]


async def test_what_is_due_again_goes_before_what_has_not_begun() -> None:
    # Given one worker, work that is due again, and work without a key that came before that was so
    yard = Yard(1)
    for key in ('a', None, None, None):
        yard.give(key)
    await turn()
    yard.end(again=0.0)
    await turn()

    # When the worker comes free
    yard.end()
    await turn()

    # Then it takes what is due
    assert [piece.number for piece in yard.begun] == [0, 1, 0]


async def test_work_that_is_put_aside_is_part_of_the_size_and_does_not_run() -> None:
    yard = Yard(1)
    yard.give('a')
    await turn()

    yard.end(again=FAR_SECONDS)
    await turn()

    assert (yard.lanes.size, yard.lanes.running) == (1, [])


async def test_work_that_is_due_and_finds_no_worker_is_part_of_the_size() -> None:
    yard = Yard(1)
    for key in ('a', 'b'):
        yard.give(key)
    await turn()
    yard.end(again=0.0)
    await turn()

    assert (yard.lanes.size, yard.lanes.running) == (2, [yard.put[1]])


async def test_lanes_are_quiet_while_all_is_put_aside() -> None:
    yard = Yard(1)
    yard.give()
    await turn()

    yard.end(again=FAR_SECONDS)

    await patiently(yard.lanes.quiet())
    assert yard.running == []


async def test_withdraw_leaves_what_was_put_aside_and_takes_what_waits_behind_it() -> None:
    # Given work that was put aside, and work behind it
    yard = Yard(1)
    pieces = [yard.give('a') for _ in range(3)]
    await turn()
    yard.end(again=0.0)

    # When what has not begun is withdrawn
    await asyncio.sleep(0)
    withdrawn = yard.lanes.withdraw()
    await turn()

    # Then the first one is run again
    assert (withdrawn, yard.begun) == (pieces[1:], [pieces[0], pieces[0]])


async def test_what_was_put_aside_can_be_withdrawn_and_is_not_run_again() -> None:
    # Given work that was put aside, and work that is due again and finds no worker
    yard = Yard(1)
    far, due, _ = (yard.give(key) for key in ('a', 'b', None))
    await turn()
    yard.end(again=FAR_SECONDS)
    await turn()
    yard.end(again=0.0)
    await turn()

    # When it is withdrawn
    withdrawn = yard.lanes.withdraw_aside()
    yard.end()
    await turn()

    # Then neither is run again
    assert (set(withdrawn), [piece.number for piece in yard.begun], yard.lanes.size) == ({far, due}, [0, 1, 2], 0)


async def test_when_what_was_put_aside_is_withdrawn_its_lane_goes_on() -> None:
    # Given a lane whose first piece was put aside, while the worker has nothing else to do
    yard = Yard(1)
    for _ in range(2):
        yard.give('a')
    await turn()
    yard.end(again=FAR_SECONDS)
    await turn()

    # When that one is withdrawn
    yard.lanes.withdraw_aside()
    await turn()

    # Then the next one runs
    assert [piece.number for piece in yard.begun] == [0, 1]


async def test_after_cut_nothing_is_put_aside() -> None:
    # Given work that wants to be run again when it is cancelled
    async def run(piece: Piece) -> float | None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 0.0
        return None

    lanes: Lanes[Piece] = Lanes(run, concurrency=1, name='test')
    lanes.put(Piece(0), 'a')
    await turn()

    # When the lanes are cut
    await patiently(lanes.cut(1.0))
    await turn()

    # Then it is not
    assert lanes.size == 0


# ---- pause


async def test_lanes_that_are_paused_begin_nothing_new() -> None:
    yard = Yard(2)
    yard.lanes.pause()

    for key in ('a', None):
        yard.give(key)
    await turn()

    assert (yard.begun, yard.lanes.size) == ([], 2)


async def test_what_runs_goes_on_while_lanes_are_paused() -> None:
    # Given work that runs, and work behind it
    yard = Yard(1)
    for _ in range(2):
        yard.give('a')
    await turn()

    # When the lanes are paused, and it ends
    yard.lanes.pause()
    yard.end()
    await turn()

    # Then the next one does not begin
    assert ([piece.number for piece in yard.ended], yard.running) == ([0], [])


async def test_what_was_put_aside_is_run_again_while_lanes_are_paused() -> None:
    yard = Yard(1)
    for _ in range(2):
        yard.give('a')
    await turn()
    yard.lanes.pause()

    yard.end(again=0.0)
    await turn()

    assert [piece.number for piece in yard.begun] == [0, 0]


async def test_lanes_that_are_resumed_use_all_their_workers() -> None:
    yard = Yard(3)
    yard.lanes.pause()
    for _ in range(5):
        yard.give()
    await turn()

    yard.lanes.resume()
    await turn()

    assert [piece.number for piece in yard.running] == [0, 1, 2]


async def test_lanes_that_are_paused_again_before_a_worker_came_begin_nothing() -> None:
    yard = Yard(1)
    yard.lanes.pause()
    yard.give()
    await turn()

    yard.lanes.resume()
    yard.lanes.pause()
    await turn()

    assert yard.begun == []


async def test_what_waits_while_lanes_are_paused_can_be_withdrawn() -> None:
    yard = Yard(1)
    yard.lanes.pause()
    pieces = [yard.give(key) for key in ('a', 'a', None)]
    await turn()

    withdrawn = yard.lanes.withdraw()

    assert sorted(withdrawn, key=lambda piece: piece.number) == pieces


# ---- one piece cancelled, or abandoned


class Deaf:
    """Lanes whose work ignores that it is cancelled, until the test lets it end."""

    def __init__(self, concurrency: int = 1) -> None:
        self.lanes: Lanes[Piece] = Lanes(self._run, concurrency=concurrency, name='test')
        self.begun: list[Piece] = []
        self.cancelled: list[Piece] = []
        self.ended: list[Piece] = []
        self.release = asyncio.Event()

    async def _run(self, piece: Piece) -> None:
        self.begun.append(piece)
        while piece.number == 0 and not self.release.is_set():
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled.append(piece)
        self.ended.append(piece)


@pytest.fixture
async def deaf() -> AsyncIterator[Deaf]:
    """Lanes whose work ends in the end."""
    made = Deaf()
    yield made
    made.release.set()
    await turn()
    await made.lanes.cut(1.0)


async def test_one_piece_of_work_can_be_cancelled() -> None:
    # Given two pieces that run
    yard = Yard(2)
    first, second = yard.give(), yard.give()
    await turn()

    # When one is cancelled
    yard.lanes.cancel(first)
    await turn()

    # Then the other one goes on
    assert yard.running == [second]


async def test_to_cancel_what_does_not_run_cancels_nothing() -> None:
    yard = Yard(1)
    first, second = yard.give(), yard.give()
    await turn()

    yard.lanes.cancel(second)
    yard.lanes.cancel(Piece(9))
    await turn()

    assert yard.running == [first]


@pytest.mark.parametrize('key', [None, 'a'])
async def test_behind_work_that_is_abandoned_the_next_is_run_though_there_is_one_worker(
    deaf: Deaf, key: str | None
) -> None:
    # Given work that ignores that it is cancelled, and work behind it
    first, second = Piece(0, key), Piece(1, key)
    deaf.lanes.put(first, key)
    deaf.lanes.put(second, key)
    await turn()
    deaf.lanes.cancel(first)
    await turn()

    # When it is abandoned
    deaf.lanes.abandon(first, Piece(2, key), None)
    await turn()

    # Then the other one is run
    assert (deaf.cancelled, deaf.ended) == ([first], [second])


async def test_work_that_was_abandoned_does_not_count_any_more(deaf: Deaf) -> None:
    first = Piece(0)
    deaf.lanes.put(first)
    await turn()

    deaf.lanes.abandon(first, Piece(2), None)

    assert (deaf.lanes.size, deaf.lanes.running) == (0, [])
    await patiently(deaf.lanes.quiet())


async def test_what_stands_for_work_that_was_abandoned_is_run_again_in_its_lane(deaf: Deaf) -> None:
    # Given work that ignores that it is cancelled, and work behind it
    first, second, fresh = Piece(0, 'a'), Piece(1, 'a'), Piece(2, 'a')
    deaf.lanes.put(first, 'a')
    deaf.lanes.put(second, 'a')
    await turn()

    # When it is abandoned, and is to be run again
    deaf.lanes.abandon(first, fresh, 0.0)
    await turn()

    # Then what stands for it is run before the other one
    assert deaf.begun == [first, fresh, second]


async def test_work_that_was_abandoned_and_ends_at_last_does_no_harm(deaf: Deaf) -> None:
    # Given work that was abandoned
    first = Piece(0, 'a')
    deaf.lanes.put(first, 'a')
    await turn()
    deaf.lanes.abandon(first, Piece(2, 'a'), None)

    # When it ends, while more work of its key comes
    deaf.release.set()
    for number in (3, 4):
        deaf.lanes.put(Piece(number, 'a'), 'a')
    await turn()

    # Then that is run in its order, and nothing is left
    assert ([piece.number for piece in deaf.ended if piece.number], deaf.lanes.size) == ([3, 4], 0)


async def test_the_worker_of_work_that_was_abandoned_takes_no_more(deaf: Deaf) -> None:
    # Given work that was abandoned, and its worker
    first = Piece(0)
    deaf.lanes.put(first)
    await turn()
    (worker,) = deaf.lanes._workers.values()
    deaf.lanes.abandon(first, Piece(2), None)

    # When it ends
    deaf.release.set()
    await patiently(asyncio.wait([worker]))

    # Then the worker is gone, and another one does the work
    deaf.lanes.put(Piece(3))
    await turn()
    assert (worker.done(), deaf.ended[-1]) == (True, Piece(3))


async def test_to_abandon_what_does_not_run_changes_nothing() -> None:
    yard = Yard(1)
    yard.give('a')
    await turn()

    yard.lanes.abandon(Piece(9, 'a'), Piece(10, 'a'), 0.0)
    await turn()

    assert (yard.running, yard.lanes.size) == (yard.put, 1)


async def test_cut_does_not_wait_for_work_that_was_abandoned(deaf: Deaf) -> None:
    first = Piece(0)
    deaf.lanes.put(first)
    await turn()
    deaf.lanes.abandon(first, Piece(2), None)

    assert await patiently(deaf.lanes.cut(3600.0)) == []


# ---- quiet and cut


async def test_lanes_without_work_are_quiet() -> None:
    await patiently(Yard(1).lanes.quiet())

    assert Yard(1).lanes.running == []


async def test_lanes_are_quiet_when_the_last_running_piece_has_ended() -> None:
    # Given two pieces that run
    yard = Yard(2)
    yard.give()
    yard.give()
    await turn()
    quiet = asyncio.create_task(yard.lanes.quiet())

    # When one ends, and then the other
    was_quiet = []
    for _ in range(2):
        await turn()
        was_quiet.append(quiet.done())
        yard.end()
    await patiently(quiet)

    # Then it is quiet after the second
    assert was_quiet == [False, False]


async def test_cut_cancels_what_runs() -> None:
    # Given work that runs
    yard = Yard(1)
    yard.give()
    await turn()

    # When the lanes are cut
    left = await patiently(yard.lanes.cut(20.0))

    # Then it has not ended, and nothing goes on
    assert (yard.ended, yard.running, left) == ([], [], [])


async def test_cut_ends_idle_workers() -> None:
    # Given a worker that has nothing more to do
    yard = Yard(1)
    yard.give()
    await turn()
    yard.end()
    await turn()

    # When the lanes are cut
    await patiently(yard.lanes.cut(20.0))

    # Then its task has ended
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith('test/')] == []


async def test_after_cut_nothing_begins() -> None:
    # Given a piece of work that runs, and one behind it
    yard = Yard(1)
    yard.give()
    yard.give()
    await turn()

    # When the lanes are cut, and another one comes
    await patiently(yard.lanes.cut(20.0))
    yard.give()
    await turn()

    # Then none of them is begun
    assert [piece.number for piece in yard.begun] == [0]


async def test_cut_of_lanes_that_never_ran_returns_at_once() -> None:
    assert await patiently(Yard(1).lanes.cut(20.0)) == []


async def test_cut_names_work_that_ignores_that_it_is_cancelled() -> None:
    # Given work that ignores its cancellation
    release = asyncio.Event()

    async def ignore(piece: Piece) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    lanes: Lanes[Piece] = Lanes(ignore, concurrency=1, name='test')
    lanes.put(Piece(0))
    await turn()

    # When the lanes are cut
    left = await patiently(lanes.cut(0.0))
    release.set()

    # Then it is named
    assert left == [Piece(0)]


async def test_a_worker_whose_work_swallowed_the_cancellation_ends_all_the_same() -> None:
    # Given work that returns when it is cancelled, as if nothing had been
    async def swallow(piece: Piece) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    lanes: Lanes[Piece] = Lanes(swallow, concurrency=1, name='test')
    lanes.put(Piece(0))
    await turn()

    # When the lanes are cut
    cutting = asyncio.create_task(lanes.cut(3600.0))
    left = await patiently(cutting)

    # Then nobody waits for the worker
    assert left == []


# ---- rules

Action = tuple[str, str | None, int]
KEYS = st.sampled_from([None, 'a', 'b', 'c'])
ACTION = st.tuples(st.just('put'), KEYS, st.integers(0, 3)) | st.tuples(
    st.sampled_from(['end', 'again', 'turn']), st.none(), st.integers(0, 3)
)
ACTIONS = st.lists(ACTION, max_size=40)
PAUSES = st.lists(ACTION | st.tuples(st.sampled_from(['pause', 'resume']), st.none(), st.just(0)), max_size=40)
CONCURRENCY = st.integers(1, 4)


async def act(yard: Yard, actions: list[Action]) -> None:
    for action, key, number in actions:
        if action == 'put':
            yard.give(key)
        elif action in ('end', 'again'):
            yard.end(number, again=0.0 if action == 'again' else None)
        elif action == 'pause':
            yard.lanes.pause()
        elif action == 'resume':
            yard.lanes.resume()
        else:
            await turn(number)


def first_runs(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces in the order they were first begun."""
    return list(dict.fromkeys(pieces))


def runnable(yard: Yard) -> int:
    """How many pieces could run if there were workers enough."""
    unfinished = [piece for piece in yard.put if piece not in yard.ended]
    return len({piece.key for piece in unfinished if piece.key is not None}) + sum(
        piece.key is None for piece in unfinished
    )


@given(CONCURRENCY, ACTIONS)
async def test_work_of_one_key_runs_in_the_order_it_came(concurrency: int, actions: list[Action]) -> None:
    yard = Yard(concurrency)

    await act(yard, actions)
    await yard.end_all()

    for key in ('a', 'b', 'c'):
        runs = first_runs(piece for piece in yard.begun if piece.key == key)
        assert runs == [piece for piece in yard.put if piece.key == key]


@given(CONCURRENCY, ACTIONS)
async def test_work_of_one_key_never_runs_two_at_a_time(concurrency: int, actions: list[Action]) -> None:
    yard = Yard(concurrency)

    for action in actions:
        await act(yard, [action])
        keys = [piece.key for piece in yard.running if piece.key is not None]
        assert len(keys) == len(set(keys))

    await yard.end_all()


@given(CONCURRENCY, ACTIONS)
async def test_no_more_runs_at_a_time_than_is_allowed(concurrency: int, actions: list[Action]) -> None:
    yard = Yard(concurrency)

    await act(yard, actions)
    await yard.end_all()

    assert yard.most <= concurrency


@given(CONCURRENCY, ACTIONS)
async def test_everything_runs_to_its_end_exactly_once(concurrency: int, actions: list[Action]) -> None:
    yard = Yard(concurrency)

    await act(yard, actions)
    await yard.end_all()

    assert sorted(piece.number for piece in yard.ended) == list(range(len(yard.put)))


@given(CONCURRENCY, ACTIONS)
async def test_no_worker_idles_while_there_is_work_for_it(concurrency: int, actions: list[Action]) -> None:
    yard = Yard(concurrency)

    for action in actions:
        await act(yard, [action])
        await turn()
        assert len(yard.running) == min(concurrency, runnable(yard))

    await yard.end_all()


@given(CONCURRENCY, ACTIONS, ACTIONS)
async def test_what_is_withdrawn_and_what_runs_is_everything_and_nothing_is_both(
    concurrency: int, before: list[Action], after: list[Action]
) -> None:
    # Given lanes in any state
    yard = Yard(concurrency)
    await act(yard, before)

    # When they are withdrawn, and the rest runs to its end
    withdrawn = yard.lanes.withdraw()
    given_before = list(yard.put)
    await act(yard, [action for action in after if action[0] != 'put'])
    await yard.end_all()

    # Then every piece was either given back or run
    assert sorted([*withdrawn, *yard.ended], key=lambda piece: piece.number) == given_before


@given(CONCURRENCY, ACTIONS)
async def test_what_is_withdrawn_comes_in_the_order_of_its_lane(concurrency: int, actions: list[Action]) -> None:
    yard = Yard(concurrency)
    await act(yard, actions)

    withdrawn = yard.lanes.withdraw()
    await yard.end_all()

    for key in (None, 'a', 'b', 'c'):
        numbers = [piece.number for piece in withdrawn if piece.key == key]
        assert numbers == sorted(numbers)


@given(CONCURRENCY, ACTIONS, ACTIONS)
async def test_lanes_that_were_emptied_keep_their_rules(
    concurrency: int, before: list[Action], after: list[Action]
) -> None:
    # Given lanes that were withdrawn in any state
    yard = Yard(concurrency)
    await act(yard, before)
    withdrawn = yard.lanes.withdraw()

    # When they are used on
    await act(yard, after)
    await yard.end_all()

    # Then all the rest has run, each lane in its order
    rest = [piece for piece in yard.put if piece not in withdrawn]
    for key in ('a', 'b', 'c'):
        runs = first_runs(piece for piece in yard.begun if piece.key == key)
        assert runs == [piece for piece in rest if piece.key == key]
    assert len(yard.ended) == len(rest)


@given(CONCURRENCY, ACTIONS, ACTIONS, st.sets(st.integers(0, 40)))
async def test_what_is_not_meant_stays_in_its_order(
    concurrency: int, before: list[Action], after: list[Action], meant: set[int]
) -> None:
    # Given lanes in any state
    yard = Yard(concurrency)
    await act(yard, before)

    # When some of what waits is withdrawn, and they are used on
    withdrawn = yard.lanes.withdraw(lambda piece: piece.number in meant)
    await act(yard, after)
    await yard.end_all()

    # Then only what was meant is gone, and all the rest has run, each lane in its order
    assert {piece.number for piece in withdrawn} <= meant
    rest = [piece for piece in yard.put if piece not in withdrawn]
    for key in ('a', 'b', 'c'):
        runs = first_runs(piece for piece in yard.begun if piece.key == key)
        assert runs == [piece for piece in rest if piece.key == key]
    assert len(yard.ended) == len(rest)


@given(CONCURRENCY, ACTIONS)
async def test_whatever_is_run_again_a_lane_ends_its_work_in_the_order_it_came(
    concurrency: int, actions: list[Action]
) -> None:
    yard = Yard(concurrency)

    await act(yard, actions)
    await yard.end_all()

    for key in ('a', 'b', 'c'):
        assert [piece for piece in yard.ended if piece.key == key] == [piece for piece in yard.put if piece.key == key]


@given(CONCURRENCY, PAUSES)
async def test_however_they_are_paused_everything_runs_to_its_end_in_the_order_of_its_lane(
    concurrency: int, actions: list[Action]
) -> None:
    # Given lanes that were paused and resumed anyhow
    yard = Yard(concurrency)
    await act(yard, actions)

    # When they are resumed for good
    yard.lanes.resume()
    await yard.end_all()

    # Then everything has run
    assert len(yard.ended) == len(yard.put)
    for key in ('a', 'b', 'c'):
        assert [piece for piece in yard.ended if piece.key == key] == [piece for piece in yard.put if piece.key == key]


@given(CONCURRENCY, PAUSES)
async def test_while_they_are_paused_nothing_runs_for_the_first_time(concurrency: int, actions: list[Action]) -> None:
    # Given lanes in any state
    yard = Yard(concurrency)
    await act(yard, actions)

    # When they are paused, and everything that can end ends
    yard.lanes.pause()
    begun = set(yard.begun)
    for number in range(10):
        yard.end(again=0.0 if number % 2 else None)
        await turn()

    # Then only what had begun was run again
    assert set(yard.begun) == begun
    yard.lanes.resume()
    await yard.end_all()


@given(CONCURRENCY, PAUSES)
async def test_what_is_withdrawn_and_what_was_put_aside_and_what_runs_is_everything(
    concurrency: int, actions: list[Action]
) -> None:
    # Given lanes in any state
    yard = Yard(concurrency)
    await act(yard, actions)

    # When all but what runs is taken away
    taken = [*yard.lanes.withdraw(), *yard.lanes.withdraw_aside()]
    yard.lanes.resume()
    await yard.end_all()

    # Then every piece was either given back or run to its end
    assert sorted([*taken, *yard.ended], key=lambda piece: piece.number) == yard.put
