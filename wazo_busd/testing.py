# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""For the tests of plugins: run one on events, without a broker and without sleeping.

    from wazo_busd.testing import Outcome, deliver, make_event

    async def test_rings_the_bell() -> None:
        assert await deliver(ring_the_bell, make_event('call_ended')) == [Outcome.DONE]

wazo-busd tests its own plugins with it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from wazo_busd import catalogue
from wazo_busd.catalogue.publication import publication
from wazo_busd.codec import Limits, decode, encode
from wazo_busd.config import Config, HandlerConfig
from wazo_busd.context import Context
from wazo_busd.delivery import Delivery, History, PlainProperties
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.emission import emitter
from wazo_busd.event import Event
from wazo_busd.handler import FreeOptions, Handler
from wazo_busd.http import SharedSession
from wazo_busd.outcome import Outcome, Reason
from wazo_busd.plugin import describe
from wazo_busd.texts import surroundings

T = TypeVar('T')

__all__ = ['Emitted', 'Outcome', 'Outcomes', 'Reason', 'deliver', 'make_event']


@dataclass(frozen=True, slots=True)
class Emitted:
    """A derived event that the plugin has published.

    Attributes:
        name: its name.
        data: what it says, as those who match it get it: dates, for example, are texts by then.
        routing_key: the key it was published with.
    """

    name: str
    data: Any
    routing_key: str


class Outcomes(list[Outcome]):
    """What became of the events, in their order.

    Attributes:
        reasons: why the plugin gave up, for each event that is dead.
        retries: what was noted of each event that is to be tried again: the error, and when.
        emitted: the derived events that it published.
    """

    def __init__(
        self, outcomes: Iterable[Outcome], reasons: list[Reason], retries: list[History], emitted: list[Emitted]
    ) -> None:
        super().__init__(outcomes)
        self.reasons = reasons
        self.retries = retries
        self.emitted = emitted


def make_event(
    name: str,
    data: Any = None,
    *,
    routing_key: str | None = None,
    exchange: str = 'wazo-headers',
    headers: Mapping[str, Any] | None = None,
    redelivered: bool = False,
    attempt: int = 1,
) -> Event:
    """An event as a Wazo host sends it.

    An event that the catalogue knows has the routing key and the headers that a host of today sends with such data:
    access, tenant, users, time. Those that are given go before; with a `routing_key` there are no others.

    Args:
        name: its name.
        data: what it says.
        routing_key: the key it was published with; if `None`, that of the catalogue, or its name if the catalogue does
            not know it.
        exchange: the exchange it was published on.
        headers: headers beside `name`, such as `tenant_uuid`.
        redelivered: whether the broker gave it out before.
        attempt: 1-based ordinal of the present try.
    """
    own = {'name': name, **(headers or {})}
    entry = catalogue.find(name) if routing_key is None else None
    if entry is not None and entry.routing_keys:
        made = publication(
            entry,
            data if isinstance(data, Mapping) else {},
            name=name,
            users=Event(name, headers=own).user_uuids or None,
            tenant=Event(name, data, headers=own).tenant_uuid,
            more=own,
        )
        own, routing_key = {**made.headers, **own}, made.routing_key
    content = {**own, 'data': data}
    return Event(
        name,
        data,
        routing_key=name if routing_key is None else routing_key,
        exchange=exchange,
        headers=own,
        metadata=content,
        body=encode(content),
        received_at=time.time(),
        redelivered=redelivered,
        attempt=attempt,
    )


