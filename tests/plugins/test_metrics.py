# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The plugin `metrics`: counts what happens, under few labels, and knows every event that it measures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from plugins.metrics import Metrics
from plugins.metrics.measure import MEASURES, UNKNOWN, Measure
from tests.contribs.figures import count, metrics
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.event import Event
from wazo_busd.figure import Distribution, Figure
from wazo_busd.http.exposition import exposition
from wazo_busd.testing import Outcome, deliver, make_event, preview

TENANTS = ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b')
NAMES = 'wazo_busd_bus_events_total'
LAG = 'wazo_busd_bus_lag_seconds'
CALLS = 'wazo_busd_telephony_calls_total'
FAXES = 'wazo_busd_telephony_faxes_total'

junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
every_measure = pytest.mark.parametrize(
    ('name', 'measure'),
    [pytest.param(name, each, id=f'{name}-{each.name}') for name, measures in MEASURES.items() for each in measures],
)


def counted(*events: Event, **options: Any) -> dict[str, Figure]:
    return count(metrics(**options), events)


def sizes(figure: Figure) -> dict[tuple[str, ...], float]:
    """How often something was counted, where it was."""
    found = {**figure.values, **{labels: sum(each.counts) for labels, each in figure.distributions.items()}}
    return {labels: number for labels, number in found.items() if number}


def only(figure: Figure) -> Distribution:
    """What a histogram without labels, or of one event, shows."""
    (found,) = figure.distributions.values()
    return found


def of_catalogue(name: str, **more: Any) -> Event:
    entry = catalogue.find(name)
    assert entry is not None
    return make_event(name, {**example(entry), **more})


def record(**more: Any) -> Event:
    return of_catalogue('busd.call.record', **more)


# ---- names


def test_events_are_counted_by_name() -> None:
    names = ['call_created', 'call_ended', 'call_created']

    assert counted(*map(make_event, names))[NAMES].values == {('call_created',): 2, ('call_ended',): 1}


async def test_it_takes_the_events_whose_key_is_their_name() -> None:
    assert await deliver(Metrics, of_catalogue('call_form_result')) == [Outcome.DONE]


async def test_it_tells_which_figures_an_event_adds_to() -> None:
    told = [await preview(Metrics, each) for each in (of_catalogue('busd.fax.sent'), make_event('busd.fax.sent', {}))]
    names = [NAMES, LAG, FAXES]

    assert told == [{'figures': [*names, 'wazo_busd_telephony_fax_seconds']}, {'figures': names}]


@every_measure
def test_what_it_tells_is_what_it_adds_to(name: str, measure: Measure) -> None:
    one = of_catalogue(name)
    told = asyncio.run(preview(Metrics, one))

    assert sorted(told['figures']) == sorted(each for each, figure in counted(one).items() if sizes(figure))


async def test_the_daemon_gives_it_what_it_matches() -> None:
    assert await deliver(Metrics, make_event('call_ended'), of_catalogue('busd.fax.sent')) == [Outcome.DONE] * 2


def test_names_that_are_too_many_are_counted_together() -> None:
    names = sorted(name for name in catalogue.event_names() if name.startswith('call_'))
    figure = counted(*map(Event, names), most=10)[NAMES]

    assert (len(figure.values), figure.values['other',]) == (11, len(names) - 10)


@pytest.mark.parametrize('name', ['made_up', '+33612345678 Alice', 'busd.+33612345678', 'busd.Alice', 'x' * 5000])
def test_names_that_somebody_has_made_up_are_not_told_apart(name: str) -> None:
    assert counted(Event(name))[NAMES].values == {(UNKNOWN,): 1}


def test_what_plugins_of_others_derive_is_counted_by_name() -> None:
    assert counted(Event('busd.bell.rung'))[NAMES].values == {('busd.bell.rung',): 1}


@pytest.mark.parametrize('value', ['+33612345678', 'Alice Roy', '2e752722-0864-4665-887d-a78a024cf7c7', 'x' * 31])
def test_what_can_be_a_number_or_a_person_is_no_label(value: str) -> None:
    assert list(counted(record(direction=value))[CALLS].values) == [(UNKNOWN, 'yes', 'completed')]


def test_an_event_without_a_name_is_counted() -> None:
    assert counted(Event('', {}))[NAMES].values == {(UNKNOWN,): 1}


# ---- what events say


@given(name=st.sampled_from(sorted(MEASURES)), data=junk)
def test_whatever_an_event_says_it_is_counted_and_can_be_read(name: str, data: Any) -> None:
    figures = counted(Event(name, data))

    assert (figures[NAMES].values, _read(figures) >= set(figures)) == ({(name,): 1}, True)


