# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether another user could have written a file that is about to be run."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path


def writable_by_others(path: Path) -> Path | None:
    """The first file or directory that somebody else than root and us can write.

    Args:
        path: a file or directory whose code is to be run. What is in it counts, and the directory it is in: who can
            write that can put another file there.

    Returns:
        The culprit; `None` if all is well.
    """
    return next((each for each in _concerned(path) if _is_writable(each)), None)


def _concerned(path: Path) -> Iterator[Path]:
    yield path.parent
    yield from _with_target(path)
    seen: set[str] = set()
    for directory, directories, files in os.walk(path, followlinks=True):
        if os.path.realpath(directory) in seen:
            directories.clear()
            continue
        seen.add(os.path.realpath(directory))
        for name in [*directories, *(file for file in files if file.endswith(('.py', '.so', '.pyc')))]:
            yield from _with_target(Path(directory, name))


def _with_target(path: Path) -> Iterator[Path]:
    """`path` and, if it is a link, the directory where it leads: who can write that can put another file there."""
    yield path
    if path.is_symlink():
        yield Path(os.path.realpath(path)).parent


def _is_writable(path: Path) -> bool:
    try:
        found = path.stat()
    except OSError:
        # What is not there, or cannot even be looked at, cannot be run either.
        return False
    if found.st_uid not in (0, os.geteuid()):
        return True
    if found.st_mode & stat.S_IWOTH:
        # In a sticky directory others can make files and not replace ours; but what they make there would be run.
        return True
    return bool(found.st_mode & stat.S_IWGRP) and found.st_gid != 0
