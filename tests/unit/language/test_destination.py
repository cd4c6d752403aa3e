# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The destination: no value of an event is more than a value in the text, read back with what reads such texts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from email import message_from_string, policy
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.unit.language.values import any_value, nasty_text, plain_values, rendered
from wazo_busd.errors import TemplateError
from wazo_busd.language import Destination, Text

HTML, JSON, URL = Destination.HTML, Destination.JSON, Destination.URL
DIALECT, HEADER, MARKDOWN, PLAIN = Destination.DIALECT, Destination.HEADER, Destination.MARKDOWN, Destination.PLAIN

BIDI = re.compile('[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]')
HUMAN = [PLAIN, HEADER, HTML, MARKDOWN, DIALECT]


def refused(source: str, destination: Destination) -> str:
    with pytest.raises(ValueError, match=r'.') as raised:
        Text(source, destination)
    return str(raised.value)


# ---- all that people read


@given(nasty_text, st.sampled_from(HUMAN))
def test_nothing_that_people_read_has_control_or_bidi_characters(value: str, destination: Destination) -> None:
    found = rendered('a {{ data.x }} b', {'x': value}, destination)

    assert [each for each in found if ord(each) < 32 or 0x7F <= ord(each) < 0xA0 or BIDI.match(each)] == []


@given(nasty_text, st.sampled_from(HUMAN))
def test_what_people_read_can_be_written_as_utf_8(value: str, destination: Destination) -> None:
    assert rendered('a {{ data.x }} b', {'x': value}, destination).encode()


@given(nasty_text)
def test_a_value_in_a_plain_text_is_one_line(value: str) -> None:
    assert len(rendered('From: {{ data.x }}\nTo: 1001', {'x': value}).splitlines()) == 2


def test_letters_of_every_language_stay_as_they_are() -> None:
    name = 'Hélène 你好 \u0915\u094d\u200d\u0937 👩\u200d💻'

    assert rendered('{{ data.x }}', {'x': name}) == name


@pytest.mark.parametrize(
    ('value', 'found'),
    [(None, 'null'), (True, 'true'), (1.5, '1.5'), ([1, 'a'], '[1,"a"]'), ({'a': None}, '{"a":null}')],
)
def test_what_is_no_text_is_written_in_the_words_of_json(value: Any, found: str) -> None:
    assert rendered('{{ data.x }}', {'x': value}) == found


# ---- JSON


def same(one: Any, other: Any) -> bool:
    """Whether JSON has kept a value: of NaN and infinities it makes null, of lone surrogates what it likes."""
    if isinstance(other, float) and not math.isfinite(other):
        return one is None
    if isinstance(other, Mapping):
        return isinstance(one, Mapping) and len(one) == len(other)
    if isinstance(other, list):
        return len(one) == len(other) and all(same(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


@given(any_value, nasty_text, any_value)
def test_json_has_the_values_that_it_was_given_where_it_was_given_them(one: Any, two: str, three: Any) -> None:
    found = json.loads(
        rendered(
            '{"one": {{ data.one }}, "two": "<{{ data.two }}>", "three": [{{ data.three | tojson }}, {{ data.two }}]}',
            {'one': one, 'two': two, 'three': three},
            JSON,
        )
    )

    assert list(found) == ['one', 'two', 'three']
    assert found['two'] == f'<{two}>'
    assert same(found['one'], one)
    assert same(found['three'], [three, two])


@given(any_value)
def test_a_value_of_any_kind_inside_quotes_stays_inside(value: Any) -> None:
    found = json.loads(rendered('{"a": "{{ data.x }}", "b": 1}', {'x': value}, JSON))

    assert (list(found), type(found['a']), found['b']) == (['a', 'b'], str, 1)


def test_a_key_of_json_can_be_a_value() -> None:
    assert json.loads(rendered('{ {{ data.x }}: 1 }', {'x': 'a": 2, "b'}, JSON)) == {'a": 2, "b': 1}


def test_lists_are_written_by_loops() -> None:
    source = '[{% for each in data.x %}{"n": {{ each.n }}}{% if not loop.last %}, {% endif %}{% endfor %}]'

    assert json.loads(rendered(source, {'x': [{'n': 1}, {'n': 'a'}]}, JSON)) == [{'n': 1}, {'n': 'a'}]


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('{"a": {{ data.x }}', "it is not JSON: Expecting ',' delimiter"),
        ('{"a": "\\{{ data.x }}"}', 'a value cannot stand behind a \\ in JSON'),
        ('{"a": NaN}', 'it is not JSON: a number that JSON has not'),
        ('Fax to {{ data.x }}', 'it is not JSON: Expecting value'),
    ],
)
def test_a_text_that_is_no_json_is_a_mistake(source: str, text: str) -> None:
    assert refused(source, JSON) == text


