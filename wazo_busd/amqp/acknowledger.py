# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The acknowledger of one channel: tells the broker what became of the deliveries of that channel, and of no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from aiormq.abc import AbstractChannel

from wazo_busd.amqp.window import STRAGGLER_SECONDS, Window
from wazo_busd.delivery import Delivery
from wazo_busd.outcome import Reason
from wazo_busd.tasks import is_cancelled

log = structlog.stdlib.get_logger(__name__)

Bury = Callable[[Delivery, Reason], Awaitable[None]]
"""Publishes a dead letter; returns when it is confirmed."""


class ChannelAcknowledger:
    """Acknowledges the deliveries of one channel, gathered into one frame a turn of the loop where that can be.

    Args:
        channel: the channel that delivers.
        prefetch: how many deliveries it may have open.
        bury: publishes a dead letter.
    """

    def __init__(self, channel: AbstractChannel, prefetch: int, bury: Bury) -> None:
        self._channel = channel
        self._window = Window(prefetch)
        self._bury = bury
        self._flushing: asyncio.Task[None] | None = None
        self._straggling: asyncio.TimerHandle | None = None
        self._burying: set[asyncio.Task[None]] = set()
        self._closed = False

    def came(self, tag: int) -> None:
        """Note a delivery, before it goes anywhere."""
        self._window.came(tag)

    def ack(self, delivery: Delivery) -> None:
        """The event is done with."""
        if self._closed:
            # The broker has it back already and gives it out again: there is nobody to tell.
            return
        self._window.finished(delivery.tag, time.monotonic())
        self._schedule()

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        """Keep a copy with the reason; when it is confirmed, acknowledge."""
        if self._closed:
            # The event is given out again and fails again: that try will be the one that is kept.
            return
        task = asyncio.create_task(self._dead_letter(delivery, reason), name=f'dead-letter/{reason.handler}')
        self._burying.add(task)
        task.add_done_callback(self._burying.discard)

    def leave(self, delivery: Delivery) -> None:
        """Tell nothing: when the channel closes, the broker gives the event out again."""

    async def settle_all(self, timeout_seconds: float) -> None:
        """Wait for the dead letters that are on their way, then acknowledge everything that is finished.

        Args:
            timeout_seconds: how long to wait for dead letters; those not confirmed by then are given out again.
        """
        if self._burying:
            await asyncio.wait(self._burying, timeout=timeout_seconds)
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        if not self._closed:
            await self._send(all_finished=True)

    def close(self) -> None:
        """The channel is gone: what is not acknowledged now never will be."""
        self._closed = True
        if self._straggling is not None:
            self._straggling.cancel()
        for task in self._burying:
            task.cancel()

    async def _dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        try:
            await self._bury(delivery, reason)
        except Exception:
            # A mistake of ours: what a broker refuses is tried until it is taken. The event must not be lost by it.
            log.exception(
                'dead_letter_failed',
                handler=reason.handler,
                event_id=reason.event_id,
                effect='the event is given out again when its channel is closed',
            )
            return
        self.ack(delivery)

    def _schedule(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush(), name='acknowledge')

    async def _flush(self) -> None:
        try:
            await self._send(all_finished=False)
        finally:
            self._flushing = None
        if self._window.waiting and self._straggling is None and not self._closed:
            self._straggling = asyncio.get_running_loop().call_later(STRAGGLER_SECONDS, self._flush_stragglers)

    def _flush_stragglers(self) -> None:
        self._straggling = None
        if not self._closed:
            self._schedule()

    async def _send(self, *, all_finished: bool) -> None:
        for tag, multiple in self._window.acknowledgements(time.monotonic(), all_finished=all_finished):
            if self._closed:
                # On a channel that we have closed, or whose number is used again, the broker ends the connection.
                return
            try:
                await self._channel.basic_ack(tag, multiple=multiple, wait=False)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelled():
                    raise
                # The channel died under us; its consumer notices and opens another one.
                log.debug('acknowledgement_lost', error=repr(error))
                self._closed = True
                return
