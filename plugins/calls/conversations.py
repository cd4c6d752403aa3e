# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The conversations that go on: which leg is of which, on hosts that say so and on those that do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from ..tracking import Shelf
from .callers import Callers
from .conversation import MOST_LEGS, Conversation
from .leg import Leg

_LEGS_EACH = 4
"""How many legs are remembered for each conversation on average; who has more drops the oldest."""


class Conversations:
    """Finds the conversation of a leg.

    Args:
        most: how many are remembered.
        age_seconds: for how long without an event.
    """

    def __init__(self, most: int, age_seconds: float) -> None:
        self._most_calls = most * _LEGS_EACH
        self._open: Shelf[str, Conversation] = Shelf(most, age_seconds)
        self._where: dict[str, str] = {}
        self._callers = Callers(most)

    def __len__(self) -> int:
        return len(self._open)

    @property
    def calls(self) -> int:
        """How many calls are known."""
        return len(self._where)

    def values(self) -> Iterable[Conversation]:
        """All of them."""
        return self._open.values()

    def oldest_at(self) -> float | None:
        """When the first one is too old, in Unix seconds; `None` if there is none."""
        return self._open.oldest_at()

    def expired(self, at: float) -> list[Conversation]:
        """Those that are too old, which are there no more."""
        found = [each for _, each in self._open.expired(at)]
        for each in found:
            self._forget(each)
        return found

    def get(self, key: str) -> Conversation | None:
        """The conversation that a call or a conversation is, or is in; `None` if it is not known."""
        return self._open.get(self._where.get(key, key))

    def add(self, conversation: Conversation) -> list[Conversation]:
        """Remember one.

        Returns:
            Those that had to go for it.
        """
        dropped = self._open.put(conversation.key, conversation, conversation.since)
        self._where[conversation.key] = conversation.key
        gone = [] if dropped is None else [dropped]
        while len(self._where) > self._most_calls and len(self._open) > 1:
            oldest = next(iter(self._open))
            found = self._open.pop(oldest)
            assert found is not None  # noqa: S101 — it was there
            gone.append(found)
            self._forget(found)
        if dropped is not None:
            self._forget(dropped)
        return gone

    def see(self, conversation: Conversation, at: float) -> None:
        """Let there have been an event of one."""
        conversation.seen_at = max(conversation.seen_at, at)
        self._open.touch(conversation.key, conversation.seen_at)

    def remove(self, conversation: Conversation) -> None:
        """Forget one."""
        self._open.pop(conversation.key)
        self._forget(conversation)

    def put(self, conversation: Conversation, key: str, leg: Leg) -> bool:
        """Let a leg be of a conversation; whether there was room.

        Args:
            conversation: the conversation.
            key: what the leg's call is known by.
            leg: the leg.
        """
        if len(conversation.legs) >= MOST_LEGS:
            return False
        conversation.legs[leg.call_id] = leg
        self._where[key] = conversation.key
        self._note_caller(conversation, leg)
        return True

    def make_room(self, conversation: Conversation) -> str:
        """Forget the first leg of a full conversation that rang in vain, but one of each user.

        Args:
            conversation: the conversation.

        Returns:
            What its call was known by; `''` where there is room, or none can be forgotten.
        """
        legs = conversation.legs
        if len(legs) < MOST_LEGS:
            return ''
        count = Counter(leg.user_uuid for leg in legs.values() if leg.user_uuid)
        for leg in legs.values():
            if leg.is_callee and leg.is_over and not leg.is_up and count[leg.user_uuid] != 1:
                key = f'{conversation.origin} {leg.call_id}'
                del legs[leg.call_id]
                self._where.pop(key, None)
                return key
        return ''

    def expect(self, conversation: Conversation, key: str) -> None:
        """Let a call that is not known yet be of a conversation."""
        if key not in self._where and len(conversation.others) < MOST_LEGS:
            conversation.others.append(key)
            self._where[key] = conversation.key

    def likely(self, origin: str, tenant: str, leg: Leg) -> Conversation | None:
        """The conversation of a leg of which no event says so: of whom calls from the number that it is called from.

        Args:
            origin: the host.
            tenant: the tenant.
            leg: the leg, of somebody who is called.
        """
        key = self._callers.likely(origin, tenant, leg, self._open)
        return None if key is None else self._open.get(key)

    def join(self, one: Conversation, other: Conversation) -> Conversation:
        """Let two conversations be one: the one that began first."""
        if one is other:
            return one
        if (other.began_at, other.key) < (one.began_at, one.key):
            one, other = other, one
        self._open.pop(other.key)
        self._callers.remove(other)
        one.absorb(other)
        for key in self._keys(one):
            self._where[key] = one.key
        for leg in one.legs.values():
            self._note_caller(one, leg)
        return one

    def move(self, key: str, call_id: str, before: Conversation, after: Conversation) -> bool:
        """Let a leg be of another conversation; whether the one before is empty now, and gone."""
        if not self.put(after, key, before.legs[call_id]):
            return False
        del before.legs[call_id]
        if before.legs:
            return False
        self._open.pop(before.key)
        self._callers.remove(before)
        for each in self._keys(before):
            self._where[each] = after.key
        after.note(after.others, before.key)
        return True

    def hung_up(self, conversation: Conversation, leg: Leg) -> None:
        """Nobody is called from a leg any more."""
        if leg.is_caller:
            self._callers.forget(conversation, leg)

    def dump(self) -> list[tuple[float, dict[str, Any]]]:
        """What `load` makes the same of."""
        return [(at, conversation.dump()) for at, _, conversation in self._open.dump()]

    def load(self, said: Iterable[tuple[float, Mapping[str, Any]]]) -> None:
        """Know what `dump` gave."""
        for at, dumped in said:
            one = Conversation.load(dumped)
            dropped = self._open.put(one.key, one, float(at))
            if dropped is not None:
                self._forget(dropped)
            for key in self._keys(one):
                self._where[key] = one.key
            for leg in one.legs.values():
                self._note_caller(one, leg)

    def keys(self, conversation: Conversation) -> list[str]:
        """What a conversation and all its calls are known by."""
        return self._keys(conversation)

    def _note_caller(self, one: Conversation, leg: Leg) -> None:
        """Know a leg by the number that calls, while somebody can be called from there."""
        if leg.conversation_id or (leg.is_caller and leg.is_over):
            return
        if leg.is_caller or one.caller is None:
            self._callers.add(one, leg)

    def _keys(self, one: Conversation) -> list[str]:
        return [one.key, *one.others, *(f'{one.origin} {call_id}' for call_id in one.legs)]

    def _forget(self, one: Conversation) -> None:
        for key in self._keys(one):
            if self._where.get(key) == one.key:
                del self._where[key]
        self._callers.remove(one)
