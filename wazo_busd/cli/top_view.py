# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The view of `wazo-busd top`: which handler is meant, what is asked, what is read; and what each key changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from wazo_busd.cli.top_snapshot import History


class Deed(Enum):
    """What a key wants to be done beyond the view."""

    QUIT = 'quit'
    PAUSE = 'pause'
    RESUME = 'resume'
    TAIL = 'tail'
    DEAD = 'dead'


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that is to be done.

    Attributes:
        deed: what.
        handler: to which handler; `''` where it concerns none.
    """

    deed: Deed
    handler: str = ''


@dataclass(slots=True)
class Reader:
    """A text that is read page by page.

    Attributes:
        title: what it is.
        lines: the text.
        top: which line is the first that is shown.
    """

    title: str
    lines: Sequence[str]
    top: int = 0


@dataclass(slots=True)
class View:
    """What is shown.

    Attributes:
        history: the snapshots.
        selected: the handler that keys are about; `''` before there is one.
        question: a wish that waits for a yes; `None` for none.
        reader: a text that is read; `None` for none.
        shows_help: whether the keys are explained.
        told: what came of the last wish.
        room: how many lines of a text are on a page; set by whoever draws.
    """

    history: History = field(default_factory=History)
    selected: str = ''
    question: Wish | None = None
    reader: Reader | None = None
    shows_help: bool = False
    told: str = ''
    room: int = 20

    @property
    def handlers(self) -> list[str]:
        """The handlers that are shown, in order."""
        last = self.history.last
        return [each['handler'] for each in last.status['handlers']] if last else []

    @property
    def place(self) -> int:
        """Which of them is selected; the first one where that is gone."""
        names = self.handlers
        return names.index(self.selected) if self.selected in names else 0

    def settle(self) -> None:
        """Select a handler that there is: the same one as before, where that is still there."""
        names = self.handlers
        if self.selected not in names:
            self.selected = names[0] if names else ''

    def state(self, handler: str) -> str:
        """How a handler fares, in one word; `''` if it is gone."""
        last = self.history.last
        found = (each['state'] for each in (last.status['handlers'] if last else ()) if each['handler'] == handler)
        return next(found, '')

    def press(self, key: str) -> Wish | None:
        """See to a key.

        Args:
            key: a letter, or the name of a key: up, down, page up, page down, home, end, escape, enter.

        Returns:
            What is to be done, or `None`.
        """
        self.told = ''
        if self.question is not None:
            wish, self.question = self.question, None
            return wish if key in ('y', 'Y') else None
        if self.reader is not None:
            self._turn(self.reader, key)
            return None
        if self.shows_help:
            self.shows_help = False
            return Wish(Deed.QUIT) if key == 'q' else None
        return self._choose(key)

    def _choose(self, key: str) -> Wish | None:
        if key in ('q', 'Q'):
            return Wish(Deed.QUIT)
        if key == '?':
            self.shows_help = True
        elif key in _STEPS:
            self._move(_STEPS[key])
        elif not self.selected:
            return None
        elif key == 'p':
            deed = Deed.RESUME if self.state(self.selected) == 'paused' else Deed.PAUSE
            self.question = Wish(deed, self.selected)
        elif key in ('t', 'd'):
            return Wish(Deed.TAIL if key == 't' else Deed.DEAD, self.selected)
        return None

    def _move(self, step: int) -> None:
        names = self.handlers
        if names:
            self.selected = names[min(max(self.place + step, 0), len(names) - 1)]

    def _turn(self, reader: Reader, key: str) -> None:
        if key in ('q', 'Q', 'escape'):
            self.reader = None
            return
        step = {'page down': self.room, ' ': self.room, 'page up': -self.room, 'b': -self.room}.get(key)
        last = max(0, len(reader.lines) - self.room)
        reader.top = min(max(reader.top + (_STEPS.get(key, 0) if step is None else step), 0), last)


_STEPS = {
    'up': -1,
    'k': -1,
    'down': 1,
    'j': 1,
    'page up': -10,
    'page down': 10,
    'home': -1_000_000,
    'g': -1_000_000,
    'end': 1_000_000,
    'G': 1_000_000,
}
