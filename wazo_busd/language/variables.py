# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The variables: what an expression or a text can name of an event, read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wazo_busd.event import FIELDS, Event

VARIABLES = (*FIELDS, 'user_uuids', 'timestamp', 'id', 'attempt')
"""The fields of an event that a condition or a text can begin with."""

NAMES = 'names'
"""The map of names, beside them."""


def _timestamp(event: Event) -> str | None:
    return None if event.timestamp is None else event.timestamp.isoformat()


def _attribute(name: str) -> Callable[[Event], Any]:
    return lambda event: getattr(event, name)


_READERS: dict[str, Callable[[Event], Any]] = {name: _attribute(name) for name in VARIABLES} | {'timestamp': _timestamp}


def variable(event: Event, name: str, otherwise: Any = None) -> Any:
    """One of `VARIABLES` of an event; `otherwise` if the event has none, or none is called so."""
    reader = _READERS.get(name)
    value = None if reader is None else reader(event)
    return otherwise if value is None else value


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
        return self._names if name == NAMES else variable(self._event, name, otherwise)
