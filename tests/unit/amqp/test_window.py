# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The window: everything finished is acknowledged once, and nothing else ever is."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.rig import Settlements
from wazo_busd.amqp.window import STRAGGLER_SECONDS, Window
from wazo_busd.delivery import Delivery, PlainProperties

PREFETCH = 6

steps = st.lists(
    st.one_of(
        st.tuples(st.just('came'), st.integers(1, 3)),
        st.tuples(st.just('finished'), st.integers(0, 2 * PREFETCH)),
        st.tuples(st.just('given back'), st.integers(0, 2 * PREFETCH)),
        st.tuples(st.just('replaced'), st.integers(0, 2 * PREFETCH)),
        st.tuples(st.just('passed'), st.sampled_from([0.0, STRAGGLER_SECONDS / 2, STRAGGLER_SECONDS])),
        st.tuples(st.just('told'), st.booleans()),
    ),
    max_size=60,
)
"""What can happen to a window, with: how far the delivery tag goes up, which of the open ones is meant, how much time
passed, whether all that is finished is to be told."""


def made(tag: int, *, body: bytes = b'{}', received_at: float = 1000.0) -> Delivery:
    return Delivery(
        tag,
        body=body,
        exchange='xivo',
        routing_key='a',
        properties=PlainProperties({}),
        redelivered=False,
        received_at=received_at,
        acknowledger=Settlements(),
    )


class Ledger:
    """What a broker and a handler know of the deliveries of one channel."""

    def __init__(self) -> None:
        self.window = Window(PREFETCH)
        self.now = 1000.0
        self.tag = 0
        self.unfinished: list[Delivery] = []
        self.finished: list[Delivery] = []
        self.outstanding: list[int] = []
        """Given out and not settled, as the broker sees it."""
        self.told: list[Delivery] = []
        """What was acknowledged, in the order of the frames."""

    def take(self, step: tuple[str, float]) -> None:
        kind, value = step
        if kind == 'came' and len(self.outstanding) < PREFETCH:
            self.came(int(value))
        elif kind == 'finished' and self.unfinished:
            self.finish(self.unfinished[int(value) % len(self.unfinished)])
        elif kind == 'given back' and self.unfinished:
            self.give_back(self.unfinished[int(value) % len(self.unfinished)])
        elif kind == 'replaced' and self.unfinished:
            self.replace(int(value) % len(self.unfinished))
        elif kind == 'passed':
            self.now += value
        elif kind == 'told':
            self.tell(all_finished=bool(value))

    def came(self, step: int = 1) -> None:
        self.tag += step
        delivery = made(self.tag)
        self.window.came(delivery)
        self.unfinished.append(delivery)
        self.outstanding.append(self.tag)

    def finish(self, delivery: Delivery) -> None:
        self.unfinished.remove(delivery)
        self.finished.append(delivery)
        self.window.finished(delivery)

    def give_back(self, delivery: Delivery) -> None:
        """Give one back, and let the broker hear of it at once, as the acknowledger does before anything else."""
        self.unfinished.remove(delivery)
        self.outstanding.remove(delivery.tag)
        self.window.remove(delivery.tag)

    def replace(self, index: int) -> None:
        """Let what this process was at already stand where an open delivery stood."""
        tag = self.unfinished[index].tag
        earlier = made(tag)
        self.window.replace(tag, earlier)
        self.unfinished[index] = earlier

    def tell(self, *, all_finished: bool = False) -> None:
        """Do what a broker does with acknowledgements."""
        unfinished = {delivery.tag for delivery in self.unfinished}
        for tag, multiple in self.window.acknowledgements(self.now, all_finished=all_finished):
            assert tag in self.outstanding, 'the broker closes a channel that acknowledges what it has not'
            gone = [each for each in self.outstanding if each <= tag] if multiple else [tag]
            assert not set(gone) & unfinished, 'an event that is not finished is lost'
            self.outstanding = [each for each in self.outstanding if each not in gone]
            self.told += [delivery for delivery in self.finished if delivery.tag in gone]
            self.finished = [delivery for delivery in self.finished if delivery.tag not in gone]

    @property
    def open_tags(self) -> list[int]:
        return [delivery.tag for delivery in self.unfinished]


def history(*taken: tuple[str, float]) -> Ledger:
    ledger = Ledger()
    for step in taken:
        ledger.take(step)
    return ledger


