# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The processors: which of them a consumer runs on, and which the broker."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PROC = Path('/proc')


@contextmanager
def apart(consumer: int, broker: int) -> Iterator[None]:
    """While it is open, a consumer has a processor of its own and the broker has the others.

    Where both are busy they push each other from one processor to the next, and what a process had at hand is far away
    then. That is the broker's doing, and the more the busier it is: of 50 handlers, who keep it busier than one does,
    an event cost a quarter more by it. On a machine with one processor they share that.

    Args:
        consumer: a process.
        broker: another one.
    """
    every = os.sched_getaffinity(broker)
    own, others = split(every)
    try:
        confine(broker, others)
        confine(consumer, own)
        yield
    finally:
        confine(broker, every)


def split(processors: set[int]) -> tuple[set[int], set[int]]:
    """One of the processors, and the others; the same one twice if it is the only one."""
    own = {max(processors)}
    return own, processors - own or own


def confine(process: int, processors: Collection[int]) -> None:
    """Let a process run on some processors alone, with all its threads and those that they start."""
    confined: set[str] = set()
    while new := {path.name for path in (_PROC / str(process) / 'task').iterdir()} - confined:
        for thread in new:
            with suppress(ProcessLookupError):  # It has ended since.
                os.sched_setaffinity(int(thread), processors)
        confined |= new
