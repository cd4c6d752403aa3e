# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The meter: what a handler counts with, for whoever measures the host. To count costs less than to look it up."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator
from typing import TypeVar

from wazo_busd.figure import Distribution, Figure
from wazo_busd.text import escape

S = TypeVar('S', 'Counter', 'Histogram')

OTHER = 'other'
"""What stands for every value of a label that is one too many."""

SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""The bounds of durations in telephony, unless others are given."""

_NAME = re.compile(r'wazo_busd_[a-z0-9]+(_[a-z0-9]+)*')
_LABEL = re.compile(r'[a-z][a-z0-9_]*')
_RESERVED = frozenset(('handler', 'le', 'quantile', 'instance', 'job'))
_MOST = 200
_LONGEST = 100


class _Series:
    """Values that are told apart by labels, no more than so many of them."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...], most: int) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f'a figure is called wazo_busd_…, in small letters and _, not {name!r}')
        for label in labels:
            if not _LABEL.fullmatch(label) or label in _RESERVED:
                raise ValueError(f'{label!r} is no label that {name} can have')
        self.name = name
        self.meaning = meaning
        self.labels = labels
        self._most = most

    def key(self, values: tuple[str, ...], known: Container[tuple[str, ...]], count: int) -> tuple[str, ...]:
        """Where a value is kept that is not kept as it is."""
        if len(values) != len(self.labels):
            raise ValueError(f'{self.name} has the labels {self.labels}, and got {len(values)} values')
        key = tuple(map(shown, values))
        return key if key in known or count < self._most else (OTHER,) * len(self.labels)


def shown(value: str) -> str:
    """The value of a label as it can be shown: whoever reads figures refuses all of them for a byte that is no letter.

    Args:
        value: the value; anything that JSON can hold as a text.
    """
    return escape(value[:_LONGEST])


class Counter(_Series):
    """Counts what happens."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...], most: int) -> None:
        super().__init__(name, meaning, labels, most)
        if not name.endswith('_total'):
            raise ValueError(f'what counts is called …_total, not {name!r}')
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, *values: str, amount: float = 1.0) -> None:
        """It has happened.

        Args:
            values: the values of the labels.
            amount: how often, or how much; never negative.

        Raises:
            ValueError: there are other labels, or the amount is negative.
        """
        if amount < 0:
            raise ValueError(f'{self.name} only goes up')
        if values not in self._values:
            values = self.key(values, self._values, len(self._values))
        self._values[values] = self._values.get(values, 0.0) + amount

    @property
    def figure(self) -> Figure:
        """What it has counted."""
        return Figure(self.name, self.meaning, 'counter', self.labels, dict(self._values))


class Histogram(_Series):
    """Counts how often which size came."""

    def __init__(self, name: str, meaning: str, labels: tuple[str, ...], most: int, bounds: tuple[float, ...]) -> None:
        super().__init__(name, meaning, labels, most)
        if not bounds or list(bounds) != sorted(set(bounds)):
            raise ValueError(f'the bounds of {name} are not ascending')
        self._bounds = bounds
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._totals: dict[tuple[str, ...], float] = {}

    def observe(self, value: float, *values: str) -> None:
        """A value has come.

        Args:
            value: how much.
            values: the values of the labels.

        Raises:
            ValueError: there are other labels.
        """
        if values not in self._counts:
            values = self.key(values, self._counts, len(self._counts))
        counts = self._counts.setdefault(values, [0] * (len(self._bounds) + 1))
        counts[bisect_left(self._bounds, value)] += 1
        self._totals[values] = self._totals.get(values, 0.0) + value

    @property
    def figure(self) -> Figure:
        """What has come."""
        distributions = {
            each: Distribution(self._bounds, tuple(counts), self._totals[each]) for each, counts in self._counts.items()
        }
        return Figure(self.name, self.meaning, 'histogram', self.labels, distributions=distributions)


class Meter:
    """What one handler counts with, and has to show."""

    def __init__(self) -> None:
        self._series: dict[str, Counter | Histogram] = {}
        self._shown: list[Callable[[], Iterable[Figure]]] = []

    def counter(self, name: str, meaning: str, *labels: str, most: int = _MOST) -> Counter:
        """A counter; the same one if it is asked for again.

        Args:
            name: `wazo_busd_` first and `_total` last.
            meaning: what it says, in a sentence.
            labels: what the values are told apart by: nothing that has a value for each person, number or call.
            most: so many values of the labels are told apart; the others are counted as `other`.

        Raises:
            ValueError: the name or a label cannot be.
        """
        return self._kept(Counter(name, meaning, labels, most))

    def histogram(
        self, name: str, meaning: str, *labels: str, bounds: tuple[float, ...] = SECONDS, most: int = _MOST
    ) -> Histogram:
        """A histogram; the same one if it is asked for again.

        Args:
            name: `wazo_busd_` first and the unit last, as in `wazo_busd_queue_wait_seconds`.
            meaning: what it says, in a sentence.
            labels: what the values are told apart by.
            bounds: up to which sizes they are counted.
            most: so many values of the labels are told apart.

        Raises:
            ValueError: the name, a label or the bounds cannot be.
        """
        return self._kept(Histogram(name, meaning, labels, most, bounds))

    def show(self, figures: Callable[[], Iterable[Figure]]) -> None:
        """Show figures that are made when somebody looks.

        Args:
            figures: gives them; quickly, as the loop waits.
        """
        self._shown.append(figures)

    def figures(self) -> Iterator[Figure]:
        """All that there is to show now.

        Raises:
            TypeError, ValueError: a figure that is made now is none.
            Exception: whatever raises who makes them.
        """
        for series in self._series.values():
            yield series.figure
        for figures in self._shown:
            for figure in figures():
                _check(figure)
                yield figure

    def _kept(self, series: S) -> S:
        kept = self._series.setdefault(series.name, series)
        if not isinstance(kept, type(series)) or kept.labels != series.labels:
            raise ValueError(f'{series.name} is there already, as another one')
        return kept


def _check(figure: Figure) -> None:
    """See that a figure can be shown, so that it is known whose it is if it cannot."""
    if not _NAME.fullmatch(figure.name):
        raise ValueError(f'a figure is called wazo_busd_…, not {figure.name!r}')
    for values, value in (*figure.values.items(), *((key, each.total) for key, each in figure.distributions.items())):
        if len(values) != len(figure.labels) or not all(isinstance(each, str) for each in values):
            raise TypeError(f'{figure.name} has the labels {figure.labels}, and got {values!r}')
        if not isinstance(value, (int, float)):
            raise TypeError(f'{figure.name} is {value!r}, which is no number')
