# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The settlement: what follows from what a try raised."""

from __future__ import annotations

import asyncio
import time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.rig import Settlements, log_lines, make_delivery, make_handler, make_history, make_work, turn
from wazo_busd import logs
from wazo_busd.breaker import Breaker, BreakerState, never
from wazo_busd.delivery import History
from wazo_busd.errors import ConditionError, Discard, Permanent, Retry, TemplateError
from wazo_busd.event import Event
from wazo_busd.outcome import Outcome
from wazo_busd.plugin import handler
from wazo_busd.settlement import Settlement
from wazo_busd.suspects import Suspects
from wazo_busd.work import Work


@handler
def nothing(event: Event) -> None: ...


class Desk:
    """A settlement, and what it told."""

    def __init__(self, *, suspects: Suspects | None = None, **config: Any) -> None:
        self.settlements = Settlements()
        self.states: list[BreakerState] = []
        self.breaker = Breaker('test', is_outage=never, on_change=lambda state, reason: self.states.append(state))
        self.suspects = suspects or Suspects()
        self.settlement = Settlement(make_handler(nothing, **config), breaker=self.breaker, suspects=self.suspects)

    def work(self, *, history: History | None = None, in_lane: bool = False, ran_seconds: float = 0.5) -> Work:
        """Work whose try has just ended."""
        delivery = make_delivery(self.settlements, history=history)
        event = Event('call_created', attempt=history.attempts + 1 if history else 1)
        work = make_work(event, delivery=delivery, in_lane=in_lane)
        self.has_run(work, ran_seconds)
        return work

    def has_run(self, work: Work, seconds: float = 0.5) -> Work:
        """As the try notes it."""
        work.began_at, work.duration_seconds = time.monotonic() - seconds, seconds
        return work

    def conclude(self, error: BaseException | None, work: Work | None = None, **about: Any) -> float | None:
        return self.settlement.conclude(work or self.work(**about), error)

    @property
    def outcomes(self) -> dict[Outcome, int]:
        return {outcome: number for outcome, number in self.settlement.counts.outcomes.items() if number}


class Mine(Discard):
    """A plugin's own, which forgets to call what it is made from."""

    def __init__(self) -> None:
        Exception.__init__(self, 'mine')


# ---- done


@pytest.mark.parametrize(
    ('error', 'outcome'), [(None, Outcome.DONE), (Discard('not mine'), Outcome.DISCARDED), (Mine(), Outcome.DISCARDED)]
)
async def test_what_needs_nothing_more_is_acknowledged_and_counted(
    error: BaseException | None, outcome: Outcome
) -> None:
    desk = Desk()

    again = desk.conclude(error)

    assert (again, desk.outcomes, len(desk.settlements.acked)) == (None, {outcome: 1}, 1)


async def test_the_time_of_all_tries_is_counted() -> None:
    desk = Desk()

    desk.conclude(None, ran_seconds=2.0)
    desk.conclude(ValueError(), ran_seconds=3.0)

    assert desk.settlement.counts.seconds == 5.0


# ---- again, in place


async def test_a_first_failure_is_tried_again_in_place() -> None:
    desk = Desk()

    assert (desk.conclude(ValueError()), desk.settlements.number, desk.outcomes) == (0.2, 0, {})


async def test_a_try_in_place_is_the_next_attempt_at_the_same_event() -> None:
    desk = Desk()
    work = desk.work()
    before = work.event

    desk.conclude(ValueError(), work)

    assert (work.event.attempt, work.event.id, work.event.data) == (2, before.id, before.data)


async def test_a_try_in_place_begins_afresh() -> None:
    desk = Desk()
    work = desk.work()
    work.emitted = 3

    desk.conclude(ValueError(), work)

    assert (work.emitted, work.began_at, work.duration_seconds) == (0, 0.0, 0.0)


async def test_tries_in_place_are_counted() -> None:
    desk = Desk()

    desk.conclude(ValueError())

    assert desk.settlement.counts.retried_in_place == 1


