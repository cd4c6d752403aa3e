# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Which dead letters a command is about, and how they are shown."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import click

from wazo_busd.amqp import DeadLetter
from wazo_busd.config import parse_duration
from wazo_busd.redaction import Redaction

_ID_LENGTH = 12
_UNKNOWN_TIME = 'an unknown time'


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters are meant. What is not given leaves none out.

    Attributes:
        handler: those of this handler.
        error: those of this class of error.
        ids: those whose id begins with one of these.
        before: those that died before this time, in Unix seconds.
        older: how long ago that is, as it was asked for.
        numbers: exactly these.
    """

    handler: str | None = None
    error: str | None = None
    ids: tuple[str, ...] = ()
    before: float | None = None
    older: str = ''
    numbers: frozenset[tuple[str, str]] | None = None

    @classmethod
    def of(cls, letters: Sequence[DeadLetter]) -> Selection:
        """Exactly those letters that were shown to a person, and none that came since."""
        return cls(numbers=frozenset((letter.number, letter.event_id) for letter in letters))

    @property
    def size(self) -> int:
        """How many there are, where it is known."""
        return len(self.numbers or ())

    def older_than(self, age: str | None) -> Selection:
        """The same, but only those that died longer ago.

        Args:
            age: how long, as in `7d`; `None` changes nothing.

        Raises:
            click.UsageError: it is no duration.
        """
        if age is None:
            return self
        try:
            return replace(self, before=time.time() - parse_duration(age), older=age)
        except ValueError as error:
            raise click.UsageError(f'--older {age}: {error}') from None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether a letter is one of them."""
        if self.numbers is not None:
            return (letter.number, letter.event_id) in self.numbers
        return (
            self.handler in (None, letter.handler)
            and self.error in (None, letter.error)
            and (not self.ids or letter.event_id.startswith(self.ids))
            and (self.before is None or letter.last_at < self.before)
        )

    def words(self) -> str:
        """What is asked for, to be put behind `no dead letters`."""
        parts = [f'of the handler {self.handler}'] if self.handler else []
        parts += [f'with the error {self.error}'] if self.error else []
        parts += [f'with an id that begins with {" or ".join(self.ids)}'] if self.ids else []
        parts += [f'older than {self.older}'] if self.older else []
        return ''.join(f' {part}' for part in parts)


def line_of(group: Sequence[DeadLetter]) -> str:
    """A group of letters of one handler and one error, in one line."""
    last = max(group, key=lambda letter: letter.last_at)
    text = last.text.partition('\n')[0][:100]
    names = ', '.join(sorted({letter.event_name for letter in group})[:3])
    told = f'{last.error}: {text}' if text else last.error
    where = f'{names}; last {_when(last.last_at)}, {last.event_id[:_ID_LENGTH]}'
    return f'{len(group):>6}  {last.handler:<20} {told}: {where}'


def in_full(letter: DeadLetter) -> Iterator[str]:
    """A letter, line by line."""
    original, history = letter.original, letter.original.history
    yield f'id             {letter.event_id}'
    yield f'handler        {letter.handler}'
    yield f'plugin         {letter.plugin} {letter.plugin_version}'
    yield f'error          {letter.error}: {letter.text}'
    yield f'tries          {history.attempts}, from {_when(history.first_at)} to {_when(letter.last_at)}'
    yield f'exchange       {original.exchange}'
    yield f'routing key    {original.routing_key}'
    for name, value in letter.properties.items():
        if name == 'headers':
            for header, content in value.items():
                yield f'header         {header}: {content}'
        else:
            yield f'{name:<14} {value}'
    if letter.traceback:
        yield 'traceback'
        yield from (f'    {line}' for line in letter.traceback.splitlines())
    kept = '' if letter.is_whole else f', of which the first {len(original.body)} were kept'
    yield f'body           {original.size} bytes{kept}'
    yield from _body_lines(original.body)


def plain(letter: DeadLetter, *, body: bool = False) -> dict[str, Any]:
    """A letter in plain types, for programs.

    Args:
        letter: the letter.
        body: whether to give what the event says, too.
    """
    original, history = letter.original, letter.original.history
    told: dict[str, Any] = {
        'id': letter.event_id,
        'handler': letter.handler,
        'plugin': letter.plugin,
        'plugin_version': letter.plugin_version,
        'error': letter.error,
        'text': letter.text,
        'traceback': letter.traceback,
        'attempts': history.attempts,
        'first_at': history.first_at,
        'last_at': letter.last_at,
        'event_name': letter.event_name,
        'exchange': original.exchange,
        'routing_key': original.routing_key,
        'size': original.size,
        'kept': len(original.body),
    }
    if body:
        told['properties'] = json.loads(json.dumps(dict(letter.properties), default=str))
        told['body'] = original.body.decode('utf-8', 'backslashreplace')
    return told


def without_secrets(letter: DeadLetter, redaction: Redaction) -> DeadLetter:
    """A letter whose error says no secret of the configuration, whatever a plugin or a server has put into it."""
    text, trace = redaction.concealed(letter.text), redaction.concealed(letter.traceback)
    return replace(letter, text=text, traceback=trace)


def without_numbers(letter: DeadLetter, redaction: Redaction) -> DeadLetter:
    """A letter whose error says neither a secret nor a whole telephone number."""
    text, trace = redaction.redacted(letter.text), redaction.redacted(letter.traceback)
    return replace(letter, text=text, traceback=trace)


def _body_lines(body: bytes) -> Iterator[str]:
    try:
        yield from json.dumps(json.loads(body), indent=2, ensure_ascii=False).splitlines()
    except (ValueError, RecursionError):
        yield body[:4096].decode('utf-8', 'backslashreplace')


def _when(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).astimezone().strftime('%Y-%m-%d %H:%M:%S') if seconds else _UNKNOWN_TIME
    except (ValueError, OverflowError, OSError):
        # Past the year 9999: somebody else has written it.
        return _UNKNOWN_TIME
