# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The variables: what an expression or a text can name of an event, read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from wazo_busd.event import FIELDS, Event

VARIABLES = (*FIELDS, 'user_uuids', 'timestamp', 'id', 'attempt')
"""The fields of an event that a condition or a text can begin with."""

NAMES = 'names'
"""The map of names, beside them."""

BURST = 'burst'
"""The events that are handled as one; texts know it too."""


def _timestamp(event: Event) -> str | None:
    return None if event.timestamp is None else event.timestamp.isoformat()


_READERS: dict[str, Callable[[Event], Any]] = {name: attrgetter(name) for name in VARIABLES} | {'timestamp': _timestamp}


def variable(event: Event, name: str, otherwise: Any = None) -> Any:
    """One of `VARIABLES` of an event; `otherwise` if the event has none, or none is called so."""
    reader = _READERS.get(name)
    value = None if reader is None else reader(event)
    return otherwise if value is None else value


class Fields(Mapping[str, Any]):
    """An event as a map of its fields, each read when it is asked for.

    Args:
        event: the event.
    """

    __slots__ = ('_event',)

    def __init__(self, event: Event) -> None:
        self._event = event

    def __getitem__(self, name: str) -> Any:
        value = variable(self._event, name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in VARIABLES if variable(self._event, name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def burst_fields(event: Event) -> dict[str, Any]:
    """What texts know of the burst that an event stands for; one that is alone is a burst of one."""
    burst = event.burst
    events = [Fields(each) for each in burst.events] if burst is not None else [Fields(event)]
    count = burst.count if burst is not None else 1
    return {'count': count, 'first': events[0], 'last': events[-1], 'events': events}


class Variables:
    """All that an expression or a text can name.

    Args:
        event: the event.
        names: what people call things.
        more: further variables; they go before those of the event.
    """

    __slots__ = ('_event', '_more', '_names')

    def __init__(self, event: Event, names: Mapping[str, str], more: Mapping[str, Any]) -> None:
        self._event = event
        self._names = names
        self._more = more

    def get(self, name: str, otherwise: Any = None) -> Any:
        """A variable; `otherwise` where there is none."""
        if name in self._more:
            return self._more[name]
        if name == BURST:
            return burst_fields(self._event)
        return self._names if name == NAMES else variable(self._event, name, otherwise)
