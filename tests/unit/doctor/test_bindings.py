# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Bindings that nobody asked for: found by the ledger, and by what arrives."""

from __future__ import annotations

import pytest

from tests.unit.doctor.made import ELSEWHERE, HERE, handler_on, only, severities, wanted
from wazo_busd.api import Event
from wazo_busd.config import BusConfig
from wazo_busd.doctor.bindings import Arrivals, all_well, arrivals, judge_arrivals, judge_ledger
from wazo_busd.doctor.finding import Severity

CRM = 'wazo-busd.crm'


@pytest.mark.parametrize(
    ('bound', 'there', 'told'),
    [
        ({'calls.#'}, [CRM], []),
        ({'calls.#', 'ami.#'}, [CRM], [Severity.WARNING]),
        ({'ami.#'}, [CRM], [Severity.WARNING, Severity.PROBLEM]),
        # Nothing is known of it, or it is made anew with what is asked for.
        (set(), [CRM], []),
        ({'ami.#'}, [], []),
    ],
)
def test_what_the_ledger_knows_is_compared_with_what_is_asked_for(
    bound: set[str], there: list[str], told: list[Severity]
) -> None:
    assert severities(judge_ledger([wanted('calls.#')], {CRM: bound}, there, runs=True)) == told


def came(meanwhile: int, expected: int = 0, since_start: int = 0, *, is_clear: bool = True) -> Arrivals:
    return Arrivals('crm', CRM, max(since_start, meanwhile), meanwhile, expected, is_clear)


@pytest.mark.parametrize(
    ('found', 'told'),
    [
        (came(0), []),
        (came(100, 0), [Severity.PROBLEM]),
        (came(100, 100, is_clear=False), []),
        (came(110, 100, is_clear=False), []),
        (came(200, 100, is_clear=False), [Severity.PROBLEM]),
        # One or two at the edges of the time.
        (came(2, 0, is_clear=False), []),
        (came(0, 0, 50), [Severity.WARNING]),
        (came(0, 0, 50, is_clear=False), []),
    ],
)
def test_more_than_its_own_bindings_let_through_came_by_another(found: Arrivals, told: list[Severity]) -> None:
    assert severities(judge_arrivals([found], BusConfig())) == told


def test_the_cure_lists_the_bindings_of_the_queue() -> None:
    assert only(judge_arrivals([came(100)], BusConfig(vhost='a b'))).cure.startswith(
        "rabbitmqctl list_bindings -p 'a b' source_name destination_name routing_key | grep -w wazo-busd.crm"
    )


def of(handler: object, *events: Event, after: int = 9) -> Arrivals:
    (found,) = arrivals([handler], {'crm': CRM}, {'crm': 4}, {'crm': after}, events)  # type: ignore[list-item]
    return found


def test_an_event_that_shares_the_key_of_one_that_is_matched_is_expected() -> None:
    registered = Event('service_registered_event', {}, 'service.registered.x')
    other = Event('service_deregistered_event', {}, 'service.registered.x')
    found = of(handler_on('service_registered_event'), registered, other)

    assert (found.meanwhile, found.expected, found.is_clear) == (5, 1, False)


def test_an_event_of_another_tenant_is_expected() -> None:
    event = Event('call_created', {}, 'calls.call.created', headers={'tenant_uuid': ELSEWHERE})
    found = of(handler_on('calls.#', tenants=[HERE]), event)

    assert (found.expected, found.is_clear) == (1, False)


def test_a_pattern_takes_all_that_its_binding_lets_through() -> None:
    found = of(handler_on('calls.#'), Event('call_created', {}, 'calls.call.created'), Event('x', {}, 'ami.x'))

    assert (found.expected, found.is_clear) == (0, True)


def test_a_handler_that_was_begun_anew_counts_from_the_beginning() -> None:
    assert of(handler_on('calls.#'), after=1).meanwhile == 0


@pytest.mark.parametrize(
    ('runs', 'has_ledger', 'words'),
    [(True, True, 'the ledger and what arrives'), (False, True, 'the ledger'), (False, False, 'not known')],
)
def test_what_it_is_known_by_is_said(runs: bool, has_ledger: bool, words: str) -> None:
    assert words in all_well(runs=runs, has_ledger=has_ledger).text


def test_where_only_some_of_what_came_was_looked_at_it_stands_for_the_rest() -> None:
    other = Event('service_deregistered_event', {}, 'service.registered.x')
    names = [handler_on('service_registered_event')]
    (found,) = arrivals(names, {'crm': CRM}, {'crm': 0}, {'crm': 30}, [other], 30.0)

    assert (found.expected, list(judge_arrivals([found], BusConfig()))) == (30, [])
