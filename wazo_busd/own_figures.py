# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The daemon's own figures, read from what it counts anyway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wazo_busd import __version__
from wazo_busd.breaker import BreakerState
from wazo_busd.bus import BusStatus, ConsumerState
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.figure import Figure
from wazo_busd.settlement import Counts


def own_figures(status: BusStatus, dispatchers: dict[str, Dispatcher], broken: Iterable[str]) -> Iterator[Figure]:
    """What there is to measure of the daemon.

    Args:
        status: how the bus fares.
        dispatchers: those of the handlers that have started.
        broken: the handlers whose plugin cannot be loaded.
    """
    counts = {name: each.counts for name, each in dispatchers.items()}
    yield Figure('wazo_busd_info', 'Which version runs.', labels=('version',), values={(__version__,): 1})
    yield _gauge('wazo_busd_connected', 'Whether there is a connection to the broker.', {(): status.connected})
    consuming: dict[tuple[str, ...], float] = {(name,): False for name in broken}
    consuming.update({(name,): each.state is ConsumerState.CONSUMING for name, each in status.consumers.items()})
    yield _gauge(
        'wazo_busd_handler_consuming',
        'Whether events are taken out of the queue of a handler.',
        consuming,
        'handler',
    )
    yield _gauge(
        'wazo_busd_handler_resting',
        'Whether a handler rests because what it needs is out, or because it has stopped.',
        {(name,): each.breaker.state is not BreakerState.CLOSED for name, each in dispatchers.items()},
        'handler',
    )
    yield _gauge(
        'wazo_busd_handler_backlog_events',
        'How many events a handler has not finished: those that it has taken, and those that wait in its queue.',
        {(name,): each.backlog + _waiting(status, name) for name, each in dispatchers.items()},
        'handler',
    )
    yield _counter(
        'wazo_busd_deliveries_total',
        'How many events came out of the queue of a handler, those that came again included.',
        {(name,): each.received for name, each in counts.items()},
        'handler',
    )
    yield _counter(
        'wazo_busd_events_total',
        'Events, by what became of them.',
        {(name, outcome): number for name, each in counts.items() for outcome, number in _outcomes(each)},
        'handler',
        'outcome',
    )
    yield _counter(
        'wazo_busd_retries_in_place_total',
        'How many tries were made again without leaving the process.',
        {(name,): each.retried_in_place for name, each in counts.items()},
        'handler',
    )
    yield _counter(
        'wazo_busd_handler_seconds_total',
        'How long the code of a handler has run, all its calls together.',
        {(name,): each.seconds for name, each in counts.items()},
        'handler',
    )


def _outcomes(counts: Counts) -> Iterator[tuple[str, int]]:
    for outcome, number in counts.outcomes.items():
        yield outcome.value, number
    for name in ('unmatched', 'filtered', 'expired', 'throttled', 'gathered', 'repeats'):
        yield name, getattr(counts, name)


def _waiting(status: BusStatus, handler: str) -> int:
    """How many events wait in the queue of a handler, as far as that is known."""
    consumer = status.consumers.get(handler)
    return (consumer.waiting if consumer is not None else None) or 0


def _gauge(name: str, meaning: str, values: dict[tuple[str, ...], float], *labels: str) -> Figure:
    return Figure(name, meaning, 'gauge', labels, {key: float(value) for key, value in values.items()})


def _counter(name: str, meaning: str, values: dict[tuple[str, ...], float], *labels: str) -> Figure:
    return Figure(name, meaning, 'counter', labels, values)
