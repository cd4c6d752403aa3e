# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The status: in one word, with the reason, and whether the daemon is ready."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.controlled import daemon_status, handler_status
from tests.unit.rig import Rig, make_handler, started
from wazo_busd.api import Event, handler
from wazo_busd.breaker import BreakerState
from wazo_busd.bus import NOT_STARTED, BusStatus, ConsumerState, ConsumerStatus
from wazo_busd.dispatcher import Dispatcher
from wazo_busd.handler import Handler
from wazo_busd.rates import Rates
from wazo_busd.settlement import BOUNDS_SECONDS
from wazo_busd.status import HandlerStatus, State, at_most, handlers_of


@handler
async def bell(event: Event) -> None:
    if event.data == 'fails':
        raise ValueError('a secret')


@dataclass
class Place:
    """A handler at its work."""

    handler: Handler
    dispatcher: Dispatcher | None = None
    hindrance: str = ''
    is_paused: bool = False
    is_ending: bool = False


async def found(
    consumer: ConsumerState,
    breaker: BreakerState = BreakerState.CLOSED,
    *,
    detail: str = '',
    is_paused: bool = False,
    waiting: int | None = None,
    rates: Rates = Rates(),  # noqa: B008 — nobody has looked
) -> HandlerStatus:
    """How a handler fares that has started."""
    rig = Rig(await started(bell))
    rig.dispatcher.breaker.state = breaker
    place = Place(rig.dispatcher.handler, rig.dispatcher, is_paused=is_paused)
    bus = BusStatus(True, 'connected', {'test': ConsumerStatus(consumer, detail, waiting)})
    (status,) = handlers_of(bus, {'test': place}, {}, rates)
    return status


@pytest.mark.parametrize(
    ('consumer', 'breaker', 'is_paused', 'state'),
    [
        (ConsumerState.CONSUMING, BreakerState.CLOSED, False, State.CONSUMING),
        (ConsumerState.PAUSED, BreakerState.OPEN, False, State.RESTING),
        (ConsumerState.CONSUMING, BreakerState.OPEN, False, State.RESTING),
        (ConsumerState.CONSUMING, BreakerState.PROBING, False, State.RESTING),
        (ConsumerState.PAUSED, BreakerState.HALTED, False, State.STOPPED),
        (ConsumerState.PAUSED, BreakerState.HALTED, True, State.STOPPED),
        (ConsumerState.PAUSED, BreakerState.CLOSED, True, State.PAUSED),
        (ConsumerState.CONSUMING, BreakerState.CLOSED, True, State.PAUSED),
        (ConsumerState.WAITING, BreakerState.CLOSED, False, State.WAITING),
        (ConsumerState.WAITING, BreakerState.OPEN, False, State.WAITING),
        (ConsumerState.CANCELLED, BreakerState.CLOSED, False, State.WAITING),
        (ConsumerState.REFUSED, BreakerState.CLOSED, False, State.REFUSED),
        (ConsumerState.REFUSED, BreakerState.OPEN, True, State.REFUSED),
    ],
)
async def test_a_handler_that_has_started_is(
    consumer: ConsumerState, breaker: BreakerState, is_paused: bool, state: State
) -> None:
    assert (await found(consumer, breaker, is_paused=is_paused)).state is state


async def test_a_handler_whose_queue_is_refused_says_why() -> None:
    assert (await found(ConsumerState.REFUSED, detail='no; do this')).why == 'no; do this'


@pytest.mark.parametrize(
    ('consumer', 'is_paused', 'state', 'why'),
    [
        (ConsumerStatus(ConsumerState.WAITING, NOT_STARTED), False, State.STARTING, 'OSError: no'),
        (ConsumerStatus(ConsumerState.WAITING, NOT_STARTED), True, State.PAUSED, 'OSError: no'),
        (ConsumerStatus(ConsumerState.REFUSED, 'refused'), False, State.REFUSED, 'refused'),
    ],
)
def test_a_handler_whose_plugin_has_not_started_is(
    consumer: ConsumerStatus, is_paused: bool, state: State, why: str
) -> None:
    place = Place(make_handler(bell), hindrance='OSError: no', is_paused=is_paused)
    (status,) = handlers_of(BusStatus(True, '', {'test': consumer}), {'test': place}, {}, Rates())

    assert (status.state, status.why) == (state, why)


async def test_a_handler_that_ends_consumes_nothing_any_more() -> None:
    rig = Rig(await started(bell))
    bus = BusStatus(True, '', {'test': ConsumerStatus(ConsumerState.CONSUMING)})
    place = Place(rig.dispatcher.handler, rig.dispatcher, is_ending=True)
    (status,) = handlers_of(bus, {'test': place}, {}, Rates())

    assert (status.state, status.why) == (State.WAITING, 'it ends, to be begun anew')


