# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The summary: what came of the day. The same day has the same one."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wazo_busd.demo.office import OUT_FOR, Office
from wazo_busd.demo.show import START, Show

_TOLD_IN_CHAT = ('busd.fax.failed', 'busd.queue.nobody_logged_in', 'busd.queue.sla_missed', 'busd.voicemail.left')
"""The derived events that chat.yml matches, each of which is a message."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of the day.

    Attributes:
        seed: which day it was.
        until: how late it was when it was over, or was stopped.
        events: how many events the host sent.
        derived: how often each derived event was published, by name.
        records: how many calls the web server has a record of.
        records_twice: how many records came that were there already.
        requests_refused: how many requests the web server refused.
        mails: how many mails are in the outbox.
        chat_messages: how many messages came to the chat room.
        history: how many events the journal has.
        dead_letters: how many dead letters each handler has.
        left_out: the extras without which something was left out.
        mails_due: how many mails were to be sent.
    """

    seed: int
    until: str
    events: int
    derived: Mapping[str, int]
    records: int
    records_twice: int
    requests_refused: int
    mails: int
    chat_messages: int
    history: int
    dead_letters: Mapping[str, int]
    left_out: tuple[str, ...] = ()
    mails_due: int = 0

    @property
    def chat_messages_due(self) -> int:
        """How many messages were to be sent to the chat room."""
        return sum(self.derived.get(name, 0) for name in _TOLD_IN_CHAT)

    @property
    def missing(self) -> tuple[str, ...]:
        """What has not arrived, or which records more than once, in words."""
        calls = self.derived.get('busd.call.record', 0)
        said = [f'{self.records} of {_count(calls, "record")}'] if self.records != calls else []
        if self.records_twice:
            said.append(f'{_count(self.records_twice, "record")} twice')
        for extra, came, due, noun in (
            ('mail', self.mails, self.mails_due, 'mail'),
            ('notify', self.chat_messages, self.chat_messages_due, 'chat message'),
        ):
            if extra not in self.left_out and came < due:
                said.append(f'{came} of {_count(due, noun)}')
        return tuple(said)

    @property
    def is_whole(self) -> bool:
        """Whether everything has arrived, each record once."""
        return not self.missing

    def plain(self) -> dict[str, Any]:
        """It in plain types."""
        due = {'chat_messages_due': self.chat_messages_due}
        return {**asdict(self), **due, 'missing': list(self.missing), 'is_whole': self.is_whole}

    def lines(self) -> Iterator[str]:
        """It for a person."""
        derived = Counter(self.derived)
        yield f'What came of a day at the office, from {START:%H:%M} to {self.until} (seed {self.seed}):'
        yield ''
        yield _line('events', self.events, f'of the host, from which trackers derived {sum(derived.values()):,} more')
        calls = f'of which {derived["busd.call.missed"]} were missed and {derived["busd.call.returned"]} returned'
        yield _line('calls', derived['busd.call.record'], calls)
        gone = f'callers answered in queues; {derived["busd.queue.abandoned"]} gave up'
        yield _line(
            'queues', derived['busd.queue.answered'], f'{gone}, {derived["busd.queue.sla_missed"]} waited for long'
        )
        yield _line('faxes', derived['busd.fax.sent'], f'sent, and {derived["busd.fax.failed"]} failed')
        is_once = self.records == derived['busd.call.record'] and not self.records_twice
        once = 'each once' if is_once else 'NOT all of them once'
        out = f', though it was out for {self.requests_refused} requests' if self.requests_refused == OUT_FOR else ''
        yield _line('crm', self.records, f'{_noun(self.records, "record")} of calls at a web server, {once}{out}')
        mails = f'{_noun(self.mails, "mail")} in the outbox'
        yield _line('mail', self.mails, mails if 'mail' not in self.left_out else _left_out('mail'))
        chat = f'{_noun(self.chat_messages, "message")} in the chat room'
        chat = chat if 'notify' not in self.left_out else _left_out('notify')
        yield _line('chat', self.chat_messages, chat)
        yield _line('history', self.history, f'{_noun(self.history, "event")} in SQLite')
        names = ' and '.join(self.dead_letters)
        why = f': half of an event, kept with the reason by {names}' if names else ''
        dead = sum(self.dead_letters.values())
        yield _line('dead', dead, f'{_noun(dead, "dead letter")}{why}')
        if self.missing:
            yield ''
            yield f'NOT all of it has arrived: {", ".join(self.missing)}.'


def summary_of(seed: int, show: Show, office: Office, database: Path, left_out: tuple[str, ...]) -> Summary:
    """What has come of a day so far.

    Args:
        seed: which day.
        show: what has played it.
        office: what handlers talked to.
        database: that of the journal.
        left_out: the extras that are not installed.
    """
    bus = show.bus
    return Summary(
        seed,
        show.until,
        show.events,
        dict(sorted(bus.derived.items())) if bus is not None else {},
        len(office.records),
        office.twice,
        office.refused,
        office.mails,
        office.chats,
        _rows(database),
        {name: len(letters) for name, letters in sorted(bus.dead_letters.items())} if bus is not None else {},
        left_out,
        bus.mails_due if bus is not None else 0,
    )


def _rows(database: Path) -> int:
    if not database.exists():
        return 0
    with closing(sqlite3.connect(f'file:{database}?mode=ro', uri=True)) as connection:
        (count,) = connection.execute('SELECT count(*) FROM events').fetchone()
    return int(count)


def _line(name: str, number: int, text: str) -> str:
    return f'  {name:<8} {number:>6,} {text}'


def _noun(number: int, noun: str) -> str:
    return noun if number == 1 else f'{noun}s'


def _count(number: int, noun: str) -> str:
    return f'{number:,} {_noun(number, noun)}'


def _left_out(extra: str) -> str:
    return f"left out; pip install 'wazo-busd[{extra}]' brings it"
