# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The repeats: what the broker gives out again after a channel was lost, though this process is at it or done with it.

Identities are computed here, after a loss, and nowhere on the way of an ordinary event.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from typing import TypeVar

from wazo_busd.delivery import Acknowledger, Delivery
from wazo_busd.outcome import Outcome

_KEPT_SECONDS = 900.0
"""How long a repeat is waited for. The broker finds out within half a minute that a connection is gone."""

_MOST = 100_000
"""More than this cannot come again, whatever a prefetch is; it is what never came that has gathered."""

_Place = tuple[int, int]
"""Where a delivery stood among those of its channel: the number of the loss, and its tag."""

T = TypeVar('T')


class Repeats:
    """Recognises the deliveries of one handler that come again.

    Two genuine events of an old host can be identical to the byte. An event that comes again *for certain*, because it
    was never acknowledged, is recognised by number: as many arrivals as were open. Of one whose acknowledgement may or
    may not have been read, a repeat is recognised only if nothing else that was there was identical to it: to run one
    of several twins twice is better than never.
    """

    def __init__(self) -> None:
        self._open: dict[str, list[tuple[_Place, Delivery]]] = {}
        self._doubtful: dict[str, tuple[_Place, Delivery]] = {}
        self._dropped: dict[str, list[_Place]] = {}
        self._lost_at = 0.0
        self._losses = 0

    def lost(self, acknowledger: Acknowledger, dropped: Iterable[Delivery]) -> None:
        """A channel is lost.

        Args:
            acknowledger: who settled its deliveries.
            dropped: those of them that had not begun; they run when they come again.
        """
        self._forget_old()
        self._losses += 1
        gone = {id(delivery) for delivery in dropped}
        still = [
            delivery
            for delivery in acknowledger.unsettled()
            if id(delivery) not in gone and delivery.settled is not Outcome.INTERRUPTED
        ]
        told = list(acknowledger.doubtful())
        for delivery in dropped:
            self._dropped.setdefault(delivery.identity, []).append((self._losses, delivery.tag))
        for delivery in still:
            self._open.setdefault(delivery.identity, []).append(((self._losses, delivery.tag), delivery))
        # Those of an earlier loss may still be on their way.
        known = Counter([*self._dropped, *self._open, *self._doubtful, *(delivery.identity for delivery in told)])
        self._doubtful |= {delivery.identity: ((self._losses, delivery.tag), delivery) for delivery in told}
        self._doubtful = {name: each for name, each in self._doubtful.items() if known[name] == 1}
        self._lost_at = time.monotonic()

    def takes(self, delivery: Delivery) -> bool:
        """Whether a delivery that comes again is one that this process is at, or done with; if so, it is seen to.

        Args:
            delivery: one that the broker says it gave out before.
        """
        if not self._lost_at:
            return False
        if self._doubtful and time.monotonic() - self._lost_at > _KEPT_SECONDS:
            self._doubtful.clear()
        name = delivery.identity
        if name in self._open:
            place, earlier = _first(self._open, name)
            self._passed(place)
            earlier.renew(delivery)
            return True
        if name in self._doubtful:
            place, earlier = self._doubtful.pop(name)
            self._passed(place)
            earlier.renew(delivery)
            return True
        if name in self._dropped:
            self._passed(_first(self._dropped, name))
        else:
            # It was on its way when the channel was lost, so that all that was acknowledged came before it.
            self._doubtful.clear()
        return False

    def returned(self, delivery: Delivery) -> None:
        """The broker was given a delivery back of our own accord: one that comes again and looks like it is to run."""
        if self._doubtful:
            self._doubtful.pop(delivery.identity, None)

    def _passed(self, place: _Place) -> None:
        """What comes again comes in its order: what was acknowledged and came before it will not come any more.

        An arrival that looks like one of those is a twin.
        """
        loss, tag = place
        self._doubtful = {name: each for name, each in self._doubtful.items() if each[0][0] != loss or each[0][1] > tag}

    def _forget_old(self) -> None:
        if time.monotonic() - self._lost_at > _KEPT_SECONDS or len(self._open) + len(self._dropped) > _MOST:
            self._open.clear()
            self._doubtful.clear()
            self._dropped.clear()


def _first(found: dict[str, list[T]], name: str) -> T:
    first = found[name].pop(0)
    if not found[name]:
        del found[name]
    return first
