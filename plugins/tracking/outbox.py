# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The outbox: what a tracker has found out and nobody has confirmed yet, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from wazo_busd.api import Context

from .derivation import Derivation

_AGAIN_SECONDS = 5.0
_MOST_TRIES = 5


class Outbox:
    """Publishes derivations one after the other.

    A broker that is away is waited for. What cannot be published though it is there, as nobody but the broker can know
    beforehand, is dropped after some tries and told: what comes behind it is news too.

    Args:
        context: the context of the handler.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._waiting: deque[Derivation] = deque()
        self._sending = asyncio.Lock()
        self._tries = 0
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, derivations: Iterable[Derivation]) -> None:
        """Keep what was found out, behind what waits."""
        self._waiting.extend(derivations)

    async def flush(self) -> None:
        """Publish all that waits.

        Raises:
            Exception: something could not be published. It waits, and goes first the next time.
        """
        async with self._sending:
            while self._waiting:
                first = self._waiting[0]
                try:
                    await self._context.emit(first.name, first.data, fact=first.fact)
                except Exception as error:
                    self._tries += 1
                    if self._tries < _MOST_TRIES:
                        raise
                    self._context.log.error(
                        'derived_event_dropped', event_name=first.name, error=type(error).__name__, tries=self._tries
                    )
                self._tries = 0
                self._waiting.popleft()

    def flush_soon(self) -> None:
        """Publish what waits, as often as it takes: no event stands for it that could come again."""
        if self._waiting and self._task is None:
            self._task = asyncio.create_task(self._flush_until_done(), name=f'{self._context.name} publishes')
            self._task.add_done_callback(self._done)

    def close(self) -> None:
        """Publish no more."""
        if self._task is not None:
            self._task.cancel()

    def dump(self) -> list[dict[str, Any]]:
        """What `load` makes the same of."""
        return [each.dump() for each in self._waiting]

    def load(self, said: Iterable[Mapping[str, Any]]) -> None:
        """Keep what `dump` gave.

        Raises:
            KeyError, TypeError: it is of another version, or was damaged. Nothing is kept of it then.
        """
        self.put([Derivation.load(each) for each in said])

    async def _flush_until_done(self) -> None:
        while True:
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 — whatever keeps it from being published, it is not lost
                self._context.log.warning(
                    'derived_events_wait',
                    count=len(self._waiting),
                    error=type(error).__name__,
                    again_in_seconds=_AGAIN_SECONDS,
                )
            else:
                return
            await asyncio.sleep(_AGAIN_SECONDS)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._task = None
