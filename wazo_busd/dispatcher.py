# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The dispatcher: from a delivery to its outcome, for one handler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from wazo_busd.breaker import Breaker, BreakerState, never
from wazo_busd.codec import Limits
from wazo_busd.conditions import Refusal
from wazo_busd.delivery import Acknowledger, Delivery
from wazo_busd.errors import HandlerCrashed
from wazo_busd.gatherer import Gatherer, Hand
from wazo_busd.gathering import Gathering
from wazo_busd.handler import Handler
from wazo_busd.lanes import Lanes
from wazo_busd.onlookers import Onlookers
from wazo_busd.outcome import Outcome
from wazo_busd.repeats import Repeats
from wazo_busd.settlement import Settlement
from wazo_busd.suspects import MOST_CRASHES, Suspects
from wazo_busd.throttle import Throttle
from wazo_busd.tries import Tries
from wazo_busd.work import Call, Work, event_of, lane_of

_CUT_GRACE_SECONDS = 1.0
_EARLY_SECONDS = 0.5
"""So much before its time a copy may be tried: clocks of the broker and ours are not one."""

log = structlog.stdlib.get_logger(__name__)


Limit = Callable[[int | None, str], None]
"""Says how many deliveries the handler may have unsettled, and why: `None` is as many as configured, 0 is none more."""


