# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rows of the board: its own panel, of the handlers, and any panel in plain types."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from wazo_busd.panel import Cell, Panel, Row, Tone, Total
from wazo_busd.rates import Rates
from wazo_busd.status import DaemonStatus, HandlerStatus, State

_PLACE = 90
_BAD = (State.STOPPED, State.REFUSED, State.BROKEN)


def handlers_panel(status: DaemonStatus, rates: Rates) -> Panel:
    """The handlers, those in trouble first.

    Args:
        status: how the daemon and its handlers fare.
        rates: how many events they take.
    """
    handlers = sorted(status.handlers, key=lambda each: (_rank(each), each.name))
    consuming = sum(each.state is State.CONSUMING for each in handlers)
    amiss = sum(_tone(each) != 'good' for each in handlers)
    return Panel(
        'Handlers',
        ('handler', 'state', 'events a second', 'backlog', 'given up', 'last error'),
        [_row(each, rates) for each in handlers],
        (
            Total('consume', f'{consuming} of {len(handlers)}'),
            Total('in trouble', amiss, 'bad' if amiss else ''),
        ),
        empty='No handler is configured.',
        since=status.since,
        place=_PLACE,
    )


def plain(panel: Panel) -> dict[str, Any]:
    """A panel in plain types: of a row its tone first and then its cells."""
    return {
        'title': panel.title,
        'columns': list(panel.columns),
        'rows': [[each.tone, *map(_plain, each.cells)] for each in panel.rows],
        'totals': [[each.label, _plain(each.value), each.tone] for each in panel.totals],
        'empty': panel.empty,
        'since': None if panel.since is None else round(panel.since),
        'more': panel.more,
    }


def whole(rate: float | None) -> int | None:
    """A rate as the board shows it, which is looked at every second; `None` where it is not known."""
    return None if rate is None else round(rate)


def _plain(cell: Cell) -> Any:
    return {'seconds': max(0, int(cell.total_seconds()))} if isinstance(cell, timedelta) else cell


def _row(each: HandlerStatus, rates: Rates) -> Row:
    # Why it is so is for those who may see more: a plugin's own words can have anything in them.
    cells = (each.name, each.state.value, whole(rates.of(each.name)), each.backlog, each.plain(in_full=False)['dead'])
    return Row((*cells, each.counts.last_error), _tone(each))


def _tone(each: HandlerStatus) -> Tone:
    if each.state in _BAD:
        return 'bad'
    return 'good' if each.state is State.CONSUMING else 'busy'


def _rank(each: HandlerStatus) -> int:
    return ('bad', 'busy', 'good').index(_tone(each))
