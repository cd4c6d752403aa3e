# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The outcome: what became of one try of one handler at one event."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import Enum

from wazo_busd.errors import Discard

_TRACEBACK_TAIL = 4096


class Outcome(Enum):
    """What became of a try. The set is closed."""

    DONE = 'done'
    DISCARDED = 'discarded'
    DEAD = 'dead'
    INTERRUPTED = 'interrupted'

    @classmethod
    def of(cls, error: BaseException | None) -> Outcome:
        """The outcome of a call that ended with `error`, or with none.

        Args:
            error: what the handler raised; `None` if it returned.

        Returns:
            DONE, DISCARDED or DEAD. INTERRUPTED is never read from an error: only the one who cancels knows.
        """
        if error is None:
            return cls.DONE
        if isinstance(error, Discard):
            return cls.DISCARDED
        return cls.DEAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a handler gave up on an event; it travels beside the dead letter.

    Attributes:
        handler: the name of the handler.
        plugin: the name of its plugin.
        plugin_version: the version of the distribution the plugin came from, or of the drop-in file's content.
        error: the class of the error.
        text: what the error says.
        traceback: the last 4,096 characters of the traceback; `''` where no code of the plugin ran.
        attempts: how many tries there were.
        first_at: when the first try began, Unix seconds.
        last_at: when the last try ended, Unix seconds.
        event_id: the identity of the event.
    """

    handler: str
    plugin: str
    plugin_version: str
    error: str
    text: str
    traceback: str
    attempts: int
    first_at: float
    last_at: float
    event_id: str


def traceback_tail(error: BaseException) -> str:
    """The end of the traceback of `error`, at most 4,096 characters."""
    return ''.join(traceback.format_exception(error))[-_TRACEBACK_TAIL:]
