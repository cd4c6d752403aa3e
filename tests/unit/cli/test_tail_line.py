# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The line of `wazo-busd tail` and what is masked in it: whatever came, a terminal gets letters and nothing else."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.cli.tail import TENANT, event
from wazo_busd.cli.tail_line import LONGEST, Style, _columns, cut, json_line, json_text, line
from wazo_busd.cli.tail_mask import masked, masked_text
from wazo_busd.cli.tail_report import Report

FIELDS = st.sampled_from(['caller_id_name', 'caller_id_number', 'queue_name', 'status', 'user_uuid', 'call', 'other'])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
DATA = st.dictionaries(FIELDS | st.text(), VALUES | st.dictionaries(FIELDS, VALUES, max_size=3), max_size=6)
KEYS = st.text(st.characters(codec='utf-8'), max_size=60)
NAMES = st.text(st.characters(codec='utf-8'), max_size=60)


# ---- hostile


@given(NAMES, DATA, KEYS, st.booleans(), st.booleans())
def test_a_line_is_printable_whatever_came(name: str, data: Any, key: str, whole: bool, mask: bool) -> None:
    assert line(event(name, data, key), Style(whole=whole, mask=mask)).isprintable()


@given(NAMES, DATA, KEYS, st.booleans())
def test_json_is_printable_whatever_came(name: str, data: Any, key: str, mask: bool) -> None:
    assert json_line(event(name, data, key), mask=mask).isprintable()


@given(NAMES, DATA, KEYS)
def test_json_says_what_came(name: str, data: Any, key: str) -> None:
    told = json.loads(json_line(event(name, data, key), mask=False))

    assert (told['name'], told['routing_key'], told['data']) == (name, key, json.loads(json.dumps(data)))


@given(KEYS)
def test_a_report_is_printable_whatever_the_key(key: str) -> None:
    report = Report()
    report.add(key, 10)

    assert ''.join(report.lines(1.0)).isprintable()


@given(st.text())
def test_json_can_be_written_as_utf_8(text: str) -> None:
    assert json.loads(json_text(text).encode()) == text


def test_an_escape_sequence_is_written_out() -> None:
    assert r'caller=\x1b[31mred' in line(event('call_created', {'caller_id_name': '\x1b[31mred'}), Style())


# ---- width


@given(NAMES, DATA, KEYS, st.integers(20, 250))
def test_a_line_is_never_wider_than_the_terminal(name: str, data: Any, key: str, width: int) -> None:
    assert sum(map(_columns, line(event(name, data, key), Style(width=width)))) <= width


@pytest.mark.parametrize(
    ('text', 'width', 'short'),
    [('abcdef', 6, 'abcdef'), ('abcdefg', 6, 'abcde…'), ('日本語', 6, '日本語'), ('日本語', 5, '日本…')],
)
def test_what_is_too_wide_is_cut(text: str, width: int, short: str) -> None:
    assert cut(text, width) == short


def test_in_a_narrow_terminal_who_comes_before_the_key() -> None:
    told = line(event('call_created', {'caller_id_number': '1001'}), Style(width=100))

    assert told.index('caller=1001') < told.index('calls.call.created')


# ---- what an operator wants to see


@pytest.mark.parametrize(
    ('name', 'data', 'shown'),
    [
        ('agent_status_update', {'agent_id': 42, 'status': 'logged_in'}, 'agent=42 status=logged_in'),
        ('QueueCallerAbandon', {'Queue': 'sales', 'CallerIDNum': '1001'}, 'caller=1001 queue=sales'),
        ('fax_outbound_failed', {'extension': '1234', 'error': 'busy'}, 'ext=1234 reason=busy'),
        ('call_created', {'caller_id_name': '1001', 'caller_id_number': '1001'}, 'caller=1001 '),
        ('user_created', {'id': 3, 'enabled': True}, 'id=3 enabled=true'),
        ('switchboard', {'call': {'id': '1.2', 'caller_id_name': 'Eve'}}, 'caller=Eve'),
        ('nothing', None, 'calls.call.created'),
        ('text', 'hello', 'hello'),
    ],
)
def test_the_short_form_says_who_and_what(name: str, data: Any, shown: str) -> None:
    assert shown in line(event(name, data), Style())


def test_a_tenant_is_short() -> None:
    assert line(event('x', {}), Style()).endswith(f'tenant={TENANT[:8]}')


def test_colour_changes_nothing_but_colour() -> None:
    heard = event('call_created', {'caller_id_number': '1001'})
    coloured = line(heard, Style(colour=True))

    assert (click.unstyle(coloured), coloured == click.unstyle(coloured)) == (line(heard, Style()), False)


def test_a_line_has_room_by_default() -> None:
    assert Style().width == LONGEST == 200


# ---- mask


@pytest.mark.parametrize(
    ('field', 'value', 'shown'),
    [
        ('caller_id_number', '+15551234567', '+1555•••••67'),
        ('caller_id_name', 'Alice', '•••ce'),
        ('CallerIDName', 'Bob', '•ob'),
        ('dialed_extension', '1002', '••02'),
        ('Exten', '1002', '••02'),
        ('number', 5551234567, '555•••••67'),
        ('note', 'call +15551234567 now', 'call +1555•••••67 now'),
        ('Channel', 'Local/1001@default-0001', 'Local/••01@default-0001'),
        ('call_id', '1777629422.8', '1777629422.8'),
        ('user_uuid', TENANT, TENANT),
        ('status', 'Ring', 'Ring'),
        ('queue_name', 'sales', 'sales'),
        ('creation_time', '2026-05-01T11:57:02.592123-0400', '2026-05-01T11:57:02.592123-0400'),
        ('is_caller', True, True),
        ('caller_id_name', None, None),
    ],
)
def test_numbers_and_names_are_masked_and_nothing_else(field: str, value: Any, shown: Any) -> None:
    assert masked({field: value}) == {field: shown}


def test_what_is_nested_is_masked_too() -> None:
    assert masked({'calls': [{'caller_id_name': 'Alice'}]}) == {'calls': [{'caller_id_name': '•••ce'}]}


@given(st.from_regex(r'\+?[1-9][0-9]{6,13}', fullmatch=True), st.sampled_from(['caller_id_number', 'note', 'x']))
def test_a_masked_number_stands_nowhere(number: str, field: str) -> None:
    heard = event('call_created', {field: number}, f'calls.{number}')

    assert [text for text in (line(heard, Style(mask=True)), json_line(heard, mask=True)) if number in text] == []


def test_the_name_of_the_event_is_not_masked() -> None:
    told = json.loads(json_line(event('call_created', {}), mask=True))

    assert (told['name'], told['headers']['name']) == ('call_created', 'call_created')


def test_a_uuid_in_a_key_is_kept() -> None:
    assert masked_text(f'auth.users.{TENANT}.created') == f'auth.users.{TENANT}.created'
