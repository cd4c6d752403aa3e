# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The past of `wazo-busd tail --since`: what a journal keeps of it, shown before what comes."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

from wazo_busd.amqp import Heard
from wazo_busd.cli.journal_source import told_of
from wazo_busd.cli.options import plural
from wazo_busd.cli.tail_output import Form, write
from wazo_busd.cli.tail_selection import Selection
from wazo_busd.errors import WazoBusdError
from wazo_busd.event import Event

_SLACK_SECONDS = 5.0
"""So long before the listening began an event can have come to the daemon that is heard, too."""


class NoRecords(WazoBusdError):
    """Raised when a journal cannot be read. The text says what to type next."""


class Past:
    """Events of a journal.

    Args:
        name: the handler whose journal it is.
        records: its records, the oldest first.
    """

    def __init__(self, name: str, records: AsyncIterator[Mapping[str, Any]]) -> None:
        self._name = name
        self._records = records
        self._recent: Counter[str] = Counter()
        """How often each of the last events was shown, which can be heard once more."""
        self._is_stopped = False
        self.shown = 0
        """How many events were shown."""
        self.is_closed = False
        """Whether nobody reads any more."""
        self.error: Exception | None = None
        """What went wrong."""

    @property
    def summary(self) -> str:
        """What there was, in words."""
        return f'{plural(self.shown, "event")} of the journal {self._name}'

    def start(
        self,
        selection: Selection,
        form: Form,
        *,
        listening_since: float,
        most: int | None,
        told: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        """Begin to show them, in a thread of its own: a journal can be large, and a terminal slow.

        Args:
            selection: which of them are meant.
            form: how an event is written.
            listening_since: since when events are heard, Unix seconds.
            most: how many are enough; `None` for all.
            told: called with a sentence for the operator, in that thread.
            ended: called there when it is done.
        """

        def run() -> None:
            try:
                asyncio.run(self._show(selection, form, listening_since, most, told))
            except BrokenPipeError:
                self.is_closed = True
            except Exception as error:  # noqa: BLE001 — it is raised where the command ends
                self.error = error
            finally:
                ended()

        threading.Thread(target=run, name='tail the past', daemon=True).start()

    def stop(self) -> None:
        """Show no more."""
        self._is_stopped = True

    def has_shown(self, event: Event) -> bool:
        """Whether an event that is heard was shown before; each that was shown stands for one."""
        if not self._recent[event.id]:
            return False
        self._recent[event.id] -= 1
        return True

    async def _show(
        self,
        selection: Selection,
        form: Form,
        listening_since: float,
        most: int | None,
        told: Callable[[str], None],
    ) -> None:
        day = datetime.now().astimezone().date()
        async for heard in self._read():
            if self._is_stopped or (most is not None and self.shown >= most):
                return
            if selection.hides(heard.event) or not selection.has(heard):
                continue
            came = datetime.fromtimestamp(heard.event.received_at).astimezone().date()
            if came != day:
                # A line has the time alone.
                day = came
                told(f'of {day}:')
            line = form(heard)
            if line is not None:
                write(f'{line}\n'.encode())
            self.shown += 1
            if heard.event.received_at >= listening_since - _SLACK_SECONDS:
                self._recent[heard.event.id] += 1

    async def _read(self) -> AsyncIterator[Heard]:
        """Its events.

        Raises:
            NoRecords: they cannot be read.
        """
        try:
            async for record in self._records:
                yield _heard(record)
        except (OSError, ValueError) as error:
            raise NoRecords('{}. next: {}'.format(*told_of(error))) from error


def _heard(record: Mapping[str, Any]) -> Heard:
    """The event of a record, as if it were heard.

    Raises:
        ValueError: it is none.
    """
    try:
        headers = dict(record['headers'])
        event = Event(
            str(record['name']),
            record['data'],
            str(record['routing_key']),
            str(record['exchange']),
            headers,
            {**headers, 'data': record['data']},
            received_at=datetime.fromisoformat(record['received_at']).timestamp(),
            id=str(record['id']),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'there is something in the journal that is no record: {error}') from error
    return Heard(event, '', 0)
