# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The spree: outbound calls of one user, to numbers that cost, many in a short time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..tracking import Shelf
from ..tracking.sweep import swept_at
from .options import OutboundBurst

_LONGEST_EXTENSION = 6


@dataclass(slots=True)
class Spree:
    """The calls of one user lately.

    Attributes:
        calls: when each was made, and which it was; the oldest one first.
        quiet_until: until when nothing more is told.
    """

    calls: list[tuple[float, str]] = field(default_factory=list)
    quiet_until: float = 0.0


class Sprees:
    """The calls of all users lately.

    Args:
        limit: how many are too many.
        most: how many users are remembered.
    """

    def __init__(self, limit: OutboundBurst, most: int) -> None:
        self._limit = limit
        self._shelf: Shelf[str, Spree] = Shelf(most, 2 * limit.within)

    def __len__(self) -> int:
        return len(self._shelf)

    def take(self, caller: str, call_id: str, at: float, now: float) -> tuple[int, float] | None:
        """Count a call.

        Args:
            caller: whose it is.
            call_id: which call.
            at: when it was made.
            now: the latest time that is known.

        Returns:
            How many there are within the time, and when the first of them was, if that is to be told; else `None`.
        """
        if at <= now - self._limit.within:
            return None
        spree = self._shelf.touch(caller, now)
        if spree is None:
            spree = Spree()
            self._shelf.put(caller, spree, now)
        limit, calls = self._limit, spree.calls
        if any(each == call_id for _, each in calls):
            return None
        if len(calls) > limit.calls and at < calls[0][0]:
            return None
        calls.append((at, call_id))
        calls.sort()
        newest = calls[-1][0]
        calls[:] = [each for each in calls if each[0] > newest - limit.within][-limit.calls - 1 :]
        if len(calls) <= limit.calls or newest < spree.quiet_until:
            return None
        spree.quiet_until = newest + limit.within
        return len(calls), calls[0][0]

    def expire(self, at: float) -> None:
        """Forget who has made no call for too long, at so many Unix seconds."""
        for _ in self._shelf.expired(at):
            pass

    def due(self) -> float | None:
        """When there is something to forget."""
        return swept_at(self._shelf.oldest_at())

    def dump(self) -> list[Any]:
        """What `load` takes."""
        return [(at, caller, spree.calls, spree.quiet_until) for at, caller, spree in self._shelf.dump()]

    def load(self, said: Iterable[Any]) -> None:
        """Know what `dump` gave."""
        for at, caller, calls, quiet_until in said:
            spree = Spree([(float(when), str(call_id)) for when, call_id in calls], float(quiet_until))
            self._shelf.put(str(caller), spree, float(at))


def is_outbound(data: Mapping[str, Any], number: str) -> bool:
    """Whether a call is one that a user has made to somewhere outside, as far as its kind of number says so too.

    Args:
        data: the call. Hosts of 2019 do not say the direction, and those of today call every call internal until the
            dialplan has found it out (Wazo fact).
        number: what was dialed.
    """
    if data.get('is_caller') is not True:
        return False
    direction = data.get('direction')
    return direction in (None, 'outbound') or (direction == 'internal' and len(number) > _LONGEST_EXTENSION)
