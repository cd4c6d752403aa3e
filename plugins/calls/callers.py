# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The callers: who calls from which number, for legs that do not say which conversation they are of."""

from __future__ import annotations

from collections.abc import Iterable

from ..tracking import Shelf
from .conversation import Conversation
from .leg import Leg

_MOST_OF_NUMBER = 16
_MOST_OF_HOST = 16
_TOGETHER_SECONDS = 10.0
_HOSTS = 1_000


class Callers:
    """Knows the legs of callers of hosts that name no conversations.

    Args:
        most: how many numbers are remembered.
    """

    def __init__(self, most: int) -> None:
        # By host, tenant and number, and by host and tenant: the conversations, the latest last.
        self._of_number: Shelf[tuple[str, ...], list[str]] = Shelf(most, 0.0)
        self._latest: Shelf[tuple[str, ...], list[str]] = Shelf(_HOSTS, 0.0)

    def add(self, conversation: Conversation, leg: Leg) -> None:
        """Remember the leg of a caller, or one that is called by somebody who is not known but by number."""
        place = (conversation.origin, conversation.tenant)
        if leg.is_caller:
            _append(self._latest, place, conversation.key, leg.created_at, _MOST_OF_HOST)
        if number := _caller_of(leg):
            _append(self._of_number, (*place, number), conversation.key, leg.created_at, _MOST_OF_NUMBER)

    def forget(self, conversation: Conversation, leg: Leg) -> None:
        """Forget such a leg."""
        place = (conversation.origin, conversation.tenant)
        _discard(self._latest, place, conversation.key)
        _discard(self._of_number, (*place, _caller_of(leg)), conversation.key)

    def remove(self, conversation: Conversation) -> None:
        """Forget all legs of a conversation."""
        for leg in conversation.legs.values():
            if not leg.conversation_id:
                self.forget(conversation, leg)

    def likely(self, origin: str, tenant: str, leg: Leg, known: Shelf[str, Conversation]) -> str | None:
        """The conversation of a leg: by the number that calls it, else, for one that is called, by time.

        Args:
            origin: the host.
            tenant: the tenant.
            leg: the leg.
            known: the conversations.
        """
        number = _caller_of(leg)
        if leg.is_caller:
            keys = self._of_number.get((origin, tenant, number)) or ()
            found = _in_order(one for key in keys if (one := known.get(key)) is not None and _is_called_by(one, number))
            return found[-1].key if found else None
        if not leg.is_callee:
            return None
        if number:
            keys = self._of_number.get((origin, tenant, number)) or ()
            found = _in_order(one for key in keys if (one := known.get(key)) is not None and _is_calling(one, number))
            same = [one for one in found if leg.dialed and one.dialed == leg.dialed]
            return next((one.key for one in reversed(same or found)), None)
        keys = self._latest.get((origin, tenant)) or ()
        waiting = _in_order(one for key in keys if (one := known.get(key)) is not None and not one.answered)
        found = [one for one in waiting if 0 <= leg.created_at - one.began_at <= _TOGETHER_SECONDS]
        if not found:
            return waiting[0].key if len(waiting) == 1 else None
        alone = [one for one in found if not one.callees]
        # Who calls first is rung for first. The others of a group ring when nobody waits alone any more.
        return alone[0].key if alone else found[-1].key


def _in_order(found: Iterable[Conversation]) -> list[Conversation]:
    return sorted(found, key=lambda one: (one.began_at, one.key))


def _caller_of(leg: Leg) -> str:
    """The number of whom calls, as a leg knows it."""
    return leg.number if leg.is_caller else leg.peer_number


def _is_calling(one: Conversation, number: str) -> bool:
    if _is_called_by(one, number):
        return True
    return any(each.is_caller and each.number == number and not each.is_over for each in one.legs.values())


def _is_called_by(one: Conversation, number: str) -> bool:
    """Whether of the caller of a conversation nothing is known but this number."""
    if not number or one.caller is not None:
        return False
    return any(each.is_callee and each.peer_number == number for each in one.legs.values())


def _append(shelf: Shelf[tuple[str, ...], list[str]], place: tuple[str, ...], key: str, at: float, most: int) -> None:
    keys = shelf.get(place) or []
    if key in keys:
        keys.remove(key)
    keys.append(key)
    del keys[:-most]
    shelf.put(place, keys, at)


def _discard(shelf: Shelf[tuple[str, ...], list[str]], place: tuple[str, ...], key: str) -> None:
    keys = shelf.get(place)
    if keys is not None and key in keys:
        keys.remove(key)
        if not keys:
            shelf.pop(place)
