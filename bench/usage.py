# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What a process uses, as Linux counts it. Standard library only: every consumer imports it."""

from __future__ import annotations

import time
from pathlib import Path

_PROC = Path('/proc')
_LOOK_SECONDS = 0.5
_REST_CPU_SECONDS = 0.01


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process, user and system, in all its threads that are alive.

    The kernel's scheduler counts it in nanoseconds, where `/proc/PID/stat` has hundredths of a second.
    """
    total = 0
    for thread in (_PROC / str(pid) / 'task').iterdir():
        try:
            total += int((thread / 'schedstat').read_text().split()[0])
        except FileNotFoundError:
            # It has ended since.
            continue
    return total / 1e9


def is_at_rest(pid: int) -> bool:
    """Whether a process has nothing to do: looks for half a second whether it uses CPU time."""
    before = cpu_seconds(pid)
    time.sleep(_LOOK_SECONDS)
    return cpu_seconds(pid) - before < _REST_CPU_SECONDS


def memory_mib(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    for line in (_PROC / str(pid) / 'status').read_text().splitlines():
        if line.startswith('VmRSS:'):
            return int(line.split()[1]) / 1024
    raise ValueError(f'process {pid} has no memory: it has ended')
