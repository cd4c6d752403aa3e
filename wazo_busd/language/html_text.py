# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Texts in HTML."""

from __future__ import annotations

import html
import re
from enum import Enum
from typing import Any

from wazo_busd.language.fault import Fault
from wazo_busd.language.url_text import quoted
from wazo_busd.language.values import text_of
from wazo_busd.language.writer import Writer
from wazo_busd.text import legible

_SAFE_URL = re.compile(r'(?:https?|mailto|tel|sip|sips):', re.IGNORECASE)
_SCHEME_OVER = re.compile(r'[:/?#]')
_CODE_URL = re.compile(r'\s*(?:javascript|vbscript|data)\s*:', re.IGNORECASE)
_URLS = frozenset(
    (
        'action',
        'archive',
        'background',
        'cite',
        'classid',
        'codebase',
        'data',
        'dynsrc',
        'formaction',
        'href',
        'icon',
        'longdesc',
        'lowsrc',
        'manifest',
        'poster',
        'profile',
        'src',
        'usemap',
        'xlink:href',
    )
)
_CODE = re.compile(r'on.*|style|srcdoc|(?:image)?srcset|ping', re.IGNORECASE)
_RAW = {'script', 'style', 'textarea', 'title', 'xmp', 'iframe', 'noembed', 'noframes', 'noscript', 'plaintext'}
_TAG = re.compile(r'<(/?)([A-Za-z][^\s/>]*)')
_ATTRIBUTE = re.compile(r'([^\s=>"\'/]+)\s*=\s*(["\'])')


class _At(Enum):
    """Where in the markup the text has come to."""

    TEXT = 'between tags'
    TAG = 'inside a tag, without quotes'
    QUOTES = 'in an attribute'
    COMMENT = 'in a comment'
    RAW = 'in a script or a style'


class HtmlWriter(Writer):
    """A value is text between tags, or in an attribute with quotes; anywhere else it is refused."""

    def __init__(self) -> None:
        self._at = _At.TEXT
        self._tag = ''
        self._quote = ''
        self._attribute = ''
        self._said = ''
        """What stands in the attribute so far."""
        self._rest = ''
        """What could not be understood yet: the beginning of a tag."""

    def literal(self, text: str) -> str:
        """The markup as it is; where it leads to is noted."""
        rest = self._rest + text
        self._rest = ''
        while rest:
            rest = self._step(rest)
        return text

    def value(self, value: Any) -> str:
        """The value with entities for what markup is made of."""
        if self._at not in (_At.TEXT, _At.QUOTES) or self._rest:
            place = _At.TAG if self._at is _At.TEXT else self._at
            raise Fault(f'a value cannot stand {place.value}')
        text = legible(text_of(value))
        if self._at is _At.QUOTES:
            is_url = self._attribute in _URLS
            if _CODE.fullmatch(self._attribute) or (is_url and _CODE_URL.match(self._said)):
                raise Fault(f'a value cannot stand in the attribute {self._attribute}, which holds code')
            if is_url and not _SCHEME_OVER.search(self._said):
                text = text if _SAFE_URL.match(text) and not self._said else quoted(text)
            self._said += text
        return html.escape(text)

    def whole(self, text: str) -> str:
        """The text, if its markup is complete."""
        if self._at is not _At.TEXT or self._rest:
            raise Fault('the HTML ends inside a tag')
        return text

    def _step(self, text: str) -> str:
        """Go over a piece of markup; what comes behind it."""
        if self._at is _At.QUOTES:
            inside, found, rest = text.partition(self._quote)
            self._said += inside
            self._at = _At.TAG if found else _At.QUOTES
            return rest
        if self._at is _At.COMMENT:
            _, found, rest = text.partition('-->')
            return self._enter(_At.TEXT, rest) if found else self._keep(text, 2)
        if self._at is _At.RAW:
            found_end = re.search(rf'</{re.escape(self._tag)}(?=[\s/>])', text, re.IGNORECASE)
            return self._enter(_At.TAG, text[found_end.end() :], tag='/') if found_end else self._keep(text, 40)
        return self._in_tag(text) if self._at is _At.TAG else self._between(text)

    def _between(self, text: str) -> str:
        _, found, rest = text.partition('<')
        if not found:
            return ''
        rest = f'<{rest}'
        if rest.startswith('<!--'):
            return self._enter(_At.COMMENT, rest[4:])
        tag = _TAG.match(rest)
        if tag is not None and tag.end() < len(rest):
            return self._enter(_At.TAG, rest[tag.end() :], tag=f'{tag[1]}{tag[2].lower()}')
        if tag is not None or len(rest) < 4 or rest.startswith(('<!', '<?')):
            end = rest.find('>')
            if end >= 0:
                return rest[end + 1 :]
            self._rest = rest
            return ''
        return rest[1:]

    def _in_tag(self, text: str) -> str:
        end, attribute = text.find('>'), _ATTRIBUTE.search(text)
        if attribute is not None and (end < 0 or attribute.start() < end):
            self._attribute, self._quote = attribute[1].lower(), attribute[2]
            self._said = ''
            return self._enter(_At.QUOTES, text[attribute.end() :])
        if end < 0:
            self._rest = text
            return ''
        return self._enter(_At.RAW if self._tag in _RAW else _At.TEXT, text[end + 1 :])

    def _enter(self, place: _At, rest: str, *, tag: str | None = None) -> str:
        self._at = place
        if tag is not None:
            self._tag = tag
        return rest

    def _keep(self, text: str, letters: int) -> str:
        """Wait for more: an end may be cut in two."""
        self._rest = text[-letters:]
        return ''
