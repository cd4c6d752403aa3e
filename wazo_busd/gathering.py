# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The gathering: the files that hold what a handler has gathered, until its burst is in the broker.

What is being gathered is in one file that is open, a line an event. When its time is over the file is sealed: it is
renamed, and never changed again, so that what is published from it is the same however often that is tried. All
functions block.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SEALED = re.compile(r'(?P<handler>[a-z0-9_-]+)\.(?P<number>[0-9]+)\.sealed')


@dataclass(frozen=True, slots=True)
class Line:
    """One event that was gathered.

    Attributes:
        id: its identity.
        received_at: when it arrived, Unix seconds; 0 where it was only counted.
        record: the event itself; `None` where it was only counted.
    """

    id: str
    received_at: float = 0.0
    record: bytes | None = None


class Gathering:
    """The files of one handler.

    Args:
        directory: where they are.
        handler: the name of the handler.
    """

    def __init__(self, directory: Path, handler: str) -> None:
        self.directory = directory
        self._handler = handler
        self._path = directory / f'{handler}.open'
        self._file = -1

    def is_there(self) -> bool:
        """Whether anything was left by an earlier process."""
        return self._path.exists() or any(self._sealed())

    def open(self) -> list[Line]:
        """Take up what is open; what a crash has cut off is taken away, as it was not acknowledged.

        Raises:
            OSError: the directory cannot be used, or another process uses it.
        """
        self.close()
        self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = self._path.read_bytes()
        whole = content.rfind(b'\n') + 1
        if whole < len(content):
            os.ftruncate(self._file, whole)
        if not whole:
            _flush_directory(self.directory)
        return lines_of(content[:whole])

    def append(self, lines: Iterable[bytes]) -> None:
        """Write lines, all or none, and flush them.

        Raises:
            OSError: they are not there.
        """
        if self._file < 0:
            self.open()
        size = os.fstat(self._file).st_size
        rest = memoryview(b''.join(lines))
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            try:
                os.ftruncate(self._file, size)
            except OSError:
                # What is torn is cut off when the file is opened again.
                self.close()
            raise

    def seal(self) -> Path:
        """Close what is open, for good.

        Returns:
            The sealed file.

        Raises:
            OSError: it is still open.
        """
        numbers = [number for number, _ in self._sealed()]
        sealed = self.directory / f'{self._handler}.{max(numbers, default=0) + 1:06}.sealed'
        self._path.rename(sealed)
        self.close()
        _flush_directory(self.directory)
        return sealed

    def sealed(self) -> list[tuple[Path, list[Line]]]:
        """The files that are sealed, oldest first, with what is in them."""
        return [(path, lines_of(path.read_bytes())) for _, path in sorted(self._sealed())]

    def close(self) -> None:
        """Let go of the open file. It stays."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _sealed(self) -> Iterator[tuple[int, Path]]:
        for path in self.directory.glob(f'{self._handler}.*.sealed'):
            found = _SEALED.fullmatch(path.name)
            if found and found['handler'] == self._handler:
                yield int(found['number']), path


def counted(identity: str) -> bytes:
    """The line of an event that is only counted."""
    return b'{"id":"%s"}\n' % identity.encode()


def lines_of(content: bytes) -> list[Line]:
    """The events in a file. A line that is none, which only somebody else can have written, is passed over."""
    found = []
    for line in content.splitlines():
        try:
            said = json.loads(line)
            record = line if 'body' in said else None
            found.append(Line(str(said['id']), float(said.get('received_at', 0.0)), record))
        except (ValueError, TypeError, KeyError):
            continue
    return found


def left_behind(directory: Path, handlers: Collection[str]) -> list[Path]:
    """The files of handlers that are none any more."""
    return [path for path in sorted(directory.glob('*')) if path.name.partition('.')[0] not in handlers]


def _flush_directory(path: Path) -> None:
    """See that a name is found after a crash: it is in the directory, which is not flushed with the file."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
