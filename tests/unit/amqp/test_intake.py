# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The intake: everything that is read is handed on, in its order, a few deliveries at a time, until it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import turn
from wazo_busd.amqp import intake as module
from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.amqp.arrival import first_hand
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.intake import Intake
from wazo_busd.delivery import Delivery
from wazo_busd.outcome import Outcome

AT_ONCE = 32
PREFETCH = 1000


class Answers:
    """What the broker is told."""

    def __init__(self) -> None:
        self.acks: list[tuple[int, bool]] = []

    is_gathering = False

    def ack(self, tag: int, *, multiple: bool) -> None:
        self.acks.append((tag, multiple))

    def give_back(self, tag: int) -> None:
        raise AssertionError('nobody gives anything back')

    def close(self) -> None:
        """Nothing is open."""

    async def sent(self) -> None:
        """It is told at once."""


class Bench:
    """An intake, what it hands on, and what the broker is told.

    Args:
        accept: what is done with a delivery that is handed on; it is only noted if `None`.
    """

    def __init__(self, accept: Callable[[Delivery], None] | None = None, *, prefetch: int = PREFETCH) -> None:
        self.tags: list[int] = []
        self.answers = Answers()
        self._accept = accept
        self._next_tag = 1
        self.acknowledger = ChannelAcknowledger(self.answers, prefetch, cast('Copies', None))
        self.intake = Intake(
            self._accepted,
            self.acknowledger,
            handler='bell',
            copies=cast('Copies', None),
            returns='wazo-busd.returns',
            max_body_size=1000,
        )

    def read(self, count: int) -> None:
        """One read brings so many."""
        tags = range(self._next_tag, self._next_tag + count)
        self._next_tag += count
        self.intake.take([Cut(tag, False, b'wazo-headers', b'ami.Hangup', b'\0\0', 2, b'{}') for tag in tags])

    async def quiet(self) -> None:
        """Wait until nothing is left to be handed on."""
        while len(self.tags) + 1 < self._next_tag:
            await asyncio.sleep(0)

    def _accepted(self, delivery: Delivery) -> None:
        self.tags.append(delivery.tag)
        if self._accept is not None:
            self._accept(delivery)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 3)), min_size=1, max_size=6))
def test_everything_is_handed_on_once_and_in_its_order_however_it_is_read(reads: list[tuple[int, int]]) -> None:
    async def handed_on() -> list[int]:
        bench = Bench()
        for count, turns in reads:
            bench.read(count)
            for _ in range(turns):
                await asyncio.sleep(0)
        await bench.quiet()
        return bench.tags

    assert asyncio.run(handed_on()) == list(range(1, sum(count for count, _ in reads) + 1))


async def test_no_more_than_a_few_are_handed_on_in_one_turn_of_the_loop() -> None:
    bench = Bench()

    bench.read(3 * AT_ONCE)

    assert bench.tags == list(range(1, AT_ONCE + 1))


async def test_what_waits_to_be_handed_on_is_here() -> None:
    bench = Bench()

    bench.read(3 * AT_ONCE)

    assert bench.intake.here == 3 * AT_ONCE


async def test_one_that_is_closed_hands_on_no_more() -> None:
    bench = Bench()
    bench.read(3 * AT_ONCE)

    bench.intake.close()
    await turn()

    assert bench.tags == list(range(1, AT_ONCE + 1))


async def test_what_one_read_has_brought_is_acknowledged_together() -> None:
    bench = Bench(lambda delivery: delivery.settle(Outcome.DONE))

    bench.read(3 * AT_ONCE)
    await bench.quiet()
    await turn()

    assert bench.answers.acks == [(3 * AT_ONCE, True)]


async def test_what_is_closed_is_acknowledged_as_far_as_it_is_done() -> None:
    bench = Bench(lambda delivery: delivery.settle(Outcome.DONE))
    bench.read(3 * AT_ONCE)

    bench.intake.close()
    await turn()

    assert bench.answers.acks == [(AT_ONCE, True)]


async def test_the_broker_does_not_wait_for_the_rest_when_half_the_prefetch_is_here() -> None:
    # Given an intake whose first deliveries are half of what may be here
    bench = Bench(lambda delivery: delivery.settle(Outcome.DONE), prefetch=2 * AT_ONCE)
    bench.read(2 * AT_ONCE)

    # When the loop has turned once, and the rest has been handed on, but not acknowledged yet
    await turn()

    # Then what was handed on before is acknowledged
    assert bench.answers.acks[0] == (AT_ONCE, True)


async def test_one_that_is_hurried_hands_on_the_rest_in_one_turn() -> None:
    bench = Bench()
    bench.read(5 * AT_ONCE)

    bench.intake.hurry()
    await asyncio.sleep(0)

    assert bench.tags == list(range(1, 5 * AT_ONCE + 1))


async def test_one_that_is_hurried_with_nothing_waiting_takes_its_time_with_the_next_read() -> None:
    bench = Bench()
    bench.read(AT_ONCE)

    bench.intake.hurry()
    bench.read(3 * AT_ONCE)

    assert bench.tags == list(range(1, 2 * AT_ONCE + 1))


async def test_all_that_waits_can_be_handed_on_at_once() -> None:
    bench = Bench()
    bench.read(5 * AT_ONCE)

    bench.intake.hand_on_all()

    assert bench.tags == list(range(1, 5 * AT_ONCE + 1))


@pytest.fixture
def mistaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be made of the 40th delivery, by a mistake of ours."""

    def mistaken(cut: Cut, *others: Any) -> Delivery:
        if cut.tag == 40:
            raise RuntimeError('a mistake of ours')
        return first_hand(cut, *others)

    monkeypatch.setattr(module, 'first_hand', mistaken)


@pytest.mark.usefixtures('mistaken')
@pytest.mark.interpreted
async def test_what_nothing_can_be_made_of_keeps_back_nothing_behind_it() -> None:
    bench = Bench()

    bench.read(3 * AT_ONCE)
    await turn()

    assert bench.tags == [tag for tag in range(1, 3 * AT_ONCE + 1) if tag != 40]


@pytest.mark.usefixtures('mistaken')
@pytest.mark.interpreted
async def test_what_nothing_can_be_made_of_is_not_acknowledged_with_those_behind_it() -> None:
    bench = Bench(lambda delivery: delivery.settle(Outcome.DONE))

    bench.read(3 * AT_ONCE)
    await turn()

    assert (next(each.tag for each in bench.acknowledger.unsettled()), bench.answers.acks) == (40, [(39, True)])


async def test_one_that_cannot_be_handed_on_keeps_no_other_back() -> None:
    def fail(delivery: Delivery) -> None:
        if delivery.tag == 1:
            raise RuntimeError('a mistake of ours')

    bench = Bench(fail)

    bench.read(3)

    assert bench.tags == [1, 2, 3]
