# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `webhook`."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator

from wazo_busd.api import BaseOptions, Duration, Guard, HeaderText, JsonText, Network, Peer, PlainText, UrlText

from .signature import HEADER

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TEMPLATE = re.compile(r'\{[{%#]')
_OURS = {
    'connection',
    'content-length',
    'expect',
    'host',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
    HEADER.lower(),
}
_BODIES = ('preset', 'body', 'template', 'text')
_CONCURRENCY = 8
_MOST_CONCURRENCY = 256


class Auth(BaseOptions):
    """How the server knows who asks: `username` and `password`, or `bearer`.

    Attributes:
        username: a name, for basic authentication.
        password: its password, as in `${file:/etc/wazo-busd/credentials/crm}`.
        bearer: a token, which is sent as `Authorization: Bearer …`.
    """

    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    bearer: str | None = Field(default=None, repr=False)

    @field_validator('username', 'password', 'bearer')
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and (not value or not value.isprintable()):
            raise _mistake('expected a text without line ends and control characters', 'write it in one line')
        return value

    @model_validator(mode='after')
    def _one(self) -> Auth:
        given = (self.username is not None, self.password is not None, self.bearer is not None)
        if given not in ((True, True, False), (False, False, True)):
            raise _mistake('expected username and password, or bearer', 'auth: {username: …, password: …}')
        if self.username is not None and ':' in self.username:
            raise _mistake('a name for basic authentication has no colon', 'write it without')
        if self.bearer is not None and not (self.bearer.isascii() and ' ' not in self.bearer):
            raise _mistake('a token has neither spaces nor letters beyond ASCII', 'write it without')
        return self


