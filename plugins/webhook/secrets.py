# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The secrets of the options, which servers may repeat in their answers and libraries in their errors."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

from wazo_busd.api import encode_json

from .options import Options

_LEAST_LENGTH = 4
_TOKEN_LENGTH = 12
_NAME = re.compile(r'pass|pwd|secret|token|credential|key|auth|cookie', re.IGNORECASE)
_BETWEEN = re.compile(r'[/?&=#;:@{}\s]+')


class Secrets:
    """Takes secrets out of texts.

    Args:
        options: the options.
        authorization: the header `Authorization`, as it is sent.
    """

    def __init__(self, options: Options, authorization: str) -> None:
        found = {each for each in _secrets(options, authorization) if len(each) >= _LEAST_LENGTH}
        self._forms = sorted({form for each in found for form in _forms(each)}, key=len, reverse=True)

    def concealed(self, text: str) -> str:
        """`text` with … for each secret, however it is escaped."""
        for form in self._forms:
            text = text.replace(form, '…')
        return text


def _secrets(options: Options, authorization: str) -> Iterator[str]:
    yield from authorization.split()[1:]
    if options.auth is not None:
        yield options.auth.password or ''
    yield options.signing_secret or ''
    yield unquote(urlsplit(options.proxy or '').password or '')
    for name, text in options.headers.items():
        if _NAME.search(name) and '{' not in text.source:
            yield from (text.source, *text.source.split()[1:])
    # Many services have a token in their URLs; which part it is nobody says, but it is long.
    parts = urlsplit(options.url.source)
    yield from (each for each in _BETWEEN.split(f'{parts.path}?{parts.query}') if len(each) >= _TOKEN_LENGTH)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    yield quote(secret)
    yield quote(secret, safe='')
    yield html.escape(secret)
    yield encode_json(secret).decode()[1:-1]
