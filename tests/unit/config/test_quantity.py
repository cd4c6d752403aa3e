# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The quantities: as people write them, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from wazo_busd.config.quantity import Duration, DurationSpan, Size, between, parse_duration, parse_size, parse_span


@pytest.mark.parametrize(
    ('written', 'seconds'),
    [
        ('500ms', 0.5),
        ('10s', 10.0),
        ('1.5s', 1.5),
        ('5m', 300.0),
        ('2h', 7200.0),
        ('7d', 604_800.0),
        ('0s', 0.0),
        ('10 s', 10.0),
        (' 10s ', 10.0),
        (10, 10.0),
        (0.25, 0.25),
        (0, 0.0),
    ],
)
def test_a_duration_is_read_as_seconds(written: Any, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    'written',
    [
        '',
        '10',
        's',
        '10S',
        '10 min',
        '10sec',
        '1h30m',
        '-1s',
        '+1s',
        '1e3s',
        '.5s',
        '1.s',
        '\u0661s',
        '9' * 19 + 's',
        pytest.param('9' * 5000 + 's', id='5000 digits'),
        -1,
        -0.5,
        pytest.param(10**400, id='400 digits'),
        math.nan,
        math.inf,
        True,
        None,
        [10],
        {},
        b'10s',
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(ValueError, match=r'^expected a duration such as 10s, 5m or 2h$'):
        parse_duration(written)


@pytest.mark.parametrize(
    ('written', 'number'),
    [
        (500, 500),
        (0, 0),
        (2**63 - 1, 2**63 - 1),
        ('500', 500),
        ('100k', 100_000),
        ('100kB', 100_000),
        ('1M', 1_000_000),
        ('2G', 2_000_000_000),
        ('64KiB', 65_536),
        ('64Ki', 65_536),
        ('256MiB', 268_435_456),
        ('1GiB', 1_073_741_824),
        ('10 B', 10),
        (' 10k ', 10_000),
    ],
)
def test_a_size_is_read_as_a_number(written: Any, number: int) -> None:
    assert parse_size(written) == number


@pytest.mark.parametrize(
    'written',
    [
        '',
        'k',
        '1.5k',
        '100K',
        '100 kb',
        '1T',
        '-1',
        '1_000',
        '\u0661',
        '9' * 18 + 'Gi',
        pytest.param('9' * 5000, id='5000 digits'),
        2**63,
        -1,
        1.0,
        True,
        None,
        [1],
        b'1',
    ],
)
def test_what_is_no_size_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(ValueError, match=r'^expected a number such as 500, 100k or 64MiB$'):
        parse_size(written)


@given(st.integers(0, 10**9), st.sampled_from([('ms', 0.001), ('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)]))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: tuple[str, float]) -> None:
    assert parse_duration(f'{number}{unit[0]}') == pytest.approx(number * unit[1])


@given(st.floats(0, 10**9))
def test_a_duration_in_plain_numbers_is_seconds(seconds: float) -> None:
    assert parse_duration(seconds) == seconds


@given(st.integers(0, 2**63 - 1))
def test_a_size_is_the_same_as_number_and_as_text(number: int) -> None:
    assert parse_size(number) == number
    assert number >= 10**18 or parse_size(str(number)) == number


@given(st.integers(0, 10**6))
def test_a_thousand_and_a_kibi_differ(number: int) -> None:
    assert (parse_size(f'{number}k'), parse_size(f'{number}Ki')) == (number * 1000, number * 1024)


@pytest.mark.parametrize(
    ('written', 'seconds'),
    [
        ('2s..5m', (2.0, 300.0)),
        ('500ms..1.5s', (0.5, 1.5)),
        (' 2s .. 5m ', (2.0, 300.0)),
        ('5m..300s', (300.0, 300.0)),
        ('10s', (10.0, 10.0)),
        (10, (10.0, 10.0)),
        (0.5, (0.5, 0.5)),
    ],
)
def test_a_span_is_read_as_two_durations(written: Any, seconds: tuple[float, float]) -> None:
    assert parse_span(written) == seconds


@pytest.mark.parametrize(
    'written', ['', '..', '2s..', '..5m', '2s...5m', '2s..5m..7m', '2s-5m', 'a..b', [2, 5], {}, None, True, math.nan]
)
def test_what_is_no_span_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(ValueError, match=r'^expected two durations, as in 2s\.\.5m$'):
        parse_span(written)


def test_a_span_begins_with_the_shorter_duration() -> None:
    with pytest.raises(ValueError, match=r'^expected the shorter duration first, as in 2s\.\.5m$'):
        parse_span('5m..2s')


anything = st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.binary(), st.just(10**400))


@given(anything | st.from_regex(r'[0-9]{1,400}(\.[0-9]{1,400})?(ms|s|m|h|d)', fullmatch=True))
def test_whatever_is_written_is_a_finite_duration_or_refused(written: Any) -> None:
    try:
        seconds = parse_duration(written)
    except ValueError:
        return
    assert seconds >= 0
    assert math.isfinite(seconds)


@given(anything | st.from_regex(r'[0-9]{1,20}(ms|s|m|h|d)?\.\.[0-9]{1,20}(ms|s|m|h|d)?', fullmatch=True))
def test_whatever_is_written_is_a_span_that_begins_with_the_shorter_duration_or_refused(written: Any) -> None:
    try:
        shortest, longest = parse_span(written)
    except ValueError:
        return
    assert 0 <= shortest <= longest < math.inf


@given(anything | st.from_regex(r'[0-9]{1,400}(k|Ki|M|Gi)?B?', fullmatch=True))
def test_whatever_is_written_is_a_size_that_a_broker_takes_or_refused(written: Any) -> None:
    try:
        size = parse_size(written)
    except ValueError:
        return
    assert type(size) is int
    assert 0 <= size < 2**63


@pytest.mark.parametrize(('seconds', 'kept'), [(1.99, False), (2.0, True), (300.0, True), (300.01, False)])
def test_bounds_are_included(seconds: float, kept: bool) -> None:
    check = between('2s', '5m').func
    try:
        result: Any = check(seconds)  # type: ignore[call-arg]
    except ValueError:
        result = None
    assert (result == seconds) is kept


def test_bounds_are_told_as_people_write_them() -> None:
    check = between('2s', '5m').func
    with pytest.raises(ValueError, match=r'^expected at least 2s and at most 5m$'):
        check(1.0)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ('kind', 'written', 'read'),
    [(Duration, '5m', 300.0), (Size, '1MiB', 1_048_576), (DurationSpan, '2s..5m', (2.0, 300.0))],
)
def test_a_model_reads_a_quantity(kind: Any, written: str, read: Any) -> None:
    assert TypeAdapter(kind).validate_python(written) == read


@pytest.mark.parametrize('kind', [Duration, Size, DurationSpan])
def test_a_model_refuses_what_is_no_quantity(kind: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python('ten')
