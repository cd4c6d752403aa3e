# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The intake: hands on what one channel brings, a few deliveries at a time.

One read can bring hundreds. Were they all made into events before the first is handled, each would be fetched from
memory far away when its turn comes; of a few all that they need is still at hand (measured: a third less for each).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Final

import structlog

from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.amqp.arrival import first_hand, returned
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.frames import Cut
from wazo_busd.delivery import Accept, Delivery, PlainProperties

_AT_ONCE: Final = 32
"""So many are handed on in one turn of the loop. With fewer the turns cost more than they save."""

log = structlog.stdlib.get_logger(__name__)


class Intake:
    """Takes in the deliveries of one channel, and hands them on in their order.

    Args:
        accept: where they go.
        acknowledger: who settles them.
        handler: the name of the handler, for the log.
        copies: knows which copies came before.
        returns: the name of the exchange that copies come back by.
        max_body_size: how many bytes a body may have; of a longer one the beginning is kept.
    """

    def __init__(
        self,
        accept: Accept,
        acknowledger: ChannelAcknowledger,
        *,
        handler: str,
        copies: Copies,
        returns: str,
        max_body_size: int,
    ) -> None:
        self._accept = accept
        self._acknowledger = acknowledger
        self._handler = handler
        self._copies = copies
        self._returns = returns.encode()
        self._max_body_size = max_body_size
        self._waiting: deque[Cut] = deque()
        self._call_soon = asyncio.get_running_loop().call_soon
        self._is_hurried = False
        self.is_closed = False

    def take(self, cuts: list[Cut]) -> None:
        """Take what a read has brought. It must not be closed."""
        if not self._waiting and len(cuts) <= _AT_ONCE:
            self._hand_on(cuts)
            return
        is_first = not self._waiting
        self._waiting.extend(cuts)
        if is_first:
            self._go_on()

    @property
    def here(self) -> int:
        """How many deliveries the broker has given out that are not finished."""
        return self._acknowledger.open + len(self._waiting)

    def oldest_seconds(self) -> float:
        """How long the delivery that has waited longest is here."""
        return self._acknowledger.oldest_seconds()

    def hurry(self) -> None:
        """Hand on all that waits in the next turn of the loop: whoever gives it back must do so in its order."""
        self._is_hurried = bool(self._waiting)

    def hand_on_all(self) -> None:
        """Hand on all that waits now: the channel is gone, and whoever has it knows what comes again."""
        cuts = list(self._waiting)
        self._waiting.clear()
        self._acknowledger.more_follow = self._is_hurried = False
        self._hand_on(cuts)

    def close(self) -> None:
        """Hand on no more: the broker gives out again what is here and what still comes."""
        self.is_closed = True
        self._waiting.clear()
        self._acknowledger.more_follow = False

    def _go_on(self) -> None:
        waiting = self._waiting
        if self._is_hurried:
            self.hand_on_all()
            return
        cuts = [waiting.popleft() for _ in range(min(_AT_ONCE, len(waiting)))]
        # Behind the workers, which what is handed on now calls before this turn of the loop ends.
        self._acknowledger.more_follow = bool(waiting)
        self._hand_on(cuts)
        if waiting:
            self._call_soon(self._go_on)

    def _hand_on(self, cuts: list[Cut]) -> None:
        now, acknowledger, returns = time.time(), self._acknowledger, self._returns
        for cut in cuts:
            number: object = None
            delivery: Delivery | None = None
            # What fails here is a mistake of ours, and must not keep back what comes behind it.
            try:
                if cut.exchange == returns:
                    delivery, number = returned(cut, acknowledger, now, self._max_body_size)
                else:
                    delivery = first_hand(cut, acknowledger, now, self._max_body_size)
                acknowledger.came(delivery)
                if number is not None and self._copies.is_double(number, redelivered=cut.redelivered):
                    delivery.close()
                    continue
                self._accept(delivery)
            except Exception:
                log.exception('delivery_not_accepted', handler=self._handler, effect='the event is not settled')
                if delivery is None:
                    # Noted all the same: one that is not known would be acknowledged with those behind it.
                    acknowledger.came(Delivery(cut.tag, b'', '', '', PlainProperties({}), True, now, acknowledger))
