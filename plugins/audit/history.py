# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The history: how things are by what was said of them last, so that a change has a before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tracking import Shelf
from ..tracking.sweep import swept_at
from .change import Change, State

_AGE_SECONDS = 90 * 86_400.0


class History:
    """Remembers how things are.

    Args:
        most: of how many things.
    """

    def __init__(self, most: int) -> None:
        # How each is, and when that was said.
        self._known: Shelf[str, tuple[float, State]] = Shelf(most, _AGE_SECONDS)

    def __len__(self) -> int:
        return len(self._known)

    def take(self, change: Change, at: float, now: float) -> tuple[State | None, State] | None:
        """Take a change.

        Args:
            change: the change.
            at: when it was made.
            now: the latest time that is known.

        Returns:
            How it was, `None` if that is not known, and how it is; `None` instead if nothing has changed.
        """
        known = self._known.get(change.key)
        before = None
        if known is not None:
            said_at, before = known
            # It comes late, or once more.
            if at < said_at or (at == said_at and change.is_blind):
                return None
        kept = before if before is not None and change.after.get('exists', True) else {}
        after = {**kept, **change.after}
        self._known.put(change.key, (at, after), now)
        if after == before and not change.is_blind:
            return None
        return before, after

    def expire(self, at: float) -> None:
        """Forget what nobody has changed for too long, at so many Unix seconds."""
        for _ in self._known.expired(at):
            pass

    def due(self) -> float | None:
        """When there is something to forget."""
        return swept_at(self._known.oldest_at())

    def dump(self) -> list[Any]:
        """What `load` takes."""
        return [(at, key, said_at, dict(state)) for at, key, (said_at, state) in self._known.dump()]

    def load(self, said: Any) -> None:
        """Know what `dump` gave."""
        for at, key, said_at, state in said:
            if not isinstance(state, Mapping):
                raise TypeError('a state is a map')
            self._known.put(str(key), (float(said_at), state), float(at))
