# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The board itself: collects the panels of all handlers, once a second and only while somebody looks."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import structlog

from wazo_busd import __version__
from wazo_busd.board import files
from wazo_busd.board.rows import handlers_panel, plain, whole
from wazo_busd.codec import encode
from wazo_busd.http.page import Ask, Open, Page, Query, part
from wazo_busd.outcome import told
from wazo_busd.panel import Panel
from wazo_busd.panels import Panels, checked
from wazo_busd.rates import Rates
from wazo_busd.status import DaemonStatus, State
from wazo_busd.text import escape

_EVERY_SECONDS = 1.0
_QUIET_SECONDS = 5.0
"""So long after the last word another one is said: a page that hears nothing says that it does not."""
_MOST_REASONS = 5
_AGAIN = b'retry: 1000\n\n'
"""After so many milliseconds a browser that has lost the connection tries again."""
_HINT = """handlers:
  calls: {plugin: calls}
  queues: {plugin: queues}
  conferences: {plugin: conferences}
  availability: {plugin: availability}
"""

log = structlog.stdlib.get_logger(__name__)

View = Mapping[str, bytes]
"""What is shown, in the order in which it is: texts of JSON by what they are of."""


class Board:
    """Shows panels.

    Args:
        status: tells how the daemon fares.
        every_seconds: how often that is looked at.
    """

    def __init__(self, status: Callable[[], DaemonStatus], *, every_seconds: float = _EVERY_SECONDS) -> None:
        self._status = status
        self._every_seconds = every_seconds
        self._panels: dict[str, Panels] = {}
        self._failed: set[str] = set()
        """The handlers of which it was told that their panels are none."""
        self._rates = Rates()
        self._view: View = {}
        self._seen_at = float('-inf')

    def panels(self, handler: str) -> Panels:
        """The panels of a handler that starts; what an earlier one has shown is shown no more."""
        panels = self._panels[handler] = Panels()
        return panels

    def forget(self, handler: str) -> None:
        """The handler has ended: show nothing of it any more."""
        self._panels.pop(handler, None)
        self._failed.discard(handler)

    def pages(self) -> dict[str, Ask]:
        """The page, and what it is made of, by paths."""
        return files.pages()

    def streams(self, *, in_full: bool) -> dict[str, Open]:
        """What the page is told, by paths; the same to everybody."""
        return {'/board/updates': self._open}

    async def _open(self, query: Query) -> Page | AsyncIterator[bytes]:
        return self._updates()

    async def _updates(self) -> AsyncIterator[bytes]:
        """All that is shown, and then what changes. Who is slow is told of what has changed since, once."""
        sent: View = {}
        said_at = 0.0
        while True:
            view = self._look()
            if view != sent or list(view) != list(sent):
                said_at = time.monotonic()
                yield (b'' if sent else _AGAIN) + _update(sent, view)
                sent = view
            elif time.monotonic() - said_at >= _QUIET_SECONDS:
                said_at = time.monotonic()
                yield part('still', b'{}')
            await asyncio.sleep(self._every_seconds)

    def _look(self) -> View:
        """What is shown now; however many look, it is collected once."""
        now = time.monotonic()
        if now - self._seen_at >= self._every_seconds / 2:
            self._seen_at, self._view = now, self._collected(now)
        return self._view

    def _collected(self, now: float) -> View:
        status = self._status()
        self._rates.see({each.name: each.counts.received for each in status.handlers}, now)
        found = [(panel, f'{handler}/{number}') for handler, number, panel in self._all()]
        hint = '' if found else _HINT
        found.append((checked(handlers_panel(status, self._rates)), '/handlers'))
        found.sort(key=lambda each: (each[0].place, each[1]))
        return {'': encode(_head(status, self._rates, hint)), **{key: encode(plain(each)) for each, key in found}}

    def _all(self) -> Iterator[tuple[str, int, Panel]]:
        for handler, panels in self._panels.items():
            try:
                found = list(panels.now())
            except Exception as error:  # noqa: BLE001 — a plugin may raise anything, and the others are shown
                if handler not in self._failed:
                    self._failed.add(handler)
                    log.error('panels_failed', handler=handler, error=told(error), effect='the board shows none of it')
                found = [Panel(handler, empty='It cannot be shown; the log of the daemon says why: panels_failed.')]
            yield from ((handler, number, panel) for number, panel in enumerate(found))


def _head(status: DaemonStatus, rates: Rates, hint: str) -> dict[str, Any]:
    return {
        'host': escape(socket.gethostname()),
        'version': __version__,
        'since': round(status.since),
        'connected': status.connected,
        'ready': not status.reasons(in_full=False),
        'reasons': [escape(each) for each in status.reasons(in_full=False)[:_MOST_REASONS]],
        'resting': [each.name for each in status.handlers if each.state is State.RESTING][:_MOST_REASONS],
        'summary': escape(status.summary),
        'rate': whole(rates.all),
        'hint': hint,
    }


def _update(sent: View, view: View) -> bytes:
    changed = b','.join(b'%b:%b' % (encode(key), text) for key, text in view.items() if sent.get(key) != text)
    return part('board', b'{"order":%b,"parts":{%b}}' % (encode(list(view)), changed))
