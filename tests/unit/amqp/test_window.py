# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The window: everything finished is acknowledged once, and nothing else ever is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wazo_busd.amqp.window import STRAGGLER_SECONDS, Window

PREFETCH = 6

steps = st.lists(
    st.one_of(
        st.tuples(st.just('came'), st.integers(1, 3)),
        st.tuples(st.just('finished'), st.integers(0, 2 * PREFETCH)),
        st.tuples(st.just('passed'), st.sampled_from([0.0, STRAGGLER_SECONDS / 2, STRAGGLER_SECONDS])),
        st.tuples(st.just('told'), st.booleans()),
    ),
    max_size=60,
)
"""What can happen to a window, with: how far the delivery tag goes up, which of the open ones finished, how much time
passed, whether all that is finished is to be told."""


class Ledger:
    """What a broker and a handler know of the deliveries of one channel."""

    def __init__(self) -> None:
        self.window = Window(PREFETCH)
        self.now = 1000.0
        self.tag = 0
        self.unfinished: list[int] = []
        self.finished: list[int] = []
        self.outstanding: list[int] = []
        """Given out and not acknowledged, as the broker sees it."""

    def take(self, step: tuple[str, float]) -> None:
        kind, value = step
        if kind == 'came' and len(self.outstanding) < PREFETCH:
            self.came(int(value))
        elif kind == 'finished' and self.unfinished:
            self.finish(self.unfinished[int(value) % len(self.unfinished)])
        elif kind == 'passed':
            self.now += value
        elif kind == 'told':
            self.tell(all_finished=bool(value))

    def came(self, step: int = 1) -> None:
        self.tag += step
        self.window.came(self.tag)
        self.unfinished.append(self.tag)
        self.outstanding.append(self.tag)

    def finish(self, tag: int) -> None:
        self.unfinished.remove(tag)
        self.finished.append(tag)
        self.window.finished(tag, self.now)

    def tell(self, *, all_finished: bool = False) -> None:
        """Do what a broker does with acknowledgements."""
        for tag, multiple in self.window.acknowledgements(self.now, all_finished=all_finished):
            assert tag in self.outstanding, 'the broker closes a channel that acknowledges what it has not'
            gone = [each for each in self.outstanding if each <= tag] if multiple else [tag]
            assert not set(gone) & set(self.unfinished), 'an event that is not finished is lost'
            self.outstanding = [each for each in self.outstanding if each not in gone]


def history(*taken: tuple[str, float]) -> Ledger:
    ledger = Ledger()
    for step in taken:
        ledger.take(step)
    return ledger


@given(steps)
@settings(max_examples=500, deadline=None)
def test_in_the_end_all_that_is_finished_is_acknowledged_and_nothing_else(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    ledger.tell(all_finished=True)

    assert ledger.outstanding == ledger.unfinished


@given(steps)
@settings(max_examples=500, deadline=None)
def test_what_is_finished_is_acknowledged_soon_after_whatever_is_before_it(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)
    ledger.now += STRAGGLER_SECONDS + 0.001

    ledger.tell()

    assert ledger.outstanding == ledger.unfinished


@given(steps)
@settings(max_examples=300, deadline=None)
def test_the_window_knows_how_many_are_open(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    assert ledger.window.open == len(ledger.unfinished)


@given(steps)
@settings(max_examples=300, deadline=None)
def test_something_waits_as_long_as_something_finished_is_not_told(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    assert ledger.window.waiting == (len(ledger.outstanding) > len(ledger.unfinished))


@given(steps)
@settings(max_examples=300, deadline=None)
def test_what_was_told_is_not_told_again(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)
    ledger.tell(all_finished=True)

    assert ledger.window.acknowledgements(ledger.now + 10.0, all_finished=True) == []


def window(came: int, finished: dict[int, float], *, prefetch: int = 100) -> Window:
    """A window with so many deliveries, of which some are finished, with the time they finished at."""
    found = Window(prefetch)
    for tag in range(1, came + 1):
        found.came(tag)
    for tag, at in finished.items():
        found.finished(tag, at)
    return found


@pytest.mark.parametrize(
    ('finished', 'told'),
    [
        ([], []),
        ([1], [(1, False)]),
        ([1, 2], [(2, True)]),
        ([2, 1], [(2, True)]),
        ([1, 2, 3], [(3, True)]),
        ([1, 2, 4], [(2, True)]),
        ([2, 3], []),
    ],
    ids=str,
)
def test_one_frame_stands_for_all_below_the_first_that_is_open(
    finished: list[int], told: list[tuple[int, bool]]
) -> None:
    assert window(5, dict.fromkeys(finished, 0.0)).acknowledgements(0.0) == told


def test_everything_finished_is_one_frame() -> None:
    assert window(256, dict.fromkeys(range(1, 257), 0.0)).acknowledgements(0.0) == [(256, True)]


@pytest.mark.parametrize(('waited', 'told'), [(0.0, []), (0.049, []), (0.051, [(2, False)]), (1.0, [(2, False)])])
def test_a_straggler_is_told_singly_when_it_has_waited(waited: float, told: list[tuple[int, bool]]) -> None:
    assert window(3, {2: 100.0}).acknowledgements(100.0 + waited) == told


def test_only_those_that_have_waited_are_told() -> None:
    assert window(5, {3: 100.0, 2: 100.04}).acknowledgements(100.06) == [(3, False)]


def test_stragglers_follow_what_is_told_at_once() -> None:
    assert window(5, {3: 100.0, 1: 100.1}).acknowledgements(100.1) == [(1, False), (3, False)]


@pytest.mark.parametrize(('finished', 'told'), [(4, 0), (5, 5)])
def test_half_of_the_prefetch_does_not_wait(finished: int, told: int) -> None:
    waiting = window(10, dict.fromkeys(range(2, 2 + finished), 100.0), prefetch=10)

    assert len(waiting.acknowledgements(100.0)) == told


def test_with_a_prefetch_of_one_every_delivery_is_told_at_once() -> None:
    assert window(1, {1: 100.0}, prefetch=1).acknowledgements(100.0) == [(1, False)]


def test_at_the_end_nothing_waits_for_its_predecessors() -> None:
    assert window(5, {3: 100.0, 5: 100.0}).acknowledgements(100.0, all_finished=True) == [(3, False), (5, False)]


def test_a_delivery_that_never_came_cannot_finish() -> None:
    with pytest.raises(KeyError):
        Window(10).finished(1, 0.0)
