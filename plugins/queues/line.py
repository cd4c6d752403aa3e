# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The line: those who wait in one queue, and those who are logged in to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..tracking import Derivation, Shelf
from ..tracking.moment import iso, seconds_between
from .options import Limits, QueuesOptions
from .reading import TOGETHER_SECONDS
from .wait import Wait

LineKey = tuple[str, str]

MEMORY_SECONDS = 7 * 86_400.0
"""For how long a queue or an agent is remembered that nothing is heard of."""

_LINES = 1_000
_NOT_KEPT = ('waiting', 'first_at', 'members', 'limits')


@dataclass(slots=True)
class Line:
    """One queue of one host.

    Attributes:
        origin: the host.
        queue: the name of the queue.
        limits: what is asked of it.
        waiting: who waits, by their channels, the first one first.
        first_at: since when the one waits who waits longest; `None` if that is to be looked up.
        members: who is logged in.
        joined: how many callers have come, those included of whom only the end was seen.
        answered: how many of them an agent has answered.
        abandoned: how many gave up.
        left: how many went for another reason, or one that is not known.
        doubted: how many of those were found to have gone for a known reason, as was said late.
        sla_missed: how many waited too long.
        in_vain: how often an agent was called in vain.
        talk_seconds: how long agents talked to them.
        strangers: how many there were of whom only the count told.
        changed_at: when something happened last, in Unix seconds.
        counted: how many wait, as Asterisk has said last; `None` if it has said several things at once.
        counted_at: when it has said so.
        is_long: whether it was said that many wait.
        is_deserted: whether it was said that nobody is logged in.
        is_asked: whether that is to be looked at, as somebody has come or gone.
        has_had_members: whether anybody was ever logged in.
        surprised_at: when somebody was heard of last who had not been seen to log in.
    """

    origin: str
    queue: str
    limits: Limits
    waiting: dict[str | int, Wait] = field(default_factory=dict)
    first_at: float | None = None
    members: set[str | int] = field(default_factory=set)
    joined: int = 0
    answered: int = 0
    abandoned: int = 0
    left: int = 0
    doubted: int = 0
    sla_missed: int = 0
    in_vain: int = 0
    talk_seconds: int = 0
    strangers: int = 0
    changed_at: float = 0.0
    counted: int | None = None
    counted_at: float = 0.0
    is_long: bool = False
    is_deserted: bool = False
    is_asked: bool = False
    has_had_members: bool = False
    surprised_at: float = 0.0

    def count(self, count: int | None, now: float) -> None:
        """Note how many wait, as Asterisk says.

        Several of them within a moment can be in any order, and none is believed.

        Args:
            count: how many.
            now: what time it is, in Unix seconds.
        """
        self.counted = count if now - self.counted_at > TOGETHER_SECONDS else None
        self.counted_at = now

    def come(self, wait: Wait) -> None:
        """Note that somebody waits."""
        self.waiting[wait.key[2]] = wait
        if self.first_at is not None and wait.began_at < self.first_at:
            self.first_at = wait.began_at

    def go(self, wait: Wait) -> None:
        """Note that somebody waits no longer."""
        self.waiting.pop(wait.key[2], None)
        if self.first_at is not None and wait.began_at <= self.first_at:
            self.first_at = None

    def leave(self) -> None:
        """Note that somebody has gone in another way."""
        # A total never goes back, as that is read as a restart: who was counted wrongly stands for the next one.
        if self.doubted:
            self.doubted -= 1
        else:
            self.left += 1

    def longest_seconds(self, at: float) -> float | None:
        """For how long the one has waited who waits longest; `None` if nobody does."""
        if self.first_at is None:
            self.first_at = min((each.began_at for each in self.waiting.values()), default=None)
        return seconds_between(self.first_at, at)

    def dump(self) -> dict[str, Any]:
        """What `Lines.load` makes the same of, but for those who wait, who are kept by themselves."""
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NOT_KEPT}
        return {**said, 'members': list(self.members)}


