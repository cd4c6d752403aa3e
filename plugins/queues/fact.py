# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fact of a wait: what is derived from the time of one caller in one queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..tracking import Derivation
from .line import Line
from .wait import Wait


def conclusion(wait: Wait, line: Line) -> Iterator[Derivation]:
    """What is told of a wait that is over, which counts then.

    Args:
        wait: the wait.
        line: the queue.
    """
    held = wait.hold_seconds
    # Asterisk counts the seconds that begin, which can be one more than have passed.
    if not wait.has_missed and held is not None and held >= line.limits.answer_within + 1:
        wait.has_missed = True
        line.sla_missed += 1
        yield sla_missed(wait, line)
    if wait.connected or wait.completed:
        line.answered += 1
        yield answered(wait)
    elif wait.abandoned:
        line.abandoned += 1
        yield abandoned(wait)
    else:
        line.leave()


def answered(wait: Wait) -> Derivation:
    """That an agent has answered.

    Args:
        wait: the wait, which is over.
    """
    agent_id, agent_number, agent_name = wait.agent
    more = {
        'agent_id': agent_id,
        'agent_number': agent_number,
        'agent_name': agent_name,
        'waited_seconds': wait.waited_seconds,
        'ring_seconds': wait.ring_seconds,
        'within_sla': not wait.has_missed,
        'ring_no_answers': wait.in_vain,
    }
    return _of(wait, 'busd.queue.answered', more)


def abandoned(wait: Wait) -> Derivation:
    """That the caller has given up.

    Args:
        wait: the wait, which is over.
    """
    more = {
        'waited_seconds': wait.waited_seconds,
        'position': wait.position,
        'original_position': wait.original_position,
        'agent_rung': wait.agent_rung,
        'ring_no_answers': wait.in_vain,
    }
    return _of(wait, 'busd.queue.abandoned', more)


def sla_missed(wait: Wait, line: Line) -> Derivation:
    """That the caller waits, or has waited, for too long.

    Args:
        wait: the wait.
        line: the queue.
    """
    within = line.limits.answer_within
    more = {
        'answer_within_seconds': within,
        'waited_seconds': within if wait.ended_at is None else wait.waited_seconds,
        'count': len(line.waiting),
    }
    return _of(wait, 'busd.queue.sla_missed', more)


def _of(wait: Wait, name: str, more: Mapping[str, Any]) -> Derivation:
    origin, queue, channel = wait.key
    data = {
        'queue': queue,
        'caller_id_name': wait.caller_id_name,
        'caller_id_number': wait.caller_id_number,
        'call_id': channel,
        'conversation_id': wait.conversation_id,
        **more,
    }
    return Derivation(name, data, f'{queue}/{channel}/{wait.number}', origin_uuid=origin or None)
