# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The exposition: figures as Prometheus reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from wazo_busd.figure import Distribution, Figure
from wazo_busd.meter import shown

CONTENT_TYPE = CONTENT_TYPE_LATEST
"""What an answer with it says that it is."""

Figures = Mapping[str, Iterable[Figure]]
"""The figures of each handler; those of the daemon itself under `''`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of the text of Prometheus.

    Attributes:
        name: the name of the figure.
        labels: its labels.
        value: the value.
    """

    name: str
    labels: Mapping[str, str]
    value: float


def read(text: str) -> list[Reading]:
    """The values that a text of Prometheus has.

    Args:
        text: what `exposition` gives.

    Raises:
        ValueError: it is none.
    """
    return [
        Reading(sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def exposition(figures: Figures) -> bytes:
    """The text of Prometheus for some figures.

    Those of a handler have its name as the label `handler`. Of two handlers that show something else by one name, the
    second one is left out: a name has one meaning (Prometheus, exposition format).

    Args:
        figures: the figures.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(figures))
    _Process(registry=registry)
    return generate_latest(registry)


class _Collector(Collector):
    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        families: dict[str, tuple[tuple[str, tuple[str, ...]], Metric]] = {}
        for handler, figures in self._figures.items():
            for figure in figures:
                labels = (('handler', *figure.labels)) if handler else figure.labels
                kind = (figure.kind, labels)
                _, family = families.setdefault(figure.name, (kind, _family(figure, labels)))
                if families[figure.name][0] == kind:
                    _add(family, figure, (handler,) if handler else ())
        return iter([family for _, family in families.values()])


class _Process(ProcessCollector):
    """What the process takes.

    The unit keeps /proc/stat from the daemon (ProcSubset=pid), where the library would look for the time of the boot;
    without that it shows nothing at all.
    """

    def _boot_time(self) -> float:
        return _booted()


@cache
def _booted() -> float:
    """When the machine was started, in seconds since 1970.

    It is asked once: two answers differ by microseconds, and every scrape would look like a restart.
    """
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def _family(figure: Figure, labels: tuple[str, ...]) -> Metric:
    if figure.kind == 'histogram':
        return HistogramMetricFamily(figure.name, figure.meaning, labels=labels)
    if figure.kind == 'counter':
        return CounterMetricFamily(figure.name, figure.meaning, labels=labels)
    return GaugeMetricFamily(figure.name, figure.meaning, labels=labels)


def _add(family: Metric, figure: Figure, first: tuple[str, ...]) -> None:
    if isinstance(family, HistogramMetricFamily):
        for values, each in figure.distributions.items():
            family.add_metric((*first, *map(shown, values)), _buckets(each), each.total)
    elif isinstance(family, (CounterMetricFamily, GaugeMetricFamily)):
        for values, value in figure.values.items():
            family.add_metric((*first, *map(shown, values)), value)


def _buckets(value: Distribution) -> list[tuple[str, float]]:
    """The buckets with all that is no greater than each."""
    found: list[tuple[str, float]] = []
    so_far = 0
    for bound, count in zip((*map(str, value.bounds), '+Inf'), value.counts, strict=True):
        so_far += count
        found.append((bound, so_far))
    return found
