# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The reader: one YAML file with the place of every value, and everything that is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.config.conftest import Files, leaves, only
from wazo_busd.config.document import Document, Origin, Place
from wazo_busd.config.reader import read
from wazo_busd.errors import Problem


def said(files: Files, text: str | bytes) -> Document:
    return read(files.write('a.yml', text))


def test_a_file_is_read_as_maps_lists_and_plain_values(files: Files) -> None:
    document = said(
        files,
        """
        bus: {host: rabbit, port: 5672, tls: true}
        handlers:
          faxes:
            match: [faxes.#, 'calls.#']
            timeout: 1.5
            order_by: null
        """,
    )
    assert document.tree == {
        'bus': {'host': 'rabbit', 'port': 5672, 'tls': True},
        'handlers': {'faxes': {'match': ['faxes.#', 'calls.#'], 'timeout': 1.5, 'order_by': None}},
    }


def test_a_good_file_has_no_problems(files: Files) -> None:
    assert said(files, 'bus: {host: rabbit}\n').problems == []


@pytest.mark.parametrize('text', ['', '\n', '# nothing yet\n', '---\n', '---\n...\n', '{}\n', 'null\n', '~', '\ufeff'])
def test_a_file_that_says_nothing_is_no_problem(files: Files, text: str) -> None:
    document = said(files, text)
    assert (document.tree, document.problems) == ({}, [])


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_a_file_is_read_in_the_encodings_of_yaml(files: Files, encoding: str) -> None:
    assert said(files, 'name: Hélène\n'.encode(encoding)).tree == {'name': 'Hélène'}


@pytest.mark.parametrize(
    ('place', 'line', 'text'),
    [
        (('bus',), 1, ''),
        (('bus', 'host'), 2, 'rabbit'),
        (('handlers',), 4, ''),
        (('handlers', 'faxes'), 5, ''),
        (('handlers', 'faxes', 'match'), 6, ''),
        (('handlers', 'faxes', 'match', 0), 7, 'faxes.#'),
        (('handlers', 'faxes', 'match', 1), 8, 'calls.#'),
        (('handlers', 'faxes', 'plugin'), 9, 'log'),
    ],
)
def test_every_value_knows_its_line(files: Files, place: Place, line: int, text: str) -> None:
    document = said(
        files,
        'bus:\n  host: rabbit\n\nhandlers:\n  faxes:\n    match:\n      - faxes.#\n      - calls.#\n    plugin: log\n',
    )
    assert document.origin(place) == Origin(str(files.directory / 'a.yml'), line, text)


def test_a_value_on_a_line_below_its_key_is_found_at_its_key(files: Files) -> None:
    assert said(files, 'bus:\n  host:\n\n    rabbit\n').origin(('bus', 'host')).line == 2


def test_what_is_not_there_is_found_at_what_is_around_it(files: Files) -> None:
    assert said(files, 'a: 1\nbus:\n  host: x\n').origin(('bus', 'tls', 'ca_file')).line == 2


def test_a_value_from_a_merge_key_is_found_where_it_was_written(files: Files) -> None:
    document = said(files, 'base: &base\n  timeout: 5s\nhandlers:\n  one:\n    <<: *base\n    plugin: log\n')
    assert document.origin(('handlers', 'one', 'timeout')).line == 2


def test_a_merge_key_merges(files: Files) -> None:
    document = said(files, 'base: &base {a: 1, b: 1}\none: {<<: *base, b: 2}\n')
    assert document.tree['one'] == {'a': 1, 'b': 2}


def test_of_several_merged_maps_the_first_wins(files: Files) -> None:
    document = said(files, 'x: &x {a: 1}\ny: &y {a: 2, b: 2}\none: {<<: [*x, *y]}\n')
    assert document.tree['one'] == {'a': 1, 'b': 2}


def test_what_a_merged_map_says_may_be_said_again_in_every_alias(files: Files) -> None:
    document = said(
        files,
        """
        base: &base {plugin: log, timeout: 5s}
        one: &one
          <<: *base
          plugin: bell
        two: *one
        three: {<<: *one, plugin: journal}
        four: *one
        """,
    )
    assert (document.problems, document.tree['four']) == ([], {'plugin': 'bell', 'timeout': '5s'})


