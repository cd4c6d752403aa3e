# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The window: which of a channel's deliveries are acknowledged, in as few frames as can be.

One frame with `multiple` acknowledges all up to the lowest delivery that is not finished (AMQP 0-9-1, basic.ack). What
has finished behind a slow one would keep its place in the prefetch until then, so after a moment, or when there are
many of them, it is acknowledged singly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from wazo_busd.delivery import Delivery

STRAGGLER_SECONDS = 0.05
"""How long a finished delivery may wait behind an unfinished one."""


class Window:
    """The unacknowledged deliveries of one channel.

    Args:
        prefetch: how many there can be.
    """

    def __init__(self, prefetch: int) -> None:
        self._half = max(1, prefetch // 2)
        self._open: dict[int, Delivery] = {}
        """Unfinished deliveries, in the order they came; delivery tags only grow."""
        self._finished: dict[int, Delivery] = {}
        """Finished since it was last asked what to acknowledge."""
        self._behind: dict[int, tuple[Delivery, float]] = {}
        """Finished and not acknowledged then, as others came before them; and since when that is. Oldest first."""
        self._told: deque[Delivery] = deque(maxlen=prefetch)
        """Those that were acknowledged last. The broker gives out no more than the prefetch before it has read
        acknowledgements, so what it may not have read yet is among so many."""

    def came(self, delivery: Delivery) -> None:
        """A delivery has come."""
        self._open[delivery.tag] = delivery

    def finished(self, delivery: Delivery) -> None:
        """A delivery is finished and can be acknowledged."""
        tag = delivery.tag
        del self._open[tag]
        self._finished[tag] = delivery

    def replace(self, tag: int, delivery: Delivery) -> None:
        """Something else stands where a delivery stood."""
        self._open[tag] = delivery

    def remove(self, tag: int) -> None:
        """A delivery is given back."""
        del self._open[tag]

    def acknowledgements(self, now_seconds: float, *, all_finished: bool = False) -> list[tuple[int, bool]]:
        """What to tell the broker now; it is held for told.

        Args:
            now_seconds: the time, on a clock that is the same each time.
            all_finished: whether to acknowledge also what could wait for its predecessors.

        Returns:
            Pairs of delivery tag and whether it stands for all before it too.
        """
        below, self._finished = self._finished, {}
        highest = max(below, default=0)
        lowest = next(iter(self._open), None)
        # Where all is finished in its order, as it mostly is, nothing is to be sorted.
        if self._behind or (lowest is not None and lowest < highest):
            below = self._below(lowest, below, now_seconds)
            highest = max(below, default=0)
        told = [(highest, len(below) > 1)] if below else []
        self._note(below.values())
        overdue = all_finished or len(self._behind) >= self._half
        for tag, (delivery, since) in list(self._behind.items()):
            if not overdue and now_seconds - since < STRAGGLER_SECONDS:
                break
            del self._behind[tag]
            self._note([delivery])
            told.append((tag, False))
        return told

    def _below(self, lowest: int | None, finished: dict[int, Delivery], now_seconds: float) -> dict[int, Delivery]:
        """Of all that is finished what lies below the lowest delivery that is not; the rest is behind."""
        self._behind |= {tag: (delivery, now_seconds) for tag, delivery in finished.items()}
        below = {tag: delivery for tag, (delivery, _) in self._behind.items() if lowest is None or tag < lowest}
        for tag in below:
            del self._behind[tag]
        return below

    def _note(self, told: Collection[Delivery]) -> None:
        """The broker is told of these."""
        for delivery in told:
            delivery.slim()
        self._told.extend(told)

    @property
    def waiting(self) -> bool:
        """Whether something finished waits for its predecessors."""
        return bool(self._behind or self._finished)

    @property
    def unsettled_count(self) -> int:
        """How many deliveries the broker was not told of."""
        return len(self._open) + len(self._finished) + len(self._behind)

    @property
    def open(self) -> int:
        """How many deliveries are not finished."""
        return len(self._open)

    @property
    def unsettled(self) -> list[Delivery]:
        """The deliveries that the broker was not told of: unfinished ones, and finished ones that still wait."""
        behind = [delivery for delivery, _ in self._behind.values()]
        return [*self._open.values(), *behind, *self._finished.values()]

    @property
    def doubtful(self) -> list[Delivery]:
        """The deliveries that the broker was told of last."""
        return list(self._told)

    def oldest_seconds(self, now: float) -> float:
        """How long the first of the unfinished deliveries is here; 0 if there is none.

        Args:
            now: the time, in Unix seconds.
        """
        first = next(iter(self._open.values()), None)
        return now - first.received_at if first else 0.0
