# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The composer: from an event to a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wazo_busd.api import Context, Event, HeaderText, Permanent, encode_json

from .call import Calls
from .cloudevent import cloudevent
from .options import Options
from .request import Request

_JSON = 'application/json'

Content = Callable[[Event], bytes | None]


class Composer:
    """Makes requests of events, as the options say.

    Args:
        options: the options.
        context: what the plugin got.
    """

    def __init__(self, options: Options, context: Context) -> None:
        self._options = options
        self._context = context
        self._content_type, self._content = self._form()
        self._is_typed = any(name.lower() == 'content-type' for name in options.headers)

    def request(self, event: Event) -> Request:
        """The request for an event.

        Raises:
            Discard: the preset has no use for the event.
            Permanent: a text cannot be made of it.
        """
        body = self._content(event)
        headers = [(name, self._header(text, event)) for name, text in self._options.headers.items()]
        if body is not None and not self._is_typed:
            headers.append(('Content-Type', self._content_type))
        url = self._options.url.render(event, self._context)
        if not url.lower().startswith(('https://', 'http://')):
            raise Permanent('no request can be made of it: the URL begins neither with https:// nor with http://')
        return Request(event.id, url, tuple(headers), body)

    def _form(self) -> tuple[str, Content]:
        """What the body is, and what makes it."""
        options = self._options
        if options.preset is not None:
            calls = Calls(options.preset, self._context.surroundings.names)
            return _JSON, lambda event: encode_json(calls.content(event))
        if options.template is not None:
            return _JSON, self._rendered(options.template)
        if options.text is not None:
            return 'text/plain; charset=utf-8', self._rendered(options.text)
        if options.method == 'GET':
            return '', lambda event: None
        if options.body == 'cloudevents':
            kind = 'cloudevents-batch' if options.batch else 'cloudevents'
            return f'application/{kind}+json; charset=utf-8', lambda event: encode_json(cloudevent(event))
        return _JSON, lambda event: encode_json(_whole(event))

    def _rendered(self, text: Any) -> Content:
        # A lone surrogate is in no body: in JSON it is escaped already, in a text it was shown as an escape.
        return lambda event: text.render(event, self._context).encode('utf-8', 'backslashreplace')

    def _header(self, text: HeaderText, event: Event) -> str:
        # One without values is what the configuration says, of whatever length: tokens can be long.
        return text.render(event, self._context) if '{' in text.source else text.source


def _whole(event: Event) -> Mapping[str, Any]:
    """The event as the bus has it; of a burst the last one, with how many they are and the first of them.

    Not the bytes that came: they can be JSON that servers refuse, with NaN in it, or the same key twice.
    """
    if event.burst is None:
        return event.metadata
    events = event.burst.events
    told = {'count': event.burst.count, 'first': events[0].metadata, 'last': events[-1].metadata}
    return {**event.metadata, 'burst': told}