@given(name=st.sampled_from(sorted(MEASURES)), values=st.lists(st.text(), min_size=12, unique=True))
def test_whatever_labels_are_made_up_there_are_not_more_than_the_option_says(name: str, values: list[str]) -> None:
    fields = {field for measure in MEASURES[name] for _, field in measure.fields}
    events = [of_catalogue(name, **dict.fromkeys(fields, value)) for value in values]

    assert max(len(sizes(each)) for each in counted(*events, most=10).values()) <= 11


@pytest.mark.parametrize('value', [None, '', 7, 4.5, ['inbound'], {'a': 1}])
def test_what_is_no_word_is_no_label(value: Any) -> None:
    assert list(counted(record(direction=value))[CALLS].values) == [(UNKNOWN, 'yes', 'completed')]


@pytest.mark.parametrize('seconds', [None, '12', True, -1.0, float('nan'), float('inf'), 1e9, [1]])
def test_what_is_no_duration_is_not_measured(seconds: Any) -> None:
    figures = counted(record(ring_seconds=seconds))

    assert (sizes(figures['wazo_busd_telephony_call_ring_seconds']), sum(figures[CALLS].values.values())) == ({}, 1)


def test_a_duration_is_measured() -> None:
    value = only(counted(record(ring_seconds=6.5))['wazo_busd_telephony_call_ring_seconds'])

    assert (value.total, dict(zip((*value.bounds, 'more'), value.counts, strict=True))[10.0]) == (6.5, 1)


def test_what_never_happened_is_shown_as_never_where_its_kinds_are_known() -> None:
    assert counted()[FAXES].values == {(each,): 0 for each in ('sent', 'failed', 'stuck', 'received')}


# ---- tenants


def test_tenants_are_not_told_apart() -> None:
    events = [make_event('busd.fax.sent', {}, headers={'tenant_uuid': each}) for each in TENANTS]

    assert sizes(counted(*events)[FAXES]) == {('sent',): 2}


def test_tenants_are_told_apart_where_that_is_wanted() -> None:
    events = [make_event('busd.fax.sent', {}, headers={'tenant_uuid': each}) for each in TENANTS]

    assert sizes(counted(*events, tenants=True)[FAXES]) == {('sent', each): 1 for each in TENANTS}


def test_an_event_of_no_tenant_is_of_an_unknown_one() -> None:
    assert sizes(counted(Event('busd.fax.sent', {}), tenants=True)[FAXES]) == {('sent', UNKNOWN): 1}


def test_names_of_events_are_not_told_apart_by_tenant() -> None:
    assert counted(make_event('call_ended'), tenants=True)[NAMES].labels == ('name',)


# ---- how late events come


def test_how_late_an_event_came_is_measured_where_it_says_when_it_happened() -> None:
    event = Event('call_ended', {}, headers={'timestamp': '2026-05-04T08:00:00+00:00'}, received_at=1777881603.0)

    assert only(counted(event)[LAG]).total == 3.0


def test_it_is_not_measured_where_it_does_not_say() -> None:
    assert counted(Event('call_ended', {}, received_at=1777881603.0))[LAG].distributions == {}


def test_an_event_of_a_clock_that_is_ahead_is_not_early() -> None:
    event = Event('call_ended', {}, headers={'timestamp': '2026-05-04T08:00:03+00:00'}, received_at=1777881600.0)

    assert only(counted(event)[LAG]).total == 0.0


# ---- the catalogue


@every_measure
def test_an_event_of_the_catalogue_adds_to_the_figure(name: str, measure: Measure) -> None:
    assert sum(sizes(counted(of_catalogue(name))[measure.name]).values()) == 1


@every_measure
def test_no_label_of_an_event_of_the_catalogue_is_unknown(name: str, measure: Measure) -> None:
    (labels,) = sizes(counted(of_catalogue(name))[measure.name])

    assert (len(labels), UNKNOWN in labels) == (len(measure.labels), False)


@every_measure
def test_the_fields_that_are_measured_are_those_of_the_catalogue(name: str, measure: Measure) -> None:
    entry = catalogue.find(name)
    fields = {field for _, field in measure.fields} | ({measure.seconds} - {''})

    assert entry is not None
    assert fields - set(entry.fields) == set()


@every_measure
def test_labels_have_values_that_are_told_in_the_catalogue_or_are_names_of_queues(name: str, measure: Measure) -> None:
    entry = catalogue.find(name)

    assert entry is not None
    assert [
        field
        for _, field in measure.fields
        if field != 'queue' and not entry.fields[field].values and entry.fields[field].type != 'boolean'
    ] == []


def _read(figures: Mapping[str, Figure]) -> set[str]:
    """The names that Prometheus finds."""
    text = exposition({'metrics': figures.values()}).decode()
    found = text_string_to_metric_families(text)
    return {each.name + ('_total' if each.type == 'counter' else '') for each in found}
