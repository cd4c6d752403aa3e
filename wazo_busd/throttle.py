# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The throttle: lets one event through within a time, of each value of a field, and remembers that over restarts.

What it remembers is a digest of each value and the identity of the event that it let through: nothing of what came over
the bus lies in its file. A line is written when an event is let through, and not flushed: it outlives the process,
whatever ends it. After a power cut an event more may be let through.
"""

from __future__ import annotations

import json
import os
import time
from hashlib import blake2b
from pathlib import Path
from typing import Any

import structlog

from wazo_busd.codec import encode
from wazo_busd.conditions import Field
from wazo_busd.config import ThrottleConfig
from wazo_busd.event import Event

MOST = 10_000
"""So many values are remembered; of more, the one that was let through first is forgotten."""

_COMPLAINT_SECONDS = 60.0

log = structlog.stdlib.get_logger(__name__)


def file_of(state_dir: Path, handler: str) -> Path:
    """The file that the throttle of a handler remembers in."""
    return state_dir / 'throttled' / f'{handler}.jsonl'


class Throttle:
    """Decides which events of one handler are too many.

    Args:
        handler: the name of the handler, for the log.
        config: what the configuration says.
        path: the file that it remembers in; `None` remembers until the handler ends.
    """

    def __init__(self, handler: str, config: ThrottleConfig, path: Path | None = None) -> None:
        self._handler = handler
        self._seconds = config.once_within
        self._field = Field(config.per) if config.per is not None else None
        self._path = path
        self._passed: dict[str, tuple[float, str]] = {}
        """When an event with such a value was let through, and which; oldest first."""
        self._file = -1
        self._lines = 0
        self._complained_at = -_COMPLAINT_SECONDS

    def open(self) -> None:
        """Read what was remembered. It blocks."""
        if self._path is None:
            return
        self._passed = _read(self._path, time.time() - self._seconds)
        self._rewrite(self._path)

    def recall(self, path: Path) -> None:
        """Know what a file remembers, without ever writing into it. It blocks.

        Raises:
            OSError: it cannot be read.
        """
        self._passed = _remembered(path, time.time() - self._seconds)

    def lets(self, event: Event, *, now: float | None = None) -> bool:
        """Whether an event is let through; if so, it is remembered.

        One that was let through, and comes again because it could not be acknowledged, is let through again.

        Args:
            event: the event.
            now: the time, in Unix seconds; that of the clock if `None`.
        """
        key, now = self._key(event), time.time() if now is None else now
        at, passed = self._passed.get(key, (0.0, ''))
        if self._is_recent(at, now):
            return event.redelivered and event.id == passed
        self._passed.pop(key, None)
        if len(self._passed) >= MOST:
            del self._passed[next(iter(self._passed))]
        self._passed[key] = (now, event.id)
        self._note(key, now, event.id)
        return True

    def explain(self, event: Event, *, now: float | None = None) -> str | None:
        """Why an event is not let through, in words for a person; `None` if it is.

        Args:
            event: the event.
            now: the time, in Unix seconds; that of the clock if `None`.
        """
        now = time.time() if now is None else now
        at, _ = self._passed.get(self._key(event), (0.0, ''))
        if not self._is_recent(at, now):
            return None
        per = f' with this {self._field.name}' if self._field else ''
        return f'throttle: one{per} was let through {now - at:.0f} s ago, and {self._seconds:g} s is the limit'

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_recent(self, at: float, now: float) -> bool:
        # A clock that was set back must not silence a handler for good.
        return abs(now - at) < self._seconds

    def _key(self, event: Event) -> str:
        value: Any = self._field.of(event) if self._field else None
        return blake2b(encode(value), digest_size=16).hexdigest()

    def _note(self, key: str, at: float, identity: str) -> None:
        if self._path is None:
            return
        try:
            if self._file < 0 or self._lines >= 2 * MOST:
                self._rewrite(self._path)
            else:
                os.write(self._file, _line(key, at, identity))
                self._lines += 1
        except OSError as error:
            self._complain(error)

    def _rewrite(self, path: Path) -> None:
        """Write all that is remembered into a new file."""
        try:
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            new = path.with_suffix('.new')
            self.close()
            self._file = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            content = b''.join(_line(key, at, passed) for key, (at, passed) in self._passed.items())
            os.write(self._file, content)
            new.replace(path)
            self._lines = len(self._passed)
        except OSError as error:
            self._complain(error)
            self.close()

    def _complain(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            log.error(
                'throttle_not_written',
                handler=self._handler,
                path=str(self._path),
                error=error.strerror,
                effect='after a restart an event more may be let through',
                hint=f'df -h {self._path.parent if self._path else ""}',
            )


def _line(key: str, at: float, identity: str) -> bytes:
    return encode({'key': key, 'at': at, 'id': identity}) + b'\n'


def _read(path: Path, oldest: float) -> dict[str, tuple[float, str]]:
    """What a file remembers; nothing if it cannot be read."""
    try:
        return _remembered(path, oldest)
    except OSError as error:
        log.warning('throttle_unreadable', path=str(path), error=error.strerror, hint=f'ls -l {path}')
        return {}


def _remembered(path: Path, oldest: float) -> dict[str, tuple[float, str]]:
    """What a file remembers; a line that a crash has cut off is none.

    Raises:
        OSError: it cannot be read.
    """
    found: dict[str, tuple[float, str]] = {}
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    for line in lines:
        try:
            said = json.loads(line)
            key, at, identity = str(said['key']), float(said['at']), str(said['id'])
        except (ValueError, TypeError, KeyError):
            continue
        found.pop(key, None)
        if at > oldest:
            found[key] = (at, identity)
    return dict(list(found.items())[-MOST:])
