# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`queues` and its figures: they are those of now, and what is asked often is not counted anew each time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.queues.agent import Agent
from plugins.queues.wait import Wait
from plugins.tracking import Tracker
from tests.plugins.trackers.queue_events import caller, maker, member
from tests.plugins.trackers.rig import START, day, restarted
from tests.plugins.trackers.test_queues_histories import office
from wazo_busd.event import Event

MAKE = maker()
NOW = START.timestamp() + 90
SOME = [
    caller('QueueCallerJoin', 0),
    caller('QueueCallerJoin', 5, '100.2'),
    member('QueueMemberAdded', 6),
    member('QueueMemberPause', 9, Paused='1'),
]


def values(tracker: Tracker, at: float = NOW) -> dict[str, dict[tuple[str, ...], float]]:
    """What all figures say."""
    return {each.name: dict(each.values) for each in tracker.figures(at)}


def fed(events: Iterable[Event], *, asked_after_each: bool = False) -> Tracker:
    """A tracker that has taken events, and let the time between them pass."""
    tracker, now = MAKE(), 0.0
    for event in events:
        now = max(now, event.received_at)
        tracker.tick(now)
        tracker.feed(event, event.received_at)
        if asked_after_each:
            values(tracker)
    return tracker


def test_nobody_is_counted_anew_of_whom_nothing_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(self: Any) -> Any:
        raise AssertionError('was looked at')

    tracker = fed(SOME)
    before = values(tracker)
    for kind, name in ((Wait, 'began_at'), (Agent, 'queues'), (Agent, 'paused_queues')):
        monkeypatch.setattr(kind, name, property(look))

    assert values(tracker) == before


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_figures_are_the_same_however_often_they_are_asked_for(seed: int, steps: int) -> None:
    events = office(seed, steps).events(is_shuffled=True)

    assert values(fed(events, asked_after_each=True)) == values(fed(events))


@pytest.mark.parametrize('part', range(1, 6))
def test_figures_are_the_same_after_a_restart(part: int) -> None:
    events = day()
    tracker = fed(events[: len(events) * part // 6])

    assert values(restarted(MAKE, tracker)) == values(tracker)


def test_who_has_gone_is_no_longer_the_one_who_waits_longest() -> None:
    tracker = fed([*SOME, caller('QueueCallerLeave', 10)])

    assert values(tracker)['wazo_busd_queues_longest_wait_seconds'] == {('support',): 85.0}


def test_an_agent_who_is_forgotten_is_in_no_figure() -> None:
    tracker = fed(SOME)
    values(tracker)
    tracker.tick(NOW + 8 * 86_400)

    assert set(values(tracker)['wazo_busd_queues_agents'].values()) == {0}
