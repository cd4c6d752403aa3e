# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The office: what handlers of the demonstration talk to, on this machine, and what came of it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

from wazo_busd.demo.mailbox import Mailbox
from wazo_busd.demo.web import WebServer
from wazo_busd.text import legible

OUT_AFTER = 20
"""After so many records the web server of the office is out."""
OUT_FOR = 6
"""So many requests are refused then; one more than the handler needs to let its queue rest."""

Say = Callable[[str, str], None]
"""Shows a line: where it happens, and what."""


class Office:
    """A web server, a chat room and a mailbox.

    Args:
        outbox: the directory that mails are put into.
        say: shows what comes.
    """

    def __init__(self, outbox: Path, say: Say) -> None:
        self._outbox = outbox
        self._say = say
        self._web_socket = socket.create_server(('127.0.0.1', 0))
        self._mail_socket = socket.create_server(('127.0.0.1', 0))
        self.web_port: int = self._web_socket.getsockname()[1]
        self.mail_port: int = self._mail_socket.getsockname()[1]
        self.records: set[str] = set()
        """The calls that the web server has a record of."""
        self.twice = 0
        """How many records came although they were there."""
        self.refused = 0
        self.chats = 0
        self.mails = 0
        self._servers: list[asyncio.Server] = []

    async def open(self) -> None:
        """Begin to answer."""
        self._servers.append(await asyncio.start_server(WebServer(self._answer).serve, sock=self._web_socket))
        self._servers.append(await asyncio.start_server(Mailbox(self._take).serve, sock=self._mail_socket))

    def close(self) -> None:
        """Answer no more."""
        for server in self._servers:
            server.close()
        for each in (self._web_socket, self._mail_socket):
            each.close()

    def _answer(self, path: str, body: bytes) -> int:
        """What the web server says to a request: the status."""
        said = json.loads(body)
        if path == '/chat':
            self.chats += 1
            self._say('chat', said['message'])
            return 200
        if len(self.records) >= OUT_AFTER and self.refused < OUT_FOR:
            self.refused += 1
            if self.refused == 1:
                self._say('crm', 'the web server is out, and says 503: the records wait')
            return 503
        data = said['data']
        self.twice += data['conversation_id'] in self.records
        self.records.add(data['conversation_id'])
        if self.refused == OUT_FOR and len(self.records) == OUT_AFTER + 1:
            self._say('crm', 'the web server is back: what has waited comes, in order')
        return 200

    def _take(self, content: bytes) -> None:
        self.mails += 1
        self._outbox.mkdir(exist_ok=True)
        (self._outbox / f'{self.mails:03d}.eml').write_bytes(content)
        subject = str(message_from_bytes(content, policy=policy.default)['Subject'])
        self._say('mail', legible(subject))
