# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The expression: true or false of an event, whatever the event says, and explained if it is false."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.language.values import any_value, holds
from wazo_busd.event import Event
from wazo_busd.language import Expression, Fault, Surroundings
from wazo_busd.language.filters import FILTERS

FAX = {'error': 'busy', 'pages': 3, 'call': {'id': 'c1'}, 'items': [{'name': 'a'}, {'name': 'b'}], 'user': None}


def denials(source: str, data: Any) -> list[str]:
    return list(Expression(source).denials(Event('fax', data), Surroundings()))


# ---- what it says


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ("data.error == 'busy'", True),
        ("data.error != 'busy'", False),
        ("data['error'] in ['busy', 'no-answer']", True),
        ("'us' in data.error", True),
        ('data.pages > 2 and data.pages < 4', True),
        ('2 < data.pages < 4', True),
        ('2 < data.pages < 3', False),
        ('data.call.id == "c1"', True),
        ('data.items[1].name == "b"', True),
        ('data.items[-1].name == "b"', True),
        ('data.items | length == 2', True),
        ("data.items | map(attribute='name') | join('+') == 'a+b'", True),
        ('data.pages * 2 + 1 == 7', True),
        ('data.pages % 2 == 1 and 7 // 2 == 3 and 3 / 2 == 1.5', True),
        ('-data.pages == -3 and +data.pages == 3', True),
        ("data.error | upper == 'BUSY'", True),
        ("data.error ~ data.pages == 'busy3'", True),
        ("data.error[:2] == 'bu'", True),
        ("not data.error == 'busy'", False),
        ("data.error == 'x' or data.pages == 3", True),
        ('data.user is none and data.user is defined', True),
        ('data.pages is integer and data.error is string and data.call is mapping', True),
        ("('much' if data.pages > 2 else 'little') == 'much'", True),
        ("{'busy': 1}[data.error] == 1", True),
        ("name == 'call_created' and routing_key == 'calls.call.created'", True),
        ('attempt == 1', True),
        ("names['c1'] == 'Anna'", True),
        ("names[data.call.id] == 'Anna'", True),
    ],
)
def test_an_expression_says_what_jinja_says(source: str, found: bool) -> None:
    assert holds(source, FAX, names={'c1': 'Anna'}) is found


@pytest.mark.parametrize('operator', ['==', '!=', '<', '<=', '>', '>=', 'in', 'not in'])
@pytest.mark.parametrize('missing', ['data.gone', 'data.gone.deeper', 'data.error.deeper', 'data.items[7]', 'agent_id'])
def test_every_comparison_with_a_missing_field_is_false(missing: str, operator: str) -> None:
    other = "['busy']" if operator.endswith('in') else "'busy'"

    assert not holds(f'{missing} {operator} {other}', FAX)


@pytest.mark.parametrize('operator', ['==', '!=', '<', '>', 'in', 'not in'])
def test_it_is_false_with_the_missing_field_on_the_right_too(operator: str) -> None:
    assert not holds(f"'busy' {operator} data.gone", FAX)


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('data.gone', False),
        ('not data.gone', True),
        ('data.gone is defined', False),
        ('data.gone is undefined', True),
        ('data.gone.deeper is defined', False),
        ('tenant_uuid is defined', False),
        ("data.gone | default('x') == 'x'", True),
        ("data.user | default('x') == 'x'", True),
        ("data.gone | lower != 'busy'", False),
        ('data.gone | length == 0', False),
        ('data.gone + 1 > 0', False),
        ("data.gone ~ 'x' == 'x'", False),
        ('-data.gone < 1', False),
        ('data.gone is string', False),
        ('data.gone[1:2] == ""', False),
        ('data[data.gone] == 1', False),
        ('names[data.gone] == 1', False),
        ('data.gone == data.lost', False),
    ],
)
def test_what_is_made_of_a_missing_field_is_missing(source: str, found: bool) -> None:
    assert holds(source, FAX) is found


@pytest.mark.parametrize('source', ['data.error < 3', 'data.call > data.items', "'x' in data.pages", 'data.user < 1'])
def test_a_comparison_of_what_has_no_order_is_false(source: str) -> None:
    assert not holds(source, FAX)


@pytest.mark.parametrize('data', [None, 'text', 7, [], True])
def test_data_that_is_no_map_has_no_fields(data: Any) -> None:
    assert holds('data.error is undefined', data)


@pytest.mark.parametrize('key', ['__class__', 'items', 'keys', 'get', 'x.y'])
def test_a_key_is_looked_up_and_never_an_attribute(key: str) -> None:
    assert not holds(f"data['{key}'] is defined", {'other': 1})


# ---- what cannot be worked out


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('1 / (data.pages - 3)', 'a division by zero'),
        ('data.error + 1', 'a text and a number cannot be calculated with; | int and | float make numbers'),
        ('data.error * 3', 'a text and a number cannot be calculated with; | int and | float make numbers'),
        ('data.error % 3', 'a text and a number cannot be calculated with; | int and | float make numbers'),
        ('-data.error', 'a text has no sign'),
        ('data.pages[1:2]', 'only a text or a list has parts, which numbers name'),
        ('data.pages | round(99)', 'round takes a number, and from 0 to 12 places'),
        ('data.error | int(base=16)', 'it cannot be worked out: TypeError'),
    ],
)
def test_what_cannot_be_worked_out_is_a_fault_that_repeats_no_value(source: str, text: str) -> None:
    with pytest.raises(Fault) as raised:
        holds(source, FAX)

    assert raised.value.text == text


