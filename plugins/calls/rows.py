# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The rows: what is told of a conversation, as data that a person can read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..tracking import Derivation
from ..tracking.moment import iso, seconds_between
from .conversation import Conversation
from .leg import Leg
from .missed_callers import MissedCaller

_MOST_USERS = 50


def derivation(
    one: Conversation, name: str, data: dict[str, Any], users: Iterable[str | None] = (), *, key: str = ''
) -> Derivation:
    """A fact about a conversation.

    Args:
        one: the conversation.
        name: what it is called.
        data: what it says.
        users: whom it concerns.
        key: what it is known by beside the conversation.
    """
    concerned = tuple(dict.fromkeys(each for each in users if each))[:_MOST_USERS]
    known_by = f'{one.conversation_id} {key}' if key else one.conversation_id
    return Derivation(name, data, known_by, one.tenant or None, concerned, one.origin or None)


def caller_of(one: Conversation) -> dict[str, Any]:
    """Who called."""
    leg = one.caller
    name, number, user = (leg.name, leg.number, leg.user_uuid) if leg is not None else ('', '', '')
    if not number and one.missed_from:
        name, number, user = one.missed_from
    if not number:
        # What the telephones that ring are shown.
        seen = next((each for each in one.in_order if each.is_callee and each.peer_number), None)
        if seen is not None:
            name, number = seen.peer_name, seen.peer_number
    return {
        'caller_id_name': name or None,
        'caller_id_number': number or None,
        'caller_user_uuid': user or None,
    }


def people(legs: Iterable[Leg]) -> list[dict[str, Any]]:
    """The users whose legs these are, each once."""
    found: dict[str, dict[str, Any]] = {}
    for leg in legs:
        if leg.user_uuid and len(found) < _MOST_USERS:
            known = found.setdefault(leg.user_uuid, {'user_uuid': leg.user_uuid, 'name': None, 'number': None})
            known['name'] = known['name'] or leg.name or None
            known['number'] = known['number'] or leg.number or None
    return list(found.values())


def in_words(users: Iterable[dict[str, Any]]) -> str | None:
    """The names of users in one text; `None` for nobody."""
    return ', '.join(str(each['name'] or each['number'] or each['user_uuid']) for each in users) or None


def base_of(one: Conversation) -> dict[str, Any]:
    """What every row begins with."""
    caller = one.caller
    return {
        'conversation_id': one.conversation_id,
        'call_id': caller.call_id if caller is not None else next((leg.call_id for leg in one.in_order), None),
        'direction': one.direction or None,
        **caller_of(one),
        'dialed_extension': one.dialed or None,
    }


def answered_by(one: Conversation) -> dict[str, Any]:
    """Who answered."""
    leg = one.answerer
    user = leg.user_uuid if leg is not None else one.answered_user
    return {
        'answered_by_user_uuid': user or None,
        'answered_by_name': (leg.name or None) if leg is not None else None,
        'answered_by_number': (leg.number or None) if leg is not None else None,
    }


def ring_seconds(legs: Iterable[Leg], end_at: float | None) -> float | None:
    """For how long telephones rang; `None` where that is not known."""
    rang = list(legs)
    ends = [end for leg in rang if (end := _earliest(leg.ended_at, end_at)) is not None]
    if not ends:
        return None
    return seconds_between(min(leg.created_at for leg in rang), max(ends))


def times(one: Conversation, end_at: float | None) -> dict[str, Any]:
    """When it was, and how long its parts took, which are never longer than the whole.

    Args:
        one: the conversation.
        end_at: when it ended; `None` where that is not known, so that no time of talking is.
    """
    begin = one.began_at
    whole = seconds_between(begin, end_at)
    hold = seconds_between(0.0, one.hold_seconds) or 0.0
    ring: float | None
    talk: float | None = None
    if one.answered:
        ring = seconds_between(begin, one.answered_at)
    else:
        ring, talk = _wait_seconds(one, end_at), 0.0
    if whole is not None:
        ring = None if ring is None else min(ring, whole)
        hold = round(min(hold, whole - (ring or 0.0)), 1)
        if one.answered and ring is not None:
            talk = round(whole - ring - hold, 1)
    return {
        'ring_seconds': ring,
        'talk_seconds': talk,
        'hold_seconds': hold,
        'duration_seconds': whole,
        'start_time': iso(begin),
        'answer_time': None if one.answered_at is None else iso(one.answered_at),
        'end_time': None if end_at is None else iso(end_at),
    }


def returned_by(one: Conversation, missed: MissedCaller, caller: Leg) -> dict[str, Any]:
    """What is told when a missed caller was called back."""
    return {
        'conversation_id': one.conversation_id,
        'missed_conversation_id': missed.conversation_id,
        'caller_id_name': missed.name or None,
        'caller_id_number': missed.number,
        'caller_number_e164': missed.e164 or None,
        'caller_user_uuid': missed.user_uuid or None,
        'dialed_extension': missed.dialed or None,
        'missed_calls': missed.count,
        'missed_time': iso(missed.missed_at),
        'returned_time': None if one.answered_at is None else iso(one.answered_at),
        'returned_after_seconds': seconds_between(missed.missed_at, one.answered_at),
        'returned_by_user_uuid': caller.user_uuid or None,
        'returned_by_name': caller.name or None,
        'returned_by_number': caller.number or None,
    }


def _wait_seconds(one: Conversation, end_at: float | None) -> float | None:
    """How long a caller who was not answered waited: until the last telephone was silent."""
    callees = one.callees
    if callees:
        ends = [end for leg in callees if (end := _earliest(leg.ended_at, end_at)) is not None]
        return seconds_between(one.began_at, max(ends)) if ends else None
    caller = one.caller
    return seconds_between(one.began_at, caller.up_at if caller is not None and caller.is_up else end_at)


def _earliest(one: float | None, other: float | None) -> float | None:
    known = [each for each in (one, other) if each is not None]
    return min(known, default=None)
