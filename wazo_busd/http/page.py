# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page: an answer of the HTTP server, and who makes it; and the stream, an answer that goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """An answer.

    Attributes:
        body: its bytes.
        content_type: what they are, as a header says it.
        status: 200, or what else HTTP has for it.
        headers: what else is said about it.
    """

    body: bytes
    content_type: str = 'text/plain; charset=utf-8'
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Ask = Callable[[], Awaitable[Page]]
"""Makes a page."""

Deed = Callable[[str, str], Awaitable[Page]]
"""Changes something: it is told the name in the path, `''` where there is none, and the body of the request."""

Query = Mapping[str, Sequence[str]]
"""What was asked for in the URL: the values by their keys."""

Open = Callable[[Query], Awaitable[Page | AsyncIterator[bytes]]]
"""Begins a stream, part by part; where there is none, the page that says why."""


def json_page(value: Any, status: int = 200) -> Page:
    """A page for programs.

    Args:
        value: what it says, in plain types.
        status: what HTTP has for it.
    """
    return Page(json.dumps(value, indent=2).encode() + b'\n', 'application/json', status)


def part(kind: str, data: bytes) -> bytes:
    """A part of a stream: a server-sent event (HTML, section 9.2).

    Args:
        kind: what it is, in a word.
        data: what it says, in one line.
    """
    return b'event: %b\ndata: %b\n\n' % (kind.encode(), data)
