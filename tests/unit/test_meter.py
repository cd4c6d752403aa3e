# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The meter: what a handler counts with."""

from __future__ import annotations

from collections import Counter as Multiset
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.figure import Distribution, Figure
from wazo_busd.meter import Meter, shown

NAME = 'wazo_busd_bells_total'


def only(meter: Meter) -> Figure:
    (figure,) = meter.figures()
    return figure


# ---- counters


def test_a_counter_tells_how_often_something_happened() -> None:
    meter = Meter()
    bells = meter.counter(NAME, 'Bells that rang.', 'door')
    bells.add('front')
    bells.add('back', amount=2)
    bells.add('front')

    assert only(meter) == Figure(NAME, 'Bells that rang.', 'counter', ('door',), {('front',): 2, ('back',): 2})


def test_a_counter_that_is_asked_for_again_is_the_same() -> None:
    meter = Meter()

    assert meter.counter(NAME, 'Bells that rang.') is meter.counter(NAME, 'Bells that rang.')


def test_a_counter_never_goes_down() -> None:
    with pytest.raises(ValueError, match='only goes up'):
        Meter().counter(NAME, 'Bells that rang.').add(amount=-1)


@given(st.lists(st.text(max_size=3)), st.integers(1, 4))
def test_no_more_values_are_told_apart_than_there_may_be(values: list[str], most: int) -> None:
    meter = Meter()
    counter = meter.counter(NAME, 'Bells that rang.', 'door', most=most)

    for value in values:
        counter.add(value)

    figure = only(meter)
    said = list(map(shown, values))
    apart = list(dict.fromkeys(said))[:most]
    expected = Multiset(value if value in apart else 'other' for value in said)
    assert figure.values == {(value,): count for value, count in expected.items()}


def test_a_value_that_is_too_long_is_cut() -> None:
    meter = Meter()
    counter = meter.counter(NAME, 'Bells that rang.', 'door')

    for _ in range(2):
        counter.add('x' * 10_000)

    assert only(meter).values == {('x' * 100,): 2}


@pytest.mark.parametrize(
    ('value', 'said'),
    [('\ud800x', '\\ud800x'), ('a\0b', 'a\\x00b'), ('a\r\n\x1b[31m', 'a\\r\\n\\x1b[31m'), ('Zoë', 'Zoë')],
)
def test_what_is_no_letter_is_shown_as_an_escape(value: str, said: str) -> None:
    meter = Meter()

    meter.counter(NAME, 'Bells that rang.', 'door').add(value)

    assert only(meter).values == {(said,): 1}


def test_a_value_that_is_shown_as_another_is_still_known_when_there_are_many() -> None:
    meter = Meter()
    counter = meter.counter(NAME, 'Bells that rang.', 'door', most=1)

    for _ in range(2):
        counter.add('a\0b')

    assert only(meter).values == {('a\\x00b',): 2}


@pytest.mark.parametrize(
    'figure',
    [
        Figure('bells', 'No name.', values={(): 1}),
        Figure('wazo_busd_bells', 'No text.', labels=('door',), values={(None,): 1}),  # type: ignore[dict-item]
        Figure('wazo_busd_bells', 'Too few.', labels=('door',), values={(): 1}),
        Figure('wazo_busd_bells', 'No number.', values={(): 'many'}),  # type: ignore[dict-item]
    ],
    ids=lambda figure: figure.meaning,
)
def test_what_is_no_figure_is_found_out_with_the_meter_that_shows_it(figure: Figure) -> None:
    meter = Meter()
    meter.show(lambda: [figure])

    with pytest.raises((TypeError, ValueError), match='bells'):
        list(meter.figures())


# ---- histograms


def test_a_histogram_tells_how_often_which_size_came() -> None:
    meter = Meter()
    waits = meter.histogram('wazo_busd_wait_seconds', 'How long.', 'queue', bounds=(1.0, 10.0))

    for seconds in (0.5, 1.0, 1.1, 11.0):
        waits.observe(seconds, 'sales')

    assert only(meter).distributions == {('sales',): Distribution((1.0, 10.0), (2, 1, 1), 13.6)}


@given(st.lists(st.floats(0, 1e6)), st.sets(st.floats(0, 1e6), min_size=1))
def test_every_value_is_counted_once(values: list[float], bounds: set[float]) -> None:
    meter = Meter()
    histogram = meter.histogram('wazo_busd_wait_seconds', 'How long.', bounds=tuple(sorted(bounds)))

    for value in values:
        histogram.observe(value)

    assert sum(sum(each.counts) for each in only(meter).distributions.values()) == len(values)


# ---- what is made when somebody looks


def test_figures_can_be_made_when_somebody_looks() -> None:
    meter, waiting = Meter(), [1]
    meter.show(lambda: [Figure('wazo_busd_waiting', 'Who waits.', values={(): waiting[0]})])
    waiting[0] = 7

    assert only(meter).values == {(): 7}


# ---- what cannot be


@pytest.mark.parametrize(
    ('name', 'labels'),
    [
        ('bells_total', ()),
        ('wazo_busd_Bells_total', ()),
        ('wazo_busd_bells', ()),
        ('wazo_busd_bells_total\n', ()),
        (NAME, ('handler',)),
        (NAME, ('le',)),
        (NAME, ('the door',)),
        (NAME, ('Door',)),
    ],
)
def test_a_name_or_label_that_prometheus_would_not_take_is_refused(name: str, labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r'wazo_busd_|label'):
        Meter().counter(name, 'Bells that rang.', *labels)


@pytest.mark.parametrize('bounds', [(), (2.0, 1.0), (1.0, 1.0)])
def test_bounds_that_do_not_ascend_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match='not ascending'):
        Meter().histogram('wazo_busd_wait_seconds', 'How long.', bounds=bounds)


@pytest.mark.parametrize('values', [(), ('a', 'b')])
def test_other_labels_than_its_own_are_refused(values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match='has the labels'):
        Meter().counter(NAME, 'Bells that rang.', 'door').add(*values)


def test_one_name_is_one_figure() -> None:
    meter = Meter()
    meter.counter(NAME, 'Bells that rang.', 'door')

    with pytest.raises(ValueError, match='there already'):
        meter.counter(NAME, 'Bells that rang.', 'house')


def test_a_name_is_no_counter_and_histogram_at_once() -> None:
    meter: Any = Meter()
    meter.counter(NAME, 'Bells that rang.')

    with pytest.raises(ValueError, match='there already'):
        meter.histogram(NAME, 'Bells that rang.')
