# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin itself: an event comes, messages go, and the event is done with when all services have theirs."""

from __future__ import annotations

from wazo_busd.api import Context, Destination, Event, Permanent, Preview, Retry, Text, handler

from ..receipts import Receipts
from .excerpt import TEXT_LETTERS, TITLE_LETTERS, excerpt
from .options import Options
from .service import Service


class Notify:
    """Sends messages by apprise, which blocks: so it runs in threads, one message after the other."""

    Options = Options
    concurrency = 1

    def __init__(self, context: Context) -> None:
        options: Options = context.options
        self._options = options
        self._services = {str(number): each for number, each in enumerate(options.to)}
        self._receipts = Receipts()

    @handler
    def on_event(self, event: Event, context: Context) -> None:
        """Return when all services have accepted the message.

        Raises:
            Permanent: a service will not accept it, or no text can be made of the event.
            Retry: a service cannot be reached, or does not accept it now.
        """
        waiting = self._receipts.missing(event, list(self._services))
        messages = {number: self._message(self._services[number], event, context) for number in waiting}
        failed: dict[str, Exception] = {}
        for number, (title, text) in messages.items():
            try:
                self._services[number].send(title, text, self._options.severity, context.concealed)
            except (Permanent, Retry) as error:
                failed[number] = error
        said = '; '.join(map(str, failed.values()))
        if any(isinstance(each, Retry) for each in failed.values()):
            self._receipts.note(event, (number for number in waiting if number not in failed))
            raise Retry(said)
        self._receipts.forget(event)
        if failed:
            raise Permanent(said)

    def preview(self, event: Event, context: Context) -> Preview:
        """The message that each service would get; their URLs are secrets, so their names stand for them.

        Raises:
            Permanent: no text can be made of the event.
        """
        messages = []
        for service in self._services.values():
            title, text = self._message(service, event, context)
            named = {} if self._options.title is None else {'title': title}
            messages.append({'to': service.name, **named, 'text': text})
        return {'severity': self._options.severity, 'messages': messages}

    def _message(self, service: Service, event: Event, context: Context) -> tuple[str, str]:
        """Title and text for a service."""
        title = self._rendered(self._options.title, service.title_destination, event, TITLE_LETTERS, context)
        text = self._rendered(self._options.text, service.destination, event, TEXT_LETTERS, context)
        if not text.strip():
            raise Permanent(f'handler {context.name}, options.text: there is nothing in it')
        return ' '.join(title.split()), text

    def _rendered(
        self, text: Text | None, destination: Destination, event: Event, letters: int, context: Context
    ) -> str:
        if text is None:
            return ''
        shown = excerpt(event, letters, without_at=destination is Destination.HTML)
        return text.render(shown, context, destination=destination)
