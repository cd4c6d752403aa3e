# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The explanation: from pydantic's errors to problems with a place, an expectation and a guess."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tests.unit.config.conftest import Files, only
from wazo_busd.config import Document, explain, near
from wazo_busd.config.document import Place
from wazo_busd.config.explain import faults, with_hint
from wazo_busd.config.reader import read
from wazo_busd.errors import Problem


class Inner(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True)

    host: str = 'x'
    port: Annotated[int, Field(gt=0, le=10)] = 1
    share: Annotated[float, Field(ge=0.5, lt=1)] = 0.5
    kind: Literal['quorum', 'classic'] = 'quorum'


class Left(BaseModel):
    model_config = ConfigDict(extra='forbid')

    left: int


class Outer(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True)

    inner: Inner | None = None
    by_name: dict[str, Inner] = Field(default_factory=dict)
    by_kind: dict[str, Annotated[Inner, Field()]] = Field(default_factory=dict)
    names: list[str] = Field(default_factory=list)
    on: bool = False
    either: Left | str | None = None
    numbers: int | list[int] = 0
    token: str = Field(default='', pattern='^[a-z]*$')
    even: int = 0

    @field_validator('even')
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f'expected an even number, as in {value + 1}')
        return value


class Whole(BaseModel):
    model_config = ConfigDict(extra='forbid')

    plugin: str
    url: str = ''

    @model_validator(mode='after')
    def _complete(self) -> Whole:
        if self.url.startswith('bad'):
            raise ValueError(f'{self.url} is no address')
        return self


def explained(document: Document, model: type[BaseModel] = Outer, value: Any = None) -> list[Problem]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(document.tree if value is None else value)
    return explain(caught.value, model, document)


def told(files: Files, text: str) -> list[Problem]:
    return explained(read(files.write('a.yml', text)))


@pytest.mark.parametrize(
    ('text', 'line', 'message', 'hint'),
    [
        ('a: 1\n', 1, 'a: unknown key', 'known keys: inner, by_name, by_kind, names, on, either,'),
        ('\nnammes: []\n', 2, 'nammes: unknown key', "did you mean 'names'?"),
        ('inner:\n  hots: x\n', 2, 'inner.hots: unknown key', "did you mean 'host'?"),
        ('inner:\n  zzz: x\n', 2, 'inner.zzz: unknown key', 'known keys: host, port, share, kind'),
        ('by_name:\n  a:\n    prot: 1\n', 3, 'by_name.a.prot: unknown key', "did you mean 'port'?"),
        ('by_kind:\n  a:\n    prot: 1\n', 3, 'by_kind.a.prot: unknown key', "did you mean 'port'?"),
        ('exchange_name: xivo\n', 1, 'exchange_name: unknown key', 'both exchanges'),
        ('inner:\n  exchange_type: x\n', 2, 'inner.exchange_type: unknown key', 'both exchanges'),
        ('uri: amqp://x\n', 1, 'uri: unknown key', 'write host, port, username, password and vhost'),
        ("inner: {'on': x}\n", 1, 'inner.on: unknown key', 'match: [calls.#]'),
        ('events: [x]\n', 1, 'events: unknown key', 'match: [calls.#]'),
        ('routing_key: x\n', 1, 'routing_key: unknown key', 'match: [calls.#]'),
        ('enabled_plugins: {}\n', 1, 'enabled_plugins: unknown key', 'under handlers'),
        ('inner: {host: 7}\n', 1, 'inner.host: expected text, found a number', "put it in quotes: host: '7'"),
        ('inner: {host: 1.10}\n', 1, 'inner.host: expected text, found a number', "put it in quotes: host: '1.10'"),
        ('inner: {host: yes}\n', 1, 'inner.host: expected text, found true or false', "in quotes: host: 'yes'"),
        ('inner: {host: 2024-01-02}\n', 1, 'inner.host: expected text, found a date', "host: '2024-01-02'"),
        (
            'inner: {host: 2024-01-02 10:00:00}\n',
            1,
            'inner.host: expected text, found a date',
            "host: '2024-01-02 10:00:00'",
        ),
        ('inner: {host: [x]}\n', 1, 'inner.host: expected text, found a list', ''),
        ('inner: {host: {x: y}}\n', 1, 'inner.host: expected text, found a map', ''),
        ('inner:\n  host:\n', 2, 'inner.host: expected text, found nothing', 'write a text, or take it out'),
        ('names: [x, 7]\n', 1, 'names[1]: expected text, found a number', "put it in quotes: - '7'"),
        ('names: x\n', 1, 'names: expected a list, as in [one, two], found text', ''),
        ('inner: [x]\n', 1, 'inner: expected a map of keys to values, found a list', ''),
        ('by_name: x\n', 1, 'by_name: expected a map of keys to values, found text', ''),
        ('by_name:\n  a:\n', 2, 'by_name.a: expected a map of keys to values, found nothing', ''),
        ('inner: {port: x}\n', 1, 'inner.port: expected a whole number, found text', ''),
        ('inner: {port: 1.5}\n', 1, 'inner.port: expected a whole number, found a number', ''),
        ('inner: {share: x}\n', 1, 'inner.share: expected a number, found text', ''),
        ('"on": maybe\n', 1, 'on: expected true or false, found text', ''),
        ('inner: {port: 0}\n', 1, 'inner.port: expected more than 0', ''),
        ('inner: {port: 11}\n', 1, 'inner.port: expected at most 10', ''),
        ('inner: {share: 0.1}\n', 1, 'inner.share: expected at least 0.5', ''),
        ('inner: {share: 1}\n', 1, 'inner.share: expected less than 1.0', ''),
        ('inner: {kind: qourum}\n', 1, "inner.kind: expected 'quorum' or 'classic'", "did you mean 'quorum'?"),
        ('inner: {kind: stream}\n', 1, "inner.kind: expected 'quorum' or 'classic'", ''),
        ('even: 3\n', 1, 'even: expected an even number, as in 4', ''),
    ],
)
def test_a_mistake_is_told_with_line_expectation_and_cure(
    files: Files, text: str, line: int, message: str, hint: str
) -> None:
    problem = only(told(files, text))
    assert (problem.line, problem.message) == (line, message)
    assert hint in problem.hint
    assert hint or not problem.hint


