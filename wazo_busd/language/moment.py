# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Moments and durations as people read them: the filters `local` and `duration`."""

from __future__ import annotations

import functools
import math
import re
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wazo_busd.language.fault import Fault

_FORMAT = '%Y-%m-%d %H:%M:%S'
_FORMATS = re.compile(r'(?:[^%]|%-?[A-Za-z%]){1,100}', re.DOTALL)
_EPOCH = re.compile(r'[0-9]{1,12}(?:\.[0-9]{1,9})?')
_ISO_LENGTH = 64


def local(value: Any, form: Any = _FORMAT, zone: Any = None) -> str:
    """A moment in local time.

    Args:
        value: what an event says: seconds since 1970, as a number or a text, or a date and time in ISO 8601. One
            without a zone is local time, as Wazo sends it.
        form: how it is written, as `strftime` takes it.
        zone: an IANA time zone, as in `Europe/Paris`; that of the host if `None`.

    Raises:
        Fault: it is no moment, or format or zone are none.
    """
    if not isinstance(form, str) or not _FORMATS.fullmatch(form):
        raise Fault("local takes a format such as '%H:%M'")
    try:
        return _moment(value).astimezone(None if zone is None else time_zone(zone)).strftime(form)
    except (ValueError, OverflowError, OSError):
        raise Fault('local takes a date and time, or seconds since 1970') from None


def duration(value: Any) -> str:
    """Seconds as `1 h 05 min`, `2 min 03 s` or `45 s`.

    Args:
        value: the number of seconds, also as a text.

    Raises:
        Fault: it is none.
    """
    seconds = _seconds(value)
    if seconds is None or seconds < 0:
        raise Fault('duration takes a number of seconds')
    whole = math.floor(seconds + 0.5)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f'{hours} h {minutes:02} min'
    return f'{minutes} min {rest:02} s' if minutes else f'{rest} s'


@functools.lru_cache(maxsize=64)
def time_zone(name: str) -> tzinfo:
    """The time zone of an IANA name.

    Raises:
        Fault: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise Fault('there is no such time zone; one is called as in Europe/Paris') from None


def _moment(value: Any) -> datetime:
    seconds = _seconds(value)
    if seconds is not None:
        return datetime.fromtimestamp(seconds, UTC)
    if not isinstance(value, str) or len(value) > _ISO_LENGTH:
        raise ValueError('no moment')
    return datetime.fromisoformat(value)


def _seconds(value: Any) -> float | None:
    """The number that a value is, or says; `None` if it is none that can be seconds."""
    if isinstance(value, str):
        return float(value) if _EPOCH.fullmatch(value.strip()) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e12 < value < 1e12:
        return None
    return float(value)
