# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The screen of `wazo-busd top`: takes the terminal, gives keys, and gives the terminal back as it was."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

from rich.console import Console
from rich.text import Text

_NAMES = {
    'A': 'up',
    'B': 'down',
    'H': 'home',
    'F': 'end',
    '1~': 'home',
    '4~': 'end',
    '5~': 'page up',
    '6~': 'page down',
    '7~': 'home',
    '8~': 'end',
}
_SEQUENCE = re.compile(r'\x1b[\[O]([0-9;]*[A-Za-z~])|\x1b\[?|.', re.DOTALL)
"""What a key sends: an escape sequence or a letter."""

_LEAST_COLUMNS, _LEAST_LINES = 20, 3


class Closed(Exception):
    """Raised when nobody is at the terminal any more."""


def keys(typed: str) -> Iterator[str]:
    """The keys that were pressed: letters, and up, down, page up, page down, home, end, escape, enter.

    Args:
        typed: what the terminal sent.
    """
    for found in _SEQUENCE.finditer(typed):
        if found[1] is not None:
            yield _NAMES.get(found[1], '')
        elif found[0].startswith('\x1b'):
            yield 'escape'
        else:
            yield {'\r': 'enter', '\n': 'enter', '\x03': 'q'}.get(found[0], found[0])


class Screen:
    """The terminal, in full, between `with` and its end. Whatever ends it, the terminal is what it was before.

    Raises:
        termios.error: it is no terminal.
    """

    def __init__(self) -> None:
        self._input, self._output = sys.stdin.fileno(), sys.stdout.fileno()
        self._console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
        self._before: list[Any] = termios.tcgetattr(self._input)
        self._waking, self._waker = os.pipe()
        self._signals: dict[int, Any] = {}
        self._is_taken = False
        os.set_blocking(self._waker, False)

    @property
    def has_blocks(self) -> bool:
        """Whether the terminal can show the bars of sparklines."""
        return 'utf' in (sys.stdout.encoding or '').lower()

    @property
    def size(self) -> tuple[int, int]:
        """Its columns and lines, now."""
        size = os.get_terminal_size(self._output)
        return max(size.columns, _LEAST_COLUMNS), max(size.lines, _LEAST_LINES)

    def __enter__(self) -> Self:
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGWINCH: self._on_change,
            signal.SIGTSTP: self._on_stop,
            signal.SIGTERM: _end,
            signal.SIGHUP: _end,
        }
        for number, handler in handlers.items():
            self._signals[number] = signal.signal(number, handler)
        self.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()
        for number, handler in self._signals.items():
            signal.signal(number, handler)
        os.close(self._waking)
        os.close(self._waker)

    def take(self) -> None:
        """Show what is drawn instead of what was there, and get each key at once."""
        tty.setcbreak(self._input, termios.TCSANOW)
        self._is_taken = True
        self._write('\x1b[?1049h\x1b[?25l\x1b[?7l')

    def give_back(self) -> None:
        """The terminal as it was. Done twice, it does no harm."""
        if self._is_taken:
            self._is_taken = False
            # Also where nobody is at the terminal any more.
            with contextlib.suppress(Closed):
                self._write('\x1b[?7h\x1b[?25h\x1b[?1049l')
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._input, termios.TCSANOW, self._before)

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Give the terminal to another program for a while. Its Ctrl-C is not ours."""
        self.give_back()
        # Not SIG_IGN, which the other program would inherit.
        before = signal.signal(signal.SIGINT, lambda number, frame: None)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            self.take()

    def draw(self, lines: Sequence[Text]) -> None:
        """Show some lines, from the top.

        Args:
            lines: as many as the terminal has, each as wide as it is.

        Raises:
            Closed: nobody is there.
        """
        with self._console.capture() as drawn:
            for number, line in enumerate(lines):
                self._console.print(line, end='' if number == len(lines) - 1 else '\n', soft_wrap=True)
        # All at a time, where the terminal knows how (mode 2026). Nothing is erased: that would take the last column.
        self._write(f'\x1b[?2026h\x1b[H{drawn.get()}\x1b[?2026l')

    def wait(self, seconds: float, other: int) -> list[str]:
        """The keys that are pressed; none if there is something else to draw before.

        Args:
            seconds: for how long to wait.
            other: a file whose having something to read ends it, too.

        Raises:
            Closed: nobody is there.
        """
        try:
            ready, _, _ = select.select([self._input, self._waking, other], [], [], max(0.0, seconds))
        except InterruptedError:
            return []
        if self._waking in ready:
            os.read(self._waking, 4096)
        if self._input not in ready:
            return []
        try:
            typed = os.read(self._input, 4096)
        except OSError:
            typed = b''
        if not typed:
            raise Closed
        return list(keys(typed.decode('utf-8', 'replace')))

    def _write(self, text: str) -> None:
        # Not by sys.stdout, which a signal must not come back to while it writes.
        data = text.encode(sys.stdout.encoding or 'utf-8', 'replace')
        try:
            while data:
                data = data[os.write(self._output, data) :]
        except OSError:
            raise Closed from None

    def _on_change(self, number: int, frame: FrameType | None) -> None:
        """It has another size."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b'x')

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell has the terminal until it says `fg`."""
        self.give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.take()
        self._on_change(number, frame)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
