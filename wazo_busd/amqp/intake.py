# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The intake: makes deliveries of what one channel brings, and hands them on in their order."""

from __future__ import annotations

import time

import structlog

from wazo_busd.amqp.acknowledger import ChannelAcknowledger
from wazo_busd.amqp.arrival import first_hand, returned
from wazo_busd.amqp.copies import Copies
from wazo_busd.amqp.frames import Cut
from wazo_busd.delivery import Accept, Delivery, PlainProperties

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
        self.is_closed = False

    def take(self, cuts: list[Cut]) -> None:
        """Hand on what has come, in its order. It must not be closed."""
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

    @property
    def here(self) -> int:
        """How many deliveries the broker has given out that are not finished."""
        return self._acknowledger.open

    def oldest_seconds(self) -> float:
        """How long the delivery that has waited longest is here."""
        return self._acknowledger.oldest_seconds()

    def close(self) -> None:
        """Hand on no more: the broker gives out again what still comes."""
        self.is_closed = True
