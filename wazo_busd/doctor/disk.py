# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""How much room there is on disk, for the daemon and for a broker on the same host."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from wazo_busd.doctor.finding import Finding, ok, problem, warning

CHECK = 'disk'
BROKER_DIRECTORY = Path('/var/lib/rabbitmq')
"""Where Debian's RabbitMQ keeps its queues."""

_MIB = 1024**2
_PROBLEM_BYTES, _WARNING_BYTES = 200 * _MIB, 1024 * _MIB
"""RabbitMQ's own limit is 50 MB as it is delivered: then it takes nothing from anybody."""
_LEAST_FILES = 2_000


@dataclass(frozen=True, slots=True)
class Room:
    """What is free in the file system of a directory.

    Attributes:
        path: the directory.
        free_bytes: what users other than root can write.
        size_bytes: the size of the file system.
        free_files: how many files can be made; `None` where the file system has no limit.
        device: the number of the file system.
    """

    path: Path
    free_bytes: int
    size_bytes: int
    free_files: int | None
    device: int


def rooms(paths: Iterable[Path]) -> list[Room]:
    """The room of each file system that one of the directories is in; those that cannot be asked are left out.

    Args:
        paths: the directories; of one that is not there, the nearest above it counts.
    """
    found: dict[int, Room] = {}
    for path in paths:
        for each in chain([path], path.parents):
            try:
                seen = os.statvfs(each)
                device = each.stat().st_dev
            except OSError:
                continue
            files = seen.f_favail if seen.f_files else None
            found.setdefault(
                device, Room(path, seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize, files, device)
            )
            break
    return list(found.values())


def judge(found: Iterable[Room]) -> Iterator[Finding]:
    """Whether there is enough room.

    Args:
        found: the file systems.
    """
    for room in found:
        text = f'{_size(room.free_bytes)} of {_size(room.size_bytes)} are free at {room.path}'
        cure = f'df -h {room.path}; journalctl --vacuum-size=200M'
        if room.free_bytes < _PROBLEM_BYTES:
            yield problem(CHECK, f'{text}: a full disk stops the broker, and with it every event', cure)
        elif room.free_files is not None and room.free_files < _LEAST_FILES:
            yield problem(CHECK, f'only {room.free_files} more files can be made at {room.path}', f'df -i {room.path}')
        elif room.free_bytes < _WARNING_BYTES:
            yield warning(CHECK, f'{text}, which is little for queues that may have to hold events', cure)
        else:
            yield ok(CHECK, text)


def _size(number: int) -> str:
    return f'{number / 1024**3:.1f} GiB' if number >= 1024**3 else f'{number / _MIB:.0f} MiB'