async def test_in_a_lane_an_event_is_tried_in_place_until_it_is_dead() -> None:
    # Given an event in a lane that always fails
    desk = Desk(retry={'attempts': 4, 'backoff': '1s..2s'})
    work = desk.work(in_lane=True)

    # When it is tried as the settlement says
    waits = []
    while (again := desk.conclude(ValueError(), work)) is not None:
        waits.append(again)
        desk.has_run(work)

    # Then it never leaves its lane, and is dead in the end
    assert (waits, desk.outcomes, desk.settlements.reason.attempts) == ([1.0, 2.0, 2.0], {Outcome.DEAD: 1}, 4)


async def test_the_time_that_a_lane_is_held_is_that_of_this_process() -> None:
    # Given an event with a lane that was tried long ago, before its handler kept an order
    desk = Desk(retry={'hold': '1m'})
    history = make_history(first_at=time.time() - 3600.0)

    # When it fails here for the first time
    again = desk.conclude(ValueError(), history=history, in_lane=True)

    # Then it is tried again
    assert again is not None


async def test_an_event_that_took_as_long_as_a_lane_may_be_held_is_dead() -> None:
    desk = Desk(retry={'hold': '1m'})

    again = desk.conclude(ValueError(), in_lane=True, ran_seconds=61.0)

    assert (again, desk.outcomes) == (None, {Outcome.DEAD: 1})


# ---- again, from a delay queue


async def test_what_has_been_tried_in_place_is_postponed() -> None:
    desk = Desk(retry={'in_place': 0})

    again = desk.conclude(ValueError())

    assert (again, desk.outcomes, desk.settlements.number) == (None, {Outcome.RETRY: 1}, 1)


async def test_a_copy_says_what_was_tried() -> None:
    # Given an event that came for the first time
    desk = Desk(retry={'in_place': 0})
    work = desk.work()
    began = time.time() - work.running_seconds

    # When it fails
    desk.conclude(ValueError('it does not fit'), work)

    # Then its copy knows
    history = desk.settlements.history
    assert (history.event_id, history.attempts, history.rounds, history.first_error) == (
        work.event.id,
        1,
        1,
        'ValueError: it does not fit',
    )
    assert history.first_at == pytest.approx(began, abs=1.0)


async def test_a_copy_that_came_back_says_more_each_time() -> None:
    # Given an event that has come back
    desk = Desk()
    history = make_history(attempts=4, rounds=3, first_at=1.0, first_error='KeyError: 1')

    # When it fails again
    desk.conclude(ValueError(), history=history)

    # Then one try and one round are added, and the first failure stays
    found = desk.settlements.history
    assert (found.attempts, found.rounds, found.first_at, found.first_error) == (5, 4, 1.0, 'KeyError: 1')


async def test_tries_in_place_are_among_the_attempts_of_a_copy() -> None:
    # Given an event that has failed, and failed again in place
    desk = Desk()
    work = desk.work()
    desk.conclude(ValueError('first'), work)

    # When it is postponed
    desk.conclude(ValueError('second'), desk.has_run(work))

    # Then its copy counts both, and tells the first
    history = desk.settlements.history
    assert (history.attempts, history.rounds, history.first_error) == (2, 1, 'ValueError: first')


async def test_a_copy_is_due_when_the_policy_says() -> None:
    desk = Desk(retry={'in_place': 0, 'backoff': '1h'})
    before = time.time()

    desk.conclude(ValueError())

    assert before + 3600.0 <= desk.settlements.history.due_at <= time.time() + 3600.0


async def test_a_copy_is_not_due_before_the_handler_asked() -> None:
    desk = Desk()
    before = time.time()

    desk.conclude(Retry(after=7200.0))

    assert desk.settlements.history.due_at >= before + 7200.0


# ---- dead


async def test_what_no_further_try_can_help_is_dead_at_once() -> None:
    desk = Desk()

    again = desk.conclude(Permanent('there is no such user'))

    assert (again, desk.outcomes, desk.settlements.reason.error) == (None, {Outcome.DEAD: 1}, 'Permanent')


