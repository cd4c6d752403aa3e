# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the board shows of the parts of hosts: what is down or flapping, and how services and trunks fare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from wazo_busd.api import Panel, Row, Tone, Total

from ..tracking.host import on_host
from .part import Part

_STATES: dict[str, tuple[int, Tone]] = {
    'down': (0, 'bad'),
    'flapping': (1, 'bad'),
    'going down': (2, 'busy'),
    'up': (3, 'good'),
}
_ALWAYS_SHOWN = ('asterisk', 'service', 'trunk')
"""Telephones are shown while something is wrong with them: there are many."""


def services_panel(parts: Iterable[Part], names: Mapping[str, str], at: float) -> Panel:
    """The parts, what is down first.

    Args:
        parts: all that is known.
        names: what people call them.
        at: the time, in Unix seconds.
    """
    known = [(part, _state(part)) for part in parts]
    count = Counter(state for _, state in known)
    shown = [(part, state) for part, state in known if state != 'up' or part.kind in _ALWAYS_SHOWN]
    shown.sort(key=lambda each: (_STATES[each[1]][0], each[0].kind, each[0].name))
    origins = {part.origin for part, _ in shown}
    wrong = count['down'] + count['flapping']
    return Panel(
        'Services',
        ('name', 'kind', 'state', 'for'),
        [_row(part, on_host(_name(part, names), part.origin, origins), state, at) for part, state in shown],
        (
            Total('down', count['down'], 'bad' if count['down'] else ''),
            Total('flapping', count['flapping'], 'bad' if wrong > count['down'] else ''),
            Total('up', count['up']),
        ),
        empty='No service, trunk or telephone has said anything of itself yet.',
        place=60,
    )


def _row(part: Part, name: str, state: str, at: float) -> Row:
    kind = 'Asterisk' if part.kind == 'asterisk' else part.kind
    return Row((name, kind, state, timedelta(seconds=max(0.0, at - part.changed_at))), _STATES[state][1])


def _state(part: Part) -> str:
    if part.is_flapping:
        return 'flapping'
    if part.is_up:
        return 'up'
    return 'going down' if part.told_since is None else 'down'


def _name(part: Part, names: Mapping[str, str]) -> str:
    return names.get(part.id) or names.get(part.name) or part.name
