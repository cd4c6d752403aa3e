# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The document: values with the place of each, and the rule by which files are merged."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.config.conftest import Files, leaves
from wazo_busd.config.document import Document, Origin, Place, dotted, is_secret, quoted, quoting_hint
from wazo_busd.config.reader import read
from wazo_busd.errors import Problem


def test_what_no_file_says_has_no_line() -> None:
    assert Document().origin(('bus', 'host')) == Origin('', 0)


@pytest.mark.parametrize(
    ('place', 'text'),
    [
        ((), ''),
        (('bus',), 'bus'),
        (('bus', 'host'), 'bus.host'),
        (('handlers', 'calls', 'match', 0), 'handlers.calls.match[0]'),
        (('a', 1, 2, 'b'), 'a[1][2].b'),
    ],
)
def test_a_place_reads_as_people_write_it(place: Place, text: str) -> None:
    assert dotted(place) == text


@pytest.mark.parametrize(
    ('place', 'secret'),
    [
        (('bus', 'password'), True),
        (('options', 'API_Token'), True),
        (('options', 'secrets', 0), True),
        (('options', 'url'), True),
        (('options', 'auth', 'user'), True),
        (('bus', 'tls', 'key_file'), False),
        (('options', 'password_file'), False),
        (('options', 'key_file', 'key'), True),
        (('bus', 'host'), False),
        (('handlers', 'calls', 'match', 0), False),
        ((), False),
    ],
)
def test_a_secret_is_known_by_its_key(place: Place, secret: bool) -> None:
    assert is_secret(place) is secret


@pytest.mark.parametrize(
    ('place', 'hint'),
    [
        (('to',), "put it in quotes: to: '0606'"),
        (('to', 0), "put it in quotes: - '0606'"),
        (('password',), "put it in quotes: password: '…'"),
        ((), "put it in quotes: key: '0606'"),
    ],
)
def test_a_hint_shows_the_quotes(place: Place, hint: str) -> None:
    assert quoting_hint(place, '0606') == hint


@pytest.mark.parametrize(
    ('text', 'written'),
    [
        ('calls.#', 'calls.#'),
        ('ami.Hangup', 'ami.Hangup'),
        ('fax_outbound_failed', 'fax_outbound_failed'),
        ('*.ended', "'*.ended'"),
        ('#.failed', "'#.failed'"),
        ('{ami_event}', "'{ami_event}'"),
        ('users_services_{service_name}_updated', "'users_services_{service_name}_updated'"),
        ("it's", "'it''s'"),
        ('', "''"),
    ],
)
def test_a_text_has_quotes_where_yaml_wants_them(text: str, written: str) -> None:
    assert quoted(text) == written


@given(st.lists(st.text('ab-_*#{}[]!&%@\'",: 0', max_size=6), min_size=1).map('.'.join))
def test_a_text_that_is_recommended_is_read_as_it_is(text: str) -> None:
    assert yaml.safe_load(f'match: [calls.#, {quoted(text)}]')['match'] == ['calls.#', text]


def test_a_problem_is_told_with_its_path_file_line_and_handler(files: Files) -> None:
    document = read(files.write('a.yml', 'handlers:\n  calls:\n    timeout: 1s\n'))
    assert document.problem(('handlers', 'calls', 'timeout'), 'too short', 'wait longer') == Problem(
        'handlers.calls.timeout: too short', str(files.directory / 'a.yml'), 3, 'calls', 'wait longer'
    )


@pytest.mark.parametrize(
    ('place', 'handler'), [(('handlers', 'calls'), 'calls'), (('handlers',), ''), (('bus', 'host'), ''), ((), '')]
)
def test_a_problem_names_the_handler_that_it_is_in(place: Place, handler: str) -> None:
    assert Document().problem(place, 'wrong').handler == handler


def test_a_problem_of_the_whole_has_no_path() -> None:
    assert Document().problem((), 'nothing works') == Problem('nothing works')


def test_a_problem_never_repeats_the_secret_it_is_about() -> None:
    document = Document(tree={'options': {'url': 'http://hunter2@host'}})
    problem = document.problem(('options', 'url'), "'http://hunter2@host' is no address", 'not http://hunter2@host')
    assert (problem.message, problem.hint) == ("options.url: '…' is no address", 'not …')


def test_a_problem_never_repeats_a_secret_that_was_filled_in() -> None:
    document = Document(secrets={'hunter2', 'hunter2-longer'})
    assert document.problem(('options',), 'found hunter2-longer and hunter2').message == 'options: found … and …'


def test_a_problem_of_an_item_of_a_list_of_secrets_can_be_told() -> None:
    document = Document(tree={'tokens': ['hunter2']})
    assert document.problem(('tokens', 0), 'too short').message == 'tokens[0]: too short'


@pytest.mark.parametrize(('secret', 'shown'), [('exp', 'expected'), ('expe', '…cted')])
def test_a_secret_too_short_to_be_one_spoils_no_text(secret: str, shown: str) -> None:
    assert Document(secrets={secret}).problem((), 'expected').message == shown


