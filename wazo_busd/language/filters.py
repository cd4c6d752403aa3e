# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The filters: what can be written behind a `|`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined, pass_context

from wazo_busd.codec import encode
from wazo_busd.language.fault import Fault
from wazo_busd.language.missing import insist
from wazo_busd.language.moment import duration, local
from wazo_busd.language.operations import Run, is_number, kind_of
from wazo_busd.language.phone import mask, phone
from wazo_busd.language.values import NOTHING, text_of, within

_LETTERS = 1_048_576
_NUMBER_LENGTH = 100
_MOST_PLACES = 12


def default(value: Any, otherwise: Any = '', boolean: bool = False) -> Any:
    """What stands there for a field that is missing or null; with `true` behind it, for anything empty too."""
    is_gone = isinstance(value, Undefined) or value is None
    return otherwise if is_gone or (boolean and not value) else value


def to_int(value: Any, otherwise: Any = 0) -> Any:
    """The whole number that a value is or says."""
    number = to_float(value, None)
    if isinstance(value, int):
        return int(value)
    if number is None:
        return otherwise
    text = str(value).strip()
    return int(text) if text.removeprefix('-').isdecimal() else int(number)


def to_float(value: Any, otherwise: Any = 0.0) -> Any:
    """The number that a value is or says."""
    if not isinstance(value, (int, float, str)) or (isinstance(value, str) and len(value) > _NUMBER_LENGTH):
        return otherwise
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return otherwise
    return number if math.isfinite(number) else otherwise


def rounded(value: Any, places: Any = 0) -> Any:
    """A number with so many decimal places."""
    if not is_number(value) or type(places) is not int or not 0 <= places <= _MOST_PLACES:
        raise Fault(f'round takes a number, and from 0 to {_MOST_PLACES} places')
    return round(value, places)


def length(value: Any) -> int:
    """How many letters or parts a value has."""
    if not isinstance(value, (str, list, tuple, Mapping)):
        raise Fault(f'{kind_of(value)} has no length')
    return len(value)


def replace(value: Any, old: Any, new: Any) -> str:
    """A text with one part replaced by another, everywhere."""
    text, old, new = text_of(value), text_of(old), text_of(new)
    if not old:
        raise Fault('nothing cannot be replaced')
    if len(text) + text.count(old) * len(new) > _LETTERS:
        raise Fault('the text grows too long')
    return text.replace(old, new)


def truncate(value: Any, letters: Any = 255, end: str = '…') -> str:
    """The beginning of a text, with `…` for the rest."""
    text = text_of(value)
    if type(letters) is not int or letters < len(end):
        raise Fault('truncate takes the number of letters')
    return text if len(text) <= letters else text[: letters - len(end)] + end


def join(values: Any, between: Any = '') -> str:
    """The texts of a list in one."""
    insist(*_listed(values))
    texts = [text_of(value) for value in _listed(values)]
    if sum(map(len, texts)) + len(texts) * len(text_of(between)) > _LETTERS:
        raise Fault('the text grows too long')
    return text_of(between).join(texts)


def pluck(values: Any, attribute: Any) -> list[Any]:
    """A field of everything in a list that has it, as in `data.items | map(attribute='name')`."""
    way = text_of(attribute).split('.')
    return [found for found in (within(value, way) for value in _listed(values)) if found is not NOTHING]


def ordered(values: Any, reverse: Any = False) -> list[Any]:
    """A list of numbers, or of texts, in order."""
    try:
        return sorted(_listed(values), reverse=bool(reverse))
    except TypeError:
        raise Fault('what is in the list has no order') from None


def end_of(values: Any, place: int) -> Any:
    """What stands at one end of a text or a list."""
    if not isinstance(values, (str, list, tuple)) or not values:
        raise Fault(f'{kind_of(values)} that is first or last needs something in it')
    return values[place]


