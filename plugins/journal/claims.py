# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The claims: which rows that are there belong to events that come again, so that no event gets two.

There is no number on an event that would tell it from its twin: two genuine events of an old host are identical to the
byte, `event.id` included. So an id in the table proves nothing by itself. What counts is how many events of an id have
come, and how many rows of it there are. The reasoning:

1. An event that comes for the first time (not redelivered, first attempt) has no row. It gets one, without a look.
2. An event comes again if its row was committed and the broker did not learn that it was acknowledged, or if its row
   was not committed. It is the former, at most, as often as there are rows whose acknowledgement may not have reached
   the broker. Only those can be claimed, each once; when they are used up, what comes is the latter.
3. An acknowledgement follows a commit within 50 ms. That it has reached the broker is taken for certain once an event
   has come for the first time 2 s or more after the commit. Until then a row is open, and from then on nothing claims
   it, however often events of its id come: a row of yesterday cannot hide an event of today.
4. After a crash the rows that were open are found again from the tables alone: every row has the time of its commit,
   the rows of first arrivals have the times at which they came, and every start is noted. Rows of the run before are
   found too if the last run was so short that what came again in it may not have had its turn. They stay open until 15
   minutes after the first event that came for the first time: what comes again stands before it in the queue, and a
   broker takes less to notice that a connection is gone.
5. What this process has seen itself it knows better. A try that failed without a row is noted, and its next one gets a
   row whatever twins have. A try that failed although its row is there (it was cancelled, or the connection to the
   database broke while it was committed) is noted, and its next one gets none.
6. An event can come twice after a crash: as it came, and as the copy that was made of it for a later attempt. So a copy
   whose failed try this process does not remember claims the row of what came again before it.

Without twins this is exact: each event has one row, whatever crashes. Of twins it can be wrong in one case: the process
ends with one of them neither written nor acknowledged, while another was acknowledged within the last 2 s. Nothing that
outlives the process tells this from an event that was written and not acknowledged; it is taken for that, as
events with twins are few.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .entry import Entry

OPEN_SECONDS = 2.0
"""So long after a commit its acknowledgements have surely reached the broker, if events still come."""

SHORT_SECONDS = 60.0
"""A run that got events for so long has been given all that came again in it."""

EARLIER_SECONDS = 900.0
"""So long after the first new event the broker may still give out what an earlier process had."""

MOST_ROWS = 65_536
"""A broker has no more than that unacknowledged on one channel: the largest prefetch of AMQP."""


class Written(NamedTuple):
    """What a row says of its event and of its commit.

    Attributes:
        id: the identity of the event.
        is_first: whether the event came for the first time.
        received_at: when it came, Unix seconds.
        written_at: when it was committed, Unix seconds.
    """

    id: str
    is_first: bool
    received_at: float
    written_at: float


class Tail:
    """The last rows of one run of a journal: those that nothing proves to be acknowledged.

    Args:
        began_at: when its first row was committed, in Unix seconds.
    """

    def __init__(self, began_at: float) -> None:
        self.open: list[str] = []
        """The ids of those rows."""
        self._began_at = began_at
        self._newest = 0.0

    def see(self, row: Written) -> bool:
        """Look at a row, the last one first.

        Returns:
            Whether the row before it is to be looked at.
        """
        if self._newest - row.written_at >= OPEN_SECONDS or len(self.open) >= MOST_ROWS:
            return False
        self.open.append(row.id)
        if row.is_first:
            self._newest = max(self._newest, row.received_at)
        return True

    @property
    def is_short(self) -> bool:
        """Whether rows of the run before may be open, too."""
        return self._newest - self._began_at < SHORT_SECONDS


