# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The places of legs: in which conversation each is, whatever its events say of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wazo_busd.api import Event

from ..tracking import Alarms, Shelf
from .conversation import Conversation
from .conversations import Conversations
from .leg import Leg, id_in
from .progress import Progress
from .queue_joins import QueueJoins

_MOST_ORIGIN_LETTERS = 64


class Places:
    """Finds the conversation of an event, and begins and joins conversations for it.

    Args:
        known: the conversations that go on.
        done: the keys of those that are over.
        over: when those that go on are over.
        joins: who has entered a queue already.
        progress: takes what becomes of them.
    """

    def __init__(
        self,
        known: Conversations,
        done: Shelf[str, None],
        over: Alarms[str],
        joins: QueueJoins,
        progress: Progress,
    ) -> None:
        self._open = known
        self._done = done
        self._over = over
        self._joins = joins
        self._progress = progress

    def find(
        self, event: Event, data: Mapping[str, Any], origin: str, key: str, at: float
    ) -> tuple[Conversation, Leg, bool] | None:
        """The conversation and the leg of an event, and whether that is new; `None` where there is no room for it.

        Args:
            event: the event.
            data: what it says.
            origin: the host.
            key: what the leg's call is known by.
            at: when it happened.
        """
        said = id_in(data, 'conversation_id')
        one = self._open.get(key)
        leg = None if one is None else one.legs.get(key[len(origin) + 1 :])
        if one is not None and leg is not None:
            if said and said != leg.conversation_id:
                leg.conversation_id = said
                one = self.joined(one, f'{origin} {said}')
            return one, leg, False
        leg = Leg(key[len(origin) + 1 :], self._progress.began_at(event.name, data, at), conversation_id=said)
        leg.learn(data)
        leg.is_late = event.name == 'call_ended'
        if one is None:
            one = self._home(event, origin, key, leg, at)
        elif said:
            one = self.joined(one, f'{origin} {said}')
        if one is not None and (gone := self._open.make_room(one)):
            self._done.put(gone, None, at)
        if one is None or not self._open.put(one, key, leg):
            return None
        if queue := self._joins.take(key):
            self._progress.queue(one, queue, is_in=True, at=leg.created_at)
        leg.by_queue = one.in_queue and leg.is_callee
        return one, leg, True

    def _home(self, event: Event, origin: str, key: str, leg: Leg, at: float) -> Conversation | None:
        """The conversation of a leg that is new; `None` if that is over."""
        tenant = (event.tenant_uuid or '')[:_MOST_ORIGIN_LETTERS]
        if leg.conversation_id:
            place = f'{origin} {leg.conversation_id}'
            if place in self._done:
                return None
            return self._open.get(place) or self.begin(place, origin, tenant, leg.conversation_id, at)
        one = None
        if leg.is_callee or event.name != 'call_created':
            one = self._open.likely(origin, tenant, leg)
        if one is None:
            return self.begin(key, origin, tenant, leg.call_id, at)
        leg.is_guess = leg.is_callee
        return one

    def begin(self, key: str, origin: str, tenant: str, said: str, at: float) -> Conversation:
        """A conversation that is new.

        Args:
            key: what it is known by.
            origin: the host.
            tenant: the tenant.
            said: what the host knows it by.
            at: when its first event was.
        """
        one = Conversation(key, origin, tenant, said, at, at)
        for gone in self._open.add(one):
            self._over.cancel(gone.key)
            self._progress.forget(gone)
        return one

    def joined(self, one: Conversation, place: str) -> Conversation:
        """A conversation that has turned out to be the one at a place too."""
        other = self._open.get(place)
        if other is None:
            if place not in self._done:
                self._open.expect(one, place)
            return one
        if other is one:
            return one
        self._over.cancel(one.key)
        self._over.cancel(other.key)
        both = self._open.join(one, other)
        self._progress.arm(both)
        return both

    def linked(self, one: Conversation, key: str) -> Conversation:
        """A conversation that has turned out to be the one of a call too, of which perhaps that was guessed wrongly."""
        other = self._open.get(key)
        leg = None if other is None else other.legs.get(key[len(one.origin) + 1 :])
        if other is None or other is one or leg is None or not leg.is_guess or other.caller is None:
            return self.joined(one, key)
        leg.is_guess = False
        self._open.move(key, leg.call_id, other, one)
        self.arm(other)
        return one

    def by_talk(self, one: Conversation, key: str, leg: Leg, data: Mapping[str, Any]) -> Conversation:
        """The conversation of a leg by whom it talks to, where no event says which it is.

        Args:
            one: the conversation that it was taken to be of.
            key: what its call is known by.
            leg: the leg.
            data: what an event says of it.
        """
        talks = data.get('talking_to')
        peer = next(iter(talks)) if isinstance(talks, Mapping) and len(talks) == 1 else None
        other = self._open.get(f'{one.origin} {peer}') if type(peer) is str else None
        if other is None or other is one:
            return one
        their = other.legs.get(str(peer))
        if leg.is_guess and one.caller is not None:
            self._open.move(key, leg.call_id, one, other)
            leg.is_guess = False
            self.arm(one)
            return other
        if their is not None and their.is_guess and other.caller is not None:
            if self._open.move(f'{one.origin} {peer}', their.call_id, other, one):
                self._over.cancel(other.key)
            their.is_guess = False
            self.arm(other)
            return one
        # Those who came by themselves to a conference talk to each other too, and have not called each other.
        if not (one.callees or other.callees):
            return one
        return self.joined(one, other.key)

    def arm(self, one: Conversation) -> None:
        """Let it be concluded when nothing more is expected of it."""
        over_at = one.over_at
        if over_at is None:
            self._over.cancel(one.key)
        else:
            self._over.set(one.key, over_at)
