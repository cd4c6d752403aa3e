# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The notices: what is told of a conversation before it is over."""

from __future__ import annotations

from functools import lru_cache

from wazo_busd.api import is_emergency

from ..tracking import Derivation
from ..tracking.moment import iso, seconds_between
from .conversation import Conversation
from .leg import Leg
from .missed_callers import MissedCaller, MissedCallers
from .options import CallsOptions
from .rows import answered_by, base_of, caller_of, derivation, returned_by, ring_seconds

_BEFORE_SECONDS = 1.0
"""A telephone that begins to ring later than this before somebody answers was not for the same call to be answered."""


class Notices:
    """Makes them.

    Args:
        options: the options.
        region: the country that numbers without a prefix are of.
    """

    def __init__(self, options: CallsOptions, region: str | None) -> None:
        self._options = options
        self._region = region
        self._more_numbers = frozenset(options.emergency_numbers)
        self.missed = MissedCallers(options.most, options.returned_within, region)

    def emergency(self, one: Conversation, leg: Leg, at: float) -> list[Derivation]:
        """What is told when somebody calls for help, once."""
        dialed = leg.dialed or (leg.peer_number if leg.is_caller else '')
        if not dialed and leg.is_callee and not leg.user_uuid:
            # The number of a line to outside is what was dialed; that of a user is their own.
            dialed = leg.number
        if not dialed or len(dialed) > 40 or not self._is_emergency(dialed):
            return []
        if one.direction == 'inbound' or not one.note(one.told, 'emergency'):
            return []
        caller = caller_of(one)
        where = self._options.locations
        known = (caller['caller_user_uuid'], caller['caller_id_number'], dialed)
        data = {
            'conversation_id': one.conversation_id,
            'call_id': leg.call_id,
            **caller,
            'dialed_extension': dialed,
            'location': next((where[each] for each in known if each in where), None),
            'time': iso(at),
        }
        return [derivation(one, 'busd.call.emergency', data, [caller['caller_user_uuid']])]

    def answered(self, one: Conversation, at: float) -> list[Derivation]:
        """What is told when somebody has answered: that a missed caller was called back."""
        caller, answerer = one.caller, one.answerer
        if caller is None:
            return []
        now = at if one.answered_at is None else one.answered_at
        direction = one.direction
        if direction != 'outbound':
            self._forget_missed(one, caller, now)
        if direction == 'inbound' or not caller.user_uuid:
            return []
        numbers = dict.fromkeys((one.dialed, answerer.number if answerer is not None else ''))
        missed = next((found for each in numbers if (found := self.missed.find(one, each, now)) is not None), None)
        # Colleagues call each other all day: only who was called in vain returns the call of one of them.
        if missed is None or (missed.user_uuid and caller.user_uuid not in missed.users):
            return []
        self.missed.remove(one, missed)
        users = [caller.user_uuid, *missed.users]
        return [derivation(one, 'busd.call.returned', returned_by(one, missed, caller), users)]

    def elsewhere(self, one: Conversation, *, is_over: bool) -> list[Derivation]:
        """What is told to users whose telephones rang in vain when somebody else answered, once a user."""
        answerer = one.answerer
        rang: dict[str, list[Leg]] = {}
        for leg in one.in_order:
            if leg.is_callee and leg.user_uuid and not leg.is_up and leg is not answerer and self._counts(leg):
                rang.setdefault(leg.user_uuid, []).append(leg)
        found = []
        for user, legs in rang.items():
            silent = all(leg.is_over for leg in legs) or is_over
            if silent and _in_time(one, legs) and one.note(one.told, f'elsewhere {user}'):
                found.append(self._elsewhere(one, user, legs))
        return found

    def long_hold(self, one: Conversation, leg: Leg, held_at: float) -> Derivation:
        """What is told of a hold that has become a long one."""
        data = {
            **base_of(one),
            'call_id': leg.call_id,
            'user_uuid': leg.user_uuid or None,
            'name': leg.name or None,
            'number': leg.number or None,
            'hold_time': iso(held_at),
            'hold_seconds': self._options.long_hold,
        }
        return derivation(one, 'busd.call.long_hold', data, [leg.user_uuid], key=f'{leg.call_id} {iso(held_at)}')

    def _counts(self, leg: Leg) -> bool:
        return self._options.queue_calls or not leg.by_queue

    def _elsewhere(self, one: Conversation, user: str, legs: list[Leg]) -> Derivation:
        by = answered_by(one)
        data = {
            **base_of(one),
            'call_id': legs[0].call_id,
            'user_uuid': user,
            'name': legs[0].name or None,
            'number': legs[0].number or None,
            **by,
            'other_device': by['answered_by_user_uuid'] == user,
            'ring_seconds': ring_seconds(legs, one.answered_at),
            'answer_time': None if one.answered_at is None else iso(one.answered_at),
        }
        return derivation(one, 'busd.call.answered_elsewhere', data, [user], key=user)

    def _forget_missed(self, one: Conversation, caller: Leg, now: float) -> None:
        """Who called in vain and has reached somebody need not be called back."""
        missed: MissedCaller | None = self.missed.find(one, caller.number, now)
        if missed is None:
            return
        answerer = one.answerer
        user = answerer.user_uuid if answerer is not None else one.answered_user
        # Who is no user calls from outside, though the host can call that internal still.
        if one.direction == 'inbound' or not caller.user_uuid or user in missed.users:
            self.missed.remove(one, missed)

    def _is_emergency(self, dialed: str) -> bool:
        return dialed in self._more_numbers or _is_emergency(dialed, self._region)


def _in_time(one: Conversation, legs: list[Leg]) -> bool:
    """Whether telephones rang before somebody answered, and not for a transfer afterwards."""
    answered_at = one.answered_at
    began = min(leg.created_at for leg in legs)
    return answered_at is None or (seconds_between(answered_at, began) or 0.0) <= _BEFORE_SECONDS


@lru_cache(maxsize=4096)
def _is_emergency(number: str, region: str | None) -> bool:
    return is_emergency(number, region)