async def deliver(
    plugin: Any,
    *events: Event,
    options: Mapping[str, Any] | None = None,
    name: str = 'test',
    state_dir: Path | None = None,
    top: Mapping[str, Any] | None = None,
    **config: Any,
) -> Outcomes:
    """Start a plugin, run it on events through the daemon's own dispatcher, stop it.

    What fails is not tried again here: the outcome is RETRY, or DEAD where the policy is used up, as with
    `retry={'attempts': 1}`, and with `order_by` unless `retry` says otherwise.

    The plugin gets the events that it declares, or those that `match` says instead. One that declares nothing gets all.

    Args:
        plugin: the function, class or module.
        events: what it is run on, in this order: of `make_event`, or an `Event` of name, data and headers, which is
            given the body that a Wazo host would send.
        options: its options, as the configuration would say them.
        name: the name of the handler.
        state_dir: the directory it may keep files in; one that is removed afterwards if `None`.
        top: keys of the configuration's top level: `names`, `region`, `schedules`.
        config: other keys of a handler: `concurrency`, `order_by`, `timeout`, `match`, `when`, `retry`.

    Returns:
        What became of the events. One that the plugin does not match never reaches it and is DONE, as in the daemon.

    Raises:
        wazo_busd.errors.PluginError: it is no plugin.
        wazo_busd.errors.UnknownEvent: it matches an event by a name that the catalogue does not know.
        pydantic.ValidationError: the options are not what it asks for.
        Exception: whatever its `start` or `stop` raises.
    """
    described = describe(plugin, name='test', source='a test', version='0')
    given = dict(options or {})
    validated = FreeOptions(given) if described.options is None else described.options.model_validate(given)
    declared = {} if described.match else {'match': '#'}
    whole = Config.model_validate(top or {})
    own = HandlerConfig.model_validate({'plugin': 'test', **declared, **_at_once(config)})
    around = surroundings(whole, validated)
    handler = Handler(name, described, own, validated, surroundings=around, schedule=whole.schedule_of(own))
    http = SharedSession()
    emitted: list[Emitted] = []

    async def publish(routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        emitted.append(_emitted(routing_key, body, headers))

    with tempfile.TemporaryDirectory() as temporary:
        context = Context(
            name,
            validated,
            log=structlog.stdlib.get_logger().bind(handler=name),
            http=http.get,
            emit=emitter(publish),
            state_dir=state_dir or Path(temporary),
            surroundings=around,
        )
        try:
            await handler.start(context)
            try:
                deliveries, recorder = await _run(handler, events)
            finally:
                await handler.stop()
        finally:
            await http.close()
    return Outcomes(
        [each.settled for each in deliveries if each.settled],
        _by_tag(recorder.reasons),
        _by_tag(recorder.histories),
        emitted,
    )


async def _run(handler: Handler, events: Iterable[Event]) -> tuple[list[Delivery], _Recorder]:
    acknowledger = _Recorder()
    whole = [_with_body(event) for event in events]
    deliveries = [_delivery(number, event, acknowledger) for number, event in enumerate(whole)]
    acknowledger.missing = len(deliveries)
    dispatcher = Dispatcher(handler, Limits())
    # Nothing comes again here, so every event is tried, however many have failed.
    dispatcher.breaker.stop()
    for delivery in deliveries:
        dispatcher.accept(delivery)
    if deliveries:
        await acknowledger.all_settled.wait()
    await dispatcher.drain(0.0)
    return deliveries, acknowledger


def _at_once(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without tries in place, which would be waited for."""
    once = {'attempts': 1} if config.get('order_by') else {}
    return {**config, 'retry': {'in_place': 0, **once, **config.get('retry', {})}}


def _by_tag(noted: Mapping[int, T]) -> list[T]:
    return [noted[tag] for tag in sorted(noted)]


def _emitted(routing_key: str, body: bytes, headers: Mapping[str, Any]) -> Emitted:
    """What arrives at those who match a derived event."""
    event = decode(
        body,
        headers=headers,
        routing_key=routing_key,
        exchange='',
        received_at=time.time(),
        redelivered=False,
        limits=Limits(),
    )
    return Emitted(event.name, event.data, routing_key)


def _with_body(event: Event) -> Event:
    """The event, as it would come over the bus if it was made of a name, data and headers only."""
    if event.body:
        return event
    headers = {**event.headers, 'name': event.name}
    content = {**event.metadata, **headers, 'data': event.data}
    return Event(
        event.name,
        event.data,
        routing_key=event.routing_key,
        exchange=event.exchange,
        headers=headers,
        metadata=content,
        body=encode(content),
        received_at=event.received_at,
        redelivered=event.redelivered,
        attempt=event.attempt,
    )


def _delivery(number: int, event: Event, acknowledger: _Recorder) -> Delivery:
    return Delivery(
        number,
        body=event.body,
        exchange=event.exchange,
        routing_key=event.routing_key,
        properties=PlainProperties(event.headers),
        redelivered=event.redelivered,
        received_at=event.received_at,
        acknowledger=acknowledger,
        history=History(event_id=event.id, attempts=event.attempt - 1),
    )


class _Recorder:
    """An acknowledger that only notes that everything is settled."""

    def __init__(self) -> None:
        self.missing = 0
        self.reasons: dict[int, Reason] = {}
        self.histories: dict[int, History] = {}
        self.all_settled = asyncio.Event()

    def ack(self, delivery: Delivery) -> None:
        self.missing -= 1
        if not self.missing:
            self.all_settled.set()

    def postpone(self, delivery: Delivery, history: History) -> None:
        self.histories[delivery.tag] = history
        delivery.close()

    def dead_letter(self, delivery: Delivery, reason: Reason) -> None:
        self.reasons[delivery.tag] = reason
        delivery.close()

    def leave(self, delivery: Delivery) -> None:
        self.ack(delivery)

    def give_back(self, delivery: Delivery) -> None:
        self.ack(delivery)

    def replace(self, old: Delivery, new: Delivery) -> None:
        """Nothing comes again here."""

    def unsettled(self) -> Iterable[Delivery]:
        return ()

    def doubtful(self) -> Iterable[Delivery]:
        return ()