def test_a_handler_whose_plugin_is_broken_is_there_too() -> None:
    (status,) = handlers_of(BusStatus(True, '', {}), {}, {'drum': ('drums', 'SyntaxError')}, Rates())

    assert (status.name, status.plugin, status.state, status.why) == ('drum', 'drums', State.BROKEN, 'SyntaxError')


async def test_what_waits_in_its_queue_and_what_it_has_in_hand_are_its_backlog() -> None:
    assert [(await found(ConsumerState.CONSUMING, waiting=each)).backlog for each in (7, 0, None)] == [7, 0, None]
    assert handler_status(in_hand=3, waiting=4).plain(in_full=True)['backlog'] == 7


async def test_its_rate_is_told_when_it_is_known() -> None:
    rates = Rates()
    before = (await found(ConsumerState.CONSUMING, rates=rates)).plain(in_full=True)
    rates.see({'test': 0}, 0.0)
    rates.see({'test': 25}, 10.0)
    after = (await found(ConsumerState.CONSUMING, rates=rates)).plain(in_full=True)

    assert (before['rate_per_second'], after['rate_per_second']) == (None, 2.5)


async def test_what_it_has_done_is_told() -> None:
    rig = Rig(await started(bell, retry={'attempts': 1}))
    for data in ('works', 'works', 'fails'):
        rig.give(data)
    await rig.all_settled()
    bus = BusStatus(True, '', {'test': ConsumerStatus(ConsumerState.CONSUMING)})
    (status,) = handlers_of(bus, {'test': Place(rig.dispatcher.handler, rig.dispatcher)}, {}, Rates())

    plain = status.plain(in_full=True)

    assert [plain[key] for key in ('received', 'dead', 'retries', 'in_hand', 'last_error')] == [
        3,
        1,
        0,
        0,
        'ValueError',
    ]
    assert (plain['outcomes']['done'], plain['mean_seconds'] > 0, plain['p95_seconds'] > 0) == (2, True, True)
    assert 'secret' not in str(plain)


@pytest.mark.parametrize('state', State)
def test_the_daemon_is_ready_if_its_handlers_consume_or_rest(state: State) -> None:
    is_ready = daemon_status(handler_status(state)).reasons(in_full=True) == []

    assert is_ready is (state in (State.CONSUMING, State.RESTING))


def test_one_that_is_not_connected_is_not_ready() -> None:
    status = daemon_status(connected=False, summary='nothing listens')

    assert status.reasons(in_full=True) == ['not connected: nothing listens']


def test_without_a_connection_those_that_wait_for_more_than_that_are_told_too() -> None:
    handlers = (handler_status(State.WAITING), handler_status(State.BROKEN, 'no', name='drum'))
    status = daemon_status(*handlers, connected=False, summary='away')

    assert status.reasons(in_full=True) == ['not connected: away', 'drum is broken: no']


def test_one_that_stops_is_not_ready() -> None:
    assert daemon_status(is_stopping=True).reasons(in_full=True) == ['the daemon stops']


def test_a_daemon_without_handlers_is_ready_when_it_is_connected() -> None:
    assert daemon_status().plain(in_full=True)['ready'] is True


@pytest.mark.parametrize('state', [State.STOPPED, State.STARTING, State.BROKEN])
def test_what_a_plugin_says_is_only_shown_in_full(state: State) -> None:
    status = daemon_status(handler_status(state, 'a secret'))

    assert ['a secret' in str(status.plain(in_full=each)) for each in (True, False)] == [True, False]


def test_in_one_line_it_says_how_many_consume_and_what_keeps_the_others() -> None:
    status = daemon_status(handler_status(), handler_status(State.REFUSED, 'no', name='fax'))

    assert status.line() == 'connected to localhost:5672; 1 of 2 handlers consume; fax: no'


@given(st.lists(st.floats(0.0, 400.0), min_size=1))
def test_so_many_durations_are_no_longer_than_is_told(seconds: list[float]) -> None:
    durations = [0] * (len(BOUNDS_SECONDS) + 1)
    for each in seconds:
        durations[next((at for at, bound in enumerate(BOUNDS_SECONDS) if each <= bound), -1)] += 1
    bound = at_most(durations)

    if bound is None:
        assert sum(each > BOUNDS_SECONDS[-1] for each in seconds) > 0.05 * len(seconds) - 1
    else:
        assert sum(each <= bound for each in seconds) >= 0.95 * len(seconds)


def test_of_nothing_nothing_is_told() -> None:
    assert at_most([0] * (len(BOUNDS_SECONDS) + 1)) is None
