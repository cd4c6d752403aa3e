# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A publisher that keeps what it is given, and says what a test wants."""

from __future__ import annotations

import asyncio
from typing import Any

from pamqp.commands import Basic

from tests.unit.amqp.broker import PATIENCE_SECONDS
from wazo_busd.amqp.copy import NUMBER


class Press:
    """A publisher that answers what the test says, one after the other; after that it waits until it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str, bytes, Basic.Properties]] = []
        self.answers: list[int | BaseException] = []
        self.confirmed = asyncio.Event()
        self._printed = asyncio.Event()

    async def publish(self, exchange: str, routing_key: str, body: bytes, properties: Basic.Properties) -> int:
        self.published.append((exchange, routing_key, body, properties))
        self._printed.set()
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        await self.confirmed.wait()
        return 1

    async def printed(self, number: int = 1) -> None:
        """Wait until so many copies were published."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.published) < number:
                self._printed.clear()
                await self._printed.wait()

    def headers(self, number: int = 0) -> dict[str, Any]:
        return dict(self.published[number][3].headers or {})

    @property
    def numbers(self) -> list[str]:
        """The numbers of the copies, in their order."""
        return [str(self.headers(each)[NUMBER]) for each in range(len(self.published))]
