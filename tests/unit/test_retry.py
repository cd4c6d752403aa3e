# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The retry policy: what follows from an error and the number of tries."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.config import RetryConfig
from wazo_busd.errors import HandlerCrashed, HandlerTimeout, Permanent, Retry, Undecodable
from wazo_busd.retry import STEPS_SECONDS, Again, RetryPolicy, asked_seconds, retry_after, step_for

LONGEST_WAIT_SECONDS = 86_400.0


def policy(**config: Any) -> RetryPolicy:
    return RetryPolicy(RetryConfig.model_validate(config))


def following(
    made: RetryPolicy,
    error: BaseException | None = None,
    *,
    attempt: int = 1,
    rounds: int = 0,
    held_seconds: float = 0.0,
    in_lane: bool = False,
) -> Again | None:
    """What follows from the first try, unless said; it raised a `ValueError`, unless said."""
    return made.next(error or ValueError(), attempt=attempt, rounds=rounds, held_seconds=held_seconds, in_lane=in_lane)


# ---- what must not be given up


@pytest.mark.parametrize('attempt', [10, 11, 10_000])
def test_a_retry_that_is_endless_never_uses_up_the_tries(attempt: int) -> None:
    again = following(policy(attempts=10), Retry(endless=True), attempt=attempt, rounds=attempt)

    assert again == Again(300.0, in_place=False)


def test_a_retry_that_is_endless_keeps_its_lane_while_it_may() -> None:
    again = following(policy(hold='5m'), Retry(endless=True), attempt=100, held_seconds=299.0, in_lane=True)

    assert again == Again(1.0, in_place=True)


def test_a_retry_that_is_endless_leaves_its_lane_rather_than_be_dead() -> None:
    again = following(policy(hold='5m'), Retry(endless=True), attempt=100, held_seconds=300.0, in_lane=True)

    assert again == Again(2.0, in_place=False)


# ---- the way through the delay queues


def test_by_default_an_event_is_tried_once_more_in_place_and_then_after_longer_and_longer_waits() -> None:
    # Given the policy as it is without a word in the configuration
    made = policy()

    # When an event fails again and again
    found = [following(made, attempt=1)]
    found += [following(made, attempt=2 + rounds, rounds=rounds) for rounds in range(9)]

    # Then it waits for a moment, then in the delay queues, and is dead after the tenth try
    assert found == [
        Again(0.2, in_place=True),
        *(Again(wait, in_place=False) for wait in (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 300.0)),
        None,
    ]


def test_the_last_wait_is_used_again_and_again() -> None:
    made = policy(attempts=1000, backoff='2s..8s', in_place=0)

    assert [following(made, attempt=rounds + 1, rounds=rounds) for rounds in (2, 3, 500)] == [Again(8.0, False)] * 3


@pytest.mark.parametrize(
    ('backoff', 'steps'),
    [
        ('2s..5m', (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 300.0)),
        ('100ms..1h', STEPS_SECONDS),
        ('2s', (2.0,)),
        ('3s', (4.0,)),
        ('3s..10s', (4.0, 8.0, 16.0)),
        ('1h..1h', (3600.0,)),
        ('100ms..100ms', (0.1,)),
    ],
)
def test_the_delay_queues_are_those_between_the_shortest_and_the_longest_wait(
    backoff: str, steps: tuple[float, ...]
) -> None:
    assert policy(backoff=backoff).steps_seconds == steps


@pytest.mark.parametrize(
    ('seconds', 'step'),
    [(0.0, 0.1), (0.1, 0.1), (0.11, 0.25), (2.0, 2.0), (2.1, 4.0), (300.0, 300.0), (3600.0, 3600.0), (9999.0, 3600.0)],
)
def test_a_wait_takes_the_shortest_step_that_is_long_enough(seconds: float, step: float) -> None:
    assert step_for(seconds) == step


# ---- in place


@pytest.mark.parametrize(
    ('in_place', 'waits'),
    [
        (0, []),
        (1, [0.2]),
        (3, [0.2, 0.4, 0.8]),
        (6, [0.2, 0.4, 0.8, 1.6, 2.0, 2.0]),
    ],
)
def test_a_few_tries_are_made_in_place(in_place: int, waits: list[float]) -> None:
    made = policy(in_place=in_place)

    found = [following(made, attempt=attempt) for attempt in range(1, in_place + 1)]

    assert found == [Again(wait, in_place=True) for wait in waits]


def test_after_the_tries_in_place_the_first_wait_is_the_shortest() -> None:
    assert following(policy(in_place=3), attempt=4) == Again(2.0, in_place=False)


def test_what_was_in_a_delay_queue_is_not_tried_in_place() -> None:
    assert following(policy(in_place=3), attempt=2, rounds=1) == Again(4.0, in_place=False)


# ---- when it ends


