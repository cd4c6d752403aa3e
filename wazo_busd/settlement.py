# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The settlement: from what a try raised to what follows from it."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import structlog

from wazo_busd import verbosity
from wazo_busd.breaker import Breaker, BreakerState
from wazo_busd.conditions import Refusal
from wazo_busd.delivery import Delivery, History
from wazo_busd.errors import Discard, Expired, HandlerExited, HandlerTimeout
from wazo_busd.event import Event
from wazo_busd.handler import Handler
from wazo_busd.onlookers import Onlookers
from wazo_busd.outcome import Outcome, Reason, text_of, told
from wazo_busd.retry import Again, RetryPolicy
from wazo_busd.suspects import Suspects
from wazo_busd.tasks import is_cancelled
from wazo_busd.work import Work

_DONE: Final = Outcome.DONE
"""To read a member of an enumeration takes as long as a call does."""

BOUNDS_SECONDS: Final[tuple[float, ...]] = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
)  # fmt: skip
"""What the durations of tries are told apart by."""

_LOGGED_TEXT_LENGTH: Final = 200

log = structlog.stdlib.get_logger(__name__)


@dataclass(slots=True)
class Counts:
    """What a handler has done since it started.

    Attributes:
        received: deliveries that came.
        unmatched: those that were not for it, from a binding that is no longer asked for.
        filtered: those that its conditions did not let through.
        expired: those that were older than it wants them, when they came or when their turn came.
        throttled: those that came too soon after another.
        gathered: those that became a part of a burst.
        repeats: those that came again while they were still run, or after they were done with.
        retried_in_place: tries that were made again without leaving the process.
        outcomes: how the others ended.
        seconds: time spent in the plugin's code, all calls together.
        durations: how many tries took no longer than each of the bounds, and longer than the one before; the last one
            counts those that took longer than all.
        last_error: the class of the last error of a try; `''` if there was none.
    """

    received: int = 0
    unmatched: int = 0
    repeats: int = 0
    filtered: int = 0
    expired: int = 0
    throttled: int = 0
    gathered: int = 0
    retried_in_place: int = 0
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    seconds: float = 0.0
    durations: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    last_error: str = ''

    def leave_out(self, refusal: Refusal | None) -> None:
        """Count an event that no method is called for."""
        self.unmatched += refusal is None
        self.filtered += refusal is Refusal.FILTERED
        self.expired += refusal is Refusal.EXPIRED
        self.throttled += refusal is Refusal.THROTTLED


