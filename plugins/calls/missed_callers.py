# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The missed callers: who called in vain, until somebody calls them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from wazo_busd.api import phone

from ..tracking import Shelf
from .conversation import Conversation

_TAIL = 6
_ENOUGH_DIGITS = 9
"""So many digits at the end of two numbers are the same number, however each begins."""


@dataclass(slots=True)
class MissedCaller:
    """Somebody who called in vain.

    Attributes:
        number: their number, as their calls had it.
        e164: the same with the country; `''` where it is a number of none.
        name: their name.
        missed_at: when the last of their calls was over.
        count: how many calls.
        conversation_id: the last of them.
        dialed: the extension that they dialed.
        users: the users whose telephones rang.
        user_uuid: who they are, if they are a user.
    """

    number: str
    e164: str
    name: str
    missed_at: float
    count: int
    conversation_id: str
    dialed: str
    users: list[str]
    user_uuid: str = ''


class MissedCallers:
    """Remembers them.

    Args:
        most: how many.
        age_seconds: for how long.
        region: the country that numbers without a prefix are of.
    """

    def __init__(self, most: int, age_seconds: float, region: str | None) -> None:
        self._age_seconds = age_seconds
        self._region = region
        # By host, tenant and the end of the number.
        self._shelf: Shelf[str, MissedCaller] = Shelf(most, age_seconds)

    def __len__(self) -> int:
        return len(self._shelf)

    @property
    def since(self) -> float | None:
        """When the one was missed who waits longest, in Unix seconds; `None` if nobody does."""
        oldest_at = self._shelf.oldest_at()
        return None if oldest_at is None else oldest_at - self._age_seconds

    def e164(self, number: str) -> str:
        """A number with its country; `''` where it is a number of none."""
        said = phone(number, 'e164', region=self._region)
        return said if said.startswith('+') else ''

    def add(self, conversation: Conversation, caller: MissedCaller) -> None:
        """Remember a caller."""
        key = _key(conversation, caller.number)
        before = self._shelf.get(key)
        if before is not None and self._is_same(before, caller.number):
            caller.count += before.count
        self._shelf.put(key, caller, caller.missed_at)

    def find(self, conversation: Conversation, number: str, at: float) -> MissedCaller | None:
        """Who called in vain from a number, on the host and of the tenant of a conversation; `None` for nobody."""
        found = self._shelf.get(_key(conversation, number)) if number else None
        if found is None or not 0 <= at - found.missed_at <= self._age_seconds:
            return None
        return found if self._is_same(found, number) else None

    def remove(self, conversation: Conversation, caller: MissedCaller) -> None:
        """Forget a caller."""
        self._shelf.pop(_key(conversation, caller.number))

    def oldest_at(self) -> float | None:
        """When the first one is forgotten, in Unix seconds; `None` if there is none."""
        return self._shelf.oldest_at()

    def expire(self, at: float) -> None:
        """Forget those who have waited for too long."""
        for _ in self._shelf.expired(at):
            pass

    def dump(self) -> list[tuple[float, str, dict[str, Any]]]:
        """What `load` makes the same of."""
        return [(at, key, _dump(caller)) for at, key, caller in self._shelf.dump()]

    def load(self, said: list[tuple[float, str, Mapping[str, Any]]]) -> None:
        """Know what `dump` gave."""
        for at, key, caller in said:
            self._shelf.put(key, MissedCaller(**caller), float(at))

    def _is_same(self, caller: MissedCaller, number: str) -> bool:
        one, other = _digits(caller.number), _digits(number)
        if one == other or (min(len(one), len(other)) >= _ENOUGH_DIGITS and one[-9:] == other[-9:]):
            return True
        return bool(caller.e164) and self.e164(number) == caller.e164


_NAMES = tuple(each.name for each in fields(MissedCaller))
_values_of = attrgetter(*_NAMES)


def _dump(caller: MissedCaller) -> dict[str, Any]:
    return {**dict(zip(_NAMES, _values_of(caller), strict=True)), 'users': list(caller.users)}


def _key(conversation: Conversation, number: str) -> str:
    return f'{conversation.origin} {conversation.tenant} {_digits(number)[-_TAIL:]}'


def _digits(number: str) -> str:
    found = ''.join(letter for letter in number if letter.isdecimal())
    return found or number
