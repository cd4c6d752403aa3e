# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The repeats: what comes again after a lost channel, and who is recognised in it."""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.rig import Settlements, make_delivery, make_history
from tests.unit.test_delivery import REASON
from wazo_busd import repeats as module
from wazo_busd.delivery import Delivery, History
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.repeats import Repeats


class Channels:
    """Repeats of a handler, and two channels one after the other."""

    def __init__(self) -> None:
        self.repeats = Repeats()
        self.old, self.new = Settlements(), Settlements()

    def came(self, body: bytes = b'{}', *, history: History | None = None) -> Delivery:
        """A delivery by the old channel, which is not settled."""
        delivery = make_delivery(self.old, body=body, tag=len(self.old.held) + 1, history=history)
        self.old.held.append(delivery)
        return delivery

    def acked(self, body: bytes = b'{}') -> Delivery:
        """A delivery by the old channel that is done with; whether the broker has read so is not known."""
        delivery = make_delivery(self.old, body=body, tag=1000 + len(self.old.last))
        delivery.settle(Outcome.DONE)
        self.old.last.append(delivery)
        return delivery

    def lost(self, *dropped: Delivery) -> None:
        for delivery in dropped:
            delivery.settle(Outcome.INTERRUPTED)
        self.repeats.lost(self.old, dropped)

    def again(self, body: bytes = b'{}', *, history: History | None = None) -> Delivery:
        """A delivery by the new channel that the broker gave out before."""
        return make_delivery(self.new, body=body, redelivered=True, history=history)

    def takes(self, body: bytes = b'{}') -> bool:
        return self.repeats.takes(self.again(body))


@pytest.fixture
async def channels() -> Channels:
    return Channels()


# ---- one event


async def test_before_a_channel_was_lost_nothing_is_a_repeat(channels: Channels) -> None:
    channels.came()

    assert not channels.takes()


async def test_what_still_runs_is_recognised(channels: Channels) -> None:
    channels.came()
    channels.lost()

    assert channels.takes()


async def test_what_still_runs_is_settled_where_it_came_again(channels: Channels) -> None:
    # Given an event that runs while its channel is lost
    running = channels.came()
    channels.lost()

    # When it comes again, and its handler returns
    channels.repeats.takes(channels.again())
    running.settle(Outcome.DONE)

    # Then the new channel is told and the old one is not
    assert (channels.old.acked, channels.new.acked) == ([], [running])


async def test_what_is_done_and_was_not_acknowledged_is_acknowledged_when_it_comes_again(channels: Channels) -> None:
    done = channels.came()
    done.settle(Outcome.DONE)
    channels.lost()

    channels.repeats.takes(channels.again())

    assert channels.new.acked == [done]


async def test_what_waits_for_the_copy_of_its_dead_letter_is_recognised_and_not_yet_acknowledged(
    channels: Channels,
) -> None:
    channels.came().settle(Outcome.DEAD, reason=REASON)
    channels.lost()

    assert (channels.takes(), channels.new.acked) == (True, [])


async def test_what_was_acknowledged_last_is_acknowledged_again_if_it_comes_again(channels: Channels) -> None:
    done = channels.acked()
    channels.lost()

    channels.repeats.takes(channels.again())

    assert channels.new.acked == [done]


async def test_what_has_not_begun_is_run_when_it_comes_again(channels: Channels) -> None:
    waiting = channels.came()
    channels.lost(waiting)

    assert not channels.takes()


async def test_what_was_given_back_is_run_when_it_comes_again(channels: Channels) -> None:
    channels.came().settle(Outcome.INTERRUPTED)
    channels.lost()

    assert not channels.takes()


async def test_each_repeat_is_recognised_once(channels: Channels) -> None:
    channels.came()
    channels.lost()

    assert [channels.takes(), channels.takes()] == [True, False]


async def test_an_event_that_never_came_is_no_repeat(channels: Channels) -> None:
    channels.came(b'1')
    channels.acked(b'2')
    channels.lost()

    assert not channels.takes(b'3')


async def test_another_try_at_an_event_is_no_repeat_of_the_one_before(channels: Channels) -> None:
    channels.came(history=make_history(attempts=1))
    channels.lost()

    found = [channels.repeats.takes(channels.again(history=make_history(attempts=number))) for number in (2, 1)]

    assert found == [False, True]


