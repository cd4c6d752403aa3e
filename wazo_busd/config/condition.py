# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""How conditions and schedules are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator

from wazo_busd import conditions
from wazo_busd.config.explain import with_hint
from wazo_busd.language import Expression, Fault, is_region, time_zone

H = TypeVar('H', bound=Mapping[str, Sequence[str]])

_NAME = re.compile(r'[a-z0-9][a-z0-9_-]{0,99}')


def hours_of_week(value: H) -> H:
    """Hours by days, each day once.

    Raises:
        ValueError: a day is named twice, or two of its spans overlap.
    """
    conditions.mistaken_days(value)
    return value


def _field(value: str) -> str:
    conditions.way_of(value)
    return value


def _wanted(value: Any) -> Any:
    conditions.Wanted(value)
    return value


def _when(value: str) -> str:
    Expression(value)
    return value


def _zone(value: str) -> str:
    try:
        time_zone(value)
    except Fault as error:
        raise with_hint(str(error), 'timedatectl list-timezones shows them') from None
    return value


def _region(value: str) -> str:
    if not is_region(value):
        raise with_hint('expected the two letters of a country', 'as in region: FR')
    return value


def _days(value: str) -> str:
    conditions.days_of(value)
    return value


def _span(value: str) -> str:
    conditions.span_of(value)
    return value


def _closing(value: Any) -> Any:
    conditions.closing_of(value)
    return value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise with_hint('a schedule is named by small letters, digits, - and _', 'for example office')
    return value


def _wish(value: str) -> str:
    if not _NAME.fullmatch(value.removeprefix('!')):
        raise with_hint('expected the name of a schedule', 'as in office, or "!office" for outside of it')
    return value


FieldName = Annotated[str, AfterValidator(_field)]
"""A field of events."""

Fields = dict[FieldName, Annotated[Any, AfterValidator(_wanted)]]
"""What `where` asks for: fields, and what each must be."""

When = Annotated[str, AfterValidator(_when)]
"""An expression."""

Wish = Annotated[str, AfterValidator(_wish)]
"""The name of a schedule, with a `!` before it for the time outside of it."""

Name = Annotated[str, AfterValidator(_name)]
"""The name of a schedule."""

Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone of IANA's list."""

Region = Annotated[str, AfterValidator(_region)]
"""The two letters of a country."""

Days = Annotated[str, AfterValidator(_days)]
"""One or several days of the week."""

Span = Annotated[str, AfterValidator(_span)]
"""The hours from one time of a day to another."""

Closing = Annotated[Any, AfterValidator(_closing)]
"""A date, or the time from one to another."""
