# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The memory: the file in which a tracker keeps what it knows while it does not run."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wazo_busd.api import encode_json

if TYPE_CHECKING:
    import structlog

_AHEAD_SECONDS = 60.0


class Memory:
    """Reads and writes that file. It blocks.

    Args:
        path: the file.
        version: of what is kept; what another version wrote is not read.
        log: where it is said that something is not read.
    """

    def __init__(self, path: Path, version: int, log: structlog.stdlib.BoundLogger) -> None:
        self._path = path
        self._version = version
        self._log = log

    def read(self, age_seconds: float) -> dict[str, Any] | None:
        """What was kept, once: the file is gone afterwards.

        Args:
            age_seconds: how old it may be at most.

        Returns:
            What was kept; `None` if there is nothing, or nothing that can be used, which is logged.

        Raises:
            OSError: the file cannot be read or removed.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        # Read once: if the process ends without writing it again, it would be older than what was seen since.
        self._path.unlink()
        try:
            said = json.loads(content)
            version, saved_at, kept = said['version'], float(said['saved_at']), said['kept']
        except (ValueError, KeyError, TypeError, RecursionError):
            version, saved_at, kept = None, 0.0, None
        age = time.time() - saved_at
        if not isinstance(kept, dict):
            reason = 'it is damaged'
        elif version != self._version:
            reason = f'it is of version {version!r}, this is {self._version}'
        elif not -_AHEAD_SECONDS <= age <= age_seconds:
            reason = f'it is {age:.0f} s old; restore_within says how old it may be'
        else:
            return kept
        self._log.warning('memory_not_read', reason=reason, effect='the tracker begins anew')
        return None

    def write(self, kept: dict[str, Any]) -> None:
        """Keep something instead of what was kept before.

        Args:
            kept: what JSON can hold.

        Raises:
            OSError: the file cannot be written.
        """
        content = encode_json({'version': self._version, 'saved_at': time.time(), 'kept': kept})
        fresh = self._path.with_suffix('.new')
        fresh.touch(0o640)
        with fresh.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
