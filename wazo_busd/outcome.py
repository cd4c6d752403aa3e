# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The outcome: what became of one try of one handler at one event."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from traceback import TracebackException

from wazo_busd.errors import Discard, Permanent

_TRACEBACK_TAIL = 4096
_OURS = Path(__file__).parent
_COMPILED = f'{_OURS.name}/'
"""How the file of code of ours is called that was compiled."""


class Outcome(Enum):
    """What became of a try. The set is closed."""

    DONE = 'done'
    DISCARDED = 'discarded'
    RETRY = 'retry'
    DEAD = 'dead'
    INTERRUPTED = 'interrupted'

    # Enum's own is a function in Python that hashes the name; a member is only ever equal to itself.
    __hash__ = object.__hash__

    @classmethod
    def of(cls, error: BaseException | None) -> Outcome:
        """The outcome of a call that ended with `error`, or with none, as far as the error alone tells.

        Args:
            error: what the handler raised; `None` if it returned.

        Returns:
            DONE, DISCARDED, DEAD for what no further try can help, or RETRY, which the retry policy may make DEAD.
            INTERRUPTED is never read from an error: only the one who cancels knows.
        """
        if error is None:
            return cls.DONE
        if isinstance(error, Discard):
            return cls.DISCARDED
        return cls.DEAD if isinstance(error, Permanent) else cls.RETRY


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

    @classmethod
    def of(
        cls,
        error: BaseException,
        *,
        handler: str,
        plugin: str,
        plugin_version: str,
        attempts: int,
        first_at: float,
        event_id: str,
        has_run: bool,
    ) -> Reason:
        """The reason that `error` is, now.

        Args:
            error: what the last try raised, or why there was none.
            handler: see the attributes; so are the others.
            plugin: the same.
            plugin_version: the same.
            attempts: the same.
            first_at: the same.
            event_id: the same.
            has_run: whether code of the plugin ran, so that there is a traceback of it.
        """
        return cls(
            handler=handler,
            plugin=plugin,
            plugin_version=plugin_version,
            error=type(error).__name__,
            text=text_of(error),
            traceback=traceback_tail(error) if has_run else '',
            attempts=attempts,
            first_at=first_at,
            last_at=time.time(),
            event_id=event_id,
        )


def text_of(error: BaseException) -> str:
    """What an error says. It never raises, unlike an error that is itself broken."""
    return str(TracebackException.from_exception(error, limit=0))


def told(error: BaseException) -> str:
    """Class and text of an error, in one line."""
    return f'{type(error).__name__}: {" ".join(text_of(error).split())}'


def traceback_tail(error: BaseException) -> str:
    """The end of the traceback of `error`, at most 4,096 characters; it begins with the plugin's own code."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace or error.__traceback__)
    return ''.join(lines)[-_TRACEBACK_TAIL:]


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(_OURS) or file.startswith(_COMPILED)
