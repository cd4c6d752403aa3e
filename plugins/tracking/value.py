# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The value: what an event says somewhere, as a tracker may keep it: of the right type, and not too long."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from wazo_busd.api import phone

_LETTERS = 200
_DIGITS = 18
_LARGEST = 10**_DIGITS
_UUID = re.compile(r'[0-9A-Za-z_-]{1,64}')
_E164 = re.compile(r'\+[0-9]{7,15}')
_NOTHING: Mapping[str, Any] = {}


def mapping_of(value: Any) -> Mapping[str, Any]:
    """A map; an empty one for what is none."""
    return value if isinstance(value, dict) else _NOTHING


def text_of(value: Any, most: int = _LETTERS) -> str | None:
    """A text that UTF-8 can hold, cut; `None` for what is none, or is empty.

    Args:
        value: what the event says; a whole number is taken for a text, as identifiers and extensions are both.
        most: how many letters are kept.
    """
    if isinstance(value, str):
        if not value:
            return None
        cut = value[:most]
        return cut if cut.isascii() else cut.encode('utf-8', 'replace').decode()
    if type(value) is int and -_LARGEST < value < _LARGEST:
        return str(value)
    return None


def number_of(value: Any) -> float | None:
    """A number that counts something, or the text of one; `None` for what is none, or is negative or endless."""
    if isinstance(value, str):
        if len(value) > _DIGITS or not (value.isascii() and value.isdecimal()):
            return None
        value = int(value)
    return value if type(value) in (int, float) and 0 <= value < _LARGEST else None


def whole_of(value: Any) -> int | None:
    """The same without what is behind the point."""
    found = number_of(value)
    return None if found is None else int(found)


def uuid_of(value: Any) -> str | None:
    """What can be the UUID of a tenant, user or host, and stands in a header therefore; `None` for what cannot."""
    return value if isinstance(value, str) and _UUID.fullmatch(value) and value != 'None' else None


def uuids_of(values: Iterable[Any], most: int) -> list[str]:
    """Those of the values that can be UUIDs, each once and no more than so many."""
    found: dict[str, None] = {}
    for value in values:
        uuid = uuid_of(value)
        if uuid is not None:
            found[uuid] = None
            if len(found) == most:
                break
    return list(found)


@lru_cache(maxsize=4096)
def e164_of(number: str | None, region: str | None) -> str | None:
    """A telephone number as all the world writes it; `None` for what is no number of any country.

    Args:
        number: as it was dialed or shown.
        region: the country that numbers without a prefix are of; `None` for none.
    """
    if number is None:
        return None
    written = phone(number, 'e164', region=region)
    return written if _E164.fullmatch(written) else None
