# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Texts that are URLs."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from wazo_busd.language.fault import Fault
from wazo_busd.language.values import text_of
from wazo_busd.language.writer import Writer

_HOST = re.compile(r'(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#\\]+[/?#]|/(?![/\\])')
_UNSAFE = re.compile(r'[\x00-\x20\x7f\\]')


class UrlWriter(Writer):
    """A value is percent-encoded: it ends no part of the URL, and it never names the host."""

    def __init__(self) -> None:
        self._before = ''

    def literal(self, text: str) -> str:
        """The text as it is."""
        self._before += text
        return text

    def value(self, value: Any) -> str:
        """The value percent-encoded, `/` included."""
        if not _HOST.match(self._before):
            raise Fault('a value cannot stand before the path of a URL: an event would choose the host')
        encoded = quoted(value)
        self._before += encoded
        return encoded

    def whole(self, text: str) -> str:
        """The URL, if no value has made a step up of its path."""
        if _UNSAFE.search(text):
            raise Fault('a URL has no spaces')
        # Dots cannot be encoded: clients resolve %2e%2e just the same.
        path = re.split(r'[?#]', text, maxsplit=1)[0]
        if any(re.fullmatch(r'(?:\.|%2[eE]){1,2}', step) for step in path.split('/')):
            raise Fault('the path of the URL has a step . or ..')
        return text


def quoted(value: Any) -> str:
    """A value percent-encoded, all but letters, digits and `_.-~`."""
    return quote(text_of(value), safe='', errors='replace')