class Settlement:
    """Settles the deliveries of one handler.

    Args:
        handler: the handler.
        breaker: told what worked and what did not.
        suspects: told of those that have not ended the process.
        onlookers: told what became of each event, while there are any.
    """

    def __init__(
        self, handler: Handler, *, breaker: Breaker, suspects: Suspects, onlookers: Onlookers | None = None
    ) -> None:
        self.counts = Counts()
        self.is_draining = False
        """Whether nothing is tried again any more."""
        self._handler = handler
        self._policy = RetryPolicy(handler.config.retry)
        self._breaker = breaker
        self._suspects = suspects
        self._onlookers = onlookers or Onlookers()
        # The list itself: that nobody looks on must cost nothing.
        self._present = self._onlookers.present

    def conclude(self, work: Work, error: BaseException | None) -> float | None:
        """See to what follows from a try.

        Args:
            work: what was tried.
            error: what it raised; `None` if it returned.

        Returns:
            The seconds after which it is to be tried again in place; `None` if the event is settled.
        """
        counts = self.counts
        counts.seconds += work.duration_seconds
        # Nearly all take no longer than the first of them.
        soon = work.duration_seconds <= BOUNDS_SECONDS[0]
        counts.durations[0 if soon else bisect_left(BOUNDS_SECONDS, work.duration_seconds)] += 1
        if error is None and not work.is_late:
            self._breaker.worked()
            self._finish(work, _DONE)
            return None
        error = self._blamed(work, error)
        outcome = Outcome.of(error)
        if outcome in (Outcome.RETRY, Outcome.DEAD) and self.is_draining and is_cancelled():
            # Also where the plugin made another error of its cancellation, as some libraries do.
            self._finish(work, Outcome.INTERRUPTED)
            return None
        if error is None or isinstance(error, Discard):
            # It says nothing of what the handler needs, for it may have asked for nothing: the breaker is told nothing.
            if isinstance(error, Expired):
                self.counts.leave_out(Refusal.EXPIRED)
            # A class of the plugin's own may have forgotten to set it.
            self._finish(work, outcome, getattr(error, 'reason', None) or None)
            return None
        counts.last_error = type(error).__name__
        self._breaker.failed(error, failed_before=work.event.attempt > 1)
        if outcome is Outcome.RETRY and self._breaker.state is BreakerState.HALTED:
            # It failed because the handler has stopped, or would only fail again.
            self._suspects_cleared(work)
            self.give_back(work.delivery)
            return None
        if not work.first_at:
            work.first_at = time.time() - work.running_seconds
        if not work.first_error:
            work.first_error = told(error)
        if not work.held_since:
            work.held_since = time.monotonic() - work.duration_seconds
        return self._fail(work, error, outcome)

    def _blamed(self, work: Work, error: BaseException | None) -> BaseException | None:
        """The error that stands for a try that was ended from outside."""
        if work.is_late:
            work.is_late = False
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            # Also if the plugin swallowed the cancellation and returned as if nothing had been.
            seconds = self._handler.config.timeout
            return HandlerTimeout(f'{self._handler.name} did not return within {seconds:g} s')
        if isinstance(error, asyncio.CancelledError) and not (self.is_draining and is_cancelled()):
            exited = HandlerExited('the handler was cancelled from within')
            exited.__cause__ = error
            return exited
        return error

    def _fail(self, work: Work, error: BaseException, outcome: Outcome) -> float | None:
        """What follows from an error: a try in place, a copy in a delay queue, or a dead letter."""
        again = None
        if outcome is Outcome.RETRY:
            again = self._policy.next(
                error,
                attempt=work.event.attempt,
                rounds=work.rounds,
                held_seconds=time.monotonic() - work.held_since,
                in_lane=work.in_lane,
            )
        if again is None:
            self._suspects_cleared(work)
            self.give_up(
                work.delivery, error, event=work.event, first_at=work.first_at, duration_seconds=work.duration_seconds
            )
            return None
        if again.in_place and self.is_draining:
            self._finish(work, Outcome.INTERRUPTED)
            return None
        log.warning(
            'event_failed',
            event_name=work.event.name,
            handler=self._handler.name,
            event_id=work.event.id,
            outcome=Outcome.RETRY.value,
            attempt=work.event.attempt,
            error=type(error).__name__,
            error_text=_short(text_of(error)),
            again_in_seconds=round(again.seconds, 1),
            duration_ms=round(work.duration_seconds * 1000, 3),
        )
        if self._present:
            self._onlookers.see(work, Outcome.RETRY)
        if again.in_place:
            self.counts.retried_in_place += 1
            work.event = work.event.next_try()
            work.emitted, work.began_at, work.duration_seconds = 0, 0.0, 0.0
            return again.seconds
        self._postpone(work, again)
        return None

    def _postpone(self, work: Work, again: Again) -> None:
        history = History(
            event_id=work.event.id,
            attempts=work.event.attempt,
            rounds=work.rounds + 1,
            first_at=work.first_at,
            first_error=work.first_error,
            due_at=time.time() + again.seconds,
        )
        self._suspects_cleared(work)
        self.close(work.delivery, Outcome.RETRY, history=history)

    def _finish(self, work: Work, outcome: Outcome, reason: object = None) -> None:
        """Settle an event that needs no copy, and say so; with whatever a plugin gave for a reason."""
        if work.is_suspect and outcome is not Outcome.INTERRUPTED:
            self._suspects_cleared(work)
        self.counts.outcomes[outcome] += 1
        work.delivery.settle(outcome)
        if self._present:
            self._onlookers.see(work, outcome)
        if not verbosity.tells_each_event:
            return
        log.info(
            'event_handled',
            event_name=work.event.name,
            handler=self._handler.name,
            outcome=outcome.value,
            attempt=work.event.attempt,
            duration_ms=round(work.duration_seconds * 1000, 3),
            **({'reason': reason} if outcome is Outcome.DISCARDED else {}),
        )

    def give_up(
        self,
        delivery: Delivery,
        error: BaseException,
        *,
        event: Event | None = None,
        attempts: int | None = None,
        first_at: float = 0.0,
        duration_seconds: float = 0.0,
    ) -> None:
        """Make a dead letter.

        Args:
            delivery: what the handler gives up on.
            error: why.
            event: the event; `None` if it is none, or never ran.
            attempts: how many tries there were; the event's own number if `None`.
            first_at: when the first try began, Unix seconds; when it arrived if 0.
            duration_seconds: how long the last try took.
        """
        reason = Reason.of(
            error,
            handler=self._handler.name,
            plugin=self._handler.plugin.name,
            plugin_version=self._handler.plugin.version,
            attempts=(event.attempt if event else 0) if attempts is None else attempts,
            first_at=first_at or delivery.received_at,
            event_id=event.id if event else delivery.event_id,
            has_run=event is not None,
        )
        self.counts.last_error = reason.error
        self.close(delivery, Outcome.DEAD, reason=reason)
        if self._present:
            self._onlookers.see_dead(delivery, event, reason, duration_seconds)
        log.error(
            'event_dead',
            event_name=event.name if event else '',
            routing_key=delivery.routing_key,
            event_id=reason.event_id,
            handler=self._handler.name,
            outcome=Outcome.DEAD.value,
            attempt=reason.attempts,
            error=reason.error,
            error_text=_short(reason.text),
            duration_ms=round(duration_seconds * 1000, 3),
        )

    def close(self, delivery: Delivery, outcome: Outcome, **what: Any) -> None:
        """Settle a delivery and count it; see `Delivery.settle`."""
        self.counts.outcomes[outcome] += 1
        delivery.settle(outcome, **what)

    def give_back(self, delivery: Delivery) -> None:
        """Let the broker have a delivery back, and count it."""
        self.counts.outcomes[Outcome.INTERRUPTED] += 1
        delivery.give_back()

    def _suspects_cleared(self, work: Work) -> None:
        """Suspect it no more, when it is closed: a copy that is not confirmed may have to be made again."""
        if work.is_suspect:
            delivery = work.delivery
            delivery.when_closed = partial(self._suspects.cleared, self._handler.name, delivery.mark)


def _short(text: str) -> str:
    """What the log shows of an error: its first line. What a server or a library has to say of data comes behind it."""
    return text.partition('\n')[0][:_LOGGED_TEXT_LENGTH]
