# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The cause: why nobody answered a call, in one word."""

from __future__ import annotations

from .conversation import Conversation
from .leg import Leg

COMPLETED = 'completed'
LOST = 'lost'

_NO_ANSWER = 'no-answer'
_CALLER_HUNG_UP = 'caller-hung-up'
_REJECTED = 'rejected'
_BUSY = 'busy'
_UNREACHABLE = 'unreachable'
_FIRST = (_NO_ANSWER, _CALLER_HUNG_UP, _REJECTED, _BUSY, _UNREACHABLE)
"""Of several telephones, what is told: one that rang in vain says more than one that was off."""

_SAID = (
    ('unreach', _UNREACHABLE),
    ('unavail', _UNREACHABLE),
    ('busy', _BUSY),
    ('reject', _REJECTED),
    ('declin', _REJECTED),
    ('cancel', _CALLER_HUNG_UP),
    ('hung', _CALLER_HUNG_UP),
    ('answer', _NO_ANSWER),
)
_CODES = {17: _BUSY, 18: _NO_ANSWER, 19: _NO_ANSWER, 21: _REJECTED}
_NORMAL = (0, 16, 26, 31, 127)
"""Hangup causes that do not say why."""

_TOGETHER_SECONDS = 1.0


def cause_of(conversation: Conversation, *, is_lost: bool = False) -> str:
    """Why nobody answered.

    Args:
        conversation: the conversation, which is over.
        is_lost: whether it is taken to be over though nobody said so.

    Returns:
        `completed` if it was answered; `abandoned` in a queue; `no-answer`, `caller-hung-up`, `rejected`, `busy` or
        `unreachable`; `service` if only the host itself answered; `lost` where the end of it is not known.
    """
    if conversation.answered:
        return LOST if is_lost else COMPLETED
    if conversation.is_abandoned:
        return 'abandoned'
    found = set(map(_of_said, conversation.reasons.values())) - {''}
    found = found or {_of_callee(conversation, leg) for leg in conversation.callees} - {''}
    if found:
        return next(each for each in _FIRST if each in found)
    if is_lost:
        return LOST
    caller = conversation.caller
    if caller is None:
        return _NO_ANSWER
    if caller.is_up:
        return 'service'
    return _of_code(caller.cause) or _CALLER_HUNG_UP


def _of_said(reason: str) -> str:
    """What a host says of a missed call."""
    said = reason.lower()
    return next((word for part, word in _SAID if part in said), '')


def _of_code(cause: int) -> str:
    """What a hangup cause of Asterisk says; `''` where it says nothing."""
    return '' if cause in _NORMAL else _CODES.get(cause, _UNREACHABLE)


def _of_callee(conversation: Conversation, leg: Leg) -> str:
    """What the end of a leg says that was called in vain; `''` where it has not ended."""
    caller = conversation.caller
    if leg.ended_at is None:
        return _CALLER_HUNG_UP if caller is not None and caller.is_over else ''
    if found := _of_code(leg.cause):
        return found
    if caller is None or caller.ended_at is None:
        return _NO_ANSWER
    # Without a cause, a caller who went first gave up. Hosts of 2019 name none, and end both legs at once as a rule.
    is_together = leg.cause != 0 and caller.ended_at <= leg.ended_at + _TOGETHER_SECONDS
    return _CALLER_HUNG_UP if is_together or caller.ended_at < leg.ended_at else _NO_ANSWER
