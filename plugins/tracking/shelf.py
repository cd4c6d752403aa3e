# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The shelf: what a tracker remembers, never more than so much and never for longer than so long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Generic, TypeVar

K = TypeVar('K')
V = TypeVar('V')


class _Kept(Generic[V]):
    """A value, and when it was touched."""

    __slots__ = ('at', 'value')

    def __init__(self, at: float, value: V) -> None:
        self.at = at
        self.value = value


class Shelf(Generic[K, V]):
    """A map that keeps what was touched last.

    Args:
        most: how many values it keeps; who is one too many drops the one that was touched first.
        age_seconds: how long a value is kept that nobody touches.
    """

    def __init__(self, most: int, age_seconds: float) -> None:
        self.dropped = 0
        """How many values were dropped because there were too many."""
        self._most = most
        self._age_seconds = age_seconds
        # In the order in which they were touched. A plain dict would look for its first key behind all those that were
        # taken away before it.
        self._values: OrderedDict[K, _Kept[V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def get(self, key: K) -> V | None:
        """The value of a key; `None` if there is none. That touches nothing."""
        found = self._values.get(key)
        return None if found is None else found.value

    def values(self) -> Iterator[V]:
        """All values, the one that was touched first before the others."""
        return (kept.value for kept in self._values.values())

    def items(self) -> Iterator[tuple[K, V]]:
        """All keys with their values, the one that was touched first before the others."""
        return ((key, kept.value) for key, kept in self._values.items())

    def put(self, key: K, value: V, at: float) -> V | None:
        """Keep a value, as one that was touched now.

        Args:
            key: its key.
            value: the value.
            at: the time, in Unix seconds.

        Returns:
            The value that had to go for it; `None` if there was room.
        """
        self._values[key] = _Kept(at, value)
        self._values.move_to_end(key)
        if len(self._values) <= self._most:
            return None
        self.dropped += 1
        return self._values.popitem(last=False)[1].value

    def touch(self, key: K, at: float) -> V | None:
        """The value of a key, touched now, at so many Unix seconds; `None` if there is none."""
        found = self._values.get(key)
        if found is None:
            return None
        found.at = at
        self._values.move_to_end(key)
        return found.value

    def pop(self, key: K) -> V | None:
        """Take away the value of a key; `None` if there is none."""
        found = self._values.pop(key, None)
        return None if found is None else found.value

    def expired(self, at: float) -> Iterator[tuple[K, V]]:
        """Take away what nobody has touched for too long, at so many Unix seconds."""
        while self._values:
            key = next(iter(self._values))
            kept = self._values[key]
            if kept.at + self._age_seconds > at:
                return
            del self._values[key]
            yield key, kept.value

    def oldest_at(self) -> float | None:
        """When the first value expires, in Unix seconds; `None` if there is none."""
        for kept in self._values.values():
            return kept.at + self._age_seconds
        return None

    def dump(self) -> list[tuple[float, K, V]]:
        """All that it keeps: when each was touched, its key and its value."""
        return [(kept.at, key, kept.value) for key, kept in self._values.items()]
