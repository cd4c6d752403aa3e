# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The composer: from an event to a mail."""

from __future__ import annotations

import platform
import re
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from typing import Any

from wazo_busd.api import Context, Event, Text

from .options import Options, addresses_of
from .thread import message_id, root

_POLICY = SMTP.clone(cte_type='7bit')
"""Every server takes it, and no server on the way changes it."""

_DOMAIN = re.compile(r'[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?')

_OF_ALL = re.compile(r'\{[{%][^}]*\bburst\b')


def this_host() -> str:
    """The name of this host, as mails can have it."""
    name = platform.node()
    return name if _DOMAIN.fullmatch(name) else 'localhost'


class Composer:
    """Makes mails of events, as the options say.

    Args:
        options: the options.
        context: what the plugin got.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._from = options.sender or f'wazo-busd@{this_host()}'
        self.sender = addresses_of(self._from)[0]
        """The address that mails are from."""
        self._domain = self.sender.rpartition('@')[2]

    def told(self, event: Event) -> dict[str, Any]:
        """What people see of the mail about an event, and who gets it.

        Raises:
            Permanent: a text cannot be made of it.
        """
        options = self._options
        people = {'to': options.to, 'cc': options.cc, 'bcc': options.bcc, 'reply_to': options.reply_to}
        subject = options.subject.render(event, self._context)
        texts = {'subject': subject, 'text': self._text(event), 'html': self._html(event)}
        said = {'from': self._from, **people, **texts}
        return {name: value for name, value in said.items() if value is not None and value != ()}

    def letter(self, event: Event) -> bytes:
        """The mail about an event, as it goes over the wire.

        Raises:
            Permanent: a text cannot be made of it.
        """
        options, letter = self._options, EmailMessage(_POLICY)
        letter['From'] = self._from
        letter['To'] = ', '.join(options.to)
        if options.cc:
            letter['Cc'] = ', '.join(options.cc)
        if options.reply_to is not None:
            letter['Reply-To'] = options.reply_to
        letter['Subject'] = options.subject.render(event, self._context)
        letter['Date'] = localtime()
        letter['Message-ID'] = message_id(event, self._context.name, self._domain)
        thread = root(event, options.thread, self._domain)
        if thread is not None:
            letter['In-Reply-To'] = thread
            letter['References'] = thread
        # Nobody's absence is announced to us, and no program answers another (RFC 3834).
        letter['Auto-Submitted'] = 'auto-generated'
        self._fill(letter, event)
        return letter.as_bytes()

    def _fill(self, letter: EmailMessage, event: Event) -> None:
        text, html = self._text(event), self._html(event)
        if text is not None:
            letter.set_content(text)
        if html is not None and text is None:
            letter.set_content(html, subtype='html')
        elif html is not None:
            letter.add_alternative(html, subtype='html')

    def _text(self, event: Event) -> str | None:
        return self._rendered(self._options.text, event, '\n')

    def _html(self, event: Event) -> str | None:
        return self._rendered(self._options.html, event, '\n<hr>\n')

    def _rendered(self, text: Text | None, event: Event, between: str) -> str | None:
        """A text, of the event or of each event of a digest: unless it names the burst, and so tells of all at once."""
        if text is None:
            return None
        if self._options.every is None or event.burst is None or _OF_ALL.search(text.source):
            return text.render(event, self._context)
        return between.join(text.render(each, self._context) for each in event.burst.events)
