# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The store: where a journal keeps its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .entry import Entry


class Store(Protocol):
    """Keeps records. It is asked one thing at a time, but for `form` and `orphaned`, which never wait.

    Attributes:
        most: how many entries it wants to be given at a time.
    """

    most: int

    async def open(self) -> None:
        """Get ready to write.

        Raises:
            OSError: it cannot; the text says why and what to type next.
        """

    def form(self, record: Mapping[str, Any]) -> Any:
        """What a record is written as."""

    async def write(self, entries: Sequence[Entry]) -> None:
        """Put all of the entries on disk, or none.

        Raises:
            wazo_busd.api.Retry: it cannot now, and may later.
        """

    def orphaned(self, entry: Entry) -> None:
        """What an entry needed was put on disk, and its try has failed all the same."""

    async def tidy(self) -> bool:
        """Do one short step of what has to be done from time to time.

        Returns:
            Whether there is another step to do.

        Raises:
            wazo_busd.api.Retry: it cannot now.
        """

    async def close(self) -> None:
        """Let go of everything. What was written is on disk already."""

    def abandon(self) -> None:
        """Let go of everything when what is under way has ended, which nobody waits for: it could not be opened."""
