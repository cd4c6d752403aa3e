# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The installations: those that go on, and those that have ended lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from wazo_busd.api import Event

from ..tracking import Alarms, Derivation, Shelf
from ..tracking.said import data_of, text
from ..tracking.sweep import earliest, swept_at
from .installation import Installation, Key

ACTIONS = {'plugin_install_progress': 'install', 'plugin_uninstall_progress': 'uninstall'}
_AGE_SECONDS = 7 * 86_400.0


class Installations:
    """Takes events of progress one after the other.

    Args:
        most: how many are remembered.
        stuck_seconds: one that makes no progress for so long is stuck.
    """

    def __init__(self, most: int, stuck_seconds: float) -> None:
        self._stuck_seconds = stuck_seconds
        self._shelf: Shelf[Key, Installation] = Shelf(most, _AGE_SECONDS)
        self._alarms: Alarms[Key] = Alarms()
        self.told: Counter[tuple[str, str]] = Counter()

    def take(self, event: Event, origin: str, at: float, now: float) -> Iterable[Derivation]:
        """What follows from an event.

        Args:
            event: one whose name is in `ACTIONS`.
            origin: its host; `''` if that is not known.
            at: when it happened.
            now: the latest time that is known.
        """
        data = data_of(event)
        uuid, status = text(data.get('uuid')), text(data.get('status'))
        if not (uuid and status):
            return ()
        key = (origin, ACTIONS[event.name], uuid)
        found = self._shelf.touch(key, now)
        if found is None:
            found = Installation(*key, began_at=None, step='', moved_at=at)
            gone = self._shelf.put(key, found, now)
            if gone is not None:
                self._alarms.cancel(gone.key)
        elif found.is_over or at < found.moved_at or status == found.step:
            return ()
        told = found.advance(status, data.get('errors'), at)
        if found.is_over:
            self._alarms.cancel(key)
        else:
            self._alarms.set(key, at + self._stuck_seconds)
        return self._tell(found, told)

    def tick(self, at: float) -> Iterator[Derivation]:
        """What follows from its being so late."""
        for key, due_at in self._alarms.due(at):
            found = self._shelf.get(key)
            if found is not None:
                yield from self._tell(found, found.stuck(due_at))
        for key, _ in self._shelf.expired(at):
            self._alarms.cancel(key)

    def due(self) -> float | None:
        """When `tick` has something to do."""
        return earliest(self._alarms.next(), swept_at(self._shelf.oldest_at()))

    def going_on(self) -> Counter[str]:
        """How many go on, by action."""
        return Counter(each.action for each in self._shelf.values() if not each.is_over)

    def __len__(self) -> int:
        return len(self._shelf) + len(self._alarms)

    def dump(self) -> dict[str, Any]:
        """What `load` takes."""
        return {
            'installations': [(at, each.dump(), key in self._alarms) for at, key, each in self._shelf.dump()],
            'told': [(*key, count) for key, count in self.told.items()],
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        for at, each, is_watched in said['installations']:
            found = Installation(**each)
            self._shelf.put(found.key, found, at)
            if is_watched:
                self._alarms.set(found.key, found.moved_at + self._stuck_seconds)
        self.told = Counter({(action, word): count for action, word, count in said['told']})

    def _tell(self, one: Installation, told: Derivation | None) -> Iterable[Derivation]:
        if told is None:
            return ()
        self.told[one.action, told.name.rpartition('.')[2]] += 1
        return (told,)
