# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The web server of the demonstration's office: as much of HTTP as our own handlers need (RFC 9112)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

Answer = Callable[[str, bytes], int]
"""Gives the status for a path and a body."""


class WebServer:
    """Answers one request after the other.

    Args:
        answer: says what is answered.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the other side closes it."""
        try:
            while head := await reader.readuntil(b'\r\n\r\n'):
                first, *lines = head.decode('latin-1').split('\r\n')
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(':') for line in lines)}
                body = await reader.readexactly(int(headers.get('content-length', '0')))
                status = HTTPStatus(self._answer(first.split(' ')[1], body))
                writer.write(f'HTTP/1.1 {status.value} {status.phrase}\r\nContent-Length: 0\r\n\r\n'.encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            # They have closed it.
            return
        finally:
            writer.close()
