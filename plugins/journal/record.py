# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The record: what a journal keeps of one event."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from wazo_busd.api import Event

KEYS = (
    'received_at',
    'name',
    'exchange',
    'routing_key',
    'origin_uuid',
    'tenant_uuid',
    'headers',
    'data',
    'id',
    'redelivered',
    'attempt',
    'handler',
)
"""The keys of a record, in their order, in whatever format it is kept."""


def record_of(event: Event, handler: str) -> dict[str, Any]:
    """The record of an event.

    Args:
        event: the event.
        handler: the name of the handler that it came to.
    """
    return {
        'received_at': moment(event.received_at),
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
        'handler': handler,
    }


def moment(seconds: float) -> str:
    """A time in ISO 8601, in UTC, always of the same length, so that texts have the order of times.

    Args:
        seconds: the time, in Unix seconds.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec='microseconds')


def seconds(text: str) -> float:
    """The Unix seconds of a time as a record has it.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text).timestamp()
