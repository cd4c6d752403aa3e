# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The claims: an event that comes again has no second row, and two genuine events that are identical have two."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from plugins.journal.claims import OPEN_SECONDS, Claims, Tail, Written
from plugins.journal.entry import Entry
from tests.examples import examples

NOW = 1_000_000.0


class Waiter:
    """Stands for the future that a try waits for."""

    def __init__(self) -> None:
        self.is_cancelled = False

    def cancelled(self) -> bool:
        return self.is_cancelled


def entry(identity: str = 'x', *, redelivered: bool = False, attempt: int = 1, received_at: float = NOW) -> Entry:
    waiter: Any = Waiter()
    return Entry(identity, redelivered, attempt, received_at, None, waiter)


def rows(claims: Claims, *entries: Entry, fails: bool = False, now: float = NOW) -> int:
    """How many of the entries, which come in one batch, get a row."""
    needing = claims.sort_out(entries)
    if fails:
        claims.failed(entries)
        return 0
    claims.committed(entries, now)
    return len(needing)


def first() -> Entry:
    return entry()


def again(attempt: int = 1) -> Entry:
    return entry(redelivered=True, attempt=attempt)


def copy() -> Entry:
    return entry(attempt=2)


def abandoned(made: Entry) -> Entry:
    waiter: Any = made.written
    waiter.is_cancelled = True
    return made


# ---- one process


def test_two_identical_events_that_come_for_the_first_time_have_two_rows() -> None:
    assert rows(Claims(), first(), first()) == 2


def test_an_event_that_comes_again_has_no_second_row() -> None:
    claims = Claims()

    assert (rows(claims, first()), rows(claims, again()), rows(claims, again())) == (1, 0, 0)


def test_an_event_that_comes_again_in_the_same_batch_has_no_second_row() -> None:
    assert rows(Claims(), first(), again()) == 1


def test_an_event_whose_first_try_failed_has_a_row_although_its_twin_has_one() -> None:
    claims = Claims()

    assert (rows(claims, first()), rows(claims, first(), fails=True), rows(claims, copy())) == (1, 0, 1)


def test_an_event_whose_try_failed_though_it_was_written_has_no_second_row() -> None:
    claims = Claims()

    assert (rows(claims, abandoned(first())), rows(claims, copy()), rows(claims, copy())) == (1, 0, 1)


def test_what_claimed_a_row_in_a_batch_that_failed_claims_it_the_next_time() -> None:
    claims = Claims(['x'])

    assert (rows(claims, again(), fails=True), rows(claims, again(attempt=2))) == (0, 0)


def test_a_row_is_open_until_an_event_has_come_for_the_first_time_two_seconds_later() -> None:
    claims = Claims()
    rows(claims, first())
    rows(claims, entry('y', received_at=NOW + 1.9))
    still = rows(claims, again())

    rows(claims, entry('y', received_at=NOW + 2.0))

    assert (still, rows(claims, again())) == (0, 1)


def test_a_row_is_open_no_longer_than_that_after_the_clock_was_put_back() -> None:
    claims = Claims()
    rows(claims, first())
    back = NOW - 3600.0
    rows(claims, entry('another', received_at=back), now=back)
    rows(claims, entry('one more', received_at=back + OPEN_SECONDS), now=back + OPEN_SECONDS)

    assert rows(claims, again()) == 1


def test_a_row_is_open_just_after_the_clock_was_put_back() -> None:
    claims = Claims()
    rows(claims, first())
    rows(claims, entry('another', received_at=NOW - 3600.0), now=NOW - 3600.0)

    assert rows(claims, again()) == 0


def test_what_comes_again_proves_nothing_about_what_was_acknowledged() -> None:
    claims = Claims()
    rows(claims, first())
    rows(claims, entry('y', redelivered=True, received_at=NOW + 1000.0))

    assert rows(claims, again()) == 0


# ---- after a crash


def test_both_twins_that_come_again_after_a_crash_have_one_row_each_however_many_were_there() -> None:
    assert [have + rows(Claims(['x'] * have), again(), again()) for have in range(3)] == [2, 2, 2]


def test_after_a_crash_a_twin_that_was_not_written_is_taken_for_one_that_was_acknowledged_just_before() -> None:
    # Given one row, whose event was acknowledged; its twin was neither written nor acknowledged
    earlier = Claims(['x'])

    # When the twin comes again, then nothing tells it from the other
    assert rows(earlier, again()) == 0


def test_rows_of_earlier_runs_are_open_until_fifteen_minutes_after_the_first_new_event() -> None:
    claims = Claims(['x', 'x'])
    rows(claims, entry('y', received_at=NOW))
    rows(claims, entry('y', received_at=NOW + 899.0))
    still = rows(claims, again())

    rows(claims, entry('y', received_at=NOW + 901.0))

    assert (still, rows(claims, again())) == (0, 1)


