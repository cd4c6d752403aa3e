# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin itself: an event comes, a request goes, and the event is done with when that is answered."""

from __future__ import annotations

from wazo_busd.api import Context, Event, Preview, handler

from .batch import Batches
from .composer import Composer
from .options import Options
from .request import together
from .sender import Sender


class Webhook:
    """Sends requests to a web server. What it answers decides what becomes of the event."""

    Options = Options

    def __init__(self, context: Context) -> None:
        options: Options = context.options
        self._composer = Composer(options, context)
        self._sender = Sender(options, context)
        self._batches = Batches(options.batch, self._sender.send, most=context.concurrency) if options.batch else None

    async def start(self) -> None:
        """See that the files of certificates can be used.

        Raises:
            OSError: they cannot.
        """
        self._sender.session()

    async def stop(self) -> None:
        """Leave nothing under way; all events are settled by now."""
        if self._batches is not None:
            await self._batches.close()

    @handler
    async def on_event(self, event: Event) -> None:
        """Return when the server has accepted the event.

        Raises:
            Discard: the preset has no use for the event.
            Permanent: the server refuses it, or no request can be made of it.
            Retry: the server cannot be reached, or is busy.
            Stop: the server wants no requests any more.
        """
        request = self._composer.request(event)
        if self._batches is None:
            await self._sender.send(request)
        else:
            await self._batches.send(request)

    def preview(self, event: Event) -> Preview:
        """The request that would go for an event, with secrets concealed.

        Raises:
            Discard: the preset has no use for the event.
            Permanent: no request can be made of it.
        """
        request = self._composer.request(event)
        return self._sender.preview(request if self._batches is None else together([request]))
