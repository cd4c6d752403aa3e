# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The difference: what counts as one, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wazo_busd.language import NOTHING
from wazo_busd.trial.difference import Difference, compared

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text().filter(lambda text: text[:1] not in ('~', '!')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(plain)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(compared(value, value)) == []


@pytest.mark.parametrize(
    ('expected', 'found'),
    [
        ({}, {'a': 1}),
        ({'a': {'b': 1}}, {'a': {'b': 1, 'c': 2}, 'd': 3}),
        ('~^Fax', 'Fax to 1002'),
        ({'a': '!busy'}, {'a': 'no-answer'}),
        ([1, '~x'], [1, 'xyz']),
    ],
)
def test_only_what_is_expected_counts(expected: Any, found: Any) -> None:
    assert list(compared(expected, found)) == []


@pytest.mark.parametrize(
    ('expected', 'found', 'path'),
    [
        ({'a': {'b': 1}}, {'a': {'b': 2}}, 'a.b'),
        ({'a': 1}, {}, 'a'),
        ({'a': 1}, {'a': '1'}, 'a'),
        ({'a': 1}, {'a': True}, 'a'),
        ({'a': [1, {'b': 2}]}, {'a': [1, {'b': 3}]}, 'a.1.b'),
        ({'a': [1]}, {'a': [1, 2]}, 'a'),
        ({'a': '~^x'}, {'a': 'y'}, 'a'),
        ({'a': '!x'}, {}, 'a'),
        ({'a': {'b': 1}}, {'a': None}, 'a'),
    ],
)
def test_what_differs_is_named_by_its_path(expected: Any, found: Any, path: str) -> None:
    assert [each[0] for each in compared(expected, found)] == [path]


def test_a_text_of_several_lines_is_shown_line_by_line() -> None:
    shown = Difference(1, 'mail', 'is not as expected', 'text', 'Dear all,\nbye\n', 'Dear all,\nhello\n')

    assert [*shown.lines()] == ['mail: text is not as expected', '    Dear all,', '  - bye', '  + hello']


def test_what_is_missing_is_shown_as_nothing() -> None:
    assert [*Difference(1, 'crm', 'x', 'body.a', 1, NOTHING).lines()][1:] == ['  - 1', '  + (nothing)']


@given(st.text(), st.text())
def test_no_value_breaks_out_of_its_line(expected: str, found: str) -> None:
    shown = Difference(1, 'crm', 'x', 'a', expected, found, ('b\nc',))

    assert [line for line in shown.lines() if not line.isprintable()] == []
