# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gathering: reading rests while deliveries come fast, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.amqp.gathering import Gathering

LATENCY_SECONDS = 0.005


class Timer:
    """What a clock gives for a call that it is to make."""

    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Socket:
    """A socket whose clock a test turns, and whose reads are let to gather."""

    def __init__(self, latency_seconds: float = LATENCY_SECONDS) -> None:
        self.now = 1000.0
        self.is_resting = False
        self.rests = 0
        self.timers: list[Timer] = []
        self.gathering = Gathering(latency_seconds, pause=self._pause, resume=self._resume, call_later=self._later)

    def read(self, count: int = 15, *, after: float) -> bool:
        """Read so many deliveries after so long, and say whether reading rests now."""
        self.turn(after)
        self.gathering.came(count, self.now)
        return self.is_resting

    def turn(self, seconds: float) -> None:
        """Let time pass, and what is to be called then be called."""
        self.now += seconds
        due = [timer for timer in self.timers if timer.at <= self.now]
        self.timers = [timer for timer in self.timers if timer.at > self.now]
        for timer in due:
            if not timer.is_cancelled:
                timer.call()

    def pace(self, rate: float, seconds: float = 1.0) -> list[float]:
        """Let deliveries come at a steady rate; how long each lay unread, in seconds."""
        waited: list[float] = []
        unread: list[float] = []
        step = 1 / rate
        for number in range(int(rate * seconds)):
            at = self.now + step if number else self.now
            while self.timers and self.timers[0].at < at:
                self.turn(self.timers[0].at - self.now)
                waited += self._read_all(unread)
            self.turn(max(0.0, at - self.now))
            unread.append(at)
            if not self.is_resting:
                waited += self._read_all(unread)
        return waited

    def _read_all(self, unread: list[float]) -> list[float]:
        waited = [self.now - at for at in unread]
        if unread:
            self.gathering.came(len(unread), self.now)
            unread.clear()
        return waited

    def _pause(self) -> None:
        self.is_resting = True
        self.rests += 1

    def _resume(self) -> None:
        self.is_resting = False

    def _later(self, seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        timer = Timer(self.now + seconds, call)
        self.timers.append(timer)
        return cast('asyncio.TimerHandle', timer)


def fast(**arguments: Any) -> Socket:
    """A socket at which deliveries come fast, and which has just been read."""
    socket = Socket(**arguments)
    socket.pace(3_000)
    socket.turn(LATENCY_SECONDS)
    return socket


def test_the_first_delivery_of_all_is_followed_by_no_rest() -> None:
    assert not Socket().read(1, after=0.0)


@pytest.mark.parametrize('rate', [1, 10, 100, 300])
def test_at_a_low_rate_each_is_read_at_once(rate: int) -> None:
    socket = Socket()

    assert (set(socket.pace(rate, 10.0)), socket.rests) == ({0.0}, 0)


@pytest.mark.parametrize('rate', [500, 1_000, 3_000, 6_000])
def test_at_a_high_rate_several_are_read_together(rate: int) -> None:
    socket = Socket()
    waited = socket.pace(rate)

    assert socket.rests < len(waited) * 0.7


@given(st.floats(1, 6_000))
def test_none_lies_unread_for_longer_than_the_latency(rate: float) -> None:
    assert max(Socket().pace(rate, 0.5), default=0.0) <= LATENCY_SECONDS + 1e-9


def test_while_they_come_fast_reading_rests_after_each_read() -> None:
    assert fast().read(after=0.0005)


@pytest.mark.parametrize(('count', 'every_seconds'), [(4, 0.004), (6, 0.006), (10, 0.01)])
def test_while_they_come_fast_but_unevenly_reading_rests_after_each_read(count: int, every_seconds: float) -> None:
    socket = fast()
    for _ in range(20):
        socket.read(count, after=every_seconds)

    rested = [socket.read(each, after=every_seconds) for each in (1, count, 1, count)]

    assert rested == [True] * 4


def test_after_the_rest_it_is_read_again() -> None:
    socket = fast()
    socket.read(after=0.0005)

    socket.turn(LATENCY_SECONDS)

    assert not socket.is_resting


def test_what_comes_after_a_silence_is_read_at_once() -> None:
    assert not fast().read(1, after=0.1)


def test_many_at_a_time_gather_by_themselves() -> None:
    assert not fast().read(32, after=0.0005)


@pytest.mark.parametrize('rate', [80_000, 200_000])
def test_where_they_come_as_fast_as_they_are_handled_reading_does_not_rest(rate: int) -> None:
    socket = Socket()
    socket.pace(rate, 0.2)
    before = socket.rests

    socket.pace(rate, 0.2)

    assert socket.rests == before


@pytest.mark.parametrize('rate', [1_000, 10_000, 40_000])
def test_reading_rests_no_longer_than_until_enough_have_come(rate: int) -> None:
    socket = Socket(latency_seconds=0.1)
    socket.pace(rate, 0.2)

    assert max(socket.pace(rate, 0.2)) <= 40 / rate


def test_where_they_come_less_fast_again_reading_rests_again() -> None:
    socket = Socket()
    socket.pace(80_000, 0.2)
    before = socket.rests

    socket.pace(3_000, 0.2)

    assert socket.rests > before


def test_where_the_broker_waits_for_acknowledgements_reading_does_not_rest() -> None:
    socket = fast()
    socket.gathering.read_on()

    assert not socket.read(after=0.0005)


def test_it_rests_again_where_the_broker_waits_no_more() -> None:
    socket = fast()
    socket.gathering.read_on()
    socket.read(after=0.0005)

    assert socket.read(after=0.0005)


def test_without_a_latency_it_never_rests() -> None:
    assert fast(latency_seconds=0.0).rests == 0


def test_what_comes_while_it_rests_does_not_make_the_rest_longer() -> None:
    # Given TLS, of which something may be decrypted already
    socket = fast()
    socket.read(after=0.0005)
    socket.read(after=LATENCY_SECONDS - 0.001)

    socket.turn(0.001)

    assert not socket.is_resting


def test_a_connection_that_is_closed_is_not_read_again() -> None:
    socket = fast()
    socket.read(after=0.0005)

    socket.gathering.close()
    socket.turn(LATENCY_SECONDS)

    assert socket.is_resting
