# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The inequivalence: in what a queue that is there differs from the one that is asked for, as RabbitMQ says it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wazo_busd.topology import Argument

_REFUSAL = re.compile(r"inequivalent arg '([^']+)'.*received (.+?) but current is (.+)$", re.DOTALL)
_VALUE = re.compile(r"(?:the value )?'(?P<text>.*?)'(?: of type '(?P<type>\w+)')?$", re.DOTALL)
_NONE = 'none'
_TEXTS = ('longstr', 'shortstr')


@dataclass(frozen=True, slots=True)
class Inequivalence:
    """One argument of a queue that is another than was asked for.

    Attributes:
        argument: its name, as in `x-max-length`; `durable` and `auto_delete` are none of a table.
        wanted: what was asked for; `None` for no such argument.
        found: what the queue has; `None` for no such argument.
    """

    argument: str
    wanted: Argument | None
    found: Argument | None

    def __str__(self) -> str:
        return f'{self.argument}: it has {_told(self.found)}, the configuration says {_told(self.wanted)}'


def inequivalence(refusal: str) -> Inequivalence | None:
    """The argument that a refusal names; `None` if it is about something else.

    Args:
        refusal: what RabbitMQ says (406 PRECONDITION_FAILED).
    """
    found = _REFUSAL.search(refusal.strip())
    if found is None:
        return None
    argument, wanted, current = found.groups()
    return Inequivalence(argument, _value(wanted), _value(current))


def _value(text: str) -> Argument | None:
    found = _VALUE.fullmatch(text)
    value, kind = (found['text'], found['type']) if found else (text, None)
    if found is None and value == _NONE:
        return None
    if kind not in _TEXTS:
        if re.fullmatch(r'-?[0-9]{1,18}', value):
            return int(value)
        if value in ('true', 'false'):
            return value == 'true'
    return value


def _told(value: Argument | None) -> str:
    return 'none' if value is None else str(value).lower() if isinstance(value, bool) else str(value)
