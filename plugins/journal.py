# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`journal`: every event as a line of JSON in a file, on disk before it is acknowledged."""

from __future__ import annotations

import asyncio
import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from wazo_busd.api import BaseOptions, Context, Event, encode_json, handler


class Journal:
    """Appends one record a line; many records are written and flushed to disk together.

    A record is whole or not there: what a crash or a full disk cut off is taken away again, and its event, which was
    not acknowledged, comes once more. A file that was renamed or removed, as log rotation does, is made anew.
    """

    concurrency = 256
    """So many events share one write and one flush at most."""

    class Options(BaseOptions):
        """The options of `journal`.

        Attributes:
            path: the file, absolute, as in `/var/log/wazo-busd/calls.jsonl`; `journal.jsonl` in the handler's
                state directory unless said.
            format: how a record is written: `jsonl` is one JSON object a line.
        """

        path: Path | None = None
        format: Literal['jsonl'] = 'jsonl'

        @field_validator('path')
        @classmethod
        def _absolute(cls, value: Path | None) -> Path | None:
            """A relative path would begin wherever the daemon was started."""
            if value is not None and not value.is_absolute():
                error = ValueError('expected an absolute path')
                error.add_note('as in path: /var/log/wazo-busd/calls.jsonl')
                raise error
            return value

    def __init__(self, context: Context) -> None:
        self._name = context.name
        self._log = context.log
        self._path = context.options.path or context.state_dir / 'journal.jsonl'
        self._file = -1
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._committing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the file, so that one that cannot be written is found before any event comes."""
        await asyncio.to_thread(self._open)

    async def stop(self) -> None:
        """Close the file; everything that was acknowledged is on disk already."""
        if self._committing is not None:
            await asyncio.wait([self._committing])
        self._close()

    @handler
    async def on_event(self, event: Event) -> None:
        """Return when the record is on disk.

        Raises:
            OSError: it cannot be written.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._record(event), written))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit(), name=f'{self._name}/commit')
        await written

    def _record(self, event: Event) -> bytes:
        record = {
            'received_at': datetime.fromtimestamp(event.received_at, UTC).isoformat(),
            'name': event.name,
            'exchange': event.exchange,
            'routing_key': event.routing_key,
            'origin_uuid': event.origin_uuid,
            'tenant_uuid': event.tenant_uuid,
            'headers': event.headers,
            'data': event.data,
            'id': event.id,
            'redelivered': event.redelivered,
            'attempt': event.attempt,
            'handler': self._name,
        }
        return encode_json(record) + b'\n'

    async def _commit(self) -> None:
        """Write what waits, all of it at once, until nothing waits: while one batch is flushed, the next gathers."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                error: Exception | None = None
                try:
                    await asyncio.to_thread(self._write, b''.join(record for record, _ in batch))
                except Exception as raised:  # noqa: BLE001 — it is given to those who wait
                    error = raised
                for _, written in batch:
                    if written.done():
                        continue
                    if error is None:
                        written.set_result(None)
                    else:
                        written.set_exception(error)
        finally:
            self._committing = None

    def _write(self, records: bytes) -> None:
        self._follow_rotation()
        size = os.fstat(self._file).st_size
        rest = memoryview(records)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
            os.fsync(self._file)
        except OSError:
            self._take_away(size)
            raise

    def _take_away(self, size: int) -> None:
        try:
            os.ftruncate(self._file, size)
        except OSError:
            # What is torn is cut off when the file is opened again.
            self._close()

    def _follow_rotation(self) -> None:
        try:
            is_same = self._file >= 0 and os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            is_same = False
        if not is_same:
            self._open()

    def _open(self) -> None:
        self._close()
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._close()
            # Two that write would each take the other's unfinished record for a torn one.
            raise OSError(error.errno, 'another handler or process writes this file', str(self._path)) from None
        if os.fstat(self._file).st_size:
            self._cut_torn_record()
        else:
            _flush_directory(self._path.parent)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _cut_torn_record(self) -> None:
        """Take away what a crash left of a record: from after the last line end."""
        size = os.fstat(self._file).st_size
        end = size
        while end:
            start = max(0, end - 65_536)
            found = os.pread(self._file, end - start, start).rfind(b'\n')
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._file, end)
            self._log.warning('torn_record_removed', path=str(self._path), size=size - end)


def _flush_directory(path: Path) -> None:
    """See that a new file is found after a crash: its name is in the directory, which is not flushed with it."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