def test_an_event_that_comes_as_it_came_and_as_its_copy_has_one_row() -> None:
    claims = Claims()

    assert (rows(claims, again()), rows(claims, copy())) == (1, 0)


def test_the_last_rows_of_a_run_are_open() -> None:
    tail = Tail(NOW)
    seen = [
        tail.see(Written('d', is_first=True, received_at=NOW + 9.0, written_at=NOW + 9.1)),
        tail.see(Written('c', is_first=False, received_at=NOW + 7.1, written_at=NOW + 7.2)),
        tail.see(Written('b', is_first=True, received_at=NOW + 7.0, written_at=NOW + 7.01)),
        tail.see(Written('a', is_first=True, received_at=NOW + 6.9, written_at=NOW + 7.0)),
    ]

    assert (tail.open, seen, tail.is_short) == (['d', 'c', 'b'], [True, True, True, False], True)


# ---- whatever happens


@dataclass(eq=False)
class Sent:
    """An event in the broker, or the copy of one.

    Attributes:
        id: its identity, which twins share.
        number: which genuine event it is, or is a copy of.
        redelivered: whether the broker gave it out before.
        attempt: the ordinal of the try.
    """

    id: str
    number: int
    redelivered: bool = False
    attempt: int = 1


@dataclass
class Run:
    """One life of the process.

    Attributes:
        first_row: how many rows were there before.
        claims: what it knows.
        waiting: what was delivered to it and has not ended.
        acks: what it has told the broker, which has not read it.
    """

    first_row: int
    claims: Claims
    waiting: list[tuple[Sent, Entry]] = field(default_factory=list)
    acks: list[Sent] = field(default_factory=list)


CHOICE = st.integers(0, 63).map(lambda bits: [bool(bits >> place & 1) for place in range(6)] * 8)


