# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The exposition: figures as Prometheus reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from wazo_busd.figure import Distribution, Figure
from wazo_busd.http.exposition import Figures, exposition
from wazo_busd.http.exposition import read as readings
from wazo_busd.text import escape

WAITING = Figure('wazo_busd_waiting', 'Who waits.', labels=('queue',), values={('sales',): 2, ('support',): 0})


def read(figures: Figures) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The samples, as a parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(figures).decode())
        for sample in family.samples
        if sample.name.startswith('wazo_busd_')
    }


def test_a_figure_of_the_daemon_has_its_own_labels() -> None:
    assert read({'': [WAITING]}) == {
        ('wazo_busd_waiting', (('queue', 'sales'),)): 2,
        ('wazo_busd_waiting', (('queue', 'support'),)): 0,
    }


def test_a_figure_of_a_handler_names_it() -> None:
    assert read({'queues': [Figure('wazo_busd_waiting', 'Who waits.', values={(): 2})]}) == {
        ('wazo_busd_waiting', (('handler', 'queues'),)): 2
    }


def test_handlers_share_a_figure() -> None:
    figures = read({'one': [WAITING], 'two': [WAITING]})

    assert {dict(labels)['handler'] for _, labels in figures} == {'one', 'two'}


def test_of_two_meanings_of_a_name_the_second_is_left_out() -> None:
    other = Figure('wazo_busd_waiting', 'Something else.', 'gauge', ('door',), {('front',): 1})

    assert {dict(labels)['handler'] for _, labels in read({'one': [WAITING], 'two': [other]})} == {'one'}


def test_a_histogram_counts_all_that_is_no_greater() -> None:
    waits: dict[tuple[str, ...], Distribution] = {(): Distribution((1.0, 10.0), (2, 1, 1), 13.6)}
    figure = Figure('wazo_busd_wait_seconds', 'How long.', 'histogram', distributions=waits)

    assert read({'': [figure]}) == {
        ('wazo_busd_wait_seconds_bucket', (('le', '1.0'),)): 2,
        ('wazo_busd_wait_seconds_bucket', (('le', '10.0'),)): 3,
        ('wazo_busd_wait_seconds_bucket', (('le', '+Inf'),)): 4,
        ('wazo_busd_wait_seconds_count', ()): 4,
        ('wazo_busd_wait_seconds_sum', ()): 13.6,
    }


@given(st.text(max_size=100), st.floats(0, 1e12))
def test_a_label_is_read_as_what_it_was_with_escapes(label: str, value: float) -> None:
    figure = Figure('wazo_busd_bells_total', 'Bells\nthat "rang" \\.', 'counter', ('door',), {(label,): value})

    assert read({'': [figure]}) == {('wazo_busd_bells_total', (('door', escape(label)),)): value}


@given(st.text(st.characters(codec=None)))
def test_whatever_a_label_says_there_is_no_byte_that_is_no_letter(label: str) -> None:
    figure = Figure('wazo_busd_bells_total', 'Bells that rang.', 'counter', ('door',), {(label,): 1})

    assert [byte for byte in exposition({'': [figure]}) if byte < 0x20 and byte != 0x0A] == []


def test_what_the_process_takes_is_there_too() -> None:
    assert b'process_cpu_seconds_total' in exposition({})


@pytest.fixture
def closed_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the unit leaves of /proc (ProcSubset=pid): the processes alone."""

    def opened(path: str, *arguments: Any) -> Any:
        if path == '/proc/stat':
            raise FileNotFoundError(path)
        return open(path, *arguments)  # noqa: PTH123

    monkeypatch.setattr('prometheus_client.process_collector.open', opened, raising=False)


def processes() -> dict[str, float]:
    return {each.name: each.value for each in readings(exposition({}).decode()) if each.name.startswith('process_')}


@pytest.mark.usefixtures('closed_proc')
def test_it_is_there_where_the_unit_closes_proc_too() -> None:
    assert processes().keys() >= {'process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds'}


@pytest.mark.usefixtures('closed_proc')
def test_the_time_of_the_start_is_the_same_at_every_scrape() -> None:
    assert processes()['process_start_time_seconds'] == processes()['process_start_time_seconds']


def test_the_time_of_the_start_is_that_of_the_process() -> None:
    wanted = {each.name: each.samples[0].value for each in ProcessCollector(registry=None).collect()}

    # The kernel says when it was started in whole seconds.
    assert processes()['process_start_time_seconds'] == pytest.approx(wanted['process_start_time_seconds'], abs=2)
