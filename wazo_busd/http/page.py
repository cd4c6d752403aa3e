# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page: an answer of the HTTP server, and who makes it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """An answer.

    Attributes:
        body: its bytes.
        content_type: what they are, as a header says it.
        status: 200, or what else HTTP has for it.
    """

    body: bytes
    content_type: str = 'text/plain; charset=utf-8'
    status: int = 200


Ask = Callable[[], Awaitable[Page]]
"""Makes a page."""

Deed = Callable[[str, str], Awaitable[Page]]
"""Changes something: it is told the name in the path, `''` where there is none, and the body of the request."""


def json_page(value: Any, status: int = 200) -> Page:
    """A page for programs.

    Args:
        value: what it says, in plain types.
        status: what HTTP has for it.
    """
    return Page(json.dumps(value, indent=2).encode() + b'\n', 'application/json', status)