class Claims:
    """Decides which entries need a row.

    Args:
        earlier: the ids of rows of earlier runs that are open.
    """

    def __init__(self, earlier: Iterable[str] = ()) -> None:
        self._earlier = Counter(earlier)
        """Rows of earlier runs whose events may come again."""
        self._began_at = math.inf
        """When the first event came for the first time."""
        self._own: Counter[str] = Counter()
        """Rows of this run whose events may come again."""
        self._commits: deque[tuple[float, list[str]]] = deque()
        """The rows of `own` by commit, with the time after it."""
        self._orphans: Counter[str] = Counter()
        """Rows whose tries have failed nevertheless."""
        self._unwritten: Counter[str] = Counter()
        """Tries that have failed and have no row."""
        self._again: Counter[str] = Counter()
        """Events that came again and have a row, and of which a copy may come besides."""

    def sort_out(self, entries: Sequence[Entry]) -> list[Entry]:
        """The entries that need a row, in their order. The others claim one that is there.

        Every call is followed by `committed` or `failed` with the same entries, before the next.
        """
        self._close(max((entry.received_at for entry in entries if entry.is_first), default=0.0))
        needing = []
        for entry in entries:
            entry.claim = self._claim(entry)
            if entry.claim is None:
                needing.append(entry)
                if not entry.redelivered:
                    self._own[entry.id] += 1
            if entry.redelivered:
                _note(self._again, entry.id)
        return needing

    def committed(self, entries: Sequence[Entry], now: float) -> None:
        """What the entries needed is on disk.

        Args:
            entries: those that were sorted out last.
            now: the time, in Unix seconds.
        """
        if self._commits and now < self._commits[-1][0]:
            # The clock was put back. They were committed before now, whatever it said then.
            self._commits = deque((min(at, now), rows) for at, rows in self._commits)
        rows = [entry.id for entry in entries if entry.claim is None and not entry.redelivered]
        if rows:
            self._commits.append((now, rows))
        for entry in entries:
            if entry.written.cancelled():
                self.orphaned(entry)

    def failed(self, entries: Sequence[Entry]) -> None:
        """Nothing of the entries that were sorted out last is on disk."""
        for entry in entries:
            if entry.claim is not None:
                # Those of `own` are never used up.
                if entry.claim is not self._own:
                    _note(entry.claim, entry.id)
            else:
                _note(self._unwritten, entry.id)
                if not entry.redelivered:
                    _take(self._own, entry.id)
            if entry.redelivered:
                _take(self._again, entry.id)

    def orphaned(self, entry: Entry) -> None:
        """The row of an entry is there, and its try has failed all the same."""
        _note(self._orphans, entry.id)

    def _claim(self, entry: Entry) -> Counter[str] | None:
        """Where a row for the entry was taken from; `None` if it needs one."""
        if entry.is_first:
            return None
        if _take(self._orphans, entry.id):
            return self._orphans
        if not entry.redelivered:
            if _take(self._unwritten, entry.id):
                return None
            for pool in (self._again, self._earlier):
                if _take(pool, entry.id):
                    return pool
            return None
        if _take(self._earlier, entry.id):
            return self._earlier
        if self._own[entry.id] > 0:
            return self._own
        if entry.attempt > 1:
            _take(self._unwritten, entry.id)
        return None

    def _close(self, newest: float) -> None:
        """Nothing claims any more what was surely acknowledged when an event came at `newest` for the first time."""
        while self._commits and newest - self._commits[0][0] >= OPEN_SECONDS:
            for identity in self._commits.popleft()[1]:
                _take(self._own, identity)
        self._began_at = min(self._began_at, newest or math.inf)
        if self._earlier and newest - self._began_at >= EARLIER_SECONDS:
            self._earlier.clear()


def _take(pool: Counter[str], identity: str) -> bool:
    """Take one out of a pool; whether there was one."""
    count = pool.get(identity, 0)
    if not count:
        return False
    if count > 1:
        pool[identity] = count - 1
    else:
        del pool[identity]
    return True


def _note(pool: Counter[str], identity: str) -> None:
    """Add one to a pool. What is in it for too long, and nothing came for, is forgotten."""
    pool[identity] += 1
    if len(pool) > MOST_ROWS:
        del pool[next(iter(pool))]
