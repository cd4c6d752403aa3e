# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The post: one handler at its work, from its start to its end."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from wazo_busd.breaker import BreakerState, never
from wazo_busd.burst import EXCHANGE
from wazo_busd.bus import Bus
from wazo_busd.codec import Limits
from wazo_busd.context import Context
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.event import Event
from wazo_busd.gathering import Gathering
from wazo_busd.handler import Handler
from wazo_busd.onlookers import Onlookers
from wazo_busd.outcome import told
from wazo_busd.strays import Strays
from wazo_busd.suspects import Suspects
from wazo_busd.tasks import is_cancelled
from wazo_busd.throttle import Throttle, file_of
from wazo_busd.topology import HandlerQueue

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_FIRST_PAUSE_SECONDS = 1.0
_LAST_PAUSE_SECONDS = 60.0
_PAUSED = 'paused by a person; wazo-busd resume {}'
_LEAST_SECONDS = 1.0
"""So long each step of an end may take, however late it is."""

log = structlog.stdlib.get_logger(__name__)


class Post:
    """Starts a handler, lets it consume, and ends it without losing or repeating an event.

    Args:
        handler: the handler.
        queue: its queue.
        bus: where its events come from.
        context: makes what its plugin gets.
        limits: what a body may be at most.
        strays: notes the tasks that its plugin makes.
        suspects: the events that may have ended the process before.
        is_outage: whether an error means, beside those of the standard library, that something else is out.
        state_dir: where it keeps what is throttled and gathered; `None` gathers nothing.
        is_paused: whether a person wants that it begins nothing.
        onlookers: told what becomes of each event, while there are any.
    """

    def __init__(
        self,
        handler: Handler,
        queue: HandlerQueue,
        *,
        bus: Bus,
        context: Callable[[], Context],
        limits: Limits,
        strays: Strays,
        suspects: Suspects | None = None,
        is_outage: Callable[[BaseException], bool] = never,
        state_dir: Path | None = None,
        is_paused: bool = False,
        onlookers: Onlookers | None = None,
    ) -> None:
        self.handler = handler
        self.dispatcher: Dispatcher | None = None
        self.is_paused = is_paused
        """Whether a person wants that it begins nothing."""
        self.is_ending = False
        """Whether it takes no more events, as it ends."""
        self.hindrance = ''
        """Why the plugin could not be started the last time."""
        self._queue = queue
        self._bus = bus
        self._context = context
        self._limits = limits
        self._strays = strays
        self._suspects = suspects
        self._is_outage = is_outage
        self._state_dir = state_dir
        self._onlookers = onlookers
        self._starting: asyncio.Task[None] | None = None
        self._has_started = False
        self._attached = asyncio.Event()
        """Set when its queue is consumed, and bursts can be published to it."""
        self._hurried = False

    def begin(self) -> None:
        """Start the plugin and consume. Until it has started, its events gather in its queue."""
        self._bus.attach(self._queue, None)
        self._starting = asyncio.create_task(self._start(), name=f'start/{self.handler.name}')

    async def end(self, timeout_seconds: float) -> None:
        """Take no more events, finish what runs, give back the rest, stop the plugin, cancel what it leaves running.

        Args:
            timeout_seconds: how long all that may take; who is late is named and cancelled.
        """
        deadline = time.monotonic() + timeout_seconds
        self.is_ending, name = True, self.handler.name
        if self._starting is not None:
            self._starting.cancel()
            _, ignoring = await asyncio.wait([self._starting], timeout=max(_LEAST_SECONDS, timeout_seconds))
            if ignoring:
                log.error('handler_ignores_cancellation', handler=name, **{'while': 'starting'})
        if self.dispatcher is None:
            await self._bus.detach(name, 0.0)
        else:
            await self._bus.cancel(name)
            await self.dispatcher.drain(0.0 if self._hurried else deadline - time.monotonic())
            await self._bus.detach(name, max(_LEAST_SECONDS, deadline - time.monotonic()))
        if self._has_started:
            await self._stop_plugin()
        await self._strays.end(name)

    @property
    def is_halted(self) -> bool:
        """Whether the handler has said that it can handle nothing until it is begun anew."""
        return self.dispatcher is not None and self.dispatcher.breaker.state is BreakerState.HALTED

    def pause(self, *, is_paused: bool) -> None:
        """Take no more events, or take them again. Meanwhile they gather in the queue, and keep their order.

        Args:
            is_paused: whether it is to be paused.
        """
        self.is_paused = is_paused
        self._let_pause()

    def hurry(self) -> None:
        """Let an `end` that is under way wait no longer."""
        self._hurried = True
        if self.dispatcher is not None:
            self.dispatcher.hurry()

    async def _start(self) -> None:
        """Start the plugin, again and again if it cannot: what it needs may come up later than we."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with asyncio.timeout(_START_SECONDS):
                    with self._strays.inside(self.handler):
                        await self.handler.start(self._context())
                self._has_started = True
                dispatcher = await self._dispatch()
                self.hindrance = ''
                break
            except BaseException as error:
                if is_cancelled():
                    # Whatever the plugin has made of it: nobody wants it to start any more.
                    return
                self.hindrance = told(error)
                log.error(
                    'handler_not_started',
                    handler=self.handler.name,
                    plugin=self.handler.plugin.name,
                    error=self.hindrance,
                    retry_seconds=round(pause),
                    effect='its events wait in its queue',
                    exc_info=not isinstance(error, OSError),
                )
            if self._has_started:
                self._has_started = False
                await self._stop_plugin()
            await self._strays.end(self.handler.name)
            await asyncio.sleep(pause * random.uniform(0.8, 1.0))
            pause = min(pause * 2, _LAST_PAUSE_SECONDS)
        if is_cancelled():
            return
        await self._bus.detach(self.handler.name, 0.0)
        self._bus.attach(self._queue, dispatcher.accept, dispatcher.forget)
        self.dispatcher = dispatcher
        if self.is_paused:
            self._let_pause()
        self._attached.set()
        log.info('handler_started', handler=self.handler.name, plugin=self.handler.plugin.name)

    def _let_pause(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.pause(_PAUSED.format(self.handler.name) if self.is_paused else '')

    async def _dispatch(self) -> Dispatcher:
        """The dispatcher, with what the handler has throttled and gathered before."""
        throttle = None
        if self.handler.config.throttle is not None:
            path = file_of(self._state_dir, self.handler.name) if self._state_dir else None
            throttle = Throttle(self.handler.name, self.handler.config.throttle, path)
            await asyncio.to_thread(throttle.open)
        dispatcher = Dispatcher(
            self.handler,
            self._limits,
            limit=partial(self._bus.limit, self.handler.name),
            suspects=self._suspects,
            is_outage=self._is_outage,
            throttle=throttle,
            onlookers=self._onlookers,
        )
        if self._state_dir is not None:
            files = Gathering(self._state_dir / 'gathered', self.handler.name)
            if self.handler.gather is not None or await asyncio.to_thread(files.is_there):
                try:
                    await dispatcher.gather(files, self._hand)
                except OSError:
                    await dispatcher.drain(0.0)
                    raise
        return dispatcher

    async def _hand(self, body: bytes, last: Event) -> None:
        await self._attached.wait()
        await self._bus.hand(self.handler.name, EXCHANGE, last.routing_key, body, last.name)

    async def _stop_plugin(self) -> None:
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                with self._strays.inside(self.handler):
                    await self.handler.stop()
        except BaseException as error:
            # A plugin may raise anything, and often a cancellation, from a task of its own that it has cancelled.
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            log.error('handler_stop_failed', handler=self.handler.name, error=told(error))
