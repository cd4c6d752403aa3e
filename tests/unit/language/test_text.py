# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The text: an option of a plugin that says what it wants of an event, and what is wrong where it cannot have it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from tests.unit.language.values import Here, rendered
from wazo_busd.api import BaseOptions, HtmlText, JsonText, PlainText, Text, TextOption, UrlText
from wazo_busd.errors import Permanent, TemplateError
from wazo_busd.event import Event
from wazo_busd.language import Destination, Placement, Surroundings

FAX = {'error': 'busy', 'extension': '0123456789', 'user_uuid': 'u1', 'items': [{'n': 1}, {'n': 2}]}


class Options(BaseOptions):
    text: PlainText
    body: JsonText = Text('{"a": {{ data.error }}}', Destination.JSON)
    page: HtmlText | None = None
    urls: dict[str, UrlText] = Field(default_factory=dict)
    count: Annotated[Text, TextOption(Destination.PLAIN, variables=('count',))] | None = None


def failure(source: str, data: Any = None, *, context: Here | None = None, text: Text | None = None) -> str:
    made = text or Text(source)
    with pytest.raises(TemplateError) as raised:
        made.render(Event('fax', data), context or Here('alerts'))
    return str(raised.value)


# ---- what it says


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('Fax to {{ data.extension }} failed: {{ data.error }}', 'Fax to 0123456789 failed: busy'),
        ('{{ data.extension | phone }}', '01 23 45 67 89'),
        ('{{ names[data.user_uuid] }}', 'Anna'),
        ('{{ names[data.extension] | default(data.extension) }}', '0123456789'),
        ("{{ data.gone | default('nobody') }}", 'nobody'),
        ("{% if data.error == 'busy' %}engaged{% else %}{{ data.error }}{% endif %}", 'engaged'),
        ('{% for each in data.items %}{{ loop.index }}={{ each.n }};{% endfor %}', '1=1;2=2;'),
        ('{% for key, value in data.items[0] | items %}{{ key }}{{ value }}{% endfor %}', 'n1'),
        ('{% set short = data.error[:2] %}{{ short }}', 'bu'),
        ('{% if data.gone is defined %}x{% endif %}y', 'y'),
        ('a\n{% if data.error %}\nb\n{% endif %}\nc\n', 'a\nb\nc'),
        ('{% raw %}{{ data.error }}{% endraw %}{# nothing #}', '{{ data.error }}'),
        ('{{ "a" ~ data.items[1].n }}', 'a2'),
    ],
)
def test_a_text_says_what_jinja_says(source: str, found: str) -> None:
    assert rendered(source, FAX, known={'names': {'u1': 'Anna'}, 'region': 'FR'}) == found


def test_a_text_can_have_further_values() -> None:
    assert rendered('{{ count }} calls', count=3) == '3 calls'


def test_a_value_that_looks_like_a_template_is_not_one() -> None:
    assert rendered('{{ data.x }}', {'x': '{{ data.y }}', 'y': 'secret'}) == '{{ data.y }}'


# ---- what is missing


@pytest.mark.parametrize(
    'source',
    [
        '{{ data.gone }}',
        '{{ data.gone.deeper }}',
        '{{ tenant_uuid }}',
        '{{ data.gone | lower }}',
        '{{ data.gone ~ "x" }}',
        '{{ "x" ~ data.gone }}',
        '{{ data.gone + 1 }}',
        '{{ -data.gone }}',
        '{{ data.gone[1:] }}',
        '{{ data[data.gone] }}',
        '{{ [data.gone] }}',
        "{{ {'a': data.gone} }}",
        '{{ data.error == data.gone }}',
        '{{ data.gone != "busy" }}',
        '{{ data.gone in ["a"] }}',
        '{{ data.gone is string }}',
        '{{ data.error | default(data.gone) | replace("b", data.gone) }}',
        '{% if data.gone %}x{% endif %}',
        '{% if not data.gone %}x{% endif %}',
        '{% if data.gone or data.error %}x{% endif %}',
        '{% for each in data.gone %}x{% endfor %}',
        '{% for each in data.items %}{{ each.gone }}{% endfor %}',
        '{% set a = data.gone %}{{ a }}',
        "{{ 'x' if data.gone else 'y' }}",
    ],
)
def test_whatever_is_done_with_a_missing_field_is_an_error(source: str) -> None:
    assert 'is not in the event' in failure(source, FAX)


def test_the_error_names_handler_option_line_and_field() -> None:
    text = Text('Fax: {{ data.eror }}')
    context = Here('alerts', placements={id(text): Placement('options.text', '/etc/wazo-busd/conf.d/50-mine.yml', 12)})

    assert failure('', FAX, text=text, context=context) == (
        'handler alerts, options.text (/etc/wazo-busd/conf.d/50-mine.yml:12): data.eror is not in the event; '
        "write {{ … | default('-') }} for events without it; see what they have: wazo-busd events"
    )


