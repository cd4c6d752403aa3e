# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The queue joins: who has entered a queue before anything was told of their call."""

from __future__ import annotations

from collections.abc import Iterable

from ..tracking import Shelf

_MOST = 1_000
_AGE_SECONDS = 60.0


class QueueJoins:
    """Remembers them for a minute: they come by another service than the calls, which can be slower."""

    def __init__(self) -> None:
        self._shelf: Shelf[str, str] = Shelf(_MOST, _AGE_SECONDS)

    def note(self, key: str, queue: str, *, is_in: bool, at: float) -> None:
        """Somebody has entered a queue, or left it.

        Args:
            key: what their call is known by.
            queue: the queue.
            is_in: whether they are in it now.
            at: when.
        """
        if is_in:
            self._shelf.put(key, queue, at)
        elif self._shelf.get(key) == queue:
            self._shelf.pop(key)

    def take(self, key: str) -> str:
        """The queue that a call is in, which is forgotten here; `''` for none."""
        return self._shelf.pop(key) or ''

    def oldest_at(self) -> float | None:
        """When the first one is forgotten, in Unix seconds; `None` if there is none."""
        return self._shelf.oldest_at()

    def expire(self, at: float) -> None:
        """Forget those whose calls were never told of."""
        for _ in self._shelf.expired(at):
            pass

    def dump(self) -> list[tuple[float, str, str]]:
        """What `load` makes the same of."""
        return self._shelf.dump()

    def load(self, said: Iterable[tuple[float, str, str]]) -> None:
        """Know what `dump` gave."""
        for at, key, queue in said:
            self._shelf.put(key, queue, float(at))
