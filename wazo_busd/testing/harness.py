# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The harness: runs a plugin on events through the daemon's own dispatcher, without a broker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog

from wazo_busd.codec import Limits
from wazo_busd.config import Config, HandlerConfig
from wazo_busd.context import Context
from wazo_busd.delivery import Delivery
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.emission import emitter
from wazo_busd.event import Event
from wazo_busd.gathering import Gathering
from wazo_busd.handler import Handler
from wazo_busd.http import SharedSession
from wazo_busd.options import FreeOptions
from wazo_busd.plugin import describe
from wazo_busd.rehearsal import ask, context_of
from wazo_busd.testing.event import with_body
from wazo_busd.testing.outcomes import Emitted, Outcomes, emitted
from wazo_busd.testing.recorder import Recorder, burst_of, delivery_of
from wazo_busd.texts import surroundings
from wazo_busd.throttle import Throttle

T = TypeVar('T')


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

    With `collapse`, and for a plugin that makes digests, the time is over when all events were given; what became of
    the burst comes behind what became of them.

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
    handler = _handler(plugin, options, name, top, config)
    http = SharedSession()
    published: list[Emitted] = []

    async def publish(routing_key: str, body: bytes, headers: Mapping[str, Any]) -> None:
        published.append(emitted(routing_key, body, headers))

    with tempfile.TemporaryDirectory() as temporary:
        context = Context(
            name,
            handler.options,
            log=structlog.stdlib.get_logger().bind(handler=name),
            http=http.get,
            guarded=http.guarded,
            concurrency=handler.concurrency,
            emit=emitter(publish),
            state_dir=state_dir or Path(temporary),
            surroundings=handler.surroundings,
        )
        try:
            await handler.start(context)
            try:
                deliveries, recorder = await _run(handler, events, Path(temporary) / 'gathered')
            finally:
                await handler.stop()
        finally:
            await http.close()
    return Outcomes(
        [each.settled for each in deliveries if each.settled],
        _by_tag(recorder.reasons),
        _by_tag(recorder.histories),
        published,
    )


async def preview(
    plugin: Any,
    event: Event,
    *,
    options: Mapping[str, Any] | None = None,
    name: str = 'test',
    top: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a plugin says that it would send for an event, as `wazo-busd explain --render` shows it.

    Args:
        plugin: the class.
        event: the event.
        options: its options, as the configuration would say them.
        name: the name of the handler.
        top: keys of the configuration's top level: `names`, `region`.

    Raises:
        LookupError: the plugin has no method `preview`.
        Exception: whatever that raises, such as `Discard`.
    """
    handler = _handler(plugin, options, name, top, {})
    with tempfile.TemporaryDirectory() as temporary:
        context = context_of(handler, Path(temporary))
        previewer = handler.previewer(context)
        if previewer is None:
            raise LookupError('the plugin has no method preview(self, event, context)')
        return await ask(previewer, with_body(event), context)


def _handler(
    plugin: Any,
    options: Mapping[str, Any] | None,
    name: str,
    top: Mapping[str, Any] | None,
    config: Mapping[str, Any],
) -> Handler:
    described = describe(plugin, name='test', source='a test', version='0')
    given = dict(options or {})
    validated = FreeOptions(given) if described.options is None else described.options.model_validate(given)
    declared = {} if described.match else {'match': '#'}
    whole = Config.model_validate(top or {})
    own = HandlerConfig.model_validate({'plugin': 'test', **declared, **_at_once(config)})
    around = surroundings(whole, validated)
    return Handler(name, described, own, validated, surroundings=around, schedule=whole.schedule_of(own))


async def _run(handler: Handler, events: Iterable[Event], files: Path) -> tuple[list[Delivery], Recorder]:
    acknowledger = Recorder()
    whole = [with_body(event) for event in events]
    deliveries = [delivery_of(number, event, acknowledger) for number, event in enumerate(whole)]
    acknowledger.missing = len(deliveries)
    throttle = Throttle(handler.name, handler.config.throttle) if handler.config.throttle else None
    dispatcher = Dispatcher(handler, Limits(), throttle=throttle)
    # Nothing comes again here, so every event is tried, however many have failed.
    dispatcher.breaker.stop()

    async def hand(body: bytes, last: Event) -> None:
        delivery = burst_of(len(deliveries), body, last, acknowledger)
        acknowledger.expect()
        deliveries.append(delivery)
        dispatcher.accept(delivery)

    gatherer = await dispatcher.gather(Gathering(files, handler.name), hand) if handler.gather is not None else None
    for delivery in deliveries[:]:
        dispatcher.accept(delivery)
    if deliveries:
        await acknowledger.all_settled.wait()
    if gatherer is not None:
        await gatherer.flush()
        await acknowledger.all_settled.wait()
    await dispatcher.drain(0.0)
    return deliveries, acknowledger


def _at_once(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration without tries in place, which would be waited for."""
    once = {'attempts': 1} if config.get('order_by') else {}
    return {**config, 'retry': {'in_place': 0, **once, **config.get('retry', {})}}


def _by_tag(noted: Mapping[int, T]) -> list[T]:
    return [noted[tag] for tag in sorted(noted)]
