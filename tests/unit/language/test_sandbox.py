# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The sandbox: nothing in it reaches out of the event, and no event makes it take long."""

from __future__ import annotations

import pytest
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tests.unit.language.values import holds, rendered
from wazo_busd.errors import TemplateError
from wazo_busd.language import Expression, Fault, Text
from wazo_busd.language.missing import Missing
from wazo_busd.language.sandbox import Sandbox, sandbox

LONG = 'a' * 1_000_000
ESCAPES = [
    "''.__class__.__mro__",
    "''['__class__']",
    "data['__class__']['__init__']['__globals__']",
    'data.items.__globals__',
    "(data | map(attribute='__class__'))",
    'names.__class__',
    'headers.__init__',
    'loop.__init__',
    'lipsum.__globals__',
    'cycler',
    'joiner',
    'namespace',
    'dict',
    'range',
    'range(100000000)',
    'self.__init__',
    'context',
    'environment',
    'config',
    "data | attr('__class__')",
    'data.x.format(data)',
    "'{0.__class__}' | format(data)",
    "'%s' % data.x",
    'data | pprint',
    'data.x | safe',
    'data.x | e',
    'data.x | xmlattr',
    '(1).__class__',
    '1.real',
    'data.items[0:1:-1]',
]


@pytest.mark.parametrize('source', ESCAPES)
def test_nothing_but_data_can_be_reached(source: str) -> None:
    try:
        found = holds(f'({source}) is defined', {'x': 'a', 'items': [1]})
    except (ValueError, Fault):
        found = False

    assert not found


@pytest.mark.parametrize('source', ESCAPES)
def test_a_text_reaches_no_further(source: str) -> None:
    with pytest.raises((ValueError, TemplateError)):
        rendered(f'{{{{ {source} }}}}', {'x': 'a', 'items': [1]})


def test_a_map_that_has_such_a_key_is_a_map_all_the_same() -> None:
    assert rendered("{{ data['__class__'] }}", {'__class__': 'x'}) == 'x'


def test_it_is_jinjas_sandbox_without_functions() -> None:
    assert (isinstance(sandbox(Missing), ImmutableSandboxedEnvironment), sandbox(Missing).globals) == (True, {})


def test_jinjas_own_ways_to_a_function_or_an_item_are_closed() -> None:
    environment = Sandbox(Missing)

    with pytest.raises(SecurityError):
        environment.call(None, print)
    with pytest.raises(SecurityError):
        environment.getitem({}, 'x')
    assert isinstance(environment.getattr('', 'upper'), Missing)


# ---- whatever the event says, it ends soon


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('data.n * data.long', 'a number and a text cannot be calculated with'),
        ('data.list * data.n', 'a list and a number cannot be calculated with'),
        ('data.long % data.n', 'a text and a number cannot be calculated with'),
        ('data.huge * data.huge > 1', 'a number is too large'),
        ('data.huge ~ "a" == "a"', 'a number has more than 400 digits'),
        ('data.huge / 3 > 1', 'a number is too large'),
        ("data.long | replace('a', data.long) == 'a'", 'the text grows too long'),
        ("data.list | join(data.long) == 'a'", 'the text grows too long'),
        ('1.5 | round(data.n) > 1', 'round takes a number, and from 0 to 12 places'),
        ("0 | local('%' ~ data.n ~ 'd') == 'a'", 'local takes a format'),
        ("data.long | truncate(data.long) == 'a'", 'truncate takes the number of letters'),
        (' or '.join(["data.long | lower == 'x'"] * 5), 'it has more than 4194304 letters to go through'),
    ],
)
def test_no_event_makes_an_expression_grow(source: str, text: str) -> None:
    data = {'n': 10**9, 'long': LONG, 'list': [LONG] * 3, 'huge': 10**2000}

    with pytest.raises(Fault, match=text.replace('|', r'\|')):
        holds(source, data)


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('{% for a in data.list %}{% for b in data.list %}x{% endfor %}{% endfor %}', 'it goes more than 2000 rounds'),
        ('{% for a in data.list %}{{ data.long }}{% endfor %}', 'it has more than 4194304 letters'),
        ('{% for a in data.list %}{{ data.long | upper | length }}{% endfor %}', 'more than 4194304 letters to go'),
        ('{% for a in data.list %}{{ loop.length }}{% endfor %}', 'it goes more than 2000 rounds'),
    ],
)
def test_no_event_makes_a_text_grow(source: str, text: str) -> None:
    with pytest.raises(TemplateError, match=text):
        rendered(source, {'list': [LONG] * 2_001, 'long': LONG})


def test_deep_data_is_compared_all_the_same() -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]

    assert holds('data.a == data.b', {'a': deep, 'b': deep})


def test_what_is_compiled_can_be_used_again_after_a_fault() -> None:
    text, expression = Text('{{ data.x }}'), Expression('data.x / 1 == 1')

    with pytest.raises(Fault):
        holds('data.x / 0 == 1', {'x': 1})
    assert (rendered(text.source, {'x': 1}), holds(expression.source, {'x': 1})) == ('1', True)
