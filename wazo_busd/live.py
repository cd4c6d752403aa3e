# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The live view: a stream of what handlers take, for whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from functools import partial
from typing import Any

from wazo_busd.codec import encode
from wazo_busd.config import near
from wazo_busd.errors import UnknownEvent
from wazo_busd.http.page import Ask, Open, Page, Query, json_page, part
from wazo_busd.match import Match, is_name
from wazo_busd.onlookers import MOST, Onlooker, Onlookers, Sighting
from wazo_busd.patterns import mistake
from wazo_busd.redaction import Redaction

_QUIET_SECONDS = 5.0
"""So long after the last word another one is said, for those who are gone to be found."""
_PAUSE_SECONDS = 0.1
_AT_ONCE = 500
_MOST_ITEMS = 50
_KEYS = ('match', 'handler')
_EXAMPLE = "curl -N 'http://127.0.0.1:9506/events?match=calls.%23&handler=crm'; wazo-busd events lists names and keys"
_STATUS = 'wazo-busd status lists them'


_redaction = Redaction()


class Live:
    """Tells what handlers take.

    Args:
        onlookers: who is told.
        handlers: gives the names of the handlers.
    """

    def __init__(self, onlookers: Onlookers, handlers: Callable[[], Collection[str]]) -> None:
        self._onlookers = onlookers
        self._handlers = handlers

    def pages(self) -> dict[str, Ask]:
        """The pages, by paths: none."""
        return {}

    def streams(self, *, in_full: bool) -> dict[str, Open]:
        """The streams, by paths.

        Args:
            in_full: whether they go to somebody who may see what events say.
        """
        return {'/events': partial(self._open, in_full=in_full)}

    async def _open(self, query: Query, *, in_full: bool) -> Page | AsyncIterator[bytes]:
        unknown = [key for key in query if key not in _KEYS]
        if unknown:
            return _refusal(f'{unknown[0]!r} is nothing that can be asked for here')
        known = self._handlers()
        strangers = [name for name in query.get('handler', ()) if name not in known]
        if strangers:
            return _refusal(f'no handler is called {strangers[0]!r}', near(strangers[0], known) or _STATUS)
        items = [item.strip() for each in query.get('match', ()) for item in each.split(',')]
        try:
            # In a thread, as it may have to read which events there are.
            match = await asyncio.to_thread(_match, items) if items else None
        except (UnknownEvent, ValueError) as error:
            return _refusal(str(error))
        if self._onlookers.is_full:
            return json_page({'error': f'{MOST} look on already', 'hint': 'close one, or try again later'}, 503)
        return self._told(Onlooker(match, query.get('handler', ())), in_full=in_full)

    async def _told(self, onlooker: Onlooker, *, in_full: bool) -> AsyncIterator[bytes]:
        if self._onlookers.is_full:
            # Others have come since it was asked for.
            yield part('full', encode({'most': MOST}))
            return
        self._onlookers.add(onlooker)
        try:
            yield part('begun', encode({'data': in_full}))
            while True:
                await onlooker.wait(_QUIET_SECONDS)
                missed, sightings = onlooker.take(_AT_ONCE)
                yield b''.join(_parts(missed, sightings, in_full=in_full)) or b': nothing\n\n'
                # Many in one go, so that who looks on at a flood costs little.
                await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._onlookers.remove(onlooker)


def _match(items: Collection[str]) -> Match:
    if len(items) > _MOST_ITEMS:
        raise ValueError(f'match: {_MOST_ITEMS} names and patterns at most')
    for item in items:
        told = '' if is_name(item) and item else mistake(item)
        if told:
            raise ValueError(f'match: {item!r}: {told}')
    return Match(tuple(items))


def _parts(missed: int, sightings: Iterable[Sighting], *, in_full: bool) -> list[bytes]:
    found = [part('missed', encode({'count': missed}))] if missed else []
    return found + [part('handled', encode(_said(each, in_full=in_full))) for each in sightings]


def _said(sighting: Sighting, *, in_full: bool) -> dict[str, Any]:
    said = sighting.plain(in_full=in_full)
    # There are keys with a telephone number in them.
    return said if in_full else said | {'routing_key': _redaction.redacted(sighting.routing_key)}


def _refusal(error: str, hint: str = _EXAMPLE) -> Page:
    return json_page({'error': error, 'hint': hint}, 400)
