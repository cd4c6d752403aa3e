# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The alarms: what becomes due when, in the time of the events."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

K = TypeVar('K', bound=Hashable)

_LEAST_GARBAGE = 64


class Alarms(Generic[K]):
    """At most one alarm a key. Setting, cancelling and asking for the next one cost the same however many there are."""

    def __init__(self) -> None:
        self._at: dict[K, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: K) -> bool:
        return key in self._at

    def set(self, key: K, at: float) -> None:
        """Let `key` be due at a time, in Unix seconds, instead of when it was due before."""
        number = next(self._numbers)
        self._at[key] = (at, number)
        heapq.heappush(self._heap, (at, number, key))
        if len(self._heap) > _LEAST_GARBAGE + 2 * len(self._at):
            self._heap = [(when, which, each) for each, (when, which) in self._at.items()]
            heapq.heapify(self._heap)

    def cancel(self, key: K) -> None:
        """Let `key` not be due; nothing happens if it is not."""
        self._at.pop(key, None)

    def next(self) -> float | None:
        """When the first one is due, in Unix seconds; `None` if none is."""
        heap = self._heap
        while heap:
            at, number, key = heap[0]
            if self._at.get(key) == (at, number):
                return at
            heapq.heappop(heap)
        return None

    def due(self, at: float) -> Iterator[tuple[K, float]]:
        """Take away what is due by a time, the first ones first, also what is set meanwhile.

        Args:
            at: the time, in Unix seconds.

        Yields:
            The key, and when it was due.
        """
        while (first := self.next()) is not None and first <= at:
            key = heapq.heappop(self._heap)[2]
            del self._at[key]
            yield key, first