def test_a_map_that_is_merged_where_it_is_written_may_be_used_again(files: Files) -> None:
    document = said(files, 'a: &a {k: 1}\nb: {<<: &b {<<: *a, k: 2}}\nc: *b\n')
    assert (document.problems, document.tree['c']) == ([], {'k': 2})


def test_aliases_are_read(files: Files) -> None:
    assert said(files, 'a: &a [1]\nb: *a\n').tree == {'a': [1], 'b': [1]}


@pytest.mark.parametrize(
    ('text', 'line', 'says', 'hint'),
    [
        ('bus: {host: x\nport: 1\n', 2, 'this is not YAML: while parsing a flow mapping', ''),
        ('a: b: c\n', 1, 'this is not YAML: mapping values are not allowed here', ''),
        ('bus:\n\thost: x\n', 2, 'this is not YAML', 'indent with spaces'),
        ('a: "open\n', 2, 'this is not YAML: while scanning a quoted scalar', ''),
        ('a: 1\n---\nb: 2\n', 2, 'expected a single document', ''),
        ('a: 1\nb: @x\n', 2, "found character '@'", ''),
        ('a: 1\n b: 1\n', 2, 'this is not YAML', ''),
        ('%YAML 3.0\n---\na: 1\n', 1, 'this is not YAML', ''),
        ('<<: 7\n', 1, 'expected a mapping', ''),
        ('a: 1\n!exec ls: b\n', 2, "'!exec'", ''),
        ('a: 1\nb: &b [*b]\n', 2, 'an anchor that contains itself', ''),
        ('b: &b\n  c: *b\n', 1, 'an anchor that contains itself', ''),
        ('a: *nowhere\n', 1, 'found undefined alias', 'in quotes'),
        ('a: &a 1\nb: &a 2\n', 2, 'found duplicate anchor', 'in quotes'),
        ('a: !unknown!x y\n', 1, 'found undefined tag handle', 'in quotes'),
        pytest.param('[' * 3000, 0, 'this is not YAML: nested too deep', '', id='deep lists'),
        pytest.param('a: ' + '{a: ' * 3000, 0, 'this is not YAML: nested too deep', '', id='deep maps'),
        (b'a: 1\nb: caf\xe9\n', 2, 'this is not YAML: invalid continuation byte (#xe9)', ''),
        ('a: ééééé\nb: '.encode() + b'\xff\n\n\n\n\n', 2, 'this is not YAML: invalid start byte (#xff)', ''),
        (b'\x7fELF\x02\x01\x01\x00\n', 1, 'this is not YAML: special characters are not allowed', ''),
        (b'\x80\x81\x82', 1, 'this is not YAML: invalid start byte (#x80)', ''),
        (b'a: 1\nb: \x00\n', 2, 'special characters are not allowed (#x00)', ''),
        ('a: ééééééééééééééééé\nb: ééééé\nc: \x07\n', 3, 'special characters are not allowed (#x07)', ''),
        ('a: é\nb: \x07\n'.encode('utf-16'), 2, 'special characters are not allowed (#x07)', ''),
        (b'\xff\xfea', 1, 'this is not YAML', ''),
        ('- one\n- two\n', 1, 'the file is no map of keys to values', 'bus: {host: …}'),
        ('just words\n', 1, 'the file is no map of keys to values', 'bus: {host: …}'),
        ('7\n', 1, 'the file is no map of keys to values', 'bus: {host: …}'),
    ],
)
def test_what_is_no_configuration_is_a_problem_with_its_line(
    files: Files, text: str | bytes, line: int, says: str, hint: str
) -> None:
    problem = only(said(files, text).problems)
    assert (problem.file, problem.line) == (str(files.directory / 'a.yml'), line)
    assert says in problem.message
    assert hint in problem.hint
    assert problem.hint


def test_a_broken_file_says_nothing_else(files: Files) -> None:
    assert said(files, 'bus: {host: x}\nbroken: [\n').tree == {}


