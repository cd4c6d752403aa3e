# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The endings: what is told of a conversation when it is over, and how many there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from wazo_busd.api import Figure

from ..tracking import Derivation
from ..tracking.moment import iso
from .cause import cause_of
from .conversation import Conversation
from .leg import Leg
from .missed_callers import MissedCaller
from .notices import Notices
from .options import CallsOptions
from .rows import answered_by, base_of, caller_of, derivation, in_words, people, ring_seconds, times

_UNKNOWN = 'unknown'
_DIRECTIONS = ('inbound', 'internal', 'outbound', _UNKNOWN)


class Endings:
    """Tells them, and counts.

    Args:
        options: the options.
        notices: knows the missed callers.
    """

    def __init__(self, options: CallsOptions, notices: Notices) -> None:
        self._options = options
        self._notices = notices
        self._missed: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()

    def conclude(self, one: Conversation, *, is_lost: bool) -> list[Derivation]:
        """What is told of a conversation that is over.

        Args:
            one: the conversation.
            is_lost: whether nobody said that it is over.
        """
        if not one.answered and not self._is_sure(one):
            return []
        found = []
        direction = one.direction or _UNKNOWN
        end_at = None if is_lost else one.last_end_at
        cause = cause_of(one, is_lost=is_lost)
        if one.answered:
            self._answered[direction] += 1
        elif self._is_missed(one):
            self._missed[direction] += 1
            found.append(self._of_missed(one, end_at, cause))
        if one.legs:
            found.append(self._of_record(one, end_at, cause))
        return found

    def figures(self, going_on: Iterable[Conversation]) -> list[Figure]:
        """How many conversations go on, and how many there were."""
        now = Counter(one.direction or _UNKNOWN for one in going_on if one.over_at is None or one.is_silent)
        return [
            Figure(
                'wazo_busd_calls_conversations',
                'How many conversations go on now.',
                labels=('direction',),
                values={(each,): now[each] for each in _DIRECTIONS},
            ),
            Figure(
                'wazo_busd_calls_answered_total',
                'How many conversations that are over were answered.',
                'counter',
                ('direction',),
                {(each,): self._answered[each] for each in _DIRECTIONS},
            ),
            Figure(
                'wazo_busd_calls_missed_total',
                'How many conversations that are over were missed by users.',
                'counter',
                ('direction',),
                {(each,): self._missed[each] for each in _DIRECTIONS},
            ),
        ]

    @property
    def missed(self) -> int:
        """How many conversations were missed."""
        return self._missed.total()

    def dump(self) -> dict[str, Any]:
        """What `load` makes the same of."""
        return {'missed': dict(self._missed), 'answered': dict(self._answered)}

    def load(self, said: Mapping[str, Any]) -> None:
        """Know what `dump` gave."""
        self._missed = Counter({each: int(said['missed'].get(each, 0)) for each in _DIRECTIONS})
        self._answered = Counter({each: int(said['answered'].get(each, 0)) for each in _DIRECTIONS})

    def _rung(self, one: Conversation) -> list[Leg]:
        """The legs of users whose telephones rang for the call, and neither for a queue nor for themselves."""
        counts_queues = self._options.queue_calls
        legs = (leg for leg in one.in_order if leg.is_callee and leg.user_uuid not in ('', _calling_user(one)))
        return [leg for leg in legs if counts_queues or not leg.by_queue]

    def _is_sure(self, one: Conversation) -> bool:
        """Whether a conversation that nobody is known to have answered is known so well that this can be told.

        What was seen by its end alone can have been answered before. Where neither the conversation nor the number of a
        caller is known, whom the telephones rang for can have been answered by others.
        """
        if one.is_seen_by_its_end:
            return False
        is_named = any(leg.conversation_id or leg.peer_number for leg in one.legs.values())
        return bool(one.reasons) or one.caller is not None or is_named

    def _is_missed(self, one: Conversation) -> bool:
        """Whether a call that nobody answered was for users."""
        return one.direction != 'outbound' and bool(_reported(one) or self._rung(one))

    def _of_missed(self, one: Conversation, end_at: float | None, cause: str) -> Derivation:
        rung = self._rung(one)
        users = people(rung)
        known = {each['user_uuid'] for each in users}
        users += [{'user_uuid': each, 'name': None, 'number': None} for each in _reported(one) if each not in known]
        caller = caller_of(one)
        number = caller['caller_id_number'] or ''
        e164 = self._notices.missed.e164(number)
        ended = end_at if end_at is not None else one.seen_at
        base = base_of(one)
        data = {
            **base,
            'caller_number_e164': e164 or None,
            'users': users,
            'called': in_words(users),
            'ring_seconds': ring_seconds(rung, end_at),
            'reason': cause,
            'queue': one.queue or None,
            'start_time': iso(one.began_at),
            'end_time': None if end_at is None else iso(end_at),
        }
        concerned = [each['user_uuid'] for each in users]
        if number:
            missed = MissedCaller(
                number,
                e164,
                caller['caller_id_name'] or '',
                ended,
                1,
                one.conversation_id,
                one.dialed,
                concerned,
                caller['caller_user_uuid'] or '',
            )
            self._notices.missed.add(one, missed)
        return derivation(one, 'busd.call.missed', data, concerned)

    def _of_record(self, one: Conversation, end_at: float | None, cause: str) -> Derivation:
        users = people(leg for leg in one.in_order if leg.is_callee)
        data = {
            **base_of(one),
            'users': users,
            'called': in_words(users),
            'answered': one.answered,
            **answered_by(one),
            'reason': cause,
            'queue': one.queue or None,
            'legs': len(one.legs),
            'holds': one.holds,
            'relocations': len(one.relocations),
            'transfers': len(one.transfers),
            **times(one, end_at),
        }
        concerned = [leg.user_uuid for leg in one.in_order]
        return derivation(one, 'busd.call.record', data, concerned)


def _calling_user(one: Conversation) -> str:
    """The user who called; `''` where none did. Nobody misses a call of their own."""
    return caller_of(one)['caller_user_uuid'] or ''


def _reported(one: Conversation) -> list[str]:
    """The users who missed it, as the host says."""
    return [each for each in one.reasons if each != _calling_user(one)]
