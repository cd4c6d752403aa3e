# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The report of `wazo-busd tail --report`: which keys the events come on, how many, and how large they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from wazo_busd.text import escape

_MOST_KEYS = 10_000
_SHOWN = 20
_OTHERS = '(others)'
_KEY_WIDTH = 60


@dataclass(slots=True)
class _Row:
    events: int = 0
    size: int = 0


class Report:
    """Counts events by routing key; of more than 10,000 keys the later ones are counted together.

    Args:
        written: how a key is written.
    """

    def __init__(self, written: Callable[[str], str] = str) -> None:
        self._written = written
        self._rows: dict[str, _Row] = {}

    def add(self, routing_key: str, size: int) -> None:
        """Count an event.

        Args:
            routing_key: its key.
            size: bytes of its body.
        """
        row = self._rows.get(routing_key)
        if row is None:
            name = routing_key if len(self._rows) < _MOST_KEYS else _OTHERS
            row = self._rows.setdefault(name, _Row())
        row.events += 1
        row.size += size

    def lines(self, seconds: float) -> Iterator[str]:
        """The table, the most frequent keys first.

        Args:
            seconds: for how long was counted.
        """
        rows = self._sorted()
        yield f'{"events":>9} {"a second":>9} {"share":>6} {"kB":>9} {"B each":>8}  key'
        yield from (self._line(key, row, seconds) for key, row in rows[:_SHOWN])
        rest = rows[_SHOWN:]
        if rest:
            row = _Row(sum(each.events for _, each in rest), sum(each.size for _, each in rest))
            yield self._line(f'({len(rest)} more)', row, seconds)

    def plain(self, seconds: float) -> list[dict[str, Any]]:
        """The same in plain types, all keys.

        Args:
            seconds: for how long was counted.
        """
        return [
            {
                'routing_key': self._written(key),
                'events': row.events,
                'per_second': round(row.events / seconds, 3) if seconds else 0.0,
                'bytes': row.size,
            }
            for key, row in self._sorted()
        ]

    def _sorted(self) -> list[tuple[str, _Row]]:
        return sorted(self._rows.items(), key=lambda each: (-each[1].events, each[0]))

    def _line(self, key: str, row: _Row, seconds: float) -> str:
        events = sum(each.events for each in self._rows.values())
        rate = row.events / seconds if seconds else 0.0
        name = escape(self._written(key))
        shown = name if len(name) <= _KEY_WIDTH else f'{name[: _KEY_WIDTH - 1]}…'
        share = f'{row.events / events:.0%}'
        return f'{row.events:>9} {rate:>9.1f} {share:>6} {row.size / 1000:>9.1f} {row.size / row.events:>8.0f}  {shown}'
