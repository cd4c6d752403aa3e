# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""A mail server that answers as a test wants it, and notes what it is handed."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True, slots=True)
class Handed:
    """A mail that was handed over.

    Attributes:
        sender: who it is from, on the envelope.
        recipients: who it goes to, on the envelope.
        content: the mail itself.
        is_encrypted: whether it came over TLS.
        user: who had logged in; `''` for nobody.
    """

    sender: str
    recipients: list[str]
    content: bytes
    is_encrypted: bool
    user: str

    @property
    def letter(self) -> EmailMessage:
        message = email.message_from_bytes(self.content, policy=email.policy.SMTP)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def text(self) -> str:
        return self.part('plain')

    def part(self, kind: str) -> str:
        part = self.letter.get_body((kind,))
        assert part is not None
        return str(part.get_content()).replace('\r\n', '\n')


class MailServer:
    """A mail server on a loopback address.

    Args:
        tls: how it proves who it is; `None` for no TLS.
        is_wrapped: whether TLS is spoken from the beginning.
        password: what the user `wazo` must know; `None` if nobody must log in.
    """

    def __init__(
        self, tls: ssl.SSLContext | None = None, *, is_wrapped: bool = False, password: str | None = None
    ) -> None:
        self.handed: list[Handed] = []
        self.answers: dict[str, list[str]] = {}
        """What it answers to a recipient, to the command MAIL or to DATA, one after the other; then it accepts."""
        self.port = 0
        self.logins = 0
        self.hangs = False
        """Whether it says nothing when a mail comes."""
        self._tls = tls
        self._is_wrapped = is_wrapped
        self._password = password
        self._server: asyncio.Server | None = None
        self._released = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        wrapped = self._tls if self._is_wrapped else None
        self._server = await loop.create_server(self._protocol, '127.0.0.1', 0, ssl=wrapped)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def answer(self, whom: str, *answers: str) -> None:
        """Answer so to a recipient, MAIL or DATA, the next times."""
        self.answers.setdefault(whom, []).extend(answers)

    def _protocol(self) -> SMTP:
        auth: dict[str, Any] = {}
        if self._password is not None:
            auth = {'authenticator': self._authenticate, 'auth_require_tls': False}
        tls = None if self._is_wrapped else self._tls
        return SMTP(self, hostname='mail.example', tls_context=tls, ident='a test', **auth)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        self.logins += 1
        known = isinstance(data, LoginPassword) and data == LoginPassword(b'wazo', str(self._password).encode())
        return AuthResult(success=known, auth_data=data, handled=False)

    def _next(self, whom: str) -> str:
        waiting = self.answers.get(whom)
        return waiting.pop(0) if waiting else '250 OK'

    async def handle_MAIL(  # noqa: N802 — as aiosmtpd wants it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._next('MAIL')
        if answer.startswith('250'):
            envelope.mail_from = address
        return answer

    async def handle_RCPT(  # noqa: N802 — as aiosmtpd wants it
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self._next(address)
        if answer.startswith('250'):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(  # noqa: N802 — as aiosmtpd wants it
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.hangs:
            await self._released.wait()
        answer = self._next('DATA')
        if not answer.startswith('250'):
            return answer
        assert isinstance(envelope.content, bytes)
        known: Any = session.auth_data
        user = known.login.decode() if session.authenticated else ''
        encrypted = self._is_wrapped or session.ssl is not None
        self.handed.append(Handed(str(envelope.mail_from), list(envelope.rcpt_tos), envelope.content, encrypted, user))
        return answer
