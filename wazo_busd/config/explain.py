# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""From pydantic's errors to problems that name the place, say what was expected, and guess what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from wazo_busd.config.document import Document, Place, is_secret, quoting_hint
from wazo_busd.errors import Problem

_FOREIGN = {
    'exchange_name': 'leave it out: both exchanges of a Wazo host are read',
    'exchange_type': 'leave it out: both exchanges of a Wazo host are read',
    'uri': 'write host, port, username, password and vhost instead',
    'on': 'events are named by match: [calls.#]',
    'events': 'events are named by match: [calls.#]',
    'routing_key': 'events are named by match: [calls.#]',
    'enabled_plugins': 'name each use of a plugin under handlers',
}
"""Keys that administrators of other Wazo services will try here."""

_EXPECTED = {
    'string_type': 'expected text',
    'int_type': 'expected a whole number',
    'int_from_float': 'expected a whole number',
    'float_type': 'expected a number',
    'bool_type': 'expected true or false',
    'list_type': 'expected a list, as in [one, two]',
    'tuple_type': 'expected a list, as in [one, two]',
    'dict_type': 'expected a map of keys to values',
    'model_type': 'expected a map of keys to values',
    'model_attributes_type': 'expected a map of keys to values',
    'mapping_type': 'expected a map of keys to values',
}
_BOUNDS = {
    'greater_than_equal': ('expected at least', 'ge'),
    'greater_than': ('expected more than', 'gt'),
    'less_than_equal': ('expected at most', 'le'),
    'less_than': ('expected less than', 'lt'),
}
_KINDS = {
    str: 'text',
    bool: 'true or false',
    int: 'a number',
    float: 'a number',
    date: 'a date',
    datetime: 'a date',
    list: 'a list',
    dict: 'a map',
}


def near(name: str, known: Iterable[str]) -> str:
    """A sentence that guesses which of the `known` names was meant; `''` where none is near.

    Args:
        name: what was written.
        known: what could have been written.
    """
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'did you mean {found[0]!r}?' if found else ''


def explain(
    error: ValidationError,
    model: type[BaseModel],
    document: Document,
    place: Place = (),
    *,
    told: Collection[Place] = (),
) -> list[Problem]:
    """The problems that `error` stands for.

    Args:
        error: what validating a part of the configuration raised.
        model: the model it was validated against.
        document: what the files say.
        place: where in the document the validated part is.
        told: places whose problems were told before, and which were then taken out: that they miss now is no news.
    """
    value: Any = document.tree
    for part in place:
        value = value.get(part) if isinstance(value, Mapping) else None
    found = [(details, _way(details, value)) for details in error.errors(include_url=False)]
    return [
        _problem(details, way, model, document, place)
        for details, way in found
        if not (details['type'] == 'missing' and way in told) and (*place, *way) not in document.misread
    ]


def faults(error: ValidationError, value: Any) -> list[Place]:
    """The places of what is wrong with `value`, for one who wants to go on with the rest."""
    return [_way(details, value) for details in error.errors(include_url=False, include_input=False)]


def _problem(details: ErrorDetails, way: Place, model: type[BaseModel], document: Document, place: Place) -> Problem:
    kind = details['type']
    here = (*place, *way)
    name = str(way[-1]) if way else ''
    known = _keys_at(model, way[:-1])
    if kind == 'extra_forbidden':
        hint = _FOREIGN.get(name) or near(name, known) or f'known keys: {", ".join(known)}'
        return document.problem(here, 'unknown key', hint)
    if kind == 'missing':
        return document.problem(here[:-1], f'the key {name!r} is missing', f'add a line {name}: …')
    if kind == 'literal_error':
        expected = str(details.get('ctx', {}).get('expected', ''))
        choices = [choice.strip("' ") for choice in expected.replace(' or ', ', ').split(',')]
        return document.problem(here, f'expected {expected}', near(str(details['input']), choices))
    if kind == 'value_error':
        return document.problem(here, str(details.get('ctx', {}).get('error', details['msg'])))
    if kind in _EXPECTED:
        found = _KINDS.get(type(details['input']), 'nothing' if details['input'] is None else 'something else')
        hint = ''
        if kind == 'string_type' and isinstance(details['input'], (bool, int, float, date)):
            hint = quoting_hint(here, document.origin(here).text)
        return document.problem(here, f'{_EXPECTED[kind]}, found {found}', hint)
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return document.problem(here, f'{words} {details["ctx"][bound]}')
    message = details['msg'].replace('Input should be', 'expected to be')
    return document.problem(here, message[:1].lower() + message[1:] if not is_secret(here) else 'not a valid value')


def _way(details: ErrorDetails, value: Any) -> Place:
    """The keys and indexes of an error.

    Pydantic puts names of validators and of members of unions among them. Those lead nowhere in the value, unlike keys;
    so does a key that is missing, but it is the last part.
    """
    way: list[str | int] = []
    for index, part in enumerate(details['loc']):
        if _holds(value, part):
            value = value[part]
        elif details['type'] != 'missing' or index < len(details['loc']) - 1:
            continue
        way.append(part)
    return tuple(way)


def _holds(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, Mapping) and part in value


def _keys_at(model: type[BaseModel], way: Place) -> list[str]:
    """The keys that the model knows at a place; none where anything is allowed."""
    current: Any = model
    for part in way:
        current = _bare(current)
        if _is_model(current):
            info = current.model_fields.get(str(part))
            current = info.annotation if info else None
        else:
            current = next(reversed(get_args(current)), None)
    current = _bare(current)
    return list(current.model_fields) if _is_model(current) else []


def _bare(annotation: Any) -> Any:
    """The annotation without `Annotated[…]` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return next((_bare(part) for part in get_args(annotation) if part is not type(None)), None)
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel)
