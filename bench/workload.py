# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The workload: events as hosts of today send them, encoded once and changed in place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from bench.wire import publish_frames
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example, publication
from wazo_busd.codec import encode

EXCHANGE = 'wazo-headers'
"""Where services of today publish."""

STAMP_FIELD = 'SentAt'
"""The key of `data` that says when the event was published."""

_NO_STAMP = '0000000000.000000'
_NO_LINE = '1700000000.999999'
_LINE_FIELDS = ('Uniqueid', 'Linkedid', 'call_id')
_AMI = (
    'Newchannel', 'Newchannel', 'Newstate', 'NewCallerid', 'NewConnectedLine', 'DialBegin', 'Newstate', 'Newstate',
    'NewConnectedLine', 'DialEnd', 'BridgeEnter', 'BridgeEnter', 'MusicOnHoldStart', 'MusicOnHoldStop', 'BridgeLeave',
    'BridgeLeave', 'HangupRequest', 'Hangup', 'Hangup',
)  # fmt: skip
"""What Asterisk announces of one answered call, without what today's hosts leave out."""

_CALLS = ('call_held', 'call_resumed', 'call_dtmf_created', 'recording_started', 'recording_stopped')
"""What wazo-calld announces of a call in about 400 bytes; a whole call in a `call_updated` is twice that."""


class Template:
    """The frames that publish one event, in which two things are changed for each publication.

    Args:
        frames: the frames, with a stamp and a line that say nothing yet.
        size: the bytes of the event's body.
    """

    def __init__(self, frames: bytes, size: int) -> None:
        self.size = size
        self._frames = bytearray(frames)
        self._stamp = frames.index(_NO_STAMP.encode())
        self._lines = [found.start() for found in re.finditer(re.escape(_NO_LINE.encode()), frames)]

    def frames(self, line: int, stamp: bytes = b'') -> bytes:
        """The frames of one publication.

        Args:
            line: the number of the call it belongs to, below a million.
            stamp: when it is published, Unix seconds in 17 characters.
        """
        text = b'1700000000.%06d' % line
        for start in self._lines:
            self._frames[start : start + len(text)] = text
        if stamp:
            self._frames[self._stamp : self._stamp + len(stamp)] = stamp
        return bytes(self._frames)


@dataclass(frozen=True, slots=True)
class Workload:
    """Events that are published in turn.

    Attributes:
        name: what it is called.
        order_by: the field that says which call an event belongs to.
        templates: the events.
    """

    name: str
    order_by: str
    templates: tuple[Template, ...]

    @property
    def mean_size(self) -> int:
        """The bytes of a body, on average."""
        return round(sum(each.size for each in self.templates) / len(self.templates))


@cache
def workload(name: str) -> Workload:
    """A workload by its name.

    Args:
        name: `ami`, `calls`, or a number of bytes, for AMI events that have about as many.

    Raises:
        ValueError: there is none of that name.
    """
    if name == 'ami':
        return Workload(name, 'data.Linkedid', tuple(_template(each) for each in _AMI))
    if name == 'calls':
        return Workload(name, 'data.call_id', tuple(_template(each) for each in _CALLS))
    return Workload(name, 'data.Linkedid', (_template('Newchannel', int(name)),))


def _template(name: str, size: int = 0) -> Template:
    entry = catalogue.find(name)
    if entry is None:
        raise ValueError(f'the catalogue has no event {name!r}; next: wazo-busd events')
    data = {STAMP_FIELD: _NO_STAMP, **example(entry)}
    data |= {field: _NO_LINE for field in _LINE_FIELDS if field in data}
    said = publication(entry, data)
    missing = size - len(encode(said.body))
    if missing > 0:
        said.body['data']['AppData'] = 'x' * missing
    content = encode(said.body)
    return Template(publish_frames(EXCHANGE, said.routing_key, said.headers, content), len(content))
