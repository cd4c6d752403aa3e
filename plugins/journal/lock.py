# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The lock: one journal, one writer."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def open_locked(path: Path) -> int:
    """A descriptor of the file at `path`, made with its directory if it is missing, that nobody else can lock.

    Raises:
        OSError: it cannot be opened, or another journal has it.
    """
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        text = 'another handler or process writes this file'
        raise OSError(error.errno, text, str(path)) from None
    except BaseException:
        # Whoever calls has no descriptor that he could close.
        os.close(descriptor)
        raise
    return descriptor


def flush_directory(path: Path) -> None:
    """See that a new file is found after a crash: its name is in the directory, which is not flushed with it."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
