# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The clock of the day, which no wall clock moves."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta


class Clock:
    """What time it is in the office, whose clocks show UTC.

    Args:
        start: when the day begins, without a zone.
    """

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.now = start
        self._numbers = itertools.count(1)

    def move_to(self, at_seconds: float) -> None:
        """Let it be so many seconds after the start."""
        self.now = self.start + timedelta(seconds=at_seconds)

    @property
    def aware(self) -> datetime:
        """Now, with its zone."""
        return self.now.replace(tzinfo=UTC)

    @property
    def epoch(self) -> int:
        """Now, in Unix seconds."""
        return int(self.aware.timestamp())

    def unique_id(self) -> str:
        """What Asterisk would call a channel that begins now: the time, a dot and a number that it counts up."""
        return f'{self.epoch}.{next(self._numbers)}'
