# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin: every event is kept, and acknowledged when it is on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from wazo_busd.api import Context, Event, Preview, handler

from . import lines, reading, sqlite
from .clerk import Clerk
from .entry import Entry
from .lines import LineStore
from .mask import Mask
from .options import JournalOptions
from .record import record_of
from .selection import Selection
from .sqlite import SqliteStore
from .store import Store


class Journal:
    """Keeps a record of each event; many records are put on disk together.

    A record is whole or not there: what a crash or a full disk cut off is taken away again, and its event, which was
    not acknowledged, comes once more.
    """

    concurrency = 256
    """So many events share one commit at most."""

    Options = JournalOptions

    def __init__(self, context: Context) -> None:
        self._name = context.name
        self._format = context.options.format
        self._mask = Mask(context.options.mask) if context.options.mask else None
        self._store = _store(context)
        self._clerk = Clerk(context.name, self._store, context.log)

    async def start(self) -> None:
        """Open the store, so that one that cannot be written is found before any event comes."""
        await self._clerk.open()

    async def stop(self) -> None:
        """Close the store; everything that was acknowledged is on disk already."""
        await self._clerk.close()

    @handler
    async def on_event(self, event: Event) -> None:
        """Return when the record is on disk.

        Raises:
            wazo_busd.api.Retry: it cannot be written now.
        """
        await self._clerk.write(Entry.of(event, self._store.form(self._record(event))))

    def preview(self, event: Event) -> Preview:
        """The record that would be kept of an event."""
        return {'format': self._format, 'record': self._record(event)}

    def _record(self, event: Event) -> Mapping[str, Any]:
        record = record_of(event, self._name)
        return record if self._mask is None else self._mask.hide(record)

    @staticmethod
    async def read(
        options: JournalOptions,
        handler: str,
        state_dir: Path,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        name: str | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The records of a handler's journal, the oldest first.

        Args:
            options: the handler's options.
            handler: its name.
            state_dir: its state directory.
            since: only those of events that came then or later.
            until: only those of events that came before.
            name: only those of events that are called so.

        Raises:
            OSError: it cannot be read.
            ValueError: there is something in it that is no record.
        """
        selection = Selection(since, until, name)
        if options.format == 'postgresql':
            from . import postgresql_reading

            async for record in postgresql_reading.read(_url(options), handler, selection):
                yield record
            return
        path = options.path or state_dir / _default_name(options)
        read = reading.read_journal if options.format == 'jsonl' else reading.read_file
        for record in read(path, selection):
            yield record

    @staticmethod
    async def read_file(
        source: Path | IO[bytes],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        name: str | None = None,
    ) -> AsyncIterator[dict[str, Any]]:
        """The records of one file, whichever format it has; see `read`.

        Args:
            source: the file, or JSON lines that come from somewhere.
            since: see `read`.
            until: see `read`.
            name: see `read`.
        """
        selection = Selection(since, until, name)
        for record in (
            reading.read_file(source, selection)
            if isinstance(source, Path)
            else reading.read_lines(source, 'standard input', selection)
        ):
            yield record


def _store(context: Context) -> Store:
    options: JournalOptions = context.options
    if options.format == 'postgresql':
        # asyncpg is not installed with wazo-busd, but only where it is asked for.
        from .postgresql import PostgresqlStore

        return PostgresqlStore(_url(options), context.name, options.keep)
    # The state directory is made when it is asked for.
    path = options.path or context.state_dir / _default_name(options)
    if options.format == 'sqlite':
        return SqliteStore(path, context.name, options.keep)
    return LineStore(path, options, context.log)


def _default_name(options: JournalOptions) -> str:
    return lines.DEFAULT_NAME if options.format == 'jsonl' else sqlite.DEFAULT_NAME


def _url(options: JournalOptions) -> str:
    return options.url.get_secret_value() if options.url is not None else ''
