# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gatherer: acknowledged when on disk, published when the time is over, gone when that is confirmed."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually
from tests.unit.rig import log_lines, make_work, patiently, turn
from wazo_busd import gatherer as module
from wazo_busd.burst import burst_of
from wazo_busd.codec import Limits
from wazo_busd.errors import BusError
from wazo_busd.event import Event
from wazo_busd.gatherer import Gatherer
from wazo_busd.gathering import Gathering
from wazo_busd.handler import Gather
from wazo_busd.testing import make_event
from wazo_busd.work import Work


class Bench:
    """A gatherer, what it published, and what became of the events that it was given."""

    def __init__(self, directory: Path, *, seconds: float | None = 3600.0, whole: bool = False) -> None:
        self.directory = directory
        self.published: list[bytes] = []
        self.done: list[Any] = []
        self.alone: list[Any] = []
        self.refusals: list[BusError] = []
        """What the broker says to the next tries."""
        self.is_open = asyncio.Event()
        """Whether the broker confirms."""
        self.is_open.set()
        self.gatherer = Gatherer(
            'bell',
            Gather(seconds, whole) if seconds is not None else None,
            Gathering(directory, 'bell'),
            limits=Limits(),
            hand=self._hand,
            done=lambda work: self.done.append(work.event.data),
            alone=lambda work: self.alone.append(work.event.data),
        )

    async def _hand(self, body: bytes, last: Event) -> None:
        if self.refusals:
            raise self.refusals.pop()
        self.published.append(body)
        await self.is_open.wait()

    async def opened(self) -> Bench:
        await patiently(self.gatherer.open())
        return self

    async def give(self, *data: Any, redelivered: bool = False) -> list[bool]:
        """Give it events, and wait until they are seen to."""
        works = [work_of(each, redelivered=redelivered) for each in data]
        wanted = len(self.done) + len(self.alone) + len(works)
        taken = [self.gatherer.takes(work) for work in works]
        await eventually(lambda: len(self.done) + len(self.alone) + taken.count(False) >= wanted)
        return taken

    @property
    def bursts(self) -> list[Event]:
        return [burst_of(each, redelivered=False, attempt=1, id='b' * 32, limits=Limits()) for each in self.published]

    @property
    def told(self) -> list[tuple[int, list[Any]]]:
        """The number of events, and what they say, of each burst."""
        return [(burst.count, [event.data for event in burst.events]) for each in self.bursts if (burst := each.burst)]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


def work_of(data: Any, *, redelivered: bool = False) -> Work:
    return make_work(make_event('call_created', data, routing_key='calls.call.created', redelivered=redelivered))


async def killed(bench: Bench) -> None:
    """End as a process does that is killed: nothing more is done, and what it had locked is free."""
    for task in (bench.gatherer._committing, bench.gatherer._publishing):
        if task is not None:
            task.cancel()
    if bench.gatherer._timer is not None:
        bench.gatherer._timer.cancel()
    await turn()
    bench.gatherer._files.close()


# ---- one burst of many


