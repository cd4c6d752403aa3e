# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The status: how the daemon and each of its handlers fare. It says nothing of what events say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from wazo_busd import __version__
from wazo_busd.breaker import BreakerState
from wazo_busd.bus import BusStatus, ConsumerState, ConsumerStatus
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.handler import Handler
from wazo_busd.outcome import Outcome
from wazo_busd.rates import Rates
from wazo_busd.settlement import BOUNDS_SECONDS, Counts

_MOST = 0.95


class State(Enum):
    """How a handler fares, in one word."""

    CONSUMING = 'consuming'
    RESTING = 'resting'
    PAUSED = 'paused'
    STOPPED = 'stopped'
    STARTING = 'starting'
    WAITING = 'waiting'
    REFUSED = 'refused'
    BROKEN = 'broken'


_WELL = (State.CONSUMING, State.RESTING)
"""Nothing is to be done: one that rests goes on by itself when what it needs is back."""

_QUOTED = (State.STOPPED, State.STARTING, State.BROKEN)
"""Why it is so is said in the plugin's own words."""

_ENDING = 'it ends, to be begun anew'
_ELSEWHERE = 'wazo-busd status says why, on the host'


class Posted(Protocol):
    """What is to be known of a handler at its work."""

    handler: Handler
    dispatcher: Dispatcher | None
    hindrance: str
    is_paused: bool
    is_ending: bool


@dataclass(frozen=True, slots=True)
class HandlerStatus:
    """How one handler fares.

    Attributes:
        name: its name.
        plugin: the name of its plugin.
        state: in one word.
        why: what keeps it from consuming, and the cure; `''` where nothing does.
        breaker: whether its breaker lets it have events.
        probe_in_seconds: after how long one event is tried again while it rests; `None` unless it waits for that.
        in_hand: how many events it has taken and not finished.
        waiting: how many wait in its queue beside those, at most a second ago; `None` where that is not known.
        rate_per_second: how many events have come a second in the last minute; `None` until that is known.
        counts: what it has done.
    """

    name: str
    plugin: str
    state: State
    why: str = ''
    breaker: BreakerState = BreakerState.CLOSED
    probe_in_seconds: float | None = None
    in_hand: int = 0
    waiting: int | None = 0
    rate_per_second: float | None = None
    counts: Counts = field(default_factory=Counts)

    @property
    def is_well(self) -> bool:
        """Whether it consumes, or goes on to by itself."""
        return self.state in _WELL

    @property
    def backlog(self) -> int | None:
        """How many events are there for it that it has not finished; `None` where that is not known."""
        return None if self.waiting is None else self.waiting + self.in_hand

    def plain(self, *, in_full: bool) -> dict[str, Any]:
        """It in plain types.

        Args:
            in_full: with what the plugin says in its own words.
        """
        counts, tries = self.counts, sum(self.counts.durations)
        return {
            'handler': self.name,
            'plugin': self.plugin,
            'state': self.state.value,
            'why': self.why if in_full or self.state not in _QUOTED else _ELSEWHERE,
            'breaker': self.breaker.value,
            'probe_in_seconds': _rounded(self.probe_in_seconds, 1),
            'backlog': self.backlog,
            'in_hand': self.in_hand,
            'rate_per_second': _rounded(self.rate_per_second, 3),
            'received': counts.received,
            'unmatched': counts.unmatched,
            'outcomes': {outcome.value: number for outcome, number in counts.outcomes.items()},
            'retries': counts.outcomes[Outcome.RETRY] + counts.retried_in_place,
            'dead': counts.outcomes[Outcome.DEAD],
            'mean_seconds': round(counts.seconds / tries, 6) if tries else None,
            'p95_seconds': at_most(counts.durations),
            'last_error': counts.last_error,
        }


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """How the daemon fares.

    Attributes:
        since: when it started, Unix seconds.
        connected: whether there is a connection to the broker.
        summary: connected to what, or what is waited for.
        handlers: the enabled handlers, by name.
        is_stopping: whether it has been told to stop.
        cannot_publish: why nothing can be published although it is connected, and the cure; `''` where it can.
    """

    since: float
    connected: bool
    summary: str
    handlers: tuple[HandlerStatus, ...]
    is_stopping: bool = False
    cannot_publish: str = ''

    def reasons(self, *, in_full: bool) -> list[str]:
        """Why it is not ready; none if it is.

        Args:
            in_full: with what plugins say in their own words.
        """
        if self.is_stopping:
            return ['the daemon stops']
        faults = [each for each in self.handlers if not each.is_well]
        found = []
        if not self.connected:
            found = [f'not connected: {self.summary}']
            # Those that only wait for that need not be named.
            faults = [each for each in faults if each.state is not State.WAITING]
        for each in faults:
            why = each.plain(in_full=in_full)['why']
            found.append(f'{each.name} is {each.state.value}{f": {why}" if why else ""}')
        return found

    def plain(self, *, in_full: bool) -> dict[str, Any]:
        """It in plain types.

        Args:
            in_full: with what plugins say in their own words.
        """
        reasons = self.reasons(in_full=in_full)
        return {
            'version': __version__,
            'since': round(self.since, 3),
            'connected': self.connected,
            'summary': self.summary,
            'cannot_publish': self.cannot_publish,
            'ready': not reasons,
            'reasons': reasons,
            'handlers': [each.plain(in_full=in_full) for each in self.handlers],
        }

    def line(self) -> str:
        """It in one line, as the service manager shows it."""
        consuming = sum(each.state is State.CONSUMING for each in self.handlers)
        parts = [self.summary, f'{consuming} of {len(self.handlers)} handlers consume']
        return '; '.join([*parts, *(f'{each.name}: {each.why}' for each in self.handlers if each.why)])