# ---- what is no expression


@pytest.mark.parametrize(
    ('source', 'text', 'hint'),
    [
        ("data.error = 'busy'", 'this is no expression: expected an operator', 'two equals: data.error == "busy"'),
        ('data.error && 1', "this is no expression: unexpected char '&' at 11", 'write and'),
        ('!data.error', "this is no expression: unexpected char '!' at 0", 'write not, or != between two values'),
        (
            "{{ data.error == 'busy' }}",
            "this is no expression: expected token ':'",
            'without braces, as in data.error != "busy"',
        ),
        (
            'data.error ==',
            'this is no expression: it ends too early',
            "as in data.error != 'busy' and data.extension is defined",
        ),
        ('dta.error', "there is no 'dta' in an event", "did you mean 'data'?"),
        ('data.error | lowr', "there is no filter 'lowr'", "did you mean 'lower'?"),
        ('data.error is strng', 'nothing can be asked with is strng', "did you mean 'string'?"),
        (
            'data.error.lower()',
            'a call is not allowed here',
            'a filter makes one value of another, as in data.name | lower',
        ),
        ('data.pages ** 9', 'a power is not allowed here', ''),
        ('data.__class__', 'no field is called __class__', ''),
        (
            'data.a if data.b',
            'an if inside an expression needs its else',
            "as in 'yes' if data.is_video else 'no'",
        ),
        ('data.a | join(*data.b)', '* and ** are not allowed before what a filter takes', ''),
        ('self', 'self is nothing by itself', 'a loop has loop.index and loop.last'),
    ],
)
def test_a_mistake_is_told_with_what_was_expected(source: str, text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r'.') as raised:
        Expression(source)

    assert (str(raised.value), ''.join(getattr(raised.value, '__notes__', ()))) == (text, hint)


def test_a_mistake_on_a_later_line_is_told_with_its_line() -> None:
    with pytest.raises(ValueError, match='line 2 of it: this is no expression'):
        Expression('data.a == 1 and\ndata.b = 2')


def test_what_follows_a_mistake_is_not_repeated_because_it_may_be_a_secret() -> None:
    with pytest.raises(ValueError, match=r'.') as raised:
        Expression('data.a hunter2')

    assert 'hunter2' not in str(raised.value)


# ---- its fields


def test_it_knows_the_fields_that_it_names() -> None:
    found = Expression("data.a.b == data['c'][0] and call_id and names[headers.x] and data[data.k]").fields

    assert found == (
        ('call_id',),
        ('data',),
        ('data', 'a', 'b'),
        ('data', 'c', 0),
        ('data', 'k'),
        ('headers', 'x'),
    )


# ---- why it is false


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ("data.error != 'busy'", ["data.error != 'busy' is false: data.error is 'busy'"]),
        ('data.gone == 1', ['data.gone == 1 is false: data.gone is not in the event']),
        (
            "data.pages == 3 and data.error == 'x' and data.call.id == 'c2'",
            [
                "data.error == 'x' is false: data.error is 'busy'",
                "data.call.id == 'c2' is false: data.call.id is 'c1'",
            ],
        ),
        (
            "data.pages == 3 and (data.error == 'x' or data.error == 'y')",
            ["(data.error == 'x' or data.error == 'y') is false: data.error is 'busy'"],
        ),
        ("(data.error == 'x' and data.pages == 3)", ["data.error == 'x' is false: data.error is 'busy'"]),
        ("data.error == ' and ' and data.pages == 3", ["data.error == ' and ' is false: data.error is 'busy'"]),
        (
            'not (data.pages == 3 and data.pages == 3)',
            ['not (data.pages == 3 and data.pages == 3) is false: data.pages is 3'],
        ),
        ('data.user', ['data.user is false: data.user is null']),
        ('1 > 2', ['1 > 2 is false']),
        ("data.error == 'busy'", []),
    ],
)
def test_each_part_of_an_and_that_is_false_is_told_with_its_values(source: str, found: list[str]) -> None:
    assert denials(source, FAX) == found


def test_a_value_is_told_in_one_line_and_not_at_length() -> None:
    (found,) = denials("data.a == 'x'", {'a': '\x1b[31m\n' + 'a' * 1000})

    assert (found.isprintable(), len(found) < 120) == (True, True)


# ---- whatever comes


@given(any_value, any_value)
def test_whatever_comes_over_the_bus_it_is_true_or_false(one: Any, other: Any) -> None:
    source = "data.a == data.b or data.a < 3 or data.a in data.b or data.a.b == 'x' or data.a is string"

    assert holds(source, {'a': one, 'b': other}) in (True, False)


FILTERED = st.sampled_from(sorted(FILTERS))
TAKES = {'replace': "('a', 'b')", 'map': "(attribute='a')"}


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or the mistake or fault that it raises."""
    try:
        return call()
    except (ValueError, Fault) as error:
        return error


@given(FILTERED, any_value)
def test_whatever_a_filter_gets_it_gives_something_or_a_fault(name: str, value: Any) -> None:
    found = outcome(lambda: holds(f'data.a | {name}{TAKES.get(name, "")} is defined', {'a': value}))

    assert found is True or 'cannot be worked out' not in str(found)


@given(st.text(st.sampled_from(list('data.x|=<>!()[]{}%\'"1, andorifels~+-*/\n')), max_size=30))
def test_whatever_is_written_is_an_expression_or_a_mistake(source: str) -> None:
    found = outcome(lambda: Expression(source))

    assert isinstance(found, Expression) or str(found)
