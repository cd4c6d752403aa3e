# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The texts of a handler: those of its options that are templates, with the place where each was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from wazo_busd.conditions import Field
from wazo_busd.config import Config, Document
from wazo_busd.language import Placement, Surroundings, Text

T = TypeVar('T')
Way = tuple[str | int, ...]


def texts_in(options: Any, way: Way = ()) -> Iterator[tuple[Way, Text]]:
    """The texts in the options of a handler, each with the way to it.

    Args:
        options: the validated options, or a part of them.
        way: the way to that part.
    """
    yield from _found_in(options, Text, way)


def fields_in(options: Any) -> Iterator[tuple[Way, Field]]:
    """The fields of events that the options of a handler name, each with the way to it.

    Args:
        options: the validated options.
    """
    yield from _found_in(options, Field, ())


def _found_in(options: Any, kind: type[T], way: Way) -> Iterator[tuple[Way, T]]:
    if isinstance(options, kind):
        yield way, options
    elif isinstance(options, BaseModel):
        # An option that was not given stands at its default.
        for name in type(options).model_fields:
            yield from _found_in(getattr(options, name, None), kind, (*way, name))
    elif isinstance(options, Mapping):
        for key, value in options.items():
            yield from _found_in(value, kind, (*way, str(key)))
    elif isinstance(options, (list, tuple)):
        for number, value in enumerate(options):
            yield from _found_in(value, kind, (*way, number))


def surroundings(
    config: Config, options: Any = None, *, name: str = '', document: Document | None = None
) -> Surroundings:
    """What the conditions and texts of a handler know besides the event.

    Args:
        config: the configuration.
        options: the handler's validated options.
        name: the handler's name.
        document: what the files say, for the places of its texts.
    """
    placements = {}
    for way, text in texts_in(options):
        place = ('handlers', name, 'options', *way)
        origin = document.origin(place) if document is not None else None
        option = '.'.join(map(str, ('options', *way)))
        placements[id(text)] = Placement(option, origin.file, origin.line) if origin else Placement(option)
    return Surroundings(config.names, config.region, placements)
