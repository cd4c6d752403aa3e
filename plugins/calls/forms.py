# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The forms: what users of the desktop client of before 2019 wrote about a call, and which call that was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..tracking import Shelf
from .conversation import Conversation
from .leg import id_in
from .rows import answered_by, base_of

_MOST_VARIABLES = 50
_MOST_LETTERS = 200
_MOST_TALKS = 200
_LEAST_DIGITS = 3
_NOTHING: dict[str, Any] = {
    'conversation_id': None,
    'call_id': None,
    'direction': None,
    'caller_id_name': None,
    'caller_id_number': None,
    'caller_user_uuid': None,
    'dialed_extension': None,
    'answered_by_user_uuid': None,
    'answered_by_name': None,
    'answered_by_number': None,
}


@dataclass(slots=True)
class Talk:
    """A call that a form can be about.

    Attributes:
        origin: the host.
        tenant: the tenant; `''` where it is not known.
        calls: its calls.
        users: its users.
        row: what is told of it.
        is_over: whether it is over.
    """

    origin: str
    tenant: str
    calls: list[str]
    users: list[str]
    row: dict[str, Any]
    is_over: bool = False


class Forms:
    """Remembers what calls forms can be about. Only hosts that name no conversations can send one.

    Args:
        age_seconds: for how long.
    """

    def __init__(self, age_seconds: float) -> None:
        self._talks: Shelf[str, Talk] = Shelf(_MOST_TALKS, age_seconds)
        self._seen: Shelf[str, None] = Shelf(_MOST_TALKS, age_seconds)

    def answered(self, one: Conversation, at: float) -> None:
        """Somebody talks in a conversation."""
        users = [leg.user_uuid for leg in one.legs.values() if leg.user_uuid]
        row = {**base_of(one), **answered_by(one)}
        self._talks.put(one.key, Talk(one.origin, one.tenant, list(one.legs), users, row), at)

    def over(self, one: Conversation) -> None:
        """A conversation is over."""
        talk = self._talks.get(one.key)
        if talk is not None:
            talk.is_over = True

    def is_new(self, identity: str, at: float) -> bool:
        """Whether a form was not seen before, so many Unix seconds after it."""
        if identity in self._seen:
            return False
        self._seen.put(identity, None, at)
        return True

    def find(self, data: Mapping[str, Any], users: Iterable[str], origin: str) -> Talk | None:
        """The call that a form is about: by call, number or user; else the only one that goes on.

        Args:
            data: what the form's event says.
            users: the users that it names.
            origin: the host that it comes from.
        """
        said = {each for each in variables_in(data).values() if type(each) is str and len(each) >= _LEAST_DIGITS}
        said.add(id_in(data, 'call_id'))
        found = [talk for talk in self._talks.values() if talk.origin == origin]
        concerned = set(users)
        ways = (
            [talk for talk in found if not said.isdisjoint(talk.calls)],
            [talk for talk in found if talk.row['caller_id_number'] in said],
            [talk for talk in found if not concerned.isdisjoint(talk.users)],
        )
        latest = next((way[-1] for way in ways if way), None)
        going_on = [talk for talk in found if not talk.is_over]
        return latest or (going_on[0] if len(going_on) == 1 else None)

    def oldest_at(self) -> float | None:
        """When the first thing is forgotten, in Unix seconds; `None` if there is none."""
        return min(
            (each for each in (self._talks.oldest_at(), self._seen.oldest_at()) if each is not None), default=None
        )

    def expire(self, at: float) -> None:
        """Forget what is too old."""
        for shelf in (self._talks, self._seen):
            for _ in shelf.expired(at):
                pass

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        return {
            'talks': [(at, key, asdict(talk)) for at, key, talk in self._talks.dump()],
            'seen': [(at, key) for at, key, _ in self._seen.dump()],
        }

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        for at, key, talk in said['talks']:
            self._talks.put(key, Talk(**talk), float(at))
        for at, key in said['seen']:
            self._seen.put(key, None, float(at))


def variables_in(data: Mapping[str, Any]) -> dict[str, Any]:
    """What a form contains: 50 variables at most, texts of 200 letters, and nothing that is nested."""
    said = data.get('variables')
    kept: dict[str, Any] = {}
    for name, value in said.items() if isinstance(said, Mapping) else ():
        if len(kept) < _MOST_VARIABLES and type(name) is str and isinstance(value, (str, int, float, type(None))):
            kept[name[:_MOST_LETTERS]] = value[:_MOST_LETTERS] if isinstance(value, str) else value
    return kept


def row_of(data: Mapping[str, Any], talk: Talk | None) -> dict[str, Any]:
    """What is told of a form.

    Args:
        data: what its event says.
        talk: the call; `None` where it is not known.
    """
    user = data.get('user_id')
    known = _NOTHING if talk is None else talk.row
    return {'user_id': user if type(user) is int else None, 'variables': variables_in(data), **known}