@pytest.mark.parametrize(
    ('text', 'line', 'says', 'hint'),
    [
        ('a: 1\non: x\n', 2, 'YAML reads the key on as true', "put it in quotes: 'on':"),
        ('no: x\n', 1, 'YAML reads the key no as false', "put it in quotes: 'no':"),
        ('1001: x\n', 1, 'YAML reads the key 1001 as 1001, which is no text', "put it in quotes: '1001':"),
        ('1.5: x\n', 1, 'YAML reads the key 1.5 as 1.5', "put it in quotes: '1.5':"),
        ('~: x\n', 1, 'YAML reads the key ~ as None', "put it in quotes: '~':"),
        ('2024-01-01: x\n', 1, 'YAML reads the key 2024-01-01 as datetime.date', "put it in quotes: '2024-01-01':"),
        ('2024-13-45: x\n', 1, 'YAML takes the key 2024-13-45 for a date, which it is not', "'2024-13-45':"),
        ('!!bool x: y\n', 1, 'YAML takes the key x for true or false, which it is not', "'x':"),
        ('? [a, b]\n: c\n', 1, 'a key is a text, not a list or a map', ''),
        ('? {a: b}\n: c\n', 1, 'a key is a text, not a list or a map', ''),
        ('handlers:\n  on: x\n', 2, 'handlers: YAML reads the key on as true', "put it in quotes: 'on':"),
    ],
)
def test_a_key_that_is_no_text_is_a_problem(files: Files, text: str, line: int, says: str, hint: str) -> None:
    problem = only(said(files, text).problems)
    assert problem.line == line
    assert says in problem.message
    assert hint in problem.hint


def test_a_key_that_is_no_text_takes_nothing_else_away(files: Files) -> None:
    assert said(files, 'on: x\nbus: {host: y}\n').tree == {'bus': {'host': 'y'}}


@pytest.mark.parametrize(
    ('written', 'number'),
    [
        ('0606', '390'),
        ('00', '0'),
        ('-0606', '-390'),
        ('+1555', '1555'),
        ('+33_1_2345', '3312345'),
        ('+15551234567', '15551234567'),
        ('1:30', '90'),
        ('-1:30', '-90'),
        ('+1:30', '90'),
        ('12:30:45', '45045'),
        ('1:30.5', '90.5'),
        ('0_6', '6'),
    ],
)
def test_a_number_that_looks_like_a_telephone_or_a_clock_needs_quotes(files: Files, written: str, number: str) -> None:
    problem = only(said(files, f'a: 1\nextension: {written}\n').problems)
    assert (problem.line, problem.message, problem.hint) == (
        2,
        f'extension: YAML reads {written} as the number {number}',
        f"put it in quotes: extension: '{written}'",
    )


def test_in_a_list_the_quotes_are_shown_in_a_list(files: Files) -> None:
    problem = only(said(files, 'extensions:\n  - 1001\n  - 0606\n').problems)
    assert (problem.line, problem.message, problem.hint) == (
        3,
        'extensions[1]: YAML reads 0606 as the number 390',
        "put it in quotes: - '0606'",
    )


def test_a_telephone_number_stays_the_text_that_was_written(files: Files) -> None:
    assert said(files, 'extension: 0606\n').tree == {'extension': '0606'}


@pytest.mark.parametrize(
    ('written', 'value'),
    [
        ("'0606'", '0606'),
        ('"+1555"', '+1555'),
        ("'1:30'", '1:30'),
        ('0899', '0899'),
        ('!!str 0606', '0606'),
        ('0', 0),
        ('5672', 5672),
        ('-1', -1),
        ('1.5', 1.5),
        ('+1.5', 1.5),
        ('1:99', '1:99'),
        ('localhost:5672', 'localhost:5672'),
        ('10:00 to 12:00', '10:00 to 12:00'),
    ],
)
def test_other_numbers_and_texts_are_no_problem(files: Files, written: str, value: Any) -> None:
    document = said(files, f'a: {written}\n')
    assert (document.tree, document.problems) == ({'a': value}, [])


