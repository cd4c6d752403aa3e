# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The panels of one handler: made when somebody looks, and brought into bounds, whatever names they show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from types import NoneType
from typing import get_args

from wazo_busd.panel import Cell, Panel, Row, Tone, Total
from wazo_busd.text import escape

MOST_ROWS = 60
"""So many rows are shown of a panel, and of the others how many they are."""

_MOST_PANELS = 12
_MOST_COLUMNS = 12
_MOST_TOTALS = 12
_LONGEST = 100
_LONGEST_COLUMN = 20
_TONES: tuple[Tone, ...] = get_args(Tone)


class Panels:
    """What one handler has to show to people. Nobody asks while nobody looks."""

    def __init__(self) -> None:
        self._shown: list[Callable[[], Iterable[Panel]]] = []

    def show(self, panels: Callable[[], Iterable[Panel]]) -> None:
        """Show panels that are made when somebody looks, once a second.

        Args:
            panels: gives them; quickly, as the loop waits.
        """
        self._shown.append(panels)

    def now(self) -> Iterator[Panel]:
        """All that there is to show now.

        Raises:
            TypeError, ValueError: a panel that is made now is none.
            Exception: whatever raises who makes them.
        """
        count = 0
        for panels in self._shown:
            for panel in panels():
                if count == _MOST_PANELS:
                    raise ValueError(f'a handler has {_MOST_PANELS} panels at most')
                count += 1
                yield checked(panel)


def checked(panel: Panel) -> Panel:
    """A panel within bounds, of short and printable texts.

    Args:
        panel: the panel.

    Raises:
        TypeError, ValueError: it is none.
    """
    if len(panel.columns) > _MOST_COLUMNS or len(panel.totals) > _MOST_TOTALS:
        raise ValueError(f'a panel has {_MOST_COLUMNS} columns and {_MOST_TOTALS} totals at most')
    rows = [_row(each, len(panel.columns), panel.title) for each in panel.rows[:MOST_ROWS]]
    return replace(
        panel,
        title=_text(panel.title),
        columns=tuple(_text(each, _LONGEST_COLUMN) for each in panel.columns),
        rows=tuple(rows),
        totals=tuple(Total(_text(each.label), _cell(each.value), _tone(each.tone)) for each in panel.totals),
        empty=_text(panel.empty),
        since=None if panel.since is None else float(panel.since),
        more=panel.more + len(panel.rows) - len(rows),
    )


def _row(row: Row, columns: int, title: str) -> Row:
    if len(row.cells) != columns:
        raise ValueError(f'the panel {title!r} has {columns} columns, and a row of {len(row.cells)} cells')
    return Row(tuple(map(_cell, row.cells)), _tone(row.tone))


def _cell(value: Cell) -> Cell:
    if isinstance(value, str):
        return _text(value)
    if not isinstance(value, (int, float, timedelta, NoneType)):
        raise TypeError(f'a cell holds a text, a number or a timedelta, not {type(value).__name__}')
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f'a cell holds a number that there is, not {value}')
    return value


def _text(value: str, longest: int = _LONGEST) -> str:
    return escape(value if len(value) <= longest else f'{value[: longest - 1]}…')


def _tone(tone: Tone) -> Tone:
    if tone not in _TONES:
        raise ValueError(f'a tone is one of {", ".join(map(repr, _TONES))}, not {tone!r}')
    return tone
