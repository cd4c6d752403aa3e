# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Panels are brought into bounds, whatever names they show, and what is none is said to be none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.panel import Panel, Row, Total
from wazo_busd.panels import MOST_ROWS, Panels


def now(*shown: Panel) -> list[Panel]:
    panels = Panels()
    panels.show(lambda: shown)
    return list(panels.now())


def test_what_is_shown_is_made_when_somebody_looks() -> None:
    count = 0

    def shown() -> list[Panel]:
        nonlocal count
        count += 1
        return [Panel(str(count))]

    panels = Panels()
    panels.show(shown)

    assert [[each.title for each in panels.now()] for _ in range(2)] == [['1'], ['2']]


@given(st.text())
def test_every_text_is_short_and_printable(text: str) -> None:
    (panel,) = now(Panel(text, (text,), [Row((text,))], [Total(text, text)], empty=text))
    texts = [panel.title, *panel.columns, *panel.rows[0].cells, panel.totals[0].label, panel.empty]

    assert [each for each in texts if not (isinstance(each, str) and each.isprintable() and len(each) <= 1000)] == []


def test_too_many_rows_are_counted() -> None:
    (panel,) = now(Panel('A', ('x',), [Row((number,)) for number in range(MOST_ROWS + 5)], more=2))

    assert (len(panel.rows), panel.more) == (MOST_ROWS, 7)


@pytest.mark.parametrize(
    ('panel', 'error'),
    [
        (Panel('A', ('x', 'y'), [Row((1,))]), ValueError),
        (Panel('A', ('x',), [Row((float('nan'),))]), ValueError),
        (Panel('A', ('x',), [Row(({},))]), TypeError),  # type: ignore[arg-type]
        (Panel('A', ('x',), [Row((1,), 'red')]), ValueError),  # type: ignore[arg-type]
        (Panel('A', ('x',) * 13), ValueError),
        (Panel('A', totals=[Total('x', 1)] * 13), ValueError),
    ],
)
def test_what_is_no_panel_is_an_error(panel: Panel, error: type[Exception]) -> None:
    with pytest.raises(error):
        now(panel)


def test_a_handler_has_so_many_panels_and_no_more() -> None:
    with pytest.raises(ValueError, match='12 panels'):
        now(*[Panel('A')] * 13)


@pytest.mark.parametrize('value', ['a', 1, 1.5, None, timedelta(seconds=3)])
def test_what_a_cell_can_hold_stays_as_it_is(value: Any) -> None:
    (panel,) = now(Panel('A', ('x',), [Row((value,))]))

    assert panel.rows[0].cells == (value,)
