# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The expression: what `when` says, compiled once, and why it is false for one event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jinja2 import nodes

from wazo_busd.event import Event
from wazo_busd.language.fault import Fault
from wazo_busd.language.missing import Missing, absent
from wazo_busd.language.sandbox import Program, sandbox
from wazo_busd.language.surroundings import Surroundings
from wazo_busd.language.values import NOTHING, text_of, within
from wazo_busd.language.variables import NAMES, VARIABLES, Variables, variable
from wazo_busd.text import escape

_OPENING, _CLOSING = '([{', ')]}'
_SHOWN = 60


class Expression:
    """An expression in Jinja's language that is true or false of an event.

    A missing field is undefined, and every comparison with it is false.

    Args:
        source: the expression, as in `data.error != 'busy'`.

    Raises:
        ValueError: it is none; a note says what to write.
    """

    def __init__(self, source: str) -> None:
        self.source = source.strip()
        self._program = Program.of_expression(self.source, (*VARIABLES, NAMES))
        self.fields = tuple(way for way in self._program.fields if way[0] != NAMES)
        """The fields of the event that it names."""

    def holds(self, event: Event, surroundings: Surroundings) -> bool:
        """Whether it is true of `event`.

        Raises:
            Fault: it cannot be worked out, as `data.x / 0` cannot.
        """
        try:
            return bool(self._program.value(Variables(event, surroundings.names, {}), surroundings))
        except Fault as error:
            raise Fault(error.text) from None

    def denials(self, event: Event, surroundings: Surroundings) -> Iterator[str]:
        """Why it is false, in words: each part of an `and` that is false, with the values of its fields.

        Raises:
            Fault: it cannot be worked out.
        """
        parts = [Expression(part) for part in _parts(self.source)]
        if len(parts) > 1:
            for part in parts:
                yield from part.denials(event, surroundings)
        elif not self.holds(event, surroundings):
            values = ', '.join(described(event, way) for way in self.fields)
            yield f'{escape(self.source)} is false{": " if values else ""}{values}'


def described(event: Event, way: tuple[str | int, ...]) -> str:
    """What a field of an event is, in words for a person: `data.error is 'busy'`."""
    name = '.'.join(map(str, way))
    value = field_of(event, way)
    return absent(name) if value is NOTHING else f'{name} is {shown(value)}'


def field_of(event: Event, way: tuple[str | int, ...]) -> Any:
    """The value of a field of an event; `NOTHING` if it has none."""
    value = variable(event, str(way[0]), NOTHING)
    return within(value, way[1:]) if len(way) > 1 else value


def shown(value: Any) -> str:
    """A value for a person: a text in quotes, and no more of it than fits into a line."""
    try:
        text = escape(text_of(value))
    except Fault as error:
        return error.text
    short = text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'
    return f"'{short}'" if isinstance(value, str) else short


def _parts(source: str) -> list[str]:
    """The parts of an expression that is one long `and`, as they were written; else the expression alone."""
    tree = sandbox(Missing).parse(f'{{{{ {source} }}}}')
    if not isinstance(next(iter(tree.find_all(nodes.Expr))), nodes.And):
        return [source]
    found, depth = [''], 0
    for _, kind, token in sandbox(Missing).lex(f'{{{{ {source} }}}}'):
        if kind.startswith('variable_'):
            continue
        depth += (token in _OPENING and kind == 'operator') - (token in _CLOSING and kind == 'operator')
        if depth == 0 and (kind, token) == ('name', 'and'):
            found.append('')
        else:
            found[-1] += token
    if len(found) == 1 and source[0] == '(':
        return _parts(source[1:-1].strip())
    return [part.strip() for part in found]
