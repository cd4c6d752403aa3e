# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The tables of options on the pages of `docs/handlers`, made from the code of each plugin.

    python -m tests.docs.handler_pages

writes them anew: between a comment that begins with `<!-- options` and the next `<!-- end -->`. A page is called by its
plugin. What an option means is what the docstring of its model says under `Attributes:`.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, BeforeValidator, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from wazo_busd.api import Field, TextOption
from wazo_busd.loader import Loader

PAGES = sorted((Path(__file__).parents[2] / 'docs' / 'handlers').glob('[!R]*.md'))

_TABLE = re.compile(r'(<!-- options\b[^>]*-->\n).*?(<!-- end -->)', re.DOTALL)
_WORDS = {
    str: 'string',
    SecretStr: 'string',
    bool: '`true` or `false`',
    int: 'number',
    float: 'number',
    Path: 'path',
    Field: 'field of the event',
    Any: 'anything',
}
_VALIDATED = {
    'parse_duration': 'duration',
    'parse_size': 'size',
    '_network': 'network',
    '_address': 'address',
    '_service': 'URL of a service',
}
"""Types that are known by the function that reads them."""

_MEBIBYTE = 1_048_576
_SECONDS = {'d': 86_400, 'h': 3600, 'm': 60, 's': 1}


def options_of(page: Path) -> type[BaseModel]:
    """The model of the options of the plugin that a page is about."""
    model = Loader([]).load(page.stem).options
    if model is None:
        raise LookupError(f'the plugin {page.stem} has no options')
    return model


def with_table(text: str, options: type[BaseModel]) -> str:
    """A page with its table as it must be."""
    if not _TABLE.search(text):
        raise LookupError('the page has no place for its table: <!-- options --> and <!-- end -->')
    return _TABLE.sub(lambda found: f'{found[1]}{table(options)}{found[2]}', text)


def table(options: type[BaseModel]) -> str:
    """The options as a table in Markdown."""
    rows = [f'| {" | ".join(row)} |\n' for row in _rows(options, '')]
    return '| option | is | default | meaning |\n|---|---|---|---|\n' + ''.join(rows)


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, ...]]:
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        way = f'{prefix}{field.alias or name}'
        inner = _model_in(field.annotation)
        kind = 'map, see below' if inner else _kind(_annotated(field))
        yield f'`{way}`', kind, _default(field), meanings[field.alias or name].replace('|', r'\|')
        if inner:
            yield from _rows(inner, f'{way}.')


def _meanings(model: type[BaseModel]) -> Mapping[str, str]:
    said = (inspect.getdoc(model) or '').partition('Attributes:\n')[2]
    found = re.findall(r'^    (\w+): (.*(?:\n {8}.*)*)', said, re.MULTILINE)
    return {name: ' '.join(text.split()) for name, text in found}


def _annotated(field: FieldInfo) -> Any:
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    found = [each for each in (annotation, *get_args(annotation)) if inspect.isclass(each)]
    return next((each for each in found if issubclass(each, BaseModel)), None)


def _kind(annotation: Any) -> str:
    """What a value is, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of_annotated(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        return ' or '.join(_kind(each) for each in arguments if each is not types.NoneType)
    if origin is Literal:
        return ', '.join(f'`{each}`' for each in arguments)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f'map of {_kind(arguments[1])}'
    if origin in (list, tuple, set, frozenset):
        return f'list of {_kind(arguments[0])}'
    return _WORDS.get(annotation, getattr(annotation, '__name__', str(annotation)))


def _of_annotated(inner: Any, marks: tuple[Any, ...]) -> str:
    text = next((each for each in marks if isinstance(each, TextOption)), None)
    if text is not None:
        return f'text, {text.destination.value}'
    readers = [getattr(each.func, '__name__', '') for each in marks if isinstance(each, BeforeValidator)]
    word = next((_VALIDATED[each] for each in readers if each in _VALIDATED), None) or _kind(inner)
    bounds = [
        f'{words} {_value(getattr(mark, bound), word)}'
        for mark in marks
        for kind, bound, words in ((Ge, 'ge', 'from'), (Gt, 'gt', 'more than'), (Le, 'le', 'to'), (Lt, 'lt', 'below'))
        if isinstance(mark, kind)
    ]
    return ' '.join([word, *bounds])


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return 'required'
    if isinstance(value, BaseModel):
        return 'see below'
    if value is None or (not value and isinstance(value, (Mapping, list, tuple, str))):
        return 'none'
    return f'`{_value(value, _kind(_annotated(field)))}`'


def _value(value: Any, kind: str) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(str, value))}]'
    if kind.startswith('size') and value and value % _MEBIBYTE == 0:
        return f'{value // _MEBIBYTE}MiB'
    if not kind.startswith('duration'):
        return str(value)
    unit = next((unit for unit, seconds in _SECONDS.items() if value >= seconds and value % seconds == 0), None)
    return f'{value / _SECONDS[unit]:g}{unit}' if unit else f'{value * 1000:g}ms'


def main() -> None:
    """Write the tables anew."""
    for page in PAGES:
        page.write_text(with_table(page.read_text(), options_of(page)))


if __name__ == '__main__':
    main()