def test_in_a_text_of_several_lines_it_names_the_line_in_it() -> None:
    assert 'line 3 of it: data.eror is not in the event' in failure('Fax\n{{ data.error }}\n{{ data.eror }}\n', FAX)


def test_a_name_that_is_not_configured_is_told_so() -> None:
    assert 'names[…] is not in the configuration' in failure('{{ names[data.error] }}', FAX)


def test_no_further_try_can_help() -> None:
    assert issubclass(TemplateError, Permanent)


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('{{ data.error - 1 }}', 'a text and a number cannot be calculated with'),
        ('{{ data.error < 1 }}', 'a text cannot be compared with a number'),
        ('{{ data.error | duration }}', 'duration takes a number of seconds'),
        ('{{ data.error | local }}', 'local takes a date and time, or seconds since 1970'),
        ("{{ 0 | local('%H', data.error) }}", 'there is no such time zone'),
        ('{% for each in data.error %}{% endfor %}', 'a text has nothing to go through'),
        ('{% for a, b in data.items %}{% endfor %}{% for a, b in [1] %}{% endfor %}', 'it cannot be worked out'),
    ],
)
def test_what_cannot_be_worked_out_is_told_without_the_value(source: str, text: str) -> None:
    found = failure(source, {'error': 'hunter2', 'items': [[1, 2]]})

    assert (text in found, 'hunter2' in found) == (True, False)


# ---- as an option of a plugin


def test_an_option_is_ready_to_be_used() -> None:
    options = Options.model_validate({'text': '{{ data.error }}!'})

    assert options.text.render(Event('fax', FAX), Here()) == 'busy!'


def test_an_option_has_its_default_and_its_destination() -> None:
    options = Options.model_validate({'text': 'x'})

    assert options.body.render(Event('fax', FAX), Here()) == '{"a": "busy"}'


@pytest.mark.parametrize(
    ('options', 'place', 'text'),
    [
        ({'text': '{{ data.error'}, ('text',), 'this is no template: unexpected end of template'),
        ({'text': '{{ dta.error }}'}, ('text',), "there is no 'dta' in an event"),
        ({'text': 'a\n{{ count }}'}, ('text',), "line 2 of it: there is no 'count' in an event"),
        ({'text': '{% include "/etc/passwd" %}'}, ('text',), 'include is not allowed here'),
        ({'text': '{% macro a() %}{% endmacro %}'}, ('text',), 'macro is not allowed here'),
        ({'text': '{{ loop.index }}'}, ('text',), "there is no 'loop' in an event"),
        ({'text': '{% for a in data.b %}{{ loop }}{% endfor %}'}, ('text',), 'loop is nothing by itself'),
        ({'text': '{% for a in data.b recursive %}{% endfor %}'}, ('text',), 'a loop cannot be recursive'),
        ({'text': '{% set a %}{{ data.b }}{% endset %}'}, ('text',), 'set without = is not allowed here'),
        ({'text': 'x', 'page': '<b'}, ('page',), 'the HTML ends inside a tag'),
        ({'text': 'x', 'body': '{'}, ('body',), 'it is not JSON: Expecting property name enclosed in double quotes'),
        (
            {'text': 'x', 'urls': {'a': '{{ data.url }}'}},
            ('urls', 'a'),
            'a value cannot stand before the path of a URL',
        ),
    ],
)
def test_a_mistake_is_one_of_the_configuration(options: Any, place: tuple[str, ...], text: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Options.model_validate(options)
    (error,) = raised.value.errors()

    assert (error['loc'], str(error['ctx']['error']).startswith(text)) == (place, True)


def test_a_default_can_be_written_as_in_the_configuration() -> None:
    class Speaking(BaseOptions):
        text: PlainText = '{{ data.error }}'  # type: ignore[assignment]

    assert Speaking().text.render(Event('fax', FAX), Here()) == 'busy'


def test_what_is_no_text_is_told_as_elsewhere() -> None:
    with pytest.raises(ValidationError) as raised:
        Options.model_validate({'text': 606})

    assert [error['type'] for error in raised.value.errors()] == ['string_type']


def test_an_option_can_name_further_values() -> None:
    options = Options.model_validate({'text': 'x', 'count': '{{ count }}'})

    assert options.count is not None
    assert options.count.render(Event('fax'), Here(), count=2) == '2'


def test_a_text_knows_the_fields_that_it_names() -> None:
    assert Text('{{ data.a.b }}{% for each in data.items %}{{ each.c }}{{ name }}{% endfor %}{{ names.x }}').fields == (
        ('data', 'a', 'b'),
        ('data', 'items'),
        ('name',),
    )


def test_surroundings_are_the_same_wherever_their_texts_stand() -> None:
    assert Surroundings(placements={1: Placement('options.text')}) == Surroundings()
