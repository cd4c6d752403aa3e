# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The panel: what a handler has to show to people, as plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Cell = str | int | float | timedelta | None
"""What stands in one place: a text, a number, or how long something lasts; `None` for nothing."""

Tone = Literal['', 'good', 'busy', 'bad']
"""How something looks. It says nothing that is not said in words beside it."""


@dataclass(frozen=True, slots=True)
class Total:
    """A number that is read from afar.

    Attributes:
        label: what it counts, in a word or two.
        value: how much.
        tone: how it looks.
    """

    label: str
    value: Cell
    tone: Tone = ''


@dataclass(frozen=True, slots=True)
class Row:
    """A row, one cell for each column.

    Attributes:
        cells: what stands in it; the first one is what it is about.
        tone: how it looks.
    """

    cells: Sequence[Cell]
    tone: Tone = ''


@dataclass(frozen=True, slots=True)
class Panel:
    """What there is to show now of one thing. It names no caller, and shows no number of anybody.

    Attributes:
        title: what it is about, in a word or two.
        columns: what stands over the rows; none if there are only totals.
        rows: the rows, those first that matter most.
        totals: what is read from afar.
        empty: what is said while there is no row.
        since: since when it is known, in Unix seconds; `None` where that says nothing.
        more: how many rows were left out.
        place: where it stands; those with less come first.
    """

    title: str
    columns: Sequence[str] = ()
    rows: Sequence[Row] = ()
    totals: Sequence[Total] = ()
    empty: str = ''
    since: float | None = None
    more: int = 0
    place: int = 50
