# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The moment: when an event happened, as well as that can be known."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from wazo_busd.api import Event

_AHEAD_SECONDS = 5.0
_BEHIND_SECONDS = 7 * 86_400.0


class _Minute:
    """The minute that was read last: most events are of the same one, and to ask for the zone costs most of reading."""

    __slots__ = ('_at', '_later', '_text', '_zone')

    def __init__(self) -> None:
        self._text = ''
        self._zone = time.tzname
        self._at = 0.0
        self._later = 0.0
        """The second time that clocks showed it, when they were put back; else the same."""

    def read(self, said: Any, most: float) -> float | None:
        """A time without a zone, as services send it; `None` for what is to be read in another way.

        Args:
            said: that, as an event says it.
            most: what it cannot be later than. Of two times that clocks showed alike, it is the last one before that.
        """
        if type(said) is not str or not 19 <= len(said) <= 26 or not said.isascii():
            return None
        minute, seconds = said[:17], said[17:]
        if not (
            seconds[:2].isdigit()
            and seconds < '60'
            and (len(seconds) == 2 or (seconds[2] == '.' and seconds[3:].isdigit()))
        ):
            return None
        if minute != self._text or self._zone is not time.tzname:
            try:
                shown = datetime.fromisoformat(f'{minute}00')
                self._at, self._later = shown.timestamp(), shown.replace(fold=1).timestamp()
            except (ValueError, OverflowError, OSError):
                return None
            self._text, self._zone = minute, time.tzname
        later = self._later + float(seconds)
        return later if later <= most else self._at + float(seconds)


_minute = _Minute()


def moment_of(event: Event) -> float:
    """When an event happened, in Unix seconds.

    That is what its publisher says, so that an event which has waited in a queue is not taken for a new one; when it
    came, if the publisher says nothing, as in 2019, or what cannot be. A publisher says its local time without a zone
    (Wazo fact), which is read in the zone of this host.

    Args:
        event: the event.
    """
    most = event.received_at + _AHEAD_SECONDS
    at = _minute.read(event.headers.get('timestamp'), most)
    if at is None:
        said = event.timestamp
        if said is None:
            return event.received_at
        at = said.timestamp()
    return at if event.received_at - _BEHIND_SECONDS <= at <= most else event.received_at


def iso(at: float) -> str:
    """A time as derived events say it: ISO 8601, in UTC, in whole milliseconds.

    Args:
        at: the time, in Unix seconds.
    """
    return datetime.fromtimestamp(at, UTC).isoformat(timespec='milliseconds')


def parsed(said: Any) -> float | None:
    """A time that an event says in its data, in Unix seconds; `None` for what is none.

    Args:
        said: ISO 8601 with or without a zone, or Unix seconds. Without a zone it is local time, as services send it
            (Wazo fact).
    """
    if isinstance(said, (int, float)) and not isinstance(said, bool):
        return float(said) if 0 < said < 1e11 else None
    if not isinstance(said, str) or not said:
        return None
    try:
        return datetime.fromisoformat(said).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def seconds_between(start: float | None, end: float | None) -> float | None:
    """How long it took, in seconds and their tenths, never less than none; `None` where one of both is not known."""
    if start is None or end is None:
        return None
    return round(max(0.0, end - start), 1)
