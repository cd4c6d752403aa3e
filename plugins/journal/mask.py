# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The mask: hides the digits of some fields before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_DIGIT = re.compile(r'\d')
_HIDDEN = '•'
_SHOWN = 2
_LEAST_TO_SHOW = 6
"""Of a number that is shorter nothing is shown: the last two digits of an extension say nearly all."""


class Mask:
    """Hides the digits of the fields that it is made with.

    Args:
        fields: dotted fields that begin with `data` or `headers`. A number in one goes into a list; any other part
            that meets a list goes into all that is in it. What is hidden is everything at the field and below.
    """

    def __init__(self, fields: Iterable[str]) -> None:
        self._paths = [field.split('.') for field in fields]

    def hide(self, record: Mapping[str, Any]) -> Mapping[str, Any]:
        """The record, without those digits. The one that is given stays as it is."""
        for path in self._paths:
            record = _within(record, path)
        return record


def masked(text: str) -> str:
    """`text` without its digits: all but the last two, or all of them if there are fewer than six."""
    count = len(_DIGIT.findall(text))
    hidden = count - _SHOWN if count >= _LEAST_TO_SHOW else count
    return _DIGIT.sub(_HIDDEN, text, count=hidden) if hidden else text


def _within(value: Any, path: list[str]) -> Any:
    if not path:
        return _hidden(value)
    if isinstance(value, Mapping):
        key = path[0]
        return {**value, key: _within(value[key], path[1:])} if key in value else value
    if isinstance(value, (list, tuple)):
        if not path[0].isdecimal():
            return [_within(each, path) for each in value]
        return [_within(each, path[1:]) if place == int(path[0]) else each for place, each in enumerate(value)]
    return value


def _hidden(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Mapping):
        return {key: _hidden(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_hidden(each) for each in value]
    if isinstance(value, (bytes, bytearray)):
        return masked(bytes(value).decode('utf-8', 'backslashreplace'))
    return masked(str(value))
