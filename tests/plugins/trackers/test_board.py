# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What trackers show on the board: what there is to see, and nothing of who calls."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from plugins.availability.options import Options as AvailabilityOptions
from plugins.availability.tracker import AvailabilityTracker
from plugins.calls.options import CallsOptions
from plugins.calls.tracker import CallsTracker
from plugins.conferences import ConferenceTracker
from plugins.queues.options import QueuesOptions
from plugins.queues.tracker import QueueTracker
from plugins.tracking import Tracker, moment_of
from plugins.tracking.host import on_host
from tests.plugins.trackers.queue_events import caller, member
from tests.plugins.trackers.rig import START, Make, day, event, restarted
from wazo_busd.event import Event
from wazo_busd.panel import Panel
from wazo_busd.panels import Panels

MAKERS: dict[str, Make] = {
    'availability': lambda: AvailabilityTracker(AvailabilityOptions()),
    'calls': lambda: CallsTracker(CallsOptions(), 'US'),
    'conferences': ConferenceTracker,
    'queues': lambda: QueueTracker(QueuesOptions()),
}
NOW = START.timestamp() + 90


def panels(tracker: Tracker, at: float = NOW) -> dict[str, Panel]:
    """What it shows, by titles, as the board has it."""
    shown = Panels()
    shown.show(lambda: tracker.panels(at))
    return {each.title: each for each in shown.now()}


def fed(make: Make, events: list[Event], until: float = NOW) -> Tracker:
    tracker = make()
    for each in events:
        list(tracker.feed(each, moment_of(each)))
    list(tracker.tick(until))
    return tracker


def totals(panel: Panel) -> dict[str, Any]:
    return {each.label: each.value for each in panel.totals}


def texts(shown: Mapping[str, Panel]) -> Iterator[str]:
    for panel in shown.values():
        yield from (cell for row in panel.rows for cell in row.cells if isinstance(cell, str))


# ---- queues


def test_a_queue_shows_who_waits_and_for_how_long() -> None:
    tracker = fed(MAKERS['queues'], [caller('QueueCallerJoin', 0), caller('QueueCallerJoin', 30, '100.2')])
    panel = panels(tracker)['Queues']

    assert totals(panel) == {'waiting': 2, 'longest wait': timedelta(seconds=90)}
    assert panel.rows[0].cells[1:4] == ('somebody waits', 2, timedelta(seconds=90))


@pytest.mark.parametrize(
    ('more', 'state'),
    [
        ([], 'ready'),
        ([('QueueMemberPause', '1')], 'paused'),
        ([('QueueMemberPause', '1'), ('QueueMemberPause', '0')], 'ready'),
    ],
)
def test_agents_are_shown_by_what_they_do(more: list[tuple[str, str]], state: str) -> None:
    events = [member('QueueMemberAdded', 6)]
    events += [member(name, 20 + 10 * number, Paused=paused) for number, (name, paused) in enumerate(more)]
    panel = panels(fed(MAKERS['queues'], events))['Agents']

    assert ([row.cells[1] for row in panel.rows], totals(panel)[state]) == ([state], 1)


def test_an_agent_who_is_not_there_is_not_shown() -> None:
    events = [member('QueueMemberAdded', 6), member('QueueMemberRemoved', 30)]

    assert panels(fed(MAKERS['queues'], events))['Agents'].rows == ()


# ---- calls


def call(name: str, at: float, **data: Any) -> Event:
    said = {'call_id': '1.1', 'conversation_id': '1.1', 'is_caller': True, 'direction': 'inbound', 'status': 'Ring'}
    return event(name, {**said, 'caller_id_number': '5550100', 'creation_time': START.isoformat(), **data}, at)


def test_a_call_that_rings_is_counted_by_its_direction() -> None:
    panel = panels(fed(MAKERS['calls'], [call('call_created', 0)], START.timestamp() + 1), START.timestamp() + 1)[
        'Calls'
    ]

    assert (totals(panel)['calls now'], panel.rows[0].cells) == (1, ('inbound', 1, 0, 0, 0))


# ---- services


def service(name: str, at: float) -> Event:
    return event(name, {'service_name': 'wazo-calld', 'service_id': '1', 'tags': []}, at)


@pytest.mark.parametrize(
    ('last', 'until', 'state', 'tone'),
    [
        ('service_registered_event', 20, 'up', 'good'),
        ('service_deregistered_event', 11, 'going down', 'busy'),
        ('service_deregistered_event', 7200, 'down', 'bad'),
    ],
)
def test_a_service_is_shown_in_words(last: str, until: float, state: str, tone: str) -> None:
    events = [service('service_registered_event', 0), service(last, 10)]
    panel = panels(fed(MAKERS['availability'], events, START.timestamp() + until), START.timestamp() + until)[
        'Services'
    ]
    (row,) = panel.rows

    assert (row.cells[0], row.cells[2], row.tone) == ('wazo-calld', state, tone)


# ---- rooms


def test_a_room_shows_how_many_are_in_it_and_nobody_by_name() -> None:
    joined = {
        'id': '1',
        'call_id': '1',
        'conference_id': 7,
        'caller_id_name': 'Somebody',
        'caller_id_number': '5550100',
    }
    events = [event('conference_participant_joined', {**joined, 'id': who, 'call_id': who}, 0) for who in ('1', '2')]
    shown = panels(fed(MAKERS['conferences'], events))
    (row,) = shown['Rooms'].rows

    assert row.cells == ('conference 7', 2, 0, 'no', timedelta(seconds=90))


def test_of_a_meeting_not_so_much_is_shown_that_somebody_could_enter() -> None:
    uuid = '0e2f0e41-1d2a-4a52-9b74-2c9de4f03f42'
    events = [
        event('meeting_participant_joined', {'meeting_uuid': uuid, 'participant_id': '1', 'call_id': '1', 'id': '1'}, 0)
    ]
    shown = panels(fed(MAKERS['conferences'], events))

    assert [row.cells[0] for row in shown['Rooms'].rows] == ['meeting 0e2f0e41']


# ---- all of them


@pytest.mark.parametrize('name', MAKERS)
def test_what_is_shown_survives_a_restart_and_names_nobody_who_calls(name: str) -> None:
    tracker, numbers = MAKERS[name](), set()
    now = 0.0
    for number, each in enumerate(day('now', 3)):
        now = max(now, moment_of(each))
        while (due := tracker.due()) is not None and due <= now:
            list(tracker.tick(due))
        list(tracker.feed(each, moment_of(each)))
        data = each.data if isinstance(each.data, Mapping) else {}
        numbers |= {data[key] for key in ('caller_id_number', 'peer_caller_id_number', 'CallerIDNum') if data.get(key)}
        if number % 500 == 0:
            shown = panels(tracker, now)
            outside = {each for each in numbers if len(str(each)) > 4}
            said = ' '.join(texts(shown))
            assert [each for each in outside if re.search(rf'\b{re.escape(str(each))}\b', said)] == []
            assert panels(restarted(MAKERS[name], tracker), now) == shown
    assert len(numbers) > 10


@pytest.mark.parametrize(('origins', 'name'), [(['a' * 36], 'sales'), (['a' * 36, 'b' * 36], 'sales on aaaaaaaa')])
def test_hosts_are_told_apart_where_there_are_several(origins: list[str], name: str) -> None:
    assert on_host('sales', origins[0], origins) == name
