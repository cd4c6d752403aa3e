# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The end of a file of JSON lines: what may come again after a crash."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from .claims import Tail, Written
from .record import seconds

_BLOCK = 65_536


def last_ids(path: Path) -> list[str]:
    """The ids of the last records in a file, of which nothing proves that they are acknowledged; see `Tail`.

    Args:
        path: the file, whose last line is whole.

    Raises:
        OSError: it cannot be read.
    """
    tail = Tail(0.0)
    for line in _backwards(path):
        row = _written(line)
        if row is None or not tail.see(row):
            break
    return tail.open


def _written(line: bytes) -> Written | None:
    """What a line says; `None` if it is no record of ours."""
    try:
        record = json.loads(line)
        received_at = seconds(record['received_at'])
        is_first = not record['redelivered'] and record['attempt'] == 1
        return Written(str(record['id']), is_first, received_at, received_at)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _backwards(path: Path) -> Iterator[bytes]:
    """The lines of a file, the last one first."""
    with path.open('rb') as file:
        start = file.seek(0, os.SEEK_END)
        rest: list[bytes] = []
        """What is after `start` and belongs to a line that begins before it."""
        while start:
            size = min(_BLOCK, start)
            start -= size
            file.seek(start)
            parts = file.read(size).split(b'\n')
            while len(parts) > 1:
                line = parts.pop() + b''.join(reversed(rest))
                rest.clear()
                if line:
                    yield line
            rest.append(parts[0])
        if rest:
            yield b''.join(reversed(rest))
