# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The breaker: when a handler rests, and when it is tried again."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import AsyncIterator
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import PATIENCE_SECONDS, log_lines, turn
from wazo_busd import breaker as module
from wazo_busd.breaker import Breaker, BreakerState
from wazo_busd.errors import ConditionError, HandlerExited, HandlerTimeout, Permanent, Retry, Stop, TemplateError

CLOSED, OPEN, PROBING, HALTED = BreakerState


class ServerOut(Exception):
    """What a library of its own raises where others raise an `OSError`."""


class Watched:
    """A breaker, and what it told."""

    def __init__(self) -> None:
        self.told: list[tuple[BreakerState, str]] = []
        self._changed = asyncio.Event()
        self.breaker = Breaker('bell', is_outage=lambda error: isinstance(error, ServerOut), on_change=self._note)

    def fail(self, times: int, error: BaseException | None = None, *, failed_before: bool = False) -> None:
        for _ in range(times):
            self.breaker.failed(error or ConnectionError('refused'), failed_before=failed_before)

    @property
    def states(self) -> list[BreakerState]:
        return [state for state, _ in self.told]

    async def until(self, state: BreakerState) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.breaker.state is not state:
                self._changed.clear()
                await self._changed.wait()

    def _note(self, state: BreakerState, reason: str) -> None:
        self.told.append((state, reason))
        self._changed.set()


class Pauses:
    """A loop whose timers never come, which keeps how long they were."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def keep(seconds: float, *arguments: object) -> asyncio.TimerHandle:
            self.seconds.append(seconds)
            return call_later(3600.0, lambda: None)

        monkeypatch.setattr(loop, 'call_later', keep)
        # The longest, so that a test can tell.
        monkeypatch.setattr('random.uniform', lambda least, most: most)


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    """A breaker that is stopped in the end."""
    made = Watched()
    yield made
    made.breaker.stop()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses are short."""
    monkeypatch.setattr(module, '_FIRST_PAUSE_SECONDS', 0.005)
    monkeypatch.setattr(module, '_LAST_PAUSE_SECONDS', 0.005)


# ---- what counts


async def test_a_breaker_is_closed_at_first(watched: Watched) -> None:
    assert (watched.breaker.state, watched.told) == (CLOSED, [])


@pytest.mark.parametrize(
    'error',
    [
        Retry('later'),
        HandlerTimeout('10s'),
        TimeoutError(),
        ConnectionRefusedError(),
        ConnectionResetError(),
        BrokenPipeError(),
        socket.gaierror(socket.EAI_AGAIN, 'no name'),
        OSError(errno.EHOSTUNREACH, 'no route to host'),
        OSError(errno.ENETUNREACH, 'network is unreachable'),
        ServerOut(),
    ],
    ids=repr,
)
async def test_repeated_outages_let_the_handler_rest(watched: Watched, error: BaseException) -> None:
    watched.fail(5, error)

    assert watched.states == [OPEN]


@pytest.mark.parametrize(
    'error',
    [
        ValueError('it does not fit'),
        KeyError('call_id'),
        Permanent('no such user'),
        HandlerExited('cancelled'),
        SystemExit(1),
        OSError(errno.ENOSPC, 'no space left on device'),
        FileNotFoundError(errno.ENOENT, 'no such file'),
        PermissionError(errno.EACCES, 'permission denied'),
    ],
    ids=repr,
)
async def test_an_event_that_is_at_fault_itself_never_lets_the_handler_rest(
    watched: Watched, error: BaseException
) -> None:
    watched.fail(1000, error)

    assert watched.told == []


async def test_a_few_outages_do_not_let_the_handler_rest(watched: Watched) -> None:
    watched.fail(4)

    assert watched.breaker.state is CLOSED


@pytest.mark.parametrize('between', [None, ValueError()])
async def test_only_outages_in_a_row_count(watched: Watched, between: BaseException | None) -> None:
    # Given almost enough outages
    watched.fail(4)

    # When a try reaches what the handler needs, and more outages follow
    if between is None:
        watched.breaker.worked()
    else:
        watched.breaker.failed(between)
    watched.fail(4)

    # Then it goes on
    assert watched.told == []


async def test_more_outages_of_tries_that_were_under_way_change_nothing(watched: Watched) -> None:
    watched.fail(50)

    assert watched.states == [OPEN]