@given(steps)
@settings(max_examples=examples(100))
def test_in_the_end_all_that_is_finished_is_acknowledged_and_nothing_else(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    ledger.tell(all_finished=True)

    assert ledger.outstanding == ledger.open_tags


@given(steps)
@settings(max_examples=examples(100))
def test_what_is_finished_is_acknowledged_soon_after_whatever_is_before_it(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)
    ledger.tell()
    ledger.now += STRAGGLER_SECONDS + 0.001

    ledger.tell()

    assert ledger.outstanding == ledger.open_tags


@given(steps)
@settings(max_examples=examples(100))
def test_the_window_knows_how_many_are_open(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    assert ledger.window.open == len(ledger.unfinished)


@given(steps)
@settings(max_examples=examples(100))
def test_something_waits_as_long_as_something_finished_is_not_told(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    assert ledger.window.waiting == (len(ledger.outstanding) > len(ledger.unfinished))


@given(steps)
@settings(max_examples=examples(100))
def test_what_was_told_is_not_told_again(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)
    ledger.tell(all_finished=True)

    assert ledger.window.acknowledgements(ledger.now + 10.0, all_finished=True) == []


@given(steps)
@settings(max_examples=examples(100))
def test_each_delivery_is_told_once_and_none_that_was_given_back(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)
    finished = [*ledger.told, *ledger.finished]
    ledger.tell(all_finished=True)

    assert sorted(map(id, ledger.told)) == sorted(map(id, finished))


@given(steps)
@settings(max_examples=examples(100))
def test_what_the_broker_was_not_told_of_is_known(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    assert sorted(map(id, ledger.window.unsettled)) == sorted(map(id, [*ledger.unfinished, *ledger.finished]))


@given(steps)
@settings(max_examples=examples(100))
def test_what_was_told_last_is_known_as_far_as_the_prefetch_reaches(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    assert sorted(map(id, ledger.window.doubtful)) == sorted(map(id, ledger.told[-PREFETCH:]))


@given(steps)
@settings(max_examples=examples(100))
def test_no_delivery_is_both_told_and_not_told(taken: list[tuple[str, float]]) -> None:
    ledger = history(*taken)

    assert not set(map(id, ledger.window.unsettled)) & set(map(id, ledger.window.doubtful))


@given(steps, st.lists(st.integers(0, 100), min_size=60, max_size=60))
@settings(max_examples=examples(100))
def test_the_oldest_delivery_is_the_open_one_with_the_lowest_tag(
    taken: list[tuple[str, float]], ages: list[int]
) -> None:
    ledger = history(*taken)
    for delivery, age in zip(ledger.unfinished, ages, strict=False):
        delivery.received_at = 1000.0 - age

    assert ledger.window.oldest_seconds(1000.0) == (ages[0] if ledger.unfinished else 0.0)


def window(came: int, finished: Iterable[int] = (), *, prefetch: int = 100) -> Window:
    """A window with so many deliveries, of which some are finished."""
    found = Window(prefetch)
    for tag in range(1, came + 1):
        found.came(made(tag))
    finish(found, *finished)
    return found


def finish(found: Window, *tags: int) -> None:
    """Finish some of its deliveries."""
    deliveries = {delivery.tag: delivery for delivery in found.unsettled}
    for tag in tags:
        found.finished(deliveries[tag])


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
    assert window(5, finished).acknowledgements(0.0) == told


def test_everything_finished_is_one_frame() -> None:
    assert window(256, range(1, 257)).acknowledgements(0.0) == [(256, True)]


@pytest.mark.parametrize(('waited', 'told'), [(0.0, []), (0.049, []), (0.051, [(2, False)]), (1.0, [(2, False)])])
def test_a_straggler_is_told_singly_when_it_has_waited(waited: float, told: list[tuple[int, bool]]) -> None:
    found = window(3, [2])
    found.acknowledgements(100.0)

    assert found.acknowledgements(100.0 + waited) == told


def test_only_those_that_have_waited_are_told() -> None:
    found = window(5, [3])
    found.acknowledgements(100.0)
    finish(found, 2)
    found.acknowledgements(100.04)

    assert found.acknowledgements(100.06) == [(3, False)]


def test_stragglers_follow_what_is_told_at_once() -> None:
    found = window(5, [3])
    found.acknowledgements(100.0)
    finish(found, 1)

    assert found.acknowledgements(100.1) == [(1, False), (3, False)]


@pytest.mark.parametrize(('finished', 'told'), [(4, 0), (5, 5)])
def test_half_of_the_prefetch_does_not_wait(finished: int, told: int) -> None:
    waiting = window(10, range(2, 2 + finished), prefetch=10)

    assert len(waiting.acknowledgements(100.0)) == told


def test_with_a_prefetch_of_one_every_delivery_is_told_at_once() -> None:
    assert window(1, [1], prefetch=1).acknowledgements(100.0) == [(1, False)]


def test_at_the_end_nothing_waits_for_its_predecessors() -> None:
    assert window(5, [3, 5]).acknowledgements(100.0, all_finished=True) == [(3, False), (5, False)]


def test_a_delivery_that_never_came_cannot_finish() -> None:
    with pytest.raises(KeyError):
        Window(10).finished(made(1))


def test_a_delivery_that_was_given_back_cannot_finish() -> None:
    found, delivery = Window(10), made(1)
    found.came(delivery)
    found.remove(1)

    with pytest.raises(KeyError):
        found.finished(delivery)


def test_one_frame_stands_also_for_those_before_and_after_one_that_was_given_back() -> None:
    found = window(3, [1, 3])
    found.remove(2)

    assert found.acknowledgements(0.0) == [(3, True)]


def test_nothing_is_told_of_what_was_given_back() -> None:
    found = window(3)
    for tag in (1, 2, 3):
        found.remove(tag)

    assert (found.acknowledgements(0.0, all_finished=True), found.open, found.unsettled) == ([], 0, [])


def test_what_was_told_is_kept_without_its_body_if_that_is_large() -> None:
    found, large = Window(10), made(1, body=b'x' * 65_537)
    found.came(large)
    found.finished(large)
    found.acknowledgements(0.0)

    assert [delivery.body for delivery in found.doubtful] == [b'']


def test_what_was_told_keeps_a_body_that_is_not_large() -> None:
    found, small = Window(10), made(1, body=b'x' * 65_536)
    found.came(small)
    found.finished(small)
    found.acknowledgements(0.0)

    assert [len(delivery.body) for delivery in found.doubtful] == [65_536]


def test_what_was_told_is_recognised_without_its_body() -> None:
    found, large = Window(10), made(1, body=b'x' * 65_537)
    found.came(large)
    found.finished(large)
    found.acknowledgements(0.0)

    assert found.doubtful[0].identity == made(1, body=b'x' * 65_537).identity


def test_what_is_open_keeps_its_body() -> None:
    found, large = Window(10), made(1, body=b'x' * 65_537)
    found.came(large)
    found.acknowledgements(0.0, all_finished=True)

    assert large.body


def test_where_nothing_is_open_nothing_is_old() -> None:
    assert window(2, [1, 2]).oldest_seconds(2000.0) == 0.0
