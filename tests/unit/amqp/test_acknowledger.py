# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The acknowledger: the broker is told once of everything that is finished, in few frames, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest
from aiormq.abc import AbstractChannel
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.amqp.broker import PATIENCE_SECONDS
from tests.unit.rig import make_history, turn
from wazo_busd.amqp import acknowledger
from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.amqp.answers import LibraryAnswers
from wazo_busd.amqp.copies import Copies
from wazo_busd.delivery import Delivery, History, PlainProperties
from wazo_busd.outcome import Outcome, Reason

PREFETCH = 100
HISTORY = make_history()
REASON = Reason(
    handler='fax',
    plugin='notify',
    plugin_version='1',
    error='ValueError',
    text='it does not fit',
    traceback='',
    attempts=1,
    first_at=1.0,
    last_at=2.0,
    event_id='a' * 32,
)


class Channel:
    """A channel that keeps what it is told."""

    def __init__(self) -> None:
        self.acks: list[tuple[int, bool]] = []
        self.nacks: list[int] = []
        self.frames: list[tuple[str, int]] = []
        """All of it, in its order."""
        self.error: BaseException | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self._told = asyncio.Event()

    async def basic_ack(self, delivery_tag: int, multiple: bool = False, wait: bool = True) -> None:
        await self._write('ack', delivery_tag, wait=wait)
        self.acks.append((delivery_tag, multiple))

    async def basic_nack(
        self, delivery_tag: int, multiple: bool = False, requeue: bool = False, wait: bool = True
    ) -> None:
        assert requeue, 'what is given back is not to be lost'
        assert not multiple, 'an event that is not given back is not to be given out again'
        await self._write('nack', delivery_tag, wait=wait)
        self.nacks.append(delivery_tag)

    async def told(self, number: int) -> None:
        """Wait for so many frames."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.frames) < number:
                self._told.clear()
                await self._told.wait()

    async def _write(self, kind: str, tag: int, *, wait: bool) -> None:
        assert not wait, 'nobody waits until the socket is drained'
        await self.writable.wait()
        if self.error is not None:
            raise self.error
        self.frames.append((kind, tag))
        self._told.set()


class Clerk:
    """Makes copies, as far as the acknowledger sees."""

    def __init__(self) -> None:
        self.postponed: list[tuple[Delivery, History]] = []
        self.buried: list[tuple[Delivery, Reason]] = []

    def postpone(self, delivery: Delivery, history: History) -> None:
        self.postponed.append((delivery, history))

    def bury(self, delivery: Delivery, reason: Reason) -> None:
        self.buried.append((delivery, reason))


class GatheringAnswers(LibraryAnswers):
    """As where deliveries gather before they are read."""

    @property
    def is_gathering(self) -> bool:
        return True


class FollowedAnswers(LibraryAnswers):
    """As while more of what was read is about to be handed on."""

    def __init__(self, channel: AbstractChannel) -> None:
        super().__init__(channel)
        self.waiting: list[Callable[[], None]] = []

    @property
    def is_more(self) -> bool:
        return True

    def behind(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def all_handed_on(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


class Bench:
    """An acknowledger, its channel, and deliveries that came on it."""

    made_answers = LibraryAnswers

    def __init__(self, number: int, *, prefetch: int = PREFETCH, gathers: bool = False) -> None:
        self.channel = Channel()
        self.clerk = Clerk()
        self.answers = (GatheringAnswers if gathers else self.made_answers)(cast('AbstractChannel', self.channel))
        self.acknowledger = ChannelAcknowledger(self.answers, prefetch, cast('Copies', self.clerk))
        self.deliveries = {tag: self.came(tag) for tag in range(1, number + 1)}

    def done(self, *tags: int) -> None:
        for tag in tags:
            self.deliveries[tag].settle(Outcome.DONE)

    def give_back(self, *tags: int) -> None:
        for tag in tags:
            self.deliveries[tag].give_back()

    def tags(self) -> tuple[list[int], list[int]]:
        """What was not acknowledged, and what was acknowledged last."""
        unsettled, doubtful = self.acknowledger.unsettled(), self.acknowledger.doubtful()
        return sorted(each.tag for each in unsettled), sorted(each.tag for each in doubtful)

    def came(self, tag: int, *, received_at: float = 1.0) -> Delivery:
        delivery = Delivery(
            tag,
            body=b'{}',
            exchange='xivo',
            routing_key='a',
            properties=PlainProperties({}),
            redelivered=False,
            received_at=received_at,
            acknowledger=self.acknowledger,
        )
        self.acknowledger.came(delivery)
        return delivery


async def test_what_is_finished_in_one_turn_is_one_frame() -> None:
    bench = Bench(3)
    bench.done(1, 2, 3)

    await bench.channel.told(1)

    assert bench.channel.acks == [(3, True)]


async def test_what_is_finished_later_is_another_frame() -> None:
    bench = Bench(3)
    bench.done(1)
    await bench.channel.told(1)
    bench.done(2, 3)

    await bench.channel.told(2)

    assert bench.channel.acks == [(1, False), (3, True)]


async def test_nothing_is_told_before_the_turn_is_over() -> None:
    bench = Bench(1)

    bench.done(1)

    assert bench.channel.acks == []


async def test_a_slow_event_stalls_no_other_for_long() -> None:
    bench = Bench(3)
    bench.done(2, 3)

    await bench.channel.told(2)

    assert bench.channel.acks == [(2, False), (3, False)]


async def test_what_is_behind_a_slow_event_waits_a_moment() -> None:
    bench = Bench(2)
    bench.done(2)
    await turn()
    bench.done(1)

    await bench.channel.told(1)

    assert bench.channel.acks == [(2, True)]


async def test_half_of_the_prefetch_waits_for_nobody() -> None:
    bench = Bench(4, prefetch=4)
    bench.done(3, 4)

    await turn()

    assert bench.channel.acks == [(3, False), (4, False)]


async def test_an_event_that_is_left_is_told_to_nobody() -> None:
    bench = Bench(2)
    bench.deliveries[1].settle(Outcome.INTERRUPTED)
    bench.done(2)

    await bench.acknowledger.settle_all()

    assert bench.channel.acks == [(2, False)]


async def test_a_dead_event_is_told_to_who_makes_copies() -> None:
    bench = Bench(1)

    bench.deliveries[1].settle(Outcome.DEAD, reason=REASON)

    assert bench.clerk.buried == [(bench.deliveries[1], REASON)]


async def test_an_event_that_is_to_be_tried_again_is_told_to_who_makes_copies() -> None:
    bench = Bench(1)

    bench.deliveries[1].settle(Outcome.RETRY, history=HISTORY)

    assert bench.clerk.postponed == [(bench.deliveries[1], HISTORY)]


@pytest.mark.parametrize(
    ('outcome', 'why'), [(Outcome.DEAD, {'reason': REASON}), (Outcome.RETRY, {'history': HISTORY})]
)
async def test_an_event_is_not_told_before_its_copy_is_confirmed(outcome: Outcome, why: dict[str, History]) -> None:
    bench = Bench(2)
    bench.deliveries[1].settle(outcome, **why)  # type: ignore[arg-type]
    bench.done(2)

    await bench.channel.told(1)

    assert bench.channel.acks == [(2, False)]


async def test_an_event_is_told_when_its_copy_is_confirmed() -> None:
    bench = Bench(1)
    bench.deliveries[1].settle(Outcome.DEAD, reason=REASON)
    await turn()

    bench.deliveries[1].close()

    await bench.channel.told(1)
    assert bench.channel.acks == [(1, False)]


async def test_what_is_given_back_is_told() -> None:
    bench = Bench(3)
    bench.give_back(2, 3)

    await bench.channel.told(2)

    assert bench.channel.frames == [('nack', 2), ('nack', 3)]


async def test_what_is_given_back_is_told_before_a_frame_that_would_take_it_along() -> None:
    bench = Bench(4)
    bench.done(1, 3, 4)
    bench.give_back(2)

    await bench.channel.told(2)

    assert (bench.channel.frames, bench.channel.acks) == ([('nack', 2), ('ack', 4)], [(4, True)])


async def test_what_is_given_back_while_the_socket_is_full_is_told_after_it() -> None:
    bench = Bench(3)
    bench.channel.writable.clear()
    bench.done(1)
    await turn()
    bench.give_back(2)
    bench.channel.writable.set()

    await bench.channel.told(2)

    assert bench.channel.frames == [('ack', 1), ('nack', 2)]


async def test_what_is_given_back_while_another_is_being_given_back_is_told() -> None:
    bench = Bench(4)
    bench.channel.writable.clear()
    bench.give_back(1)
    await turn()
    bench.give_back(2)
    bench.done(3)
    bench.channel.writable.set()

    await bench.channel.told(3)

    assert bench.channel.frames == [('nack', 1), ('nack', 2), ('ack', 3)]


async def test_settling_gives_back_what_is_to_be_given_back() -> None:
    bench = Bench(2)
    bench.give_back(1)

    await bench.acknowledger.settle_all()

    assert bench.channel.frames == [('nack', 1)]


async def test_nothing_is_given_back_after_the_channel_is_gone() -> None:
    bench = Bench(1)
    bench.acknowledger.close()
    bench.give_back(1)

    await turn()

    assert bench.channel.frames == []


async def test_what_was_about_to_be_given_back_is_not_after_the_channel_is_gone() -> None:
    bench = Bench(1)
    bench.give_back(1)
    bench.acknowledger.close()

    await turn()

    assert bench.channel.frames == []


async def test_what_is_given_back_frees_its_place() -> None:
    bench = Bench(2, prefetch=2)
    full = bench.acknowledger.is_full
    bench.give_back(1)

    assert (full, bench.acknowledger.is_full) == (True, False)


async def test_what_was_never_acknowledged_is_known() -> None:
    bench = Bench(4)
    bench.done(2)
    bench.deliveries[3].settle(Outcome.RETRY, history=HISTORY)
    bench.deliveries[4].settle(Outcome.INTERRUPTED)

    assert bench.tags() == ([1, 2, 3, 4], [])


async def test_what_was_acknowledged_may_come_again() -> None:
    bench = Bench(3)
    bench.done(1, 2)
    await bench.channel.told(1)

    assert bench.tags() == ([3], [1, 2])


async def test_what_was_given_back_is_none_of_ours() -> None:
    bench = Bench(3)
    bench.give_back(1)

    assert bench.tags() == ([2, 3], [])


async def test_what_is_finished_after_the_channel_is_gone_was_never_acknowledged() -> None:
    bench = Bench(2)
    bench.acknowledger.close()
    bench.done(1)
    await turn()

    assert bench.tags() == ([1, 2], [])


async def test_what_stands_where_another_stood_is_acknowledged_by_that_tag() -> None:
    old, new = Bench(7), Bench(1)
    earlier = old.deliveries[7]
    old.acknowledger.close()
    earlier.renew(new.deliveries[1])

    earlier.settle(Outcome.DONE)

    await new.channel.told(1)
    assert (new.channel.acks, old.channel.frames) == ([(1, False)], [])


async def test_what_stands_where_another_stood_and_is_done_is_acknowledged_at_once() -> None:
    old, new = Bench(7), Bench(1)
    earlier = old.deliveries[7]
    old.acknowledger.close()
    earlier.settle(Outcome.DONE)
    earlier.renew(new.deliveries[1])

    await new.channel.told(1)

    assert new.channel.acks == [(1, False)]


async def test_what_stands_where_another_stood_is_what_was_never_acknowledged() -> None:
    old, new = Bench(7), Bench(1)
    old.deliveries[7].renew(new.deliveries[1])

    assert new.acknowledger.unsettled() == [old.deliveries[7]]


async def test_the_oldest_delivery_is_the_one_that_has_waited_longest() -> None:
    bench = Bench(0)
    bench.came(1, received_at=1_000.0)
    bench.came(2, received_at=2_000_000_000_000.0)

    assert bench.acknowledger.oldest_seconds() > 0


async def test_an_acknowledger_without_deliveries_has_no_oldest_one() -> None:
    assert Bench(0).acknowledger.oldest_seconds() == 0.0


async def test_nothing_is_told_after_the_channel_is_gone() -> None:
    bench = Bench(2)
    bench.acknowledger.close()
    bench.done(1, 2)

    await turn()

    assert bench.channel.acks == []


async def test_what_was_about_to_be_told_is_not_told_after_the_channel_is_gone() -> None:
    bench = Bench(1)
    bench.done(1)
    bench.acknowledger.close()

    await turn()

    assert bench.channel.acks == []


async def test_no_second_frame_follows_when_the_channel_goes_during_the_first() -> None:
    bench = Bench(4, prefetch=4)
    bench.channel.writable.clear()
    bench.done(1, 3, 4)
    await turn()
    bench.acknowledger.close()
    bench.channel.writable.set()

    await turn()

    assert bench.channel.acks == [(1, False)]


async def test_a_straggler_is_not_told_after_the_channel_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('wazo_busd.amqp.acknowledger.STRAGGLER_SECONDS', 0.0)
    bench = Bench(2)
    bench.done(2)
    await turn(2)
    bench.acknowledger.close()

    await turn()

    assert bench.channel.acks == []


async def test_closing_twice_does_nothing() -> None:
    bench = Bench(1)
    bench.acknowledger.close()
    bench.acknowledger.close()
    bench.done(1)

    await bench.acknowledger.settle_all()

    assert bench.channel.acks == []


@pytest.mark.parametrize('error', [RuntimeError('closed'), asyncio.CancelledError()], ids=repr)
async def test_a_channel_that_dies_is_told_nothing_more(error: BaseException) -> None:
    bench = Bench(3)
    bench.channel.error = error
    bench.done(1)
    await turn()
    bench.channel.error = None
    bench.done(2, 3)

    await bench.acknowledger.settle_all()

    assert bench.channel.acks == []


async def test_settling_tells_all_that_is_finished() -> None:
    bench = Bench(5)
    bench.done(1, 2, 4)

    await bench.acknowledger.settle_all()

    assert bench.channel.acks == [(2, True), (4, False)]


async def test_settling_ends_after_what_is_being_told() -> None:
    bench = Bench(2)
    bench.channel.writable.clear()
    bench.done(1)
    await turn()
    bench.done(2)
    settling = asyncio.create_task(bench.acknowledger.settle_all())
    await turn()
    bench.channel.writable.set()

    await settling

    assert bench.channel.acks == [(1, False), (2, False)]


async def test_what_is_finished_while_the_socket_is_full_is_told_after_it() -> None:
    bench = Bench(2)
    bench.channel.writable.clear()
    bench.done(1)
    await turn()
    bench.done(2)
    bench.channel.writable.set()

    await bench.channel.told(2)

    assert bench.channel.acks == [(1, False), (2, False)]


async def test_settling_can_be_cancelled() -> None:
    bench = Bench(1)
    bench.channel.writable.clear()
    bench.done(1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.0):
            await bench.acknowledger.settle_all()

    bench.channel.writable.set()


@given(
    order=st.permutations(range(1, 13)),
    turns=st.lists(st.integers(0, 2), min_size=12, max_size=12),
    returned=st.sets(st.integers(1, 12)),
    full=st.sets(st.integers(0, 11)),
)
def test_in_whatever_order_events_are_settled_each_is_told_once(
    order: list[int], turns: list[int], returned: set[int], full: set[int]
) -> None:
    async def run() -> tuple[list[int], list[int]]:
        bench = Bench(12, prefetch=12)
        for number, (tag, pause) in enumerate(zip(order, turns, strict=True)):
            if number in full:
                bench.channel.writable.clear()
            else:
                bench.channel.writable.set()
            if tag in returned:
                bench.give_back(tag)
            else:
                bench.done(tag)
            await turn(pause)
        bench.channel.writable.set()
        await bench.acknowledger.settle_all()
        bench.acknowledger.close()
        outstanding, acknowledged = list(range(1, 13)), []
        acks = iter(bench.channel.acks)
        for kind, tag in bench.channel.frames:
            multiple = kind == 'ack' and next(acks)[1]
            gone = [each for each in outstanding if each <= tag] if multiple else [tag]
            outstanding = [each for each in outstanding if each not in gone]
            acknowledged += gone if kind == 'ack' else []
        return sorted(acknowledged), sorted(bench.channel.nacks)

    acknowledged, given_back = asyncio.run(run())

    assert (acknowledged, given_back) == (sorted(set(range(1, 13)) - returned), sorted(returned))


# ---- while deliveries gather


async def test_while_deliveries_gather_so_do_their_acknowledgements() -> None:
    bench = Bench(4, gathers=True)
    bench.done(1, 2)
    await turn(5)
    bench.done(3, 4)

    await bench.channel.told(1)

    assert bench.channel.acks == [(4, True)]


async def test_while_deliveries_gather_nothing_is_told_in_the_same_turn() -> None:
    bench = Bench(4, gathers=True)
    bench.done(1, 2)

    await turn(5)

    assert bench.channel.acks == []


@pytest.mark.parametrize('prefetch', [1, 2, 8])
async def test_the_broker_is_never_kept_waiting_until_it_may_give_out_more(
    prefetch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledger, '_PATIENCE_SECONDS', 3600.0)
    bench = Bench(prefetch, prefetch=prefetch, gathers=True)
    bench.done(*bench.deliveries)

    await bench.channel.told(1)

    assert bench.channel.acks == [(prefetch, prefetch > 1)]


async def test_what_fills_half_of_the_prefetch_does_not_wait_any_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledger, '_PATIENCE_SECONDS', 3600.0)
    bench = Bench(1, prefetch=8, gathers=True)
    bench.done(1)
    await turn(5)
    for tag in (2, 3, 4):
        bench.deliveries[tag] = bench.came(tag)
    bench.done(2)

    await bench.channel.told(1)

    assert bench.channel.acks == [(2, True)]


async def test_what_is_given_back_does_not_wait_though_deliveries_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledger, '_PATIENCE_SECONDS', 3600.0)
    bench = Bench(3, gathers=True)
    bench.done(1)
    await turn(5)
    bench.give_back(2)

    await bench.channel.told(2)

    assert bench.channel.frames == [('nack', 2), ('ack', 1)]


async def test_at_the_end_nothing_gathers_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acknowledger, '_PATIENCE_SECONDS', 3600.0)
    bench = Bench(3, gathers=True)
    bench.done(1, 2)

    await bench.acknowledger.settle_all()

    assert bench.channel.acks == [(2, True)]


# ---- while more of what was read follows


class FollowedBench(Bench):
    """One whose channel has more coming."""

    made_answers = FollowedAnswers
    answers: FollowedAnswers


async def test_what_is_finished_waits_for_more_of_its_read() -> None:
    bench = FollowedBench(3)
    bench.done(1)
    await turn()
    bench.done(2, 3)
    await turn()

    assert bench.channel.acks == []


async def test_what_waits_for_more_of_its_read_is_told_when_that_is_handed_on() -> None:
    bench = FollowedBench(3)
    bench.done(1)
    await turn()
    bench.done(2, 3)
    bench.answers.all_handed_on()

    await bench.channel.told(1)

    assert bench.channel.acks == [(3, True)]


async def test_what_is_finished_behind_the_read_is_told_by_itself() -> None:
    bench = FollowedBench(3)
    bench.done(1)
    bench.answers.all_handed_on()
    bench.done(2, 3)
    bench.answers.all_handed_on()

    await bench.channel.told(2)

    assert bench.channel.acks == [(1, False), (3, True)]


async def test_what_fills_half_of_the_prefetch_does_not_wait_for_more_of_its_read() -> None:
    bench = FollowedBench(3, prefetch=8)
    bench.done(1)
    await turn()
    bench.deliveries[4] = bench.came(4)
    bench.done(2)

    await bench.channel.told(1)

    assert bench.channel.acks == [(2, True)]


async def test_what_was_told_before_the_read_was_handed_on_is_not_told_again() -> None:
    bench = FollowedBench(4, prefetch=8)
    bench.done(1, 2)
    await bench.channel.told(1)
    bench.answers.all_handed_on()
    await turn()

    assert bench.channel.acks == [(2, True)]


async def test_what_is_given_back_does_not_wait_for_more_of_its_read() -> None:
    bench = FollowedBench(3)
    bench.done(1)
    await turn()
    bench.give_back(2)

    await bench.channel.told(2)

    assert bench.channel.frames == [('nack', 2), ('ack', 1)]


async def test_a_channel_that_is_gone_when_the_read_is_handed_on_is_told_nothing() -> None:
    bench = FollowedBench(3)
    bench.done(1)
    bench.acknowledger.close()
    bench.answers.all_handed_on()
    await turn()

    assert bench.channel.frames == []


async def test_stragglers_are_told_while_more_of_the_read_follows() -> None:
    # Given one that is finished behind another one that is not
    bench = FollowedBench(3)
    bench.done(2)
    bench.answers.all_handed_on()
    await turn()

    # When more of a read follows for as long as a straggler waits
    bench.done(3)
    await bench.channel.told(2)

    # Then both are acknowledged by themselves
    assert sorted(bench.channel.acks) == [(2, False), (3, False)]
