# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Quantities as people write them: `10s`, `5m`, `100k`, `1MiB`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_SECONDS = {'ms': 0.001, 's': 1.0, 'm': 60.0, 'h': 3600.0, 'd': 86_400.0}
_FACTORS = {
    '': 1,
    'k': 1000,
    'M': 1000**2,
    'G': 1000**3,
    'Ki': 1024,
    'Mi': 1024**2,
    'Gi': 1024**3,
}
_DURATION = re.compile(r'([0-9]{1,18}(?:\.[0-9]+)?)\s*(ms|s|m|h|d)')
_SIZE = re.compile(r'([0-9]{1,18})\s*(k|M|G|Ki|Mi|Gi|)B?')
_MOST_SECONDS = 10**18
_MOST = 2**63 - 1
"""The largest number that fits into an argument of a queue (AMQP 0-9-1, 4.2.1)."""


def parse_duration(value: Any) -> float:
    """A duration in seconds.

    Args:
        value: a text such as `500ms`, `10s`, `5m`, `2h`, `7d`, or a number, which is seconds.

    Raises:
        ValueError: it is none; the text says how one looks.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < _MOST_SECONDS:
        return float(value)
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError('expected a duration such as 10s, 5m or 2h')
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(value: Any) -> int:
    """A number of things or bytes.

    Args:
        value: a whole number, or a text such as `100k` (100,000), `1M`, `64KiB` (65,536) or `256MiB`.

    Raises:
        ValueError: it is none; the text says how one looks.
    """
    size = -1
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        size = int(match[1]) * _FACTORS[match[2]]
    if not 0 <= size <= _MOST:
        raise ValueError('expected a number such as 500, 100k or 64MiB')
    return size


def parse_span(value: Any) -> tuple[float, float]:
    """The shortest and the longest of a range of durations, in seconds.

    Args:
        value: two durations with `..` between them, as in `2s..5m`; or one, which is both.

    Raises:
        ValueError: it is none; the text says how one looks.
    """
    first, dots, last = value.partition('..') if isinstance(value, str) else (value, '', '')
    try:
        shortest = parse_duration(first)
        longest = parse_duration(last) if dots else shortest
    except ValueError:
        raise ValueError('expected two durations, as in 2s..5m') from None
    if longest < shortest:
        raise ValueError('expected the shorter duration first, as in 2s..5m')
    return shortest, longest


def between(least: str, most: str) -> AfterValidator:
    """A validator that keeps a duration within bounds, told as people write them.

    Args:
        least: the shortest duration that is allowed, as in `2s`.
        most: the longest.
    """
    low, high = parse_duration(least), parse_duration(most)

    def check(seconds: float) -> float:
        if not low <= seconds <= high:
            raise ValueError(f'expected at least {least} and at most {most}')
        return seconds

    return AfterValidator(check)


Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds; written `10s`, `5m`, or as a plain number."""

DurationSpan = Annotated[tuple[float, float], BeforeValidator(parse_span)]
"""The shortest and the longest of a range, in seconds; written `2s..5m`."""

Size = Annotated[int, BeforeValidator(parse_size)]
"""A count or a number of bytes; written `100k`, `64MiB`, or as a plain number."""
