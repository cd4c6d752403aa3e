# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The retry policy: from an error and the number of tries to the next try, or none. It only decides."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from wazo_busd.config import RetryConfig
from wazo_busd.errors import Permanent, Retry

STEPS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 300.0, 600.0, 1800.0, 3600.0)
"""How long a delay queue can hold an event. Each has one queue, whichever handlers use it: a wait of an event's own
would be held up behind longer ones (RabbitMQ, per-message TTL)."""

_FIRST_IN_PLACE_SECONDS = 0.2
_LAST_IN_PLACE_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Again:
    """The next try.

    Attributes:
        seconds: how long to wait before it.
        in_place: whether it is waited for in this process, so that the event keeps its place in its lane; else a copy
            of it waits in a delay queue.
    """

    seconds: float
    in_place: bool


class RetryPolicy:
    """When a handler tries an event again.

    Args:
        config: what the configuration says.
    """

    def __init__(self, config: RetryConfig) -> None:
        self._config = config
        shortest, longest = config.backoff
        least = step_for(shortest)
        self.steps_seconds = tuple(each for each in STEPS_SECONDS if least <= each <= max(least, step_for(longest)))
        """The waits in delay queues, in their order; the last one is used again and again."""

    def next(
        self, error: BaseException, *, attempt: int, rounds: int, held_seconds: float, in_lane: bool
    ) -> Again | None:
        """The next try after one that failed; `None` if there is none.

        Args:
            error: what the try raised. A `Retry` can ask for a longer wait.
            attempt: the ordinal of that try, from 1.
            rounds: how often the event has come back from a delay queue.
            held_seconds: how long ago the first try began that this process made.
            in_lane: whether the event has a lane, which it must not leave: it is tried in place as long as `hold`
                allows. Only one that must not be given up leaves it then.
        """
        is_endless = isinstance(error, Retry) and getattr(error, 'endless', False) is True
        if isinstance(error, Permanent) or (attempt >= self._config.attempts and not is_endless):
            return None
        asked = asked_seconds(error)
        left = self._config.hold - held_seconds
        if in_lane and left > 0:
            return Again(min(max(self._step(attempt - 1), asked), left), in_place=True)
        if in_lane and not is_endless:
            return None
        wait = min(_FIRST_IN_PLACE_SECONDS * 2.0 ** min(attempt - 1, 10), _LAST_IN_PLACE_SECONDS)
        # What has been in a delay queue is tried once each time it comes back.
        if rounds == 0 and attempt <= self._config.in_place and asked <= wait:
            return Again(wait, in_place=True)
        return Again(max(self._step(rounds), asked), in_place=False)

    def _step(self, number: int) -> float:
        return self.steps_seconds[min(number, len(self.steps_seconds) - 1)]


def step_for(seconds: float) -> float:
    """The shortest step of the delay queues that is not shorter than `seconds`; the longest one if all are."""
    return next((each for each in STEPS_SECONDS if each >= seconds), STEPS_SECONDS[-1])


def retry_after(header: str | None, *, now: float | None = None) -> float | None:
    """The seconds that an HTTP server asks to be left alone for, for `Retry(after=…)` (RFC 9110, section 10.2.3).

    Args:
        header: the value of its header `Retry-After`: seconds, or a date; `None` if it sent none.
        now: the time, in Unix seconds; the present one if `None`.

    Returns:
        The seconds, at least 0; `None` if there is no such header or it says nothing that makes sense.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(text)
        # The oldest of the forms has no zone, and is meant in that of all others.
        until = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return min(max(0.0, until - (time.time() if now is None else now)), _LONGEST_WAIT_SECONDS)


def asked_seconds(error: BaseException) -> float:
    """How long a handler asked to be left alone, up to a day; 0 where it did not ask, or gave what is no number."""
    try:
        # A header of a server, as a text, is what plugins give by mistake; a class of their own may have nothing.
        seconds = float(getattr(error, 'after', None) or 0.0) if isinstance(error, Retry) else 0.0
    except OverflowError:
        return _LONGEST_WAIT_SECONDS
    except (TypeError, ValueError):
        return 0.0
    return min(seconds, _LONGEST_WAIT_SECONDS) if seconds > 0 else 0.0
