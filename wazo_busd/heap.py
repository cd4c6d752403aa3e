# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The heap: what has been gathered since the first event of a burst."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from wazo_busd.burst import body_of
from wazo_busd.gathering import Line, counted

MOST_SHOWN = 100
"""So many events of a burst are kept, and the last one; the others are counted."""

MOST_WHOLE = 1_000
"""So many events are in a burst of which all are kept; what comes then begins another one."""

Piece = tuple[str, bytes]
"""The identity of an event, and its record."""


class Heap:
    """Grows by batches of events; each is written to disk before it is added.

    Args:
        whole: whether all events are kept.
        most_bytes: how large the records together may become.
    """

    def __init__(self, *, whole: bool, most_bytes: int) -> None:
        self.began_at = time.time()
        """When the first event came, Unix seconds."""
        self.count = 0
        self._whole = whole
        self._most_bytes = most_bytes
        self._size = 0
        self._kept: list[bytes] = []
        self._last: bytes | None = None
        """The record of the last event, where it is not kept."""

    @property
    def is_full(self) -> bool:
        """Whether another batch may not find room. One of which not all is kept is never full."""
        return self._whole and (self._size > self._most_bytes // 2 or self.count >= MOST_WHOLE)

    @property
    def body(self) -> bytes:
        """The body of the burst; `b''` if nothing of it is kept."""
        records = self._kept if self._last is None else [*self._kept, self._last]
        return body_of(self.count, records) if records else b''

    def fitting(self, pieces: Sequence[Piece]) -> int:
        """How many of `pieces` can be the next batch, from the first on; at least one."""
        if not self._whole:
            return len(pieces)
        size = self._size
        for number, (_, record) in enumerate(pieces):
            size += len(record)
            if size > self._most_bytes or number == MOST_WHOLE:
                return max(number, 1)
        return len(pieces)

    def lines(self, batch: Sequence[Piece]) -> list[bytes]:
        """What is to be written for a batch. Of those that are only counted, the last one is written all the same."""
        kept = self._keeps(batch)
        counts = [counted(identity) for identity, _ in batch[kept:-1]]
        return [*(b'%s\n' % record for _, record in batch[:kept]), *counts, *_last_line(batch[kept:])]

    def add(self, batch: Sequence[Piece]) -> None:
        """Take a batch whose lines are on disk."""
        kept = self._keeps(batch)
        self.count += len(batch)
        self._kept += [record for _, record in batch[:kept]]
        self._size += sum(len(record) for _, record in batch[:kept])
        if kept < len(batch):
            self._last = batch[-1][1]

    def restore(self, lines: Iterable[Line]) -> None:
        """Take what an earlier process has written."""
        for line in lines:
            self.count += 1
            if line.record is None:
                continue
            if not self._kept:
                self.began_at = line.received_at
            if self._keeps([(line.id, line.record)]):
                self._kept.append(line.record)
                self._size += len(line.record)
            else:
                self._last = line.record

    def _keeps(self, batch: Sequence[Piece]) -> int:
        """How many of a batch are kept, from the first on."""
        if self._whole:
            return len(batch)
        size = self._size
        for number, (_, record) in enumerate(batch):
            size += len(record)
            is_over = self._last is not None or len(self._kept) + number >= MOST_SHOWN
            if is_over or size > self._most_bytes // 2:
                return number
        return len(batch)


def _last_line(rest: Sequence[Piece]) -> list[bytes]:
    return [b'%s\n' % rest[-1][1]] if rest else []
