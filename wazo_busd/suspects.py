# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The suspects: the events that were run when the process crashed, one of which may have ended it.

Each of them is run alone when it comes again. One with which the process ends three times becomes a dead letter; that
it was there once, beside others, proves nothing, so that no innocent one goes with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import structlog

from wazo_busd.blackbox import BlackBox, read

MOST_CRASHES = 3
"""With so many an event is dead."""

_ALONE_SECONDS = 5.0
"""How long others wait for a suspect at first, and a suspect for others."""

_LONGEST_ALONE_SECONDS = 900.0
"""As long as a call can take at most."""

_KEPT_SECONDS = 30 * 86_400.0

log = structlog.stdlib.get_logger(__name__)


class Suspects:
    """The suspects of all handlers of a process.

    Args:
        state_dir: where black boxes and counts are kept; `None` keeps none.
    """

    def __init__(self, state_dir: Path | None = None) -> None:
        self.is_alone = False
        """Whether a suspect runs, or waits to run, and all others have to wait."""
        self._boxes = state_dir / 'running' if state_dir else None
        self._file = state_dir / 'crashes.json' if state_dir else None
        self._counts: dict[str, dict[str, list[float]]] = {}
        """By handler and mark: the number of crashes, when the last one was found (Unix seconds), and how often it
        was there beside others."""
        self._running = 0
        self._lock = asyncio.Lock()
        self._turn: _Turn | None = None
        """Whose turn it is, from when it waits for others to when it ends."""
        self._passage = asyncio.Event()
        self._quiet = asyncio.Event()

    def load(self) -> None:
        """Find out what the last process was at when it ended. Called once, before any handler runs."""
        if self._boxes is None or self._file is None:
            return
        self._counts = _read_counts(self._file)
        found = 0
        for path in sorted(self._boxes.glob('*.box')):
            try:
                recorded = read(path)
                path.unlink()
            except OSError as error:
                log.error('black_box_unreadable', path=str(path), error=error.strerror, hint=f'rm {path}')
                continue
            found += len(recorded)
            for each in recorded:
                crashes, _, beside = self._count(path.stem, each.mark)
                count = [crashes + 1, beside] if each.alone else [max(crashes, 1), beside + 1]
                self._counts.setdefault(path.stem, {})[each.mark] = [count[0], time.time(), count[1]]
        if found:
            log.warning('crash_found', suspects=found, effect='each is run alone when it comes again')
            self._write()

    def black_box(self, handler: str, slots: int) -> BlackBox:
        """The black box of a handler."""
        return BlackBox(self._boxes / f'{handler}.box' if self._boxes else None, slots)

    def crashes(self, handler: str, mark: str) -> int:
        """With how many crashes an event of a handler was there."""
        return int(self._count(handler, mark)[0])

    def seconds_alone(self, handler: str, mark: str) -> float:
        """How long others wait for an event of a handler."""
        beside = int(self._count(handler, mark)[2])
        return min(_ALONE_SECONDS * (1 << min(max(0, beside - 1), 20)), _LONGEST_ALONE_SECONDS)

    def _count(self, handler: str, mark: str) -> list[float]:
        return self._counts.get(handler, {}).get(mark, [0, 0.0, 0])

    @property
    def any(self) -> bool:
        """Whether there are suspects."""
        return bool(self._counts)

    def cleared(self, handler: str, mark: str) -> None:
        """An event has ended, and the process has not."""
        marks = self._counts.get(handler, {})
        if marks.pop(mark, None) is not None:
            if not marks:
                del self._counts[handler]
            self._write()

    def enter(self) -> None:
        """An event is run from now on."""
        self._running += 1

    def leave(self) -> None:
        """An event is run no more."""
        self._running -= 1
        if self.is_alone and not self._running:
            self._quiet.set()

    async def passage(self) -> None:
        """Wait until no suspect runs alone."""
        while self.is_alone:
            await self._passage.wait()

    def alone(self, handler: str, mark: str, over: Callable[[], Any]) -> AbstractAsyncContextManager[None]:
        """Let a suspect run while nothing else does, or as good as that: others wait for a few seconds only.

        One with which the process ended later than that, beside others, has twice the time each time: what takes long
        to end the process is found out too. Other suspects wait until it has ended.

        Args:
            handler: the name of its handler.
            mark: what it is recognised by.
            over: told that others run again.
        """
        return _Turn(self, self.seconds_alone(handler, mark), over)

    async def begin_turn(self, turn: _Turn) -> None:
        """Wait until a suspect may run, which has its turn then."""
        await self._lock.acquire()
        self._turn = turn
        self.is_alone = True
        self._passage.clear()
        try:
            await self._wait_for_others()
        except BaseException:
            # Cancelled while it waits: nobody else is to wait for what never begins.
            self.end_turn(turn)
            raise
        turn.timer = asyncio.get_running_loop().call_later(turn.seconds, self._let_others, turn)

    def end_turn(self, turn: _Turn) -> None:
        """The turn of a suspect is over."""
        if turn.timer is not None:
            turn.timer.cancel()
        self._let_others(turn)
        self._let_next(turn)

    def forsake(self) -> None:
        """Nobody waits any more for the suspect that runs: the next one may."""
        if self._turn is not None:
            self._turn.over = _nothing
            self._let_others(self._turn)
            self._let_next(self._turn)

    async def _wait_for_others(self) -> None:
        self._quiet.clear()
        if not self._running:
            return
        try:
            async with asyncio.timeout(_ALONE_SECONDS):
                await self._quiet.wait()
        except TimeoutError:
            return

    def _let_others(self, turn: _Turn) -> None:
        if self.is_alone and self._turn is turn:
            self.is_alone = False
            self._passage.set()
            turn.over()

    def _let_next(self, turn: _Turn) -> None:
        if self._turn is turn:
            self._turn = None
            self._lock.release()

    def _write(self) -> None:
        """Write the counts so that they outlive the next crash."""
        if self._file is None:
            return
        try:
            new = self._file.with_suffix('.new')
            with new.open('w') as file:
                json.dump(self._counts, file, indent=1, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._file)
        except OSError as error:
            log.error(
                'crashes_not_written',
                path=str(self._file),
                error=error.strerror,
                effect='an event that ends the process may do so more than three times',
                hint=f'df -h {self._file.parent}',
            )


class _Turn:
    """The turn of one suspect, from when it waits for others to when it ends.

    Args:
        suspects: among whom it has a turn.
        seconds: how long others wait for it.
        over: told that others run again.
    """

    def __init__(self, suspects: Suspects, seconds: float, over: Callable[[], Any]) -> None:
        self.seconds = seconds
        self.over = over
        self.timer: asyncio.TimerHandle | None = None
        self._suspects = suspects

    async def __aenter__(self) -> None:
        await self._suspects.begin_turn(self)

    async def __aexit__(self, *_: object) -> None:
        self._suspects.end_turn(self)


def _nothing() -> None:
    """Tell nobody."""


def _read_counts(path: Path) -> dict[str, dict[str, list[float]]]:
    oldest = time.time() - _KEPT_SECONDS
    try:
        content = json.loads(path.read_text())
        counts = {
            str(handler): {
                str(key): [int(count), float(at), int(beside)]
                for key, (count, at, beside) in found.items()
                if at > oldest
            }
            for handler, found in content.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError, OverflowError) as error:
        log.warning('crashes_unreadable', path=str(path), error=str(error), hint=f'rm {path}')
        return {}
    return {handler: found for handler, found in counts.items() if found}
