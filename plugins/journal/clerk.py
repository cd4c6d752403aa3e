# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The clerk: writes what waits, all of it at once, and tidies up from time to time."""

from __future__ import annotations

import asyncio
from typing import Any

from wazo_busd.api import Retry

from .entry import Entry
from .store import Store

_TIDY_SECONDS = 3600.0
_STEP_SECONDS = 0.05


class Clerk:
    """Group commit: while one batch is put on disk, the next gathers.

    Args:
        name: the name of the handler.
        store: where the records go.
        log: the handler's log.
    """

    def __init__(self, name: str, store: Store, log: Any) -> None:
        self._name = name
        self._store = store
        self._log = log
        self._waiting: list[Entry] = []
        self._committing: asyncio.Task[None] | None = None
        self._tidying: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    async def open(self) -> None:
        """Open the store, and tidy it from now on."""
        try:
            await self._store.open()
        except BaseException:
            # The next start makes another store, for which the lock must be free.
            self._store.abandon()
            raise
        self._tidying = asyncio.create_task(self._tidy(), name=f'{self._name}/tidy')

    async def close(self) -> None:
        """Wait for what is being written, and close the store."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.wait([self._tidying])
        if self._committing is not None:
            await asyncio.wait([self._committing])
        await self._store.close()

    async def write(self, entry: Entry) -> None:
        """Return when what the entry needs is on disk.

        Raises:
            wazo_busd.api.Retry: it cannot be written now.
        """
        self._waiting.append(entry)
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit(), name=f'{self._name}/commit')
        try:
            await entry.written
        except asyncio.CancelledError:
            if not entry.written.cancelled() and entry.written.exception() is None:
                self._store.orphaned(entry)
            raise

    async def tidy(self) -> None:
        """Do all that is to be done, in short steps between which events are written."""
        while True:
            async with self._turn:
                is_more = await self._store.tidy()
            if not is_more:
                return
            await asyncio.sleep(_STEP_SECONDS)

    async def _commit(self) -> None:
        """Write what waits, until nothing waits."""
        try:
            while self._waiting:
                async with self._turn:
                    most = self._store.most
                    batch, self._waiting = self._waiting[:most], self._waiting[most:]
                    error: Exception | None = None
                    try:
                        await self._store.write(batch)
                    except Exception as raised:  # noqa: BLE001 — it is given to those who wait
                        error = raised
                _conclude(batch, error)
        finally:
            self._committing = None

    async def _tidy(self) -> None:
        while True:
            try:
                await self.tidy()
            except (Retry, OSError) as error:
                self._log.warning('journal_not_tidied', error=str(error), effect='it is tried again in an hour')
            await asyncio.sleep(_TIDY_SECONDS)


def _conclude(batch: list[Entry], error: Exception | None) -> None:
    for entry in batch:
        if entry.written.done():
            continue
        if error is None:
            entry.written.set_result(None)
        else:
            entry.written.set_exception(error)
