# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the daemon says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.controlled import daemon_status, handler_status
from tests.unit.doctor.made import only, severities
from wazo_busd.doctor.daemon import Told, judge
from wazo_busd.doctor.finding import Severity, problem, warning, worst_first
from wazo_busd.doctor.flow import Flow, judge_hub
from wazo_busd.status import DaemonStatus, State

WARNING, PROBLEM, OK = Severity.WARNING, Severity.PROBLEM, Severity.OK


def told(status: DaemonStatus, **more: Any) -> Told:
    return Told({**status.plain(in_full=True), **more}, runs=True)


@pytest.mark.parametrize(
    ('state', 'severity', 'cure'),
    [
        (State.CONSUMING, OK, ''),
        (State.RESTING, WARNING, 'journalctl -u wazo-busd BUSD_HANDLER=crm -n 20'),
        (State.PAUSED, WARNING, 'wazo-busd resume crm'),
        (State.STARTING, PROBLEM, 'journalctl -u wazo-busd BUSD_HANDLER=crm -n 20'),
        (State.BROKEN, PROBLEM, 'wazo-busd check'),
        (State.REFUSED, PROBLEM, 'rabbitmqctl it'),
        (State.STOPPED, PROBLEM, 'journalctl -u wazo-busd BUSD_HANDLER=crm -n 20; mend that, then: wazo-busd reload'),
    ],
)
def test_a_handler_that_takes_nothing_is_told_with_the_cure(state: State, severity: Severity, cure: str) -> None:
    found = only(judge(told(daemon_status(handler_status(state, 'so it is; rabbitmqctl it')))))

    assert (found.severity, found.cure) == (severity, cure)


@pytest.mark.parametrize('state', [State.STOPPED, State.STARTING, State.BROKEN])
def test_what_a_plugin_says_in_its_own_words_is_quoted_and_not_in_the_text(state: State) -> None:
    found = only(judge(told(daemon_status(handler_status(state, 'hunter2 is wrong')))))

    assert ('hunter2' in found.text, 'hunter2' in found.quoted) == (False, True)


def test_handlers_that_only_wait_for_the_broker_are_not_named() -> None:
    status = daemon_status(handler_status(State.WAITING), connected=False, summary='nothing listens; systemctl it')

    assert [(each.text, each.cure) for each in judge(told(status))] == [
        ('it is not connected: nothing listens', 'systemctl it')
    ]


def test_one_that_cannot_publish_is_a_problem_with_the_cure() -> None:
    found = only(judge(told(daemon_status(cannot_publish='it takes nothing; rabbitmqctl list_alarms'))))

    assert (found.severity, found.text, found.cure) == (
        PROBLEM,
        'it cannot publish, so retries, dead letters and derived events wait: it takes nothing',
        'rabbitmqctl list_alarms',
    )


def test_one_that_was_not_restarted_after_an_upgrade_is_a_warning() -> None:
    assert severities(judge(told(daemon_status(), version='0.0.1'))) == [WARNING]


@pytest.mark.parametrize(('runs', 'severity'), [(False, PROBLEM), (True, PROBLEM), (None, WARNING)])
def test_one_that_does_not_answer_is_a_problem_unless_it_may_be_well(runs: bool | None, severity: Severity) -> None:
    assert severities(judge(Told(lack='it does not run', cure='systemctl it', runs=runs))) == [severity]


def test_what_was_not_for_a_handler_is_known_by_its_name() -> None:
    assert told(daemon_status()).unmatched == {'crm': 0}


def test_causes_come_before_what_they_bring_with_them() -> None:
    found = [warning('disk', '', ''), problem('reach', '', ''), problem('daemon', '', ''), problem('broker', '', '')]

    assert [each.check for each in worst_first(found)] == ['broker', 'daemon', 'reach', 'disk']


def test_that_nothing_is_heard_at_night_is_the_last_of_the_warnings() -> None:
    found = [
        *judge_hub(Flow(5.0, {}, {}), 'wazo-busd', runs=True),
        warning('dead-letters', 'x', 'y'),
        problem('disk', 'x', 'y'),
    ]

    assert [each.check for each in worst_first(found)] == ['disk', 'dead-letters', 'bus']
