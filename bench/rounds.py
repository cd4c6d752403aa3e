# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rounds: the same consumers measured in turn, again and again, and compared within each round.

A shared machine is faster at one time than at another. What is measured a few seconds apart can be compared; so a ratio
is taken within a round, and its median over the rounds is the result. How far apart the rounds are is the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from bench.figures import Figures

T = TypeVar('T')


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave.

    Attributes:
        median: the one in the middle.
        least: the lowest.
        most: the highest.
    """

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """That of some values; `None` if there are none."""
        found = list(values)
        return cls(median(found), min(found), max(found)) if found else None


class Rounds:
    """What was measured in each round, by the name of the consumer."""

    def __init__(self) -> None:
        self._rounds: list[dict[str, Figures]] = []

    def begin(self) -> None:
        """Begin the next round."""
        self._rounds.append({})

    def add(self, name: str, figures: Figures) -> None:
        """Note what a consumer cost in this round."""
        self._rounds[-1][name] = figures

    @property
    def names(self) -> list[str]:
        """The consumers that were measured at least once."""
        return list(dict.fromkeys(name for each in self._rounds for name in each))

    def values(self, name: str, value: Callable[[Figures], float]) -> Spread | None:
        """One figure of one consumer.

        Args:
            name: the consumer.
            value: which figure.
        """
        return Spread.of(value(each[name]) for each in self._rounds if name in each)

    def ratios(self, name: str, other: str, value: Callable[[Figures], float]) -> Spread | None:
        """One figure of one consumer, divided by that of another in the same round.

        Args:
            name: the consumer.
            other: the other one.
            value: which figure.
        """
        return Spread.of(
            value(each[name]) / value(each[other])
            for each in self._rounds
            if name in each and other in each and value(each[other])
        )


def turned(items: list[T], number: int) -> list[T]:
    """The same items beginning with another one in each round, so that none is always the first."""
    start = number % len(items) if items else 0
    return items[start:] + items[:start]