@pytest.mark.parametrize(
    ('written', 'kind'),
    [
        ('2024-13-45', 'a date'),
        ('!!int x', 'a whole number'),
        ("!!int ''", 'a whole number'),
        ('!!int "12x"', 'a whole number'),
        ('!!float x', 'a number'),
        ("!!float ''", 'a number'),
        ('!!bool perhaps', 'true or false'),
        ('!!timestamp yesterday', 'a date'),
    ],
)
def test_a_value_that_only_looks_like_its_kind_is_a_problem(files: Files, written: str, kind: str) -> None:
    problem = only(said(files, f'a: 1\nb: {written}\n').problems)
    assert problem.line == 2
    assert f'for {kind}, which it is not' in problem.message
    assert problem.hint.startswith("put it in quotes: b: '")


def test_a_value_that_only_looks_like_its_kind_stays_the_text_that_was_written(files: Files) -> None:
    assert said(files, 'b: 2024-13-45\n').tree == {'b': '2024-13-45'}


def test_an_empty_value_is_shown_as_one(files: Files) -> None:
    assert only(said(files, 'b: !!int ""\n').problems).message.startswith("b: YAML takes '' for")


def test_a_number_of_too_many_digits_is_a_problem_that_does_not_repeat_them(files: Files) -> None:
    problem = only(said(files, f'a: {"9" * 5000}\n').problems)
    assert (problem.message, problem.hint) == (
        'a: YAML takes … for a whole number, which it is not',
        "put it in quotes: a: '…'",
    )


@pytest.mark.parametrize(('digits', 'shown'), [('+' + '7' * 39, '+' + '7' * 39), ('+' + '7' * 40, '…')])
def test_a_long_number_is_not_repeated(files: Files, digits: str, shown: str) -> None:
    problem = only(said(files, f'a: {digits}\n').problems)
    number = shown.removeprefix('+')
    assert (problem.message, problem.hint) == (
        f'a: YAML reads {shown} as the number {number}',
        f"put it in quotes: a: '{shown}'",
    )


def test_a_value_that_only_looks_like_its_kind_is_told_for_each_alias(files: Files) -> None:
    messages = [each.message for each in said(files, 'a: &a 2024-13-45\nb: *a\n').problems]
    told = 'YAML takes 2024-13-45 for a date, which it is not'
    assert messages == [f'a: {told}', f'b: {told}']


@pytest.mark.parametrize(
    ('text', 'place', 'tag'),
    [
        ('a: !exec rm\n', 'a', '!exec'),
        ('a: !!python/object/apply:os.system [ls]\n', 'a', '!!python/object/apply:os.system'),
        ('a: !!binary aGk=\n', 'a', '!!binary'),
        ('a: !!set {x, y}\n', 'a', '!!set'),
        ('a: [!exec rm]\n', 'a[0]', '!exec'),
        ('a: {b: !include x.yml}\n', 'a.b', '!include'),
        ('a: !!map text\n', 'a', '!!map'),
        ('a: !!seq text\n', 'a', '!!seq'),
        ('a: !!str {b: c}\n', 'a', '!!str'),
        ('a: !!int [1]\n', 'a', '!!int'),
    ],
)
def test_a_tag_that_is_not_plain_yaml_is_a_problem(files: Files, text: str, place: str, tag: str) -> None:
    problem = only(said(files, text).problems)
    assert (problem.line, problem.message) == (1, f'{place}: the tag {tag} is not supported here')
    assert 'programs are never run' in problem.hint


def test_a_tagged_program_is_not_run(files: Files) -> None:
    mark = files.directory / 'ran'
    said(files, f'a: !exec touch {mark}\nb: !!python/object/apply:os.system ["touch {mark}"]\n')
    assert not mark.exists()


def test_a_key_given_twice_is_a_problem_with_both_lines(files: Files) -> None:
    problem = only(said(files, 'bus: {}\nhandlers: {}\nbus: {host: x}\n').problems)
    assert (problem.line, problem.message) == (3, "the key 'bus' is given twice, first on line 1")


def test_a_handler_given_twice_is_a_problem_of_that_map(files: Files) -> None:
    problem = only(said(files, 'handlers:\n  calls: {plugin: log}\n  calls: {plugin: bell}\n').problems)
    assert (problem.line, problem.message) == (3, "handlers: the key 'calls' is given twice, first on line 2")


