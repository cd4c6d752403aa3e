# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A web server in a thread of its own that does all that web servers do wrong, and notes what it has accepted."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import re
import threading
from collections import Counter

from aiohttp import web

from tests.torture.scale import scaled

SECRET = 's3cret'
POISON_ONE_IN, STUBBORN_ONE_IN = 50, 97
FAILURES = scaled(3, 10)
HANG_SECONDS = 5.0
_SHOWN = 'the field "number" is not to my taste'


def is_poison(number: int) -> bool:
    """Whether the server never accepts an event."""
    return number % POISON_ONE_IN == 7


def is_stubborn(number: int) -> bool:
    """Whether the server accepts an event only after a number of failures."""
    return number % STUBBORN_ONE_IN == 5


class FaultyServer:
    """Accepts most requests, and breaks the others off, hangs, or says that it is busy.

    Args:
        seed: what chance begins with.
    """

    def __init__(self, seed: int) -> None:
        self.accepted: Counter[int] = Counter()
        self.requests = 0
        self.did: Counter[str] = Counter()
        """What it did, and how often."""
        self.unsigned = 0
        self.port = 0
        self._failures: Counter[int] = Counter()
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name='faulty server')
        self._runner: web.AppRunner | None = None

    def open(self) -> None:
        """Begin to listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    def close(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        application = web.Application()
        application.router.add_post('/hook', self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, '127.0.0.1', 0).start()
        self.port = self._runner.addresses[0][1]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests += 1
        self.unsigned += not _is_signed(request.headers.get('X-Busd-Signature', ''), body)
        said = json.loads(body)
        numbers = [each['data']['number'] for each in (said if isinstance(said, list) else [said])]
        fault = self._fault(numbers)
        self.did[fault] += 1
        if fault == 'accepted':
            self.accepted.update(numbers)
            return web.Response(status=204)
        if fault == 'refused':
            return web.Response(status=400, text=f'{_SHOWN}\r\n\x1b[31m' + 'x' * 5000)
        if fault == 'hangs':
            await asyncio.sleep(HANG_SECONDS)
        if fault in ('hangs', 'resets'):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault == 'accepts without an answer':
            self.accepted.update(numbers)
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        return web.Response(status=int(fault), headers={'Retry-After': '1'}, text='busy')

    def _fault(self, numbers: list[int]) -> str:
        if any(map(is_poison, numbers)):
            return 'refused'
        for number in numbers:
            if is_stubborn(number) and self._failures[number] < FAILURES:
                self._failures[number] += 1
                return '503'
        chance = self._random.random()
        for fault, share in (
            ('resets', 0.03),
            ('hangs', 0.005),
            ('accepts without an answer', 0.01),
            ('503', 0.03),
            ('429', 0.02),
        ):
            if chance < share:
                return fault
            chance -= share
        return 'accepted'


def _is_signed(header: str, body: bytes) -> bool:
    found = re.fullmatch(r't=(\d+),v1=([0-9a-f]{64})', header)
    if found is None:
        return False
    expected = hmac.new(SECRET.encode(), found[1].encode() + b'.' + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(found[2], expected)