async def test_the_reason_says_how_many_outages_there_were_and_what_they_were(watched: Watched) -> None:
    watched.fail(5, ConnectionRefusedError())

    assert watched.told[0][1].startswith('5 outages in a row, the last was ConnectionRefusedError;')


# ---- the probe


@pytest.mark.usefixtures('soon')
async def test_after_a_pause_one_event_is_tried(watched: Watched) -> None:
    watched.fail(5)

    await watched.until(PROBING)

    assert watched.states == [OPEN, PROBING]


@pytest.mark.usefixtures('soon')
async def test_an_event_that_works_lets_the_handler_go_on(watched: Watched) -> None:
    # Given a handler of which one event is tried
    watched.fail(5)
    await watched.until(PROBING)

    # When that works
    watched.breaker.worked()

    # Then it goes on, and nothing is the matter any more
    assert (watched.breaker.state, watched.told[-1]) == (CLOSED, (CLOSED, ''))


@pytest.mark.usefixtures('soon')
async def test_an_event_at_fault_lets_the_handler_go_on_as_well(watched: Watched) -> None:
    watched.fail(5)
    await watched.until(PROBING)

    watched.breaker.failed(ValueError('it does not fit'))

    assert watched.breaker.state is CLOSED


@pytest.mark.usefixtures('soon')
@pytest.mark.parametrize('error', [TemplateError('no such field'), ConditionError('no such field')], ids=repr)
async def test_an_event_that_asked_for_nothing_leaves_it_to_the_next_one(watched: Watched, error: Exception) -> None:
    # Given a handler of which one event is tried
    watched.fail(5)
    await watched.until(PROBING)

    # When that asks for nothing, and the next one works
    watched.breaker.failed(error)
    before = watched.breaker.state
    watched.breaker.worked()

    # Then it is the next one that lets the handler go on
    assert (before, watched.breaker.state) == (PROBING, CLOSED)


@pytest.mark.parametrize('error', [TemplateError('no such field'), ConditionError('no such field')], ids=repr)
async def test_an_event_that_asked_for_nothing_does_not_part_outages(watched: Watched, error: Exception) -> None:
    watched.fail(4)
    watched.breaker.failed(error)
    watched.fail(1)

    assert watched.states == [OPEN]


@pytest.mark.usefixtures('soon')
async def test_one_outage_of_the_event_that_is_tried_lets_the_handler_rest_again(watched: Watched) -> None:
    watched.fail(5)
    await watched.until(PROBING)

    watched.fail(1)

    assert watched.states == [OPEN, PROBING, OPEN]


@pytest.mark.usefixtures('soon')
async def test_an_event_that_failed_before_leaves_it_to_the_next_one(watched: Watched) -> None:
    # Given a handler of which one event is tried
    watched.fail(5)
    await watched.until(PROBING)

    # When that fails as it did before, and the next one works
    watched.fail(1, failed_before=True)
    watched.breaker.worked()

    # Then the handler goes on
    assert watched.states == [OPEN, PROBING, CLOSED]


@pytest.mark.usefixtures('soon')
async def test_eight_events_that_failed_before_let_the_handler_rest_again(watched: Watched) -> None:
    watched.fail(5)
    await watched.until(PROBING)

    watched.fail(7, failed_before=True)
    before = list(watched.states)
    watched.fail(1, failed_before=True)

    assert (before, watched.states) == ([OPEN, PROBING], [OPEN, PROBING, OPEN])


@pytest.mark.usefixtures('soon')
async def test_after_each_pause_as_many_events_that_failed_before_are_tried(watched: Watched) -> None:
    # Given a handler that rests again after eight of them
    watched.fail(5)
    await watched.until(PROBING)
    watched.fail(8, failed_before=True)
    await watched.until(PROBING)

    watched.fail(7, failed_before=True)

    assert watched.breaker.state is PROBING


async def test_events_that_failed_before_let_the_handler_rest_as_others_do(watched: Watched) -> None:
    watched.fail(5, failed_before=True)

    assert watched.states == [OPEN]


