# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""From pydantic's errors to problems that name the place, say what was expected, and guess what was meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from wazo_busd.config.document import Document, Place, is_secret, quoting_hint
from wazo_busd.config.schema import Schema, near
from wazo_busd.errors import Problem

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
_LENGTHS = {
    'string_too_short': ('expected at least', 'min_length', 'character'),
    'string_too_long': ('expected at most', 'max_length', 'character'),
    'too_short': ('expected at least', 'min_length', 'item'),
    'too_long': ('expected at most', 'max_length', 'item'),
}
_DIGITS = re.compile(r'[-+]?[0-9]{1,18}')
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


def with_hint(message: str, hint: str) -> ValueError:
    """What a validator raises: what is wrong, with what to write instead as a note (PEP 678).

    Args:
        message: what was expected.
        hint: what to write; never a part of what was written, which may hold a secret.
    """
    error = ValueError(message)
    error.add_note(hint)
    return error


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    return _KINDS.get(type(value), 'nothing' if value is None else 'something else')


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
        value = value[part] if _holds(value, part) else None
    found = [(details, _way(details, value)) for details in error.errors(include_url=False)]
    return [
        _problem(details, way, Schema(model), document, place)
        for details, way in found
        if not _is_left_over(details, way, told) and (*place, *way) not in document.misread
    ]


def _is_left_over(details: ErrorDetails, way: Place, told: Collection[Place]) -> bool:
    """Whether something misses only because it was wrong, and was taken out."""
    if details['type'] == 'too_short':
        return any(each[: len(way)] == way for each in told)
    return details['type'] == 'missing' and way in told


def faults(error: ValidationError, value: Any) -> list[Place]:
    """The places of what is wrong with `value`, for one who wants to go on with the rest."""
    return [_way(details, value) for details in error.errors(include_url=False, include_input=False)]


def _problem(details: ErrorDetails, way: Place, schema: Schema, document: Document, place: Place) -> Problem:
    kind, context = details['type'], details.get('ctx', {})
    here = (*place, *way)
    name = str(way[-1]) if way else ''
    if kind == 'extra_forbidden':
        return document.problem(here, 'unknown key', schema.hint(way))
    if kind == 'missing':
        return document.problem(here[:-1], f'the key {name!r} is missing', f'add a line {name}: …')
    if kind == 'literal_error':
        expected = str(context.get('expected', ''))
        choices = [choice.strip("' ") for choice in expected.replace(' or ', ', ').split(',')]
        return document.problem(here, f'expected {expected}', near(str(details['input']), choices))
    if kind == 'value_error':
        error = context.get('error', details['msg'])
        return document.problem(here, str(error), '; '.join(getattr(error, '__notes__', ())))
    if kind in _EXPECTED:
        hint = _kind_hint(details, way, schema, document, here)
        return document.problem(here, f'{_EXPECTED[kind]}, found {kind_of(details["input"])}', hint)
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return document.problem(here, f'{words} {context[bound]}')
    if kind in _LENGTHS:
        return document.problem(here, *_of_length(kind, context, way, schema))
    message = details['msg'].replace('Input should be', 'expected to be')
    return document.problem(here, message[:1].lower() + message[1:] if not is_secret(here) else 'not a valid value')


def _kind_hint(details: ErrorDetails, way: Place, schema: Schema, document: Document, here: Place) -> str:
    """What to write for a value of the wrong kind; as it was written, because a value may come from a secret."""
    kind, value, written = details['type'], details['input'], document.origin(here).text
    if kind == 'string_type' and value is None:
        is_empty = here in document.origins and not written
        return f'{_text_hint(way, schema)}{"; one that begins with # is put in quotes" if is_empty else ""}'
    if kind == 'string_type' and isinstance(value, (bool, int, float, date)):
        return quoting_hint(here, written)
    if kind in ('int_type', 'float_type') and _DIGITS.fullmatch(written) and not is_secret(here):
        return f'write {int(written)}'
    return ''


def _text_hint(way: Place, schema: Schema) -> str:
    return 'write a text' if schema.is_required(way) else 'write a text, or take it out'


def _of_length(kind: str, context: Mapping[str, Any], way: Place, schema: Schema) -> tuple[str, str]:
    """What is expected of a text or a list that is too short or too long, and how to write it."""
    words, bound, unit = _LENGTHS[kind]
    limit = context[bound]
    if kind == 'string_too_short' and limit == 1:
        return 'expected a text that is not empty', _text_hint(way, schema)
    message = f'{words} {limit} {unit}{"" if limit == 1 else "s"}'
    if 'actual_length' in context:
        message += f', found {context["actual_length"]}'
    key = next((part for part in reversed(way) if isinstance(part, str)), '')
    return message, f'as in {key}: [one, two]' if kind == 'too_short' and key else ''


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
