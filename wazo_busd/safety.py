# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Whether another user could have written a file that is about to be run."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator
from pathlib import Path


class Unsafe(ImportError):
    """Raised when code is imported that somebody else than root and us can write.

    Args:
        culprit: the file or directory.
    """

    def __init__(self, culprit: Path) -> None:
        self.culprit = culprit
        self.text = f'others can write {culprit}'
        self.cure = f'chown root: {culprit}; chmod go-w {culprit}'
        super().__init__(f'{self.text}; {self.cure}', path=str(culprit))


def writable_by_others(path: Path, trusted: Container[int] = ()) -> Path | None:
    """The first file or directory that somebody else than root and us can write.

    Args:
        path: a file or package whose code is to be run. What is in it counts, as what it imports late would be refused
            in the middle of an event; compiled code does not, as none is ever run. The directory it is in counts: who
            can write that can put another file there.
        trusted: users who may own it besides root and us, by number.

    Returns:
        The culprit; `None` if all is well.
    """
    return next((each for each in _concerned(path) if is_writable(each, trusted)), None)


def writable_on_the_way(root: Path, way: Path) -> Path | None:
    """The first of a file and the directories above it that somebody else than root and us can write.

    Args:
        root: the plugin directory.
        way: the way from there to the file.

    Returns:
        The culprit; `None` if all is well.
    """
    parts = [*reversed(way.parents), way][1:]
    places = [root, *(each for part in parts for each in _with_target(root / part))]
    return next((each for each in places if is_writable(each)), None)


def walk(path: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """The directories at and below `path`, with the names of those and of the files in each.

    Links are followed, each directory comes once, and those of compiled code are left out.
    """
    seen: set[str] = set()
    for directory, directories, files in os.walk(path, followlinks=True):
        if os.path.realpath(directory) in seen:
            directories.clear()
            continue
        seen.add(os.path.realpath(directory))
        directories[:] = [name for name in directories if name != '__pycache__']
        yield Path(directory), directories, files


def _concerned(path: Path) -> Iterator[Path]:
    yield path.parent
    yield from _with_target(path)
    for directory, directories, files in walk(path):
        for name in [*directories, *(file for file in files if file.endswith(('.py', '.so')))]:
            yield from _with_target(directory / name)


def _with_target(path: Path) -> Iterator[Path]:
    """`path` and, if it is a link, the directory where it leads: who can write that can put another file there."""
    yield path
    if os.path.islink(path):  # noqa: PTH114 — unlike Path.is_symlink it raises nothing
        yield Path(os.path.realpath(path)).parent


def is_writable(path: Path, trusted: Container[int] = ()) -> bool:
    """Whether somebody else than root and us can write a file or directory.

    Args:
        path: the file or directory; in one that is not there nobody can write.
        trusted: users who may own it besides, by number.
    """
    try:
        found = path.stat()
    except OSError:
        # What is not there, or cannot even be looked at, cannot be run either.
        return False
    if found.st_uid not in (0, os.geteuid()) and found.st_uid not in trusted:
        return True
    if found.st_mode & stat.S_IWOTH:
        # In a sticky directory others can make files and not replace ours; but what they make there would be run.
        return True
    return bool(found.st_mode & stat.S_IWGRP) and found.st_gid != 0