def test_a_key_given_three_times_is_told_twice(files: Files) -> None:
    assert [each.line for each in said(files, 'a: 1\na: 2\na: 3\n').problems] == [2, 3]


def test_a_key_given_twice_in_an_aliased_map_is_a_problem(files: Files) -> None:
    assert only(said(files, 'a: &a\n  k: 1\n  k: 2\nb: {<<: *a}\n').problems).line == 3


def test_a_problem_inside_a_handler_names_the_handler(files: Files) -> None:
    problem = only(said(files, 'handlers:\n  calls:\n    options: {to: 0606}\n').problems)
    assert (problem.handler, problem.line) == ('calls', 3)


@pytest.mark.parametrize(
    ('text', 'handler'),
    [('handlers:\n  calls: 0606\n', 'calls'), ('bus:\n  calls: 0606\n', ''), ('handlers: 0606\n', '')],
)
def test_only_a_problem_inside_a_handler_names_one(files: Files, text: str, handler: str) -> None:
    assert only(said(files, text).problems).handler == handler


def test_several_merge_keys_are_no_repeated_key(files: Files) -> None:
    document = said(files, 'x: &x {a: 1}\ny: &y {b: 2}\none:\n  <<: *x\n  <<: *y\n')
    assert (document.tree['one'], document.problems) == ({'a': 1, 'b': 2}, [])


def test_many_problems_of_one_file_are_all_told(files: Files) -> None:
    document = said(files, 'on: 1\na: 0606\nb: !exec x\na: 2\nc: 2024-13-45\n')
    assert sorted(each.line for each in document.problems) == [1, 2, 3, 4, 5]


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    problem = only(read(tmp_path / 'none.yml').problems)
    assert problem == Problem('the file does not exist', str(tmp_path / 'none.yml'), hint='name another with -c FILE')


def test_a_directory_is_a_problem(tmp_path: Path) -> None:
    problem = only(read(tmp_path).problems)
    assert problem == Problem('this is a directory, not a file', str(tmp_path), hint='name a file in it')


def test_a_file_that_may_not_be_read_is_a_problem(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(13, 'Permission denied', str(path))

    path = files.write('a.yml', 'a: 1\n')
    monkeypatch.setattr(os, 'open', refuse)
    problem = only(read(path).problems)
    assert problem == Problem('the file cannot be read: permission denied', str(path), hint=f'ls -l {path}; id')


def test_a_disk_that_fails_is_a_problem(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, flags: int) -> int:
        raise OSError(5, 'Input/output error', str(path))

    path = files.write('a.yml', 'a: 1\n')
    monkeypatch.setattr(os, 'open', fail)
    assert only(read(path).problems) == Problem(
        'the file cannot be read: Input/output error', str(path), hint=f'ls -l {path}'
    )


@pytest.mark.parametrize(
    'text',
    [
        'password: 0606606\n',
        'password: +0606606\n',
        'bus: {password: 606:06}\n',
        'options: {api_token: 2024-13-45}\n',
        'password: !0606606\n',
        'password: !!int 0606606x\n',
        'bus: {password: *0606606}\n',
        'password: !0606606!x\n',
        'a: &x0606606 1\npassword: &x0606606 2\n',
    ],
)
def test_no_problem_shows_what_may_be_a_secret(files: Files, text: str) -> None:
    problems = said(files, text).problems
    assert problems
    assert not any(secret in str(problem) for problem in problems for secret in ('606', '2024'))


letters = 'abc:- \n[]{},&*!|>?%@"\'#~<=.0189+_\té\x07\\'
words = ': |- |\n  |!!|!!int |!!bool |<<: |&a |*a|null|true|0606|+1|1:30|2024-13-45|2024-01-01|---\n|"\\ud800"'
yaml_like = st.lists(st.sampled_from([*letters, *words.split('|')]), max_size=24).map(''.join)


@settings(max_examples=examples(100))
@given(text=yaml_like.map(str.encode) | st.binary(max_size=40))
def test_whatever_a_file_holds_nothing_is_raised(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / 'anything.yml'
    path.write_bytes(text)
    document = read(path)
    assert all(each.file == str(path) and each.message for each in document.problems)
    assert all(place in document.origins for place in leaves(document.tree))
