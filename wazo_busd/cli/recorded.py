# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is recorded: events read from a recording, or from the JSON lines of a journal."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from wazo_busd.cli.recording import FORMAT, compact, spaced
from wazo_busd.codec import MOST_LEVELS, deeper_than

_GZIP_HEAD = b'\x1f\x8b'
_GZIP_BITS = zlib.MAX_WBITS | 16
_CHUNK = 65_536
_TEXTS = ('content_type', 'content_encoding', 'correlation_id', 'reply_to', 'type', 'app_id')
_LONGEST = 255
_TOO_DEEP = f'it is nested deeper than {MOST_LEVELS} levels'


class NoRecording(ValueError):
    """Raised for a file that is neither a recording nor a journal. The text says so."""


class Head(NamedTuple):
    """What a recording says of itself.

    Attributes:
        host: whose bus it was; `''` where a journal does not say.
        since: when it began, in local time; `''` where it does not say.
        masked: whether numbers and names are hidden.
        is_journal: whether it is a journal.
    """

    host: str
    since: str
    masked: bool
    is_journal: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event.

    Attributes:
        at: when it came, seconds since the recording began.
        exchange: the exchange it was published on.
        routing_key: its key.
        headers: its headers.
        properties: its other properties, by name.
        body: its body.
        line: the line that it is in, from 1.
    """

    at: float
    exchange: str
    routing_key: str
    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    body: bytes
    line: int = field(default=0, compare=False)

    @property
    def is_derived(self) -> bool:
        """Whether a plugin has made it, and would make it again."""
        return self.routing_key.startswith('busd.')


class Broken(NamedTuple):
    """A line that is no event.

    Attributes:
        line: its number, from 1.
        reason: what is wrong with it.
    """

    line: int
    reason: str


@dataclass(slots=True)
class Survey:
    """What there is in a file.

    Attributes:
        head: what it says of itself.
        events: how many events it has.
        derived: how many of them plugins have made.
        first: when the first came, seconds since it began.
        last: when the last came.
        broken: the lines that are none.
    """

    head: Head
    events: int = 0
    derived: int = 0
    first: float = math.inf
    last: float = 0.0
    broken: list[Broken] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """From the first event to the last."""
        return self.last - self.first if self.events else 0.0


def survey(path: Path) -> Survey:
    """Read a file to its end.

    Raises:
        OSError: it cannot be read.
        NoRecording: it is none.
    """
    lines = read(path)
    head = next(lines)
    if not isinstance(head, Head):
        raise TypeError('a recording begins with its head')
    found = Survey(head)
    for each in lines:
        if isinstance(each, Broken):
            found.broken.append(each)
        elif isinstance(each, Recorded):
            found.events += 1
            found.derived += each.is_derived
            found.first, found.last = min(found.first, each.at), max(found.last, each.at)
    return found


def events(path: Path) -> Iterator[Recorded]:
    """The events of a file.

    Raises:
        OSError: it cannot be read.
        NoRecording: it is none.
    """
    return (each for each in read(path) if isinstance(each, Recorded))


def read(path: Path) -> Iterator[Head | Recorded | Broken]:
    """What a file says: its head, then line by line.

    Raises:
        OSError: it cannot be read.
        NoRecording: it is none.
    """
    number, head, began = 0, None, 0.0
    try:
        for number, line in enumerate(_lines(path), 1):
            if head is None:
                head, began = _head(path, line)
                yield head
                if not head.is_journal:
                    continue
            yield _event(number, line, began if head.is_journal else None)
    except (EOFError, zlib.error):
        if head is None:
            raise NoRecording(f'{path} is cut off before its first line ends') from None
        yield Broken(number + 1, 'the compressed file is cut off here')
    if head is None:
        raise NoRecording(f'{path} is empty')


def _lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, unpacked as far as it goes: gzip's own reader keeps back the end of what is cut off.

    Raises:
        EOFError: the compressed file is cut off.
        zlib.error: it is broken.
    """
    with path.open('rb') as file:
        head = file.read(len(_GZIP_HEAD))
        file.seek(0)
        if head != _GZIP_HEAD:
            yield from file
            return
        unpacking, rest = zlib.decompressobj(_GZIP_BITS), b''
        while chunk := file.read(_CHUNK):
            while chunk:
                *lines, rest = (rest + unpacking.decompress(chunk)).split(b'\n')
                yield from (line + b'\n' for line in lines)
                chunk = unpacking.unused_data
                if chunk:
                    unpacking = zlib.decompressobj(_GZIP_BITS)
        if rest:
            yield rest
        if not unpacking.eof:
            raise EOFError


