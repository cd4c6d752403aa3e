# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The window: which of a channel's deliveries are acknowledged, in as few frames as can be.

One frame with `multiple` acknowledges all up to the lowest delivery that is not finished (AMQP 0-9-1, basic.ack). What
has finished behind a slow one would keep its place in the prefetch until then, so after a moment, or when there are
many of them, it is acknowledged singly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from wazo_busd.delivery import Delivery

STRAGGLER_SECONDS = 0.05
"""How long a finished delivery may wait behind an unfinished one."""

_SLIM_LENGTH = 65_536
"""A longer body is not kept for what it may be recognised by; its identity is."""


class Window:
    """The unacknowledged deliveries of one channel.

    Args:
        prefetch: how many there can be.
    """

    def __init__(self, prefetch: int) -> None:
        self._half = max(1, prefetch // 2)
        self._open: dict[int, Delivery] = {}
        """Unfinished deliveries, in the order they came; delivery tags only grow."""
        self._finished: dict[int, tuple[Delivery, float]] = {}
        """Finished and not acknowledged, with the time they finished at, in the order they finished."""
        self._told: deque[Delivery] = deque(maxlen=prefetch)
        """Those that were acknowledged last. The broker gives out no more than the prefetch before it has read
        acknowledgements, so what it may not have read yet is among so many."""

    def came(self, delivery: Delivery) -> None:
        """A delivery has come."""
        self._open[delivery.tag] = delivery

    def finished(self, delivery: Delivery, now_seconds: float) -> None:
        """A delivery is finished and can be acknowledged."""
        del self._open[delivery.tag]
        self._finished[delivery.tag] = (delivery, now_seconds)

    def replace(self, tag: int, delivery: Delivery) -> None:
        """Something else stands where a delivery stood."""
        self._open[tag] = delivery

    def remove(self, tag: int) -> None:
        """A delivery is given back."""
        del self._open[tag]

    def acknowledgements(self, now_seconds: float, *, all_finished: bool = False) -> list[tuple[int, bool]]:
        """What to tell the broker now; it is held for told.

        Args:
            now_seconds: the time, on the clock that `finished` was told.
            all_finished: whether to acknowledge also what could wait for its predecessors.

        Returns:
            Pairs of delivery tag and whether it stands for all before it too.
        """
        finished = self._finished
        lowest = next(iter(self._open), None)
        if lowest is None:
            below, self._finished = finished, {}
        else:
            below = {tag: each for tag, each in finished.items() if tag < lowest}
            for tag in below:
                del finished[tag]
        told = [(max(below), len(below) > 1)] if below else []
        self._note(below.values())
        overdue = all_finished or len(self._finished) >= self._half
        for tag, (delivery, finished_at) in list(self._finished.items()):
            if not overdue and now_seconds - finished_at < STRAGGLER_SECONDS:
                break
            del self._finished[tag]
            self._note([(delivery, finished_at)])
            told.append((tag, False))
        return told

    def _note(self, told: Iterable[tuple[Delivery, float]]) -> None:
        """The broker is told of these."""
        for delivery, _ in told:
            if len(delivery.body) > _SLIM_LENGTH:
                delivery.slim()
            self._told.append(delivery)

    @property
    def waiting(self) -> bool:
        """Whether something finished waits for its predecessors."""
        return bool(self._finished)

    @property
    def open(self) -> int:
        """How many deliveries are not finished."""
        return len(self._open)

    @property
    def unsettled(self) -> list[Delivery]:
        """The deliveries that the broker was not told of: unfinished ones, and finished ones that still wait."""
        return [*self._open.values(), *(delivery for delivery, _ in self._finished.values())]

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
