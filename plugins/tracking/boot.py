# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The boot: when Asterisk has started, as its FullyBooted says. Also who connects to one that runs is sent that."""

from __future__ import annotations

from wazo_busd.api import Event

from .said import data_of, text

_DIGITS = 9
_INEXACT_SECONDS = 2.0
"""The time since a start is told in whole seconds."""


def uptime_in(event: Event) -> float | None:
    """For how long Asterisk has been up, in seconds; `None` where its FullyBooted does not say.

    Args:
        event: the event.
    """
    said = text(data_of(event).get('Uptime'))
    return float(said) if said.isascii() and said.isdecimal() and len(said) <= _DIGITS else None


def started_at(event: Event, at: float) -> float | None:
    """What is of before belongs to an Asterisk that is gone, in Unix seconds; `None` where that is not known.

    Args:
        event: a FullyBooted.
        at: when it happened, in Unix seconds.
    """
    uptime = uptime_in(event)
    return None if uptime is None else at - uptime - _INEXACT_SECONDS
