# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the tests of dashboards and alerts rely on finds what is wrong with a query."""

from __future__ import annotations

import pytest

from tests.contribs.exported import complaints
from tests.contribs.query import Selector, parsed

RIGHT = [
    'wazo_busd_connected == 0',
    'sum by (handler) (rate(wazo_busd_deliveries_total{job=~"$job"}[$__rate_interval])) * 3600',
    'histogram_quantile(0.9, sum by (le) (rate(wazo_busd_bus_lag_seconds_bucket[10m]))) > 10',
    'wazo_busd_queues_waiting > 0 and ignoring (state) wazo_busd_queues_agents{state="logged_in"} == 0',
    'label_values(wazo_busd_queues_waiting{job=~"$job"}, queue)',
]
WRONG = {
    'wazo_busd_conected': 'no figure wazo_busd_conected',
    'wazo_busd_connected{host="a"}': 'wazo_busd_connected has no label host',
    'sum by (queue) (wazo_busd_connected)': 'nothing has the label queue',
    'summe(wazo_busd_connected)': 'no function summe',
    'wazo_busd_deliveries_total': 'wazo_busd_deliveries_total is a counter',
    'rate(wazo_busd_connected[5m])': 'wazo_busd_connected is no counter',
    'wazo_busd_bus_lag_seconds': 'no figure wazo_busd_bus_lag_seconds',
}


@pytest.mark.parametrize('text', RIGHT)
def test_nothing_is_wrong_with_what_is_right(text: str) -> None:
    assert complaints(parsed(text)) == []


@pytest.mark.parametrize(('text', 'complaint'), WRONG.items())
def test_what_is_wrong_is_found(text: str, complaint: str) -> None:
    assert complaints(parsed(text)) == [complaint]


@pytest.mark.parametrize('text', ['sum(a', 'sum a)', 'a{b="c"', 'a{b="c")', 'a ~ b', 'a{b="c}'])
def test_a_query_that_is_cut_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r'is not|closes nothing'):
        parsed(text)


def test_a_query_is_taken_apart() -> None:
    query = parsed('topk(10, sum by (name) (rate(a_total{job="b", name!~"c)}"}[5m]))) or vector(0)')

    assert (query.selectors, query.groups, query.functions) == (
        [Selector('a_total', 'rate', {'job', 'name'}, is_range=True)],
        {'name'},
        {'topk', 'sum', 'rate', 'vector'},
    )
