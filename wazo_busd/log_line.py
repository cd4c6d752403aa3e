# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The line of the log: a fact with its fields, in each of the forms that it can be written in."""

from __future__ import annotations

import json
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from wazo_busd.text import escape

_DIVIDERS = re.compile('[ "=]')
"""What stands between and around words; a value that has some is put in quotes."""


@dataclass(slots=True)
class Line:
    """One line.

    Attributes:
        at: when, Unix seconds.
        level: how much it matters: debug, info, warning, error or critical.
        logger: who says it.
        fact: what has happened.
        fields: on what, by names; texts and numbers.
        trace: a traceback or a stack, over several lines; `''` for none.
    """

    at: float
    level: str
    logger: str
    fact: str
    fields: Mapping[str, Any]
    trace: str = ''

    @property
    def words(self) -> str:
        """Fact and fields, and the trace in lines of its own."""
        text = ' '.join([escape(self.fact), *(f'{escape(name)}={_value(each)}' for name, each in self.fields.items())])
        # Indented, so that nothing in a traceback looks like a line of the log.
        return text + ''.join(f'\n    {escape(part)}' for part in self.trace.splitlines())


def plain(line: Line) -> str:
    """Short, for people: time, level, and what happened."""
    return f'{_moment(line.at)} {line.level.upper():<8} {line.words}'


def wazo(line: Line) -> str:
    """As the daemons of a Wazo host write it: time, process, level, and who says it."""
    return f'{_moment(line.at)} [{os.getpid()}] ({line.level.upper()}) ({escape(line.logger)}): {line.words}'


def as_json(line: Line) -> str:
    """One object in one line of ASCII, for programs."""
    seconds = time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(line.at))
    told: dict[str, Any] = {
        'timestamp': f'{seconds}.{int(line.at * 1000) % 1000:03d}Z',
        'level': line.level,
        'logger': line.logger,
        'pid': os.getpid(),
        'fact': line.fact,
    }
    ours = frozenset(told)
    for name, value in line.fields.items():
        if name in ours and told[name] == value:
            continue
        told[f'{name}_' if name in ours or name == 'trace' else name] = _finite(value)
    if line.trace:
        told['trace'] = line.trace
    return json.dumps(told)


FORMS: Mapping[str, Callable[[Line], str]] = {'wazo': wazo, 'json': as_json, 'plain': plain}
"""The forms, by the names that the configuration has for them."""


def _moment(at: float) -> str:
    return f'{_second(int(at))},{int(at * 1000) % 1000:03d}'


@lru_cache(maxsize=8)
def _second(at: int) -> str:
    return time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))


def _finite(value: Any) -> Any:
    """The value; as text if it is a number that JSON has no word for."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _value(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    if text and text.isprintable() and not _DIVIDERS.search(text):
        return text
    return '"' + escape(text.replace('\\', '\\\\').replace('"', '\\"')) + '"'
