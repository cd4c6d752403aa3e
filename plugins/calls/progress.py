# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The progress of a conversation: what each event changes, and what is told while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..tracking import Alarms, Derivation
from ..tracking.moment import parsed
from .conversation import Conversation
from .conversations import Conversations
from .forms import Forms
from .leg import Leg, id_in, text_in
from .notices import Notices
from .options import CallsOptions

_LATE_SECONDS = 1.0
"""An event that is later than what it tells of is not the one that announced it."""
_SENT_ON_SECONDS = 0.5
"""Whose telephone began to ring at most so long before a caller left a queue, and goes on to, is no agent."""
_AGES_SECONDS = 7 * 86_400.0
_GROUP = 'grp-'
"""What the queues are called that Wazo makes of groups, whose telephones are those of users and not of agents."""


class Progress:
    """Takes events of legs whose conversation is known.

    Args:
        options: the options.
        notices: makes what is told.
        forms: remembers what forms can be about.
    """

    def __init__(self, options: CallsOptions, notices: Notices, forms: Forms) -> None:
        self._options = options
        self._notices = notices
        self._forms = forms
        self._holds: Alarms[str] = Alarms()

    def began_at(self, name: str, data: Mapping[str, Any], at: float) -> float:
        """When a leg came into being whose first event is this one."""
        if name == 'call_created':
            return at
        said = parsed(data.get('creation_time'))
        return said if said is not None and at - _AGES_SECONDS <= said <= at else at

    def take(self, one: Conversation, leg: Leg, name: str, data: Mapping[str, Any], at: float) -> list[Derivation]:
        """Take an event of a leg that is not over.

        Args:
            one: the conversation.
            leg: the leg.
            name: the name of the event.
            data: what it says.
            at: when it happened.
        """
        if not leg.is_known:
            leg.learn(data)
        found: list[Derivation] = []
        was_answered = one.answered
        self._rise(leg, name, data, at)
        if leg.is_up and not was_answered:
            self._note_answer(one, leg, data, at)
        if name == 'call_ended':
            self._end(one, leg, data, at)
        elif name == 'call_updated':
            self._note_hold(one, leg, data, at)
        if one.answered and not was_answered:
            found += self._notices.answered(one, at)
            if not leg.conversation_id:
                self._forms.answered(one, at)
        if one.answered and (leg.is_over or not was_answered):
            found += self.elsewhere(one)
        return found

    def elsewhere(self, one: Conversation, *, is_over: bool = False) -> list[Derivation]:
        """Tell the users whose telephones rang that somebody else has answered.

        Args:
            one: the conversation.
            is_over: whether no telephone rings any more, whatever was told of it.
        """
        return self._notices.elsewhere(one, is_over=is_over) if one.answered else []

    def hold(self, one: Conversation, leg: Leg, is_held: bool, at: float) -> None:
        """A leg's party has put the call on hold, or taken it back."""
        key = f'{one.origin} {leg.call_id}'
        if not is_held:
            if one.let_go(leg, at):
                self._holds.cancel(key)
        elif one.hold(leg, at):
            self._holds.set(key, at + self._options.long_hold)

    def next_hold_at(self) -> float | None:
        """When a hold becomes a long one, in Unix seconds; `None` if none does."""
        return self._holds.next()

    def holds_due(self, at: float, known: Conversations) -> list[Derivation]:
        """What is told of the holds that are long ones now."""
        found: list[Derivation] = []
        for key, _ in self._holds.due(at):
            one = known.get(key)
            leg = None if one is None else one.legs.get(key[len(one.origin) + 1 :])
            if one is not None and leg is not None and leg.held_at is not None and not leg.hold_told:
                leg.hold_told = True
                found.append(self._notices.long_hold(one, leg, leg.held_at))
        return found

    def arm(self, one: Conversation) -> None:
        """Wait for the holds of a conversation to be long ones."""
        for leg in one.legs.values():
            if leg.held_at is not None and not leg.hold_told:
                self._holds.set(f'{one.origin} {leg.call_id}', leg.held_at + self._options.long_hold)

    def forget(self, one: Conversation) -> None:
        """Wait for nothing of a conversation any more."""
        for leg in one.legs.values():
            if leg.held_at is not None:
                self._holds.cancel(f'{one.origin} {leg.call_id}')

    def queue(self, one: Conversation, name: str, *, is_in: bool, at: float) -> None:
        """The caller of a conversation has entered a queue, or left it."""
        if name.startswith(_GROUP) or self._is_told_late(one, name, is_in=is_in, at=at):
            return
        is_lost = not is_in and not one.in_queue and one.queue != name
        if is_in or not one.in_queue:
            one.joined_queue_at = at if is_in else None
        if one.queue != name:
            one.rejoined_queue_at = None
        one.queue, one.in_queue, one.left_queue_at = name, is_in, None if is_in else at
        one.likely_agents = []
        # The event of Asterisk and that of the call come by two services; the later one can be first.
        for leg in one.callees:
            if is_in:
                leg.by_queue = leg.by_queue or leg.created_at >= at - _LATE_SECONDS
            elif leg.created_at >= at - _SENT_ON_SECONDS and not leg.is_over:
                leg.by_queue = False
            elif is_lost and not leg.by_queue and leg.created_at < at:
                # That they entered it was not told: whose telephone rang before can be an agent.
                leg.by_queue = True
                one.likely_agents.append(leg.call_id)

    def missed(self, one: Conversation, data: Mapping[str, Any]) -> None:
        """The host says that a user has missed a call."""
        user = id_in(data, 'user_uuid')
        if user and one.note(one.told, f'missed {user}'):
            one.reasons[user] = text_in(data, 'reason')
        if not one.missed_from:
            said = [text_in(data, 'caller_id_name'), text_in(data, 'caller_id_number'), id_in(data, 'caller_user_uuid')]
            one.missed_from = said if any(said) else []
        one.missed_extension = one.missed_extension or text_in(data, 'dialed_extension')

    def _is_told_late(self, one: Conversation, name: str, *, is_in: bool, at: float) -> bool:
        """Whether an event of a queue is about what was before that which is known.

        What happens in one moment Asterisk's service tells in the opposite order, and anything can come once more.
        """
        if one.queue != name:
            return one.in_queue and self._is_beside(one, name, is_in=is_in, at=at)
        left_at, joined_at, rejoined_at = one.left_queue_at, one.joined_queue_at, one.rejoined_queue_at
        if one.in_queue and is_in:
            if joined_at is not None and at > joined_at:
                one.rejoined_queue_at = at
            return False
        one.rejoined_queue_at = None
        if one.in_queue:
            return rejoined_at is not None and at <= rejoined_at + _LATE_SECONDS
        if left_at is None or at <= left_at:
            return left_at is not None
        if not is_in or joined_at is not None or at > left_at + _LATE_SECONDS:
            return False
        # They were in it for no time, and nobody's telephone has rung for that.
        for call_id in one.likely_agents:
            if (leg := one.legs.get(call_id)) is not None:
                leg.by_queue = False
        return True

    def _is_beside(self, one: Conversation, name: str, *, is_in: bool, at: float) -> bool:
        """Whether an event of another queue than the one that the caller is in leaves them in that."""
        if is_in:
            # They were in the other one for no time.
            was_told, one.early_leave = one.early_leave, ''
            return was_told == name and at <= one.early_leave_at + _LATE_SECONDS
        # Who has entered a queue has left all others.
        one.early_leave, one.early_leave_at = name, at
        return True

    def _rise(self, leg: Leg, name: str, data: Mapping[str, Any], at: float) -> None:
        """A leg is answered from now on, if an event says so."""
        if leg.is_up or not (name == 'call_answered' or data.get('status') == 'Up' or data.get('answer_time')):
            return
        leg.is_up = True
        said = parsed(data.get('answer_time'))
        if said is not None and leg.created_at <= said < at - _LATE_SECONDS:
            leg.up_at = said
        else:
            # Who ends is not answered at that time; when they were, nobody knows any more.
            leg.up_at = None if name == 'call_ended' else at

    def _note_answer(self, one: Conversation, leg: Leg, data: Mapping[str, Any], at: float) -> None:
        """Whether a leg that is up makes the conversation an answered one: it was called, or talks to somebody."""
        if leg.is_callee:
            one.answered, one.answered_at, one.answered_call = True, leg.up_at, leg.call_id
            return
        talks = data.get('talking_to')
        if not isinstance(talks, Mapping) or not talks:
            return
        peers = [each for each in talks if each in one.legs]
        if not peers and len(talks) > 1:
            return
        peer = peers[0] if peers else next(iter(talks))
        if not peers and one.caller is not leg:
            # Of this leg it is not known whether it was called, and the other one is that of the caller.
            peer = leg.call_id
        other = one.legs.get(peer)
        if other is not None and other.is_caller and one.caller is other:
            other = leg
        if other is not None and not other.is_up:
            other.is_up, other.up_at = True, at
        one.answered, one.answered_at = True, at
        one.answered_call = other.call_id if other is not None else ''
        one.answered_user = id_in(talks, peer) if other is None else ''

    def _note_hold(self, one: Conversation, leg: Leg, data: Mapping[str, Any], at: float) -> None:
        """What a change says of a hold whose own events are lost. It can be older than those by a moment."""
        is_parked = data.get('parked') is True
        if is_parked is not leg.is_parked:
            self._park(one, leg, is_parked, at)
        if is_parked:
            return
        said = data.get('on_hold')
        if said is True and (leg.let_go_at is None or at > leg.let_go_at + _LATE_SECONDS):
            self.hold(one, leg, True, at)
        elif said is False and leg.held_at is not None and at > leg.held_at + _LATE_SECONDS:
            self.hold(one, leg, False, at)

    def _park(self, one: Conversation, leg: Leg, is_parked: bool, at: float) -> None:
        """A call is parked, which has no events of its own, or taken back. Nobody has it on hold who could be told."""
        leg.is_parked = is_parked
        self.hold(one, leg, False, at)
        if is_parked and one.hold(leg, at):
            leg.hold_told = True

    def _end(self, one: Conversation, leg: Leg, data: Mapping[str, Any], at: float) -> None:
        self.hold(one, leg, False, at)
        leg.is_over, leg.ended_at = True, max(at, leg.created_at)
        left_at = one.left_queue_at
        if leg.is_callee and left_at is not None and leg.created_at < left_at and at <= left_at + _SENT_ON_SECONDS:
            # Its telephone was silent when the caller was out of the queue: the queue had called it after all.
            leg.by_queue = True
        cause = data.get('reason_code')
        leg.cause = cause if type(cause) is int and 0 <= cause < 1_000 else 0
