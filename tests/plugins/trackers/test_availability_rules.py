# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Availability: what is told of parts that go up and down in any order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.tracking.moment import parsed
from tests.plugins.trackers.rig import START, Found, restarted, run, runner, told
from tests.plugins.trackers.up_and_down import A, B, line, peer, said, service, tracker, trunk, what
from wazo_busd.event import Event

CALM = {'changes': 100, 'within': '1s'}


MAKERS: dict[str, Callable[..., Event]] = {'service': service, 'trunk': trunk, 'peer': peer}
HISTORIES = st.lists(
    st.tuples(
        st.sampled_from([A, B]),
        st.sampled_from(sorted(MAKERS)),
        st.integers(0, 2),
        st.booleans(),
        st.sampled_from([0.5, 1, 2, 4, 7, 20, 29, 31, 40, 100, 700]),
    ),
    max_size=40,
)
Steps = list[tuple[str, str, int, bool, float]]


def history(steps: Steps) -> list[Event]:
    """Parts of two hosts that say whether they are up."""
    events, at = [], 0.0
    for number, (origin, kind, which, is_up, later) in enumerate(steps):
        at += later
        who: Any = which if kind == 'trunk' else f'{kind}{which}'
        era: Any = '2019' if origin == B else 'now'
        events.append(MAKERS[kind](is_up, at + number / 1000, who, origin=origin, era=era))
    return events


def states(steps: Steps) -> dict[tuple[str, str], list[tuple[float, bool]]]:
    """When each part changed to what, by host and name."""
    found: dict[tuple[str, str], list[tuple[float, bool]]] = {}
    at = START.timestamp()
    for number, (origin, kind, which, is_up, later) in enumerate(steps):
        at += later
        name = {'trunk': f'carrier{which}', 'peer': f'PJSIP/peer{which}'}.get(kind, f'{kind}{which}')
        changes = found.setdefault((origin, name), [])
        if not changes or changes[-1][1] != is_up:
            changes.append((at + number / 1000, is_up))
    return found


def told_of(found: list[Found]) -> dict[tuple[str, str], list[tuple[str, Found]]]:
    """What was told of each part, by host and name."""
    by_part: dict[tuple[str, str], list[tuple[str, Found]]] = {}
    for each in found:
        for name in said(each, 'names')[0]:
            word = each.derivation.name.rpartition('.')[2]
            by_part.setdefault((each.derivation.origin_uuid or '', name), []).append((word, each))
    return by_part


@given(HISTORIES, st.sampled_from([CALM, {'changes': 5, 'within': '10m'}, {'changes': 3, 'within': '1m'}]))
def test_down_and_up_alternate_and_in_the_end_it_is_told_how_it_is(steps: Steps, flapping: Any) -> None:
    by_part = told_of(what(history(steps), flapping=flapping))

    for part, changes in states(steps).items():
        words = ['up', *(word for word, _ in by_part.get(part, []))]
        assert not {('up', 'up'), ('down', 'down')} & set(pairwise(words))
        assert (words[-1] == 'up') == changes[-1][1]


@given(HISTORIES, st.sampled_from([CALM, {'changes': 3, 'within': '1m'}]))
def test_nothing_is_told_to_be_down_that_was_not_for_so_long(steps: Steps, flapping: Any) -> None:
    changes = states(steps)
    for part, all_told in told_of(what(history(steps), flapping=flapping)).items():
        for word, found in all_told:
            if word == 'down':
                before = [each for each in changes[part] if each[0] <= found.at]
                assert before[-1][1] is False
                assert found.at - before[-1][0] >= 30 - 1e-6


@given(HISTORIES)
def test_services_and_trunks_are_told_each_time_that_they_are_down_for_so_long(steps: Steps) -> None:
    by_part = told_of(what(history(steps), flapping=CALM))

    for part, changes in states(steps).items():
        if 'PJSIP' in part[1]:
            continue
        ends = [*(at for at, _ in changes[1:]), float('inf')]
        lasted = [at for (at, is_up), end in zip(changes, ends, strict=True) if not is_up and end >= at + 30]
        downs = [parsed(found.derivation.data['since']) for word, found in by_part.get(part, []) if word == 'down']
        assert downs == pytest.approx(lasted, abs=0.001)


@given(HISTORIES)
def test_while_it_flaps_nothing_else_is_told(steps: Steps) -> None:
    changes = states(steps)
    for part, all_told in told_of(what(history(steps), flapping={'changes': 3, 'within': '1m'})).items():
        for (word, _), (_, other) in pairwise(all_told):
            if word == 'flapping':
                steady = [each for each, _ in changes[part] if other.at - 60 + 1e-6 < each < other.at]
                assert steady == [] or other.derivation.name.endswith('flapping')


@given(HISTORIES, st.integers(0, 40))
def test_a_restart_anywhere_changes_nothing(steps: Steps, restart_after: int) -> None:
    make, events = (lambda: tracker(flapping={'changes': 3, 'within': '1m'})), history(steps)

    assert sorted(told(run(make, events, restart_after=restart_after))) == sorted(told(run(make, events)))


@pytest.mark.parametrize('restart_after', range(1, 45))
@pytest.mark.parametrize('make', [line, peer])
def test_a_restart_while_many_go_down_and_come_back_changes_nothing(make: Any, restart_after: int) -> None:
    lost = [make(False, 0.1 * each, str(each)) for each in range(20)]
    # While those before wait to be told together, others speak.
    others = [service(True, 31 + each) for each in range(5)]
    back = [make(True, 300 + 0.1 * each, str(each)) for each in range(20)]
    events = [*lost, *others, *back]

    assert told(run(tracker, events, restart_after=restart_after)) == told(run(tracker, events))


@given(HISTORIES, st.integers(0, 3))
def test_what_comes_again_later_is_not_told_again(steps: Steps, later: int) -> None:
    events = history(steps)
    again = [each for number, one in enumerate(events) for each in (one, *events[max(0, number - later) : number])]

    assert told(what(again)) == told(what(events))


@given(st.lists(st.floats(0, 59), min_size=20, max_size=60), st.sampled_from([line, peer]))
def test_all_who_are_lost_within_the_time_are_one_event(moments: list[float], make: Any) -> None:
    start = min(moments)
    events = [make(False, at - start, str(number)) for number, at in enumerate(sorted(moments))]

    assert [said(each, 'count') for each in what(events)] == [(len(moments),)]


@pytest.mark.parametrize('left', [0, 5])
def test_a_restart_with_room_for_less_while_many_go_down_tells_those_that_are_left(left: int) -> None:
    lost = [line(False, 10, number) for number in range(20)]
    others = [line(True, 11, number) for number in range(30, 40 - left)]
    _, before = runner(lambda: tracker(most=100), [*lost, *others, line(True, 40.5, 30)], wait=False)
    after = restarted(lambda: tracker(most=10), before)
    found = list(after.tick(START.timestamp() + 100))

    assert [each.data['count'] for each in found] == ([left] if left else [])
