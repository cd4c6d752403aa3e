# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin `metrics`: counts events by name, and what trackers derive by what it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Container, Mapping
from typing import Annotated, Any

from pydantic import Field

from wazo_busd.api import BaseOptions, Context, Counter, Event, Histogram, Preview, event_names, handler

from ..tracking import moment_of
from .measure import MEASURES, UNKNOWN, Measure

_DERIVED = re.compile(r'busd\.[a-z][a-z_.]{0,40}')
_LAG = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)


class Metrics:
    """Counts what happens on a host.

    How many wait, talk or are logged in now is shown by the trackers themselves.
    """

    class Options(BaseOptions):
        """The options of `metrics`.

        Attributes:
            tenants: whether calls, faxes and the like are told apart by tenant, by its UUID.
            most: so many values of the labels of a figure are told apart, and the others counted together as `other`.
        """

        tenants: bool = False
        most: Annotated[int, Field(ge=10, le=10_000)] = 300

    def __init__(self, context: Context) -> None:
        self.context = context
        self._options = context.options
        self._meter = context.meter
        self._known: Container[str] = ()
        self._names = self._meter.counter(
            'wazo_busd_bus_events_total', 'Events on the bus, by name.', 'name', most=self._options.most
        )
        self._lag = self._meter.histogram(
            'wazo_busd_bus_lag_seconds',
            'How long after they happened events came, where their publisher says when that was.',
            bounds=_LAG,
        )
        self._series = {name: [(each, self._made(each)) for each in measures] for name, measures in MEASURES.items()}

    async def start(self) -> None:
        """Read which events there are; in a thread, for it takes a while."""
        self._known = await asyncio.to_thread(event_names)

    @handler(
        'busd.#', 'agentd.#', 'applications.#', 'auth.#', 'call_form_result',
        'call_log.#', 'call_logd.#', 'calls.#', 'chatd.#',
        'conferences.#', 'confd.#', 'config.#', 'directory.#', 'faxes.#', 'lines.#', 'meetings.#', 'parkings.#',
        'plugin.#', 'service.#', 'status.#', 'switchboards.#', 'sysconfd.#', 'trunks.#', 'voicemails.#', 'webhookd.#',
    )  # fmt: skip
    async def on_event(self, event: Event) -> None:
        """Count it."""
        self._names.add(self._name(event.name))
        if event.timestamp is not None:
            self._lag.observe(max(0.0, event.received_at - moment_of(event)))
        data = event.data
        if not isinstance(data, Mapping):
            return
        for measure, series in self._series.get(event.name, ()):
            values = measure.values(data)
            if self._options.tenants:
                values = (*values, event.tenant_uuid or UNKNOWN)
            if isinstance(series, Counter):
                series.add(*values)
                continue
            seconds = _seconds(measure, data)
            if seconds is not None:
                series.observe(seconds, *values)

    def preview(self, event: Event) -> Preview:
        """The figures that it would add to."""
        found = [self._names.name]
        if event.timestamp is not None:
            found.append(self._lag.name)
        data = event.data
        if isinstance(data, Mapping):
            measures = MEASURES.get(event.name, ())
            found += [each.name for each in measures if not each.seconds or _seconds(each, data) is not None]
        return {'figures': found}

    def _name(self, name: str) -> str:
        """What an event is counted as. Whoever can publish could make up as many names as there is room for."""
        if name in self._known or _DERIVED.fullmatch(name):
            return name
        return UNKNOWN

    def _made(self, measure: Measure) -> Counter | Histogram:
        labels = (*measure.labels, 'tenant_uuid') if self._options.tenants else measure.labels
        most = self._options.most
        if not measure.seconds:
            counter = self._meter.counter(measure.name, measure.meaning, *labels, most=most)
            if not measure.fields and not self._options.tenants:
                # What begins at one has not grown (Prometheus, increase()): an alert would miss the first of all.
                counter.add(*measure.values({}), amount=0.0)
            return counter
        if measure.bounds:
            return self._meter.histogram(measure.name, measure.meaning, *labels, bounds=measure.bounds, most=most)
        return self._meter.histogram(measure.name, measure.meaning, *labels, most=most)


def _seconds(measure: Measure, data: Mapping[str, Any]) -> float | None:
    """The size that an event says, if it says one that can be."""
    said = data.get(measure.seconds)
    if isinstance(said, (int, float)) and not isinstance(said, bool) and 0 <= said < 1e9:
        return float(said)
    return None