async def test_what_has_used_up_its_attempts_is_dead_with_their_number() -> None:
    desk = Desk(retry={'attempts': 5})

    desk.conclude(ValueError('it does not fit'), history=make_history(attempts=4))

    reason = desk.settlements.reason
    assert (desk.outcomes, reason.attempts, reason.text) == ({Outcome.DEAD: 1}, 5, 'it does not fit')


async def test_the_reason_says_when_the_first_try_was() -> None:
    desk = Desk(retry={'attempts': 2})

    desk.conclude(ValueError(), history=make_history(attempts=1, first_at=123.0))

    assert desk.settlements.reason.first_at == 123.0


async def test_what_never_ran_was_first_seen_when_it_came() -> None:
    desk = Desk()
    delivery = make_delivery(desk.settlements)

    desk.settlement.give_up(delivery, ValueError(), attempts=0)

    assert desk.settlements.reason.first_at == delivery.received_at


# ---- what ends a try from outside


async def test_a_call_that_was_late_is_a_timeout_whatever_it_made_of_its_cancellation() -> None:
    # Given calls that were late, and raised anything or nothing when they were cancelled
    desk = Desk(timeout='10s', retry={'attempts': 1})

    for error in (asyncio.CancelledError(), None, ValueError('half done'), Discard()):
        work = desk.work()
        work.is_late = True
        desk.conclude(error, work)

    # Then each is a timeout
    texts = {(reason.error, reason.text) for _, reason in desk.settlements.dead}
    assert (len(desk.settlements.dead), texts) == (4, {('HandlerTimeout', 'test did not return within 10 s')})


async def test_after_a_late_call_the_task_is_not_cancelled_any_more() -> None:
    # Given a task that was cancelled because its call was late
    desk = Desk()
    work = desk.work()
    work.is_late = True

    async def conclude() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as error:
            desk.conclude(error, work)
        return task.cancelling()

    assert await asyncio.create_task(conclude()) == 0


async def test_a_second_try_of_a_late_call_is_not_late() -> None:
    desk = Desk()
    work = desk.work()
    work.is_late = True

    desk.conclude(asyncio.CancelledError(), work)

    assert not work.is_late


async def test_a_handler_that_was_cancelled_from_within_has_failed() -> None:
    desk = Desk(retry={'attempts': 1})

    desk.conclude(asyncio.CancelledError())

    assert desk.settlements.reason.error == 'HandlerExited'


# ---- while the handler ends


async def cancelled(desk: Desk, error: BaseException) -> None:
    """Conclude in a task that somebody has cancelled."""
    work = desk.work()

    async def conclude() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            desk.conclude(error, work)

    task = asyncio.create_task(conclude())
    await turn()
    task.cancel()
    await task


@pytest.mark.parametrize(
    'error', [asyncio.CancelledError(), ValueError(), Permanent(), Retry()], ids=lambda error: type(error).__name__
)
async def test_what_was_cancelled_because_the_handler_ends_is_left(error: BaseException) -> None:
    desk = Desk()
    desk.settlement.is_draining = True

    await cancelled(desk, error)

    assert (desk.outcomes, len(desk.settlements.left)) == ({Outcome.INTERRUPTED: 1}, 1)


async def test_what_fails_while_the_handler_ends_and_would_be_tried_in_place_is_left() -> None:
    desk = Desk()
    desk.settlement.is_draining = True

    again = desk.conclude(ValueError())

    assert (again, len(desk.settlements.left)) == (None, 1)


async def test_what_fails_while_the_handler_ends_and_would_be_postponed_is_postponed() -> None:
    desk = Desk(retry={'in_place': 0})
    desk.settlement.is_draining = True

    desk.conclude(ValueError())

    assert len(desk.settlements.postponed) == 1


async def test_what_works_while_the_handler_ends_is_done() -> None:
    desk = Desk()
    desk.settlement.is_draining = True

    desk.conclude(None)

    assert desk.outcomes == {Outcome.DONE: 1}


