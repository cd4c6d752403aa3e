# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gaps: what can have been lost is told once, when it is over, and nothing is told where nothing can have been."""

from __future__ import annotations

import time

import pytest

from wazo_busd.amqp.gaps import QueueGaps
from wazo_busd.bus import Gap

SEEN_AT = 1_000.0


class Bench:
    """The gaps of a queue, and what was told of them."""

    def __init__(self, *, max_length: int = 100, max_bytes: int = 10_000) -> None:
        self.told: list[Gap] = []
        self.gaps = QueueGaps(
            'fax', max_length=max_length, max_bytes=max_bytes, report=self.told.append, seen_at=SEEN_AT
        )

    def seen(self, *counts: int) -> Bench:
        for count in counts:
            self.gaps.seen(count)
        return self

    @property
    def reasons(self) -> list[str]:
        return [gap.reason for gap in self.told]


def test_a_queue_that_is_there_has_no_gap() -> None:
    assert Bench().seen(0, 50, 0).told == []


def test_a_queue_that_was_gone_has_one_when_it_is_there_again() -> None:
    bench = Bench()
    bench.gaps.gone('it was deleted')
    before = list(bench.told)
    bench.seen(0)

    assert (before, bench.reasons) == ([], ['it was deleted'])


def test_a_gap_is_of_the_handler_from_when_its_queue_was_last_seen_until_now() -> None:
    before = time.time()
    bench = Bench()
    bench.gaps.gone('it was deleted')
    bench.seen(0)
    (gap,) = bench.told

    assert (gap.handler, gap.from_at, gap.to_at >= before) == ('fax', SEEN_AT, True)


def test_a_gap_is_told_once() -> None:
    bench = Bench()
    bench.gaps.gone('it was deleted')

    assert len(bench.seen(0, 0, 0).told) == 1


def test_the_first_reason_is_the_one_that_is_told() -> None:
    bench = Bench()
    bench.gaps.gone('it was deleted')
    bench.gaps.gone('it was gone')

    assert bench.seen(0).reasons == ['it was deleted']


def test_a_second_gap_begins_where_the_queue_was_seen_after_the_first() -> None:
    bench = Bench()
    bench.gaps.gone('it was deleted')
    bench.seen(0)
    bench.gaps.gone('again')
    bench.seen(0)

    assert bench.told[1].from_at >= bench.told[0].to_at


@pytest.mark.parametrize(('count', 'is_full'), [(0, False), (97, False), (98, True), (100, True)])
def test_a_queue_is_full_near_its_length(count: int, is_full: bool) -> None:
    assert Bench().seen(count).gaps.is_full is is_full


@pytest.mark.parametrize(('count', 'is_full'), [(47, False), (48, True)])
def test_a_queue_is_full_near_its_size_as_far_as_bodies_are_like_those_that_came(count: int, is_full: bool) -> None:
    bench = Bench(max_length=1_000)
    bench.gaps.came(10, 2_000)

    assert bench.seen(count).gaps.is_full is is_full


def test_a_queue_is_not_full_by_size_before_anything_came() -> None:
    assert not Bench(max_length=1_000).seen(900).gaps.is_full


def test_a_queue_that_dropped_for_its_size_while_nobody_consumed_is_a_gap_when_its_events_come() -> None:
    bench = Bench(max_length=1_000, max_bytes=2_000_000).seen(19)
    bench.gaps.came(19, 1_900_000)
    bench.seen(0)

    assert [(gap.from_at, 'full' in gap.reason) for gap in bench.told] == [(SEEN_AT, True)]


def test_a_queue_that_was_far_from_its_size_while_nobody_consumed_has_no_gap() -> None:
    bench = Bench(max_length=1_000, max_bytes=2_000_000).seen(10)
    bench.gaps.came(10, 1_000_000)

    assert bench.seen(0).told == []


def test_a_queue_that_was_full_is_a_gap_when_it_is_not_any_more() -> None:
    bench = Bench()
    before = list(bench.seen(100, 99).told)
    bench.seen(10)

    assert (before, [(gap.from_at, 'full' in gap.reason) for gap in bench.told]) == ([], [(SEEN_AT, True)])


def test_a_queue_that_is_full_a_second_time_is_a_second_gap() -> None:
    assert len(Bench().seen(100, 0, 100, 0).told) == 2
