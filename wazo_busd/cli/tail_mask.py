# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The mask of `wazo-busd tail --mask`: telephone numbers and names of people, hidden wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from wazo_busd.language import mask

_PERSONAL = re.compile(
    r'.*(number|num|name|exten|extension|extensions|phone|mobile|fax|email|mail|callerid|clid|ani|dnis|dialed|'
    r'destination|sender|recipient|from|to|text|message|content|caption|login|address|alias)'
)
"""How the names of fields end that have a number, a name or words of a person, without what stands between words."""

_IMPERSONAL = frozenset(
    (
        'eventname', 'servicename', 'queuename', 'applicationname', 'appname', 'contextname', 'forwardname', 'auto',
        'context',
    )
)  # fmt: skip
_PARTS = re.compile(
    r'(?P<kept>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d{4}-\d\d-\d\d[T ][\d:.+-]+|\d{9,10}\.\d+)'
    r'|(?P<number>\+?\d{5,}|(?<=/)\+?\d{2,}(?=@))'
)
"""UUIDs, times and the ids of channels, which are kept; and what can be a number that was dialed."""

_DIGIT = re.compile(r'\d\d')
_IDS = ('uuid', 'id', 'uniqueid', 'linkedid', 'timestamp', 'time', 'date', 'size')


class _Kind(Enum):
    """What a field has, by its name."""

    PERSONAL = 'a number, a name or words of a person'
    ID = 'what stands for something'
    OTHER = 'anything'


def masked(value: Any, field: str = '') -> Any:
    """`value` with numbers and names hidden but for their last two letters; in maps and lists, wherever they are.

    Args:
        value: in JSON's types.
        field: the name of the field whose value it is.
    """
    if isinstance(value, Mapping):
        return {masked_text(str(key)): masked(inner, str(key)) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [masked(inner, field) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    kind = _kind(field)
    if kind is _Kind.PERSONAL and isinstance(value, (str, int)):
        return mask(value)
    return masked_text(value) if kind is _Kind.OTHER and isinstance(value, str) else value


def masked_text(text: str) -> str:
    """`text` with what can be a telephone number in it hidden."""
    if not _DIGIT.search(text):
        return text
    return _PARTS.sub(lambda found: found['kept'] or mask(found['number']), text)


@lru_cache(maxsize=4096)
def _kind(field: str) -> _Kind:
    plain = re.sub(r'[^a-z]', '', field.lower())
    if plain not in _IMPERSONAL and _PERSONAL.fullmatch(plain):
        return _Kind.PERSONAL
    return _Kind.ID if plain.endswith(_IDS) else _Kind.OTHER
