# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The history: what was published, and what each handler did, as lines that outlive every process."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """Something that a handler did.

    Attributes:
        what: `run`, `done` or `discarded`.
        number: the number of the event.
        attempt: the ordinal of the try.
        key: the key of its lane.
    """

    what: str
    number: int
    attempt: int
    key: int


@dataclass(slots=True)
class History:
    """What was published and what was done.

    Attributes:
        directory: where each handler's lines are.
        confirmed: the numbers of the events that the broker has confirmed.
        uncertain: those whose confirmation never came.
    """

    directory: Path
    confirmed: set[int] = field(default_factory=set)
    uncertain: set[int] = field(default_factory=set)
    detained: set[int] = field(default_factory=set)
    """Events that the broker may have given to a connection that was half open, and only afterwards to the next one:
    they may arrive behind later ones."""

    def lines(self, handler: str) -> list[Line]:
        """What a handler did, in its order."""
        path = self.directory / f'{handler}.history'
        if not path.exists():
            return []
        lines = []
        for text in path.read_text().splitlines():
            what, number, attempt, key = text.split()
            lines.append(Line(what, int(number), int(attempt), int(key)))
        return lines


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the events of one handler.

    Attributes:
        handler: its name.
        done: how many it handled.
        discarded: how many it needed nothing of.
        dead: how many are dead letters.
        lost: the confirmed events that are none of these.
        extra: how often an event was run again after its end, ended again, or became another dead letter.
        disorder: the keys whose events it did not finish in the order they were published, but for those detained.
    """

    handler: str
    done: int
    discarded: int
    dead: int
    lost: frozenset[int]
    extra: int
    disorder: frozenset[int]


def account(history: History, handler: str, dead: Mapping[int, int]) -> Account:
    """Account for every event of a handler.

    Args:
        history: what was published and done.
        handler: the handler.
        dead: the numbers of the events among its dead letters, and how often each is there.
    """
    lines = history.lines(handler)
    done = Counter(line.number for line in lines if line.what == 'done')
    discarded = Counter(line.number for line in lines if line.what == 'discarded')
    ends = done + discarded
    return Account(
        handler,
        done=len(done),
        discarded=len(discarded),
        dead=len(dead),
        lost=frozenset(history.confirmed - ends.keys() - dead.keys()),
        extra=_extra(lines) + sum(count - 1 for count in dead.values()) + len(ends.keys() & dead.keys()),
        disorder=_disorder(line for line in lines if line.what == 'done' and line.number not in history.detained),
    )


def _extra(lines: Iterable[Line]) -> int:
    """How often events were run after they had ended, or ended more than once because two runs overlapped."""
    ends: Counter[int] = Counter()
    again: Counter[int] = Counter()
    for line in lines:
        if line.what != 'run':
            ends[line.number] += 1
        elif ends[line.number]:
            again[line.number] += 1
    return sum(max(count - 1, again[number]) for number, count in ends.items())


def _disorder(lines: Iterable[Line]) -> frozenset[int]:
    """The keys whose events were not finished in their order, repeats left out."""
    last: dict[int, int] = defaultdict(lambda: -1)
    seen: set[int] = set()
    wrong = set()
    for line in lines:
        if line.number in seen:
            continue
        seen.add(line.number)
        if line.number < last[line.key]:
            wrong.add(line.key)
        last[line.key] = max(last[line.key], line.number)
    return frozenset(wrong)
