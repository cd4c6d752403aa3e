# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Queues: those of handlers, those that removed handlers left, and dead letters."""

from __future__ import annotations

import pytest

from tests.unit.doctor.made import only, severities, wanted
from wazo_busd.amqp import Depth
from wazo_busd.config import BusConfig
from wazo_busd.doctor.finding import Severity
from wazo_busd.doctor.queues import judge_dead, judge_handlers, judge_removed, removed

BUS = BusConfig()
CRM, OLD = 'wazo-busd.crm', 'wazo-busd.old'
RUNS, AWAY = {'crm': 'consuming'}, dict[str, str]()


@pytest.mark.parametrize(
    ('depth', 'states', 'severity'),
    [
        (Depth(0, 1), RUNS, Severity.OK),
        (Depth(999, 1), RUNS, Severity.OK),
        (Depth(5, 0), AWAY, Severity.OK),
        (Depth(5, 0), {'crm': 'paused'}, Severity.OK),
        (Depth(5, 0), RUNS, Severity.PROBLEM),
        (Depth(0, 2), RUNS, Severity.PROBLEM),
        (Depth(1_000, 1), RUNS, Severity.WARNING),
        (Depth(200_000, 1), RUNS, Severity.PROBLEM),
        (None, RUNS, Severity.PROBLEM),
    ],
)
def test_a_queue_has_one_consumer_and_room(depth: Depth | None, states: dict[str, str], severity: Severity) -> None:
    assert severities(judge_handlers([wanted()], {CRM: depth}, states, BUS)) == [severity]


@pytest.mark.parametrize(
    ('state', 'cure'),
    [
        ('paused', 'wazo-busd resume crm'),
        ('resting', 'wazo-busd status'),
        ('consuming', 'wazo-busd top'),
        ('', 'systemctl start wazo-busd'),
    ],
)
def test_who_is_far_behind_is_helped_by_what_keeps_it(state: str, cure: str) -> None:
    states = {'crm': state} if state else AWAY

    assert {
        only(judge_handlers([wanted()], {CRM: Depth(number, 1)}, states, BUS)).cure for number in (1_000, 200_000)
    } == {cure}


def test_two_daemons_at_one_queue_are_expected_where_one_is_served_at_a_time() -> None:
    single = wanted(single_active_consumer=True)

    assert severities(judge_handlers([single], {CRM: Depth(0, 2)}, RUNS, BUS)) == [Severity.OK]


def test_two_daemons_at_one_queue_are_no_mistake_for_sure_where_several_brokers_are_named() -> None:
    cluster = BusConfig(hosts=['rabbit-1', 'rabbit-2'])

    assert severities(judge_handlers([wanted()], {CRM: Depth(0, 2)}, RUNS, cluster)) == [Severity.WARNING]


def test_handlers_without_a_queue_are_named_together() -> None:
    found = only(judge_handlers([wanted(), wanted(name='fax')], {CRM: None, 'wazo-busd.fax': None}, AWAY, BUS))

    assert (found.text.startswith('crm, fax: there is no queue'), found.cure) == (True, 'systemctl start wazo-busd')


def test_a_handler_that_is_gone_has_its_queue_named() -> None:
    found = only(judge_removed([OLD], {OLD: Depth(12, 0)}, {}, [], BUS))

    assert (found.severity, found.text, found.cure) == (
        Severity.WARNING,
        'the handler old was removed, and its queue wazo-busd.old is still there with 12 events',
        'wazo-busd queue delete old',
    )


def test_one_that_is_off_is_not_called_removed() -> None:
    assert 'the handler old is off' in only(judge_removed([OLD], {OLD: Depth(0, 0)}, {}, ['old'], BUS)).text


def test_one_whose_bindings_stayed_fills_on_and_is_a_problem() -> None:
    found = only(judge_removed([OLD], {OLD: Depth(12, 0)}, {OLD: ['calls.#']}, [], BUS))

    assert (found.severity, 'fills on' in found.text) == (Severity.PROBLEM, True)


def test_dead_letters_of_one_that_is_gone_are_told() -> None:
    found = only(judge_removed([OLD], {OLD: None, f'{OLD}.dead': Depth(1, 0)}, {}, [], BUS))

    assert (found.text, found.cure.partition(';')[0]) == (
        'the handler old was removed, and 1 dead letter of it lie there for ever',
        'wazo-busd dead list --handler old',
    )


def test_where_the_queue_expired_there_is_nothing_to_tell() -> None:
    assert only(judge_removed([OLD], {OLD: None, f'{OLD}.dead': Depth(0, 0)}, {}, [], BUS)).severity is Severity.OK


def test_only_queues_of_no_handler_are_stale() -> None:
    assert removed([CRM, OLD], [wanted()]) == [OLD]


@pytest.mark.parametrize(('ready', 'severity'), [(0, Severity.OK), (3, Severity.WARNING), (200_000, Severity.PROBLEM)])
def test_dead_letters_are_a_warning_until_there_is_no_room_for_more(ready: int, severity: Severity) -> None:
    assert severities(judge_dead([wanted()], {f'{CRM}.dead': Depth(ready, 0)})) == [severity]
