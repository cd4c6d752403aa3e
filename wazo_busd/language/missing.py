# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What stands for a field that an event has not."""

from __future__ import annotations

from typing import Any

from jinja2 import StrictUndefined, Undefined, UndefinedError
from jinja2.utils import missing

from wazo_busd.language.fault import Absence


class Missing(Undefined):
    """A missing field in a condition: every comparison with it is false, and so is it."""

    __slots__ = ()

    def __init__(
        self, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: Any = UndefinedError
    ) -> None:
        super().__init__(hint or absent(name), obj, name, exc)


class Required(StrictUndefined):
    """A missing field in a text: whatever is done with it is a fault, but for asking whether it is there."""

    __slots__ = ()

    def __init__(
        self, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: Any = UndefinedError
    ) -> None:
        super().__init__(hint or absent(name), obj, name, exc)


def absent(name: str | None) -> str:
    """That a field is not there, in words."""
    return f'{name} is not in the {"configuration" if str(name).startswith("names") else "event"}'


def insist(*values: Any) -> Undefined | None:
    """The first of some values that is missing; `None` if all are there.

    Raises:
        Absence: one is missing that must not be.
    """
    for value in values:
        if isinstance(value, Undefined):
            if isinstance(value, StrictUndefined):
                try:
                    str(value)
                except UndefinedError as error:
                    raise Absence(str(error)) from None
            return value
    return None