async def test_many_events_become_one_burst(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    await bench.give(1, 2, 3)

    await patiently(bench.gatherer.flush())

    assert bench.told == [(3, [1, 2, 3])]


async def test_the_time_counts_from_the_first_and_ends_by_itself(tmp_path: Path) -> None:
    bench = await Bench(tmp_path, seconds=0.01).opened()
    await bench.give(1)

    await eventually(lambda: bench.told == [(1, [1])])


async def test_what_comes_then_is_another_burst(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    for each in (1, 2):
        await bench.give(each)
        await patiently(bench.gatherer.flush())

    assert bench.told == [(1, [1]), (1, [2])]


async def test_what_is_published_is_no_longer_on_disk(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    await bench.give(1)

    await patiently(bench.gatherer.flush())

    assert bench.files == []


async def test_a_whole_burst_that_is_full_is_published_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.heap.MOST_WHOLE', 3)
    bench = await Bench(tmp_path, whole=True).opened()
    for each in range(4):
        await bench.give(each)

    await eventually(lambda: bench.told == [(3, [0, 1, 2])])
    await patiently(bench.gatherer.flush())
    assert bench.told[1:] == [(1, [3])]


async def test_an_event_that_is_too_large_for_a_burst_is_handled_by_itself(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()

    assert await bench.give('x' * 500_000, 1) == [False, True]


async def test_where_nothing_is_gathered_any_more_every_event_is_handled_by_itself(tmp_path: Path) -> None:
    bench = await Bench(tmp_path, seconds=None).opened()

    assert bench.gatherer.takes(work_of(1)) is False


# ---- what is on disk


async def test_an_event_is_acknowledged_when_it_is_on_disk_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = await Bench(tmp_path).opened()
    flushed: list[int] = []
    fsync = os.fsync

    def slow(file: int) -> None:
        flushed.append(len(bench.done))
        fsync(file)

    monkeypatch.setattr('wazo_busd.gathering.os.fsync', slow)
    await bench.give(1)

    assert (flushed[0], bench.done) == (0, [1])


async def test_many_events_share_one_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(tmp_path).opened()
    flushes: list[int] = []
    monkeypatch.setattr('wazo_busd.gathering.os.fsync', flushes.append)

    await bench.give(*range(200))

    assert len(flushes) <= 2


async def test_what_a_killed_process_had_gathered_is_published_by_the_next(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    await bench.give(1, 2)
    await killed(bench)

    again = await Bench(tmp_path).opened()
    await again.give(3)
    await patiently(again.gatherer.flush())

    assert (bench.told, again.told) == ([], [(3, [1, 2, 3])])


async def test_the_time_goes_on_over_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_LEAST_SECONDS', 0.0)
    bench = await Bench(tmp_path).opened()
    await bench.give(1)
    await killed(bench)
    now = time.time() + 3600.0
    monkeypatch.setattr('wazo_busd.gatherer.time.time', lambda: now)

    again = await Bench(tmp_path).opened()

    await eventually(lambda: again.told == [(1, [1])])


async def test_what_was_not_confirmed_is_published_again_as_the_same_burst(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    bench.is_open.clear()
    await bench.give(1)
    flushing = asyncio.create_task(bench.gatherer.flush())
    await eventually(lambda: bool(bench.published))
    await killed(bench)
    await flushing

    again = await Bench(tmp_path).opened()

    await eventually(lambda: again.published == bench.published)
    await eventually(lambda: not list(tmp_path.glob('*.sealed')))


async def test_to_close_is_to_leave_the_rest_to_the_next_start(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    bench.gatherer.takes(work_of(1))
    await patiently(bench.gatherer.close())

    again = await Bench(tmp_path).opened()
    await patiently(again.gatherer.flush())

    assert (bench.done, again.told) == ([1], [(1, [1])])


async def test_what_was_gathered_before_is_published_though_nothing_is_gathered_any_more(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    await bench.give(1)
    await killed(bench)

    again = await Bench(tmp_path, seconds=None).opened()

    await eventually(lambda: again.told == [(1, [1])])


async def test_one_that_comes_again_is_counted_once(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    await bench.give(1, 2)
    await killed(bench)

    again = await Bench(tmp_path).opened()
    await again.give(1, redelivered=True)
    await again.give(2, 1)
    await patiently(again.gatherer.flush())

    assert again.told == [(4, [1, 2, 2, 1])]


async def test_two_processes_do_not_gather_for_one_handler(tmp_path: Path) -> None:
    await Bench(tmp_path).opened()

    with pytest.raises(BlockingIOError):
        await Bench(tmp_path).opened()


# ---- what goes wrong


def refusing(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_on_a_full_disk_events_are_handled_one_by_one_and_the_rest_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    bench = await Bench(tmp_path).opened()
    await bench.give(1)
    monkeypatch.setattr(bench.gatherer._files, 'append', refusing)
    await bench.give(2)
    monkeypatch.undo()
    await bench.give(3)
    await patiently(bench.gatherer.flush())

    assert (bench.alone, bench.told) == ([2], [(2, [1, 3])])
    assert [each['error'] for each in log_lines(log, 'gathering_failed')] == ['[Errno 28] No space left on device']


async def test_what_cannot_be_sealed_waits_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = await Bench(tmp_path).opened()
    await bench.give(1)
    monkeypatch.setattr(bench.gatherer._files, 'seal', refusing)
    await patiently(bench.gatherer.flush())
    monkeypatch.undo()
    await bench.give(2)
    await patiently(bench.gatherer.flush())

    assert bench.told == [(2, [1, 2])]


async def test_what_the_broker_refuses_is_published_until_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, '_PAUSES_SECONDS', (0.0,))
    bench = await Bench(tmp_path).opened()
    bench.refusals = [BusError('no'), BusError('no')]
    await bench.give(1)

    await patiently(bench.gatherer.flush())

    assert (bench.told, bench.files) == ([(1, [1])], [])


@pytest.mark.parametrize('content', [b'{"id":"a","body":"no json"}\n', b'{"id":"a"}\n', b'garbage\n'])
async def test_a_file_that_is_no_burst_is_kept_and_told(tmp_path: Path, content: bytes, log: StringIO) -> None:
    (tmp_path / 'bell.000001.sealed').write_bytes(content)
    bench = await Bench(tmp_path).opened()

    await eventually(lambda: 'bell.000001.broken' in bench.files)
    assert (bench.published, len(log_lines(log, 'burst_unreadable'))) == ([], 1)


async def test_bursts_are_published_in_their_order(tmp_path: Path) -> None:
    bench = await Bench(tmp_path).opened()
    bench.is_open.clear()
    flushes: list[asyncio.Task[None]] = []
    for each in (1, 2, 3):
        await bench.give(each)
        flushes.append(asyncio.create_task(bench.gatherer.flush()))
        await eventually(lambda: bench.gatherer._heap is None)
    bench.is_open.set()
    await patiently(asyncio.gather(*flushes))

    assert first_of(bench.told) == [1, 2, 3]


def first_of(told: Iterable[tuple[int, list[Any]]]) -> list[Any]:
    return [data[0] for _, data in told]
