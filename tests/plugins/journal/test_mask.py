# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The mask: of what it hides no digit is left but the last two of a long number, and nothing else is changed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.journal.mask import Mask, masked

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from('abc'), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('+1 555-123-4567', '+• •••-•••-••67'),
        ('1001', '••••'),
        ('123456', '••••56'),
        ('Alice', 'Alice'),
        ('PJSIP/u1001-0000002a', 'PJSIP/u••••-•••••02a'),
        ('٠١٢٣٤٥', '••••٤٥'),
        ('', ''),
    ],
)
def test_all_digits_but_the_last_two_of_a_long_number_are_hidden(text: str, expected: str) -> None:
    assert masked(text) == expected


@given(st.text())
def test_no_more_than_two_digits_are_left_of_any_text(text: str) -> None:
    assert len(re.findall(r'\d', masked(text))) <= 2


@pytest.mark.parametrize(
    ('field', 'data', 'expected'),
    [
        ('data.a', {'a': '123', 'b': '456'}, {'a': '•••', 'b': '456'}),
        ('data.a', {'a': {'x': '123', '9': [1, True, None]}}, {'a': {'x': '•••', '9': ['•', True, None]}}),
        ('data.a.b', {'a': [{'b': '123'}, {'c': '1'}, '1']}, {'a': [{'b': '•••'}, {'c': '1'}, '1']}),
        ('data.a.1', {'a': ['1', '2', '3']}, {'a': ['1', '•', '3']}),
        ('data.a.9', {'a': ['1']}, {'a': ['1']}),
        ('data.a', ['1'], ['1']),
        ('data', '123', '•••'),
        ('data.missing.x', {'a': '1'}, {'a': '1'}),
        ('data.a', {'a': -12.5}, {'a': '-••.•'}),
    ],
)
def test_a_field_says_what_is_hidden(field: str, data: Any, expected: Any) -> None:
    assert Mask([field]).hide({'data': data, 'name': '1'}) == {'data': expected, 'name': '1'}


@given(JSON)
def test_what_is_masked_has_no_number_left_whatever_it_is(data: Any) -> None:
    record = Mask(['data']).hide({'data': data})

    assert [each for each in leaves(record['data']) if len(re.findall(r'\d', str(each))) > 2] == []


@given(JSON, st.lists(st.sampled_from(['data.a', 'data.b.c', 'data.a.0', 'headers']), max_size=3))
def test_the_record_that_is_given_stays_as_it_is(data: Any, fields: list[str]) -> None:
    record = {'data': data, 'headers': {'x': '1'}}
    before = repr(record)

    Mask(fields).hide(record)

    assert repr(record) == before


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in leaves(each)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in leaves(each)]
    return [value]
