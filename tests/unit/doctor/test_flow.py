# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What moves: whether it reaches the hub, and whether AMI floods a handler."""

from __future__ import annotations

import pytest

from tests.unit.doctor.made import handler_on, only, severities
from wazo_busd.api import Event
from wazo_busd.doctor.finding import Severity
from wazo_busd.doctor.flow import Flood, Flow, floods, judge_ami, judge_hub, judge_missing
from wazo_busd.topology import Exchange

XIVO, HEADERS = 'xivo', 'wazo-headers'


@pytest.mark.parametrize(
    ('upstream', 'hub', 'severity'),
    [
        ({HEADERS: 30}, {HEADERS: 30}, Severity.OK),
        # What was on its way when it began, or ended.
        ({HEADERS: 30}, {HEADERS: 28}, Severity.OK),
        ({HEADERS: 1}, {HEADERS: 1}, Severity.OK),
        ({HEADERS: 30}, {}, Severity.PROBLEM),
        ({HEADERS: 1}, {}, Severity.PROBLEM),
        ({HEADERS: 30}, {HEADERS: 10}, Severity.PROBLEM),
        ({HEADERS: 30, XIVO: 2}, {HEADERS: 30}, Severity.PROBLEM),
        ({}, {}, Severity.WARNING),
    ],
)
def test_a_hub_that_is_silent_while_the_bus_moves_is_a_problem(
    upstream: dict[str, int], hub: dict[str, int], severity: Severity
) -> None:
    assert severities(judge_hub(Flow(5.0, upstream, hub), 'wazo-busd', runs=True)) == [severity]


def test_the_exchange_that_is_not_heard_is_named() -> None:
    found = only(judge_hub(Flow(5.0, {HEADERS: 30, XIVO: 2}, {HEADERS: 30}), 'wazo-busd', runs=False))

    assert (found.text, found.cure) == (
        'xivo moves (2 events in 5 s), and nothing of that reaches the hub wazo-busd: the hub is not bound to it',
        'systemctl start wazo-busd',
    )


def test_where_nothing_moves_it_is_told_how_to_see_where_the_services_are() -> None:
    found = only(judge_hub(Flow(5.0, {}, {}), 'wazo-busd', runs=True))

    where = 'rabbitmqctl list_connections vhost user peer_host'
    assert (found.text.partition(': ')[2], found.cure) == (
        'a quiet host, another vhost or broker than that of the services, or somebody who publishes elsewhere',
        f'wazo-busd doctor --listen 60s; if that hears nothing either: {where}',
    )


@pytest.mark.parametrize(
    ('missing', 'wanted'),
    [
        ([], []),
        (['wazo-busd', 'wazo-busd.dead'], [Severity.PROBLEM]),
        (['wazo-busd.dead'], [Severity.PROBLEM]),
        ([XIVO], [Severity.WARNING]),
    ],
)
def test_an_exchange_that_is_missing_is_told(missing: list[str], wanted: list[Severity]) -> None:
    found = judge_missing([Exchange(name, 'topic') for name in missing], 'wazo-busd', runs=False)

    assert severities(found) == wanted


def ami(name: str = 'Newexten') -> Event:
    return Event(name, {}, f'ami.{name}')


CALL = Event('call_created', {}, 'calls.call.created')


def flood(per_second: float, ready: int = 0) -> Flood:
    return Flood('crm', per_second, 0.9, ('Newexten',), ('ami.#',), ready)


def test_what_a_handler_gets_of_ami_is_counted_for_all_that_was_heard() -> None:
    sample = [ami(), ami(), ami('Hangup'), CALL]

    assert floods([handler_on('#')], sample, 10.0, 5.0, {'crm': 7}) == [
        Flood('crm', 6.0, 0.75, ('Newexten', 'Hangup'), ('#',), 7)
    ]


def test_a_handler_that_takes_nothing_of_ami_is_no_flood() -> None:
    assert floods([handler_on('calls.#')], [ami(), CALL], 1.0, 1.0, {}) == []


def test_names_that_the_catalogue_does_not_know_are_not_told() -> None:
    (found,) = floods([handler_on('ami.#')], [ami('5551234567')], 1.0, 1.0, {})

    assert found.names == ()


@pytest.mark.parametrize(
    ('found', 'severity'),
    [
        (flood(0.0), Severity.OK),
        (flood(19.0), Severity.OK),
        (flood(20.0), Severity.WARNING),
        (flood(500.0, 999), Severity.WARNING),
        (flood(500.0, 1_000), Severity.PROBLEM),
    ],
)
def test_a_flood_is_a_warning_and_a_problem_for_one_that_is_behind(found: Flood, severity: Severity) -> None:
    assert only(judge_ami([found], 500.0)).severity is severity


def test_the_handler_its_pattern_and_its_rate_are_told() -> None:
    text = only(judge_ami([flood(500.0)], 500.0)).text

    assert text == 'crm takes by ami.# 500 events of AMI a second, 90% of its events, most of all Newexten'
