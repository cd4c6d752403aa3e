# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The pace: when each recorded event is played."""

from __future__ import annotations

import asyncio
import time

import click

_MAX = 'max'


class Pace:
    """Waits for the time of each event, counted from the first.

    Args:
        speed: how many times as fast as it was; `None` is as fast as it goes.
    """

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._began = 0.0
        self._first: float | None = None

    async def reach(self, at: float) -> None:
        """Wait until it is time for what came at `at`, seconds since the recording began."""
        if self._speed is None:
            return
        now = time.monotonic()
        if self._first is None:
            self._began, self._first = now, at
        left = (at - self._first) / self._speed - (now - self._began)
        if left > 0:
            await asyncio.sleep(left)


def speed_of(text: str) -> float | None:
    """What `--speed` says; `None` for `max`.

    Raises:
        click.UsageError: it is no speed.
    """
    if text == _MAX:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float('inf'):
        raise click.UsageError(f'--speed {text}: expected how many times as fast, as in 10, or max')
    return speed
