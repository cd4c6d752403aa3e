# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The delivery: settled exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import Settlements, make_delivery, make_history
from wazo_busd.delivery import Delivery, PlainProperties
from wazo_busd.errors import AlreadySettled
from wazo_busd.event import identity
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


HISTORY = make_history()


def settle(delivery: Delivery, outcome: Outcome) -> None:
    delivery.settle(
        outcome,
        reason=REASON if outcome is Outcome.DEAD else None,
        history=HISTORY if outcome is Outcome.RETRY else None,
    )


@pytest.mark.parametrize('outcome', [Outcome.DONE, Outcome.DISCARDED])
async def test_an_event_that_needs_nothing_more_is_acknowledged(outcome: Outcome) -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)

    delivery.settle(outcome)

    assert (settlements.acked, settlements.number) == ([delivery], 1)


async def test_a_dead_event_is_kept_with_its_reason() -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)

    delivery.settle(Outcome.DEAD, reason=REASON)

    assert (settlements.dead, settlements.number) == ([(delivery, REASON)], 1)


async def test_an_event_to_be_tried_again_is_postponed_with_its_history() -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)

    delivery.settle(Outcome.RETRY, history=HISTORY)

    assert (settlements.postponed, settlements.number) == ([(delivery, HISTORY)], 1)


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


async def test_a_retry_without_its_history_is_refused_and_the_delivery_can_still_be_settled() -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)
    with pytest.raises(TypeError, match='needs its history'):
        delivery.settle(Outcome.RETRY)

    delivery.settle(Outcome.DONE)

    assert settlements.acked == [delivery]


# ---- given back


async def test_what_is_given_back_is_interrupted_and_the_broker_has_it_now() -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)

    delivery.give_back()

    assert (settlements.given_back, settlements.number, delivery.settled) == ([delivery], 1, Outcome.INTERRUPTED)


@pytest.mark.parametrize('outcome', list(Outcome))
async def test_what_is_settled_is_not_given_back(outcome: Outcome) -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements, tag=7)
    settle(delivery, outcome)

    with pytest.raises(AlreadySettled, match=f'delivery 7 is {outcome.value}, it cannot be given back'):
        delivery.give_back()
    assert settlements.given_back == []


async def test_what_is_given_back_is_not_settled_any_more() -> None:
    delivery = make_delivery(Settlements())
    delivery.give_back()

    with pytest.raises(AlreadySettled):
        delivery.settle(Outcome.DONE)


# ---- closed


@pytest.mark.parametrize(
    ('outcome', 'closed'),
    [
        (Outcome.DONE, True),
        (Outcome.DISCARDED, True),
        (Outcome.RETRY, False),
        (Outcome.DEAD, False),
        (Outcome.INTERRUPTED, False),
    ],
)
async def test_only_what_needs_no_copy_is_closed_at_once(outcome: Outcome, closed: bool) -> None:
    delivery = make_delivery(Settlements())

    settle(delivery, outcome)

    assert delivery.is_closed is closed


@pytest.mark.parametrize('outcome', [Outcome.RETRY, Outcome.DEAD])
async def test_when_its_copy_is_safe_a_delivery_is_acknowledged(outcome: Outcome) -> None:
    settlements = Settlements()
    delivery = make_delivery(settlements)
    settle(delivery, outcome)

    delivery.close()

    assert (settlements.acked, delivery.is_closed) == ([delivery], True)


# ---- identity


async def test_an_event_that_comes_for_the_first_time_is_recognised_by_what_it_is() -> None:
    delivery = make_delivery(Settlements(), body=b'{"a": 1}')

    assert delivery.identity == delivery.event_id == identity('wazo-headers', 'calls.call.created', b'{"a": 1}')


async def test_a_copy_is_recognised_by_the_event_and_the_try() -> None:
    delivery = make_delivery(Settlements(), history=make_history(event_id='b' * 32, attempts=3))

    assert (delivery.identity, delivery.event_id) == ('b' * 32 + '/3', 'b' * 32)


async def test_the_copies_of_two_tries_are_not_taken_for_each_other() -> None:
    first, second = (make_delivery(Settlements(), history=make_history(attempts=number)) for number in (1, 2))

    assert first.identity != second.identity


async def test_a_slim_delivery_has_let_go_of_a_large_body_and_is_still_recognised() -> None:
    delivery = make_delivery(Settlements(), body=b'x' * 100_000)

    delivery.slim()

    assert (delivery.body, delivery.identity) == (b'', identity('wazo-headers', 'calls.call.created', b'x' * 100_000))


