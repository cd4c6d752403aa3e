# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""How long to wait before the next try: from 50 ms to 5 s, never quite the same."""

from __future__ import annotations

import asyncio
import random

from wazo_busd.amqp.connection import Unreachable

_FIRST_SECONDS = 0.05
_LAST_SECONDS = 5.0
_LAST_UNREACHABLE_SECONDS = 0.5


class Backoff:
    """Counts the failures in a row.

    Nobody listening is cheap to find out, and a broker that is being restarted will listen any moment, so those waits
    end at half a second; a broker that answers and refuses is asked every five seconds at last. Each kind has its own
    count: a broker that was away for long and is back is not one that has refused for long.
    """

    def __init__(self) -> None:
        self._absences = 0
        self._failures = 0

    def reset(self) -> None:
        """It worked."""
        self._absences = self._failures = 0

    def delay_seconds(self, error: BaseException | None) -> float:
        """The next wait, and one more failure.

        Args:
            error: what failed.
        """
        if isinstance(error, Unreachable):
            count, longest = self._absences, _LAST_UNREACHABLE_SECONDS
            self._absences += 1
        else:
            count, longest = self._failures, _LAST_SECONDS
            self._failures += 1
        return min(_FIRST_SECONDS * 2.0 ** min(count, 20), longest) * random.uniform(0.7, 1.0)

    async def wait(self, error: BaseException | None) -> None:
        """Wait that long."""
        await asyncio.sleep(self.delay_seconds(error))
