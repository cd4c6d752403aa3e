# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tries: one call of a plugin, watched, recorded and ended in time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.rig import PATIENCE_SECONDS, Settlements, log_lines, make_delivery, make_work, patiently, started, turn
from wazo_busd import deadlines
from wazo_busd import suspects as suspects_module
from wazo_busd.blackbox import read
from wazo_busd.event import Event
from wazo_busd.plugin import handler
from wazo_busd.suspects import Suspects
from wazo_busd.tries import Tries
from wazo_busd.work import Work, current_work


@handler
def nothing(event: Event) -> None: ...


class Bench:
    """The tries of one handler, each in a task of its own."""

    def __init__(self, tries: Callable[..., Tries]) -> None:
        self.abandoned: list[Work] = []
        self.tasks: dict[Work, asyncio.Task[float | None]] = {}
        self.raised: dict[Work, BaseException | None] = {}
        """What the calls raised that ended."""
        self.tries = tries(conclude=self._conclude, cancel=self._cancel, abandon=self.abandoned.append)

    @classmethod
    async def of(cls, suspects: Suspects | None = None, **config: Any) -> Bench:
        made = await started(nothing, **config)
        return cls(lambda **tell: Tries(made, suspects or Suspects(), **tell))

    def begin(self, work: Work) -> asyncio.Task[float | None]:
        """Let a try be made, as far as it gets."""
        self.tasks[work] = asyncio.create_task(self.tries.run(work))
        return self.tasks[work]

    async def run(self, work: Work) -> BaseException | None:
        """Let a try be made, to its end.

        Returns:
            What the call raised.
        """
        await patiently(self.begin(work))
        return self.raised[work]

    def _conclude(self, work: Work, raised: BaseException | None) -> None:
        self.raised[work] = raised

    def _cancel(self, work: Work) -> None:
        self.tasks[work].cancel()


def work_of(run: Callable[[Event], Any], *, body: bytes = b'{}', blocking: bool = False, suspect: bool = False) -> Work:
    work = make_work(run=run, blocking=blocking, delivery=make_delivery(Settlements(), body=body))
    work.is_suspect = suspect
    return work


class Plug:
    """A method that does not end before the test lets it."""

    def __init__(self, *, is_deaf: bool = False) -> None:
        self.begun = asyncio.Event()
        self.release = asyncio.Event()
        self._is_deaf = is_deaf

    async def __call__(self, event: Event) -> None:
        self.begun.set()
        while True:
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                if self._is_deaf:
                    continue
                raise
            return


async def ring(event: Event) -> None:
    """Return."""


def raising(error: BaseException) -> Callable[[Event], Awaitable[None]]:
    async def fail(event: Event) -> None:
        raise error

    return fail


# ---- one try


async def test_a_call_that_returns_has_raised_nothing() -> None:
    bench = await Bench.of()

    assert await bench.run(work_of(ring)) is None


