# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The frame of `wazo-busd top`: the lines that a terminal of some size shows of a view."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from wazo_busd.cli.status import COLOURS, count, duration, rate
from wazo_busd.cli.top_snapshot import Rates, Snapshot, WaitingLine
from wazo_busd.cli.top_view import Deed, Reader, View
from wazo_busd.text import escape

BLOCKS = ' ▁▂▃▄▅▆▇█'
ASCII = ' .:-=+*#@'
"""What sparklines are made of where the terminal has no blocks."""

_KEYS = 'p pause  t tail  d dead letters  ↑↓ select  ? help  q quit'
_ASCII_KEYS = 'p pause  t tail  d dead letters  j k select  ? help  q quit'
_HELP = (
    'up, down, k, j   select a handler; page up, page down, home, end go further',
    'p                pause the handler, or let it go on; asks before',
    't                show the live events that it matches; Ctrl-C comes back',
    'd                show its dead letters',
    '?                this help',
    'q                quit',
    '',
    'in/s             events that came for the handler, a second',
    'backlog          events that wait in its queue, and those that it has taken and not finished',
    'retries, dead    tries that were made again, events that it gave up on, since it was begun',
    '',
    'any key goes back',
)
_LONGEST_NAME = 24
_LONGEST_SPARKLINE = 60
_PER_MINUTE, _PER_HOUR, _PER_DAY = 60, 3600, 86_400


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table.

    Attributes:
        title: what stands above it.
        width: how wide it is.
        show: what it says of a handler and its rates.
        is_number: whether it stands at the right.
    """

    title: str
    width: int
    show: Callable[[Mapping[str, Any], Rates], str]
    is_number: bool = True


_COLUMNS = (
    _Column('state', 9, lambda each, rates: each['state'], is_number=False),
    _Column('in/s', 7, lambda each, rates: rate(rates.now)),
    _Column('dead', 5, lambda each, rates: str(each['dead'])),
    _Column('backlog', 7, lambda each, rates: count(each['backlog'])),
    _Column('done', 9, lambda each, rates: str(each['outcomes']['done'])),
    _Column('retries', 7, lambda each, rates: str(each['retries'])),
    _Column('p95', 8, lambda each, rates: duration(each['p95_seconds'], '≤ ')),
    _Column('plugin', 12, lambda each, rates: escape(each['plugin']), is_number=False),
)
"""What is shown of a handler beside its name, the most important first: a narrow terminal has the first ones."""


def sparkline(values: Sequence[float], width: int, glyphs: str = BLOCKS) -> str:
    """The last values as a row of bars, the highest of which is the greatest of them; of nothing there is none.

    Args:
        values: the values, the latest last.
        width: how many bars there are room for.
        glyphs: the bars by their height; the first one is nothing.
    """
    shown = list(values)[-width:] if width > 0 else []
    most = max(shown, default=0.0)
    top = len(glyphs) - 1
    bars = ''.join(glyphs[max(1, round(each / most * top))] if each > 0 else glyphs[0] for each in shown)
    return bars.rjust(max(width, 0))


def frame(view: View, *, width: int, height: int | None, now: float, glyphs: str = BLOCKS) -> list[Text]:
    """The lines, each as wide as the terminal, and as many as it has.

    Args:
        view: what is shown.
        width: the columns of the terminal.
        height: its lines; `None` is as many as there are.
        now: the time, Unix seconds.
        glyphs: what sparklines are made of.
    """
    if view.reader is not None and height is not None:
        lines = _read(view, view.reader, height)
    elif view.shows_help:
        lines = [Text('wazo-busd top: the keys', 'bold'), Text(), *map(Text, _HELP)]
    else:
        lines = _overview(view, width, height, now, glyphs)
    lines += [Text() for _ in range((height or 0) - len(lines))]
    for each in lines:
        each.truncate(width, overflow='ellipsis' if glyphs == BLOCKS else 'crop', pad=True)
    return lines if height is None else lines[:height]


def _overview(view: View, width: int, height: int | None, now: float, glyphs: str) -> list[Text]:
    last = view.history.last
    if last is None:
        away = view.history.away
        return [Text(escape(away), 'red') if away else Text('asking the daemon …'), *_foot(view, '', height, 1, glyphs)]
    head = [_title(view, last, now), _totals(view, last, width, glyphs)]
    head += map(Text, map(escape, _phones(last, None if height is None else (height - 8) // 3)))
    if height is None or height > 10:
        head.append(Text())
    columns, spark = _fitting(view, width)
    head.append(_headings(columns, spark, _name_width(view)))
    rows = [_row(view, each, columns, spark, glyphs) for each in last.status['handlers']]
    why = next((each['why'] for each in last.status['handlers'] if each['handler'] == view.selected), '')
    foot = _foot(view, why, height, len(head) + 1, glyphs)
    if height is None:
        reasons = [Text(escape(f'    {each["why"]}')) if each['why'] else None for each in last.status['handlers']]
        return [*head, *(line for pair in zip(rows, reasons, strict=True) for line in pair if line is not None)]
    room = max(1, height - len(head) - len(foot))
    view.room = room
    first = min(max(0, view.place - room + 1 if view.place >= room else 0), max(0, len(rows) - room))
    shown = rows[first : first + room]
    return [*head, *shown, *[Text() for _ in range(room - len(shown))], *foot]


def _title(view: View, last: Snapshot, now: float) -> Text:
    status = last.status
    if view.history.away:
        return Text(escape(view.history.away), 'bold red')
    parts = [f'wazo-busd {status["version"]}', status['summary'], f'up {_span(now - status["since"])}']
    if not status['connected']:
        parts[1] = f'not connected: {status["summary"]}'
    clock = time.strftime('%H:%M:%S', time.localtime(now))
    return Text(escape('  '.join([*parts, clock])), 'bold' if status['connected'] else 'bold red')


def _totals(view: View, last: Snapshot, width: int, glyphs: str) -> Text:
    rates, handlers = view.history.rates(), last.status['handlers']
    dead, known = sum(each['dead'] for each in handlers), [each['backlog'] for each in handlers]
    backlog = count(None if None in known else sum(known))
    words = f'done {rate(rates.done)}/s  failed {rate(rates.failed)}/s  backlog {backlog}  dead {dead}'
    first = f'{rate(rates.now)} events/s  '
    room = min(_LONGEST_SPARKLINE, width - len(first) - len(words) - 2)
    text = Text(first)
    if room >= 8:
        text.append(f'{sparkline(rates.received, room, glyphs)}  ', 'cyan')
    return text.append(words, 'red' if rates.failed else '')


def _phones(last: Snapshot, room: int | None) -> list[str]:
    """The calls and queues of the host, as far as a handler knows of them and there is room."""
    lines = [_line(each) for each in last.lines]
    if last.calls is not None:
        count = sum(last.calls.values())
        kinds = ', '.join(f'{number} {name}' for name, number in sorted(last.calls.items()) if number)
        lines.insert(0, f'{count} call{"" if count == 1 else "s"}{f": {kinds}" if kinds else ""}')
    if room is None or len(lines) <= room:
        return lines
    return [*lines[: room - 1], f'and {len(lines) - room + 1} queues more'] if room > 1 else lines[: max(room, 0)]


def _line(line: WaitingLine) -> str:
    waits = f'{line.waiting} wait, {_span(line.longest_seconds)}' if line.waiting else 'nobody waits'
    agents = ', '.join(f'{number} {state.replace("_", " ")}' for state, number in sorted(line.agents.items()) if number)
    return f'queue {line.name}: {waits}{f"; agents: {agents}" if agents else ""}'


def _name_width(view: View) -> int:
    return min(_LONGEST_NAME, max(map(len, [*view.handlers, 'handler'])))


def _fitting(view: View, width: int) -> tuple[list[_Column], int]:
    """The columns that there is room for, and how wide the sparkline is; 0 for none."""
    room = width - _name_width(view) - 2
    columns: list[_Column] = []
    for each in _COLUMNS:
        reserved = 14 if len(columns) >= 2 else 0
        if room - each.width - 2 < reserved:
            break
        columns.append(each)
        room -= each.width + 2
    return columns, min(_LONGEST_SPARKLINE, room - 2) if room >= 10 else 0


def _headings(columns: Sequence[_Column], spark: int, name_width: int) -> Text:
    text = Text(f'  {"handler":<{name_width}}', 'bold')
    for each in columns:
        text.append(f'  {each.title:>{each.width}}' if each.is_number else f'  {each.title:<{each.width}}')
    return text.append(f'  {"last minute" if spark >= 11 else "":<{spark}}') if spark else text


def _row(view: View, each: Mapping[str, Any], columns: Sequence[_Column], spark: int, glyphs: str) -> Text:
    rates, name = view.history.rates(each['handler']), each['handler']
    marker = '>' if name == view.selected else ' '
    named = Text(f'{marker} {escape(name)}', 'bold' if name == view.selected else '')
    named.truncate(_name_width(view) + 2, pad=True, overflow='crop')
    for column in columns:
        said = column.show(each, rates)[: column.width]
        style = COLOURS.get(each['state'], 'yellow') if column.title == 'state' else ''
        style = 'red' if column.title == 'dead' and each['dead'] else style
        named.append('  ').append(f'{said:>{column.width}}' if column.is_number else f'{said:<{column.width}}', style)
    if spark:
        named.append('  ').append(sparkline(rates.received, spark, glyphs), 'cyan')
    if view.history.away:
        named.stylize('dim')
    return named


def _foot(view: View, why: str, height: int | None, above: int, glyphs: str) -> list[Text]:
    """The last lines: why the selected handler does not consume, and what is asked, told, or can be typed."""
    if view.question is not None:
        what = 'let it take events again' if view.question.deed is Deed.RESUME else 'let it take no more events'
        last = Text(escape(f'{view.question.handler}: {what}? y or n'), 'bold yellow')
    elif view.told:
        last = Text(escape(view.told), 'yellow')
    elif view.history.away:
        last = Text('it is looked for every second; q quits')
    else:
        last = Text(_KEYS if glyphs == BLOCKS else _ASCII_KEYS, 'dim')
    has_room = why and height is not None and height > above + 3
    return [Text(escape(f'{view.selected}: {why}'), 'yellow'), last] if has_room else [last]


def _read(view: View, reader: Reader, height: int) -> list[Text]:
    view.room = max(1, height - 2)
    shown = list(map(Text, map(escape, reader.lines[reader.top : reader.top + view.room])))
    shown += [Text() for _ in range(view.room - len(shown))]
    until = min(reader.top + view.room, len(reader.lines))
    place = f'{reader.top + 1 if reader.lines else 0} to {until} of {len(reader.lines)}'
    foot = Text(f'{place}; space and b turn the page, j and k a line; q goes back', 'dim')
    return [Text(escape(reader.title), 'bold'), *shown, foot]


def _span(seconds: float) -> str:
    """A length of time for people."""
    whole = max(0, int(seconds))
    if whole < _PER_MINUTE:
        return f'{whole} s'
    if whole < _PER_HOUR:
        return f'{whole // _PER_MINUTE} min {whole % _PER_MINUTE} s'
    if whole < _PER_DAY:
        return f'{whole // _PER_HOUR} h {whole % _PER_HOUR // _PER_MINUTE} min'
    return f'{whole // _PER_DAY} days {whole % _PER_DAY // _PER_HOUR} h'


def texts(lines: Sequence[Text]) -> Iterator[str]:
    """The lines without their colours."""
    return (each.plain.rstrip() for each in lines)
