# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The excerpt: an event as messages tell of it, without texts that no chat room shows.

Services refuse them, so that a caller with an endless name would never be told of, and apprise takes minutes over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wazo_busd.api import Burst, Event

TITLE_LETTERS = 100
"""So many letters of a text are in a title."""

TEXT_LETTERS = 500
"""So many are in the text of a message."""

_LOOKS_LIKE_AT = '\uff20'


def excerpt(event: Event, letters: int, *, without_at: bool = False) -> Event:
    """An event whose texts are cut.

    Args:
        event: the event.
        letters: how many letters of each text are kept.
        without_at: whether a sign that looks alike stands for `@`: where HTML is read, nothing else keeps `@room` from
            calling a whole room.
    """

    def cut(value: Any) -> Any:
        if isinstance(value, str):
            kept = value if len(value) <= letters else f'{value[: letters - 1]}…'
            return kept.replace('@', _LOOKS_LIKE_AT) if without_at else kept
        if isinstance(value, Mapping):
            return {key: cut(each) for key, each in value.items()}
        return [cut(each) for each in value] if isinstance(value, (list, tuple)) else value

    burst = event.burst
    if burst is not None:
        burst = Burst(burst.count, tuple(excerpt(each, letters, without_at=without_at) for each in burst.events))
    return Event(
        event.name,
        cut(event.data),
        routing_key=event.routing_key,
        exchange=event.exchange,
        headers=cut(event.headers),
        metadata=cut(event.metadata),
        body=event.body,
        received_at=event.received_at,
        redelivered=event.redelivered,
        attempt=event.attempt,
        id=event.id,
        burst=burst,
    )