@pytest.mark.parametrize('name', ['function-x', 'constrained-x', 'int', 'str', 'literal[x]', '[key]', 'Inner'])
def test_a_key_of_any_name_is_told_by_its_name(files: Files, name: str) -> None:
    problem = only(told(files, f"by_name:\n  '{name}':\n    prot: 1\n"))
    assert (problem.line, problem.message, problem.hint) == (
        3,
        f'by_name.{name}.prot: unknown key',
        "did you mean 'port'?",
    )


def test_a_value_that_may_be_of_several_kinds_is_told_by_its_own_place(files: Files) -> None:
    problems = told(files, 'numbers: x\neither: 7\n')
    assert {(each.line, each.message.partition(':')[0]) for each in problems} == {(1, 'numbers'), (2, 'either')}


def test_an_item_of_a_value_of_several_kinds_is_told_by_its_index(files: Files) -> None:
    messages = [each.message for each in told(files, 'numbers: [1, x]\n')]
    assert 'numbers[1]: expected a whole number, found text' in messages


def test_a_missing_key_is_told_where_it_belongs(files: Files) -> None:
    document = read(files.write('a.yml', '\nhandlers:\n  calls:\n    url: x\n'))
    place: Place = ('handlers', 'calls')
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({'url': 'x'})
    assert only(explain(caught.value, Whole, document, place)) == Problem(
        "handlers.calls: the key 'plugin' is missing",
        str(files.directory / 'a.yml'),
        3,
        'calls',
        'add a line plugin: …',
    )


def test_a_key_that_misses_because_it_was_told_and_taken_out_is_no_news() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({})
    assert explain(caught.value, Whole, Document(), told=[('plugin',)]) == []


def test_a_key_that_is_wrong_is_told_even_where_it_was_told_and_taken_out() -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({'plugin': 7})
    assert len(explain(caught.value, Whole, Document(tree={'plugin': 7}), told=[('plugin',)])) == 1


def test_a_part_of_the_document_is_explained_with_its_own_keys(files: Files) -> None:
    document = read(files.write('a.yml', 'handlers:\n  calls:\n    options:\n      by_name: {function-x: {prot: 1}}\n'))
    place: Place = ('handlers', 'calls', 'options')
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({'by_name': {'function-x': {'prot': 1}}})
    problem = only(explain(caught.value, Outer, document, place))
    assert (problem.line, problem.handler, problem.message) == (
        4,
        'calls',
        'handlers.calls.options.by_name.function-x.prot: unknown key',
    )


def test_a_part_that_the_document_does_not_say_is_told_at_what_is_around_it(files: Files) -> None:
    document = read(files.write('a.yml', 'handlers:\n  calls: 7\n'))
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate({})
    problem = only(explain(caught.value, Whole, document, ('handlers', 'calls', 'options', 'deep')))
    assert (problem.line, problem.message) == (2, "handlers.calls.options.deep: the key 'plugin' is missing")


def test_every_mistake_is_told(files: Files) -> None:
    problems = told(files, 'inner:\n  host: 1\n  port: x\n  zzz: 1\nnames: 7\n')
    assert sorted(each.line for each in problems) == [2, 3, 4, 5]