@pytest.mark.usefixtures('soon')
async def test_it_is_tried_again_and_again(watched: Watched) -> None:
    watched.fail(5)
    for _ in range(5):
        await watched.until(PROBING)
        watched.fail(1)

    await watched.until(PROBING)

    assert watched.states == [OPEN, PROBING] * 6


async def test_a_try_that_was_under_way_and_works_lets_the_handler_go_on_before_the_pause_is_over(
    watched: Watched,
) -> None:
    watched.fail(5)

    watched.breaker.worked()

    assert watched.states == [OPEN, CLOSED]


@pytest.mark.usefixtures('soon')
async def test_a_handler_that_goes_on_is_probed_no_more(watched: Watched) -> None:
    # Given a handler that rested, and goes on before the pause is over
    watched.fail(5)
    watched.breaker.worked()

    # When another one's pause of the same length is over
    other = Watched()
    other.fail(5)
    await other.until(PROBING)

    # Then nothing was told
    assert watched.states == [OPEN, CLOSED]


async def test_that_it_works_is_no_news_while_it_works(watched: Watched) -> None:
    watched.breaker.worked()

    assert watched.told == []


@pytest.mark.usefixtures('soon')
async def test_a_handler_that_ends_is_probed_no_more(watched: Watched) -> None:
    # Given a handler that rests
    watched.fail(5)

    # When it ends, and another one's pause of the same length is over
    watched.breaker.stop()
    other = Watched()
    other.fail(5)
    await other.until(PROBING)
    await turn()

    # Then nothing was told
    assert watched.states == [OPEN]


async def test_a_handler_that_ends_is_not_told_to_rest_any_more(watched: Watched) -> None:
    watched.breaker.stop()

    watched.fail(5)

    assert watched.told == []


async def test_a_handler_that_ends_is_not_told_to_go_on_any_more(watched: Watched) -> None:
    watched.fail(5)
    watched.breaker.stop()

    watched.breaker.worked()

    assert watched.states == [OPEN]


# ---- how long


async def test_the_pauses_grow_up_to_a_minute(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = Pauses(monkeypatch)

    watched.fail(5)
    for _ in range(8):
        watched.breaker._probe('')
        watched.fail(1)

    assert pauses.seconds == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]


async def test_after_it_has_worked_the_pauses_are_short_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a handler that has rested for long
    pauses = Pauses(monkeypatch)
    watched.fail(5)
    for _ in range(4):
        watched.breaker._probe('')
        watched.fail(1)

    # When it works, and its server is out once more
    watched.breaker.worked()
    watched.fail(5)

    # Then it rests for a moment
    assert pauses.seconds[-1] == 1.0


@pytest.mark.parametrize(
    ('after', 'seconds'), [(None, 1.0), (0.5, 1.0), (30.0, 30.0), (1e9, 300.0), ('20', 20.0), ('soon', 1.0)]
)
async def test_a_server_can_ask_for_a_longer_pause_up_to_five_minutes(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, after: float | None, seconds: float
) -> None:
    pauses = Pauses(monkeypatch)

    watched.fail(5, Retry(after=after))

    assert pauses.seconds == [seconds]


# ---- a handler that says Stop


async def test_a_handler_that_says_stop_stops_at_once(watched: Watched) -> None:
    watched.fail(1, Stop('410 Gone'))

    assert watched.states == [HALTED]


async def test_the_status_of_one_that_stopped_says_why_and_what_to_do(watched: Watched) -> None:
    watched.fail(1, Stop('410 Gone'))

    assert watched.told[0][1] == 'stopped: 410 Gone; when that is mended: systemctl reload wazo-busd'


@pytest.mark.parametrize('reason', ['', 'a\nb\x1b[31m', 'x' * 10_000], ids=['none', 'control characters', 'long'])
async def test_whatever_the_reason_the_status_is_one_short_line(watched: Watched, reason: str) -> None:
    watched.fail(1, Stop(reason))

    told = watched.told[0][1]
    assert (told.isprintable(), len(told) < 300, told.startswith('stopped: ; ')) == (True, True, False)


async def test_nothing_lets_a_handler_go_on_that_has_stopped(watched: Watched) -> None:
    watched.fail(1, Stop())

    watched.breaker.worked()
    watched.fail(10)
    watched.fail(1, Stop())

    assert watched.states == [HALTED]


