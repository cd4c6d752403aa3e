# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The moment of an event: when it happened, as far as that can be believed."""

from __future__ import annotations

from wazo_busd.event import Event

_TOLERANCE_SECONDS = 5.0
_OLDEST_SECONDS = 30 * 86_400.0
"""No event is older that can still be in a queue worth the name; what says so has no clock."""


def happened_at(event: Event, host_uuid: str | None = None) -> float:
    """When an event happened, in Unix seconds.

    What the service says counts, because an event that lay in its queue while this daemon was away arrives late. But a
    service says its local time without a zone, which is right on the same host only. So when it arrived here counts
    instead where the service does not say, the event is of another host, or its time lies in the future or more than 30
    days back.

    In the hour that clocks show twice, that one counts which makes the event younger.

    Args:
        event: the event.
        host_uuid: the UUID of this Wazo host; `None` where that is unknown.
    """
    arrived = event.received_at
    if host_uuid and event.origin_uuid and event.origin_uuid != host_uuid:
        return arrived
    timestamp = event.timestamp
    if timestamp is None:
        return arrived
    try:
        said = [each.timestamp() for each in (timestamp, timestamp.replace(tzinfo=None, fold=1).astimezone())]
    except (ValueError, OverflowError, OSError):
        return arrived
    known = [each for each in said if arrived - _OLDEST_SECONDS <= each <= arrived + _TOLERANCE_SECONDS]
    return min(max(known), arrived) if known else arrived
