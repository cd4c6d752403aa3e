# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The recorder: gives out the deliveries of a test, and notes what becomes of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from wazo_busd.burst import EXCHANGE
from wazo_busd.delivery import Delivery, History, PlainProperties
from wazo_busd.event import Event, identity
from wazo_busd.outcome import Reason


class Recorder:
    """An acknowledger that only notes what it is told, and that everything is settled.

    Attributes:
        missing: how many deliveries are not settled yet.
        reasons: why the plugin gave up, by the tag of the delivery.
        histories: what was noted of those that are to be tried again, by the tag of the delivery.
        all_settled: set while nothing is missing.
    """

    def __init__(self) -> None:
        self.missing = 0
        self.reasons: dict[int, Reason] = {}
        self.histories: dict[int, History] = {}
        self.all_settled = asyncio.Event()

    def expect(self) -> None:
        """One more delivery is coming."""
        self.missing += 1
        self.all_settled.clear()

    def ack(self, delivery: Delivery) -> None:
        """Note that one is settled."""
        self.missing -= 1
        if not self.missing:
            self.all_settled.set()

    def postpone(self, delivery: Delivery, history: History) -> None:
        """Note what is known of one that is to be tried again."""
        self.histories[delivery.tag] = history
        delivery.close()

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        """Note why one is dead."""
        self.reasons[delivery.tag] = reason
        delivery.close()

    def leave(self, delivery: Delivery) -> None:
        """It is settled, as far as a test goes."""
        self.ack(delivery)

    def give_back(self, delivery: Delivery) -> None:
        """It is settled, as far as a test goes."""
        self.ack(delivery)

    def replace(self, old: Delivery, new: Delivery) -> None:
        """Nothing comes again here."""

    def unsettled(self) -> Iterable[Delivery]:
        """None that is of any interest."""
        return ()

    def doubtful(self) -> Iterable[Delivery]:
        """None."""
        return ()


def delivery_of(number: int, event: Event, acknowledger: Recorder) -> Delivery:
    """The delivery of an event.

    Args:
        number: its tag.
        event: the event.
        acknowledger: who is told what becomes of it.
    """
    is_first = event.attempt == 1 and event.id == identity(event.exchange, event.routing_key, event.body)
    return Delivery(
        number,
        body=event.body,
        exchange=event.exchange,
        routing_key=event.routing_key,
        properties=PlainProperties(event.headers),
        redelivered=event.redelivered,
        received_at=event.received_at,
        acknowledger=acknowledger,
        history=None if is_first else History(event_id=event.id, attempts=event.attempt - 1),
    )


def burst_of(number: int, body: bytes, last: Event, acknowledger: Recorder) -> Delivery:
    """The delivery of a burst.

    Args:
        number: its tag.
        body: what was gathered.
        last: the last event of it.
        acknowledger: who is told what becomes of it.
    """
    return Delivery(
        number,
        body=body,
        exchange=EXCHANGE,
        routing_key=last.routing_key,
        properties=PlainProperties({}),
        redelivered=False,
        received_at=time.time(),
        acknowledger=acknowledger,
        history=History(event_id=identity(EXCHANGE, last.routing_key, body), attempts=0),
    )
