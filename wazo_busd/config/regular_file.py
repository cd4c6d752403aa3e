# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A regular file, read without waiting and up to a limit, whatever lies where it should be."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoRegularFile(Exception):
    """Raised for what is no regular file: a directory, a named pipe, a device.

    Args:
        mode: what `stat` says that it is.
    """

    def __init__(self, mode: int) -> None:
        super().__init__(mode)
        self.is_directory = stat.S_ISDIR(mode)


class TooLarge(Exception):
    """Raised for a file that has more bytes than it may have."""


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of the file at `path`.

    Raises:
        OSError: it cannot be opened.
        ValueError: there can be no such path.
        NoRegularFile: it is something else.
    """
    # Not blocking: a named pipe would wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise NoRegularFile(mode)
        yield descriptor
    finally:
        os.close(descriptor)


def content(descriptor: int, limit: int) -> bytes:
    """All bytes of an open file.

    Raises:
        OSError: it cannot be read.
        TooLarge: it has more than `limit` bytes, whatever `stat` says.
    """
    with os.fdopen(descriptor, 'rb', closefd=False) as file:
        found = file.read(limit + 1)
    if len(found) > limit:
        raise TooLarge
    return found
