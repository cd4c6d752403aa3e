# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The redaction: secrets, telephone numbers and names of people are shown nowhere, and what helps is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from tests.unit.doctor.made import HERE, configured
from wazo_busd.config import Config, Configuration, Document
from wazo_busd.doctor.redaction import Redaction, pattern, vocabulary
from wazo_busd.plugin import Plugin


class Server(BaseModel):
    host: str = ''
    port: int = 25


class Options(BaseModel):
    method: Literal['POST', 'GET'] = 'POST'
    text: str = ''
    number: int | None = None
    people: dict[str, str] = Field(default_factory=dict)
    server: Server | None = None
    sender: str = Field(default='', alias='from')


PLUGIN = Plugin('x', 'x 1', '1', (), None, Options, 1)


def shown(directory: Path, text: str) -> dict[str, Any]:
    return Redaction(configured(directory, text), {'crm': PLUGIN}).configuration


def options(directory: Path, text: str) -> Any:
    return shown(directory, f'handlers: {{crm: {{plugin: x, options: {text}}}}}')['handlers']['crm']['options']


@pytest.mark.parametrize(
    ('written', 'found'),
    [
        ('{text: "call Alice"}', {'text': '… (10 letters)'}),
        ('{method: POST}', {'method': 'POST'}),
        ('{number: 1001}', {'number': '…'}),
        ('{number: 5}', {'number': 5}),
        ('{server: {host: mail.example.org, port: 2525}}', {'server': {'host': 'mail.example.org', 'port': 2525}}),
        ('{people: {Alice: x}}', {'people': {'… 1': '… (1 letters)'}}),
        ('{text: 30s, from: 10.0.0.0/8}', {'text': '30s', 'from': '10.0.0.0/8'}),
        ('{text: [true, null, "1001"]}', {'text': [True, None, '… (4 letters)']}),
    ],
)
def test_of_an_option_its_key_is_shown_and_a_word_that_the_plugin_gives_to_choose(
    tmp_path: Path, written: str, found: Any
) -> None:
    assert options(tmp_path, written) == found


def test_of_a_plugin_that_is_not_there_no_option_is_shown(tmp_path: Path) -> None:
    configuration = configured(tmp_path, 'handlers: {crm: {plugin: x, options: {method: POST}}}')

    assert Redaction(configuration, {}).configuration['handlers']['crm']['options'] == {'… 1': '… (4 letters)'}


def test_what_a_handler_is_set_to_is_shown(tmp_path: Path) -> None:
    text = 'handlers: {crm: {plugin: x, match: [calls.#, calls.1001.#], concurrency: 4, order_by: data.call_id}}'

    assert shown(tmp_path, text)['handlers']['crm'] == {
        'plugin': 'x',
        'match': ['calls.#', 'calls.….#'],
        'concurrency': 4,
        'order_by': 'data.call_id',
    }


def test_names_are_counted_and_not_shown(tmp_path: Path) -> None:
    assert shown(tmp_path, 'names: {"1001": Alice, "1002": Bob}')['names'] == '… (2 of them)'


@pytest.mark.parametrize(('user', 'found'), [('guest', 'guest'), ('wazo-busd', 'wazo-busd'), ('alice', '…')])
def test_a_user_of_the_broker_is_shown_where_everybody_has_it(tmp_path: Path, user: str, found: str) -> None:
    said = shown(tmp_path, f'bus: {{username: {user}, password: hunter2}}')['bus']

    assert said == {'username': found, 'password': '…'}


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ('call 5551234567 now', 'call … now'),
        ('+1 (555) 123-4567', '…'),
        ('555.123.4567', '…'),
        ('sip:alice@example.org', 'sip:…'),
        ('12345', '…'),
        # What is needed to help.
        ('localhost:15672', 'localhost:15672'),
        ('192.168.10.20', '192.168.10.20'),
        (f'the host {HERE}', f'the host {HERE}'),
        ('2026-11-26', '2026-11-26'),
        ('1234 events', '1234 events'),
    ],
)
def test_what_may_be_a_telephone_number_or_an_address_is_hidden_in_any_text(text: str, found: str) -> None:
    assert Redaction(Configuration(Config(), Document(), (), ()), {}).text(text) == found


def test_what_was_hidden_in_one_place_is_hidden_where_it_comes_up_again(tmp_path: Path) -> None:
    configuration = configured(tmp_path, 'handlers: {crm: {plugin: x, where: {data.name: Zebediah}}}')
    redaction = Redaction(configuration, {})

    assert redaction.plain({'a': ['for Zebediah, not Zebediahs']}) == {'a': ['for …, not Zebediahs']}


def test_a_secret_of_a_file_is_hidden(tmp_path: Path) -> None:
    (tmp_path / 'secret').write_text('hunter2-hunter2\n')
    (tmp_path / 'secret').chmod(0o600)
    configuration = configured(tmp_path, 'bus: {username: busd, password: "${file:secret}"}')

    assert Redaction(configuration, {}).text('it says hunter2-hunter2!') == 'it says …!'


@given(st.text(st.characters(categories=['L', 'N', 'P', 'Zs']), min_size=8, max_size=30))
def test_no_text_of_an_option_is_shown_whatever_it_is(text: str) -> None:
    tree = {'handlers': {'crm': {'plugin': 'x', 'options': {'text': text, 'people': {text: text}}}}}
    configuration = Configuration(Config.model_validate(tree), Document(), (), ())

    assert text not in str(Redaction(configuration, {'crm': PLUGIN}).configuration)


@pytest.mark.parametrize(
    ('text', 'found'),
    [('calls.#', 'calls.#'), (f'chatd.users.{HERE}.#', 'chatd.users.….#'), ('ami.Hangup', 'ami.Hangup')],
)
def test_words_of_a_pattern_that_may_stand_for_somebody_are_hidden(text: str, found: str) -> None:
    assert pattern(text) == found


def test_the_vocabulary_has_the_keys_of_models_in_models_and_the_words_to_choose() -> None:
    keys, words = vocabulary(Options)

    assert ({'server', 'port', 'from', 'sender'} <= keys, words) == (True, {'POST', 'GET'})
