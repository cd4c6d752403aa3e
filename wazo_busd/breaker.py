# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The breaker: lets a handler rest while what it needs is out, so that its events wait instead of dying one by one.

A handler that says `Stop` rests until it is begun anew.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections.abc import Callable
from enum import Enum
from typing import Final

import structlog

from wazo_busd.errors import ConditionError, HandlerTimeout, Retry, Stop, TemplateError
from wazo_busd.retry import asked_seconds
from wazo_busd.text import legible

_OUTAGES = (Retry, HandlerTimeout, TimeoutError, ConnectionError, socket.gaierror)
_BEFORE_ANYTHING = (ConditionError, TemplateError)
"""What is raised before anything is asked for, and so says nothing of what the handler needs."""
_OUTAGES_IN_A_ROW = 5
_FAILED_BEFORE_A_PROBE = 8
"""So many events that failed before are tried one after the other. They may fail whatever they meet, and come back
together: with one of them a pause, thousands of good ones would wait behind a few of them for hours."""
_FIRST_PAUSE_SECONDS = 1.0
_LAST_PAUSE_SECONDS = 60.0
_LONGEST_ASKED_SECONDS = 300.0
_REASON_LENGTH = 200
_NETWORK = frozenset(
    (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL, errno.ENOTCONN)
)

log = structlog.stdlib.get_logger(__name__)


class BreakerState(Enum):
    """Whether a handler gets events."""

    CLOSED = 'closed'
    OPEN = 'open'
    PROBING = 'probing'
    HALTED = 'halted'


_CLOSED: Final = BreakerState.CLOSED
"""To read a member of an enumeration takes as long as a call does."""


class Breaker:
    """Counts the outages of one handler, and says when it is to stop and when to try.

    Args:
        handler: the name of the handler.
        is_outage: whether an error means, beside those of the standard library, that something else is out.
        on_change: told the new state, and why it is so in words.
    """

    def __init__(
        self,
        handler: str,
        *,
        is_outage: Callable[[BaseException], bool],
        on_change: Callable[[BreakerState, str], None],
    ) -> None:
        self.state = BreakerState.CLOSED
        self._handler = handler
        self._is_outage = is_outage
        self._on_change = on_change
        self._in_a_row = 0
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._doubts = 0
        """How many events have failed in this probe that had failed before."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False

    def failed(self, error: BaseException, *, failed_before: bool = False) -> None:
        """A try ended with an error. Only an outage counts: an event that is at fault itself must reach its end.

        What says nothing changes nothing: while one event is tried, it is the next one that decides. So it is, a few
        times, after one that failed before.

        Args:
            error: what it raised.
            failed_before: whether it was not the first try of its event.
        """
        if self._is_stopped or self.state is BreakerState.HALTED:
            return
        if isinstance(error, Stop):
            self._halt(error)
            return
        if isinstance(error, _BEFORE_ANYTHING):
            return
        if not (_is_plain_outage(error) or self._is_outage(error)):
            self.worked()
            return
        self._in_a_row += 1
        if self.state is BreakerState.PROBING:
            self._doubts += failed_before
            if not failed_before or self._doubts >= _FAILED_BEFORE_A_PROBE:
                self._open(error)
        elif self.state is BreakerState.CLOSED and self._in_a_row >= _OUTAGES_IN_A_ROW:
            self._open(error)

    def worked(self) -> None:
        """A try reached what the handler needs."""
        if not self._in_a_row and self.state is _CLOSED:
            return
        self._in_a_row = 0
        if self.state in (BreakerState.CLOSED, BreakerState.HALTED) or self._is_stopped:
            return
        self._stop_timer()
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        log.info('breaker_closed', handler=self._handler, effect='it takes events again')
        self._become(BreakerState.CLOSED, '')

    @property
    def probe_in_seconds(self) -> float | None:
        """After how long one event is tried again; `None` unless it waits for that."""
        if self._timer is None or self.state is not BreakerState.OPEN:
            return None
        return max(0.0, self._timer.when() - asyncio.get_running_loop().time())

    def stop(self) -> None:
        """The handler ends: change nothing any more, probe no more."""
        self._is_stopped = True
        self._stop_timer()

    def _halt(self, error: Stop) -> None:
        reason = legible(str(getattr(error, 'reason', '')).partition('\n')[0])[:_REASON_LENGTH] or type(error).__name__
        log.error(
            'handler_stopped',
            handler=self._handler,
            reason=reason,
            effect='its events wait in its queue',
            hint='when the cause is mended: systemctl reload wazo-busd',
        )
        self._stop_timer()
        self._become(BreakerState.HALTED, f'stopped: {reason}; when that is mended: systemctl reload wazo-busd')

    def _open(self, error: BaseException) -> None:
        asked = min(asked_seconds(error), _LONGEST_ASKED_SECONDS)
        pause = max(self._pause_seconds * random.uniform(0.8, 1.0), asked)
        self._pause_seconds = min(self._pause_seconds * 2, _LAST_PAUSE_SECONDS)
        reason = f'{self._in_a_row} outages in a row, the last was {type(error).__name__}'
        report = log.warning if self.state is BreakerState.CLOSED else log.info
        report(
            'breaker_open',
            handler=self._handler,
            reason=reason,
            probe_in_seconds=round(pause, 1),
            effect='its events wait in its queue',
        )
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(pause, self._probe, reason)
        self._become(BreakerState.OPEN, f'{reason}; what it needs seems to be out, it is tried again and again')

    def _probe(self, reason: str) -> None:
        self._doubts = 0
        self._become(BreakerState.PROBING, f'{reason}; one event is tried')

    def _become(self, state: BreakerState, reason: str) -> None:
        self.state = state
        self._on_change(state, reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def never(error: BaseException) -> bool:
    """No error is an outage beside those of the standard library."""
    return False


def _is_plain_outage(error: BaseException) -> bool:
    return isinstance(error, _OUTAGES) or (isinstance(error, OSError) and error.errno in _NETWORK)
