# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin itself: an event comes, a mail goes, and the event is done with when the mail server has it."""

from __future__ import annotations

from wazo_busd.api import Context, Event, Permanent, Preview, Retry, handler

from ..receipts import Receipts
from .answer import told
from .composer import Composer
from .options import Options
from .sender import Sender


class Mail:
    """Sends mails. What the mail server answers decides what becomes of the event."""

    Options = Options
    concurrency = 4

    def __init__(self, context: Context) -> None:
        options: Options = context.options
        self._recipients = options.recipients
        self._composer = Composer(options, context)
        self._sender = Sender(options, context)
        self._receipts = Receipts()

    async def start(self) -> None:
        """See that the file of the authorities can be used.

        Raises:
            OSError: it cannot.
        """
        self._sender.tls()

    @handler
    async def on_event(self, event: Event) -> None:
        """Return when the mail server has the mail for all recipients.

        Raises:
            Permanent: it refuses the mail or a recipient, or no mail can be made of the event.
            Retry: it cannot be reached, or does not take the mail now.
            Stop: it does not let us in.
        """
        letter = self._composer.letter(event)
        waiting = self._receipts.missing(event, self._recipients)
        refused = await self._sender.send(letter, self._composer.sender, waiting) if waiting else None
        if not refused:
            self._receipts.forget(event)
            return
        text = f'refused for {told(refused)}'
        others = len(self._recipients) - len(refused)
        if refused.later:
            self._receipts.note(event, (each for each in waiting if each not in refused))
            raise Retry(text)
        self._receipts.forget(event)
        raise Permanent(f'{text}; {others} of {len(self._recipients)} recipients have it')

    def preview(self, event: Event) -> Preview:
        """The mail that would go for an event.

        Raises:
            Permanent: no mail can be made of it.
        """
        return self._composer.told(event)
