# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The step: one event of a case, and what becomes of it, as a person writes that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from wazo_busd.conditions import Wanted
from wazo_busd.config import Duration
from wazo_busd.language import Fault, mistake, time_zone

_MOMENT = re.compile(r'([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)(?: ?(\S+))?')
_OFFSET = re.compile(r'Z|[-+][0-9]{2}:[0-9]{2}')
_MOMENT_HINT = 'as in 2026-11-25 10:00, or 2026-11-25 10:00 Europe/Paris'


class Section(BaseModel):
    """A map of a case: unknown keys are mistakes, nothing is coerced."""

    model_config = ConfigDict(extra='forbid', frozen=True, strict=True)


class Given(Section):
    """An event that is written down: by name and data, or as `wazo-busd emit --dry-run` shows it."""

    name: str | None = None
    data: Any = None
    headers: dict[str, Any] | None = None
    routing_key: str | None = None
    exchange: str | None = None
    body: dict[str, Any] | None = None


def moment(value: Any) -> float:
    """The time, in Unix seconds, that a person has written; without a zone it is that of the host.

    Raises:
        ValueError: it is none; a note says how one looks.
    """
    if isinstance(value, datetime):
        return value.timestamp()
    found = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise mistake('expected a date and a time', _MOMENT_HINT)
    day, clock, zone = found.groups()
    is_offset = zone is not None and _OFFSET.fullmatch(zone)
    try:
        said = datetime.fromisoformat(f'{day}T{clock.zfill(5)}{zone if is_offset else ""}')
        if zone is not None and not is_offset:
            said = said.replace(tzinfo=time_zone(zone))
        return said.timestamp()
    except (ValueError, OverflowError, OSError):
        raise mistake('there is no such day or time', _MOMENT_HINT) from None
    except Fault as error:
        raise mistake(str(error), _MOMENT_HINT) from None


def _era(value: Any) -> Any:
    # YAML reads the year as a number.
    return str(value) if value == 2019 else value


def _many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _sent(value: Any) -> Any:
    """Handlers with what each sends; by name alone, they only have to run."""
    names = _many(value)
    if isinstance(names, list) and all(isinstance(each, str) for each in names):
        return dict.fromkeys(names)
    if not isinstance(value, dict):
        raise mistake('expected names of handlers, or a map of them', 'as in sent: [crm]; for none, sent: []')
    return value


def _expected(value: Any) -> Any:
    """See that all expressions in what is expected can be used.

    Raises:
        ValueError: one cannot.
    """
    if isinstance(value, Mapping):
        for each in value.values():
            _expected(each)
    elif isinstance(value, list):
        for each in value:
            _expected(each)
    elif isinstance(value, str):
        Wanted(value)
    return value


Names = Annotated[list[str], BeforeValidator(_many)]
Expected = Annotated[dict[str, Any], AfterValidator(_expected)]
"""What is sent: of maps the keys that are given, texts as in `where`."""

What = Annotated[
    Annotated[Given, Tag('map')] | Annotated[str, Tag('name')],
    Discriminator(lambda value: 'map' if isinstance(value, Mapping) else 'name'),
]


class Step(Section):
    """One event, and what becomes of it.

    Attributes:
        event: an event by its name, or written down.
        fields: what its data says instead, by dotted fields.
        era: which hosts send it.
        at: when it happens and arrives, Unix seconds.
        after: how long after the step before, in seconds.
        handlers: the only handlers that are looked at; all if `None`.
        sent: the handlers that run on it, each with what it sends as far as that matters.
        dead: the handlers for which it is a dead letter before anything is done.
    """

    event: What
    fields: dict[str, Any] = Field(default_factory=dict)
    era: Annotated[Literal['now', '2019'], BeforeValidator(_era)] = 'now'
    at: Annotated[float, BeforeValidator(moment)] | None = None
    after: Duration | None = None
    handlers: Names | None = None
    sent: Annotated[dict[str, Expected | None], BeforeValidator(_sent)]
    dead: Names = Field(default_factory=list)
