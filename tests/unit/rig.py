# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What tests of handlers are written with: events to give them, and someone who keeps what became of each."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import structlog

from wazo_busd.breaker import never
from wazo_busd.codec import Limits, encode
from wazo_busd.config import Config, HandlerConfig
from wazo_busd.context import Context, Emit
from wazo_busd.delivery import Delivery, History, PlainProperties, Properties
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.event import Event
from wazo_busd.fact import Fact
from wazo_busd.handler import Handler
from wazo_busd.http import SharedSession
from wazo_busd.onlookers import Onlookers
from wazo_busd.options import FreeOptions
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.plugin import Plugin, describe
from wazo_busd.suspects import Suspects
from wazo_busd.texts import surroundings
from wazo_busd.throttle import Throttle
from wazo_busd.work import Call, Work

PATIENCE_SECONDS = 20.0
"""How long a test waits for what must come; nothing that works comes near it."""


class Settlements:
    """An acknowledger that keeps what it was told; copies of it are never confirmed unless the test does so."""

    def __init__(self) -> None:
        self.acked: list[Delivery] = []
        self.left: list[Delivery] = []
        self.dead: list[tuple[Delivery, Reason]] = []
        self.postponed: list[tuple[Delivery, History]] = []
        self.given_back: list[Delivery] = []
        self.replaced: list[tuple[Delivery, Delivery]] = []
        self.held: list[Delivery] = []
        """What it says is not acknowledged."""
        self.last: list[Delivery] = []
        """What it says it acknowledged last."""
        self._told = asyncio.Event()

    def ack(self, delivery: Delivery) -> None:
        self.acked.append(delivery)
        self._told.set()

    def postpone(self, delivery: Delivery, history: History) -> None:
        self.postponed.append((delivery, history))
        self._told.set()

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        self.dead.append((delivery, reason))
        self._told.set()

    def leave(self, delivery: Delivery) -> None:
        self.left.append(delivery)
        self._told.set()

    def give_back(self, delivery: Delivery) -> None:
        self.given_back.append(delivery)
        self._told.set()

    def replace(self, old: Delivery, new: Delivery) -> None:
        self.replaced.append((old, new))

    def unsettled(self) -> Iterable[Delivery]:
        return list(self.held)

    def doubtful(self) -> Iterable[Delivery]:
        return list(self.last)

    @property
    def number(self) -> int:
        told = len(self.acked) + len(self.left) + len(self.dead)
        return told + len(self.postponed) + len(self.given_back)

    @property
    def reason(self) -> Reason:
        """Why the one event that is dead is dead."""
        ((_, reason),) = self.dead
        return reason

    @property
    def history(self) -> History:
        """What the copy of the one event that is postponed says."""
        ((_, history),) = self.postponed
        return history

    async def count(self, number: int) -> None:
        """Wait until so many deliveries are settled."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.number < number:
                self._told.clear()
                await self._told.wait()


class Rig:
    """A dispatcher, someone who gives it events, and someone who keeps what became of them."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits | None = None,
        *,
        suspects: Suspects | None = None,
        is_outage: Callable[[BaseException], bool] = never,
        throttle: Throttle | None = None,
        onlookers: Onlookers | None = None,
    ) -> None:
        self.limited: list[int | None] = []
        """What the dispatcher said, one after the other, how many deliveries it takes."""
        self.reasons: list[str] = []
        """Why, each time."""
        self.dispatcher = Dispatcher(
            handler,
            limits or Limits(),
            limit=self._limit,
            suspects=suspects,
            is_outage=is_outage,
            throttle=throttle,
            onlookers=onlookers,
        )
        self.settlements = Settlements()
        self.given = 0
        self._limits_said = asyncio.Event()

    def give(
        self,
        data: Any = None,
        *,
        routing_key: str = 'calls.call.created',
        name: str = 'call_created',
        redelivered: bool = False,
        history: History | None = None,
        acknowledger: Settlements | None = None,
    ) -> Delivery:
        """Give the dispatcher an event."""
        return self.give_body(
            encode({'name': name, 'data': data}),
            headers={'name': name},
            routing_key=routing_key,
            redelivered=redelivered,
            history=history,
            acknowledger=acknowledger,
        )

    def give_body(
        self,
        body: bytes,
        *,
        headers: Mapping[str, Any] | None = None,
        properties: Properties | None = None,
        routing_key: str = 'calls.call.created',
        size: int | None = None,
        redelivered: bool = False,
        history: History | None = None,
        acknowledger: Settlements | None = None,
    ) -> Delivery:
        """Give the dispatcher whatever body."""
        self.given += 1
        delivery = make_delivery(
            acknowledger or self.settlements,
            tag=self.given,
            body=body,
            properties=properties or PlainProperties(headers or {}),
            routing_key=routing_key,
            size=size,
            redelivered=redelivered,
            history=history,
        )
        self.dispatcher.accept(delivery)
        return delivery

    async def all_settled(self) -> None:
        """Wait until everything that was given is settled."""
        await self.settlements.count(self.given)

    async def limited_to(self, *counts: int | None) -> None:
        """Wait until the dispatcher has said exactly that of how many deliveries it takes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.limited != list(counts):
                self._limits_said.clear()
                await self._limits_said.wait()

    def expire(self) -> None:
        """Let the time of every call that runs be over."""
        deadlines = self.dispatcher._tries._deadlines
        deadlines._seconds = 0.0
        deadlines._look()

    @property
    def rests(self) -> int:
        """How often the dispatcher has said that what the handler needs is out."""
        return sum('seems to be out' in reason for reason in self.reasons)

    def _limit(self, count: int | None, reason: str) -> None:
        self.limited.append(count)
        self.reasons.append(reason)
        self._limits_said.set()


def make_delivery(
    acknowledger: Settlements,
    *,
    tag: int = 1,
    body: bytes = b'{}',
    properties: Properties | None = None,
    routing_key: str = 'calls.call.created',
    size: int | None = None,
    redelivered: bool = False,
    history: History | None = None,
) -> Delivery:
    """A delivery as it comes from a bus."""
    return Delivery(
        tag,
        body=body,
        exchange='wazo-headers',
        routing_key=routing_key,
        properties=properties or PlainProperties({}),
        redelivered=redelivered,
        received_at=1_700_000_000.0,
        acknowledger=acknowledger,
        size=size,
        history=history,
    )


def make_history(**said: Any) -> History:
    """The history of an event that was tried once, unless said."""
    return History(**{'event_id': 'a' * 32, 'attempts': 1, 'rounds': 1, **said})


def make_plugin(target: Any) -> Plugin:
    """What `target` declares."""
    return describe(target, name='test', source='a test', version='1')


def make_handler(
    target: Any,
    *,
    name: str = 'test',
    options: Mapping[str, Any] | None = None,
    top: Mapping[str, Any] | None = None,
    **config: Any,
) -> Handler:
    """A handler that is not started; it matches everything unless said. `top` is a configuration's top level."""
    plugin = make_plugin(target)
    given = dict(options or {})
    validated = FreeOptions(given) if plugin.options is None else plugin.options.model_validate(given)
    whole = Config.model_validate(dict(top or {}))
    own = HandlerConfig.model_validate({'plugin': 'test', 'match': '#', **config})
    around = surroundings(whole, validated)
    return Handler(name, plugin, own, validated, surroundings=around, schedule=whole.schedule_of(own))


