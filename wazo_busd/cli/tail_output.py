# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The output of `wazo-busd tail`: takes what was heard out of the backlog and writes it, in a thread of its own."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable
from io import UnsupportedOperation

from wazo_busd.amqp import Cut, Heard, heard
from wazo_busd.cli.tail_backlog import Backlog
from wazo_busd.codec import Limits

_AT_ONCE = 500

Form = Callable[[Heard], str | None]
"""An event as a line without its end; `None` if nothing is written of it."""


class Output:
    """Writes events until there are no more, or enough.

    Args:
        backlog: where they come from.
        limits: what a body may be at most.
        wanted: whether an event is one of those that are meant.
        form: how it is written.
        most: how many are enough; `None` for all.
        told: called with a sentence for the operator.
        ended: called, in this thread, when nothing more will be written.
        sink: writes lines; to standard output if `None`.
    """

    def __init__(
        self,
        backlog: Backlog,
        limits: Limits,
        *,
        wanted: Callable[[Heard], bool],
        form: Form,
        most: int | None,
        told: Callable[[str], None],
        ended: Callable[[], None],
        sink: Callable[[bytes], None] | None = None,
    ) -> None:
        self._backlog = backlog
        self._limits = limits
        self._wanted = wanted
        self._form = form
        self._most = most
        self._told = told
        self._ended = ended
        self._sink = sink
        self.shown = 0
        """How many events were written, or counted."""
        self.skipped = 0
        """How many were thrown away, because they came faster than they could be written."""
        self.stuck = 0
        """How many are being written, to something that takes nothing."""
        self.is_closed = False
        """Whether nobody reads any more."""
        self.error: Exception | None = None
        """What went wrong, if nothing else ended it."""
        # Whoever is stuck in writing to a terminal that takes nothing does not keep the process.
        self._thread = threading.Thread(target=self._run, name='tail', daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def finish(self, timeout_seconds: float) -> None:
        """Write what waits and end; what is not written by then is skipped.

        Args:
            timeout_seconds: how long it may take.
        """
        self._backlog.close()
        self._thread.join(timeout_seconds)
        if self._is_enough() or self.is_closed:
            # Nobody has asked for these.
            return
        self.skipped += self._backlog.clear()

    def _run(self) -> None:
        try:
            while not self._is_enough():
                skipped, cuts = self._backlog.take(_AT_ONCE)
                if skipped:
                    self.skipped += skipped
                    noun = 'event' if skipped == 1 else 'events'
                    self._told(f'… {skipped} {noun} skipped: they came faster than they could be written')
                if not cuts:
                    break
                self._write(cuts)
        except BrokenPipeError:
            self.is_closed = True
        except Exception as error:  # noqa: BLE001 — it is raised where the command ends
            self.error = error
        finally:
            self._ended()

    def _is_enough(self) -> bool:
        return self._most is not None and self.shown >= self._most

    def _write(self, cuts: list[tuple[float, Cut]]) -> None:
        lines = []
        shown = 0
        for received_at, cut in cuts:
            found = heard(cut, received_at, self._limits)
            if not self._wanted(found):
                continue
            line = self._form(found)
            if line is not None:
                lines.append(line)
            shown += 1
            if self._most is not None and self.shown + shown >= self._most:
                break
        self.stuck = shown
        if lines:
            (self._sink or write)('\n'.join([*lines, '']).encode())
        self.shown += shown
        self.stuck = 0


def write(data: bytes) -> None:
    """Write to standard output, past every buffer, which somebody who is interrupted would wait for in the end.

    Raises:
        BrokenPipeError: nobody reads it any more.
    """
    try:
        number = sys.stdout.fileno()
    except (UnsupportedOperation, ValueError):
        # No file: a test reads it.
        sys.stdout.buffer.write(data)
        return
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(number, rest) :]
        except BlockingIOError:
            # Whoever shares the terminal has made it so.
            select.select([], [number], [])
