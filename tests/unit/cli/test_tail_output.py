# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The backlog and the output of `wazo-busd tail`: every event is written or counted as skipped."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.tail import call, cut
from wazo_busd.amqp import Heard
from wazo_busd.cli import tail_output
from wazo_busd.cli.tail_backlog import Backlog
from wazo_busd.cli.tail_output import Output
from wazo_busd.codec import Limits

PATIENCE_SECONDS = 20.0


def name_of(heard: Heard) -> str:
    return heard.event.name


class Writing:
    """An output whose lines the test sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, backlog: Backlog, most: int | None = None) -> None:
        self.written: list[str] = []
        self.told: list[str] = []
        self.ended = threading.Event()
        self.error: Exception | None = None
        monkeypatch.setattr(tail_output, 'write', self._write)
        self.output = Output(
            backlog,
            Limits(),
            wanted=lambda heard: True,
            form=name_of,
            most=most,
            told=self.told.append,
            ended=self.ended.set,
        )

    def run(self) -> Output:
        self.output.start()
        self.output.finish(PATIENCE_SECONDS)
        return self.output

    def _write(self, data: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.written += data.decode().splitlines()


def test_what_waits_is_taken_in_its_order() -> None:
    backlog = Backlog()
    backlog.put([cut('a'), cut('b')], 1.0)
    backlog.put([cut('c')], 2.0)

    taken = backlog.take(9).cuts

    assert [(at, json.loads(each.body)['name']) for at, each in taken] == [(1.0, 'a'), (1.0, 'b'), (2.0, 'c')]


def test_no_more_is_taken_than_was_asked_for() -> None:
    backlog = Backlog()
    backlog.put([call()] * 5, 1.0)

    assert [len(backlog.take(3).cuts), len(backlog.take(3).cuts)] == [3, 2]


@given(st.lists(st.integers(0, 8), max_size=12), st.integers(1, 6))
def test_every_event_is_taken_or_counted(batches: list[int], most: int) -> None:
    backlog = Backlog(most_events=most)
    for count in batches:
        backlog.put([call()] * count, 1.0)
    backlog.close()
    skipped, cuts = backlog.take(1000)

    assert (skipped + len(cuts), len(cuts) <= most) == (sum(batches), True)


def test_large_events_are_bounded_by_their_bytes() -> None:
    backlog = Backlog(most_bytes=1000)
    backlog.put([cut('large', 'x' * 600)] * 3, 1.0)
    skipped, cuts = backlog.take(10)

    assert (skipped, len(cuts)) == (2, 1)


def test_what_comes_after_the_end_is_neither_taken_nor_skipped() -> None:
    backlog = Backlog(most_events=1)
    backlog.close()
    backlog.put([call()] * 3, 1.0)

    assert backlog.take(10) == (0, [])


def test_the_oldest_are_skipped() -> None:
    backlog = Backlog(most_events=1)
    backlog.put([cut('old'), cut('new')], 1.0)

    assert b'"new"' in backlog.take(10).cuts[0][1].body


def test_what_was_skipped_is_told_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog(most_events=2)
    writing = Writing(monkeypatch, backlog)
    backlog.put([call()] * 5, 1.0)
    output = writing.run()

    assert (writing.told, output.skipped, output.shown) == (
        ['… 3 events skipped: they came faster than they could be written'],
        3,
        2,
    )


def test_what_waits_in_the_end_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog()
    writing = Writing(monkeypatch, backlog)
    backlog.put([call()] * 1500, 1.0)
    writing.run()

    assert len(writing.written) == 1500


def test_enough_is_enough_and_nothing_of_it_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog()
    writing = Writing(monkeypatch, backlog, most=3)
    backlog.put([call()] * 10, 1.0)
    output = writing.run()

    assert (len(writing.written), output.shown, output.skipped) == (3, 3, 0)


def test_nobody_who_reads_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog()
    writing = Writing(monkeypatch, backlog)
    writing.error = BrokenPipeError()
    backlog.put([call()], 1.0)
    output = writing.run()

    assert (output.is_closed, output.error, writing.ended.is_set()) == (True, None, True)


def test_what_cannot_be_written_ends_it_with_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog()
    writing = Writing(monkeypatch, backlog)
    writing.error = OSError(28, 'No space left on device')
    backlog.put([call()], 1.0)

    assert writing.run().error is writing.error


def test_a_terminal_that_takes_nothing_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    backlog = Backlog()
    writing = Writing(monkeypatch, backlog)
    freed, stuck = threading.Event(), threading.Event()

    def hang(data: Any) -> None:
        stuck.set()
        freed.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(tail_output, 'write', hang)
    backlog.put([call()], 1.0)
    writing.output.start()
    stuck.wait(PATIENCE_SECONDS)
    backlog.put([call()] * 7, 1.0)
    writing.output.finish(0.01)
    counts = (writing.output.skipped, writing.output.stuck)
    freed.set()

    assert counts == (7, 1)