def total(values: Any) -> Any:
    """The sum of a list of numbers."""
    if not all(is_number(value) for value in _listed(values)):
        raise Fault('only numbers have a sum')
    return sum(_listed(values))


def extreme(values: Any, choose: Callable[[Any], Any]) -> Any:
    """The least or the greatest of a list."""
    found = ordered(values)
    if not found:
        raise Fault('an empty list has no least and no greatest')
    return choose(found)


def items(value: Any) -> list[list[Any]]:
    """The keys and values of a map, for `{% for key, value in data | items %}`."""
    if not isinstance(value, Mapping):
        raise Fault(f'{kind_of(value)} has no items')
    return [[key, child] for key, child in value.items()]


def absolute(value: Any) -> Any:
    """A number without its sign."""
    if not is_number(value):
        raise Fault(f'{kind_of(value)} has no sign')
    return abs(value)


def to_json(value: Any) -> str:
    """A value as JSON; in a text that is JSON itself, a value is so without it."""
    return encode(value).decode()


def _listed(values: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(values, (list, tuple)):
        raise Fault(f'{kind_of(values)} is no list')
    return values


def _of_text(method: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda value: method(text_of(value))


def guarded(function: Callable[..., Any], *, run_first: bool = False) -> Callable[..., Any]:
    """A filter that is paid for, and is not asked about what is missing: that stays missing.

    Args:
        function: the filter.
        run_first: whether it takes the run before the value.
    """

    @pass_context
    @functools.wraps(function)
    def apply(run: Run, value: Any, *arguments: Any, **named: Any) -> Any:
        if (gone := insist(value, *arguments, *named.values())) is not None:
            return gone
        run.spend(value, *arguments)
        return function(run, value, *arguments, **named) if run_first else function(value, *arguments, **named)

    return apply


def _phone(run: Run, value: Any, form: Any = '') -> str:
    return phone(value, form, region=run.surroundings.region)


_PLAIN: dict[str, Callable[..., Any]] = {
    'abs': absolute,
    'capitalize': _of_text(str.capitalize),
    'count': length,
    'duration': duration,
    'first': lambda value: end_of(value, 0),
    'float': to_float,
    'int': to_int,
    'items': items,
    'join': join,
    'last': lambda value: end_of(value, -1),
    'length': length,
    'local': local,
    'lower': _of_text(str.lower),
    'map': pluck,
    'mask': mask,
    'max': lambda values: extreme(values, max),
    'min': lambda values: extreme(values, min),
    'replace': replace,
    'round': rounded,
    'sort': ordered,
    'string': text_of,
    'sum': total,
    'title': _of_text(str.title),
    'tojson': to_json,
    'trim': _of_text(str.strip),
    'truncate': truncate,
    'upper': _of_text(str.upper),
}

FILTERS: dict[str, Callable[..., Any]] = {
    **{name: guarded(function) for name, function in _PLAIN.items()},
    'default': default,
    'd': default,
    'phone': guarded(_phone, run_first=True),
}
"""The filters by name."""

AS_IT_IS = guarded(lambda value: value)
"""The filter `tojson` of a text that is JSON: there every value is written as JSON anyhow."""


def _kind(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: insist(value) is None and check(value)


TESTS: dict[str, Callable[[Any], bool]] = {
    'boolean': _kind(lambda value: isinstance(value, bool)),
    'defined': lambda value: not isinstance(value, Undefined),
    'false': _kind(lambda value: value is False),
    'float': _kind(lambda value: isinstance(value, float)),
    'integer': _kind(lambda value: type(value) is int),
    'mapping': _kind(lambda value: isinstance(value, Mapping)),
    'none': _kind(lambda value: value is None),
    'number': _kind(is_number),
    'sequence': _kind(lambda value: isinstance(value, (list, tuple))),
    'string': _kind(lambda value: isinstance(value, str)),
    'true': _kind(lambda value: value is True),
    'undefined': lambda value: isinstance(value, Undefined),
}
"""What can be written behind `is`."""
