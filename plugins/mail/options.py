# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The options of `mail`."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Iterable
from email.headerregistry import AddressHeader
from email.policy import SMTP
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from wazo_busd.api import BaseOptions, Duration, HeaderText, HtmlText, Peer, PlainText
from wazo_busd.api import Field as EventField

_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_HOST = re.compile(r'[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]{2,45}')
_PORTS = {'none': 25, 'starttls': 587, 'tls': 465}


def _mistake(text: str, hint: str) -> ValueError:
    error = ValueError(text)
    error.add_note(hint)
    return error


def _address(value: Any) -> Any:
    """One address of a mail, with or without a name."""
    if isinstance(value, str) and len(addresses_of(value)) != 1:
        raise _mistake('expected an address, with ASCII letters only', "as in 'Operations <ops@example.org>'")
    return value


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _nobody_twice(value: tuple[str, ...]) -> tuple[str, ...]:
    found = [addresses_of(each)[0].lower() for each in value]
    twice = next((each for each in found if found.count(each) > 1), None)
    if twice is not None:
        raise _mistake(f'the address {twice} is there twice', 'keep one of them')
    return value


def addresses_of(text: str) -> list[str]:
    """The addresses in a text as headers of mails have it, without names; none if it is no such text.

    Args:
        text: as in `Operations <ops@example.org>`.
    """
    if not text.isprintable():
        return []
    header: Any = SMTP.header_factory('to', text)
    found = [each.addr_spec for each in header.addresses] if isinstance(header, AddressHeader) else []
    return found if not header.defects and all(_ADDRESS.fullmatch(each) for each in found) else []


Address = Annotated[str, BeforeValidator(_address)]
Addresses = Annotated[
    tuple[Address, ...], BeforeValidator(_several), AfterValidator(_nobody_twice), Field(max_length=100)
]


class Server(BaseOptions):
    """Who takes the mails.

    Attributes:
        host: its name or address.
        port: its port; 25 without TLS, 587 with `starttls`, 465 with `tls` if it is left out.
        tls: `none`, `starttls`: begun in the clear and never gone on with so, or `tls` from the beginning. If it is
            left out: `none` for this host, `starttls` for others.
        username: a name, if the server wants one.
        password: its password, as in `${file:/etc/wazo-busd/credentials/mail}`.
        ca_file: the authorities that the server is verified against; those of the system if it is left out.
    """

    host: str = 'localhost'
    port: int | None = Field(default=None, ge=1, le=65_535)
    tls: Literal['none', 'starttls', 'tls'] | None = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def way(self) -> Literal['none', 'starttls', 'tls']:
        """How it is spoken to."""
        return self.tls or ('none' if _is_here(self.host) else 'starttls')

    @property
    def number(self) -> int:
        """The port."""
        return self.port or _PORTS[self.way]

    @field_validator('host')
    @classmethod
    def _named(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise _mistake('expected a name or an address', 'as in host: mail.example.org')
        return value

    @field_validator('username', 'password')
    @classmethod
    def _printable(cls, value: str | None) -> str | None:
        if value is not None and (not value or not value.isprintable()):
            raise _mistake('expected a text without line ends and control characters', 'write it in one line')
        return value

    @field_validator('ca_file')
    @classmethod
    def _certificates(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        if not value.is_absolute():
            raise _mistake('expected an absolute path', 'as in ca_file: /etc/wazo-busd/ca.pem')
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
        except OSError as error:
            raise _mistake(f'{value}: {error.strerror or error}', 'expected certificates in PEM') from None
        return value

    @model_validator(mode='after')
    def _whole(self) -> Server:
        if (self.username is None) != (self.password is None):
            raise _mistake('expected username and password, or neither', 'server: {username: …, password: …}')
        if self.password is not None and self.way == 'none' and not _is_here(self.host):
            raise _mistake('a password would go over the network in the clear', 'write tls: starttls or tls: tls')
        return self


class Options(BaseOptions):
    """The options of `mail`.

    Attributes:
        to: who gets the mail, one address or a list; no event chooses it.
        cc: who gets a copy.
        bcc: who gets one that the others do not see.
        from: who it is from; `wazo-busd` at this host if it is left out.
        reply_to: who answers go to.
        subject: the subject.
        text: the mail as plain text.
        html: the mail as HTML; with `text` besides, programs show what they prefer.
        thread: the field that mails have in common which programs show together, as in `data.user_uuid`; the call or
            the fax if it is left out.
        every: one mail for all events of such a time, counted from the first; see digests.
        server: who takes the mails: the mail server of this host unless it says another.
        answer_within: how long to wait for each answer of the server, at most.
    """

    to: Annotated[Addresses, Field(min_length=1)]
    cc: Addresses = ()
    bcc: Addresses = ()
    sender: Address | None = Field(default=None, alias='from')
    reply_to: Address | None = None
    subject: HeaderText
    text: PlainText | None = None
    html: HtmlText | None = None
    thread: EventField | None = None
    every: Annotated[Duration, Field(ge=1.0, le=86_400.0)] | None = None
    server: Server = Field(default_factory=Server)
    answer_within: Annotated[Duration, Field(ge=0.1, le=300.0)] = 15.0

    @property
    def digest_seconds(self) -> float | None:
        """For how long events are gathered."""
        return self.every

    @property
    def patience_seconds(self) -> float:
        """How long one answer is waited for. A mail takes several; most come at once."""
        return self.answer_within

    @property
    def recipients(self) -> list[str]:
        """The addresses of all who get it, each once."""
        everybody = (*self.to, *self.cc, *self.bcc)
        return list({each.lower(): each for text in everybody for each in addresses_of(text)}.values())

    def peers(self) -> Iterable[Peer]:
        """The mail server."""
        return [Peer(self.server.host, self.server.number)]

    @model_validator(mode='after')
    def _says_something(self) -> Options:
        if self.text is None and self.html is None:
            raise _mistake('there is nothing in the mail', 'add text: "…"')
        return self


def _is_here(host: str) -> bool:
    """Whether a server is on this host, so that nobody listens in between."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == 'localhost'