@pytest.mark.usefixtures('soon')
async def test_a_handler_that_stops_while_it_rests_is_probed_no_more(watched: Watched) -> None:
    # Given a handler that rests
    watched.fail(5)

    # When it stops, and another one's pause of the same length is over
    watched.fail(1, Stop())
    other = Watched()
    other.fail(5)
    await other.until(PROBING)
    await turn()

    # Then it was not tried
    assert watched.states == [OPEN, HALTED]


async def test_that_it_stops_is_an_error_with_reason_effect_and_cure(watched: Watched, log: StringIO) -> None:
    watched.fail(1, Stop('410 Gone'))

    assert log_lines(log, 'handler_stopped') == [
        {
            'level': 'ERROR',
            'handler': 'bell',
            'reason': '410 Gone',
            'effect': 'its events wait in its queue',
            'hint': 'when the cause is mended: systemctl reload wazo-busd',
        }
    ]


# ---- the log


async def test_that_it_rests_is_a_warning_with_reason_and_effect(watched: Watched, log: StringIO) -> None:
    watched.fail(5)

    (line,) = log_lines(log, 'breaker_open')
    assert (line['level'], line['handler'], line['reason'], line['effect']) == (
        'WARNING',
        'bell',
        '5 outages in a row, the last was ConnectionError',
        'its events wait in its queue',
    )


@pytest.mark.usefixtures('soon')
async def test_that_it_still_rests_is_no_warning(watched: Watched, log: StringIO) -> None:
    watched.fail(5)
    await watched.until(PROBING)

    watched.fail(1)

    assert [line['level'] for line in log_lines(log, 'breaker_open')] == ['WARNING', 'INFO']


async def test_that_it_goes_on_is_told(watched: Watched, log: StringIO) -> None:
    watched.fail(5)

    watched.breaker.worked()

    assert log_lines(log, 'breaker_closed') == [{'level': 'INFO', 'handler': 'bell', 'effect': 'it takes events again'}]


# ---- rules


@given(st.lists(st.sampled_from(['outage', 'fault', 'work', 'probe'])))
async def test_whatever_happens_states_follow_each_other_as_they_may(steps: list[str]) -> None:
    # Given a breaker
    watched = Watched()

    # When anything happens in any order
    for step in steps:
        match step:
            case 'outage':
                watched.fail(1)
            case 'fault':
                watched.fail(1, ValueError())
            case 'work':
                watched.breaker.worked()
            case 'probe' if watched.breaker.state is OPEN:
                watched.breaker._probe('')
    watched.breaker.stop()

    # Then every state that was told is another one, and a probe comes only after a pause
    states = [CLOSED, *watched.states]
    allowed = {CLOSED: {OPEN}, OPEN: {PROBING, CLOSED}, PROBING: {OPEN, CLOSED}}
    assert all(after in allowed[before] for before, after in itertools.pairwise(states))


@given(st.lists(st.booleans(), min_size=1))
async def test_a_handler_rests_only_after_five_outages_in_a_row(outages: list[bool]) -> None:
    watched = Watched()

    for is_outage in outages:
        if watched.breaker.state is CLOSED:
            watched.fail(1, ConnectionError() if is_outage else ValueError())
    watched.breaker.stop()

    row = ''.join('o' if each else '.' for each in outages)
    assert (watched.states == [OPEN]) is ('ooooo' in row)


async def test_one_that_is_open_knows_when_it_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given one that rests, of whose rest a moment is over
    loop = asyncio.get_running_loop()
    monkeypatch.setattr('random.uniform', lambda least, most: most)
    monkeypatch.setattr(loop, 'time', lambda: 1000.0)
    watched = Watched()
    before = watched.breaker.probe_in_seconds
    watched.fail(5)
    monkeypatch.setattr(loop, 'time', lambda: 1000.25)

    # When it is asked, and then works
    waits = watched.breaker.probe_in_seconds
    watched.breaker.worked()
    monkeypatch.undo()

    # Then it says how long the rest still is
    assert (before, waits, watched.breaker.probe_in_seconds) == (None, 0.75, None)


async def test_one_that_is_probing_waits_for_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, '_FIRST_PAUSE_SECONDS', 0.0)
    watched = Watched()
    watched.fail(5)
    await watched.until(PROBING)

    assert watched.breaker.probe_in_seconds is None
