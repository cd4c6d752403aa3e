# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `metrics`: its examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from plugins.metrics.measure import MEASURES
from tests.contribs.figures import WATCHERS, after, count, derived, metrics
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.testing import make_event

PAGE = (Path(__file__).parents[2] / 'docs' / 'handlers' / 'metrics.md').read_text()
FIRST, SECOND = (yaml.safe_load(block)['handlers'] for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL))


def test_the_first_example_counts_calls_and_faxes() -> None:
    trackers = set(FIRST) - {'metrics'}
    figures = count(metrics(**FIRST['metrics'].get('options', {})), derived())

    assert trackers <= set(WATCHERS)
    assert [sum(figures[f'wazo_busd_telephony_{each}_total'].values.values()) > 0 for each in sorted(trackers)] == [
        True,
        True,
    ]


def test_the_second_example_tells_tenants_apart() -> None:
    event = make_event('busd.fax.sent', {}, headers={'tenant_uuid': '00000000-0000-4000-8000-00000000000a'})

    figure = count(metrics(**SECOND['metrics']['options']), [event])['wazo_busd_telephony_faxes_total']
    assert figure.values == {('sent', '00000000-0000-4000-8000-00000000000a'): 1}


def test_the_events_that_it_lists_are_those_of_the_code() -> None:
    table = PAGE.partition('\n## What is counted\n')[2].partition('\n## ')[0]
    documented = dict(re.findall(r'^\| `(busd\.\S+)` \| (.*) \|$', table, re.MULTILINE))

    assert documented == {name: ', '.join(f'`{each.name}`' for each in measures) for name, measures in MEASURES.items()}


@pytest.mark.parametrize('name', sorted(WATCHERS))
def test_every_tracker_is_linked_to(name: str) -> None:
    assert f'[{name}]({name}.md)' in PAGE


def test_what_is_a_week_late_came_in_no_time() -> None:
    entry = catalogue.find('call_ended')
    assert entry is not None
    event = make_event('call_ended', example(entry), headers={'timestamp': '2019-05-04T08:00:00+00:00'})
    (lag,) = count(metrics(), [event])['wazo_busd_bus_lag_seconds'].distributions.values()

    assert lag.total == 0.0


def test_on_the_sample_day_every_event_came_in_time() -> None:
    (lag,) = [each for each in after()['metrics'] if each.name == 'wazo_busd_bus_lag_seconds']

    assert [each for each in lag.distributions.values() if each.total > 60.0] == []
