# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What is said: values of events, made harmless and short enough to be kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from wazo_busd.api import Event, escape

LONGEST = 200
"""So many letters of a text are kept."""

_UUID = re.compile(r'[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}')
_LARGEST = 10**15


def data_of(event: Event) -> Mapping[str, Any]:
    """The data of an event; none where they are no map."""
    data = event.data
    return data if isinstance(data, Mapping) else {}


def text(value: Any, longest: int = LONGEST) -> str:
    """A text in printable letters.

    Args:
        value: what an event says; a number becomes a text.
        longest: how many letters it has at most.

    Returns:
        The text; `''` for what is none, and for Python's `None` printed by a publisher (Wazo fact).
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    if not isinstance(value, str) or value == 'None':
        return ''
    return escape(value[:longest])[:longest]


def uuid(value: Any) -> str | None:
    """A UUID; `None` for what is none. Only what is one can stand in the name of a header, which is short."""
    return value if isinstance(value, str) and _UUID.fullmatch(value) else None
