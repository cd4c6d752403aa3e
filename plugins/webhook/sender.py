# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sender: sends requests, and says what became of each."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

from wazo_busd.api import Context, Permanent, Preview, Retry, Stop, escape

from .answer import READ_SECONDS, Answer, answer_of
from .options import Auth, Options
from .request import Request
from .secrets import Secrets
from .signature import HEADER, signature

if TYPE_CHECKING:
    import aiohttp

_ERROR_LENGTH = 500


class Sender:
    """Sends requests.

    Args:
        options: the options.
        context: what the plugin got.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._authorization = _authorization(options.auth)
        self._secrets = Secrets(options, self._authorization)
        self._stopped = ''
        """What the server said when it wanted nothing any more."""

    def session(self) -> aiohttp.ClientSession:
        """The session for the next request.

        Raises:
            OSError: a certificate's file cannot be used.
        """
        options, tls = self._options, self._options.tls
        return self._context.guarded_http(
            allow_networks=options.allow_networks,
            ca_file=tls.ca_file if tls else None,
            certificate_file=tls.certificate_file if tls else None,
            key_file=tls.key_file if tls else None,
            proxy=options.proxy,
            total_seconds=options.answer_within + READ_SECONDS,
        )

    async def send(self, request: Request) -> None:
        """Send a request; return when it is accepted.

        Raises:
            Permanent: it will not be accepted.
            Retry: the server cannot be reached, or is busy.
            Stop: the server wants nothing any more.
        """
        if self._stopped:
            raise Retry(self._stopped)
        answer = await self._answer(request)
        try:
            answer.judge()
        except Stop:
            self._stopped = answer.text
            raise

    def preview(self, request: Request) -> Preview:
        """What would be sent, with secrets concealed; a body that is JSON as what it says."""
        headers = self._headers(request)
        if HEADER in headers:
            headers[HEADER] = 't=…,v1=…'
        return {
            'method': self._options.method,
            'url': self._conceal(request.url),
            'headers': {name: self._conceal(value) for name, value in headers.items()},
            'body': _body(request.body),
        }

    async def _answer(self, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self._options.answer_within):
                response = await self.session().request(
                    self._options.method,
                    request.url,
                    data=request.body,
                    headers=self._headers(request),
                    allow_redirects=False,
                    auto_decompress=False,
                )
        except Exception as error:  # noqa: BLE001 — whatever a network does, with our URL in its text
            # A certificate that is not trusted is a wrong value to Python, too.
            if isinstance(error, ValueError) and not isinstance(error, OSError):
                raise Permanent(f'no request can be made of it: {self._told(error)}') from None
            raise Retry(f'no answer: {self._told(error)}') from None
        async with response:
            return await answer_of(response, self._conceal)

    def _headers(self, request: Request) -> dict[str, str]:
        ours = {'Accept-Encoding': 'identity', 'Idempotency-Key': request.id}
        if self._authorization:
            ours['Authorization'] = self._authorization
        given = {name.lower() for name, _ in request.headers}
        headers = {name: value for name, value in ours.items() if name.lower() not in given} | dict(request.headers)
        if self._options.signing_secret is not None:
            headers[HEADER] = signature(self._options.signing_secret, request.body or b'', int(time.time()))
        return headers

    def _told(self, error: Exception) -> str:
        return escape(self._conceal(f'{type(error).__name__}: {error}'.removesuffix(': '))[:_ERROR_LENGTH])

    def _conceal(self, text: str) -> str:
        return self._secrets.concealed(self._context.concealed(text))


def _body(body: bytes | None) -> Any:
    if body is None:
        return None
    text = body.decode()
    try:
        return json.loads(text)
    except ValueError:
        return text


def _authorization(auth: Auth | None) -> str:
    if auth is None:
        return ''
    if auth.bearer is not None:
        return f'Bearer {auth.bearer}'
    return 'Basic ' + base64.b64encode(f'{auth.username}:{auth.password}'.encode()).decode()
