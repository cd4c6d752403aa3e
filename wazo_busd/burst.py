# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The burst: events of one handler that came within a while, and are handled as one.

On its way through the broker a burst is a body of its own: a JSON object with the number of its events and a record of
each, from an exchange that nobody can publish on, as there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from wazo_busd.codec import Limits, decode, encode
from wazo_busd.errors import Undecodable
from wazo_busd.event import Event

EXCHANGE = 'busd.burst'
"""The exchange that a burst says it comes from."""

_ENVELOPE_DEPTH = 1_000
"""Headers are nested as they came; bodies are texts in here."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Events that are handled as one.

    Attributes:
        count: how many they are.
        events: the events, oldest first. Of a burst that is long the first ones and the last, unless all are kept.
    """

    count: int
    events: tuple[Event, ...]


def gathered(
    burst: Burst,
    *,
    redelivered: bool,
    attempt: int,
    id: str,  # noqa: A002 — the word of the glossary
) -> Event:
    """The last event of a burst, as the one that stands for all of them.

    Args:
        burst: the burst.
        redelivered: whether the broker gave the burst out before.
        attempt: 1-based ordinal of the present try.
        id: the identity of the burst.
    """
    last = burst.events[-1]
    return Event(
        last.name,
        last.data,
        routing_key=last.routing_key,
        exchange=last.exchange,
        headers=last.headers,
        metadata=last.metadata,
        body=last.body,
        received_at=last.received_at,
        redelivered=redelivered,
        attempt=attempt,
        id=id,
        burst=burst,
    )


def record(event: Event) -> bytes:
    """An event as it is kept until its burst is complete, and in it: one line of JSON."""
    return encode(
        {
            'id': event.id,
            'received_at': event.received_at,
            'exchange': event.exchange,
            'routing_key': event.routing_key,
            'headers': event.headers,
            'body': event.body.decode(),
        }
    )


def body_of(count: int, records: Iterable[bytes]) -> bytes:
    """The body of a burst.

    Args:
        count: how many events it has.
        records: the records of those that are kept, oldest first; at least one.
    """
    return b'{"count":%d,"events":[%s]}' % (count, b','.join(records))


def burst_of(
    body: bytes,
    *,
    size: int | None = None,
    redelivered: bool,
    attempt: int,
    id: str,  # noqa: A002 — the word of the glossary
    limits: Limits,
) -> Event:
    """The event that stands for a burst.

    Args:
        body: the body of the burst, or its beginning if it is over the limit.
        size: its true size in bytes, if `body` is only the beginning.
        redelivered: whether the broker gave it out before.
        attempt: 1-based ordinal of the present try.
        id: the identity of the burst.
        limits: what a body may be at most.

    Raises:
        Undecodable: it is no burst; the text says why.
    """
    envelope = decode(
        body,
        size=size,
        headers={},
        routing_key='',
        exchange=EXCHANGE,
        received_at=0.0,
        redelivered=redelivered,
        limits=Limits(limits.size, _ENVELOPE_DEPTH),
    ).metadata
    count, records = envelope.get('count'), envelope.get('events')
    if type(count) is not int or not isinstance(records, list) or not 1 <= len(records) <= count:
        raise Undecodable('the body is no burst: expected the number of its events, and their records')
    events = tuple(_event(each, redelivered, limits) for each in records)
    return gathered(Burst(count, events), redelivered=redelivered, attempt=attempt, id=id)


def _event(found: Any, redelivered: bool, limits: Limits) -> Event:
    if not isinstance(found, Mapping):
        raise Undecodable('the body is no burst: a record is no object')
    texts = [found.get(key) for key in ('id', 'exchange', 'routing_key', 'body')]
    headers, received_at = found.get('headers'), found.get('received_at')
    if not all(isinstance(each, str) for each in texts) or not isinstance(headers, Mapping):
        raise Undecodable('the body is no burst: a record lacks something')
    identity, exchange, routing_key, body = map(str, texts)
    return decode(
        body.encode('utf-8', 'surrogatepass'),
        headers=headers,
        routing_key=routing_key,
        exchange=exchange,
        received_at=float(received_at) if isinstance(received_at, (int, float)) else 0.0,
        redelivered=redelivered,
        id=identity,
        limits=limits,
    )
