# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gaps: the times in which events can have been lost, found by what the broker lets be seen."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from wazo_busd.bus import Gap

_FULL = 0.98
"""A queue is held for full when it is so near to its bounds: what it drops is gone when it is counted."""

_SAMPLE = 16
"""So many bodies say how large those are that came with them."""

log = structlog.stdlib.get_logger(__name__)


class QueueGaps:
    """Finds the gaps of one handler's queue.

    Args:
        handler: the name of the handler.
        max_length: how many events the queue holds.
        max_bytes: how many bytes of bodies it holds.
        report: told of each gap, when it is over.
        seen_at: when the queue was last known to be there, Unix seconds.
    """

    def __init__(
        self, handler: str, *, max_length: int, max_bytes: int, report: Callable[[Gap], None], seen_at: float
    ) -> None:
        self._handler = handler
        self._max_length = max_length
        self._max_bytes = max_bytes
        self._report = report
        self._seen_at = seen_at
        self._gone = ''
        self._full_since = 0.0
        self._bodies = 0
        self._bytes = 0
        self._unjudged = 0
        """How many events waited before any came, of whose size nothing is known therefore."""
        self._unjudged_since = 0.0

    def came(self, bodies: int, size: int) -> None:
        """Deliveries have come: so many, with so many bytes of bodies in all."""
        self._bodies += bodies
        self._bytes += size
        if self._unjudged and self._bodies >= min(self._unjudged, _SAMPLE):
            count, self._unjudged = self._unjudged, 0
            if not self._full_since and self._is_full(count):
                self._became_full(count, self._unjudged_since)

    def gone(self, reason: str) -> None:
        """The queue is not there any more, and with it what was in it."""
        self._gone = self._gone or reason

    def seen(self, count: int) -> None:
        """The queue is there.

        Args:
            count: how many events wait in it.
        """
        now = time.time()
        if self._gone:
            self._report(Gap(self._handler, self._seen_at, now, self._gone))
            self._gone = ''
        if self._is_full(count):
            if not self._full_since:
                self._became_full(count, self._seen_at)
        elif self._full_since:
            self._report(Gap(self._handler, self._full_since, now, 'its queue was full, and the oldest events dropped'))
            self._full_since = 0.0
        if count and not self._bodies and not self._unjudged:
            self._unjudged, self._unjudged_since = count, self._seen_at
        self._seen_at = now

    @property
    def is_full(self) -> bool:
        """Whether the queue drops events."""
        return bool(self._full_since)

    def _became_full(self, count: int, since: float) -> None:
        self._full_since = since
        log.warning(
            'queue_full',
            handler=self._handler,
            events=count,
            effect='the oldest ones are dropped',
            hint='see why the handler does not keep up, or raise queue.max_length and queue.max_bytes',
        )

    def _is_full(self, count: int) -> bool:
        mean = self._bytes / self._bodies if self._bodies else 0.0
        # Where one more would not fit, one was dropped for the last that came.
        return count >= self._max_length * _FULL or (count + 1) * mean >= self._max_bytes * _FULL
