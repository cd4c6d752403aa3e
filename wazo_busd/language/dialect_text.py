# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Texts for chat services whose marks nothing escapes, such as WhatsApp."""

from __future__ import annotations

import re
from typing import Any

from wazo_busd.language.markdown_text import is_in_link
from wazo_busd.language.url_text import quoted
from wazo_busd.language.values import text_of
from wazo_busd.language.writer import Writer
from wazo_busd.text import legible

_LOOK_ALIKE = str.maketrans(
    {
        '*': '\u2217',
        '_': '\uff3f',
        '~': '\u223c',
        '`': "'",
        '<': '\u2039',
        '>': '\u203a',
        '&': '\uff06',
        '[': '\uff3b',
        ']': '\uff3d',
        '\\': '\uff3c',
    }
)
"""Signs that are read as what they look like and mean nothing, in Markdown and in what becomes of it."""

_CALLS_OR_LEADS = re.compile(r'@(?=\S)|:(?=//)')
"""How a mention begins, and what makes an address a link."""

_NOTHING_SEEN = '\u200b'


class DialectWriter(Writer):
    """A value is letters in Markdown, and in what a service makes of that: its marks are signs that look like them.

    In a URL, as in `[here](https://…/{{ data.id }})`, it is percent-encoded.
    """

    def __init__(self) -> None:
        self._before = ''

    def literal(self, text: str) -> str:
        """The text as it is."""
        self._before += text
        return text

    def value(self, value: Any) -> str:
        """The value without marks, that begins no list, heading or quotation, leads nowhere and calls nobody."""
        written = quoted(value) if is_in_link(self._before) else self._shown(legible(text_of(value)))
        self._before += written
        return written

    def _shown(self, line: str) -> str:
        """A value that people read."""
        begins_line = not self._before.rpartition('\n')[2].strip(' \t')
        shown = re.sub(r' {2,}', ' ', line).translate(_LOOK_ALIKE)
        shown = _CALLS_OR_LEADS.sub(lambda found: f'{found[0]}{_NOTHING_SEEN}', shown)
        return f'{_NOTHING_SEEN}{shown.lstrip(" ")}' if begins_line else shown