class Lines:
    """All queues of all hosts.

    Args:
        options: what is asked of them.
    """

    def __init__(self, options: QueuesOptions) -> None:
        self._limits = {queue: options.limits(queue) for queue in options.queues}
        self._usual = options.limits()
        self._known_after = options.members_known_after
        self._lines: Shelf[LineKey, Line] = Shelf(_LINES, MEMORY_SECONDS)
        # Those in which something has happened that was not looked at yet.
        self._changed: Shelf[LineKey, None] = Shelf(_LINES, TOGETHER_SECONDS)

    def __iter__(self) -> Iterator[Line]:
        return self._lines.values()

    def of(self, origin: str, queue: str, now: float) -> Line:
        """A queue.

        Args:
            origin: the host.
            queue: its name.
            now: what time it is, in Unix seconds.
        """
        key = (origin, queue)
        line = self._lines.touch(key, now)
        if line is None:
            line = Line(origin, queue, self._limits.get(queue, self._usual))
            self._lines.put(key, line, now)
        return line

    def change(self, line: Line, at: float, now: float) -> None:
        """Note that something has happened, to be looked at when all that belongs to it has come.

        Args:
            line: the queue.
            at: when it happened, in Unix seconds.
            now: what time it is.
        """
        line.changed_at = max(line.changed_at, at)
        key = (line.origin, line.queue)
        if key not in self._changed:
            self._changed.put(key, None, now)

    def due(self) -> list[float | None]:
        """When there is something to do, in Unix seconds; `None` for what never is."""
        return [self._changed.oldest_at(), self._lines.oldest_at()]

    def settled(self, now: float) -> Iterator[Line]:
        """The queues that are to be looked at, at so many Unix seconds; those that are forgotten are gone then."""
        # In an order that does not depend on that in which the events came.
        for key in sorted(key for key, _ in self._changed.expired(now)):
            line = self._lines.get(key)
            if line is not None:
                yield line
        for _ in self._lines.expired(now):
            pass

    def judge(self, line: Line, since: float) -> Iterator[Derivation]:
        """What is to be said of a queue in which something has happened.

        Args:
            line: the queue.
            since: since when there was anything to see, in Unix seconds.
        """
        count, limits = len(line.waiting), line.limits
        if count >= limits.waiting_at if not line.is_long else count <= limits.waiting_until:
            line.is_long = not line.is_long
            more = {'waiting_at': limits.waiting_at, 'waiting_until': limits.waiting_until}
            yield self._say(line, 'busd.queue.waiting', line.is_long, more)
        is_asked, line.is_asked = line.is_asked, False
        if line.is_deserted if line.members else self._is_deserted(line, since) and is_asked and not line.is_deserted:
            line.is_deserted = not line.is_deserted
            yield self._say(line, 'busd.queue.nobody_logged_in', line.is_deserted, {'logged_in': len(line.members)})

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        return {
            'lines': [(at, line.dump()) for at, _, line in self._lines.dump()],
            'changed': [(at, key) for at, key, _ in self._changed.dump()],
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave.

        Raises:
            KeyError, TypeError, ValueError: it is damaged.
        """
        for at, each in said['lines']:
            key = (each['origin'], each['queue'])
            limits = self._limits.get(each['queue'], self._usual)
            line = Line(**{**each, 'members': set(each['members']), 'limits': limits})
            self._lines.put(key, line, at)
        for at, key in said['changed']:
            self._changed.put(_key(key), None, at)

    def _is_deserted(self, line: Line, since: float) -> bool:
        """Whether it is known that nobody is logged in: those who do nothing could be there all the time."""
        known_at = max(since, line.surprised_at) + self._known_after
        return line.has_had_members and known_at <= line.changed_at

    def _say(self, line: Line, name: str, is_raised: bool, more: Mapping[str, Any]) -> Derivation:
        state = 'raised' if is_raised else 'cleared'
        at = line.changed_at
        data = {
            'queue': line.queue,
            'state': state,
            'count': len(line.waiting),
            'longest_wait_seconds': line.longest_seconds(at),
            **more,
        }
        return Derivation(name, data, f'{line.queue}/{state}/{iso(at)}', origin_uuid=line.origin or None)


def _key(said: Sequence[str]) -> LineKey:
    origin, queue = said
    return origin, queue
