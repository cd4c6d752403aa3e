# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Events for tests, as a Wazo host sends them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from wazo_busd import catalogue
from wazo_busd.catalogue.publication import publication
from wazo_busd.codec import encode
from wazo_busd.event import Event


def make_event(
    name: str,
    data: Any = None,
    *,
    routing_key: str | None = None,
    exchange: str = 'wazo-headers',
    headers: Mapping[str, Any] | None = None,
    redelivered: bool = False,
    attempt: int = 1,
) -> Event:
    """An event as a Wazo host sends it.

    An event that the catalogue knows has the routing key and the headers that a host of today sends with such data:
    access, tenant, users, time. Those that are given go before; with a `routing_key` there are no others.

    Args:
        name: its name.
        data: what it says.
        routing_key: the key it was published with; if `None`, that of the catalogue, or its name if the catalogue does
            not know it.
        exchange: the exchange it was published on.
        headers: headers beside `name`, such as `tenant_uuid`.
        redelivered: whether the broker gave it out before.
        attempt: 1-based ordinal of the present try.
    """
    own = {'name': name, **(headers or {})}
    entry = catalogue.find(name) if routing_key is None else None
    if entry is not None and entry.routing_keys:
        made = publication(
            entry,
            data if isinstance(data, Mapping) else {},
            name=name,
            users=Event(name, headers=own).user_uuids or None,
            tenant=Event(name, data, headers=own).tenant_uuid,
            more=own,
        )
        own, routing_key = {**made.headers, **own}, made.routing_key
    content = {**own, 'data': data}
    return Event(
        name,
        data,
        routing_key=name if routing_key is None else routing_key,
        exchange=exchange,
        headers=own,
        metadata=content,
        body=encode(content),
        received_at=time.time(),
        redelivered=redelivered,
        attempt=attempt,
    )


def with_body(event: Event) -> Event:
    """The event, as it would come over the bus if it was made of a name, data and headers only.

    Args:
        event: the event.
    """
    if event.body:
        return event
    headers = {**event.headers, 'name': event.name}
    content = {**event.metadata, **headers, 'data': event.data}
    return Event(
        event.name,
        event.data,
        routing_key=event.routing_key,
        exchange=event.exchange,
        headers=headers,
        metadata=content,
        body=encode(content),
        received_at=event.received_at,
        redelivered=event.redelivered,
        attempt=event.attempt,
    )