async def test_a_twin_of_one_in_doubt_that_was_given_back_is_run_when_it_comes_again(channels: Channels) -> None:
    # Given one whose acknowledgement was in doubt and was read, so that it never comes again, and a twin of it
    channels.acked()
    channels.lost()
    twin = make_delivery(channels.new, body=b'{}')

    # When the broker is given the twin back, and gives it out again
    channels.repeats.returned(twin)

    # Then it is none that is done with
    assert not channels.takes()


async def test_after_a_quarter_of_an_hour_nothing_is_in_doubt(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels.acked()
    channels.lost()
    now = time.monotonic()
    monkeypatch.setattr(time, 'monotonic', lambda: now + 1_000.0)

    assert not channels.takes()


# ---- twins


async def test_of_twins_of_which_one_runs_the_other_one_is_run_as_well(channels: Channels) -> None:
    # Given two events that are the same to the byte, of which one runs
    _, waiting = channels.came(), channels.came()
    channels.lost(waiting)

    # When both come again
    found = [channels.takes(), channels.takes()]

    # Then one of them is run
    assert found == [True, False]


async def test_twins_that_run_are_both_recognised(channels: Channels) -> None:
    channels.came()
    channels.came()
    channels.lost()

    assert [channels.takes(), channels.takes(), channels.takes()] == [True, True, False]


async def test_an_event_that_has_not_begun_is_never_taken_for_its_twin_that_was_done(channels: Channels) -> None:
    channels.acked()
    waiting = channels.came()
    channels.lost(waiting)

    assert [channels.takes(), channels.takes()] == [False, False]


async def test_of_twins_that_were_both_acknowledged_either_is_run_again(channels: Channels) -> None:
    channels.acked()
    channels.acked()
    channels.lost()

    assert not channels.takes()


async def test_a_repeat_of_one_that_runs_is_not_taken_for_its_twin_that_was_done(channels: Channels) -> None:
    channels.acked()
    channels.came()
    channels.lost()

    assert [channels.takes(), channels.takes()] == [True, False]


async def test_each_of_several_twins_that_have_not_begun_is_run(channels: Channels) -> None:
    # Given twins that have not begun, of which one comes again by a second channel and is done with there
    channels.lost(channels.came(), channels.came())
    channels.takes()
    done = make_delivery(channels.new)
    done.settle(Outcome.DONE)
    channels.new.last.append(done)

    # When that one is lost too, before the other one has come
    channels.repeats.lost(channels.new, ())

    # Then the other one is run
    assert not channels.takes()


async def test_after_something_new_has_come_nothing_before_it_is_waited_for(channels: Channels) -> None:
    # Given an event that was acknowledged, and another one that was on its way when the channel was lost
    channels.acked(b'1')
    channels.lost()

    # When that one comes, and then what looks like the first
    found = [channels.takes(b'2'), channels.takes(b'1')]

    # Then it is a twin: what comes again comes in its order
    assert found == [False, False]


async def test_after_a_later_event_has_come_again_an_earlier_one_is_not_waited_for(channels: Channels) -> None:
    # Given an event that was acknowledged, and one that came after it and runs or waits
    done = channels.acked(b'1')
    running, waiting = channels.came(b'2'), channels.came(b'3')
    done.tag, running.tag, waiting.tag = 1, 2, 3
    channels.lost(waiting)

    # When the later ones come again, and then what looks like the first
    found = [channels.takes(b'2'), channels.takes(b'1')]

    # Then it is a twin
    assert found == [True, False]


# ---- several losses


async def test_what_runs_over_two_losses_is_still_recognised(channels: Channels) -> None:
    # Given an event that runs, and has come again by a second channel
    running = channels.came()
    channels.lost()
    channels.repeats.takes(channels.again())
    channels.new.held = [running]

    # When that one is lost as well
    channels.repeats.lost(channels.new, ())
    third = make_delivery(Settlements(), redelivered=True)

    # Then it is recognised
    assert channels.repeats.takes(third)


async def test_what_runs_and_has_not_come_again_before_the_second_loss_is_recognised(channels: Channels) -> None:
    channels.came()
    channels.lost()

    channels.repeats.lost(Settlements(), ())

    assert channels.takes()


async def test_what_was_dropped_and_has_not_come_again_before_the_second_loss_is_run(channels: Channels) -> None:
    waiting = channels.came()
    channels.lost(waiting)

    channels.repeats.lost(Settlements(), ())

    assert not channels.takes()


async def test_the_twin_of_one_that_was_done_before_an_earlier_loss_is_run(channels: Channels) -> None:
    # Given an event that was done before the first loss
    channels.acked()
    channels.lost()
    # And a twin that came by the second channel, and has not begun
    twin = make_delivery(channels.new)

    # When that one is lost as well
    twin.settle(Outcome.INTERRUPTED)
    channels.repeats.lost(channels.new, [twin])

    # Then the twin is run when it comes again
    assert not channels.takes()


# ---- how long


async def test_after_a_quarter_of_an_hour_nothing_is_waited_for(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an event that never came again
    channels.came(b'1')
    channels.lost()

    # When another channel is lost long afterwards
    monkeypatch.setattr(module, '_KEPT_SECONDS', -1.0)
    channels.repeats.lost(Settlements(), ())

    # Then it is forgotten
    assert not channels.takes(b'1')


async def test_what_gathers_is_bounded(channels: Channels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_MOST', 10)
    for number in range(11):
        channels.came(str(number).encode())
    channels.lost()

    channels.repeats.lost(Settlements(), ())

    assert not channels.takes(b'0')


# ---- rules


@dataclass
class Queued:
    """An event in the broker's queue. Twins have the same body."""

    body: bytes
    redelivered: bool = False


@dataclass
class Channel:
    """A channel to the broker, seen from both ends."""

    unread: deque[int] = field(default_factory=deque)
    """Tags of acknowledgements that the broker has not read."""
    unacked: dict[int, Queued] = field(default_factory=dict)
    """What the broker has given out by it, by tag."""
    wire: deque[int] = field(default_factory=deque)
    """Tags of what this process has not read."""
    open: dict[int, Delivery] = field(default_factory=dict)
    told: list[Delivery] = field(default_factory=list)
    tags: int = 0

    def ack(self, delivery: Delivery) -> None:
        del self.open[delivery.tag]
        self.unread.append(delivery.tag)
        self.told.append(delivery)

    def postpone(self, delivery: Delivery, history: History) -> None:
        raise AssertionError

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        raise AssertionError

    def leave(self, delivery: Delivery) -> None: ...

    def give_back(self, delivery: Delivery) -> None:
        raise AssertionError

    def replace(self, old: Delivery, new: Delivery) -> None:
        self.open[old.tag] = new

    def unsettled(self) -> Iterable[Delivery]:
        return list(self.open.values())

    def doubtful(self) -> Iterable[Delivery]:
        # All that are unread, and some that are not: nobody knows on this side.
        return self.told[-len(self.unread) - 2 :]


class World:
    """A broker, a process with one handler, and the channel between them. Nothing is ever out of order."""

    def __init__(self) -> None:
        self.queue: deque[Queued] = deque()
        self.repeats = Repeats()
        self.channel = Channel()
        self.waiting: deque[tuple[Delivery, Queued]] = deque()
        self.running: deque[tuple[Delivery, Queued]] = deque()
        self.published: list[bytes] = []
        self.runs: Counter[bytes] = Counter()
        self.too_many = False
        """Whether more events with the same body ran at a time than there are."""

    def publish(self, body: bytes) -> None:
        self.queue.append(Queued(body))
        self.published.append(body)

    def give_out(self) -> None:
        """The broker gives out an event."""
        if self.queue:
            channel = self.channel
            channel.tags += 1
            channel.unacked[channel.tags] = self.queue.popleft()
            channel.wire.append(channel.tags)

    def read(self) -> None:
        """The process reads an event."""
        channel = self.channel
        if not channel.wire:
            return
        tag = channel.wire.popleft()
        queued = channel.unacked[tag]
        delivery = make_delivery(
            channel,  # type: ignore[arg-type]
            tag=tag,
            body=queued.body,
            redelivered=queued.redelivered,
        )
        channel.open[tag] = delivery
        if not (delivery.redelivered and self.repeats.takes(delivery)):
            self.waiting.append((delivery, queued))

    def begin(self) -> None:
        if self.waiting:
            delivery, queued = self.waiting.popleft()
            self.running.append((delivery, queued))
            self.runs[queued.body] += 1
            at_a_time = sum(each.body == queued.body for _, each in self.running)
            self.too_many |= at_a_time > self.published.count(queued.body)

    def finish(self, which: int) -> None:
        if self.running:
            self.running.rotate(-which)
            delivery, _ = self.running.popleft()
            if self._is_dead(delivery):
                delivery.settled = Outcome.DONE
                delivery.is_closed = True
            else:
                delivery.settle(Outcome.DONE)

    def hear(self) -> None:
        """The broker reads an acknowledgement."""
        if self.channel.unread:
            del self.channel.unacked[self.channel.unread.popleft()]

    def lose(self) -> None:
        """The channel is gone."""
        channel, self.channel = self.channel, Channel()
        for queued in reversed(channel.unacked.values()):
            queued.redelivered = True
            self.queue.appendleft(queued)
        dropped = [delivery for delivery, _ in self.waiting]
        self.waiting.clear()
        for delivery in dropped:
            delivery.settle(Outcome.INTERRUPTED)
        self.repeats.lost(channel, dropped)

    def end(self) -> None:
        """Let everything come to its end."""
        while self.queue or self.channel.wire or self.waiting or self.running or self.channel.unread:
            self.give_out()
            self.read()
            self.begin()
            self.finish(0)
            self.hear()

    def _is_dead(self, delivery: Delivery) -> bool:
        """Whether the channel that is to be told is gone."""
        return not delivery.came_by(self.channel)


def history(world: World, steps: list[tuple[str, int]], bodies: list[bytes], *, reads_all: bool) -> None:
    """Let anything happen.

    Args:
        world: where.
        steps: what happens, and with which of several.
        bodies: what the published events are, one after the other.
        reads_all: whether nothing is on its way when a channel is lost.
    """
    left = deque(bodies)
    for step, number in steps:
        match step:
            case 'publish' if left:
                world.publish(left.popleft())
            case 'give out':
                world.give_out()
            case 'read':
                world.read()
            case 'begin':
                world.begin()
            case 'finish':
                world.finish(number)
            case 'hear':
                world.hear()
            case 'lose':
                while reads_all and world.channel.wire:
                    world.read()
                world.lose()
    for body in left:
        world.publish(body)
    world.end()


STEPS = ('publish', 'give out', 'give out', 'read', 'read', 'begin', 'finish', 'hear', 'lose')


def anything(seed: int) -> tuple[list[tuple[str, int]], list[bytes]]:
    """A long history, in which there are many twins. Drawn by hand: hypothesis prefers short ones."""
    chance = random.Random(seed)
    steps = [(chance.choice(STEPS), chance.randrange(6)) for _ in range(chance.randint(20, 100))]
    return steps, [chance.choice((b'a', b'b')) for _ in range(chance.randint(2, 12))]


@settings(max_examples=examples(100))
@given(st.integers(0, 2**32))
async def test_whatever_is_lost_every_one_of_several_twins_is_run(seed: int) -> None:
    world, (steps, bodies) = World(), anything(seed)

    history(world, steps, bodies, reads_all=True)

    assert world.runs >= Counter(bodies)


@settings(max_examples=examples(100))
@given(st.integers(0, 2**32))
async def test_whatever_is_lost_an_event_that_still_runs_is_not_run_again(seed: int) -> None:
    world, (steps, bodies) = World(), anything(seed)

    history(world, steps, bodies, reads_all=False)

    assert not world.too_many


@settings(max_examples=examples(100))
@given(st.integers(0, 2**32))
async def test_whatever_is_lost_an_event_without_twins_is_run_once(seed: int) -> None:
    world, (steps, bodies) = World(), anything(seed)
    unique = [str(number).encode() for number in range(len(bodies))]

    history(world, steps, unique, reads_all=False)

    assert world.runs == Counter(unique)
