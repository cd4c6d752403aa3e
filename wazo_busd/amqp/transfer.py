# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The transfer: what is published for an event on its way from one queue to another."""

from __future__ import annotations

import struct
from typing import Any

from pamqp import encode
from pamqp.commands import Basic

from wazo_busd.amqp import copy
from wazo_busd.amqp.copy import Copy, Original, encodable
from wazo_busd.amqp.frames import KEPT_OF_OVERSIZE, Cut
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.delivery import History
from wazo_busd.errors import Undecodable
from wazo_busd.event import identity

_PERSISTENT = 2
_KEPT = ('content_type', 'content_encoding', 'app_id', 'type')
"""The properties that go along with a copy beside its headers. Others could end it or send it elsewhere."""

_LEADING_ELSEWHERE = ('CC', 'BCC')


def wrapped(cut: Cut, *, handler: str, max_body_size: int) -> Copy:
    """The copy of an event that came from its publisher: whoever consumes it gets the event as if it came so now.

    Args:
        cut: the event, as its queue gave it out.
        handler: whose queue it is.
        max_body_size: how many bytes a body may have; of a longer one no handler gets more than the beginning.
    """
    exchange, routing_key = (part.decode('utf-8', 'backslashreplace') for part in (cut.exchange, cut.routing_key))
    body = cut.body if cut.size <= max_body_size else cut.body[:KEPT_OF_OVERSIZE]
    history = History(event_id=identity(exchange, routing_key, body), attempts=0)
    event = Original(exchange, routing_key, cut.properties, body, cut.size, history)
    made = copy.again(event, handler=handler, number=copy.new_number())
    made.properties.headers = {**(made.properties.headers or {}), copy.MOVED: True}
    return made


def carried(cut: Cut) -> Copy:
    """What is a copy already, or was put among copies by somebody else: body and headers go along as they are.

    Not what RabbitMQ has put there itself, over which it would drop what looks like a cycle, and nothing that would
    send it elsewhere. Headers that cannot be read are left behind.

    Args:
        cut: the copy, as its queue gave it out.
    """
    try:
        decoded = WireProperties(cut.properties).decoded
        headers = {
            name: encodable(value)
            for name, value in decoded.get('headers', {}).items()
            if not name.startswith('x-') and name not in _LEADING_ELSEWHERE
        }
        encode.field_table(headers)
    except (Undecodable, TypeError, ValueError, OverflowError, struct.error):
        return Copy(cut.body, Basic.Properties(delivery_mode=_PERSISTENT))
    kept: dict[str, Any] = {name: decoded[name] for name in _KEPT if name in decoded}
    return Copy(cut.body, Basic.Properties(headers=headers, delivery_mode=_PERSISTENT, **kept))
