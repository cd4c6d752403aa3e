# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Receipts: which recipients of an event have it already, while others have to be tried again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from wazo_busd.api import Event

_REMEMBERED = 4096


class Receipts:
    """Remembers what was received of events that are tried again, so that nobody gets one twice for another's sake.

    They are kept in memory: after a restart a recipient may get an event again.
    """

    def __init__(self) -> None:
        self._received: OrderedDict[str, frozenset[str]] = OrderedDict()

    def missing(self, event: Event, recipients: Sequence[str]) -> list[str]:
        """Those who do not have an event yet, in their order.

        Args:
            event: the event.
            recipients: all who are to get it.
        """
        # Hosts of 2019 send events that are the same to the byte, and a first try is never a repeat.
        if event.attempt == 1 and not event.redelivered:
            return list(recipients)
        received = self._received.get(event.id, frozenset())
        return [each for each in recipients if each not in received]

    def note(self, event: Event, recipients: Iterable[str]) -> None:
        """Remember that some have an event, and that others are tried again.

        Args:
            event: the event.
            recipients: who has got it by this try.
        """
        earlier = self._received.pop(event.id, frozenset())
        is_first = event.attempt == 1 and not event.redelivered
        self._received[event.id] = frozenset(recipients) | (frozenset() if is_first else earlier)
        if len(self._received) > _REMEMBERED:
            self._received.popitem(last=False)

    def forget(self, event: Event) -> None:
        """Forget an event that is not tried again."""
        self._received.pop(event.id, None)