def test_a_mistake_of_the_whole_is_told_at_the_whole(files: Files) -> None:
    document = read(files.write('a.yml', 'plugin: x\nurl: bad\n'))
    problem = only(explained(document, Whole))
    assert (problem.line, problem.message) == (1, 'bad is no address')


def test_a_mistake_of_the_whole_does_not_repeat_a_secret() -> None:
    document = Document(tree={'plugin': 'x', 'url': 'bad://hunter2'}, secrets={'bad://hunter2'})
    assert only(explained(document, Whole)).message == '… is no address'


@pytest.mark.parametrize('token', ['Hunter2', '606606', '7.5'])
def test_a_secret_that_does_not_fit_is_not_shown(files: Files, token: str) -> None:
    problem = only(told(files, f'token: {token}\n'))
    assert problem.message.startswith('token: ')
    assert token not in str(problem)


def test_a_rule_that_a_secret_breaks_is_not_shown(files: Files) -> None:
    assert only(told(files, 'token: Hunter2\n')).message == 'token: not a valid value'


def test_another_rule_of_pydantic_is_told_in_its_words() -> None:
    class Even(BaseModel):
        number: int = Field(multiple_of=2)

    assert only(explained(Document(tree={'number': 3}), Even)).message == 'number: expected to be a multiple of 2'


class Sized(BaseModel):
    name: Annotated[str, Field(min_length=2, max_length=3)] = 'ab'
    names: Annotated[list[str], Field(min_length=2, max_length=3)] = Field(default_factory=list)
    needed: Annotated[str, Field(min_length=1)]


@pytest.mark.parametrize(
    ('tree', 'message', 'hint'),
    [
        ({'name': 'a'}, 'name: expected at least 2 characters', ''),
        ({'name': 'abcd'}, 'name: expected at most 3 characters', ''),
        ({'names': ['a']}, 'names: expected at least 2 items, found 1', 'as in names: [one, two]'),
        ({'names': ['a'] * 4}, 'names: expected at most 3 items, found 4', ''),
        ({'needed': ''}, 'needed: expected a text that is not empty', 'write a text'),
        ({'needed': None}, 'needed: expected text, found nothing', 'write a text'),
        ({'name': None}, 'name: expected text, found nothing', 'write a text, or take it out'),
    ],
)
def test_a_length_that_does_not_fit_is_told_in_plain_words(tree: dict[str, Any], message: str, hint: str) -> None:
    problem = only(explained(Document(tree={'needed': 'x', **tree}), Sized))
    assert (problem.message, problem.hint) == (message, hint)


def test_a_note_of_an_error_is_what_to_write() -> None:
    class Noted(BaseModel):
        path: str

        @field_validator('path')
        @classmethod
        def _path(cls, value: str) -> str:
            raise with_hint('expected a path', 'as in /x')

    problem = only(explained(Document(tree={'path': 'y'}), Noted))
    assert (problem.message, problem.hint) == ('path: expected a path', 'as in /x')


def test_a_note_of_an_error_repeats_no_secret() -> None:
    class Noted(BaseModel):
        token: str

        @field_validator('token')
        @classmethod
        def _token(cls, value: str) -> str:
            raise with_hint('expected something else', f'not {value}')

    assert only(explained(Document(tree={'token': 'hunter2'}), Noted)).hint == 'not …'


@pytest.mark.parametrize(
    ('tree', 'places'),
    [
        ({'zzz': 1}, {('zzz',)}),
        ({'inner': {'port': 'x', 'host': 7}}, {('inner', 'port'), ('inner', 'host')}),
        ({'names': ['x', 7]}, {('names', 1)}),
        ({'numbers': 'x'}, {('numbers',)}),
        ({'by_name': {'function-x': {'zzz': 1}}}, {('by_name', 'function-x', 'zzz')}),
        ({'either': {'right': 1}}, {('either',), ('either', 'left'), ('either', 'right')}),
    ],
)
def test_the_places_of_what_is_wrong_are_ways_into_the_value(tree: dict[str, Any], places: set[Place]) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(tree)
    assert set(faults(caught.value, tree)) == places


@pytest.mark.parametrize(
    ('name', 'guess'),
    [
        ('hots', "did you mean 'host'?"),
        ('Host', "did you mean 'host'?"),
        ('passwort', "did you mean 'password'?"),
        ('x', ''),
        ('', ''),
    ],
)
def test_a_name_that_is_near_is_guessed(name: str, guess: str) -> None:
    assert near(name, ['host', 'port', 'password']) == guess


def test_without_known_names_nothing_is_guessed() -> None:
    assert near('host', []) == ''