@pytest.mark.parametrize(
    'error',
    [ValueError(), BaseException(), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_call_raises_is_given_back_and_goes_no_further(error: BaseException) -> None:
    bench = await Bench.of()

    assert await bench.run(work_of(raising(error))) is error


async def test_a_plain_method_is_called_in_a_thread() -> None:
    threads: list[threading.Thread] = []
    bench = await Bench.of(name='bell')

    await bench.run(work_of(lambda event: threads.append(threading.current_thread()), blocking=True))

    assert [thread.name for thread in threads] == ['bell#1']


async def test_the_threads_are_used_again() -> None:
    threads: list[threading.Thread] = []
    bench = await Bench.of()

    for _ in range(3):
        await bench.run(work_of(lambda event: threads.append(threading.current_thread()), blocking=True))

    assert len(set(threads)) == 1


async def test_what_a_plain_method_gives_is_awaited() -> None:
    rung: list[Event] = []

    async def late(event: Event) -> None:
        rung.append(event)

    await (await Bench.of()).run(work_of(lambda event: late(event), blocking=True))

    assert len(rung) == 1


async def test_a_call_knows_the_work_that_it_is_at() -> None:
    seen: list[Work | None] = []

    async def look(event: Event) -> None:
        seen.append(current_work.get())

    work = work_of(look)
    await (await Bench.of()).run(work)

    assert seen == [work]


async def test_a_task_that_a_call_starts_knows_the_work() -> None:
    seen: list[Work | None] = []

    async def look() -> None:
        seen.append(current_work.get())

    async def call(event: Event) -> None:
        await asyncio.create_task(look())

    work = work_of(call)
    await (await Bench.of()).run(work)

    assert seen == [work]


@pytest.mark.parametrize('run', [ring, raising(ValueError()), raising(SystemExit()), raising(asyncio.CancelledError())])
async def test_after_a_call_there_is_no_work(run: Callable[[Event], Any]) -> None:
    bench = await Bench.of()

    await bench.tries.run(work_of(run))

    assert current_work.get() is None


async def test_a_thread_of_a_plain_method_knows_the_work() -> None:
    seen: list[Work | None] = []
    work = work_of(lambda event: seen.append(current_work.get()), blocking=True)

    await (await Bench.of()).run(work)

    assert seen == [work]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that the test turns."""
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(
        'wazo_busd.tries.time',
        SimpleNamespace(monotonic=lambda: made.now),
    )
    return made


@pytest.mark.parametrize('error', [None, ValueError(), SystemExit(), asyncio.CancelledError()])
@pytest.mark.interpreted
async def test_the_work_says_when_its_call_began_and_how_long_it_took_however_it_ended(
    clock: SimpleNamespace, error: BaseException | None
) -> None:
    async def call(event: Event) -> None:
        clock.now += 2.5
        if error is not None:
            raise error

    work = work_of(call)
    await (await Bench.of()).run(work)

    assert (work.began_at, work.duration_seconds) == (100.0, 2.5)


@pytest.mark.interpreted
async def test_while_it_is_called_the_work_says_since_when(clock: SimpleNamespace) -> None:
    seen: list[float] = []

    async def look(event: Event) -> None:
        seen.append(work.began_at)

    work = work_of(look)
    await (await Bench.of()).run(work)

    assert seen == [100.0]


async def test_the_work_says_when_its_call_began_and_how_long_it_took() -> None:
    work = work_of(ring)

    await (await Bench.of()).run(work)

    assert work.began_at > 0
    assert work.duration_seconds > 0


# ---- in time


async def test_a_call_that_takes_too_long_is_cancelled_and_the_work_says_so() -> None:
    work = work_of(Plug())

    error = await (await Bench.of(timeout='10ms')).run(work)

    assert (type(error), work.is_late) == (asyncio.CancelledError, True)


async def test_a_call_that_swallows_that_it_is_cancelled_was_late_all_the_same() -> None:
    async def swallow(event: Event) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    work = work_of(swallow)
    error = await (await Bench.of(timeout='10ms')).run(work)

    assert (error, work.is_late) == (None, True)


async def test_a_call_that_ends_in_time_is_not_late() -> None:
    # Given a call that ends in time, and one behind it that does not
    bench = await Bench.of(timeout='10ms')
    work = work_of(ring)
    await bench.run(work)

    # When the time of both is over
    await bench.run(work_of(Plug()))

    # Then the first was in time
    assert not work.is_late


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that goes on after it was cancelled is given up soon."""
    monkeypatch.setattr(deadlines, '_GRACE_SECONDS', 0.01)


async def given_up(bench: Bench, number: int = 1) -> None:
    """Wait until so much work was given up."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(bench.abandoned) < number:
            await asyncio.sleep(0.001)


@pytest.mark.usefixtures('no_grace')
async def test_a_call_that_ignores_that_it_is_cancelled_is_given_up() -> None:
    # Given a call that ignores that it is cancelled
    bench = await Bench.of(timeout='10ms')
    plug = Plug(is_deaf=True)
    work = work_of(plug)
    task = bench.begin(work)

    # When its time and its grace are over
    await given_up(bench)
    ended_before = task.done()
    plug.release.set()
    await patiently(task)

    # Then it is told while the call goes on
    assert (bench.abandoned, work.is_abandoned, ended_before) == ([work], True, False)


@pytest.mark.usefixtures('no_grace')
async def test_a_call_that_ignores_that_it_is_cancelled_is_named(log: StringIO) -> None:
    bench = await Bench.of(name='bell', timeout='10ms')
    plug = Plug(is_deaf=True)
    work = work_of(plug)
    task = bench.begin(work)

    await given_up(bench)
    plug.release.set()
    await patiently(task)

    (line,) = log_lines(log, 'handler_ignores_cancellation')
    assert (line['level'], line['handler'], line['event_id']) == ('ERROR', 'bell', work.event.id)


# ---- recorded


def recorded(state_dir: Path, name: str = 'test') -> list[tuple[str, bool]]:
    """What the black box of a handler says now."""
    return [(each.mark, each.alone) for each in read(state_dir / 'running' / f'{name}.box')]


async def test_while_a_call_runs_its_event_is_recorded(tmp_path: Path) -> None:
    seen: list[list[tuple[str, bool]]] = []

    async def look(event: Event) -> None:
        seen.append(recorded(tmp_path))

    work = work_of(look)
    await (await Bench.of(Suspects(tmp_path))).run(work)

    assert seen == [[(work.delivery.identity, False)]]


@pytest.mark.parametrize('run', [ring, raising(ValueError()), raising(SystemExit())])
async def test_when_a_call_has_ended_its_event_is_not_recorded_any_more(
    tmp_path: Path, run: Callable[[Event], Any]
) -> None:
    bench = await Bench.of(Suspects(tmp_path))

    await bench.run(work_of(run))

    assert recorded(tmp_path) == []


async def test_of_a_suspect_it_is_recorded_that_it_runs_alone(tmp_path: Path) -> None:
    seen: list[list[tuple[str, bool]]] = []

    async def look(event: Event) -> None:
        seen.append(recorded(tmp_path))

    work = work_of(look, suspect=True)
    await (await Bench.of(Suspects(tmp_path))).run(work)

    assert seen == [[(work.delivery.identity, True)]]


async def test_of_a_suspect_beside_which_others_run_again_that_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a suspect that runs for longer than others wait
    monkeypatch.setattr(suspects_module, '_ALONE_SECONDS', 0.01)
    bench = await Bench.of(Suspects(tmp_path))
    plug = Plug()
    suspect = work_of(plug, suspect=True)
    task = bench.begin(suspect)
    await patiently(plug.begun.wait())

    # When another event is run
    await bench.run(work_of(ring))

    # Then it is recorded as one that does not run alone
    assert recorded(tmp_path) == [(suspect.delivery.identity, False)]
    plug.release.set()
    await patiently(task)


@pytest.mark.usefixtures('no_grace')
async def test_what_was_given_up_is_not_recorded_any_more_and_its_end_takes_no_record_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a call that was given up, and another one that runs and is not
    bench = await Bench.of(Suspects(tmp_path), timeout='10ms')
    deaf, plug = Plug(is_deaf=True), Plug(is_deaf=True)
    first = bench.begin(work_of(deaf))
    await given_up(bench)
    monkeypatch.setattr(deadlines, '_GRACE_SECONDS', 3600.0)
    other = work_of(plug, body=b'{"a": 1}')
    second = bench.begin(other)
    await patiently(plug.begun.wait())

    # When the first one ends at last
    deaf.release.set()
    await patiently(first)

    # Then the other one is recorded
    assert recorded(tmp_path) == [(other.delivery.identity, False)]
    plug.release.set()
    await patiently(second)


async def test_a_try_that_ends_before_its_call_takes_no_record_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a plain handler whose only thread hangs, and an event that was tried before
    monkeypatch.setattr('wazo_busd.threads._SPARE', 0)
    bench = await Bench.of(Suspects(tmp_path))
    again = work_of(lambda event: None, blocking=True)
    await bench.run(again)
    begun, release = threading.Event(), threading.Event()

    def hang(event: Event) -> None:
        begun.set()
        release.wait(PATIENCE_SECONDS)

    hanging = work_of(hang, body=b'{"a": 1}', blocking=True)
    task = bench.begin(hanging)
    await asyncio.to_thread(begun.wait, PATIENCE_SECONDS)

    # When that event is cancelled while it waits for a thread
    waiting = bench.begin(again)
    await turn()
    waiting.cancel()
    await patiently(waiting)

    # Then the one that hangs is still recorded
    assert recorded(tmp_path) == [(hanging.delivery.identity, False)]
    release.set()
    await patiently(task)


async def test_when_the_handler_has_ended_there_is_no_box(tmp_path: Path) -> None:
    bench = await Bench.of(Suspects(tmp_path))
    await bench.run(work_of(ring))

    bench.tries.close()

    assert list((tmp_path / 'running').iterdir()) == []


# ---- suspects


async def test_while_a_suspect_runs_the_other_handlers_wait() -> None:
    # Given a suspect of one handler that runs, and an event of another one
    suspects = Suspects()
    one, other = await Bench.of(suspects, name='one'), await Bench.of(suspects, name='other')
    plug, late = Plug(), Plug()
    suspect = one.begin(work_of(plug, suspect=True))
    await patiently(plug.begun.wait())
    task = other.begin(work_of(late))
    await turn()
    begun_before = late.begun.is_set()

    # When the suspect has ended
    plug.release.set()
    await patiently(suspect)
    late.release.set()
    await patiently(task)

    # Then, and not before, the other one is run
    assert (begun_before, late.begun.is_set()) == (False, True)


async def test_a_suspect_waits_for_what_runs_elsewhere() -> None:
    # Given an event of one handler that runs, and a suspect of another one
    suspects = Suspects()
    one, other = await Bench.of(suspects, name='one'), await Bench.of(suspects, name='other')
    plug, late = Plug(), Plug()
    running = one.begin(work_of(plug))
    await patiently(plug.begun.wait())
    task = other.begin(work_of(late, suspect=True))
    await turn()
    begun_before = late.begun.is_set()

    # When it has ended
    plug.release.set()
    await patiently(running)
    late.release.set()
    await patiently(task)

    # Then, and not before, the suspect is run
    assert (begun_before, late.begun.is_set()) == (False, True)


async def test_the_time_that_an_event_waits_for_a_suspect_is_not_its_own() -> None:
    # Given a suspect that runs, and an event that waits for it
    suspects = Suspects()
    one, other = await Bench.of(suspects, name='one'), await Bench.of(suspects, name='other', timeout='10ms')
    plug = Plug()
    suspect = one.begin(work_of(plug, suspect=True))
    await patiently(plug.begun.wait())
    work = work_of(ring)
    task = other.begin(work)

    # When it has waited for longer than it may take
    await asyncio.sleep(0.05)
    plug.release.set()
    await patiently(suspect)

    # Then it is in time
    assert (await patiently(task), work.is_late) == (None, False)


@pytest.mark.usefixtures('no_grace')
async def test_for_a_suspect_that_ignores_that_it_is_cancelled_no_other_one_waits() -> None:
    # Given a suspect that ignores that it is cancelled
    bench = await Bench.of(timeout='10ms')
    plug = Plug(is_deaf=True)
    deaf = bench.begin(work_of(plug, suspect=True))
    await patiently(plug.begun.wait())

    # When another suspect and another event come
    found = await asyncio.gather(bench.run(work_of(ring, suspect=True)), bench.run(work_of(ring)))

    # Then they are run
    assert list(found) == [None, None]
    plug.release.set()
    await patiently(deaf)
