# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The window: which of a channel's deliveries are acknowledged, in as few frames as can be.

One frame with `multiple` acknowledges all up to the lowest delivery that is not finished (AMQP 0-9-1, basic.ack). What
has finished behind a slow one would keep its place in the prefetch until then, so after a moment, or when there are
many of them, it is acknowledged singly.
"""

from __future__ import annotations

STRAGGLER_SECONDS = 0.05
"""How long a finished delivery may wait behind an unfinished one."""


class Window:
    """The unacknowledged deliveries of one channel.

    Args:
        prefetch: how many there can be.
    """

    def __init__(self, prefetch: int) -> None:
        self._half = max(1, prefetch // 2)
        self._open: dict[int, None] = {}
        """Unfinished deliveries, in the order they came; delivery tags only grow."""
        self._finished: dict[int, float] = {}
        """Finished and not acknowledged, with the time they finished at, in the order they finished."""

    def came(self, tag: int) -> None:
        """A delivery has come."""
        self._open[tag] = None

    def finished(self, tag: int, now_seconds: float) -> None:
        """A delivery is finished and can be acknowledged."""
        del self._open[tag]
        self._finished[tag] = now_seconds

    def acknowledgements(self, now_seconds: float, *, all_finished: bool = False) -> list[tuple[int, bool]]:
        """What to tell the broker now; it is held for told.

        Args:
            now_seconds: the time, on the clock that `finished` was told.
            all_finished: whether to acknowledge also what could wait for its predecessors.

        Returns:
            Pairs of delivery tag and whether it stands for all before it too.
        """
        lowest = next(iter(self._open), None)
        below = [tag for tag in self._finished if lowest is None or tag < lowest]
        overdue = all_finished or len(self._finished) - len(below) >= self._half
        told = [(max(below), len(below) > 1)] if below else []
        for tag in below:
            del self._finished[tag]
        for tag, finished_at in list(self._finished.items()):
            if not overdue and now_seconds - finished_at < STRAGGLER_SECONDS:
                break
            del self._finished[tag]
            told.append((tag, False))
        return told

    @property
    def waiting(self) -> bool:
        """Whether something finished waits for its predecessors."""
        return bool(self._finished)

    @property
    def open(self) -> int:
        """How many deliveries are not finished."""
        return len(self._open)