# ---- who is told


async def test_the_breaker_is_told_of_outages() -> None:
    desk = Desk()

    for _ in range(5):
        desk.conclude(Retry())
    desk.breaker.stop()

    assert desk.states == [BreakerState.OPEN]


@pytest.mark.parametrize('error', [Discard(), TemplateError('no such field'), ConditionError('no such field')])
async def test_what_has_asked_for_nothing_says_nothing_of_what_the_handler_needs(error: BaseException) -> None:
    # Given almost enough outages
    desk = Desk()
    for _ in range(4):
        desk.conclude(Retry())

    # When an event needs nothing, and one more fails
    desk.conclude(error)
    desk.conclude(Retry())
    desk.breaker.stop()

    # Then the handler rests
    assert desk.states == [BreakerState.OPEN]


@pytest.mark.parametrize('error', [None, ValueError()])
async def test_the_breaker_is_told_of_what_works(error: BaseException | None) -> None:
    desk = Desk()
    for _ in range(5):
        desk.conclude(Retry())

    desk.conclude(error)

    assert desk.states == [BreakerState.OPEN, BreakerState.CLOSED]


async def test_the_breaker_is_not_told_of_what_was_cancelled_because_the_handler_ends() -> None:
    desk = Desk()
    desk.settlement.is_draining = True

    for _ in range(5):
        await cancelled(desk, ConnectionResetError())

    assert desk.states == []


def suspected(tmp_path: Path, desk: Desk) -> tuple[Suspects, Work]:
    """A suspect, in a process that knows."""
    work = desk.work()
    Suspects(tmp_path).black_box('test', 1).enter(work.delivery)
    desk.suspects.load()
    work.is_suspect = True
    return desk.suspects, work


@pytest.mark.parametrize(
    ('error', 'config', 'crashes'),
    [
        (None, {}, 0),
        (Discard(), {}, 0),
        (ValueError(), {'in_place': 1}, 1),
    ],
    ids=['done', 'discarded', 'in place'],
)
async def test_a_suspect_that_has_ended_is_cleared(
    tmp_path: Path, error: BaseException | None, config: dict[str, Any], crashes: int
) -> None:
    # Given a suspect
    desk = Desk(suspects=Suspects(tmp_path), retry=config)
    suspects, work = suspected(tmp_path, desk)

    # When it ends here
    desk.conclude(error, work)

    # Then it is none any more; one that is tried again in place may still end the process
    assert suspects.crashes('test', work.delivery.identity) == crashes


@pytest.mark.parametrize(
    ('error', 'config'),
    [(Permanent(), {}), (ValueError(), {'attempts': 1}), (ValueError(), {'in_place': 0})],
    ids=['permanent', 'dead', 'postponed'],
)
async def test_a_suspect_of_which_a_copy_is_made_is_one_until_the_copy_is_confirmed(
    tmp_path: Path, error: BaseException, config: dict[str, Any]
) -> None:
    # Given a suspect on which the handler fails
    desk = Desk(suspects=Suspects(tmp_path), retry=config)
    suspects, work = suspected(tmp_path, desk)
    desk.conclude(error, work)
    before = suspects.crashes('test', work.delivery.identity)

    # When its copy is safe
    work.delivery.close()

    # Then it is none any more, and not before: it would begin anew
    assert (before, suspects.crashes('test', work.delivery.identity)) == (1, 0)


async def test_a_suspect_that_is_left_stays_one(tmp_path: Path) -> None:
    desk = Desk(suspects=Suspects(tmp_path))
    suspects, work = suspected(tmp_path, desk)
    desk.settlement.is_draining = True

    desk.conclude(ValueError(), work)

    assert suspects.crashes('test', work.delivery.identity) == 1


# ---- the log


