# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Availability: what is down is told after a while and once, what is back is told, and what flaps is told no more."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from plugins.availability import AvailabilityTracker, Options
from plugins.availability.installation import reason_in
from tests.plugins.trackers.rig import START, event, names, run
from tests.plugins.trackers.up_and_down import (
    OTHER_TENANT,
    A,
    B,
    line,
    peer,
    registry,
    said,
    service,
    step,
    tracker,
    trunk,
    what,
    words,
)
from wazo_busd.event import Event

# ---- down and up


def test_what_is_down_for_long_enough_is_told_then() -> None:
    (found,) = what([service(True, 0), service(False, 100)])

    assert found.at == START.timestamp() + 130
    assert said(found, 'kind', 'name', 'names', 'count', 'since', 'seconds', 'origin_uuid') == (
        'service', 'wazo-calld', ['wazo-calld'], 1, '2026-05-04T08:01:40.000+00:00', 30.0, A,
    )  # fmt: skip


def test_what_is_back_sooner_was_not_down() -> None:
    assert what([service(True, 0), service(False, 100), service(True, 129)]) == []


def test_what_is_up_again_is_told_with_how_long_it_was_down() -> None:
    _, found = what([service(True, 0), service(False, 100), service(True, 195)])

    assert (found.derivation.name, *said(found, 'seconds', 'sentence')) == (
        'busd.availability.up', 95.0, 'Service wazo-calld is up again after 95 s',
    )  # fmt: skip


@pytest.mark.parametrize(
    'down', [trunk(False, 5), line(False, 5), service(False, 5), peer(False, 5), registry('Failed', 5)]
)
def test_what_says_itself_that_it_is_down_need_not_have_been_up(down: Event) -> None:
    assert names(what([down])) == ['busd.availability.down']


@pytest.mark.parametrize(
    'first',
    [
        trunk(None, 5),
        event('PeerStatus', {'Peer': 'PJSIP/abc', 'PeerStatus': 'Rejected'}, 5),
        event('PeerStatus', {'Peer': 'PJSIP/abc', 'PeerStatus': 'Unknown'}, 5),
        event('ContactStatus', {'EndpointName': 'abc', 'ContactStatus': 'Removed'}, 5),
        event('DeviceStateChange', {'Device': 'PJSIP/abc', 'State': 'UNAVAILABLE'}, 5),
        event('FullyBooted', {'Uptime': '7'}, 5),
    ],
)
def test_there_is_no_false_alarm_at_the_start(first: Event) -> None:
    assert what([first]) == []


def test_a_contact_that_is_gone_says_nothing_of_the_peer() -> None:
    contact = {'EndpointName': 'abc', 'URI': 'sip:abc@192.0.2.1'}
    events = [
        event('ContactStatus', {**contact, 'ContactStatus': each}, at)
        for at, each in enumerate(('Reachable', 'Removed'))
    ]

    assert what(events) == []


def test_a_contact_that_is_reachable_shows_that_the_peer_is_up() -> None:
    contact = {'EndpointName': 'abc', 'URI': 'sip:abc@192.0.2.1', 'ContactStatus': 'Reachable'}

    assert words(what([peer(False, 0), event('ContactStatus', contact, 100, origin_uuid=A)])) == [
        ('down', 'PJSIP/abc'),
        ('up', 'PJSIP/abc'),
    ]


def test_asterisk_that_stops_is_down_until_it_has_started() -> None:
    stop = event('Shutdown', {'Shutdown': 'Cleanly', 'Restart': 'False'}, 0, origin_uuid=A)
    start = event('FullyBooted', {'Uptime': '3'}, 90, origin_uuid=A)

    assert [said(each, 'sentence') for each in what([stop, start])] == [
        ('Asterisk is down',),
        ('Asterisk is up again after 90 s',),
    ]


def test_asterisk_that_crashes_again_and_again_is_flapping() -> None:
    starts = [event('FullyBooted', {'Uptime': '3'}, 60 * each, origin_uuid=A) for each in range(4)]

    assert names(what(starts)) == ['busd.availability.flapping', 'busd.availability.up']