def at_most(durations: list[int]) -> float | None:
    """The bound that 95 of a hundred durations do not pass; `None` if there are none, or it is beyond all bounds.

    Args:
        durations: how many there are between each two bounds.
    """
    wanted, so_far = _MOST * sum(durations), 0
    for bound, number in zip(BOUNDS_SECONDS, durations, strict=False):
        so_far += number
        if number and so_far >= wanted:
            return bound
    return None


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def handlers_of(
    bus: BusStatus, posts: Mapping[str, Posted], broken: Mapping[str, tuple[str, str]], rates: Rates
) -> tuple[HandlerStatus, ...]:
    """How the handlers fare, in the order of their names.

    Args:
        bus: how the bus fares.
        posts: the handlers at their work, by name.
        broken: of each handler whose plugin cannot be imported the name of that, and why.
        rates: how many events come for them.
    """
    found = [HandlerStatus(name, plugin, State.BROKEN, why, waiting=None) for name, (plugin, why) in broken.items()]
    waiting = ConsumerStatus(ConsumerState.WAITING)
    found += [_of(name, post, bus.consumers.get(name, waiting), rates.of(name)) for name, post in posts.items()]
    return tuple(sorted(found, key=lambda each: each.name))


def _of(name: str, post: Posted, consumer: ConsumerStatus, rate_per_second: float | None) -> HandlerStatus:
    plugin, dispatcher = post.handler.plugin.name, post.dispatcher
    if dispatcher is None:
        state, why = State.PAUSED if post.is_paused else State.STARTING, post.hindrance or consumer.detail
        if consumer.state is ConsumerState.REFUSED:
            state, why = State.REFUSED, consumer.detail
        return HandlerStatus(name, plugin, state, why, waiting=consumer.waiting)
    breaker = dispatcher.breaker
    state = _state(consumer.state, breaker.state, is_paused=post.is_paused)
    return HandlerStatus(
        name,
        plugin,
        State.WAITING if post.is_ending else state,
        _ENDING if post.is_ending else consumer.detail,
        breaker.state,
        breaker.probe_in_seconds,
        in_hand=dispatcher.backlog,
        waiting=consumer.waiting,
        rate_per_second=rate_per_second,
        counts=dispatcher.counts,
    )


def _state(consumer: ConsumerState, breaker: BreakerState, *, is_paused: bool) -> State:
    if consumer is ConsumerState.REFUSED:
        return State.REFUSED
    if breaker is BreakerState.HALTED:
        return State.STOPPED
    if is_paused:
        return State.PAUSED
    if consumer in (ConsumerState.CONSUMING, ConsumerState.PAUSED) and breaker is not BreakerState.CLOSED:
        return State.RESTING
    return State.CONSUMING if consumer is ConsumerState.CONSUMING else State.WAITING
