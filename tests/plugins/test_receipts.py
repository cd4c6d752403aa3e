# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Receipts: nobody gets an event twice for another's sake, and nobody is left out."""

from __future__ import annotations

from plugins.receipts import Receipts
from wazo_busd.event import Event


def event(attempt: int = 1, name: str = 'a') -> Event:
    return Event(name, id=name, attempt=attempt)


def test_at_the_first_try_everybody_is_missing() -> None:
    receipts = Receipts()
    receipts.note(event(), ['x'])

    assert receipts.missing(event(), ['x', 'y']) == ['x', 'y']


def test_at_a_further_try_those_are_missing_who_have_nothing() -> None:
    receipts = Receipts()
    receipts.note(event(), ['x'])
    receipts.note(event(2), ['y'])

    assert receipts.missing(event(3), ['x', 'y', 'z']) == ['z']


def test_what_an_earlier_event_of_the_same_identity_has_left_is_forgotten() -> None:
    receipts = Receipts()
    receipts.note(event(), ['x'])
    receipts.note(event(), ['y'])

    assert receipts.missing(event(2), ['x', 'y']) == ['x']


def test_an_event_that_is_not_tried_again_is_forgotten() -> None:
    receipts = Receipts()
    receipts.note(event(), ['x'])
    receipts.forget(event())

    assert receipts.missing(event(2), ['x']) == ['x']


def test_of_very_many_events_the_oldest_is_forgotten() -> None:
    receipts = Receipts()
    for number in range(4097):
        receipts.note(event(name=str(number)), ['x'])

    assert [receipts.missing(event(2, name), ['x']) for name in ('0', '4096')] == [['x'], []]
