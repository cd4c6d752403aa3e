# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The emission: how a derived event is put together, so that the same fact has the same id whenever it is derived."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from wazo_busd.codec import encode
from wazo_busd.context import Emit
from wazo_busd.event import ALL_USERS, Event
from wazo_busd.fact import Fact
from wazo_busd.work import Work

_LONGEST = 128
_MOST = 200

Publish = Callable[[str, bytes, Mapping[str, Any]], Awaitable[None]]
"""Publishes on the hub: routing key, body, headers."""


def _now() -> str:
    """Local time without a zone, as every Wazo service sends it."""
    return datetime.now().isoformat()  # noqa: DTZ005


def emitter(publish: Publish) -> Emit:
    """What a context emits with.

    The body holds nothing but the data, and the identity of the event that caused it with an ordinal, or what the fact
    is known by; so a second derivation has the same bytes, and with them the same id. When it was derived is said in a
    header.

    Args:
        publish: publishes on the hub and returns when that is confirmed.
    """

    async def emit(name: str, data: Any, routing_key: str | None, cause: Work | Fact | None) -> None:
        body: dict[str, Any] = {'name': name, 'data': data}
        headers: dict[str, Any] = {'name': name, 'timestamp': _now()}
        origin = os.environ.get('XIVO_UUID')
        about: Event | Fact | None = None
        if isinstance(cause, Work):
            about = cause.event
            cause.emitted += 1
            body['cause'] = about.id
            body['ordinal'] = cause.emitted
            if about.headers.get(ALL_USERS) is True:
                headers[ALL_USERS] = True
        elif cause is not None:
            about = cause
            body['fact'] = cause.key
        if about is not None:
            origin = next(_carried([about.origin_uuid]), origin)
            for tenant in _carried([about.tenant_uuid]):
                headers['tenant_uuid'] = tenant
            headers.update({f'user_uuid:{uuid}': True for uuid in _carried(about.user_uuids)})
        if origin:
            headers['origin_uuid'] = body['origin_uuid'] = origin
        await publish(routing_key or name, encode(body), headers)

    return emit


def _carried(identifiers: Iterable[str | None]) -> Iterator[str]:
    """Those that fit into headers, whatever somebody has sent as one: all headers share a frame (AMQP 4.2.6)."""
    return islice((each for each in identifiers if each and _is_short_text(each)), _MOST)


def _is_short_text(text: str) -> bool:
    try:
        return len(text.encode()) <= _LONGEST
    except UnicodeEncodeError:
        # Half of a character, which JSON can hold and AMQP cannot.
        return False
