# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The place: a room and who a call is in it; a call can be in several rooms."""

from __future__ import annotations

Place = tuple[str, str]
"""The key of the room, and the participant."""

_MOST = 20
"""So many places of one call are known; of too many, the last ones."""


class Places:
    """Knows in which rooms each call is."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str | None, str], dict[Place, None]] = {}

    def add(self, origin: str | None, call_id: str, place: Place) -> None:
        """Know that a call is in a place.

        Args:
            origin: the host of the call.
            call_id: the call.
            place: where it is.
        """
        places = self._calls.setdefault((origin, call_id), {})
        places[place] = None
        if len(places) > _MOST:
            del places[next(iter(places))]

    def take(self, origin: str | None, call_id: str, place: Place) -> None:
        """Know that it is not there any more; the arguments are those of `add`."""
        places = self._calls.get((origin, call_id))
        if places is None:
            return
        places.pop(place, None)
        if not places:
            del self._calls[origin, call_id]

    def of(self, origin: str | None, call_id: str) -> list[Place]:
        """Where a call is, always in the same order.

        Args:
            origin: the host of the call.
            call_id: the call.
        """
        return sorted(self._calls.get((origin, call_id), ()))
