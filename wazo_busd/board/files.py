# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The files that the page of the board is made of. Nothing else is loaded, and nothing of it is made anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache, partial
from importlib.resources import files
from typing import Final

from wazo_busd.http.page import Ask, Page

_KINDS: Final = {'html': 'text/html', 'css': 'text/css', 'js': 'text/javascript', 'svg': 'image/svg+xml'}
_PATHS: Final = {'/board': 'board.html', **{f'/board/{name}': name for name in ('board.css', 'board.js', 'icon.svg')}}
_POLICY: Final = '; '.join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""What the page may do (CSP 3): load what is served beside it, and nothing that stands in it is run as a program."""
_HEADERS: Final = {
    'Content-Security-Policy': _POLICY,
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
}


def pages() -> dict[str, Ask]:
    """The files as pages, by paths."""
    return {path: _asked(partial(_page, name)) for path, name in _PATHS.items()}


def _asked(made: Callable[[], Page]) -> Ask:
    async def ask() -> Page:
        return await asyncio.to_thread(made)

    return ask


@cache
def _page(name: str) -> Page:
    content = files(__package__).joinpath(name).read_bytes()
    return Page(content, f'{_KINDS[name.partition(".")[2]]}; charset=utf-8', headers=_HEADERS)
