# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""All figures that a host shows, at the end of the sample day or before anything has happened."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from plugins.audit import Audit
from plugins.availability import Availability
from plugins.calls import Calls
from plugins.conferences import Conferences
from plugins.faxes import Faxes
from plugins.metrics import Metrics
from plugins.metrics.measure import MEASURES
from plugins.queues import Queues
from plugins.tracking import Tracker, Watcher
from plugins.voicemails import Voicemails
from tests.plugins.trackers.golden import TRACKERS
from tests.plugins.trackers.rig import day, run, runner
from wazo_busd import catalogue
from wazo_busd.bus import BusStatus, ConsumerState, ConsumerStatus
from wazo_busd.catalogue.publication import example
from wazo_busd.codec import Limits
from wazo_busd.context import Context
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.event import Event
from wazo_busd.figure import Figure
from wazo_busd.handler import Handler
from wazo_busd.http.exposition import exposition
from wazo_busd.own_figures import own_figures
from wazo_busd.rehearsal import context_of
from wazo_busd.testing import make_event
from wazo_busd.testing.harness import _handler

T = TypeVar('T')

WATCHERS: dict[str, type[Watcher]] = {
    'audit': Audit,
    'availability': Availability,
    'calls': Calls,
    'conferences': Conferences,
    'faxes': Faxes,
    'queues': Queues,
    'voicemails': Voicemails,
}
"""The plugins that are trackers, by their names."""


def handler_of(plugin: Any, name: str, **options: Any) -> Handler:
    """A handler that runs a plugin."""
    return _handler(plugin, options, name, {}, {})


def in_loop(make: Callable[[], T]) -> T:
    """What is made where a loop runs, as plugins are."""

    async def made() -> T:
        return make()

    return asyncio.run(made())


def made(plugin: Callable[[Context], T], name: str, **options: Any) -> T:
    """A plugin that is not started."""
    handler = handler_of(plugin, name, **options)
    with tempfile.TemporaryDirectory() as directory:
        return in_loop(lambda: plugin(context_of(handler, Path(directory))))


def metrics(**options: Any) -> Metrics:
    """The plugin `metrics`, which has counted nothing yet."""
    return made(Metrics, 'metrics', **options)


def count(plugin: Metrics, events: Iterable[Event]) -> dict[str, Figure]:
    """What the plugin has counted after it took these events, by name."""

    async def take() -> None:
        await plugin.start()
        for event in events:
            await plugin.on_event(event)

    asyncio.run(take())
    return {each.name: each for each in plugin.context.meter.figures()}


def own() -> list[Figure]:
    """The figures of the daemon, with two handlers, one of which is out."""
    status = BusStatus(connected=True, summary='a test', consumers={'metrics': ConsumerStatus(ConsumerState.CONSUMING)})
    dispatcher = in_loop(lambda: Dispatcher(handler_of(Metrics, 'metrics'), Limits()))
    return list(own_figures(status, {'metrics': dispatcher}, ['broken']))


def watcher(name: str, tracker: Tracker | None = None) -> Watcher:
    """A plugin that is a tracker, around one that knows something already."""
    found = made(WATCHERS[name], name)
    if tracker is not None:
        found.tracker = tracker
    return found


def before() -> dict[str, list[Figure]]:
    """All figures of each handler when nothing has happened yet; those of the daemon itself under `''`."""
    return {
        '': own(),
        'metrics': list(metrics().context.meter.figures()),
        **{name: list(watcher(name)._figures()) for name in WATCHERS},
    }


@cache
def after() -> dict[str, list[Figure]]:
    """The same at the end of the sample day."""
    wanted = [each for each in day() if not each.routing_key.startswith('ami.')]
    counted = count(metrics(), [*wanted, *derived(), *examples()])
    return {
        '': own(),
        'metrics': list(counted.values()),
        **{name: list(watcher(name, runner(TRACKERS[name], day(), wait=False)[1])._figures()) for name in WATCHERS},
    }


@cache
def text() -> str:
    """What Prometheus reads then."""
    return exposition(after()).decode()


def examples() -> Iterator[Event]:
    """The catalogue's example of each derived event that is measured: on that day not all of them happen."""
    for name in MEASURES:
        entry = catalogue.find(name)
        assert entry is not None
        yield make_event(name, example(entry))


def derived() -> Iterator[Event]:
    """What all trackers find out on that day."""
    for make in TRACKERS.values():
        for each in run(make, day()):
            headers = {} if each.derivation.tenant_uuid is None else {'tenant_uuid': each.derivation.tenant_uuid}
            yield make_event(each.derivation.name, dict(each.derivation.data), headers=headers)
