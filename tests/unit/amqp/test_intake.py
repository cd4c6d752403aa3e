# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The intake: what a channel brings is handed on, in its order, and a mistake with one keeps no other back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.unit.rig import turn
from wazo_busd.amqp import intake as module
from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.amqp.arrival import first_hand
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.frames import Cut
from wazo_busd.amqp.intake import Intake
from wazo_busd.delivery import Delivery
from wazo_busd.outcome import Outcome

PREFETCH = 1000


class Answers:
    """What the broker is told."""

    def __init__(self) -> None:
        self.acks: list[tuple[int, bool]] = []

    is_gathering = is_more = False

    def behind(self, callback: Callable[[], None]) -> None:
        raise AssertionError('nothing more is about to be handed on')

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

    def __init__(self, accept: Callable[[Delivery], None] | None = None) -> None:
        self.tags: list[int] = []
        self.answers = Answers()
        self._accept = accept
        self._next_tag = 1
        self.acknowledger = ChannelAcknowledger(self.answers, PREFETCH, cast('Copies', None))
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

    def _accepted(self, delivery: Delivery) -> None:
        self.tags.append(delivery.tag)
        if self._accept is not None:
            self._accept(delivery)


async def test_what_is_read_is_handed_on_once_and_in_its_order() -> None:
    bench = Bench()

    bench.read(3)
    bench.read(2)

    assert bench.tags == [1, 2, 3, 4, 5]


async def test_what_is_not_finished_is_here() -> None:
    bench = Bench(lambda delivery: delivery.settle(Outcome.DONE) if delivery.tag == 2 else None)

    bench.read(3)

    assert bench.intake.here == 2


async def test_what_one_read_has_brought_is_acknowledged_together() -> None:
    bench = Bench(lambda delivery: delivery.settle(Outcome.DONE))

    bench.read(100)
    await turn()

    assert bench.answers.acks == [(100, True)]


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

    bench.read(100)

    assert bench.tags == [tag for tag in range(1, 101) if tag != 40]


@pytest.mark.usefixtures('mistaken')
@pytest.mark.interpreted
async def test_what_nothing_can_be_made_of_is_not_acknowledged_with_those_behind_it() -> None:
    bench = Bench(lambda delivery: delivery.settle(Outcome.DONE))

    bench.read(100)
    await turn()

    assert (next(each.tag for each in bench.acknowledger.unsettled()), bench.answers.acks) == (40, [(39, True)])


async def test_one_that_cannot_be_handed_on_keeps_no_other_back() -> None:
    def fail(delivery: Delivery) -> None:
        if delivery.tag == 1:
            raise RuntimeError('a mistake of ours')

    bench = Bench(fail)

    bench.read(3)

    assert bench.tags == [1, 2, 3]