async def started(target: Any, **config: Any) -> Handler:
    """A handler that is started."""
    handler = make_handler(target, **config)
    context = make_context(handler.name, options=handler.options)
    context.surroundings = handler.surroundings
    await handler.start(context)
    return handler


def make_context(
    name: str = 'test',
    *,
    options: Any = None,
    emit: Emit | None = None,
    state_dir: Path | None = None,
    secrets: Iterable[str] = (),
) -> Context:
    """A context; its derived events lead nowhere unless said."""
    return Context(
        name,
        options,
        log=structlog.stdlib.get_logger().bind(handler=name),
        http=(http := SharedSession()).get,
        guarded=http.guarded,
        emit=emit or _nowhere,
        state_dir=state_dir or Path('/nonexistent'),
        secrets=secrets,
    )


def make_work(
    event: Event | None = None,
    run: Callable[[Event], Any] | None = None,
    *,
    handler: str = 'test',
    blocking: bool = False,
    delivery: Delivery | None = None,
    in_lane: bool = False,
) -> Work:
    """A piece of work that no dispatcher knows of."""
    call = Call(run or _nothing, blocking)
    given = delivery or make_delivery(Settlements())
    return Work(handler, event or Event('call_created'), call, given, in_lane=in_lane)


def log_lines(log: StringIO, fact: str) -> list[dict[str, str]]:
    """The fields of every line of the log that says `fact`, with its level."""
    found = []
    for line in log.getvalue().splitlines():
        words = shlex.split(line)
        if words[3:4] == [fact]:
            found.append({'level': words[2], **dict(word.split('=', 1) for word in words[4:])})
    return found


async def turn(times: int = 10) -> None:
    """Let the loop turn a few times, for what must not happen to have its chance."""
    for _ in range(times):
        await asyncio.sleep(0)


async def patiently(awaitable: Awaitable[Any]) -> Any:
    """Await, but not for ever."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await awaitable


async def _nowhere(name: str, data: Any, routing_key: str | None, cause: Work | Fact | None) -> None:
    """Publish nothing."""


def _nothing(event: Event) -> None:
    """Take an event and do nothing."""


__all__ = [
    'PATIENCE_SECONDS',
    'Outcome',
    'Rig',
    'Settlements',
    'log_lines',
    'make_context',
    'make_delivery',
    'make_handler',
    'make_history',
    'make_plugin',
    'make_work',
    'patiently',
    'started',
    'turn',
]