async def test_a_slim_delivery_keeps_a_body_that_is_not_large_and_nothing_of_what_was_said_about_it() -> None:
    delivery = make_delivery(Settlements(), body=b'x' * 1_000)

    delivery.slim()

    assert (delivery.body, delivery.properties.headers) == (b'x' * 1_000, {})


# ---- given out again


async def test_a_delivery_that_is_given_out_again_is_settled_on_its_new_channel() -> None:
    # Given an event that runs, and comes again by another channel
    old_channel, new_channel = Settlements(), Settlements()
    running, again = make_delivery(old_channel, tag=7), make_delivery(new_channel, tag=1, redelivered=True)
    running.renew(again)

    # When its handler returns
    running.settle(Outcome.DONE)

    # Then only the new channel is told, and under the tag that it knows
    assert (old_channel.number, new_channel.acked, running.tag) == (0, [running], 1)


async def test_the_new_channel_is_told_who_stands_for_the_delivery_that_came_again() -> None:
    channel = Settlements()
    running, again = make_delivery(Settlements()), make_delivery(channel)

    running.renew(again)

    assert channel.replaced == [(again, running)]


async def test_the_delivery_that_came_again_is_settled_itself_so_that_nobody_runs_it() -> None:
    running, again = make_delivery(Settlements()), make_delivery(Settlements())

    running.renew(again)

    assert (again.settled, running.settled) == (Outcome.INTERRUPTED, None)


async def test_the_delivery_that_came_again_is_what_became_of_the_first() -> None:
    done, again = make_delivery(Settlements()), make_delivery(Settlements())
    done.settle(Outcome.DONE)

    done.renew(again)

    assert again.settled is Outcome.DONE


async def test_what_is_closed_and_given_out_again_is_acknowledged_there() -> None:
    channel = Settlements()
    done, again = make_delivery(Settlements()), make_delivery(channel)
    done.settle(Outcome.DONE)

    done.renew(again)

    assert channel.acked == [done]


async def test_what_still_waits_for_its_copy_is_acknowledged_on_the_new_channel_when_that_is_safe() -> None:
    # Given an event whose copy is under way when it comes again
    channel = Settlements()
    dead, again = make_delivery(Settlements()), make_delivery(channel)
    settle(dead, Outcome.DEAD)
    dead.renew(again)
    acked_before = list(channel.acked)

    # When the copy is confirmed
    dead.close()

    # Then, and not before, it is acknowledged where it came again
    assert (acked_before, channel.acked) == ([], [dead])


async def test_it_came_by_the_channel_that_it_came_by_last() -> None:
    first, second = Settlements(), Settlements()
    delivery = make_delivery(first)

    delivery.renew(make_delivery(second))

    assert (delivery.came_by(first), delivery.came_by(second)) == (False, True)


# ---- properties


async def test_properties_that_never_were_on_a_wire_are_their_headers() -> None:
    assert PlainProperties({'name': 'call_created'}).headers == {'name': 'call_created'}


@pytest.mark.parametrize('length', [0, 1_536])
def test_an_event_of_usual_length_is_suspected_by_its_identity(length: int) -> None:
    delivery = make_delivery(Settlements(), body=b'x' * length)

    assert delivery.mark == delivery.identity


def test_a_long_event_is_suspected_by_its_size_and_both_ends() -> None:
    bodies = [b'a' + b'x' * 9_998 + b'z', b'a' + b'x' * 4_999 + b'-' + b'x' * 4_998 + b'z']

    assert len({make_delivery(Settlements(), body=body).mark for body in bodies}) == 1


@pytest.mark.parametrize(
    'other',
    [b'b' + b'x' * 9_998 + b'z', b'a' + b'x' * 9_998 + b'y', b'a' + b'x' * 9_997 + b'z'],
    ids=['first', 'last', 'size'],
)
def test_a_long_event_of_another_size_or_with_another_end_is_suspected_by_something_else(other: bytes) -> None:
    delivery = make_delivery(Settlements(), body=b'a' + b'x' * 9_998 + b'z')

    assert make_delivery(Settlements(), body=other).mark != delivery.mark


def test_a_long_event_that_came_back_is_suspected_by_its_identity() -> None:
    delivery = make_delivery(Settlements(), body=b'x' * 10_000, history=make_history())

    assert delivery.mark == delivery.identity
