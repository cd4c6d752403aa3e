# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The request: what is sent for an event, or for several."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent for an event.

    Attributes:
        id: what the server recognises it by if it comes again.
        url: where to.
        headers: the headers that the configuration asks for, and what the body is.
        body: the body; `None` for none.
    """

    id: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None

    @property
    def way(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What requests must have in common to be sent together."""
        return self.url, self.headers


def together(requests: Sequence[Request]) -> Request:
    """One request for several of the same way, whose bodies are JSON: their list."""
    first = requests[0]
    digest = hashlib.blake2b(b'\n'.join(each.id.encode() for each in requests), digest_size=16).hexdigest()
    body = b'[' + b','.join(each.body or b'null' for each in requests) + b']'
    return Request(first.id if len(requests) == 1 else digest, first.url, first.headers, body)
