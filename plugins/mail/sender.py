# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sender: hands mails to the server, and says what became of each recipient."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Sequence

import aiosmtplib

from wazo_busd.api import Context

from .answer import answered, refusals, verdict
from .composer import this_host
from .options import Options

_REFUSES_FOR_GOOD = 500


class Refused(dict[str, str]):
    """The recipients that the server has refused, with its answers.

    Attributes:
        later: those who it may accept later.
    """

    def __init__(self, refused: dict[str, str], later: frozenset[str]) -> None:
        super().__init__(refused)
        self.later = later


class Sender:
    """Hands mails to the server, each by a connection of its own.

    Args:
        options: the options.
        context: what the plugin got.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._server = options.server
        self._context = context
        self._name = f'{self._server.host}:{self._server.number}'
        self._tls: tuple[float, ssl.SSLContext] | None = None

    def tls(self) -> ssl.SSLContext | None:
        """How the server is verified; a file that was renewed is read anew. `None` without TLS.

        Raises:
            OSError: the file of the authorities cannot be used.
        """
        if self._server.way == 'none':
            return None
        file = self._server.ca_file
        changed_at = file.stat().st_mtime if file is not None else 0.0
        if self._tls is None or self._tls[0] != changed_at:
            self._tls = changed_at, ssl.create_default_context(cafile=file)
        return self._tls[1]

    async def send(self, letter: bytes, sender: str, recipients: Sequence[str]) -> Refused:
        """Hand over a mail; return when the server has it for all but those that are returned.

        Args:
            letter: the mail.
            sender: the address it is from.
            recipients: the addresses it goes to.

        Raises:
            Permanent: the server will not accept it.
            Retry: the server cannot be reached, or does not accept it now.
            Stop: the server does not let us in.
        """
        try:
            client = self._client()
            try:
                await client.connect()
                refused, _ = await client.sendmail(sender, recipients, letter)
                found = {address: (answer.code, answer.message) for address, answer in refused.items()}
                # It has the mail, whatever becomes of the connection.
                with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                    await client.quit()
            finally:
                client.close()
        except aiosmtplib.SMTPRecipientsRefused as error:
            found = refusals(error)
        except (TimeoutError, aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise verdict(error, self._name, self._conceal) from None
        later = frozenset(address for address, (code, _) in found.items() if code < _REFUSES_FOR_GOOD)
        return Refused({address: answered(*said, self._conceal) for address, said in found.items()}, later)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.number,
            username=server.username,
            password=server.password,
            local_hostname=this_host(),
            timeout=self._options.answer_within,
            use_tls=server.way == 'tls',
            start_tls=server.way == 'starttls',
            tls_context=self.tls(),
        )

    def _conceal(self, text: str) -> str:
        concealed = self._context.concealed(text)
        return concealed.replace(self._server.password, '…') if self._server.password else concealed
