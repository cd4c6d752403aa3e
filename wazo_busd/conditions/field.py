# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The field: an option that names a field of events, as in `data.call_id`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from wazo_busd.conditions.where import way_of
from wazo_busd.event import Event
from wazo_busd.language import NOTHING, field_of


class Field:
    """A field of events. As the type of an option of a plugin it takes a text such as `data.call_id`.

    Args:
        name: the dotted name.

    Raises:
        ValueError: it is none; a note says how one looks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.way = way_of(name)
        """The keys and places that lead to it."""

    def __repr__(self) -> str:
        return f'<Field {self.name}>'

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Field) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def of(self, event: Event) -> Any:
        """What `event` has there; `None` if it has nothing."""
        found = field_of(event, self.way)
        return None if found is NOTHING else found

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """A text in the configuration becomes a `Field`, or a mistake with file and line."""
        written = core_schema.chain_schema(
            [core_schema.str_schema(), core_schema.no_info_plain_validator_function(cls)]
        )
        return core_schema.no_info_wrap_validator_function(_unless_made, written)


def _unless_made(value: Any, make: Callable[[Any], Any]) -> Any:
    return value if isinstance(value, Field) else make(value)
