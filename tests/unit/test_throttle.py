# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The throttle: one event within a time, of each value; over restarts, full disks and clocks that are set."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import Rig, log_lines, make_history, started
from wazo_busd import throttle as module
from wazo_busd.config import ThrottleConfig
from wazo_busd.event import Event
from wazo_busd.throttle import Throttle


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_700_000_000.0
        monkeypatch.setattr('wazo_busd.throttle.time.time', lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def throttle(path: Path | None = None, per: str | None = None) -> Throttle:
    made = Throttle('bell', ThrottleConfig(once_within=600.0, per=per), path)
    made.open()
    return made


def event(data: Any = None, *, redelivered: bool = False, id: str | None = None) -> Event:  # noqa: A002
    return Event('call_created', data, redelivered=redelivered, id=id, body=repr(data).encode())


def lets(made: Throttle, *events: Event) -> list[bool]:
    return [made.lets(each) for each in events]


# ---- what is let through


def test_the_first_is_let_through_and_no_other(clock: Clock) -> None:
    assert lets(throttle(), event(1), event(2), event(1)) == [True, False, False]


def test_after_the_time_another_is(clock: Clock) -> None:
    made = throttle()
    made.lets(event())

    clock.now += 600

    assert lets(made, event(), event()) == [True, False]


def test_the_time_counts_from_what_was_let_through_and_not_from_what_was_not(clock: Clock) -> None:
    made = throttle()
    made.lets(event())
    clock.now += 400
    made.lets(event())
    clock.now += 200

    assert made.lets(event())


def test_each_value_of_the_field_has_its_own_time(clock: Clock) -> None:
    made = throttle(per='data.to')

    assert lets(made, event({'to': 1}), event({'to': 2}), event({'to': 1})) == [True, True, False]


def test_events_without_the_field_are_counted_as_one(clock: Clock) -> None:
    assert lets(throttle(per='data.to'), event({}), event('no map'), event({'to': 1})) == [True, False, True]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_any_value_is_one_that_is_recognised(value: Any) -> None:
    assert lets(throttle(per='data.to'), event({'to': value}), event({'to': value})) == [True, False]


def test_one_that_could_not_be_acknowledged_is_let_through_again(clock: Clock) -> None:
    made = throttle()
    made.lets(event(1))

    assert lets(made, event(1, redelivered=True), event(2, redelivered=True), event(1)) == [True, False, False]


@pytest.mark.parametrize(('seconds', 'is_let'), [(-599, False), (-601, True)])
def test_a_clock_that_is_set_back_silences_nobody_for_longer_than_the_time(
    clock: Clock, seconds: float, is_let: bool
) -> None:
    made = throttle()
    made.lets(event())

    clock.now += seconds

    assert made.lets(event()) is is_let


def test_no_more_values_are_remembered_than_there_is_room_for(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'MOST', 3)
    made = throttle(per='data.to')
    lets(made, *(event({'to': each}) for each in range(4)))

    assert lets(made, event({'to': 3}), event({'to': 0})) == [False, True]


# ---- words for a person


def test_it_says_why_an_event_is_not_let_through(clock: Clock) -> None:
    made = throttle(per='data.to')
    made.lets(event({'to': 1}))
    clock.now += 61

    assert made.explain(event({'to': 1})) == (
        'throttle: one with this data.to was let through 61 s ago, and 600 s is the limit'
    )


def test_to_explain_changes_nothing(clock: Clock) -> None:
    made = throttle()

    assert (made.explain(event()), made.lets(event())) == (None, True)


# ---- over restarts


def test_what_was_let_through_is_remembered_over_a_restart(clock: Clock, tmp_path: Path) -> None:
    # Not closed: a process that is killed closes nothing.
    throttle(tmp_path / 'bell.jsonl').lets(event(1))

    assert lets(throttle(tmp_path / 'bell.jsonl'), event(2), event(1, redelivered=True)) == [False, True]


def test_what_is_over_is_not_kept_over_a_restart(clock: Clock, tmp_path: Path) -> None:
    throttle(tmp_path / 'bell.jsonl').lets(event(1))
    clock.now += 600
    throttle(tmp_path / 'bell.jsonl')

    assert (tmp_path / 'bell.jsonl').read_bytes() == b''


def test_nothing_that_came_over_the_bus_lies_in_the_file(clock: Clock, tmp_path: Path) -> None:
    throttle(tmp_path / 'bell.jsonl', per='data.to').lets(event({'to': '+15551234'}))

    assert b'5551234' not in (tmp_path / 'bell.jsonl').read_bytes()


@pytest.mark.parametrize('content', [b'\xff\xfe\n', b'{"key": "a"}\n', b'[]\n', b'{"key": "a", "at": "x", "id": 1}\n'])
def test_lines_that_are_none_are_passed_over(clock: Clock, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / 'bell.jsonl'
    throttle(path).lets(event())
    path.write_bytes(content + path.read_bytes() + b'{"key": "cut o')

    assert not throttle(path).lets(event())


def test_a_file_does_not_grow_for_ever(clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'MOST', 3)
    made = throttle(tmp_path / 'bell.jsonl', per='data.to')
    lets(made, *(event({'to': each}) for each in range(50)))

    assert len((tmp_path / 'bell.jsonl').read_bytes().splitlines()) <= 6


def full(*_: Any) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_on_a_full_disk_it_goes_on_and_says_so_once(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    made = throttle(tmp_path / 'bell.jsonl', per='data.to')
    monkeypatch.setattr('wazo_busd.throttle.os.write', full)

    assert lets(made, event({'to': 1}), event({'to': 2}), event({'to': 1})) == [True, True, False]
    assert len(log_lines(log, 'throttle_not_written')) == 1


def test_a_directory_that_cannot_be_used_stops_no_event(clock: Clock, tmp_path: Path, log: StringIO) -> None:
    (tmp_path / 'file').write_text('')

    assert lets(throttle(tmp_path / 'file' / 'bell.jsonl'), event(), event()) == [True, False]
    assert log_lines(log, 'throttle_not_written')


# ---- in the dispatcher


async def rig_with(ran: Callable[[Event], None]) -> Rig:
    async def plugin(event: Event) -> None:
        ran(event)

    plugin.__wazo_busd_handler__ = None  # type: ignore[attr-defined]
    from wazo_busd.api import handler

    return Rig(await started(handler(plugin)), throttle=throttle())


async def test_what_is_throttled_is_acknowledged_and_counted() -> None:
    ran: list[Event] = []
    rig = await rig_with(ran.append)

    rig.give(1)
    rig.give(2)
    await rig.all_settled()

    assert ([each.data for each in ran], rig.dispatcher.counts.throttled, len(rig.settlements.acked)) == ([1], 1, 2)


async def test_what_comes_back_to_be_tried_again_is_not_throttled() -> None:
    ran: list[Event] = []
    rig = await rig_with(ran.append)

    rig.give(1)
    rig.give(1, history=make_history(attempts=0))
    await rig.all_settled()

    assert [each.data for each in ran] == [1, 1]
