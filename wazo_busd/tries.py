# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tries: one call of a plugin after the other, each watched, recorded and ended in time."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from wazo_busd.deadlines import Deadlines
from wazo_busd.handler import Handler
from wazo_busd.suspects import Suspects
from wazo_busd.threads import Threads
from wazo_busd.work import Work, current_work

log = structlog.stdlib.get_logger(__name__)


class Tries:
    """Makes the tries of one handler. Here exceptions of plugins end.

    Args:
        handler: the handler, started.
        suspects: the events that may have ended the process before; they run alone.
        conclude: sees to what follows from a try: told the work and what the call raised, it gives the seconds after
            which it is to be tried again in place, or `None` if the event is settled.
        cancel: cancels the task that tries some work.
        abandon: told of work whose call ignores that it is cancelled; nobody is to wait for it.
    """

    def __init__(
        self,
        handler: Handler,
        suspects: Suspects,
        *,
        conclude: Callable[[Work, BaseException | None], float | None],
        cancel: Callable[[Work], None],
        abandon: Callable[[Work], None],
    ) -> None:
        self._handler = handler
        self._suspects = suspects
        self._conclude = conclude
        self._cancel = cancel
        self._tell_abandoned = abandon
        self._threads = Threads(handler.name, handler.concurrency)
        self._black_box = suspects.black_box(handler.name, handler.concurrency)
        self._deadlines = Deadlines(handler.config.timeout, expire=self._expire, abandon=self._abandon)

    def run(self, work: Work) -> Coroutine[Any, Any, float | None]:
        """Try it once, and see to what follows.

        Returns:
            Awaited, the seconds after which it is to be tried again in place; `None` if the event is settled.
        """
        if work.is_suspect or self._suspects.is_alone:
            return self._try_in_turn(work)
        return self._try(work)

    def close(self) -> None:
        """The handler has ended."""
        self._deadlines.close()
        self._threads.close()
        self._black_box.close()

    async def _try_in_turn(self, work: Work) -> float | None:
        """A try of what has to run alone, or has to wait for what does."""
        raised: BaseException | None = None
        try:
            if work.is_suspect:
                async with self._suspects.alone(
                    work.handler, work.delivery.mark, lambda: self._black_box.no_longer_alone(work.slot)
                ):
                    await self._call(work)
            else:
                await self._suspects.passage()
                await self._call(work)
        except BaseException as error:  # noqa: BLE001 — here exceptions of plugins end
            raised = error
        return self._end(work, raised)

    async def _try(self, work: Work) -> float | None:
        """A try of what nothing is to be thought of, as with nearly all: without a call more than it needs."""
        raised: BaseException | None = None
        try:
            if work.call.blocking:
                await self._call(work)
            else:
                self._suspects.enter()
                try:
                    self._begin(work)
                    await work.call.run(work.event)
                finally:
                    self._finish(work)
        except BaseException as error:  # noqa: BLE001 — here exceptions of plugins end
            raised = error
        return self._end(work, raised)

    async def _call(self, work: Work) -> None:
        """The call and what is around it, in this order."""
        call = work.call
        self._suspects.enter()
        try:
            if call.blocking:
                # Outside the handler's timeout: an event that never ran is no failure.
                work.thread = await self._threads.free()
            self._begin(work)
            if call.blocking:
                await self._call_in_thread(work)
            else:
                await call.run(work.event)
        finally:
            self._finish(work)

    def _begin(self, work: Work) -> None:
        """What comes before the call."""
        work.slot = self._black_box.enter(work.delivery, alone=work.is_suspect)
        current_work.set(work)
        work.began_at = now = time.monotonic()
        self._deadlines.began(work, now)

    def _finish(self, work: Work) -> None:
        """What comes after it, or after what kept it from beginning."""
        if work.began_at:
            work.duration_seconds = time.monotonic() - work.began_at
            current_work.set(None)
        self._deadlines.ended(work)
        self._release(work)

    def _end(self, work: Work, raised: BaseException | None) -> float | None:
        """See to what follows from a try."""
        if work.is_abandoned:
            log.info('handler_ended_at_last', handler=self._handler.name, event_name=work.event.name)
            return None
        return self._conclude(work, raised)

    def _release(self, work: Work) -> None:
        """Let go of what a try holds."""
        if work.is_abandoned:
            return
        self._black_box.leave(work.slot)
        work.slot = -1
        self._suspects.leave()
        if work.thread is not None:
            self._threads.release(work.thread)
            work.thread = None

    async def _call_in_thread(self, work: Work) -> None:
        thread, work.thread = work.thread, None
        result = await self._threads.run(work.call.run, work.event, thread)
        if inspect.isawaitable(result):
            # A plain function that gives a coroutine: a partial, or one that a decorator hides.
            await result

    def _expire(self, work: Work) -> None:
        """The call has taken too long."""
        work.is_late = True
        self._cancel(work)

    def _abandon(self, work: Work) -> None:
        """The call goes on though it was cancelled: its event has failed, and somebody else takes the next one."""
        log.error(
            'handler_ignores_cancellation',
            handler=self._handler.name,
            event_name=work.event.name,
            event_id=work.event.id,
            effect='nobody waits for it any more',
            hint='let asyncio.CancelledError pass in the plugin',
        )
        self._release(work)
        if work.is_suspect:
            self._suspects.forsake()
        work.is_abandoned = True
        self._tell_abandoned(work)