class Bookkeeping(RuleBasedStateMachine):
    """A broker, a table, and a process that is killed at any time.

    The broker gives what comes again before what comes for the first time, and reads an acknowledgement within a second
    while the process lives.
    """

    prefetch = 6
    ids: st.SearchStrategy[str] | None = None
    """What events are identical in; `None` where none are."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.published: Counter[str] = Counter()
        self.queue: list[Sent] = []
        self.delayed: list[Sent] = []
        self.unacked: list[Sent] = []
        self.table: list[tuple[int, Written]] = []
        self.runs: list[Run] = []
        self.owned: set[int] = set()
        """The genuine events that have a row."""
        self.forgiven: Counter[str] = Counter()
        """How many rows may be missing: nothing tells a twin that is acknowledged from one that is not."""

    @property
    def run_now(self) -> Run:
        return self.runs[-1]

    @initialize()
    def start(self) -> None:
        found: list[str] = []
        upper = len(self.table)
        for run in reversed(self.runs):
            began_at = self.table[run.first_row][1].written_at if run.first_row < len(self.table) else 0.0
            tail = Tail(began_at)
            for _, row in reversed(self.table[run.first_row : upper]):
                if not tail.see(row):
                    break
            found += tail.open
            upper = run.first_row
            if not tail.is_short:
                break
        self.found = Counter(found)
        self.runs.append(Run(len(self.table), Claims(found)))

    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        number = sum(self.published.values())
        identity = data.draw(self.ids) if self.ids is not None else str(number)
        self.published[identity] += 1
        self.queue.append(Sent(identity, number))

    @precondition(lambda self: self.queue and len(self.unacked) < self.prefetch)
    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        self._deliver(min(count, self.prefetch - len(self.unacked)))

    @precondition(lambda self: self.run_now.waiting)
    @rule()
    def commit(self) -> None:
        self._commit()

    @precondition(lambda self: self.run_now.waiting)
    @rule(late=CHOICE, in_place=CHOICE)
    def commit_late(self, late: list[bool], in_place: list[bool]) -> None:
        """The disk takes so long that some tries have timed out when all is written."""
        for (_, made), is_late in zip(self.run_now.waiting, late, strict=False):
            if is_late:
                abandoned(made)
        for place, (sent, made) in enumerate(self._commit()):
            self._retry(sent, made, in_place=in_place[place])

    @precondition(lambda self: self.run_now.waiting)
    @rule(in_place=CHOICE)
    def fail(self, in_place: list[bool]) -> None:
        """The disk is full: each event is tried again, here or as a copy."""
        waiting, self.run_now.waiting = self.run_now.waiting, []
        entries = [each for _, each in waiting]
        self.run_now.claims.sort_out(entries)
        self.run_now.claims.failed(entries)
        for place, (sent, made) in enumerate(waiting):
            self._retry(sent, made, in_place=in_place[place])

    @rule()
    def read_acks(self) -> None:
        self._read_acks(len(self.run_now.acks))

    @rule(seconds=st.sampled_from([0.1, 0.9, 2.5, 70.0, 1000.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self._read_acks(len(self.run_now.acks))

    @precondition(lambda self: self.delayed)
    @rule(place=st.integers(0, 10))
    def come_back(self, place: int) -> None:
        """The wait of a copy is over."""
        self.queue.append(self.delayed.pop(place % len(self.delayed)))

    @rule(read=st.integers(0, 6))
    def kill(self, read: int) -> None:
        """The process is killed, with some of its acknowledgements read, and started again."""
        self._settle_doubles()
        self._read_acks(read)
        for sent in self.unacked:
            sent.redelivered = True
        self.queue[:0] = self.unacked
        self.unacked = []
        self.start()
        self._forgive()

    @invariant()
    def no_event_has_two_rows(self) -> None:
        counts = Counter(row.id for _, row in self.table)
        assert all(counts[each] <= self.published[each] for each in counts)

    def teardown(self) -> None:
        self.queue += self.delayed
        self.delayed = []
        while self.queue or self.run_now.waiting:
            self._deliver(len(self.queue))
            if self.run_now.waiting:
                self._commit()
            self._read_acks(len(self.run_now.acks))
        counts = Counter(row.id for _, row in self.table)
        missing = self.published - counts
        assert all(count <= self.forgiven[identity] for identity, count in missing.items())

    def _deliver(self, count: int) -> None:
        taken, self.queue = self.queue[:count], self.queue[count:]
        self.unacked += taken
        self.run_now.waiting += [(sent, self._entry(sent)) for sent in taken]

    def _commit(self) -> list[tuple[Sent, Entry]]:
        """Write what waits, and give those that nobody waits for any more."""
        waiting, self.run_now.waiting = self.run_now.waiting, []
        entries = [each for _, each in waiting]
        written = {number for number, _ in self.table}
        needing = self.run_now.claims.sort_out(entries)
        written_at = self.now
        for sent, made in waiting:
            if made in needing:
                self.table.append((sent.number, Written(sent.id, made.is_first, made.received_at, written_at)))
        self.run_now.claims.committed(entries, self.now)
        is_double = any(made.attempt > 1 and sent.number in written for sent, made in waiting)
        late = [(sent, made) for sent, made in waiting if made.written.cancelled()]
        self.run_now.acks += [sent for sent, made in waiting if not made.written.cancelled()]
        if is_double:
            # It timed out while it was written. That its second acknowledgement is lost is one fault too many.
            self._read_acks(len(self.run_now.acks))
        return late

    def _retry(self, sent: Sent, made: Entry, *, in_place: bool) -> None:
        if in_place:
            next_one = self._entry(replace(sent, attempt=made.attempt + 1))
            self.run_now.waiting.append((sent, replace(next_one, received_at=made.received_at)))
            return
        self.delayed.append(Sent(sent.id, sent.number, attempt=made.attempt + 1))
        self.run_now.acks.append(sent)

    def _entry(self, sent: Sent) -> Entry:
        return entry(sent.id, redelivered=sent.redelivered, attempt=sent.attempt, received_at=self.now)

    def _read_acks(self, count: int) -> None:
        read, self.run_now.acks = self.run_now.acks[:count], self.run_now.acks[count:]
        for sent in read:
            self.unacked.remove(sent)

    def _settle_doubles(self) -> None:
        """What is written and comes all the same, does so before the next crash: these are two faults at once."""
        written = {number for number, _ in self.table}
        late = [copy for copy in (*self.queue, *self.delayed) if copy.attempt > 1 and copy.number in written]
        self.queue = [each for each in self.queue if each not in late]
        self.delayed = [each for each in self.delayed if each not in late]
        self.queue[:0] = late
        self._deliver(len(late))
        if any(made.attempt > 1 for _, made in self.run_now.waiting):
            self._commit()

    def _forgive(self) -> None:
        """Count the events without a row that may be taken for those with one."""
        written = {number for number, _ in self.table}
        for identity in self.published:
            alive = [each for each in (*self.queue, *self.delayed) if each.id == identity]
            coming = [each for each in alive if each.redelivered or each.attempt > 1]
            unwritten = {each.number for each in coming if each.number not in written}
            copies = {each.number for each in coming if each.attempt > 1 and each.number in unwritten}
            others = [each for each in coming if each.redelivered and each.number not in copies]
            acknowledged = self.found[identity] - sum(each.number in written for each in coming)
            if acknowledged > 0:
                self.forgiven[identity] += len(unwritten)
            elif others:
                self.forgiven[identity] += len(copies)


class BookkeepingOfTwins(Bookkeeping):
    ids = st.sampled_from(['x', 'y'])


TestBookkeeping = Bookkeeping.TestCase
TestBookkeeping.settings = settings(max_examples=examples(30), stateful_step_count=40, deadline=None)
TestBookkeepingOfTwins = BookkeepingOfTwins.TestCase
TestBookkeepingOfTwins.settings = settings(max_examples=examples(30), stateful_step_count=40, deadline=None)
