# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rate: so much at once, and so much in a second."""

from __future__ import annotations

from wazo_busd.http.rate import Rate


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_much_is_allowed_at_once_and_then_so_much_a_second() -> None:
    clock = Clock()
    rate = Rate(2.0, 5, clock)
    at_once = sum(rate.allows() for _ in range(20))
    clock.now = 1.0

    assert (at_once, sum(rate.allows() for _ in range(20))) == (5, 2)


def test_what_was_not_used_is_not_saved_up_for_ever() -> None:
    clock = Clock()
    rate = Rate(2.0, 5, clock)
    clock.now = 3600.0

    assert sum(rate.allows() for _ in range(20)) == 5
