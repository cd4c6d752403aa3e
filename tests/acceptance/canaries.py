# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The canaries: what is planted, and servers that say it again."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

SECRETS = {
    name: f'cAnAry-{name}-7f3a' for name in ('bus', 'hook', 'bearer', 'token', 'signing', 'mail', 'chat', 'plugin')
}
NUMBERS = ('0612345678', '+33698765432', '+49 30 901820')
CALLER = 'Wilhelmina Featherstone'


class WebEcho(BaseHTTPRequestHandler):
    """Refuses everything, and says again what it was told."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        said = f'{" ".join(NUMBERS)} {self.path} {self.headers["Authorization"]} {body}'.encode()
        self.send_response(400, 'No')
        self.send_header('Content-Length', str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Nothing."""


class MailEcho(socketserver.StreamRequestHandler):
    """Knows nobody, and says whom, and with which password."""

    def handle(self) -> None:
        self._say('220 localhost ESMTP')
        while line := self.rfile.readline().decode():
            if line.startswith('EHLO'):
                self._say('250-localhost\r\n250 AUTH PLAIN')
            elif line.startswith('AUTH'):
                self._say('235 OK')
            elif line.startswith('RCPT'):
                self._say(f'550 5.1.1 {NUMBERS[0]} {SECRETS["mail"]} is not known')
            else:
                self._say('250 OK')

    def _say(self, text: str) -> None:
        self.wfile.write(f'{text}\r\n'.encode())


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    with server:
        thread.start()
        yield
        server.shutdown()
        thread.join()
