# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The dispatcher: from a delivery to its outcome, for one handler."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from traceback import TracebackException
from typing import Any

import structlog

from wazo_busd.codec import Limits, decode
from wazo_busd.delivery import Acknowledger, Delivery
from wazo_busd.errors import Discard, HandlerExited, Undecodable
from wazo_busd.event import Event
from wazo_busd.handler import Handler
from wazo_busd.lanes import Lanes
from wazo_busd.middleware import around
from wazo_busd.outcome import Outcome, Reason, traceback_tail
from wazo_busd.tasks import is_cancelled
from wazo_busd.threads import Threads
from wazo_busd.work import Work

_CUT_GRACE_SECONDS = 1.0
_LOGGED_TEXT_LENGTH = 200

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What a handler has done since it started.

    Attributes:
        received: deliveries that came.
        unmatched: those that were not for it, from a binding that is no longer asked for.
        outcomes: how the others ended.
        seconds: time spent in the plugin's code, all calls together.
    """

    received: int = 0
    unmatched: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    seconds: float = 0.0


class Dispatcher:
    """Runs one handler on its deliveries and settles each of them once.

    Args:
        handler: the handler, started.
        limits: what a body may be at most.
    """

    def __init__(self, handler: Handler, limits: Limits) -> None:
        self.handler = handler
        self.counts = Counts()
        self._limits = limits
        self._threads = Threads(handler.name, handler.concurrency)
        self._call = around(handler, self._call_plugin)
        self._lanes: Lanes[Work] = Lanes(self._run, concurrency=handler.concurrency, name=handler.name)
        self._order_by = tuple(handler.config.order_by.split('.')) if handler.config.order_by else ()
        self._draining = False
        self._hurried = asyncio.Event()

    def accept(self, delivery: Delivery) -> None:
        """Take a delivery. The one entrance, whichever bus it came from; it never waits and never raises."""
        self.counts.received += 1
        if self._draining:
            self._close(delivery, Outcome.INTERRUPTED)
            return
        event = self._decode(delivery)
        if event is None:
            return
        call = self.handler.call_for(event)
        if call is None:
            self.counts.unmatched += 1
            delivery.settle(Outcome.DONE)
            return
        self._lanes.put(Work(self.handler.name, event, call, delivery), self._key(event))

    def forget(self, acknowledger: Acknowledger) -> None:
        """Drop what came by a channel that is gone and has not begun: it is given out again, and runs then.

        What runs goes on.
        """
        for work in self._lanes.withdraw(lambda work: work.delivery.came_by(acknowledger)):
            self._close(work.delivery, Outcome.INTERRUPTED)

    async def drain(self, timeout_seconds: float) -> None:
        """Finish what runs, give back what has not begun, take nothing new.

        Args:
            timeout_seconds: how long running handlers may take; those that are late are named and cancelled, and their
                events are given out again.
        """
        self._draining = True
        for work in self._lanes.withdraw():
            self._close(work.delivery, Outcome.INTERRUPTED)
        await self._quiet(timeout_seconds)
        for work in self._lanes.running:
            log.warning(
                'handler_late',
                handler=self.handler.name,
                event_name=work.event.name,
                event_id=work.event.id,
                running_seconds=round(time.time() - work.started_at, 1) if work.started_at else 0.0,
                hint='its event is given out again; raise drain_timeout if it should have been waited for',
            )
        for work in await self._lanes.cut(_CUT_GRACE_SECONDS):
            log.error('handler_ignores_cancellation', handler=self.handler.name, event_name=work.event.name)
        self._threads.close()

    def hurry(self) -> None:
        """Let a drain that is under way wait no longer."""
        self._hurried.set()

    @property
    def backlog(self) -> int:
        """How many deliveries wait or run here."""
        return self._lanes.size

    async def _quiet(self, timeout_seconds: float) -> None:
        waiting = [asyncio.create_task(self._lanes.quiet()), asyncio.create_task(self._hurried.wait())]
        await asyncio.wait(waiting, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    def _decode(self, delivery: Delivery) -> Event | None:
        try:
            return decode(
                delivery.body,
                size=delivery.size,
                headers=delivery.properties.headers,
                routing_key=delivery.routing_key,
                exchange=delivery.exchange,
                received_at=delivery.received_at,
                redelivered=delivery.redelivered,
                limits=self._limits,
            )
        except Exception as error:  # noqa: BLE001 — all but Undecodable are mistakes of ours; the event is kept
            event = Event('', body=delivery.body, routing_key=delivery.routing_key, exchange=delivery.exchange)
            self._give_up(delivery, event, error, delivery.received_at, 0.0)
            return None

    def _key(self, event: Event) -> Hashable | None:
        """The lane of an event: the value of the field `order_by`, if it is one that can be compared."""
        if not self._order_by:
            return None
        value: Any = getattr(event, self._order_by[0])
        for part in self._order_by[1:]:
            value = value.get(part) if isinstance(value, Mapping) else None
        if not isinstance(value, (str, int, float, bool)):
            return None
        # NaN is never equal to itself, and would be a lane of its own each time.
        return 'NaN' if value != value else value

    async def _run(self, work: Work) -> None:
        """One piece of work, from the call to the settlement. Here exceptions end."""
        error: BaseException | None = None
        try:
            if work.call.blocking:
                # Outside the handler's timeout: an event that never ran is no dead letter.
                work.thread = await self._threads.free()
            await self._call(work)
        except BaseException as raised:  # noqa: BLE001 — here exceptions of plugins end
            error = raised
        if work.thread is not None:
            self._threads.release(work.thread)
        outcome = Outcome.of(error)
        if outcome is Outcome.DEAD and self._draining and is_cancelled():
            # Also where the plugin made another error of its cancellation, as some libraries do.
            outcome = Outcome.INTERRUPTED
        elif isinstance(error, asyncio.CancelledError):
            exited = HandlerExited('the handler was cancelled from within')
            exited.__cause__ = error
            error = exited
        self._settle(work, outcome, error)

    async def _call_plugin(self, work: Work) -> None:
        if work.call.blocking:
            thread, work.thread = work.thread, None
            result = await self._threads.run(work.call.run, work.event, thread)
            if inspect.isawaitable(result):
                # A plain function that gives a coroutine: a partial, or one that a decorator hides.
                await result
        else:
            await work.call.run(work.event)

    def _settle(self, work: Work, outcome: Outcome, error: BaseException | None) -> None:
        self.counts.seconds += work.duration_seconds
        if outcome is Outcome.DEAD and error is not None:
            self._give_up(work.delivery, work.event, error, work.started_at, work.duration_seconds)
            return
        self._close(work.delivery, outcome)
        log.info(
            'event_handled',
            event_name=work.event.name,
            handler=self.handler.name,
            outcome=outcome.value,
            attempt=work.event.attempt,
            duration_ms=round(work.duration_seconds * 1000, 3),
            **({'reason': error.reason} if isinstance(error, Discard) and error.reason else {}),
        )

    def _give_up(
        self, delivery: Delivery, event: Event, error: BaseException, started_at: float, duration_seconds: float
    ) -> None:
        undecodable = isinstance(error, Undecodable)
        reason = Reason(
            handler=self.handler.name,
            plugin=self.handler.plugin.name,
            plugin_version=self.handler.plugin.version,
            error=type(error).__name__,
            # Never raises, unlike an error that is itself broken.
            text=str(TracebackException.from_exception(error, limit=0)),
            traceback='' if undecodable else traceback_tail(error),
            attempts=0 if undecodable else event.attempt,
            first_at=started_at,
            last_at=time.time(),
            event_id=event.id,
        )
        self._close(delivery, Outcome.DEAD, reason)
        log.error(
            'event_dead',
            event_name=event.name,
            routing_key=event.routing_key,
            event_id=reason.event_id,
            handler=self.handler.name,
            outcome=Outcome.DEAD.value,
            attempt=reason.attempts,
            error=reason.error,
            error_text=reason.text[:_LOGGED_TEXT_LENGTH],
            duration_ms=round(duration_seconds * 1000, 3),
        )

    def _close(self, delivery: Delivery, outcome: Outcome, reason: Reason | None = None) -> None:
        self.counts.outcomes[outcome] += 1
        delivery.settle(outcome, reason)
