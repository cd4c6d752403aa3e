# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The figure: what can be measured, and how much it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values there were of each size.

    Attributes:
        bounds: the sizes, ascending.
        counts: how many values were no greater than each of them and greater than the one before, and last how many
            were greater than all.
        total: the sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


@dataclass(frozen=True, slots=True)
class Figure:
    """What is measured, and how much it is now.

    Attributes:
        name: `wazo_busd_` first, the unit last; that of a counter ends in `_total` (Prometheus, metric naming).
        meaning: what it says, in a sentence.
        kind: a `gauge` goes up and down, a `counter` only up; a `histogram` tells how often which size came.
        labels: the names of what the values are told apart by. No label is a number, a name or a UUID of a person.
        values: how much, by the values of the labels in that order; of one without labels, by `()`.
        distributions: the same of a histogram, which has no `values`.
    """

    name: str
    meaning: str
    kind: Literal['gauge', 'counter', 'histogram'] = 'gauge'
    labels: tuple[str, ...] = ()
    values: Mapping[tuple[str, ...], float] = field(default_factory=dict)
    distributions: Mapping[tuple[str, ...], Distribution] = field(default_factory=dict)
