# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The clock of a tracker: no silence of ours is taken for silence of the host."""

from __future__ import annotations

import time

import pytest

from plugins.tracking.clock import Clock

HOUR_SECONDS = 3600.0


class Quiet:
    """A clock, with a monotonic one that the test moves, and a queue that is consumed or not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic = 1000.0
        self.wall = time.time()
        self.consumed_since: float | None = self.monotonic
        monkeypatch.setattr('time.monotonic', lambda: self.monotonic)
        monkeypatch.setattr('time.time', lambda: self.wall)
        self.clock = Clock(lambda: 0.0 if self.consumed_since is None else self.monotonic - self.consumed_since)

    def wait(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Quiet:
    return Quiet(monkeypatch)


def test_while_old_events_come_it_is_as_late_as_they_say(quiet: Quiet) -> None:
    quiet.clock.hear(quiet.wall - HOUR_SECONDS)
    quiet.wait(1.0)

    assert quiet.clock.now() == pytest.approx(quiet.wall - HOUR_SECONDS)


def test_when_none_has_come_for_a_while_it_is_as_late_as_the_wall_clock_says(quiet: Quiet) -> None:
    quiet.clock.hear(quiet.wall - HOUR_SECONDS)
    quiet.wait(6.0)

    assert quiet.clock.now() == pytest.approx(quiet.wall - 1.0)


def test_while_nobody_consumes_time_stands_still(quiet: Quiet) -> None:
    quiet.clock.hear(at := quiet.wall - 2.0)
    quiet.consumed_since = None
    quiet.wait(HOUR_SECONDS)

    assert quiet.clock.now() == at


def test_after_an_interruption_events_that_wait_are_given_time_to_come(quiet: Quiet) -> None:
    # Given a queue that was not consumed for an hour, and is again
    quiet.clock.hear(at := quiet.wall - 2.0)
    quiet.wait(HOUR_SECONDS)
    quiet.consumed_since = quiet.monotonic

    # When a moment has passed
    quiet.wait(1.0)

    # Then it is hardly later than before
    assert quiet.clock.now() == pytest.approx(at + 1.0)


def test_it_never_is_earlier_than_it_was(quiet: Quiet) -> None:
    quiet.clock.hear(quiet.wall)
    quiet.wait(10.0)
    quiet.clock.time = before = quiet.clock.now()
    quiet.clock.hear(quiet.wall - HOUR_SECONDS)

    assert quiet.clock.now() == before


def test_while_an_event_is_in_hand_time_stands_still(quiet: Quiet) -> None:
    quiet.clock.hear(at := quiet.wall - 2.0)
    with quiet.clock.stopped():
        quiet.wait(HOUR_SECONDS)

        assert quiet.clock.now() == at


def test_what_has_waited_behind_an_event_in_hand_is_given_time_to_come(quiet: Quiet) -> None:
    quiet.clock.hear(at := quiet.wall - 2.0)
    with quiet.clock.stopped():
        quiet.wait(HOUR_SECONDS)
    quiet.wait(1.0)

    assert quiet.clock.now() == pytest.approx(at + 1.0)


@pytest.mark.parametrize(('back_seconds', 'was_ahead'), [(0.0, False), (9.0, False), (11.0, True)])
def test_a_wall_clock_that_was_ahead_is_noticed(quiet: Quiet, back_seconds: float, was_ahead: bool) -> None:
    quiet.clock.hear(quiet.wall)
    quiet.wall -= back_seconds

    assert quiet.clock.was_ahead(quiet.wall) is was_ahead


def test_an_event_that_was_left_waiting_is_no_sign_of_a_clock_that_was_ahead(quiet: Quiet) -> None:
    quiet.clock.hear(came_at := quiet.wall)
    quiet.wait(HOUR_SECONDS)
    quiet.clock.time = quiet.clock.now()

    assert not quiet.clock.was_ahead(came_at)


def test_an_event_of_before_a_clock_was_put_back_is_no_sign_of_it(quiet: Quiet) -> None:
    quiet.clock.hear(came_at := quiet.wall)
    quiet.wall -= HOUR_SECONDS

    assert not quiet.clock.was_ahead(came_at)