def test_to_connect_to_asterisk_again_is_no_start_of_it() -> None:
    seen = [event('FullyBooted', {'Uptime': f'{1000 + 60 * each}'}, 60 * each, origin_uuid=A) for each in range(9)]

    assert what(seen) == []


def test_registered_and_deregistered_that_share_a_key_are_told_apart_by_name() -> None:
    key = 'service.registered.wazo-calld'
    data = {'service_name': 'wazo-calld'}
    at = START.timestamp()
    events = [Event(name, data, key, received_at=at) for name in ('service_registered', 'service_deregistered')]

    assert words(what(events)) == [('down', 'wazo-calld')]


def test_the_last_word_of_an_instance_that_was_replaced_is_not_about_the_other() -> None:
    assert (
        what([service(True, 0, instance='old'), service(True, 10, instance='new'), service(False, 11, instance='old')])
        == []
    )


def begins(run_of_it: str, at: float, port: int = 9500) -> Event:
    return service(True, at, instance=run_of_it, port=port)


def ends(run_of_it: str, at: float) -> Event:
    return service(False, at, instance=run_of_it)


@pytest.mark.parametrize(
    ('events', 'told'),
    [
        # Two at once: the service is there while one of them is.
        ([begins('x', 0), begins('y', 10, 9501), ends('y', 100)], []),
        ([begins('x', 0), begins('y', 10, 9501), ends('x', 100)], []),
        ([begins('x', 0), begins('y', 10, 9501), ends('x', 100), ends('y', 200)], ['down']),
        ([begins('x', 0), begins('y', 10, 9501), ends('y', 100), ends('x', 200), begins('z', 300)], ['down', 'up']),
        # One that was killed says no goodbye, and has been replaced by the next one at its place.
        ([begins('x', 0), begins('y', 50), ends('y', 100)], ['down']),
        ([begins('x', 0), begins('y', 50), ends('x', 60)], []),
        ([begins('x', 0), begins('y', 50), ends('x', 60), ends('y', 100)], ['down']),
        # What is said of the beginning can be lost.
        ([begins('x', 0), ends('y', 100)], ['down']),
        ([ends('y', 100)], ['down']),
        ([begins('x', 0), ends('y', 100), ends('x', 101), begins('z', 300)], ['down', 'up']),
        ([begins('x', 0), begins('y', 10, 9501), ends('z', 100)], []),
    ],
)
def test_a_service_is_down_when_none_of_its_runs_is_there(events: list[Event], told: list[str]) -> None:
    assert [word for word, _ in words(what(events))] == told


@pytest.mark.parametrize(('ports', 'kept'), [(1000, (8, 0)), (1, (1, 8))])
def test_the_runs_that_are_remembered_of_a_service_are_bounded(ports: int, kept: tuple[int, int]) -> None:
    watched = tracker()
    for number in range(1000):
        list(watched.feed(begins(f'{number}', number, 9000 + number % ports), START.timestamp() + number))
    ((_, part),) = watched.dump()['parts']['parts']

    assert (len(part['instances']), len(part['past'])) == kept


def test_the_runs_of_a_service_are_known_after_a_restart() -> None:
    events = [begins('x', 0), begins('y', 10, 9501), ends('x', 100), ends('y', 200)]

    assert [words(run(tracker, events, restart_after=at)) for at in range(4)] == [[('down', 'wazo-calld')]] * 4


def test_a_registration_is_not_told_twice_where_a_service_tells_of_trunks() -> None:
    assert words(what([trunk(True, 0), trunk(False, 60), registry('Unregistered', 60)])) == [('down', 'carrier3')]


def test_where_no_service_tells_of_trunks_asterisk_does() -> None:
    assert words(what([registry('Registered', 0), registry('Rejected', 9), registry('Registered', 99)])) == [
        ('down', 'acme@example.com'),
        ('up', 'acme@example.com'),
    ]


def test_what_is_not_watched_is_not_told() -> None:
    assert what([line(False, 0), peer(False, 0), trunk(False, 0)], watch=['trunk', 'service']) != []
    assert what([line(False, 0), peer(False, 0), trunk(False, 0)], watch=['service']) == []


