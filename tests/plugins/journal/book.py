# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A journal in one of its formats, and what is in it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from plugins.journal import Journal
from plugins.journal.options import JournalOptions
from tests.unit.rig import make_context
from wazo_busd.api import Event
from wazo_busd.testing import make_event


class Book:
    """A journal.

    Args:
        directory: where its files are, if it has any.
        options: the options that say where it is.
    """

    def __init__(self, directory: Path, **options: Any) -> None:
        self.directory = directory
        self.given = options

    @property
    def options(self) -> JournalOptions:
        return JournalOptions.model_validate(self.given)

    @property
    def path(self) -> Path:
        path = self.options.path
        assert path is not None
        return path

    @asynccontextmanager
    async def opened(self, handler: str = 'calls', **more: Any) -> AsyncIterator[Journal]:
        """The journal as a handler has it, started, and stopped afterwards."""
        options = JournalOptions.model_validate({**self.given, **more})
        journal = Journal(make_context(handler, options=options, state_dir=self.directory))
        await journal.start()
        try:
            yield journal
        finally:
            await journal.stop()

    async def write(self, *events: Event, handler: str = 'calls', **more: Any) -> None:
        """Write events in a run of their own."""
        async with self.opened(handler, **more) as journal:
            await together(journal, events)

    async def records(self, handler: str = 'calls', **selection: Any) -> list[dict[str, Any]]:
        """What is in it."""
        return [record async for record in Journal.read(self.options, handler, self.directory, **selection)]

    async def data(self, handler: str = 'calls') -> list[Any]:
        return [record['data'] for record in await self.records(handler)]


async def together(journal: Journal, events: Sequence[Event]) -> None:
    """Give a journal events that come together."""
    await asyncio.gather(*map(journal.on_event, events))


def event(data: Any = None, **more: Any) -> Event:
    return make_event('call_created', data, routing_key='calls.call.created', **more)


def rows(path: Path, statement: str) -> list[Any]:
    """What a statement finds in a database of SQLite, as a program of somebody else asks."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()
