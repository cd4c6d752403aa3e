# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The service: where messages go to, how it reads them, and what becomes of one."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from apprise import Apprise, AppriseAsset

from wazo_busd.api import Destination, Peer, Permanent, Retry, escape

_ASSET = AppriseAsset(app_id='Wazo', app_desc='Wazo', app_url='', image_url_mask='', image_path_mask='')
"""Who messages are from. Pictures would be fetched from a host that nobody here has asked for."""

_READ_MARKDOWN = frozenset(
    (
        'NotifyDiscord',
        'NotifyGuilded',
        'NotifyMattermost',
        'NotifyNextcloudTalk',
        'NotifyRevolt',
        'NotifyRyver',
        'NotifyWorkflows',
        'NotifyZulip',
    )
)
"""Services that read Markdown in whatever they are sent, even if apprise calls it a text."""

_HAVE_DIALECTS = frozenset(
    (
        'NotifyAWSWhatsApp',
        'NotifyEvolution',
        'NotifyGoogleChat',
        'NotifyGupshup',
        'NotifyWhapi',
        'NotifyWhatsApp',
    )
)
"""Services with marks of their own, which apprise makes of Markdown, and which nothing escapes."""

_CHOICES = {'overflow': ('truncate', 'split', 'upstream'), 'format': ('text', 'markdown', 'html')}
"""What a URL can ask of any service. Apprise takes anything else, and then does as it likes, or fails."""

_LENGTH = 500
_LEAST_SECRET = 8
_BETWEEN = re.compile(r'[/?&=#;:@,\s]+')
_STATUS = re.compile(r'\berror=(\d{3})\b')
_AGAIN = frozenset((408, 425, 429))

Conceal = Callable[[str], str]
"""Takes secrets out of a text."""

for _name in ('apprise', 'urllib3'):
    # They tell URLs, and these are secrets. What they say of a failure is in its reason.
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


class Service:
    """A service that takes messages.

    Args:
        url: its URL, as apprise wants it.

    Raises:
        ValueError: apprise knows no such service, or not what it is asked for; the text does not show the URL.
    """

    def __init__(self, url: str) -> None:
        service: Any = Apprise.instantiate(url, asset=_ASSET)
        if service is None:
            scheme = re.match(r'[a-z0-9]{1,20}(?=://)', url)
            known = f'one that begins with {scheme[0]}://' if scheme else 'it'
            raise ValueError(f'expected the URL of a service; apprise cannot use {known}')
        for choice, possible in _CHOICES.items():
            _check_choice(url, choice, possible)
        self._service = service
        self.name = escape(str(service.service_name))
        """What people call it."""
        wish = _asked(url, 'format')
        listed = [str(getattr(each, 'value', each)) for each in _several(service.notify_format)]
        target = wish if wish in listed else 'text' if 'text' in listed else listed[0]
        kind = type(service).__name__
        self._reads_markdown = kind in _READ_MARKDOWN
        self._has_dialect = kind in _HAVE_DIALECTS
        self.destination = Destination.CHAT
        """How it reads the text of a message."""
        self._format = 'text'
        if self._has_dialect:
            self.destination, self._format = Destination.DIALECT, target
        elif target == 'markdown' or self._reads_markdown:
            self.destination, self._format = Destination.MARKDOWN, target
        elif target == 'html' and wish == 'html':
            self.destination, self._format = Destination.HTML, target
        self._overflow = _asked(url, 'overflow') or 'truncate'
        self._secrets = sorted(_secrets(url, str(getattr(service, 'host', '') or '')), key=len, reverse=True)

    @property
    def title_destination(self) -> Destination:
        """How it reads the title: as a part of the text, or as letters."""
        is_part = self._service.title_maxlen <= 0 or self._reads_markdown or self._has_dialect
        return self.destination if is_part else Destination.CHAT

    @property
    def peer(self) -> Peer | None:
        """The server; `None` where apprise does not say which it is.

        What it calls the host is an account or a token with many services, so that is believed only where its own form
        of the URL has a host.
        """
        fixed = str(getattr(self._service, 'notify_url', '') or '')
        if fixed.startswith('https://') and not set(fixed.partition('://')[2].partition('/')[0]) & set('{}%'):
            parts = urlsplit(fixed)
            return Peer(parts.hostname, parts.port or 443) if parts.hostname else None
        forms = [str(each) for each in getattr(self._service, 'templates', ())]
        host = str(getattr(self._service, 'host', '') or '')
        if not host or not any(re.search(r'(://|@)\{host\}', each) for each in forms):
            return None
        host = str(getattr(self._service, 'smtp_host', '') or host)
        port = getattr(self._service, 'port', None)
        if not port and hasattr(sys.modules[type(self._service).__module__], 'requests'):
            port = 443 if getattr(self._service, 'secure', False) else 80
        return Peer(host, port) if port else None

    def send(self, title: str, text: str, severity: str, conceal: Conceal) -> None:
        """Send a message; it blocks until the service has accepted it.

        Args:
            title: the title; `''` for none.
            text: the text, for `destination`.
            severity: `info`, `success`, `warning` or `failure`.
            conceal: takes secrets out of what is told of a failure.

        Raises:
            Permanent: it will not accept it.
            Retry: it cannot be reached, or does not accept it now.
        """
        with _overheard() as said:
            try:
                is_sent = self._service.notify(
                    body=text, title=title, notify_type=severity, body_format=self._format, overflow=self._overflow
                )
            except Exception as error:  # noqa: BLE001 — whatever the code of a hundred services does
                is_sent = False
                said.append(f'{type(error).__name__}: {error}')
        if not is_sent:
            raise self._verdict(' '.join(said), conceal)

    def _verdict(self, said: str, conceal: Conceal) -> Exception:
        statuses = [int(each) for each in _STATUS.findall(said)]
        is_final = bool(statuses) and all(400 <= each < 500 and each not in _AGAIN for each in statuses)
        shown = conceal(' '.join(said.split()))
        for secret in self._secrets:
            shown = shown.replace(secret, '…')
        text = f'{self.name} does not take it: {escape(shown[:_LENGTH]) or "apprise does not say why"}'
        return Permanent(text) if is_final else Retry(text)


def _asked(url: str, name: str) -> str:
    """What a URL asks for; `''` if it says nothing."""
    found = re.search(rf'[?&]{name}=(\w+)', url, re.IGNORECASE)
    return found[1].lower() if found else ''


def _check_choice(url: str, name: str, known: tuple[str, ...]) -> None:
    asked = _asked(url, name)
    if asked and asked not in known:
        error = ValueError(f'{name}={escape(asked[:20])}: expected {name}={", ".join(known[:-1])} or {known[-1]}')
        error.add_note(f'write {name}={known[0]}, or take it out of the URL, then: wazo-busd check')
        raise error


def _several(formats: Any) -> tuple[Any, ...]:
    return tuple(formats) if isinstance(formats, (list, tuple)) else (formats,)


def _secrets(url: str, host: str) -> Iterator[str]:
    """What of a URL may be secret; which part it is nobody says, but it is long."""
    for part in _BETWEEN.split(url.partition('://')[2]):
        if len(part) >= _LEAST_SECRET and part.lower() != host.lower():
            yield part
            yield unquote(part)


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What apprise logs in this thread: it tells nothing of a failure elsewhere."""
    said: list[str] = []
    listener = _Listener(said)
    logger = logging.getLogger('apprise')
    logger.addHandler(listener)
    try:
        yield said
    finally:
        logger.removeHandler(listener)


class _Listener(logging.Handler):
    """Notes what is logged in the thread that it was made in."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self._said.append(record.getMessage())
