# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The filters: each makes of a value what its name says."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.language.values import rendered
from wazo_busd.errors import TemplateError

DATA = {
    'text': '  Hello World ',
    'list': [3, 1, 2],
    'names': ['b', 'a'],
    'map': {'a': 1},
    'digits': '42',
    'float': -1.55,
    'empty': '',
    'null': None,
    'people': [{'n': 1}, {'m': 2}, {'n': {'k': 3}}],
}


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('data.float | abs', '1.55'),
        ('data.text | trim', 'Hello World'),
        ('data.text | trim | lower | capitalize', 'Hello world'),
        ('data.text | trim | upper', 'HELLO WORLD'),
        ('"ab cd" | title', 'Ab Cd'),
        ('data.list | length ~ data.map | count ~ data.digits | length', '312'),
        ('data.list | first ~ data.list | last ~ data.digits | first', '324'),
        ('data.list | sort | join("-")', '1-2-3'),
        ('data.list | sort(reverse=true) | join', '321'),
        ('data.names | sort | join(", ")', 'a, b'),
        ('data.list | min ~ data.list | max ~ data.list | sum', '136'),
        ('data.map | items', '[["a",1]]'),
        ('data.people | map(attribute="n.k") | join', '3'),
        ('data.people | map(attribute="n") | length', '2'),
        ('data.digits | int + 1', '43'),
        ('"4.7" | int ~ " -5 " | int ~ "x" | int ~ "x" | int(9) ~ true | int', '4-5091'),
        ('"1e400" | int ~ "nan" | float ~ "1.5" | float', '00.01.5'),
        ('2.567 | round(1) ~ 3 | round', '2.63'),
        ('data.text | replace("World", "You") | trim', 'Hello You'),
        ('"abcdef" | truncate(4) ~ "abc" | truncate(4) ~ "abcdef" | truncate(4, end="")', 'abc…abcabcd'),
        ('data.digits | string', '42'),
        ('data.map | tojson', '{"a":1}'),
        ('data.null | default("x") ~ data.empty | d("y") ~ data.empty | d("z", true)', 'xz'),
    ],
)
def test_a_filter_does_what_it_is_called(source: str, found: str) -> None:
    assert rendered(f'{{{{ {source} }}}}', DATA) == found


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('data.text | abs', 'a text has no sign'),
        ('data.float | length', 'a number has no length'),
        ('data.null | length', 'null has no length'),
        ('data.empty | first', 'a text that is first or last needs something in it'),
        ('data.digits | join', 'a text is no list'),
        ('data.list | items', 'a list has no items'),
        ('data.names | sum', 'only numbers have a sum'),
        ('[] | max', 'an empty list has no least and no greatest'),
        ('[1, "a"] | sort', 'what is in the list has no order'),
        ('data.text | replace("", "x")', 'nothing cannot be replaced'),
        ('data.text | round', 'round takes a number, and from 0 to 12 places'),
        ('data.text | truncate(-1)', 'truncate takes the number of letters'),
        ('data.map | map(attribute="a")', 'a map is no list'),
        ('true | abs', 'true or false has no sign'),
    ],
)
def test_what_a_filter_cannot_take_is_told(source: str, text: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(text)):
        rendered(f'{{{{ {source} }}}}', DATA)


@pytest.mark.parametrize(
    ('kind', 'values'),
    [
        ('boolean', [True, False]),
        ('true', [True]),
        ('false', [False]),
        ('none', [None]),
        ('number', [1, 1.5]),
        ('integer', [1]),
        ('float', [1.5]),
        ('string', ['a']),
        ('mapping', [{}]),
        ('sequence', [[]]),
    ],
)
def test_a_test_is_true_of_its_kind_only(kind: str, values: list[Any]) -> None:
    every: list[Any] = [True, False, None, 1, 1.5, 'a', {}, []]
    found = [rendered(f'{{{{ data.x is {kind} }}}}', {'x': each}) == 'true' for each in every]

    assert found == [
        any(each is value or (type(each) is type(value) and each == value) for value in values) for each in every
    ]
