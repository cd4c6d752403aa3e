# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fallback: how deliveries come where the tap cannot be put under the library, by its ordinary callback.

aiormq may change, and an operator may rule the tap out with `WAZO_BUSD_TAP=off`. Everything goes on then, at the
library's cost, and with its weakness: it ends the connection over properties that are malformed.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Coroutine
from importlib.metadata import version
from typing import Any

import aiormq.connection
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from wazo_busd.amqp.frames import KEPT_OF_OVERSIZE, Cut, FrameCutter

_NO_PROPERTIES = b'\xff'
"""Nothing that can be decoded, so that the event becomes a dead letter and does not come without its headers."""


def why() -> str:
    """Why the tap is not even tried; `''` where it is."""
    if os.environ.get('WAZO_BUSD_TAP') == 'off':
        return 'WAZO_BUSD_TAP is off'
    if 'transport_factory' not in inspect.signature(aiormq.connection.Connection.__init__).parameters:
        return f'aiormq {version("aiormq")} takes no transport_factory'
    return ''


def callback(cutter: FrameCutter, channel: int) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
    """What the library calls with what was not cut out of the stream.

    Args:
        cutter: knows who takes the deliveries of a channel.
        channel: the number of the channel.
    """

    async def take(message: DeliveredMessage) -> None:
        cutter.take(channel, as_cut(message, cutter.body_limit))

    return take


def as_cut(message: DeliveredMessage, body_limit: int) -> Cut:
    """The delivery that the library has put together.

    Args:
        message: the library's delivery.
        body_limit: bytes of a body that are kept whole.
    """
    method, body = message.delivery, message.body
    if not isinstance(method, Basic.Deliver) or method.delivery_tag is None:
        raise TypeError(f'a delivery is no {type(method).__name__}')
    try:
        message.header.properties.headers = _writable(message.header.properties.headers)
        properties = message.header.properties.marshal()
    except Exception:  # noqa: BLE001 — what the library can read and cannot write spoils one event, not the channel
        properties = _NO_PROPERTIES
    return Cut(
        method.delivery_tag,
        bool(method.redelivered),
        (method.exchange or '').encode(),
        (method.routing_key or '').encode(),
        properties,
        len(body),
        body if len(body) <= body_limit else body[:KEPT_OF_OVERSIZE],
    )


def _writable(value: Any) -> Any:
    """Headers as the library can write them: it reads text that is not UTF-8 as bytes, and writes only byte arrays."""
    if isinstance(value, bytes):
        return bytearray(value)
    if isinstance(value, dict):
        return {name: _writable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_writable(inner) for inner in value]
    return value
