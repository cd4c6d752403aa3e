# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The alarms: what is due when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plugins.tracking import Alarms

TIMES = st.floats(0, 1000)
STEPS = st.lists(st.tuples(st.sampled_from(['set', 'cancel', 'due']), st.integers(0, 5), TIMES))


def test_the_first_one_is_next() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set('late', 20.0)
    alarms.set('soon', 10.0)

    assert alarms.next() == 10.0


def test_one_that_is_cancelled_is_not_due() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set('a', 10.0)
    alarms.cancel('a')

    assert (alarms.next(), list(alarms.due(100.0))) == (None, [])


def test_one_that_is_set_anew_is_due_then_and_not_before() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set('a', 10.0)
    alarms.set('a', 20.0)

    assert (list(alarms.due(15.0)), list(alarms.due(20.0))) == ([], [('a', 20.0)])


def test_one_that_is_set_while_others_are_taken_away_is_taken_too_if_it_is_due() -> None:
    alarms: Alarms[str] = Alarms()
    alarms.set('a', 10.0)
    taken = []
    for key, at in alarms.due(12.0):
        taken.append((key, at))
        if key == 'a':
            alarms.set('b', 11.0)

    assert taken == [('a', 10.0), ('b', 11.0)]


def test_to_set_one_again_and_again_takes_no_memory() -> None:
    alarms: Alarms[str] = Alarms()
    for at in range(10_000):
        alarms.set('a', float(at))

    assert len(alarms._heap) < 200


@given(STEPS)
def test_what_is_due_is_as_in_a_plain_map(steps: list[tuple[str, int, float]]) -> None:
    alarms: Alarms[int] = Alarms()
    plain: dict[int, float] = {}
    for step, key, at in steps:
        if step == 'set':
            alarms.set(key, at)
            plain[key] = at
        elif step == 'cancel':
            alarms.cancel(key)
            plain.pop(key, None)
        else:
            expected = sorted(when for when in plain.values() if when <= at)
            plain = {each: when for each, when in plain.items() if when > at}
            assert [when for _, when in alarms.due(at)] == expected
    assert (alarms.next(), len(alarms)) == (min(plain.values(), default=None), len(plain))