def test_telephones_are_not_watched_unless_somebody_says_so() -> None:
    assert run(lambda: AvailabilityTracker(Options()), [line(False, 0), peer(False, 0)]) == []


def test_hosts_do_not_mix() -> None:
    found = what([service(True, 0, origin=A), service(True, 0, origin=B), service(False, 10, origin=B)])

    assert [said(each, 'origin_uuid') for each in found] == [(B,)]


def test_names_of_the_configuration_are_in_sentences() -> None:
    (found,) = run(lambda: AvailabilityTracker(Options(), {'carrier3': 'Acme\nTelecom'}), [trunk(False, 0)])

    assert said(found, 'name', 'sentence') == ('carrier3', 'Trunk Acme\\nTelecom is down')


@pytest.mark.parametrize('options', [{'watch': ['host']}, {'down_after': '2d'}, {'flapping': {'changes': 1}}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        tracker(**options)


@pytest.mark.parametrize('watch', [['service', 'plugin'], ['line', 'trunk']])
def test_kinds_that_are_watched_have_figures_before_anything_is_known_of_them(watch: list[str]) -> None:
    parts = next(each for each in tracker(watch=watch).figures(0.0) if each.name == 'wazo_busd_availability_parts')

    assert parts.values == {
        (kind, state): 0.0 for kind in watch if kind != 'plugin' for state in ('up', 'down', 'flapping')
    }


# ---- together


@pytest.mark.parametrize('make', [line, peer])
def test_twenty_telephones_lost_at_once_are_one_event(make: Any) -> None:
    ids = [each if make is line else str(each) for each in range(25)]
    lost, back = (
        [make(is_up, at + 0.1 * each, ids[each]) for each in range(25)] for is_up, at in ((False, 0), (True, 300))
    )
    found = what(lost + back)

    assert [(each.derivation.name, *said(each, 'count'), len(said(each, 'names')[0])) for each in found] == [
        ('busd.availability.down', 25, 20),
        ('busd.availability.up', 25, 20),
    ]


def test_a_sentence_names_some_of_many() -> None:
    (found,) = what([line(False, 0, each) for each in range(7)])

    assert said(found, 'sentence') == ('7 lines (phone0, phone1, phone2, phone3, phone4 and 2 more) are down',)


def test_who_goes_down_later_is_another_event() -> None:
    assert [said(each, 'names') for each in what([line(False, 0, 1), line(False, 59, 2), line(False, 61, 3)])] == [
        (['phone1', 'phone2'],),
        (['phone3'],),
    ]


def test_who_is_back_in_time_is_not_among_those_who_are_down() -> None:
    events = [line(False, 0, 1), line(False, 1, 2), line(False, 2, 3), line(True, 20, 2)]

    assert [said(each, 'names') for each in what(events)] == [(['phone1', 'phone3'],)]


def test_hosts_kinds_and_tenants_are_not_told_together() -> None:
    events = [
        line(False, 0, 1),
        line(False, 0, 1, origin=B),
        line(False, 0, 2, tenant_uuid=OTHER_TENANT),
        peer(False, 0),
    ]

    assert [said(each, 'count') for each in what(events)] == [(1,), (1,), (1,), (1,)]


def test_who_is_back_for_a_moment_only_is_down_all_the_time() -> None:
    events = [line(False, 0), line(True, 100), line(False, 102), line(True, 200)]

    assert [(*said(each, 'since'), each.derivation.name) for each in what(events)] == [
        ('2026-05-04T08:00:00.000+00:00', 'busd.availability.down'),
        ('2026-05-04T08:00:00.000+00:00', 'busd.availability.up'),
    ]


# ---- flapping


def test_what_flaps_is_told_once_and_then_no_more() -> None:
    events = [service(each % 2 == 0, 40.0 * each) for each in range(30)]
    found = what(events)

    assert names(found).count('busd.availability.flapping') == 1
    assert names(found)[-2:] == ['busd.availability.flapping', 'busd.availability.down']


def test_what_is_up_when_it_has_flapped_is_told_if_it_was_down_before() -> None:
    events = [service(False, 0), *(service(each % 2 == 0, 60.0 + each) for each in range(31))]

    assert [each for each, _ in words(what(events))] == ['down', 'up', 'flapping', 'up']
    events = [line(False, 0), *(line(each % 2 == 0, 60.0 + each) for each in range(31))]
    assert [each for each, _ in words(what(events, together='5s'))] == ['down', 'flapping', 'up']


def test_what_is_up_when_it_has_flapped_is_told_with_since_when_it_did() -> None:
    flapping, up = what([service(each % 2 == 0, each) for each in range(9)])

    assert said(flapping, 'since') == said(up, 'since')
    assert (up.at, *said(up, 'seconds')) == (START.timestamp() + 608, 7.0)


def test_what_is_steady_again_can_flap_again() -> None:
    events = [service(each % 2 == 0, start + each) for start in (0, 2000) for each in range(9)]

    assert names(what(events)) == ['busd.availability.flapping', 'busd.availability.up'] * 2


# ---- installations


def test_an_installation_is_told_with_how_long_it_took() -> None:
    (found,) = what([step('starting', 0), step('building', 5), step('completed', 40)])

    assert (found.derivation.name, *said(found, 'action', 'step', 'seconds', 'error')) == (
        'busd.plugin.installed', 'install', 'building', 40.0, None,
    )  # fmt: skip


def test_a_removal_is_told_as_one() -> None:
    events = [step(each, at, action='uninstall') for at, each in enumerate(('starting', 'removing', 'completed'))]

    assert [(each.derivation.name, *said(each, 'step')) for each in what(events)] == [
        ('busd.plugin.removed', 'removing')
    ]


def test_a_failure_is_told_with_its_reason_in_words() -> None:
    error = {'error_id': 'validation-error', 'message': 'no plugin.yml\x1b[2J'}
    (found,) = what([step('starting', 0), step('validating', 5), step('error', 6, errors=error)])

    assert said(found, 'step', 'error') == ('validating', 'validation-error: no plugin.yml\\x1b[2J')


@pytest.mark.parametrize(
    ('errors', 'reason'),
    [
        (None, ''),
        ('no space', 'no space'),
        ({'message': 'no space'}, 'no space'),
        ({'disk': 'full', 'inodes': 0}, 'disk: full, inodes: 0'),
        ([{'error_id': 'a'}, 'b', None], 'a; b'),
        (17, '17'),
        ({}, ''),
        ([[['x']]], ''),
    ],
)
def test_a_reason_is_in_words_whatever_it_was_in(errors: Any, reason: str) -> None:
    assert reason_in(errors) == reason


def test_one_that_makes_no_progress_is_stuck_and_can_end_nevertheless() -> None:
    found = what([step('starting', 0), step('building', 5), step('completed', 3000)])

    assert [(each.derivation.name, *said(each, 'step', 'seconds')) for each in found] == [
        ('busd.plugin.stuck', 'building', 905.0),
        ('busd.plugin.installed', 'building', 3000.0),
    ]


def test_one_whose_beginning_was_lost_is_told_without_how_long_it_took() -> None:
    (found,) = what([step('completed', 0)])

    assert said(found, 'step', 'since', 'seconds') == (None, None, None)


# ---- what hosts of 2019 send


def test_the_events_of_wazos_page_suffice() -> None:
    tags = ['wazo-dird', A, 'Québec']
    known = {'service_name': 'wazo-dird', 'service_id': '8e58d2a7-cfed-4c2e-ac72-14e0b5c26dc2', 'tags': tags}
    address = {'address': '192.168.1.42', 'port': 9495}
    events = [
        event('service_registered_event', {**known, **address}, 0, era='2019'),
        step('starting', 1, era='2019'),
        step('completed', 9, era='2019'),
        event('service_deregistered_event', known, 10, era='2019'),
        event('service_registered_event', {**known, **address}, 100, era='2019'),
        step('starting', 101, action='uninstall', era='2019'),
        step('error', 109, action='uninstall', era='2019'),
    ]

    assert [each.name for each in events if each.timestamp] == []
    assert names(what(events)) == [
        'busd.plugin.installed',
        'busd.availability.down',
        'busd.availability.up',
        'busd.plugin.failed',
    ]
