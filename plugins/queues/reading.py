# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Reading what Asterisk and Wazo say: values of the right type and of a size that can be kept, or none."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

TOGETHER_SECONDS = 2.0
"""So long after the first event of a batch the others have come, in whichever order wazo-amid sent them (Wazo fact)."""

_LETTERS = 200
_MOST = 604_800
_WEEK_SECONDS = 604_800.0
_CALLBACK = re.compile(r'Local/id-([0-9]{1,9})@agentcallback')
_AGENT = 'Agent/'


def text(value: Any) -> str | None:
    """A text, its first 200 characters; `None` for what is none, is empty, or is how Asterisk says that it has none."""
    if not isinstance(value, str) or not value or value == '<unknown>':
        return None
    return value if len(value) <= _LETTERS else value[:_LETTERS]


def number(value: Any, most: int = _MOST) -> int | None:
    """A whole number that is not negative, as Asterisk writes it; `None` for anything else."""
    if isinstance(value, str):
        if not (len(value) <= 12 and value.isascii() and value.isdecimal()):
            return None
        value = int(value)
    return value if type(value) is int and 0 <= value <= most else None


def second(value: Any, before: float) -> float | None:
    """A time in Unix seconds, as Asterisk writes it; `None` for what is none, or not within the week before a time.

    Args:
        value: what Asterisk says.
        before: that time, in Unix seconds.
    """
    found = number(value, 10**11)
    if found is None or not before - _WEEK_SECONDS <= found <= before + TOGETHER_SECONDS:
        return None
    return min(float(found), before)


@lru_cache(maxsize=4096)
def ident_of(interface: str) -> int | str:
    """What a member of queues is known by: Wazo's number of the agent, else the interface.

    Args:
        interface: what a queue calls.
    """
    found = _CALLBACK.match(interface)
    return int(found[1]) if found else interface


@lru_cache(maxsize=4096)
def agent_number_of(member_name: str) -> str | None:
    """The number that an agent logs in with; `None` for members that are no agents.

    Args:
        member_name: what Asterisk calls the member.
    """
    return member_name[len(_AGENT) :] or None if member_name.startswith(_AGENT) else None
