# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Texts that are JSON."""

from __future__ import annotations

import json
from typing import Any

from wazo_busd.codec import encode
from wazo_busd.language.fault import Fault
from wazo_busd.language.values import text_of
from wazo_busd.language.writer import Writer


class JsonWriter(Writer):
    """A value inside quotes is a part of that text; one outside of them is itself JSON: a text with its quotes."""

    def __init__(self) -> None:
        self._is_inside = False
        self._is_escaped = False

    def literal(self, text: str) -> str:
        """The text as it is; whether it leaves a text in quotes open is noted."""
        for letter in text:
            if self._is_escaped:
                self._is_escaped = False
            elif letter == '\\':
                self._is_escaped = self._is_inside
            elif letter == '"':
                self._is_inside = not self._is_inside
        return text

    def value(self, value: Any) -> str:
        """The value as JSON, without the quotes where there are some."""
        if self._is_escaped:
            raise Fault('a value cannot stand behind a \\ in JSON')
        return encode(text_of(value)).decode()[1:-1] if self._is_inside else encode(value).decode()

    def whole(self, text: str) -> str:
        """The text, if it is JSON."""
        try:
            json.loads(text, parse_constant=_refuse)
        except ValueError as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else 'a number that JSON has not'
            raise Fault(f'it is not JSON: {reason}') from None
        except RecursionError:
            raise Fault('it is not JSON: nested too deep') from None
        return text


def _refuse(name: str) -> None:
    raise ValueError(name)
