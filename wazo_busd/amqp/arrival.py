# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The arrival: from what was cut out of the stream to a delivery."""

from __future__ import annotations

from typing import Final

import structlog

from wazo_busd.amqp.copy import MOVED, NUMBER, NoCopy, Original, original
from wazo_busd.amqp.frames import KEPT_OF_OVERSIZE, Cut
from wazo_busd.amqp.properties import WireProperties
from wazo_busd.delivery import Acknowledger, Delivery
from wazo_busd.errors import Undecodable

log = structlog.stdlib.get_logger(__name__)


def first_hand(cut: Cut, acknowledger: Acknowledger, now: float, max_body_size: int) -> Delivery:
    """The delivery of an event as its publisher sent it.

    Args:
        cut: what was cut out of the stream.
        acknowledger: who settles it.
        now: the time, in Unix seconds.
        max_body_size: how many bytes a body may have. The cutter leaves more of it, for copies bring more with them.
    """
    tag, redelivered, exchange, routing_key, properties, size, body = cut
    if size > max_body_size:
        body = body[:KEPT_OF_OVERSIZE]
    # By position, for a class called with keywords takes twice as long.
    return Delivery(
        tag,
        body,
        _known.get(exchange) or _text(exchange),
        _known.get(routing_key) or _text(routing_key),
        WireProperties(properties),
        redelivered,
        now,
        acknowledger,
        size,
    )


def returned(cut: Cut, acknowledger: Acknowledger, now: float, max_body_size: int) -> tuple[Delivery, object]:
    """The delivery of what came from the exchange for returns: of the event that it is a copy of.

    Args:
        cut: what was cut out of the stream.
        acknowledger: who settles it.
        now: the time, in Unix seconds.
        max_body_size: how many bytes the body of an event may have.

    Returns:
        The delivery, and the number of the copy. What somebody else has published there is delivered as it came, and
        has no number.
    """
    properties = WireProperties(cut.properties)
    try:
        made_of = original(cut.body, properties.headers)
    except (NoCopy, Undecodable) as error:
        log.warning('no_copy_returned', routing_key=repr(cut.routing_key), error=str(error))
        return first_hand(cut, acknowledger, now, max_body_size), None
    is_first = properties.headers.get(MOVED) is True and not made_of.history.attempts
    return _of_copy(cut, made_of, acknowledger, now, is_first=is_first), properties.headers.get(NUMBER)


def _of_copy(cut: Cut, made_of: Original, acknowledger: Acknowledger, now: float, *, is_first: bool) -> Delivery:
    """The event that a copy was made of, as if it came the way it came at first."""
    return Delivery(
        cut.tag,
        body=made_of.body,
        size=made_of.size,
        exchange=made_of.exchange,
        routing_key=made_of.routing_key,
        properties=WireProperties(made_of.raw_properties),
        redelivered=cut.redelivered,
        received_at=now,
        acknowledger=acknowledger,
        history=None if is_first else made_of.history,
    )


def _text(name: bytes) -> str:
    """The text of an exchange's name or a routing key. Most are among a few, and are decoded once."""
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    text = _known[name] = name.decode('utf-8', 'backslashreplace')
    return text


_known: Final[dict[bytes, str]] = {}
_MOST_KNOWN: Final = 4096