def _head(path: Path, line: bytes) -> tuple[Head, float]:
    """The head, and when the first event of a journal came, Unix seconds."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and 'recording' in said:
        if said['recording'] != FORMAT:
            raise NoRecording(f'{path} has the format {said["recording"]!r}, and this wazo-busd reads {FORMAT}')
        return Head(str(said.get('host', '')), _local(said.get('since')), said.get('masked') is True), 0.0
    if isinstance(said, dict) and {'received_at', 'routing_key', 'data'} <= said.keys():
        try:
            began = _seconds(said['received_at'])
            return Head('', _local(said['received_at']), masked=False, is_journal=True), began
        except (ValueError, TypeError):
            pass
    raise NoRecording(f'{path} is no recording of wazo-busd, and no journal of JSON lines')


def _event(number: int, line: bytes, journal_began: float | None) -> Recorded | Broken:
    try:
        said = json.loads(line)
    except RecursionError:
        return Broken(number, _TOO_DEEP)
    except ValueError:
        return Broken(number, 'this is no JSON' if line.endswith(b'\n') else 'the file is cut off in this line')
    if not isinstance(said, dict):
        return Broken(number, 'this is no JSON object')
    # A limit of its own: a file is read twice, and how deep Python reads depends on where it is called from.
    if deeper_than(said, MOST_LEVELS + 1):
        return Broken(number, _TOO_DEEP)
    try:
        return replace(_recorded(said) if journal_began is None else _of_journal(said, journal_began), line=number)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return Broken(number, f'it has no {error.args[0]}' if isinstance(error, KeyError) else str(error))


def _recorded(said: Mapping[str, Any]) -> Recorded:
    at = said['at']
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not 0 <= at < math.inf:
        raise ValueError('at is no number of seconds')
    return Recorded(
        float(at),
        _text(said, 'exchange'),
        _text(said, 'routing_key'),
        _map(said, 'headers'),
        _properties(_map(said, 'properties')),
        _body(said),
    )


def _of_journal(said: Mapping[str, Any], began: float) -> Recorded:
    """The event of a record; its body is made as a host of today makes it."""
    headers = dict(_map(said, 'headers'))
    if said.get('name'):
        headers['name'] = _text(said, 'name')
    body = spaced({**headers, 'data': said['data']})
    at = max(0.0, _seconds(said['received_at']) - began)
    properties = {'content_type': 'application/json', 'content_encoding': 'utf-8'}
    return Recorded(at, _text(said, 'exchange'), _text(said, 'routing_key'), headers, properties, body)


def _body(said: Mapping[str, Any]) -> bytes:
    if 'body_base64' in said:
        return base64.b64decode(_text(said, 'body_base64', longest=None), validate=True)
    if 'body_compact' in said:
        return compact(said['body_compact'])
    return spaced(said['body'])


def _properties(said: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: _text(said, name) for name in _TEXTS if name in said}
    priority = said.get('priority')
    if priority is not None:
        if type(priority) is not int or not 0 <= priority <= _LONGEST:
            raise ValueError('priority is no number of 0 to 255')
        found['priority'] = priority
    return found


def _text(said: Mapping[str, Any], key: str, *, longest: int | None = _LONGEST) -> str:
    value = said[key]
    if not isinstance(value, str) or (longest is not None and len(value.encode('utf-8', 'replace')) > longest):
        raise ValueError(f'{key} is no text, or is longer than {_LONGEST} bytes')
    return value


def _map(said: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = said[key]
    if not isinstance(value, dict):
        raise ValueError(f'{key} is no JSON object')  # noqa: TRY004 — it is told with the line
    return value


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _local(text: Any) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime('%Y-%m-%d %H:%M:%S')
    except (ValueError, TypeError, OverflowError):
        return ''