@pytest.mark.parametrize(
    'error', [Permanent('no such user'), Undecodable('empty'), HandlerCrashed('thrice')], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize('in_lane', [False, True])
def test_what_no_further_try_can_help_is_not_tried_again(error: BaseException, in_lane: bool) -> None:
    assert following(policy(), error, in_lane=in_lane) is None


@pytest.mark.parametrize('error', [ValueError(), Retry(), Retry(after=5.0), HandlerTimeout(), SystemExit()])
@pytest.mark.parametrize('in_lane', [False, True])
def test_with_one_attempt_nothing_is_tried_again(error: BaseException, in_lane: bool) -> None:
    assert following(policy(attempts=1), error, in_lane=in_lane) is None


@pytest.mark.parametrize('error', [ValueError(), Retry(), HandlerTimeout(), SystemExit(), GeneratorExit()])
def test_whatever_else_was_raised_is_tried_again(error: BaseException) -> None:
    assert following(policy(), error) is not None


# ---- what a handler asks for


def test_a_handler_can_ask_for_a_longer_wait() -> None:
    assert following(policy(), Retry(after=120.0)) == Again(120.0, in_place=False)


def test_a_handler_that_asks_for_less_waits_as_the_policy_says() -> None:
    assert following(policy(in_place=0), Retry(after=0.5)) == Again(2.0, in_place=False)


def test_a_short_wait_is_waited_for_in_place() -> None:
    assert following(policy(), Retry(after=0.1)) == Again(0.2, in_place=True)


def test_no_handler_can_ask_for_more_than_a_day() -> None:
    assert following(policy(), Retry(after=1e12)) == Again(LONGEST_WAIT_SECONDS, in_place=False)


class Later(Retry):
    """A plugin's own, which forgets to call what it is made from."""

    def __init__(self) -> None:
        Exception.__init__(self, 'later')


@pytest.mark.parametrize(
    ('error', 'seconds'),
    [
        (ValueError(), 0.0),
        (Retry(), 0.0),
        (Retry(after=3.0), 3.0),
        (Retry(after=3), 3.0),
        (Retry(after=-3.0), 0.0),
        (Retry(after=math.nan), 0.0),
        (Retry(after=math.inf), LONGEST_WAIT_SECONDS),
        (Retry(after=10**400), LONGEST_WAIT_SECONDS),
        (Retry(after='30'), 30.0),  # type: ignore[arg-type]
        (Retry(after='Wed, 21 Oct 2026 07:28:00 GMT'), 0.0),  # type: ignore[arg-type]
        (Retry(after=[]), 0.0),  # type: ignore[arg-type]
        (Later(), 0.0),
    ],
    ids=repr,
)
def test_whatever_a_handler_asks_for_is_a_number_of_seconds_up_to_a_day(error: BaseException, seconds: float) -> None:
    assert asked_seconds(error) == seconds


# ---- what a server asks for

NOON = 1_792_584_000.0
"""Wednesday, 21 October 2026, 12:00 UTC."""


@pytest.mark.parametrize(
    ('header', 'seconds'),
    [
        (None, None),
        ('120', 120.0),
        ('0', 0.0),
        (' 120 ', 120.0),
        ('99999999999', LONGEST_WAIT_SECONDS),
        ('9' * 4000, LONGEST_WAIT_SECONDS),
        ('Wed, 21 Oct 2026 12:02:00 GMT', 120.0),
        ('Wed, 21 Oct 2026 11:58:00 GMT', 0.0),
        ('Wed, 21 Oct 2026 14:02:00 +0200', 120.0),
        ('Wednesday, 21-Oct-26 12:02:00 GMT', 120.0),
        ('Wed Oct 21 12:02:00 2026', 120.0),
        ('Wed, 21 Oct 9999 12:02:00 GMT', LONGEST_WAIT_SECONDS),
        ('', None),
        ('soon', None),
        ('-5', None),
        ('1.5', None),
        ('\u0661', None),
        ('\u00b2', None),
        ('Wed, 41 Oct 2026 12:02:00 GMT', None),
        ('Wed, 21 Oct 2026 12:02:00 +999999', None),
    ],
)
@pytest.mark.parametrize('zone', ['UTC', 'America/Montreal'])
def test_a_server_says_how_long_in_seconds_or_until_when(
    monkeypatch: pytest.MonkeyPatch, header: str | None, seconds: float | None, zone: str
) -> None:
    # Given a host in any time zone
    monkeypatch.setenv('TZ', zone)
    time.tzset()

    # When a server says so
    found = retry_after(header, now=NOON)
    monkeypatch.undo()
    time.tzset()

    # Then it is a number of seconds, or none where it makes no sense
    assert found == seconds


@given(st.text() | st.from_regex(r'[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,5} \d{1,2}:\d{1,2}:\d{1,2} [+-]?\w{1,6}'))
def test_whatever_a_server_says_it_is_a_wait_up_to_a_day_or_none(header: str) -> None:
    found = retry_after(header)

    assert found is None or 0.0 <= found <= LONGEST_WAIT_SECONDS


# ---- in a lane


def test_in_a_lane_an_event_is_tried_in_place_with_the_waits_of_the_delay_queues() -> None:
    made = policy(backoff='2s..5m', attempts=5)

    found = [following(made, attempt=attempt, in_lane=True) for attempt in range(1, 6)]

    assert found == [*(Again(wait, in_place=True) for wait in (2.0, 4.0, 8.0, 16.0)), None]


def test_in_a_lane_no_wait_goes_beyond_the_time_that_the_lane_may_be_held() -> None:
    assert following(policy(hold='1m'), Retry(after=40.0), held_seconds=50.0, in_lane=True) == Again(10.0, True)


@pytest.mark.parametrize('held_seconds', [60.0, 61.0])
def test_an_event_that_has_held_its_lane_long_enough_is_not_tried_again(held_seconds: float) -> None:
    assert following(policy(hold='1m'), held_seconds=held_seconds, in_lane=True) is None


# ---- rules


spans = st.tuples(st.floats(0.1, 3600.0), st.floats(0.1, 3600.0)).map(sorted).map(tuple)
policies = st.builds(
    lambda backoff, attempts, in_place, hold: RetryPolicy(
        RetryConfig.model_construct(backoff=backoff, attempts=attempts, in_place=in_place, hold=hold)
    ),
    backoff=spans,
    attempts=st.integers(1, 1000),
    in_place=st.integers(0, 10),
    hold=st.floats(1.0, 600.0),
)
asked = st.none() | st.floats()
errors = st.one_of(st.builds(lambda after: Retry(after=after), asked), st.just(ValueError()), st.just(HandlerTimeout()))


@given(policies, asked, st.integers(1, 1000), st.integers(0, 1000))
def test_no_wait_is_shorter_than_asked_up_to_a_day(
    made: RetryPolicy, after: float | None, attempt: int, rounds: int
) -> None:
    error = Retry(after=after)
    again = following(made, error, attempt=attempt, rounds=rounds)

    assert again is None or asked_seconds(error) <= again.seconds <= LONGEST_WAIT_SECONDS


@given(policies, st.integers(1, 1000), st.integers(0, 1000))
def test_no_wait_in_a_delay_queue_is_shorter_than_the_policy_says(made: RetryPolicy, attempt: int, rounds: int) -> None:
    again = following(made, attempt=attempt, rounds=rounds)

    assert again is None or again.in_place or again.seconds >= made.steps_seconds[0]


@given(policies, errors, st.booleans(), st.integers(1, 20), st.data())
def test_however_it_fails_an_event_is_tried_as_often_as_the_policy_says_at_most(
    made: RetryPolicy, error: BaseException, in_lane: bool, attempts: int, data: st.DataObject
) -> None:
    # Given an event that always fails
    made = policy(attempts=attempts, in_place=data.draw(st.integers(0, 10)))
    tries, rounds, held = 1, 0, 0.0

    # When it is tried as the policy says
    while (
        again := following(made, error, attempt=tries, rounds=rounds, held_seconds=held, in_lane=in_lane)
    ) is not None:
        tries, rounds, held = tries + 1, rounds + (not again.in_place), held + again.seconds

    # Then it ends in time; only the hold of a lane ends it earlier
    assert tries <= attempts if in_lane else tries == attempts


@given(policies, errors, st.integers(1, 1000), st.integers(0, 1000), st.floats(0.0, 1e6))
def test_what_has_a_lane_never_leaves_it(
    made: RetryPolicy, error: BaseException, attempt: int, rounds: int, held_seconds: float
) -> None:
    again = following(made, error, attempt=attempt, rounds=rounds, held_seconds=held_seconds, in_lane=True)

    assert again is None or again.in_place


@given(st.floats(1.0, 600.0), errors, st.integers(1, 100))
def test_a_lane_is_never_held_longer_than_it_may_be(hold: float, error: BaseException, attempts: int) -> None:
    # Given an event that always fails, at once
    made = policy(hold=hold, attempts=attempts)
    held, attempt = 0.0, 1

    # When it is tried as the policy says
    while (again := following(made, error, attempt=attempt, held_seconds=held, in_lane=True)) is not None:
        held, attempt = held + again.seconds, attempt + 1

    # Then its waits are no longer than that, but for the rounding of numbers
    assert held <= hold * 1.000001


@given(policies, st.integers(1, 1000))
def test_without_a_lane_the_waits_never_get_shorter(made: RetryPolicy, rounds: int) -> None:
    waits = [following(made, attempt=1, rounds=each) for each in (rounds, rounds + 1)]

    assert waits[0] is None or waits[1] is None or waits[0].seconds <= waits[1].seconds
