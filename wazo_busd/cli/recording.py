# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The recording: events of the bus in a file, one JSON object a line, so that they can be played again.

The first line is the head: `recording` is the version of the format, then where, since when, of what, whether masked.
Each other line is an event: `at` (seconds since the head's `since`), `exchange`, `routing_key`, `headers`, `properties`
and `body`. A body that JSON would not give back byte for byte is `body_base64` instead.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from wazo_busd.amqp import Heard, WireProperties
from wazo_busd.cli.tail_line import masked_headers
from wazo_busd.cli.tail_mask import masked, masked_text
from wazo_busd.codec import MOST_LEVELS, deeper_than, encode, plain
from wazo_busd.errors import Undecodable

FORMAT = 1
PACKED = '.gz'

_KEPT = (
    'content_type',
    'content_encoding',
    'delivery_mode',
    'priority',
    'correlation_id',
    'reply_to',
    'type',
    'app_id',
)
"""The properties that say something of an event. Others would end it, or are for its publisher alone."""


class Recording:
    """What is being recorded.

    Args:
        path: the file; compressed if its name ends in `.gz`.
        host: whose bus it is.
        items: which events, as they were asked for.
        mask: whether numbers and names are hidden.

    Raises:
        FileExistsError: there is such a file; it is left as it is.
        OSError: it cannot be made.
    """

    def __init__(self, path: Path, *, host: str, items: tuple[str, ...], began: float, mask: bool) -> None:
        self.path = path
        self.kept = 0
        """How many events are in it."""
        self.skipped: dict[str, int] = {}
        """How many are not, by the reason."""
        self._mask = mask
        self._began = began
        # Whoever is called by telephone is nobody's business.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self._raw = os.fdopen(number, 'wb')
        self._file = (
            cast('IO[bytes]', gzip.GzipFile(fileobj=self._raw, mode='wb')) if path.suffix == PACKED else self._raw
        )
        since = datetime.fromtimestamp(began, UTC).isoformat(timespec='milliseconds')
        head = {'recording': FORMAT, 'host': host, 'since': since, 'events': list(items), 'masked': mask}
        self.write(f'{json.dumps(head)}\n'.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._raw.close()

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self.path.stat().st_size

    def line(self, heard: Heard) -> str | None:
        """An event as a line without its end; `None` if it cannot be kept, which is counted."""
        try:
            told = self._told(heard)
        except _NotKept as reason:
            self.skipped[str(reason)] = self.skipped.get(str(reason), 0) + 1
            return None
        self.kept += 1
        return json.dumps(told)

    def write(self, data: bytes) -> None:
        """Write lines, so that they are in the file whatever becomes of the process.

        Raises:
            OSError: it cannot be written.
        """
        self._file.write(data)
        self._file.flush()
        self._raw.flush()

    def _told(self, heard: Heard) -> dict[str, Any]:
        event = heard.event
        if len(event.body) < heard.size:
            raise _NotKept('longer than bus.max_body_size')
        try:
            properties = WireProperties(heard.properties).decoded
        except Undecodable:
            raise _NotKept('with malformed properties') from None
        headers = properties.get('headers', {})
        kept = {name: properties[name] for name in _KEPT if name in properties}
        told: dict[str, Any] = {
            'at': round(max(0.0, event.received_at - self._began), 6),
            'exchange': event.exchange,
            'routing_key': masked_text(event.routing_key) if self._mask else event.routing_key,
            'headers': _plain(masked_headers(headers) if self._mask else headers),
            'properties': _plain(kept),
        }
        return told | (_masked_body(heard) if self._mask else body_of(event.body))


class _NotKept(Exception):
    """Raised for an event that cannot be recorded. The text says which events these are."""


def body_of(body: bytes) -> dict[str, Any]:
    """A body as a line has it: as JSON if that gives it back byte for byte."""
    try:
        value = json.loads(body)
        # What is nested deeper would not be read again.
        is_deep = isinstance(value, (dict, list)) and deeper_than(value, MOST_LEVELS)
        for key, made in (('body', spaced), ('body_compact', compact)):
            if not is_deep and made(value) == body:
                return {key: value}
    except (ValueError, RecursionError):
        pass
    return {'body_base64': base64.b64encode(body).decode()}


def spaced(value: Any) -> bytes:
    """The JSON of `value` as Wazo's services write it."""
    return json.dumps(value).encode()


def compact(value: Any) -> bytes:
    """The JSON of `value` as this daemon writes it."""
    return encode(value)


def _masked_body(heard: Heard) -> dict[str, Any]:
    if heard.error:
        raise _NotKept('that cannot be read, so that nothing can be hidden in it')
    # The name of the event is nobody's name.
    return {
        'body': {key: value if key == 'name' else masked(value, key) for key, value in heard.event.metadata.items()}
    }


def _plain(value: Mapping[str, Any]) -> Any:
    """A table in JSON's types; what JSON has not becomes text, but for NaN, which Python reads again."""
    return json.loads(json.dumps(dict(value), default=plain))
