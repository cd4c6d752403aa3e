# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Texts in Markdown, for chat services."""

from __future__ import annotations

import re
from typing import Any

from wazo_busd.language.url_text import quoted
from wazo_busd.language.values import text_of
from wazo_busd.language.writer import Writer
from wazo_busd.text import legible

_PUNCTUATION = re.compile(r'[!-/:-@\[-`{-~]')
_ESCAPES = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '@': '\\@\u200b', '`': "'"}
"""What a backslash does not help against everywhere: entities of Slack, mentions, and what ends a span of code."""

_NUMBERS_A_LIST = re.compile(r'[ \t>*+-]*(?:\d+\\?[.)][ \t]+)*\d+\Z')
"""What a point or a bracket behind it makes the number of: `{{ data.number }}. Call` is no list."""


def is_in_link(before: str) -> bool:
    """Whether what comes behind a text is a part of a URL."""
    # Looked for from the end: an expression would go over all of a long text for each value.
    if before.rfind('](') > before.rfind(')'):
        return True
    word = '' if not before or before[-1].isspace() else before.rsplit(None, 1)[-1]
    return 'https://' in word or 'http://' in word


class MarkdownWriter(Writer):
    """A value is letters: it makes no link, no emphasis, no block, and calls nobody.

    In a URL, as in `[here](https://…/{{ data.id }})`, it is percent-encoded.
    """

    def __init__(self) -> None:
        self._before = ''

    def literal(self, text: str) -> str:
        """The text as it is, but for what would make a list of a value before it."""
        is_list = text.startswith(('.', ')')) and _NUMBERS_A_LIST.match(self._before.rpartition('\n')[2])
        written = f'\\{text}' if is_list else text
        self._before += written
        return written

    def value(self, value: Any) -> str:
        """The value with a backslash before all that is no letter and no digit."""
        if is_in_link(self._before):
            written = quoted(value)
        else:
            line = re.sub(r' {2,}', ' ', legible(text_of(value)))
            written = _PUNCTUATION.sub(lambda found: _ESCAPES.get(found[0], f'\\{found[0]}'), line)
        self._before += written
        return written
