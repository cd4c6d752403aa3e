# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The emission: how a derived event is put together, so that the same fact has the same id whenever it is derived."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from wazo_busd.codec import encode
from wazo_busd.context import Emit
from wazo_busd.event import ALL_USERS
from wazo_busd.work import Work

Publish = Callable[[str, bytes, Mapping[str, Any]], Awaitable[None]]
"""Publishes on the hub: routing key, body, headers."""


def _now() -> str:
    """Local time without a zone, as every Wazo service sends it."""
    return datetime.now().isoformat()  # noqa: DTZ005


def emitter(publish: Publish) -> Emit:
    """What a context emits with.

    The body holds nothing but the fact, the identity of the event that caused it and an ordinal, so a second derivation
    has the same bytes, and with them the same id. When it was derived is said in a header.

    Args:
        publish: publishes on the hub and returns when that is confirmed.
    """

    async def emit(name: str, data: Any, routing_key: str | None, work: Work | None) -> None:
        body: dict[str, Any] = {'name': name, 'data': data}
        headers: dict[str, Any] = {'name': name, 'timestamp': _now()}
        origin = os.environ.get('XIVO_UUID')
        if work is not None:
            work.emitted += 1
            body['cause'] = work.event.id
            body['ordinal'] = work.emitted
            origin = work.event.origin_uuid or origin
            if work.event.tenant_uuid:
                headers['tenant_uuid'] = work.event.tenant_uuid
            if work.event.headers.get(ALL_USERS) is True:
                headers[ALL_USERS] = True
            headers.update({f'user_uuid:{uuid}': True for uuid in work.event.user_uuids})
        if origin:
            headers['origin_uuid'] = body['origin_uuid'] = origin
        await publish(routing_key or name, encode(body), headers)

    return emit
