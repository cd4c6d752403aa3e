# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The broker: who may use it, what it refuses, and whether it takes anything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.doctor.made import only, severities
from wazo_busd.amqp import Alarm, permissions
from wazo_busd.config import BusConfig
from wazo_busd.doctor.broker import is_here, judge_alarm, judge_refusals, judge_user, of_error
from wazo_busd.doctor.finding import Severity
from wazo_busd.errors import BusError


@pytest.mark.parametrize(
    ('bus', 'severity'),
    [
        ({}, Severity.OK),
        ({'host': '127.0.0.1'}, Severity.OK),
        ({'host': 'rabbit'}, Severity.PROBLEM),
        ({'host': '10.0.0.5'}, Severity.PROBLEM),
        ({'hosts': ['localhost', 'rabbit:5673']}, Severity.PROBLEM),
        ({'host': 'rabbit', 'username': 'busd', 'password': 'hunter2'}, Severity.OK),
        ({'username': 'busd'}, Severity.WARNING),
    ],
)
def test_guest_on_another_host_is_a_problem(bus: dict[str, Any], severity: Severity) -> None:
    assert severities(judge_user(BusConfig(**bus))) == [severity]


def test_the_cure_makes_a_user_with_the_least_rights() -> None:
    cure = only(judge_user(BusConfig(host='rabbit'))).cure

    assert permissions(BusConfig(username='wazo-busd')) in cure


@pytest.mark.parametrize(
    ('host', 'here'),
    [('localhost', True), ('127.0.0.2', True), ('::1', True), ('[::1]', True), ('rabbit', False), ('10.0.0.5', False)],
)
def test_this_host_is_told_from_others(host: str, here: bool) -> None:
    assert is_here(host) is here


BUS = BusConfig(username='busd', password='hunter2')


def refused(what: str) -> BusError:
    return BusError(f"the user 'busd' may not use {what}: access to … refused", permissions(BUS))


def test_what_is_refused_is_one_finding_with_the_command_that_grants_it() -> None:
    found = only(judge_refusals([refused('the exchange xivo'), refused('the queue wazo-busd.doctor.1')], BUS))

    assert (found.text, found.cure) == (
        "the user 'busd' may not use xivo, what is called wazo-busd.…",
        permissions(BUS),
    )


def test_an_exchange_of_another_type_is_no_lack_of_rights() -> None:
    found = judge_refusals([BusError('the exchange xivo exists with another type', 'put it back')], BUS)

    assert [(each.check, each.severity) for each in found] == [
        ('broker', Severity.PROBLEM),
        ('permissions', Severity.OK),
    ]


@pytest.mark.parametrize(
    ('alarm', 'severity', 'cure'),
    [
        (Alarm(False), Severity.OK, ''),
        (Alarm(True, 'low on memory'), Severity.PROBLEM, 'rabbitmq-diagnostics memory_breakdown'),
        (Alarm(True, 'low on disk'), Severity.PROBLEM, 'df -h /var/lib/rabbitmq'),
        (Alarm(True), Severity.PROBLEM, 'rabbitmqctl list_alarms'),
    ],
)
def test_an_alarm_is_a_problem_with_the_cure_of_its_kind(alarm: Alarm, severity: Severity, cure: str) -> None:
    found = only(judge_alarm(alarm))

    assert (found.severity, found.cure.startswith(cure)) == (severity, True)


def test_a_cure_is_something_to_type() -> None:
    assert of_error(BusError('the name is not known', 'check bus.host'), BusConfig(host='rabbit')).cure == (
        'getent ahosts rabbit'
    )