class Tls(BaseOptions):
    """Certificates. Servers are always verified.

    Attributes:
        ca_file: the authorities that the server is verified against, or its own certificate if it has signed that
            itself; those of the system if it is left out.
        certificate_file: what is shown to a server that asks for a certificate.
        key_file: the key of that certificate; in the same file if it is left out.
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    @field_validator('ca_file', 'certificate_file', 'key_file')
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise _mistake('expected an absolute path', 'as in ca_file: /etc/wazo-busd/ca.pem')
        return value

    @model_validator(mode='after')
    def _usable(self) -> Tls:
        if self.key_file is not None and self.certificate_file is None:
            raise _mistake('there is a key and no certificate', 'add certificate_file: …')
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if self.ca_file is not None:
                context.load_verify_locations(self.ca_file)
            if self.certificate_file is not None:
                context.load_cert_chain(self.certificate_file, self.key_file, password=lambda: b'')
        except OSError as error:
            files = ', '.join(str(each) for each in (self.ca_file, self.certificate_file, self.key_file) if each)
            raise _mistake(f'{files}: {error.strerror or error}', 'expected files in PEM, without a password') from None
        return self


class Batch(BaseOptions):
    """Several events in one request.

    Attributes:
        size: so many events at most.
        within: no event waits longer for others.
    """

    size: int = Field(default=50, ge=2, le=200)
    within: Annotated[Duration, Field(ge=0.01, le=20.0)] = 2.0


class Options(BaseOptions):
    """The options of `webhook`.

    Attributes:
        url: where requests go to. Values can stand behind the host.
        method: how they are sent. GET sends no body.
        preset: calls, as a program wants them: `zammad` for its generic CTI, `crm` for others; see calls.
        body: the whole event as JSON, as the bus has it, or `cloudevents`: CloudEvents 1.0.
        template: a JSON document with values of the event, which is sent instead.
        text: a plain text with values of the event, which is sent instead.
        headers: further headers, by name.
        auth: how the server knows who asks.
        signing_secret: what both sides know. With it every request is signed; see signature.
        batch: several events in one request, which is a list then. Without it, every event is one.
        answer_within: how long to wait for an answer, at most.
        tls: certificates.
        proxy: an HTTP proxy, as in `http://proxy:3128`. It looks up names itself; only addresses are checked here.
        allow_networks: networks that requests may go to although they are not public, as in `10.0.0.0/8`.
    """

    url: UrlText
    method: Literal['POST', 'PUT', 'PATCH', 'DELETE', 'GET'] = 'POST'
    preset: Literal['zammad', 'crm'] | None = None
    body: Literal['event', 'cloudevents'] = 'event'
    template: JsonText | None = None
    text: PlainText | None = None
    headers: Mapping[str, HeaderText] = Field(default_factory=dict)
    auth: Auth | None = None
    signing_secret: str | None = Field(default=None, min_length=1, repr=False)
    batch: Batch | None = None
    answer_within: Annotated[Duration, Field(ge=0.1, le=300.0)] = 15.0
    tls: Tls | None = None
    proxy: str | None = Field(default=None, repr=False)
    allow_networks: tuple[Network, ...] = ()

    @property
    def concurrency(self) -> int:
        """How many events it takes at a time: several batches, of which one gathers while others are answered."""
        return min(4 * self.batch.size, _MOST_CONCURRENCY) if self.batch else _CONCURRENCY

    @property
    def burst_refusal(self) -> str:
        """That a call and a CloudEvent are single events."""
        if self.preset is not None:
            return 'a preset tells of one call'
        return 'a CloudEvent is one event' if self.body == 'cloudevents' else ''

    @property
    def patience_seconds(self) -> float:
        """How long a request waits for others, and for its answer."""
        return self.answer_within + (self.batch.within if self.batch else 0.0)

    def peers(self) -> Iterable[Peer]:
        """The proxy if there is one, else the server, where a template does not decide which it is."""
        if self.proxy is not None:
            return [_peer(_split(self.proxy), None)]
        parts = _fixed(self.url)
        return [] if parts is None else [_peer(parts, self.allow_networks)]

    @field_validator('url')
    @classmethod
    def _http(cls, value: UrlText) -> UrlText:
        parts = _fixed(value)
        if parts is not None and parts.username is not None:
            raise _mistake('a URL with a name or a password in it', 'write them as auth: {username: …, password: …}')
        return value

    @field_validator('headers')
    @classmethod
    def _sendable(cls, value: Mapping[str, HeaderText]) -> Mapping[str, HeaderText]:
        lower = [name.lower() for name in value]
        for name, text in value.items():
            if not _TOKEN.fullmatch(name):
                raise _mistake(f'{name!r} is no name of a header', 'as in headers: {X-Tenant: …}')
            if name.lower() in _OURS:
                raise _mistake(f'the header {name} is not for a configuration to set', f'take {name} out')
            if lower.count(name.lower()) > 1:
                raise _mistake(f'the header {name} is there twice', 'keep one of them')
            if not text.source.isprintable():
                raise _mistake(f'the header {name} has more than one line', 'write it in one')
        return value

    @field_validator('auth')
    @classmethod
    def _unmistakable(cls, value: Auth | None, info: ValidationInfo) -> Auth | None:
        if value is not None and any(name.lower() == 'authorization' for name in info.data.get('headers', ())):
            raise _mistake('there is a header Authorization too', 'keep one of them')
        return value

    @field_validator('proxy')
    @classmethod
    def _proxy(cls, value: str | None) -> str | None:
        if value is not None and _split(value).scheme != 'http':
            raise _mistake('expected the URL of an HTTP proxy', 'as in proxy: http://proxy.example.org:3128')
        return value

    @field_validator('allow_networks')
    @classmethod
    def _reachable(cls, value: tuple[Network, ...], info: ValidationInfo) -> tuple[Network, ...]:
        parts = _fixed(info.data['url']) if 'url' in info.data else None
        reason = Guard(value).refusal(parts.hostname or '') if parts is not None else ''
        if reason:
            text, _, hint = reason.partition('; ')
            raise _mistake(f'the URL cannot be reached: {text}', hint)
        return value

    @model_validator(mode='after')
    def _one_body(self) -> Options:
        given = [name for name in _BODIES if name in self.model_fields_set and getattr(self, name) is not None]
        if len(given) > 1:
            raise _mistake(f'{" and ".join(given)} are two bodies', 'keep one of them')
        if self.method == 'GET' and (given or self.batch):
            raise _mistake('GET sends no body', f'take {", ".join([*given, *(["batch"] * bool(self.batch))])} out')
        if self.batch is not None and (self.preset is not None or self.text is not None):
            what = 'preset' if self.preset is not None else 'text'
            raise _mistake(f'batch and {what} do not go together', 'a list is of body or template')
        return self


def _mistake(text: str, hint: str) -> ValueError:
    error = ValueError(text)
    error.add_note(hint)
    return error


def _fixed(url: UrlText) -> SplitResult | None:
    """The part of a URL that is the same for all events; `None` if a template decides all of it."""
    fixed = _TEMPLATE.split(url.source, maxsplit=1)[0]
    return _split(fixed) if fixed else None


def _split(url: str) -> SplitResult:
    """The parts of a URL with a host.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ('http', 'https') and parts.hostname and parts.port != 0
    except ValueError:
        is_one = False
    if not is_one:
        raise _mistake('expected a URL that begins with https:// or http://', 'as in https://crm.example.org/hook')
    return parts


def _peer(parts: SplitResult, allow_networks: tuple[Network, ...] | None) -> Peer:
    port = parts.port or (443 if parts.scheme == 'https' else 80)
    return Peer(parts.hostname or '', port, allow_networks)
