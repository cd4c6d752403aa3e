# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The schedule: named hours of the week, and the days on which they do not count."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from wazo_busd.language import mistake, time_zone

DAYS = ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun')
_MIDNIGHT = 24 * 60
_TIME = r'([0-9]{1,2}):([0-9]{2})'
_SPAN = re.compile(rf'{_TIME}\s*-\s*{_TIME}')
_DATE = re.compile(r'(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})')
_LEAP_YEAR = 2024

Span = tuple[int, int]
"""Minutes of a day: from the first, until before the second. One that ends before it begins goes past midnight."""

Closing = tuple[tuple[int, int, int], tuple[int, int, int]]
"""The first and the last day of a time that is closed; year 0 stands for every year."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours of the week in a time zone, and the days on which they do not count.

    Attributes:
        hours: the spans of each day, Monday first.
        closings: the days that are closed, whatever the hours say.
        zone: the IANA name of the time zone; `None` for that of the host.
    """

    hours: tuple[tuple[Span, ...], ...]
    closings: tuple[Closing, ...] = ()
    zone: str | None = None

    def is_open(self, at_seconds: float) -> bool:
        """Whether it is open at a moment, given in Unix seconds."""
        moment = self.local(at_seconds)
        if any(_is_within(moment.date(), closing) for closing in self.closings):
            return False
        minute = moment.hour * 60 + moment.minute
        today, yesterday = self.hours[moment.weekday()], self.hours[moment.weekday() - 1]
        return any(start <= minute < (end if start < end else _MIDNIGHT) for start, end in today) or any(
            minute < end <= start for start, end in yesterday
        )

    def local(self, at_seconds: float) -> datetime:
        """A moment as its clocks show it."""
        moment = datetime.fromtimestamp(at_seconds, UTC)
        return moment.astimezone(time_zone(self.zone) if self.zone else None)


def schedule(
    hours: Mapping[str, Iterable[str]], closed: Iterable[date | str] = (), zone: str | None = None
) -> Schedule:
    """The schedule that a configuration says.

    Args:
        hours: spans such as `08:00-12:00`, by days such as `mon-fri` or `sat`.
        closed: dates such as `2026-12-25`, `12-25` for every year, and `12-24..12-26` for a time.
        zone: the IANA name of the time zone.

    Raises:
        ValueError: something of it is wrong.
    """
    week: list[list[Span]] = [[] for _ in DAYS]
    for days, spans in hours.items():
        for day in days_of(days):
            week[day] += [span_of(span) for span in spans]
    return Schedule(tuple(map(tuple, week)), tuple(closing_of(each) for each in closed), zone)


def days_of(text: str) -> list[int]:
    """The days that `mon-fri`, `sat` or `mon,wed` name, 0 for Monday.

    Raises:
        ValueError: they are none.
    """
    found: list[int] = []
    for part in text.lower().replace(' ', '').split(','):
        first, dash, last = part.partition('-')
        if first not in DAYS or (dash and last not in DAYS):
            raise mistake(f'expected days: {", ".join(DAYS)}', 'as in mon-fri, sat, or mon,wed')
        start, end = DAYS.index(first), DAYS.index(last if dash else first)
        found += [day % len(DAYS) for day in range(start, end + 1 if end >= start else end + 1 + len(DAYS))]
    return found


def span_of(text: str) -> Span:
    """The minutes that `08:00-12:00` names.

    Raises:
        ValueError: it names none.
    """
    found = _SPAN.fullmatch(text.strip())
    times = [int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3)] if found else []
    minutes = [int(found[n]) for n in (2, 4)] if found else []
    if not times or max(minutes) > 59 or max(times) > _MIDNIGHT or times[0] in (times[1], _MIDNIGHT):
        raise mistake('expected hours from one time to another', 'as in "08:00-12:00"; until midnight is "18:00-24:00"')
    return times[0], times[1]


def closing_of(value: Any) -> Closing:
    """The days that a date, or a text with one or two, names.

    Raises:
        ValueError: it names none.
    """
    if isinstance(value, datetime) or not isinstance(value, (date, str)):
        raise _no_date()
    if isinstance(value, date):
        return _day(value.isoformat()), _day(value.isoformat())
    first, dots, last = value.replace(' ', '').partition('..')
    start, end = _day(first), _day(last if dots else first)
    if (start[0] == 0) is not (end[0] == 0) or (start[0] and start > end):
        raise mistake('expected two dates of the same form, the earlier one first', 'as in "2026-12-24..2027-01-02"')
    return start, end


def mistaken_days(hours: Mapping[str, Sequence[str]]) -> None:
    """See that each day has its hours once, and no hour twice.

    Raises:
        ValueError: a day is named twice, or two of its spans overlap.
    """
    named: dict[int, str] = {}
    for text, spans in hours.items():
        for day in days_of(text):
            if day in named:
                raise mistake(f'{DAYS[day]} is in {named[day]!r} and in {text!r}', 'give each day its hours once')
            named[day] = text
        ordered = sorted(map(span_of, spans))
        for (before, end), (start, _) in itertools.pairwise(ordered):
            if start < (end if before < end else _MIDNIGHT):
                raise mistake(f'two of the hours of {text} overlap', 'write them as one')


def _day(text: str) -> tuple[int, int, int]:
    found = _DATE.fullmatch(text)
    if found is None:
        raise _no_date()
    year, month, day = int(found[1] or 0), int(found[2]), int(found[3])
    try:
        date(year or _LEAP_YEAR, month, day)
    except ValueError:
        raise mistake('there is no such day', 'a date is the year, the month and the day: 2026-12-25') from None
    return year, month, day


def _is_within(day: date, closing: Closing) -> bool:
    start, end = closing
    if start[0]:
        return start <= (day.year, day.month, day.day) <= end
    found = (0, day.month, day.day)
    return start <= found <= end if start <= end else found >= start or found <= end


def _no_date() -> ValueError:
    return mistake('expected a date, or two of them', 'as in 2026-12-25, "12-25" for every year, or "12-24..12-26"')
