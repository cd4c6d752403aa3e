# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The difference: what a case expects of a handler, and what was found instead."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wazo_busd.conditions import Wanted
from wazo_busd.language import NOTHING
from wazo_busd.text import escape

_PREFIXES = ('~', '!')


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as a case says.

    Attributes:
        step: which event of the case, from 1.
        handler: the handler.
        text: what is wrong, in words.
        path: what of that which is sent; `''` where it is about whether it runs.
        expected: what the case says of that.
        found: what is so; `NOTHING` if there is no such thing.
        reasons: why it does not run.
    """

    step: int
    handler: str
    text: str
    path: str = ''
    expected: Any = NOTHING
    found: Any = NOTHING
    reasons: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The difference for a person."""
        if not self.path:
            yield f'{self.handler}: {self.text}'
            yield from (f'  {escape(reason)}' for reason in self.reasons)
            return
        yield f'{self.handler}: {escape(self.path)} {self.text}'
        if isinstance(self.expected, str) and isinstance(self.found, str) and '\n' in self.expected + self.found:
            compared = difflib.ndiff(self.expected.splitlines(), self.found.splitlines())
            yield from (f'  {escape(line)}' for line in compared if not line.startswith('?'))
        else:
            yield f'  - {_written(self.expected)}'
            yield f'  + {_written(self.found)}'

    def plain(self) -> dict[str, Any]:
        """The difference for programs."""
        told = {'step': self.step, 'handler': self.handler, 'text': self.text, 'reasons': list(self.reasons)}
        if self.path:
            told['path'] = self.path
        for name, value in (('expected', self.expected), ('found', self.found)):
            told |= {name: value} if value is not NOTHING else {}
        return told


def compared(expected: Any, found: Any, path: str = '') -> Iterator[tuple[str, Any, Any]]:
    """Where what is sent is not as expected: the path, what was expected, and what is there.

    Of maps only the keys that are expected count. A text that begins with `~` or `!` is as in `where`.

    Args:
        expected: what was expected.
        found: what is sent.
        path: the way to it.
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key, value in expected.items():
            yield from compared(value, found.get(key, NOTHING), f'{path}.{key}' if path else key)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for number, value in enumerate(expected):
            yield from compared(value, found[number], f'{path}.{number}')
    elif found is NOTHING or not _is_equal(expected, found):
        yield path, expected, found


def _is_equal(expected: Any, found: Any) -> bool:
    if isinstance(expected, str) and expected.startswith(_PREFIXES):
        try:
            return Wanted(expected).accepts(found)
        except TimeoutError:
            return False
    return bool(expected == found) and isinstance(expected, bool) is isinstance(found, bool)


def _written(value: Any) -> str:
    return '(nothing)' if value is NOTHING else escape(json.dumps(value, ensure_ascii=False, default=str))
