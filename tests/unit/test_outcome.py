# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The outcome: read from what a handler raised, and the end of its traceback."""

from __future__ import annotations

import asyncio

import pytest

from wazo_busd.errors import Discard, HandlerTimeout, Retry, Undecodable
from wazo_busd.outcome import Outcome, Reason, traceback_tail


@pytest.mark.parametrize(
    ('error', 'outcome'),
    [
        (None, Outcome.DONE),
        (Discard('not mine'), Outcome.DISCARDED),
        (Discard(), Outcome.DISCARDED),
        (Retry('later', after=3.0), Outcome.DEAD),
        (HandlerTimeout('10s'), Outcome.DEAD),
        (Undecodable('the body is empty'), Outcome.DEAD),
        (ValueError('x'), Outcome.DEAD),
        (asyncio.CancelledError(), Outcome.DEAD),
        (SystemExit(3), Outcome.DEAD),
    ],
)
def test_an_outcome_follows_from_what_was_raised(error: BaseException | None, outcome: Outcome) -> None:
    assert Outcome.of(error) is outcome


def test_a_subclass_of_discard_discards() -> None:
    class NotMine(Discard):
        pass

    assert Outcome.of(NotMine('somebody else does it')) is Outcome.DISCARDED


def test_the_words_of_outcomes_are_those_of_the_log() -> None:
    assert [each.value for each in Outcome] == ['done', 'discarded', 'dead', 'interrupted']


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
