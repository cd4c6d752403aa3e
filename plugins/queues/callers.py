# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The callers: who waits, who has just gone, and who was told of already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..tracking import Alarms, Derivation, Shelf
from .fact import conclusion, sla_missed
from .line import Line, Lines
from .options import QueuesOptions
from .reading import TOGETHER_SECONDS, number
from .wait import Ending, Gone, Key, Wait

_LEAST_MEMORY_SECONDS = 14_400.0
_MOST_STRANGERS = 500


class Callers:
    """What is known of those who call queues.

    A wait that has ended is told two seconds later, when all that Asterisk says at once has come, in whichever order.

    Args:
        options: how many are remembered, and for how long.
        lines: the queues.
    """

    def __init__(self, options: QueuesOptions, lines: Lines) -> None:
        self._lines = lines
        self._stale_seconds = options.stale_after
        self._waiting: Shelf[Key, Wait] = Shelf(options.most, options.stale_after)
        self._leaving: Shelf[Key, Wait] = Shelf(options.most, TOGETHER_SECONDS)
        self.memory_seconds = max(options.stale_after, _LEAST_MEMORY_SECONDS)
        """How long it is remembered of whom was told: what is older can have been told."""
        self._gone: Shelf[Key, Gone] = Shelf(options.most, self.memory_seconds)
        # When each has waited for too long.
        self._limits: Alarms[Key] = Alarms()

    def join(self, key: Key, line: Line, data: Mapping[str, Any], at: float, now: float) -> Iterator[Derivation]:
        """Somebody enters a queue.

        Args:
            key: who, and where.
            line: the queue.
            data: what Asterisk says.
            at: when that was, in Unix seconds.
            now: what time it is.
        """
        wait, last = self._waiting.get(key), self._leaving.get(key)
        if wait is not None:
            is_late = wait.joined_at is None and at <= wait.known_at + TOGETHER_SECONDS
            if not is_late and at <= wait.began_at:
                return
        else:
            is_late = last is not None and last.joined_at is None
            gone = self._gone.get(key)
            if not is_late and (
                (last is not None and last.is_not_before(at))
                or (last is None and gone is not None and at <= gone.ended_at)
            ):
                return
        line.count(number(data.get('Count')), now)
        line.is_asked = True
        self._lines.change(line, at, now)
        late = wait or last
        if is_late and late is not None:
            late.join(data, at)
            line.first_at = None
            self._promise(late, line)
            return
        if wait is not None:
            # The same channel cannot wait twice: it has left, and that is still to be said, or was lost.
            wait.is_over = True
            yield from self._leave(wait, line, at, now)
        wait = self._come(key, line, at, now)
        wait.join(data, at)
        self._promise(wait, line)

    def ring(self, key: Key, line: Line, data: Mapping[str, Any], at: float, now: float) -> Wait | None:
        """An agent is called for somebody, who then waits, even if the beginning of that was not seen.

        Args:
            key: for whom, and where.
            line: the queue.
            data: what Asterisk says.
            at: when that was, in Unix seconds.
            now: what time it is.

        Returns:
            The wait; `None` if it is over.
        """
        wait = self._waiting.touch(key, now) or self._leaving.get(key)
        if wait is None:
            if key in self._gone:
                return None
            wait = self._come(key, line, at, now, is_seen=False)
            self._promise(wait, line)
            self._lines.change(line, at, now)
        elif wait.is_after(at):
            return None
        wait.heard_at = now
        wait.agent_rung = True
        wait.describe(data)
        return wait

    def end(
        self, key: Key, line: Line, ending: Ending, note: Callable[[Wait], None], at: float, now: float
    ) -> Iterator[Derivation]:
        """Somebody waits no longer.

        Args:
            key: who, and where.
            line: the queue.
            ending: what Asterisk says of it.
            note: notes what it says beside that; called once for each ending.
            at: when that was, in Unix seconds.
            now: what time it is.
        """
        wait, last = self._waiting.get(key), self._leaving.get(key)
        if last is not None and (wait is None or last.awaits(ending, at)):
            wait = last
        elif wait is None and key in self._gone:
            wait = self._recall(key, line, ending, at)
            if wait is None:
                return
            yield from self._settle(wait, now)
        if wait is not None and wait.is_after(at):
            return
        if wait is None:
            wait = self._come(key, line, at, now, is_seen=False)
        if wait.ended_at is None:
            yield from self._leave(wait, line, at, now)
        if not getattr(wait, ending):
            setattr(wait, ending, True)
            note(wait)
        wait.ended_at = at if wait.ended_at is None else min(wait.ended_at, at)

    def complete(self, key: Key, now: float) -> bool | None:
        """A talk is over, of which it was told already that it has begun.

        Returns:
            Whether that is new; `None` if it was not told that it has begun.
        """
        gone = self._gone.get(key)
        # Who has come again, and whose first talk is over, has had another one since.
        if gone is None or gone.wait is not None or key in self._leaving or (gone.completed and key in self._waiting):
            return None
        is_new, gone.completed = not gone.completed, True
        if is_new:
            self._gone.touch(key, now)
        return is_new

    def is_completed(self, key: Key) -> bool:
        """Whether the talk of somebody is over."""
        last, gone = self._leaving.get(key), self._gone.get(key)
        return last.completed if last is not None else gone is not None and gone.completed

    def heal(self, line: Line, now: float) -> None:
        """Believe Asterisk how many wait, where events were lost, or were sent before anybody looked."""
        if line.counted is None:
            return
        if now - line.counted_at < TOGETHER_SECONDS:
            # Others that were said at the same time may be on their way.
            self._lines.change(line, line.changed_at, now)
            return
        excess = len(line.waiting) - line.counted
        line.counted = None
        for wait in list(islice(line.waiting.values(), max(0, excess))):
            self._forget(wait, now)
        for _ in range(min(-excess, _MOST_STRANGERS)):
            line.strangers += 1
            self._come((line.origin, line.queue, line.strangers), line, line.changed_at, now)

    def forget_before(self, origin: str, since: float, now: float) -> None:
        """Take all of a host to be gone of whom nothing was heard since a time, in Unix seconds."""
        for wait in [each for each in self._waiting.values() if each.key[0] == origin and each.heard_at < since]:
            self._forget(wait, now, since)

    def next_limit(self) -> float | None:
        """When the next one has waited for too long, in Unix seconds; `None` if nobody will."""
        return self._limits.next()

    def due(self) -> list[float | None]:
        """When there is something to do, in Unix seconds; `None` for what never is."""
        return [self.next_limit(), self._waiting.oldest_at(), self._leaving.oldest_at(), self._gone.oldest_at()]

    def tick(self, now: float) -> Iterator[Derivation]:
        """Let it be a time, in Unix seconds, and give what follows."""
        for key, _ in self._limits.due(now):
            if (wait := self._waiting.get(key)) is not None:
                line = self._line(key, now)
                wait.has_missed = True
                line.sla_missed += 1
                yield sla_missed(wait, line)
        # In an order that does not depend on that in which the events came.
        for key, wait in sorted(self._leaving.expired(now), key=lambda item: str(item[0])):
            yield from self._conclude(wait, self._line(key, now), now)
        for _, wait in self._waiting.expired(now):
            self._forget(wait, now, wait.heard_at + self._stale_seconds)
        list(self._gone.expired(now))

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        return {
            'waiting': [(at, wait.dump()) for at, _, wait in self._waiting.dump()],
            'leaving': [(at, wait.dump()) for at, _, wait in self._leaving.dump()],
            'gone': [(at, key, gone.dump()) for at, key, gone in self._gone.dump()],
            # Those of a queue, in their order.
            'lines': [wait.key for line in self._lines for wait in line.waiting.values()],
        }

    def load(self, said: Mapping[str, Any], now: float) -> None:
        """Know what `dump` gave; the lines are known already.

        Args:
            said: that.
            now: what time it was then, in Unix seconds.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        for shelf, name in ((self._waiting, 'waiting'), (self._leaving, 'leaving')):
            for at, each in said[name]:
                shelf.put((wait := Wait.load(each)).key, wait, at)
        for at, (origin, queue, channel), each in said['gone']:
            self._gone.put((origin, queue, channel), Gone.load(each), at)
        for origin, queue, channel in said['lines']:
            if (waiting := self._waiting.get((origin, queue, channel))) is not None:
                (line := self._line(waiting.key, now)).come(waiting)
                self._promise(waiting, line)

    def _line(self, key: Key, now: float) -> Line:
        return self._lines.of(key[0], key[1], now)

    def _come(self, key: Key, line: Line, at: float, now: float, *, is_seen: bool = True) -> Wait:
        """Somebody is there; one of the strangers, if the beginning was not seen."""
        stranger = None
        if line.strangers and not is_seen:
            stranger = next((each for each in line.waiting if isinstance(each, int)), None)
        if stranger is None:
            line.joined += 1
        else:
            line.go(line.waiting[stranger])
            self._waiting.pop((*key[:2], stranger))
        before = self._leaving.get(key) or self._gone.get(key)
        wait = Wait(key, 1 if before is None else before.number + 1, at, now)
        line.come(wait)
        if (dropped := self._waiting.put(key, wait, now)) is not None:
            self._forget(dropped, now)
        return wait

    def _promise(self, wait: Wait, line: Line) -> None:
        if not wait.has_missed and wait.ended_at is None and not isinstance(wait.key[2], int):
            self._limits.set(wait.key, wait.began_at + line.limits.answer_within)

    def _leave(self, wait: Wait, line: Line, at: float, now: float) -> Iterator[Derivation]:
        self._take(wait, line)
        self._lines.change(line, at, now)
        wait.ended_at = at
        last = self._leaving.pop(wait.key)
        if last is not None:
            yield from self._conclude(last, line, now)
        yield from self._settle(wait, now)

    def _settle(self, wait: Wait, now: float) -> Iterable[Derivation]:
        """Let all come that belongs to an end."""
        dropped = self._leaving.put(wait.key, wait, now)
        return () if dropped is None else self._conclude(dropped, self._line(dropped.key, now), now)

    def _recall(self, key: Key, line: Line, ending: Ending, at: float) -> Wait | None:
        """The wait of somebody who has left, and of whom it is only said now why; `None` if it is not about that."""
        gone = self._gone.get(key)
        wait = None if gone is None else gone.wait
        if gone is None or wait is None or ending == 'left' or wait.is_after(at):
            return None
        gone.wait = None
        line.doubted += 1
        return wait

    def _conclude(self, wait: Wait, line: Line, now: float) -> Iterator[Derivation]:
        # What did not begin is over.
        completed = wait.completed or not wait.connected
        gone = Gone(wait.number, wait.ended_at or now, completed, None if wait.is_explained else wait)
        self._gone.put(wait.key, gone, now)
        return conclusion(wait, line)

    def _forget(self, wait: Wait, now: float, at: float | None = None) -> None:
        """Somebody is taken to be gone, since a time; if they are heard of again, they are somebody new."""
        line = self._line(wait.key, now)
        self._take(wait, line)
        line.leave()
        if at is not None:
            self._lines.change(line, at, now)

    def _take(self, wait: Wait, line: Line) -> None:
        self._waiting.pop(wait.key)
        self._limits.cancel(wait.key)
        line.go(wait)
