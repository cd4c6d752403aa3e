# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The delivery: settled exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import Settlements, make_delivery
from wazo_busd.delivery import Delivery, PlainProperties
from wazo_busd.errors import AlreadySettled
from wazo_busd.outcome import Outcome, Reason

REASON = Reason(
    handler='test',
    plugin='test',
    plugin_version='1',
    error='ValueError',
    text='it does not fit',
    traceback='',
    attempts=1,
    first_at=1.0,
    last_at=2.0,
    event_id='a' * 32,
)


def settle(delivery: Delivery, outcome: Outcome) -> None:
    delivery.settle(outcome, REASON if outcome is Outcome.DEAD else None)


@pytest.mark.parametrize('outcome', [Outcome.DONE, Outcome.DISCARDED])
async def test_an_event_that_needs_nothing_more_is_acknowledged(outcome: Outcome) -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)

    delivery.settle(outcome)

    assert (settlements.acked, settlements.number) == ([delivery], 1)


async def test_a_dead_event_is_kept_with_its_reason() -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)

    delivery.settle(Outcome.DEAD, REASON)

    assert (settlements.dead, settlements.number) == ([(delivery, REASON)], 1)


async def test_an_interrupted_event_is_left() -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)

    delivery.settle(Outcome.INTERRUPTED)

    assert (settlements.left, settlements.number) == ([delivery], 1)


async def test_a_delivery_is_unsettled_when_it_comes() -> None:
    assert make_delivery(Settlements()).settled is None


@pytest.mark.parametrize('outcome', list(Outcome))
async def test_a_delivery_knows_what_it_was_settled_with(outcome: Outcome) -> None:
    delivery = make_delivery(Settlements())

    settle(delivery, outcome)

    assert delivery.settled is outcome


@given(first=st.sampled_from(Outcome), others=st.lists(st.sampled_from(Outcome), min_size=1, max_size=4))
def test_whatever_it_was_settled_with_a_delivery_is_settled_once(first: Outcome, others: list[Outcome]) -> None:
    # Given a delivery that is settled
    settlements = Settlements()
    delivery = make_delivery(settlements)
    settle(delivery, first)

    # When somebody wants to settle it again
    for outcome in others:
        with pytest.raises(AlreadySettled):
            settle(delivery, outcome)

    # Then the broker is told nothing more, and the first outcome stands
    assert (settlements.number, delivery.settled) == (1, first)


async def test_the_error_of_a_second_settlement_says_what_it_was_and_what_it_cannot_become() -> None:
    delivery = make_delivery(Settlements(), tag=7)
    delivery.settle(Outcome.DONE)

    with pytest.raises(AlreadySettled, match='delivery 7 is done, it cannot become interrupted'):
        delivery.settle(Outcome.INTERRUPTED)


async def test_a_dead_letter_without_its_reason_is_refused_and_the_delivery_can_still_be_settled() -> None:
    # Given a mistake of ours
    settlements = Settlements()
    delivery = make_delivery(settlements)
    with pytest.raises(TypeError, match='needs its reason'):
        delivery.settle(Outcome.DEAD)

    # When the delivery is settled after all
    delivery.settle(Outcome.INTERRUPTED)

    # Then the broker is told
    assert settlements.left == [delivery]


async def test_properties_that_never_were_on_a_wire_are_their_headers() -> None:
    assert PlainProperties({'name': 'call_created'}).headers == {'name': 'call_created'}
