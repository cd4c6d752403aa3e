# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the board shows of calls: how many there are of which kind, and how many callers wait to be called back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from wazo_busd.api import Panel, Row, Total

from .conversation import Conversation
from .missed_callers import MissedCallers

_STATES = ('ringing', 'in a queue', 'talking', 'on hold')
_DIRECTIONS = ('inbound', 'internal', 'outbound', 'unknown')


def calls_panel(going_on: Iterable[Conversation]) -> Panel:
    """The calls that go on, by direction and by what happens in them.

    Args:
        going_on: all conversations that are known.
    """
    now = Counter((one.direction or 'unknown', _state(one)) for one in going_on if one.over_at is None or one.is_silent)
    rows = [Row((each, *(now[each, state] for state in _STATES))) for each in _DIRECTIONS]
    return Panel(
        'Calls',
        ('direction', *_STATES),
        # What is unknown is shown where there is something of it: it is a gap in what hosts of 2019 say.
        [row for row in rows if row.cells[0] != 'unknown' or any(row.cells[1:])],
        (Total('calls now', now.total()), Total('ringing', sum(now[each, 'ringing'] for each in _DIRECTIONS))),
        place=10,
    )


def missed_panel(missed: MissedCallers, count: int, at: float) -> Panel:
    """The callers who were missed and not called back. It does not say who they are.

    Args:
        missed: who was missed.
        count: how many calls were missed in all.
        at: the time, in Unix seconds.
    """
    since = missed.since
    longest = None if since is None else timedelta(seconds=max(0.0, at - since))
    waiting = len(missed)
    return Panel(
        'Missed calls',
        totals=(
            Total('not called back', waiting, 'busy' if waiting else ''),
            Total('the first waits for', longest),
            Total('missed in all', count),
        ),
        place=20,
    )


def _state(one: Conversation) -> str:
    if one.in_queue:
        return 'in a queue'
    if not one.answered:
        return 'ringing'
    return 'talking' if one.held_since is None else 'on hold'