async def test_a_failure_that_is_tried_again_is_one_line_with_what_one_asks_for(log: StringIO) -> None:
    desk = Desk(name='bell', retry={'backoff': '1h'})
    work = desk.work(history=make_history(attempts=2))

    desk.conclude(ValueError('it does not fit'), work)

    (line,) = log_lines(log, 'event_failed')
    del line['duration_ms']
    assert line == {
        'level': 'WARNING',
        'event_name': 'call_created',
        'handler': 'bell',
        'event_id': work.event.id,
        'outcome': 'retry',
        'attempt': '3',
        'error': 'ValueError',
        'error_text': 'it does not fit',
        'again_in_seconds': '3600.0',
    }


@pytest.mark.parametrize('error', [ValueError('400\nAlice called'), Permanent('400\nAlice called')], ids=repr)
async def test_of_an_error_of_several_lines_the_log_has_the_first(error: Exception, log: StringIO) -> None:
    Desk(retry={'backoff': '1h'}).conclude(error)

    (line,) = [*log_lines(log, 'event_failed'), *log_lines(log, 'event_dead')]
    assert (line['error_text'], 'Alice' in log.getvalue()) == ('400', False)


async def test_a_failure_that_is_tried_again_is_neither_told_as_handled_nor_as_dead(log: StringIO) -> None:
    desk = Desk()

    desk.conclude(ValueError())

    assert (log_lines(log, 'event_handled'), log_lines(log, 'event_dead')) == ([], [])


# ---- rules


errors = st.sampled_from(
    [None, Discard('x'), Mine(), ValueError('x'), Retry(), Retry(after=1e9), Permanent('x'), SystemExit(), OSError()]
)


@given(
    st.lists(errors, min_size=1, max_size=12),
    st.integers(1, 5),
    st.integers(0, 3),
    st.booleans(),
    st.integers(0, 6),
    st.integers(-1, 11),
)
async def test_whatever_the_tries_raise_an_event_is_settled_once_after_its_last_try(
    raised: list[BaseException | None], attempts: int, in_place: int, in_lane: bool, tried: int, drained_after: int
) -> None:
    # Given an event that was tried before, or not
    desk = Desk(retry={'attempts': attempts, 'in_place': in_place})
    history = make_history(attempts=tried, rounds=tried) if tried else None
    work = desk.work(history=history, in_lane=in_lane)

    # When its tries raise anything, and the handler may end meanwhile
    again: float | None = 0.0
    tries = 0
    while again is not None:
        desk.settlement.is_draining |= drained_after == tries
        again = desk.conclude(raised[tries % len(raised)], desk.has_run(work))
        tries += 1
    desk.breaker.stop()

    # Then it is settled once, after no more tries than there may be
    assert (desk.settlements.number, sum(desk.outcomes.values())) == (1, 1)
    assert tries <= max(1, attempts - tried)


def test_where_info_is_not_logged_no_line_is_put_together_for_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a log that would fail over any line
    monkeypatch.setattr('wazo_busd.settlement.log', None)
    logs.configure('warning')

    desk = Desk()
    desk.conclude(None)

    assert desk.outcomes == {Outcome.DONE: 1}


def test_where_info_is_logged_every_event_has_its_line(log: StringIO) -> None:
    logs.configure('info', stream=log)

    Desk().conclude(None)

    assert [line['outcome'] for line in log_lines(log, 'event_handled')] == ['done']


def test_how_long_tries_took_is_counted_by_bounds() -> None:
    desk = Desk()
    for seconds in (0.0, 0.001, 0.0011, 400.0):
        desk.conclude(None, desk.work(ran_seconds=seconds))
    durations = desk.settlement.counts.durations

    assert (durations[:2], durations[-1], sum(durations)) == ([2, 1], 1, 4)


@pytest.mark.parametrize(('error', 'name'), [(ValueError('a secret'), 'ValueError'), (None, ''), (Discard(), '')])
def test_the_class_of_the_last_error_is_kept(error: BaseException | None, name: str) -> None:
    desk = Desk()
    desk.conclude(error)

    assert desk.settlement.counts.last_error == name
