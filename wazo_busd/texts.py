# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The texts of a handler: those of its options that are templates, with the place where each was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from wazo_busd.config import Config, Document
from wazo_busd.language import Placement, Surroundings, Text

Way = tuple[str | int, ...]


def texts_in(options: Any, way: Way = ()) -> Iterator[tuple[Way, Text]]:
    """The texts in the options of a handler, each with the way to it.

    Args:
        options: the validated options, or a part of them.
        way: the way to that part.
    """
    if isinstance(options, Text):
        yield way, options
    elif isinstance(options, BaseModel):
        # An option that was not given stands at its default.
        for name in type(options).model_fields:
            yield from texts_in(getattr(options, name, None), (*way, name))
    elif isinstance(options, Mapping):
        for key, value in options.items():
            yield from texts_in(value, (*way, str(key)))
    elif isinstance(options, (list, tuple)):
        for number, value in enumerate(options):
            yield from texts_in(value, (*way, number))


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
