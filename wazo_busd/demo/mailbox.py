# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The mailbox of the demonstration's office: as much of SMTP as our own handler needs (RFC 5321)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_ANSWERS = {
    'EHLO': '250 office',
    'HELO': '250 office',
    'MAIL': '250 ok',
    'RCPT': '250 ok',
    'RSET': '250 ok',
    'NOOP': '250 ok',
}


class Mailbox:
    """Takes every mail.

    Args:
        take: is given each.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the other side closes it."""
        try:
            await self._say(writer, '220 office')
            while line := await reader.readline():
                command = line[:4].decode('latin-1').upper()
                if command == 'QUIT':
                    await self._say(writer, '221 bye')
                    return
                if command == 'DATA':
                    await self._say(writer, '354 go on')
                    content = await reader.readuntil(b'\r\n.\r\n')
                    self._take(content.removesuffix(b'.\r\n').replace(b'\r\n..', b'\r\n.'))
                    await self._say(writer, '250 taken')
                else:
                    await self._say(writer, _ANSWERS.get(command, '502 not here'))
        except (asyncio.IncompleteReadError, ConnectionError):
            # They have closed it.
            return
        finally:
            writer.close()

    async def _say(self, writer: asyncio.StreamWriter, line: str) -> None:
        writer.write(f'{line}\r\n'.encode())
        await writer.drain()