def test_one_that_is_none_for_some_events_only_is_told_then() -> None:
    with pytest.raises(TemplateError, match='it is not JSON'):
        rendered('{"a": 1{% if data.x %},{% endif %}}', {'x': True}, JSON)


# ---- HTML


class Markup(HTMLParser):
    """What a reader of HTML makes of a text: tags with attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[str | None] = []
        self.text = ''
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.values += [value for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f'/{tag}', ()))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.append(('comment', ()))

    def handle_decl(self, decl: str) -> None:
        self.tags.append(('declaration', ()))

    def unknown_decl(self, data: str) -> None:
        self.tags.append(('unknown', ()))

    def handle_pi(self, data: str) -> None:
        self.tags.append(('instruction', ()))


PAGE = (
    '<!-- x --><p class="{{ data.x }}" title=\'{{ data.x }}{{ data.x }}\'>{{ data.x }}<br>a < b {{ data.x }} '
    '&{{ data.x }}<a href="{{ data.x }}">{{ data.x }}</a><a href="https://h/{{ data.x }}">x</a>'
    '<a href="{{ data.x }}{{ data.x }}"/></p>'
)


@given(plain_values)
def test_html_has_the_same_tags_and_attributes_whatever_the_values(value: Any) -> None:
    found = Markup(rendered(PAGE, {'x': value}, HTML))

    assert found.tags == Markup(rendered(PAGE, {'x': 'a'}, HTML)).tags


@given(nasty_text)
def test_no_value_makes_a_link_that_runs_code(value: str) -> None:
    links = Markup(rendered(PAGE, {'x': value}, HTML)).values[-3:]

    assert [
        link for link in links if re.match(r'[\s\x00-\x20]*(javascript|data|vbscript):', str(link), re.IGNORECASE)
    ] == []


@given(st.text(st.characters(categories=['L', 'N', 'P', 'S'], include_characters=' ')))
def test_what_stands_between_tags_is_read_back_as_it_was(value: str) -> None:
    assert Markup(rendered('<p>{{ data.x }}</p>', {'x': value}, HTML)).text == value


@pytest.mark.parametrize('url', ['https://h/a?b=1', 'mailto:a@example.com', 'tel:+15551234', 'sip:1001@h'])
def test_a_link_to_a_page_a_mailbox_or_a_number_stays_one(url: str) -> None:
    assert Markup(rendered('<a href="{{ data.x }}">x</a>', {'x': url}, HTML)).values == [url]


@pytest.mark.parametrize(
    ('source', 'text'),
    [
        ('<a href={{ data.x }}>', 'a value cannot stand inside a tag, without quotes'),
        ('<a {{ data.x }}>', 'a value cannot stand inside a tag, without quotes'),
        ('<{{ data.x }}>', 'a value cannot stand inside a tag, without quotes'),
        ('<a{{ data.x }}>', 'a value cannot stand inside a tag, without quotes'),
        ('</{{ data.x }}>', 'a value cannot stand inside a tag, without quotes'),
        ('<a title="b"{{ data.x }}>', 'a value cannot stand inside a tag, without quotes'),
        ('<!-- {{ data.x }} -->', 'a value cannot stand in a comment'),
        ('<!-- --{{ data.x }}>', 'a value cannot stand in a comment'),
        ('<script>a("{{ data.x }}")</script>', 'a value cannot stand in a script or a style'),
        ('<script></scripts {{ data.x }}', 'a value cannot stand in a script or a style'),
        ('<STYLE>{{ data.x }}</STYLE>', 'a value cannot stand in a script or a style'),
        ('<a onclick="{{ data.x }}">', 'a value cannot stand in the attribute onclick, which holds code'),
        ('<a style="{{ data.x }}">', 'a value cannot stand in the attribute style, which holds code'),
        ('<a href="javascript:{{ data.x }}">', 'a value cannot stand in the attribute href, which holds code'),
        ('<a href=" data:{{ data.x }}">', 'a value cannot stand in the attribute href, which holds code'),
        ('<b', 'the HTML ends inside a tag'),
        ('<b title="', 'the HTML ends inside a tag'),
    ],
)
def test_a_value_that_would_be_more_than_text_is_a_mistake(source: str, text: str) -> None:
    assert refused(source, HTML) == text


LEADING = [
    'action',
    'archive',
    'background',
    'cite',
    'classid',
    'codebase',
    'data',
    'dynsrc',
    'formaction',
    'href',
    'icon',
    'longdesc',
    'lowsrc',
    'manifest',
    'poster',
    'profile',
    'src',
    'usemap',
    'xlink:href',
]
RUNNING = ['onload', 'ping', 'srcdoc', 'srcset', 'imagesrcset', 'style']


@given(nasty_text | st.sampled_from(['javascript:alert(1)', 'JaVaScript:alert(1)', ' data:text/html,x']))
def test_wherever_a_link_can_stand_no_value_makes_one_that_runs_code(value: str) -> None:
    page = ''.join(f'<object {name}="{{{{ data.x }}}}"></object>' for name in LEADING)

    assert [
        link
        for link in Markup(rendered(page, {'x': value}, HTML)).values
        if re.match(r'[\s\x00-\x20]*(javascript|data|vbscript):', str(link), re.IGNORECASE)
    ] == []


@pytest.mark.parametrize('name', LEADING)
def test_behind_a_scheme_that_runs_code_no_value_can_stand(name: str) -> None:
    source = f'<object {name}="javascript:{{{{ data.x }}}}">'

    assert refused(source, HTML) == f'a value cannot stand in the attribute {name}, which holds code'


@pytest.mark.parametrize('name', RUNNING)
def test_in_an_attribute_that_holds_code_or_several_links_no_value_can_stand(name: str) -> None:
    source = f'<object {name}="{{{{ data.x }}}}">'

    assert refused(source, HTML) == f'a value cannot stand in the attribute {name}, which holds code'


def test_behind_a_script_and_a_comment_there_is_text_again() -> None:
    source = '<script>a<b</script><!-- a -- > b --><p title=a>{{ data.x }}</p>'

    assert rendered(source, {'x': '<'}, HTML) == source.replace('{{ data.x }}', '&lt;')


# ---- headers


@given(st.one_of(nasty_text, plain_values), nasty_text)
def test_a_mail_has_the_headers_and_the_body_that_it_should_have(one: Any, two: str) -> None:
    subject = rendered('Fax from {{ data.one }}={{ data.two }}', {'one': one, 'two': two}, HEADER)
    mail = message_from_string(f'Subject: {subject}\r\nX-End: 1\r\n\r\nbody', policy=policy.default)

    assert (mail.keys(), mail.get_payload()) == (['Subject', 'X-End'], 'body')


@given(nasty_text)
def test_nothing_in_a_header_is_decoded_to_something_else(value: str) -> None:
    assert '=?' not in rendered('={{ data.x }}', {'x': value}, HEADER)


def test_a_header_has_an_end() -> None:
    assert len(rendered('{{ data.x }}', {'x': 'a' * 65_536}, HEADER)) == 500


def test_a_header_over_several_lines_of_the_configuration_is_one_line() -> None:
    assert rendered('Fax to\n  {{ data.x }}\n', {'x': '1001'}, HEADER) == 'Fax to 1001'


# ---- URLs


@given(st.one_of(nasty_text, plain_values))
def test_a_url_has_the_parts_that_it_should_have(value: Any) -> None:
    assume(value not in ('.', '..'))
    found = urlsplit(
        rendered('https://h.example:8/a/{{ data.x }}/b?c={{ data.x }}&d=1#{{ data.x }}', {'x': value}, URL)
    )

    assert (found.scheme, found.netloc) == ('https', 'h.example:8')
    assert (found.path.count('/'), found.path.startswith('/a/'), found.path.endswith('/b')) == (3, True, True)
    assert re.fullmatch(r'c=[^&=]*&d=1', found.query)


@given(st.text(st.characters(exclude_categories=['Cs'])))
def test_what_a_url_carries_is_read_back_as_it_was(value: str) -> None:
    assert unquote(urlsplit(rendered('/a?b={{ data.x }}', {'x': value}, URL)).query[2:]) == value


@pytest.mark.parametrize('values', [('..', 'a'), ('.', 'a'), ('.', '.'), ('', '..'), ('', '.')])
def test_no_value_makes_a_step_up_in_the_path(values: tuple[str, str]) -> None:
    with pytest.raises(TemplateError, match=r'the path of the URL has a step \. or \.\.'):
        rendered('https://h/a/{{ data.x }}/{{ data.y }}', dict(zip('xy', values, strict=True)), URL)


def test_two_values_together_make_none_either() -> None:
    with pytest.raises(TemplateError, match='has a step'):
        rendered('https://h/a/{{ data.x }}{{ data.x }}/delete', {'x': '.'}, URL)


@pytest.mark.parametrize(
    'source',
    [
        '{{ data.x }}',
        'https://{{ data.x }}/a',
        'https://h.{{ data.x }}',
        'https://h:{{ data.x }}/',
        'https://u:{{ data.x }}@h/',
        '{{ data.x }}://h/',
        '/{{ data.x }}{{ data.x }}'[1:],
        '//{{ data.x }}/a',
        'https:{{ data.x }}',
        'https:\\\\h{{ data.x }}',
    ],
)
def test_an_event_cannot_choose_the_host(source: str) -> None:
    assert refused(source, URL) == 'a value cannot stand before the path of a URL: an event would choose the host'


def test_a_url_has_no_spaces() -> None:
    assert refused('https://h/a b', URL) == 'a URL has no spaces'


# ---- Markdown

NOTE = '**{{ data.x }}** {{ data.x }}\n\n{{ data.x }}\n\n- {{ data.x }}\n\n`{{ data.x }}` [a](https://h/{{ data.x }})\n'


def structure(source: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """What a reader of Markdown makes of a text: blocks, emphasis, code and links, without the letters."""
    found: list[tuple[str, str, tuple[str, ...]]] = []
    for block in MarkdownIt('gfm-like', {'linkify': False}).parse(source):
        found.append((block.type, block.tag, ()))
        found += [
            (each.type, each.tag, tuple(map(str, each.attrs)))
            for each in block.children or ()
            if each.type not in ('text', 'text_special')
        ]
    return found


@given(st.one_of(nasty_text, plain_values))
def test_markdown_has_the_same_structure_whatever_the_values(value: Any) -> None:
    text = str(value) if isinstance(value, str) else 'a'
    # Emphasis, code and the like need a letter at each end, which is no harm.
    assume(text.strip() == text and text)
    note = NOTE.replace('**{{ data.x }}**', '**a{{ data.x }}a**').replace('`{{ data.x }}`', '`a{{ data.x }}a`')

    assert structure(rendered(note, {'x': value}, MARKDOWN)) == structure(rendered(note, {'x': 'a'}, MARKDOWN))


@given(nasty_text)
def test_no_value_calls_everybody_or_makes_a_link_by_itself(value: str) -> None:
    found = rendered('a {{ data.x }} b', {'x': value}, MARKDOWN)

    assert re.findall(r'@\w|<|://|www\.|`', found) == []


@pytest.mark.parametrize(
    'text',
    ['{{ data.x }}. Call', '{{ data.x }}) Call', '> {{ data.x }}. Call', 'Call\n{{ data.x }}.\nCall', '{{ data.x }}.'],
)
def test_markdown_makes_no_list_of_a_number(text: str) -> None:
    shown = MarkdownIt().render(rendered(text, {'x': 1002}, MARKDOWN))

    assert ('<ol' in shown, '1002' in shown, '\\' in shown) == (False, True, False)


def test_markdown_shows_the_value() -> None:
    html = MarkdownIt().render(rendered('{{ data.x }}', {'x': 'a*b_c <d> #1 [x](y) & 1.5'}, MARKDOWN))

    assert html == '<p>a*b_c &lt;d&gt; #1 [x](y) &amp; 1.5</p>\n'


# ---- dialects


@given(nasty_text)
def test_where_nothing_escapes_marks_a_value_has_none_leads_nowhere_and_calls_nobody(value: str) -> None:
    found = rendered('{{ data.x }}', {'x': value}, DIALECT)

    assert re.findall(r'[*_~`<>&\[\]\\]|://|@(?=[^\s\u200b])', found) == []


def test_at_the_beginning_of_a_line_nothing_seen_stands_before_it() -> None:
    assert rendered('a {{ data.x }}\n{{ data.x }}', {'x': '# x'}, DIALECT) == 'a # x\n\u200b# x'


def test_in_a_link_of_a_dialect_it_is_percent_encoded() -> None:
    assert rendered('[a](https://h/{{ data.x }})', {'x': 'a_b)'}, DIALECT) == '[a](https://h/a_b%29)'


@pytest.mark.parametrize('destination', [MARKDOWN, DIALECT])
@pytest.mark.parametrize(
    'before', ['https://h/calls\n', 'https://h/calls ', '[a](https://h/calls)\n', 'https://h/1\n\n']
)
def test_a_value_behind_the_end_of_a_url_is_no_part_of_it(destination: Destination, before: str) -> None:
    assert rendered(f'{before}{{{{ data.x }}}}', {'x': 'Alice B'}, destination).removeprefix(before).endswith('Alice B')


@pytest.mark.parametrize('destination', [MARKDOWN, DIALECT])
@pytest.mark.parametrize('before', ['https://h/', 'see http://h/a?b=', '[a](', '[a]( https://h/', '[a](https://h/\n'])
def test_a_value_in_a_url_is_percent_encoded(destination: Destination, before: str) -> None:
    assert rendered(f'{before}{{{{ data.x }}}}', {'x': 'Alice B'}, destination) == f'{before}Alice%20B'
