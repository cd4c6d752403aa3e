# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The schema: what a model knows of the places in a configuration, told to people who wrote something else."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from wazo_busd.config.document import Place

_FOREIGN = {
    'exchange_name': 'leave it out: both exchanges of a Wazo host are read',
    'exchange_type': 'leave it out: both exchanges of a Wazo host are read',
    'uri': 'write host, port, username, password and vhost instead',
    'enabled_plugins': 'name each use of a plugin under handlers',
    'log': 'write log_format: json and log_level: info, which are keys of the top level',
    'log_file': 'leave it out: the journal of systemd has the log; journalctl -u wazo-busd',
    'log_filename': 'leave it out: the journal of systemd has the log; journalctl -u wazo-busd',
    'logfile': 'leave it out: the journal of systemd has the log; journalctl -u wazo-busd',
}
"""Keys that administrators of other Wazo services will try here."""

NAMES_OF_MATCH = ('on', 'events', 'routing_key')
"""What people call the match of a handler."""


def near(name: str, known: Iterable[str]) -> str:
    """A sentence that guesses which of the `known` names was meant; `''` where none is near.

    Args:
        name: what was written.
        known: what could have been written.
    """
    found = nearest(name, known)
    return f'did you mean {found!r}?' if found else ''


def nearest(name: str, known: Iterable[str]) -> str:
    """The one of the `known` names that was perhaps meant; `''` where none is near."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)), '')


class Schema:
    """What a model knows of places.

    Args:
        model: the model; a place is a way into it.
    """

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model

    def keys(self, place: Place) -> list[str]:
        """The keys that are known at a place; none where anything is allowed."""
        current = _bare(self._at(place))
        return list(current.model_fields) if _is_model(current) else []

    def hint(self, place: Place) -> str:
        """What may be meant by the unknown key that is the last part of `place`."""
        name, known = str(place[-1]), self.keys(place[:-1])
        if name in NAMES_OF_MATCH:
            return f'events are named by match: [calls.#]{"" if "match" in known else ", in a handler"}'
        return _FOREIGN.get(name) or near(name, known) or f'known keys: {", ".join(known)}'

    def is_number(self, place: Place) -> bool:
        """Whether a number is expected at a place."""
        return _bare(self._at(place)) in (int, float)

    def is_required(self, place: Place) -> bool:
        """Whether the last part of `place` is a key that must not miss."""
        around: Any = _bare(self._at(place[:-1])) if place else None
        return _is_model(around) and place[-1] in around.model_fields and around.model_fields[place[-1]].is_required()

    def _at(self, place: Place) -> Any:
        """The annotation at a place."""
        current: Any = self._model
        for part in place:
            current = _bare(current)
            if _is_model(current):
                info = current.model_fields.get(str(part))
                current = info.annotation if info else None
            else:
                current = next(reversed(get_args(current)), None)
        return current


def _bare(annotation: Any) -> Any:
    """The annotation without `Annotated[…]` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return next((_bare(part) for part in get_args(annotation) if part is not type(None)), None)
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel)
