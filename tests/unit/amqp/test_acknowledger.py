# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The acknowledger: the broker is told once of everything that is finished, in few frames, and of nothing else."""

from __future__ import annotations

import asyncio
from io import StringIO
from typing import cast

import pytest
from aiormq.abc import AbstractChannel
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.amqp.broker import PATIENCE_SECONDS
from tests.unit.rig import log_lines, turn
from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.delivery import Delivery, PlainProperties
from wazo_busd.outcome import Outcome, Reason

PREFETCH = 100
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
        self.error: BaseException | None = None
        self.writable = asyncio.Event()
        self.writable.set()
        self._told = asyncio.Event()

    async def basic_ack(self, delivery_tag: int, multiple: bool = False, wait: bool = True) -> None:
        assert not wait, 'nobody waits until the socket is drained'
        await self.writable.wait()
        if self.error is not None:
            raise self.error
        self.acks.append((delivery_tag, multiple))
        self._told.set()

    async def told(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.acks) < number:
                self._told.clear()
                await self._told.wait()


class Undertaker:
    """Publishes dead letters when the test says so."""

    def __init__(self) -> None:
        self.began: list[int] = []
        self.ended: list[int] = []
        self.confirmed = asyncio.Event()
        self.error: Exception | None = None

    async def bury(self, delivery: Delivery, reason: Reason) -> None:
        assert reason is REASON
        self.began.append(delivery.tag)
        try:
            await self.confirmed.wait()
            if self.error is not None:
                raise self.error
        finally:
            self.ended.append(delivery.tag)


class Bench:
    """An acknowledger, its channel, and deliveries that came on it."""

    def __init__(self, number: int, *, prefetch: int = PREFETCH) -> None:
        self.channel = Channel()
        self.undertaker = Undertaker()
        self.acknowledger = ChannelAcknowledger(cast('AbstractChannel', self.channel), prefetch, self.undertaker.bury)
        self.deliveries = {tag: self._came(tag) for tag in range(1, number + 1)}

    def done(self, *tags: int) -> None:
        for tag in tags:
            self.deliveries[tag].settle(Outcome.DONE)

    def dead(self, *tags: int) -> None:
        for tag in tags:
            self.deliveries[tag].settle(Outcome.DEAD, REASON)

    def _came(self, tag: int) -> Delivery:
        self.acknowledger.came(tag)
        return Delivery(
            tag,
            body=b'{}',
            exchange='xivo',
            routing_key='a',
            properties=PlainProperties({}),
            redelivered=False,
            received_at=1.0,
            acknowledger=self.acknowledger,
        )


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

    await bench.acknowledger.settle_all(0.0)

    assert bench.channel.acks == [(2, False)]


async def test_a_dead_event_is_not_told_before_its_letter_is_confirmed() -> None:
    bench = Bench(2)
    bench.dead(1)
    bench.done(2)

    await bench.channel.told(1)

    assert bench.channel.acks == [(2, False)]


async def test_a_dead_event_is_told_when_its_letter_is_confirmed() -> None:
    bench = Bench(1)
    bench.dead(1)
    await turn()

    bench.undertaker.confirmed.set()

    await bench.channel.told(1)
    assert bench.channel.acks == [(1, False)]


async def test_a_letter_that_cannot_be_written_leaves_its_event_to_the_broker(log: StringIO) -> None:
    bench = Bench(2)
    bench.undertaker.error = ValueError('no way to write this')
    bench.undertaker.confirmed.set()
    bench.dead(1)
    bench.done(2)

    await bench.acknowledger.settle_all(PATIENCE_SECONDS)

    assert bench.channel.acks == [(2, False)]


async def test_a_letter_that_cannot_be_written_is_logged(log: StringIO) -> None:
    bench = Bench(1)
    bench.undertaker.error = ValueError('no way to write this')
    bench.undertaker.confirmed.set()
    bench.dead(1)

    await bench.acknowledger.settle_all(PATIENCE_SECONDS)

    assert log_lines(log, 'dead_letter_failed')[0]['handler'] == 'fax'


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


async def test_no_letter_is_published_after_the_channel_is_gone() -> None:
    bench = Bench(1)
    bench.acknowledger.close()
    bench.dead(1)

    await turn()

    assert bench.undertaker.began == []


async def test_letters_on_their_way_are_given_up_with_the_channel() -> None:
    bench = Bench(1)
    bench.dead(1)
    await turn()

    bench.acknowledger.close()

    await turn()
    assert bench.undertaker.ended == [1]


async def test_closing_twice_does_nothing() -> None:
    bench = Bench(1)
    bench.acknowledger.close()
    bench.acknowledger.close()
    bench.done(1)

    await bench.acknowledger.settle_all(0.0)

    assert bench.channel.acks == []


@pytest.mark.parametrize('error', [RuntimeError('closed'), asyncio.CancelledError()], ids=repr)
async def test_a_channel_that_dies_is_told_nothing_more(error: BaseException) -> None:
    bench = Bench(3)
    bench.channel.error = error
    bench.done(1)
    await turn()
    bench.channel.error = None
    bench.done(2, 3)

    await bench.acknowledger.settle_all(0.0)

    assert bench.channel.acks == []


async def test_settling_tells_all_that_is_finished() -> None:
    bench = Bench(5)
    bench.done(1, 2, 4)

    await bench.acknowledger.settle_all(0.0)

    assert bench.channel.acks == [(2, True), (4, False)]


async def test_settling_waits_for_letters_on_their_way() -> None:
    bench = Bench(2)
    bench.dead(1, 2)
    asyncio.get_running_loop().call_soon(bench.undertaker.confirmed.set)

    await bench.acknowledger.settle_all(PATIENCE_SECONDS)

    assert bench.channel.acks == [(2, True)]


async def test_settling_does_not_wait_for_letters_for_ever() -> None:
    bench = Bench(2)
    bench.dead(1)
    bench.done(2)

    await bench.acknowledger.settle_all(0.0)

    assert bench.channel.acks == [(2, False)]


async def test_settling_ends_after_what_is_being_told() -> None:
    bench = Bench(2)
    bench.channel.writable.clear()
    bench.done(1)
    await turn()
    bench.done(2)
    settling = asyncio.create_task(bench.acknowledger.settle_all(0.0))
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
            await bench.acknowledger.settle_all(PATIENCE_SECONDS)

    bench.channel.writable.set()


@given(order=st.permutations(range(1, 13)), turns=st.lists(st.integers(0, 2), min_size=12, max_size=12))
@settings(max_examples=100, deadline=None)
def test_in_whatever_order_events_finish_each_is_told_once(order: list[int], turns: list[int]) -> None:
    async def run() -> list[int]:
        bench = Bench(12, prefetch=12)
        for tag, pause in zip(order, turns, strict=True):
            bench.done(tag)
            await turn(pause)
        await bench.acknowledger.settle_all(0.0)
        bench.acknowledger.close()
        told: list[int] = []
        for tag, multiple in bench.channel.acks:
            told += [each for each in range(1, tag + 1) if each not in told] if multiple else [tag]
        return told

    assert sorted(asyncio.run(run())) == list(range(1, 13))