class Dispatcher:
    """Runs one handler on its deliveries and settles each of them once.

    Args:
        handler: the handler, started.
        limits: what a body may be at most.
        limit: lets its queue rest.
        suspects: the events that may have ended the process before.
        is_outage: whether an error means, beside those of the standard library, that something else is out.
        throttle: which of its events are too many; `None` if none are.
        onlookers: told what becomes of each event, while there are any.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        *,
        limit: Limit = lambda count, reason: None,
        suspects: Suspects | None = None,
        is_outage: Callable[[BaseException], bool] = never,
        throttle: Throttle | None = None,
        onlookers: Onlookers | None = None,
    ) -> None:
        self.handler = handler
        self.breaker = Breaker(handler.name, is_outage=is_outage, on_change=self._on_breaker)
        self._limits = limits
        self._limit = limit
        self._suspects = suspects or Suspects()
        self._settlement = Settlement(handler, breaker=self.breaker, suspects=self._suspects, onlookers=onlookers)
        self._tries = Tries(
            handler, self._suspects, conclude=self._settlement.conclude, cancel=self._cancel, abandon=self._abandon
        )
        self._lanes: Lanes[Work] = Lanes(self._tries.run, concurrency=handler.concurrency, name=handler.name)
        self.counts = self._settlement.counts
        """What the handler has done."""
        self._repeats = Repeats()
        self._throttle = throttle
        self._gatherer: Gatherer | None = None
        self._order_by = tuple(handler.config.order_by.split('.')) if handler.config.order_by else ()
        self._is_resting = False
        self._reason = ''
        self._pause = ''
        self._hurried = asyncio.Event()

    async def gather(self, files: Gathering, hand: Hand) -> Gatherer:
        """From now on, make bursts of the handler's events, if it wants that; and publish what was gathered before.

        Args:
            files: where they are kept meanwhile.
            hand: publishes a burst.

        Raises:
            OSError: the files cannot be used.
        """
        gatherer = Gatherer(
            self.handler.name,
            self.handler.gather,
            files,
            limits=self._limits,
            hand=hand,
            done=self._gathered,
            alone=self._line_up,
        )
        await gatherer.open()
        self._gatherer = gatherer
        return gatherer

    def accept(self, delivery: Delivery) -> None:
        """Take a delivery. The one entrance, whichever bus it came from; it never waits and never raises."""
        self.counts.received += 1
        if self._settlement.is_draining:
            self._settlement.close(delivery, Outcome.INTERRUPTED)
        elif not (
            (delivery.redelivered and self._comes_again(delivery))
            or ((delivery.history is not None or self._is_resting) and self._comes_untimely(delivery))
        ):
            self._begin(delivery)

    def forget(self, acknowledger: Acknowledger) -> None:
        """Drop what came by a channel that is gone and has not begun: it is given out again, and runs then.

        What runs goes on, and is recognised when it comes again.
        """
        dropped = [work.delivery for work in self._lanes.withdraw(lambda work: work.delivery.came_by(acknowledger))]
        for delivery in dropped:
            self._settlement.close(delivery, Outcome.INTERRUPTED)
        self._repeats.lost(acknowledger, dropped)

    def pause(self, reason: str) -> None:
        """Begin nothing more, for as long as somebody wants it so. What has begun goes on, its tries in place too.

        Args:
            reason: why, for the status; `''` goes on.
        """
        self._pause = reason
        self._take_as_much_as_is_wanted()

    async def drain(self, timeout_seconds: float) -> None:
        """Finish what runs, give back what has not begun or waits for its next try, take nothing new.

        Args:
            timeout_seconds: how long running handlers may take; those that are late are named and cancelled, and their
                events are given out again.
        """
        self._settlement.is_draining = True
        if self._gatherer is not None:
            await self._gatherer.close()
        self.breaker.stop()
        for work in (*self._lanes.withdraw(), *self._lanes.withdraw_aside()):
            self._settlement.close(work.delivery, Outcome.INTERRUPTED)
        await self._quiet(timeout_seconds)
        for work in self._lanes.running:
            log.warning(
                'handler_late',
                handler=self.handler.name,
                event_name=work.event.name,
                event_id=work.event.id,
                running_seconds=round(work.running_seconds, 1),
                hint='its event is given out again; raise drain_timeout if it should have been waited for',
            )
        for work in await self._lanes.cut(_CUT_GRACE_SECONDS):
            log.error('handler_ignores_cancellation', handler=self.handler.name, event_name=work.event.name)
        self._tries.close()
        if self._throttle is not None:
            self._throttle.close()

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

    def _comes_again(self, delivery: Delivery) -> bool:
        """Whether a redelivery needs nothing more: it is run, or done with, or has ended the process too often."""
        if self._repeats.takes(delivery):
            self.counts.repeats += 1
            return True
        crashes = self._suspects.crashes(self.handler.name, delivery.mark) if self._suspects.any else 0
        if crashes < MOST_CRASHES:
            return False
        delivery.when_closed = partial(self._suspects.cleared, self.handler.name, delivery.mark)
        error = HandlerCrashed(f'the process ended {crashes} times while this event was handled')
        self._settlement.give_up(delivery, error, attempts=crashes)
        return True

    def _comes_untimely(self, delivery: Delivery) -> bool:
        """Whether a delivery has to wait elsewhere: its time has not come, or the handler rests."""
        history = delivery.history
        if history is not None and history.due_at > time.time() + _EARLY_SECONDS:
            # It asked for more than the longest delay queue has; this is no try.
            self._settlement.close(delivery, Outcome.RETRY, history=history)
            return True
        # One with an order keeps what it has: what is given back may come again behind what it gave back before.
        if self._is_resting and (not self._order_by or self.breaker.state is BreakerState.HALTED):
            self._give_back(delivery)
            return True
        return False

    def _begin(self, delivery: Delivery) -> None:
        try:
            event = event_of(delivery, self._limits)
        except Exception as error:  # noqa: BLE001 — all but Undecodable are mistakes of ours; the event is kept
            self._settlement.give_up(delivery, error, attempts=0)
            return
        call = self.handler.call_for(event)
        if not isinstance(call, Call):
            self.counts.leave_out(call)
            delivery.settle(Outcome.DONE)
            return
        if delivery.history is None and self._throttle is not None and not self._throttle.lets(event):
            self.counts.leave_out(Refusal.THROTTLED)
            delivery.settle(Outcome.DONE)
            return
        work = Work(self.handler.name, event, call, delivery)
        # What comes back, to be tried again or as a burst, is not gathered again.
        if self._gatherer is None or delivery.history is not None or not self._gatherer.takes(work):
            self._line_up(work)

    def _line_up(self, work: Work) -> None:
        """Let an event wait for its turn."""
        delivery, key = work.delivery, lane_of(work.event, self._order_by) if self._order_by else None
        work.in_lane = key is not None
        if delivery.redelivered and self._suspects.any:
            work.is_suspect = self._suspects.crashes(self.handler.name, delivery.mark) > 0
        self._lanes.put(work, key)

    def _gathered(self, work: Work) -> None:
        """An event has become a part of a burst."""
        self.counts.gathered += 1
        self._settlement.close(work.delivery, Outcome.DONE)
        log.debug('event_gathered', event_name=work.event.name, handler=self.handler.name, event_id=work.event.id)

    def _cancel(self, work: Work) -> None:
        """Cancel the call of some work."""
        self._lanes.cancel(work)

    def _abandon(self, work: Work) -> None:
        """Go on without a call that ignores that it is cancelled."""
        fresh = work.afresh()
        self._lanes.abandon(work, fresh, self._settlement.conclude(fresh, None))

    def _on_breaker(self, state: BreakerState, reason: str) -> None:
        """Let the queue rest, or not, as the breaker says."""
        self._reason = reason
        self._take_as_much_as_is_wanted()

    def _take_as_much_as_is_wanted(self) -> None:
        """Take as much as the breaker lets through, and nothing while somebody wants a pause."""
        state = self.breaker.state
        if state is BreakerState.HALTED:
            self._is_resting = True
            self._lanes.pause()
            self._limit(0, self._reason)
            # That may last for days: nothing stays here, also of what has an order.
            works = [*self._lanes.withdraw_aside(), *self._lanes.withdraw()]
            for work in sorted(works, key=lambda work: work.delivery.tag):
                self._give_back(work.delivery)
            return
        most = 0 if self._pause else {BreakerState.OPEN: 0, BreakerState.PROBING: 1}.get(state)
        self._is_resting = most == 0
        if most == 0:
            self._lanes.pause()
        else:
            self._lanes.resume(most)
        # To take fewer or more the bus needs another consumer, and what is on its way to the one that it cancels comes
        # again behind all others (RabbitMQ 3.10, quorum queues). So one with an order is filled, and no more comes.
        self._limit(None if self._order_by else most, self._pause or self._reason)
        if most == 0 and not self._order_by:
            for work in self._lanes.withdraw():
                self._give_back(work.delivery)

    def _give_back(self, delivery: Delivery) -> None:
        self._settlement.give_back(delivery)
        self._repeats.returned(delivery)
