# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The fields that `where` asks for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.language.values import any_value
from wazo_busd.conditions import Wanted, Where
from wazo_busd.event import Event
from wazo_busd.language import Fault

USER = '2e752722-0864-4665-887d-a78a024cf7c7'
FAX = Event(
    'fax_outbound_failed',
    {
        'error': 'busy',
        'pages': 3,
        'Cause': '16',
        'user': None,
        'ok': True,
        'tags': ['a', 'b'],
        'call': {'id': 'c1'},
        'items': [{'name': 'x'}],
    },
    routing_key='faxes.outbound.1.failed',
    headers={'name': 'fax_outbound_failed', f'user_uuid:{USER}': True, 'raw': b'bytes'},
)


def holds(field: str, wanted: Any) -> bool:
    return Where({field: wanted}).holds(FAX)


@pytest.mark.parametrize(
    ('field', 'wanted', 'found'),
    [
        ('data.error', 'busy', True),
        ('data.error', 'no-answer', False),
        ('data.error', ['no-answer', 'busy'], True),
        ('data.error', '!busy', False),
        ('data.error', '!no-answer', True),
        ('data.error', ['!no-answer', '!failed'], True),
        ('data.error', ['!no-answer', '!busy'], False),
        ('data.error', ['busy', '!failed'], True),
        ('data.error', ['failed', '!no-answer'], False),
        ('data.error', '~^b', True),
        ('data.error', '~us', True),
        ('data.error', '~^us', False),
        ('data.error', '~(?i)BUSY', True),
        ('data.error', '!~^b', False),
        ('data.error', ['~^x', '~y$'], True),
        ('data.pages', 3, True),
        ('data.pages', 3.0, True),
        ('data.pages', '3', True),
        ('data.pages', '~^[0-9]$', True),
        ('data.pages', 4, False),
        ('data.Cause', 16, True),
        ('data.Cause', '16', True),
        ('data.Cause', 1, False),
        ('data.user', None, True),
        ('data.user', 'None', False),
        ('data.user', '!x', True),
        ('data.user', '~.', False),
        ('data.ok', True, True),
        ('data.ok', False, False),
        ('data.ok', 1, False),
        ('data.ok', 'true', False),
        ('data.pages', True, False),
        ('data.tags', 'b', True),
        ('data.tags', 'c', False),
        ('data.tags', '!b', False),
        ('data.tags.0', 'a', True),
        ('data.tags.7', '!a', False),
        ('data.call.id', 'c1', True),
        ('data.call', 'c1', False),
        ('data.items.0.name', 'x', True),
        ('headers.name', 'fax_outbound_failed', True),
        ('headers.raw', 'bytes', True),
        (f'headers.user_uuid:{USER}', True, True),
        ('name', '~^fax_', True),
        ('routing_key', '~failed$', True),
        ('user_uuids', USER, True),
        ('user_uuids', f'!{USER}', False),
        ('attempt', 1, True),
        ('exchange', '', True),
    ],
)
def test_a_field_is_as_wanted_or_not(field: str, wanted: Any, found: bool) -> None:
    assert holds(field, wanted) is found


@pytest.mark.parametrize('wanted', ['busy', '!busy', '~.*', '!~busy', None, True, 0, '', ['!busy']])
@pytest.mark.parametrize('field', ['data.gone', 'data.error.deeper', 'tenant_uuid', 'data.call.id.x', 'metadata.x'])
def test_an_event_without_the_field_is_never_wanted(field: str, wanted: Any) -> None:
    assert not holds(field, wanted)


def test_every_field_must_be_as_wanted() -> None:
    fields = {'data.error': 'busy', 'data.pages': 3}

    assert (Where(fields).holds(FAX), Where({**fields, 'data.pages': 4}).holds(FAX)) == (True, False)


def test_an_empty_map_asks_for_nothing() -> None:
    assert Where({}).holds(FAX)


def test_what_is_not_as_wanted_is_told_with_the_value() -> None:
    where = Where(
        {'data.error': ['!busy', '~^x', 5], 'data.gone': 'a', 'data.pages': 3, 'data.user': 'b', 'data.ok': False}
    )

    assert list(where.denials(FAX)) == [
        "data.error is 'busy', and wanted is not 'busy' or ~^x or 5",
        "data.gone is not in the event, and wanted is 'a'",
        "data.user is null, and wanted is 'b'",
        'data.ok is true, and wanted is false',
    ]


# ---- mistakes


@pytest.mark.parametrize(
    ('wanted', 'text'),
    [
        ('~([', '~ is not followed by a regular expression'),
        ('!~(', '~ is not followed by a regular expression'),
        (['a', '~*'], '~ is not followed by a regular expression'),
        ([], 'expected at least one value'),
        ({'a': 1}, 'expected a text, a number, true, false, null, or a list of them'),
        ([['a']], 'expected a text, a number, true, false, null, or a list of them'),
    ],
)
def test_what_cannot_be_wanted_is_a_mistake(wanted: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Wanted(wanted)


@pytest.mark.parametrize('field', ['', 'dta.x', 'data.', '.data', 'data..x', 'data.a b', 'names.x', '__class__'])
def test_what_is_no_field_is_a_mistake(field: str) -> None:
    with pytest.raises(ValueError, match='expected a field of the event'):
        Where({field: 'x'})


# ---- whatever comes


@pytest.mark.parametrize(
    ('expression', 'text'),
    [('(a|aa)+$', 'a' * 4_000 + 'b'), ('(x+x+)+y', 'x' * 4_000)],
)
def test_an_expression_that_a_text_makes_slow_is_given_up(expression: str, text: str) -> None:
    with pytest.raises(Fault, match=r'where: data\.x: its expression takes longer than 50 ms'):
        Where({'data.x': f'~{expression}'}).holds(Event('x', {'x': text}))


def test_only_the_beginning_of_a_long_text_is_searched() -> None:
    where = Where({'data.x': '~b'})

    assert [where.holds(Event('x', {'x': 'a' * length + 'b'})) for length in (4_095, 4_096)] == [True, False]


@given(any_value, st.sampled_from(['a', '!a', '~a', '!~a', 1, None, True, 1.5]))
def test_whatever_comes_it_is_as_wanted_or_not(value: Any, wanted: Any) -> None:
    assert Where({'data.x': wanted}).holds(Event('x', {'x': value})) in (True, False)


@given(st.text(max_size=10), st.text(max_size=10))
def test_a_plain_text_is_wanted_letter_by_letter(wanted: str, value: str) -> None:
    if not wanted.startswith(('!', '~')):
        assert Wanted(wanted).accepts(value) is (wanted == value)
