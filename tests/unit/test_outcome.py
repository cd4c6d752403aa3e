# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The outcome: read from what a handler raised, and the end of its traceback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wazo_busd import outcome
from wazo_busd.errors import Discard, HandlerCrashed, HandlerTimeout, Permanent, Retry, Undecodable
from wazo_busd.outcome import Outcome, Reason, text_of, told, traceback_tail


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (None, Outcome.DONE),
        (Discard('not mine'), Outcome.DISCARDED),
        (Discard(), Outcome.DISCARDED),
        (Retry('later', after=3.0), Outcome.RETRY),
        (HandlerTimeout('10s'), Outcome.RETRY),
        (Permanent('there is no such user'), Outcome.DEAD),
        (Undecodable('the body is empty'), Outcome.DEAD),
        (HandlerCrashed('three times'), Outcome.DEAD),
        (ValueError('x'), Outcome.RETRY),
        (asyncio.CancelledError(), Outcome.RETRY),
        (SystemExit(3), Outcome.RETRY),
    ],
)
def test_an_outcome_follows_from_what_was_raised(error: BaseException | None, expected: Outcome) -> None:
    assert Outcome.of(error) is expected


def test_a_subclass_of_discard_discards() -> None:
    class NotMine(Discard):
        pass

    assert Outcome.of(NotMine('somebody else does it')) is Outcome.DISCARDED


def test_the_words_of_outcomes_are_those_of_the_log() -> None:
    assert [each.value for each in Outcome] == ['done', 'discarded', 'retry', 'dead', 'interrupted']


def test_a_reason_does_not_change() -> None:
    reason = Reason(
        handler='calls',
        plugin='log',
        plugin_version='1',
        error='ValueError',
        text='x',
        traceback='',
        attempts=1,
        first_at=1.0,
        last_at=2.0,
        event_id='0' * 32,
    )
    with pytest.raises(AttributeError):
        reason.text = 'y'  # type: ignore[misc]


def reason_of(error: BaseException, *, has_run: bool = True) -> Reason:
    return Reason.of(
        error,
        handler='calls',
        plugin='log',
        plugin_version='1',
        attempts=3,
        first_at=1.0,
        event_id='a' * 32,
        has_run=has_run,
    )


def test_a_reason_tells_the_error_and_what_is_known_of_the_tries() -> None:
    reason = reason_of(ValueError('too many faxes'))

    assert (reason.error, reason.text, reason.attempts, reason.first_at, reason.event_id) == (
        'ValueError',
        'too many faxes',
        3,
        1.0,
        'a' * 32,
    )


def test_a_reason_has_the_traceback_of_the_error() -> None:
    assert reason_of(_raised('x')).traceback == traceback_tail(_raised('x'))


def test_where_no_code_of_the_plugin_ran_there_is_no_traceback() -> None:
    assert reason_of(_raised('x'), has_run=False).traceback == ''


def test_the_last_try_is_now() -> None:
    before = time.time()

    assert before <= reason_of(ValueError()).last_at <= time.time()


def _raised(text: str, depth: int = 0) -> Exception:
    def fall(left: int) -> None:
        if left:
            fall(left - 1)
        else:
            raise ValueError(text)

    try:
        fall(depth)
    except ValueError as error:
        return error
    raise AssertionError


def test_a_short_traceback_is_kept_whole() -> None:
    tail = traceback_tail(_raised('too many faxes'))
    assert tail.startswith('Traceback (most recent call last):\n')


def test_a_traceback_ends_with_what_the_error_says() -> None:
    assert traceback_tail(_raised('too many faxes')).endswith('ValueError: too many faxes\n')


def test_a_traceback_names_the_line_that_raised() -> None:
    assert 'raise ValueError(text)' in traceback_tail(_raised('x'))


def test_of_a_long_traceback_the_end_is_kept() -> None:
    tail = traceback_tail(_raised('fax ' * 2000))
    assert (len(tail), tail[-5:]) == (4096, 'fax \n')


def test_an_error_that_cannot_say_what_it_is_has_a_traceback_all_the_same() -> None:
    class Speechless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert 'Speechless' in traceback_tail(Speechless())


def _caught_by_us(function: Callable[[], None]) -> Exception:
    """What `function` raises, caught in code that lies beside our own."""
    source = """
def catch(function):
    try:
        function()
        raise ValueError('from us')
    except ValueError as error:
        return error
"""
    found: dict[str, Any] = {}
    exec(compile(source, str(Path(outcome.__file__).parent / 'somewhere.py'), 'exec'), found)
    error = found['catch'](function)
    assert isinstance(error, Exception)
    return error


def test_a_traceback_begins_with_the_code_of_the_plugin() -> None:
    def ring_the_bell() -> None:
        raise ValueError('from the plugin')

    assert traceback_tail(_caught_by_us(ring_the_bell)).splitlines()[1].endswith('in ring_the_bell')


def test_an_error_that_only_our_own_code_raised_keeps_its_traceback() -> None:
    assert traceback_tail(_caught_by_us(lambda: None)).splitlines()[1].endswith('in catch')


def test_an_error_that_cannot_say_what_it_is_is_told_all_the_same() -> None:
    class Speechless(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert text_of(Speechless()) == '<exception str() failed>'


def test_an_error_is_told_with_its_class() -> None:
    assert told(ValueError('too many faxes')) == 'ValueError: too many faxes'
