# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The copies of one handler's events: published until the broker confirms them; only then the event is acknowledged.

They outlive the channel that delivered: an event whose copy is on its way when the connection is lost comes again, and
is recognised.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from wazo_busd.amqp import copy
from wazo_busd.amqp.backoff import Backoff
from wazo_busd.amqp.copy import Copy
from wazo_busd.amqp.publisher import Publisher, Rejected, Unroutable, Unsendable
from wazo_busd.delivery import Delivery, History
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.retry import STEPS_SECONDS
from wazo_busd.topology import Hub

_COMPLAINT_SECONDS = 60.0
_MOST_DOUBLES = 10_000

log = structlog.stdlib.get_logger(__name__)


class Copies:
    """Makes the copies of one handler's events.

    Args:
        handler: the name of the handler.
        delays_seconds: the delay queues that it has.
        hub: what the exchanges are called.
        publisher: publishes.
        declare: brings back what somebody deleted, for this handler.
    """

    def __init__(
        self,
        handler: str,
        delays_seconds: tuple[float, ...],
        *,
        hub: Hub,
        publisher: Publisher,
        declare: Callable[[], Awaitable[None]],
    ) -> None:
        self._handler = handler
        self._delays_seconds = delays_seconds or STEPS_SECONDS[-1:]
        self._hub = hub
        self._publisher = publisher
        self._declare = declare
        self._under_way: set[asyncio.Task[None]] = set()
        self._doubles: dict[str, bool] = {}
        """The numbers of copies that are not confirmed, or were published twice, and whether one of them has come."""
        self._complained_at = -_COMPLAINT_SECONDS

    def postpone(self, delivery: Delivery, history: History) -> None:
        """Put a copy into a delay queue; when it is confirmed, the delivery is closed."""
        wanted = history.due_at - time.time()
        # Too long a wait is cut into several: what comes back before its time is put there again.
        seconds = next((each for each in self._delays_seconds if each >= wanted), self._delays_seconds[-1])
        delay = self._hub.delay(seconds)

        def made(number: str, is_spare: bool) -> Copy:
            return copy.postponed(
                delivery, history, delay_milliseconds=delay.milliseconds, number=number, is_spare=is_spare
            )

        self._begin(self._publish(delivery, self._hub.retry.name, made), 'postpone')

    def bury(self, delivery: Delivery, reason: Reason) -> None:
        """Keep a copy with the reason; when it is confirmed, the delivery is closed."""

        def made(number: str, is_spare: bool) -> Copy:
            return copy.dead_letter(delivery, reason, number=number, is_spare=is_spare)

        self._begin(self._publish(delivery, self._hub.dead.name, made), 'dead-letter')

    async def hand(self, exchange: str, routing_key: str, body: bytes, name: str) -> None:
        """Publish what is for this handler alone, and return when it is confirmed.

        Args:
            exchange: the exchange that it is to come from.
            routing_key: the key that it is to come with.
            body: its body.
            name: its name.
        """
        number = copy.new_number()
        self._note(number)
        made = copy.handed(exchange, routing_key, body, name=name, handler=self._handler, number=number)
        times = await self._until_taken(self._hub.returns.name, number, lambda number, is_spare: made)
        if times == 1:
            self._doubles.pop(number, None)

    def is_double(self, number: object, *, redelivered: bool) -> bool:
        """Whether a copy that has come back is another one of those that are one.

        Args:
            number: what its header says.
            redelivered: whether the broker gave it out before: then it may be the first one, which comes again.
        """
        if not isinstance(number, str) or number not in self._doubles:
            return False
        has_come, self._doubles[number] = self._doubles[number], True
        return has_come and not redelivered

    async def settled(self, timeout_seconds: float) -> None:
        """Wait for the copies that are on their way.

        Args:
            timeout_seconds: how long; the events of those that are not confirmed by then are given out again.
        """
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=timeout_seconds)

    def close(self) -> None:
        """Wait for nothing any more."""
        for task in self._under_way:
            task.cancel()

    def _begin(self, publishing: Coroutine[Any, Any, None], what: str) -> None:
        task = asyncio.create_task(publishing, name=f'{what} of {self._handler}')
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _publish(self, delivery: Delivery, exchange: str, made: Callable[[str, bool], Copy]) -> None:
        """Publish a copy until it is confirmed."""
        number = copy.new_number()
        self._note(number)
        try:
            times = await self._until_taken(exchange, number, made)
        except Exception:
            # A mistake of ours: what a broker refuses is tried until it is taken. The event must not be lost by it.
            log.exception(
                'copy_failed',
                handler=self._handler,
                event_id=delivery.event_id,
                effect='the event is given out again when its channel is closed',
            )
            # Not as one whose copy is on its way: when it comes again, it runs again.
            delivery.settled = Outcome.INTERRUPTED
            return
        if times == 1:
            self._doubles.pop(number, None)
        delivery.close()

    async def _until_taken(self, exchange: str, number: str, made: Callable[[str, bool], Copy]) -> int:
        """How often it was published until a confirmation came; those that were lost with a connection count too."""
        backoff = Backoff()
        wanted, times = made(number, False), 0
        while True:
            try:
                return times + await self._publisher.publish(exchange, self._handler, wanted.body, wanted.properties)
            except Unsendable:
                spare = made(number, True)
                if wanted == spare:
                    raise
                wanted = spare
                continue
            except Unroutable:
                await self._declare()
            except Rejected as error:
                self._complain(error)
            # What was refused may lie there all the same: from before a connection was lost, or in another queue.
            times += 1
            await backoff.wait(None)

    def _note(self, number: str) -> None:
        if len(self._doubles) >= _MOST_DOUBLES:
            del self._doubles[next(iter(self._doubles))]
        self._doubles[number] = False

    def _complain(self, error: Rejected) -> None:
        """Say that a queue is full; once a minute, as every copy that waits has to say it."""
        now = time.monotonic()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            log.error(
                'copy_not_taken',
                handler=self._handler,
                error=error.text,
                effect='its handler waits',
                hint=f'wazo-busd dead list --handler {self._handler}',
            )
