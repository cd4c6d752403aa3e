# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fields that `where` asks for: each by its value, one of several, an expression, or none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import regex

from wazo_busd.event import Event
from wazo_busd.language import NOTHING, VARIABLES, Fault, described, field_of, mistake, shown, text_of

LETTERS = 4_096
"""So much of a text is searched."""

_PATIENCE_SECONDS = 0.05
"""So long an expression may search one text: some take hours for a text that somebody has made for that.

It is time of the processor, so that a busy host makes no difference.
"""


class Wanted:
    """What a field must be: one value, or a list of which one must fit; what begins with `!` must not.

    Args:
        value: a text, a number, true, false, null, `~` and a regular expression, `!` and any text of these; or a list.

    Raises:
        ValueError: it is none of them; a note says what to write.
    """

    def __init__(self, value: Any) -> None:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise mistake('expected at least one value', "as in ['busy', 'no-answer']")
        self._any: list[Callable[[Any], bool]] = []
        self._none: list[Callable[[Any], bool]] = []
        for each in values:
            is_text = isinstance(each, str)
            if is_text and each.startswith('!'):
                self._none.append(_fits(each[1:]))
            else:
                self._any.append(_fits(each))
        self._words = ' or '.join(_worded(each) for each in values)

    def __str__(self) -> str:
        return self._words

    def accepts(self, value: Any) -> bool:
        """Whether a field's value is what is wanted; of a list, whether something in it is.

        Raises:
            TimeoutError: a regular expression takes too long.
        """
        found = value if isinstance(value, (list, tuple)) else (value,)
        # Loops, for this is asked of each event.
        for each in found:
            for fits in self._none:
                if fits(each):
                    return False
        if not self._any:
            return True
        for each in found:
            for fits in self._any:
                if fits(each):
                    return True
        return False


class Where:
    """A map of fields to what each must be; an event without one of the fields is not wanted.

    Args:
        fields: dotted fields, such as `data.error`, with what is wanted of each.

    Raises:
        ValueError: one of them is wrong.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._wanted = [(way_of(name), Wanted(value)) for name, value in fields.items()]

    @property
    def fields(self) -> tuple[tuple[str | int, ...], ...]:
        """The ways to the fields."""
        return tuple(way for way, _ in self._wanted)

    def holds(self, event: Event) -> bool:
        """Whether every field of `event` is as wanted.

        Raises:
            Fault: a regular expression takes too long.
        """
        for way, wanted in self._wanted:  # noqa: SIM110 — a generator takes as long as all the rest of it
            if not _is_wanted(event, way, wanted):
                return False
        return True

    def denials(self, event: Event) -> Iterator[str]:
        """Each field that is not as wanted, in words.

        Raises:
            Fault: a regular expression takes too long.
        """
        for way, wanted in self._wanted:
            if not _is_wanted(event, way, wanted):
                yield f'{described(event, way)}, and wanted is {wanted}'


def way_of(name: str) -> tuple[str | int, ...]:
    """The way to a dotted field.

    Raises:
        ValueError: it is none; a note says how one looks.
    """
    parts = name.split('.')
    if parts[0] not in VARIABLES or not all(parts) or any(letter.isspace() for letter in name):
        raise mistake(
            'expected a field of the event, as in data.error', f'it begins with one of {", ".join(VARIABLES)}'
        )
    return tuple(parts)


def _is_wanted(event: Event, way: tuple[str | int, ...], wanted: Wanted) -> bool:
    value = field_of(event, way)
    try:
        return value is not NOTHING and wanted.accepts(value)
    except TimeoutError:
        name = '.'.join(map(str, way))
        raise Fault(f'where: {name}: its expression takes longer than {_PATIENCE_SECONDS * 1000:.0f} ms') from None


def _fits(wanted: Any) -> Callable[[Any], bool]:
    if isinstance(wanted, str) and wanted.startswith('~'):
        return _expression(wanted[1:])
    if wanted is None or isinstance(wanted, bool):
        return lambda value: value is wanted
    if not isinstance(wanted, (str, int, float)):
        raise mistake('expected a text, a number, true, false, null, or a list of them', 'put a text in quotes')
    text = text_of(wanted)

    def fits(value: Any) -> bool:
        # Most are texts.
        if type(value) is str:
            return bool(value == text)
        return _is_plain(value) and (value == wanted or text_of(value) == text)

    return fits


def _expression(source: str) -> Callable[[Any], bool]:
    try:
        pattern = regex.compile(source)
    except regex.error as error:
        raise mistake(f'~ is not followed by a regular expression: {error}', "as in '~^06[0-9]{8}$'") from None
    return lambda value: (
        _is_plain(value) and pattern.search(text_of(value)[:LETTERS], timeout=_PATIENCE_SECONDS) is not None
    )


def _is_plain(value: Any) -> bool:
    """Whether a value is a text or a number: AMI sends its numbers as texts."""
    return isinstance(value, (str, int, float, bytes)) and not isinstance(value, bool)


def _worded(wanted: Any) -> str:
    if isinstance(wanted, str) and wanted.startswith('!'):
        return f'not {_worded(wanted[1:])}'
    return wanted if isinstance(wanted, str) and wanted.startswith('~') else shown(wanted)