def test_what_was_written_and_is_not_in_the_tree_any_more_is_told(files: Files) -> None:
    document = read(files.write('a.yml', 'handlers: {calls: {plugin: 0606, match: 7}}\n'))
    del document.tree['handlers']['calls']['match']
    keys = ('plugin', 'match', 'timeout')
    assert [document.is_told(('handlers', 'calls', key)) for key in keys] == [True, True, False]


def test_a_key_that_is_misread_is_told_whatever_it_was_merged_with(files: Files) -> None:
    document = read(files.write('a.yml', 'handlers: {calls: {plugin: log}}\n'))
    document.merge(read(files.write('b.yml', 'handlers: {calls: {on: calls.#}}\n')))
    assert document.is_told(('handlers', 'calls', 'on'))


def tree_of(*trees: dict[str, Any]) -> dict[str, Any]:
    """What several files say together."""
    whole = Document()
    for tree in trees:
        whole.merge(Document(tree=deepcopy(tree)))
    return whole.tree


values = st.one_of(st.none(), st.integers(0, 9), st.text('ab', max_size=2), st.lists(st.integers(0, 9), max_size=2))
# Capital keys hold maps, small keys anything else: what a key holds is not a matter of opinion among files.
trees = st.recursive(
    st.dictionaries(st.sampled_from('abc'), values, max_size=3),
    lambda inner: st.builds(
        lambda plain, maps: {**plain, **maps},
        st.dictionaries(st.sampled_from('abc'), values, max_size=3),
        st.dictionaries(st.sampled_from('ABC'), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(trees, trees)
def test_what_the_first_file_says_stays(first: dict[str, Any], second: dict[str, Any]) -> None:
    merged = leaves(tree_of(first, second))
    assert {place: merged[place] for place in leaves(first)} == leaves(first)


@given(trees, trees)
def test_what_only_the_second_file_says_is_added(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert leaves(tree_of(first, second)) == leaves(second) | leaves(first)


@given(trees, trees, trees)
def test_files_can_be_merged_in_any_grouping(one: dict[str, Any], two: dict[str, Any], three: dict[str, Any]) -> None:
    assert tree_of(tree_of(one, two), three) == tree_of(one, tree_of(two, three))


@given(trees)
def test_a_file_that_says_nothing_changes_nothing(tree: dict[str, Any]) -> None:
    assert tree_of({}, tree) == tree_of(tree, {}) == tree


@given(trees)
def test_a_file_merged_with_itself_is_the_same(tree: dict[str, Any]) -> None:
    assert tree_of(tree, tree) == tree


@given(trees, trees)
def test_merging_leaves_the_other_document_as_it_was(first: dict[str, Any], second: dict[str, Any]) -> None:
    other = Document(tree=deepcopy(second))
    Document(tree=deepcopy(first)).merge(other)
    assert other.tree == second


@pytest.mark.parametrize(
    ('first', 'second', 'merged'),
    [
        ({'a': [1]}, {'a': [2]}, {'a': [1]}),
        ({'a': []}, {'a': [2]}, {'a': []}),
        ({'a': {'b': 1}}, {'a': {'c': 2}}, {'a': {'b': 1, 'c': 2}}),
        ({'a': {'b': 1}}, {'a': 7}, {'a': {'b': 1}}),
        ({'a': 7}, {'a': {'b': 1}}, {'a': 7}),
        ({'a': None}, {'a': 7}, {'a': None}),
        ({'a': False}, {'a': True}, {'a': False}),
        ({'a': [{'b': 1}]}, {'a': [{'c': 2}]}, {'a': [{'b': 1}]}),
    ],
)
def test_maps_merge_and_anything_else_is_whole(
    first: dict[str, Any], second: dict[str, Any], merged: dict[str, Any]
) -> None:
    assert tree_of(first, second) == merged


def test_after_merging_every_value_knows_its_own_file(files: Files) -> None:
    whole = read(files.write('a.yml', 'bus:\n  host: one\n'))
    whole.merge(read(files.write('b.yml', '\n\nbus:\n  host: two\n  hosts: [x]\nhandlers: {}\n')))
    places: list[Place] = [('bus',), ('bus', 'host'), ('bus', 'hosts'), ('bus', 'hosts', 0), ('handlers',)]
    assert [(Path(whole.origin(place).file).name, whole.origin(place).line) for place in places] == [
        ('a.yml', 1),
        ('a.yml', 2),
        ('b.yml', 5),
        ('b.yml', 5),
        ('b.yml', 6),
    ]


def test_merging_keeps_the_problems_of_both(files: Files) -> None:
    whole = read(files.write('a.yml', 'on: 1\n'))
    whole.merge(read(files.write('b.yml', 'off: 1\n')))
    assert [Path(each.file).name for each in whole.problems] == ['a.yml', 'b.yml']
