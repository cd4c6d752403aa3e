# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The answer of a server, and what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wazo_busd.api import Permanent, Retry, Stop, escape, retry_after

_REASON_LENGTH = 500
_SHOWN_LENGTH = 2048
_READ_LENGTH = 8192
READ_SECONDS = 2.0
"""How long the body of an answer is read."""
_AGAIN = frozenset((408, 425, 429))
_GONE = 410
_ABOUT_THE_BODY = frozenset((400, 413, 422))

Conceal = Callable[[str], str]
"""Takes secrets out of a text."""


class Rejected(Permanent):
    """Raised for an answer after which no further try can help.

    Args:
        text: what the server says.
        is_about_body: whether another body could have been accepted.
    """

    def __init__(self, text: str, *, is_about_body: bool) -> None:
        super().__init__(text)
        self.is_about_body = is_about_body


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered.

    Attributes:
        status: the status.
        text: status and reason, and in a second line the beginning of the body, without secrets.
        retry_after: how many seconds it asks to be left alone; `None` if it does not.
    """

    status: int
    text: str
    retry_after: float | None

    @property
    def is_good(self) -> bool:
        """Whether the server has accepted the request."""
        return 200 <= self.status < 300

    def judge(self) -> None:
        """Say what follows.

        Raises:
            Retry: the server may accept it later.
            Stop: the server wants nothing any more.
            Rejected: it will not accept it.
        """
        if self.is_good:
            return
        if self.status == _GONE:
            raise Stop(self.text)
        if self.status in _AGAIN or self.status >= 500:
            raise Retry(self.text, after=self.retry_after)
        raise Rejected(self.text, is_about_body=self.status in _ABOUT_THE_BODY)


async def answer_of(response: Any, conceal: Conceal) -> Answer:
    """The answer that a response is. Its status is known, so whatever happens to its body changes nothing.

    Args:
        response: the response, an `aiohttp.ClientResponse`.
        conceal: takes our secrets out of what it says.
    """
    head = await _head(response)
    if 200 <= response.status < 300:
        return Answer(response.status, '', None)
    said = f'{response.status} {response.reason or ""}'.rstrip()
    body = head.decode('utf-8', 'replace')
    if 300 <= response.status < 400:
        said += ', and redirections are not followed'
        body = f'{response.headers.get("Location", "")} {body}'
    body = conceal(body)[:_SHOWN_LENGTH]
    # Only the first line is logged, and the server may say in the others what the event says.
    text = '\n'.join(escape(each) for each in (conceal(said)[:_REASON_LENGTH], body) if each)
    return Answer(response.status, text, retry_after(response.headers.get('Retry-After')))


async def _head(response: Any) -> bytes:
    """The beginning of the body. It is read of a good answer too: a connection is used again when it is at its end."""
    head = b''
    try:
        async with asyncio.timeout(READ_SECONDS):
            while len(head) < _READ_LENGTH and (chunk := await response.content.read(_READ_LENGTH - len(head))):
                head += chunk
    except Exception as error:  # noqa: BLE001 — a body that breaks off or hangs is told, and the status counts
        head += f' … {type(error).__name__}'.encode()
    return head
