# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page about `journal`: its examples do what it says, and its tables are those of the code."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.journal import Journal, schema
from plugins.journal.mask import masked
from plugins.journal.record import KEYS
from plugins.journal.row import COLUMNS, MOST_LETTERS
from tests.plugins.journal.book import Book
from wazo_busd import catalogue
from wazo_busd.catalogue.publication import example
from wazo_busd.cli import main
from wazo_busd.event import Event
from wazo_busd.testing import Outcome, deliver, make_event

PAGE = (Path(__file__).parents[3] / 'docs' / 'handlers' / 'journal.md').read_text()
EXAMPLES = [
    next(iter(yaml.safe_load(block)['handlers'].values()))
    for block in re.findall(r'```yaml\n(.*?)```', PAGE, re.DOTALL)
]
NAMES = ['call_created', 'call_answered', 'call_ended']


def of_catalogue(name: str) -> Event:
    """The catalogue's own example of an event."""
    entry = catalogue.find(name)
    assert entry is not None
    return make_event(name, example(entry))


def columns(ddl: str) -> list[tuple[str, str]]:
    """The columns of the table `events`, with their types."""
    (body,) = re.findall(r'CREATE TABLE events \(\n(.*?)\n\);', ddl, re.DOTALL)
    return [(line.split()[0], line.split()[1].rstrip(',')) for line in body.splitlines()]


@pytest.fixture
def book(tmp_path: Path, request: pytest.FixtureRequest, handler: dict[str, Any]) -> Book:
    """The journal of an example, but where the test wants it."""
    options = dict(handler['options'])
    if options.get('format') == 'postgresql':
        return Book(tmp_path, **{**options, 'url': request.getfixturevalue('database')})
    return Book(tmp_path, **{**options, 'path': tmp_path / 'journal'})


@pytest.mark.parametrize('handler', EXAMPLES, ids=['first', 'mask', 'postgresql'])
async def test_every_example_keeps_what_it_matches(book: Book, handler: dict[str, Any]) -> None:
    match = handler['match']
    events = [of_catalogue(name) for name in NAMES if 'calls.#' in match or name in match]

    outcomes = await deliver(Journal, *events, options=book.given, match=match, name='calls')

    assert outcomes == [Outcome.DONE] * len(events)
    assert [record['name'] for record in await book.records()] == [each.name for each in events]


@pytest.mark.parametrize('handler', EXAMPLES[1:2])
async def test_the_example_of_the_mask_leaves_no_number(book: Book, handler: dict[str, Any]) -> None:
    numbers = {'caller_id_number': '5551234567', 'peer_caller_id_number': '1001', 'dialed_extension': '2002'}

    await book.write(make_event('call_created', numbers))

    ((record),) = await book.records()
    assert record['data'] == {
        'caller_id_number': '••••••••67',
        'peer_caller_id_number': '••••',
        'dialed_extension': '••••',
    }


def test_a_masked_number_looks_as_the_page_says() -> None:
    assert f'`{masked("+15551234567")}`' in PAGE


def test_the_table_of_the_schema_is_that_of_the_code() -> None:
    documented = re.findall(r'^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|', PAGE, re.MULTILINE)
    types = dict(columns(schema.POSTGRESQL))

    assert documented == [(name, kind, types[name]) for name, kind in columns(schema.SQLITE)]


def test_the_columns_that_are_written_are_all_but_the_first() -> None:
    assert ['seq', *COLUMNS] == [name for name, _ in columns(schema.SQLITE)]


def test_the_columns_that_are_told_to_be_indexed_are() -> None:
    told = re.findall(r'^\| `(\w+)` \|.*Indexed', PAGE, re.MULTILINE)

    for ddl in (schema.SQLITE, schema.POSTGRESQL):
        assert set(told) <= set(re.findall(r'CREATE INDEX \w+ ON events \((\w+)', ddl))


def test_the_keys_of_a_record_are_those_of_the_code() -> None:
    section = PAGE.partition('\n## Records\n')[2].partition('\n## ')[0]
    rows = re.findall(r'^\| (`\w+`(?:, `\w+`)*) \|', section, re.MULTILINE)

    assert tuple(re.findall(r'\w+', ' '.join(rows))) == KEYS


def test_the_numbers_that_it_says_are_those_of_the_code() -> None:
    assert f'cut after {MOST_LETTERS} characters' in PAGE
    assert f'the version {schema.VERSION}:' in PAGE


def test_what_it_asks_sqlite_can_be_asked() -> None:
    (statement,) = re.findall(r'sqlite3 -readonly calls\.sqlite "(.*?)"', PAGE, re.DOTALL)

    with closing(sqlite3.connect(':memory:')) as connection:
        connection.executescript(schema.SQLITE)
        assert connection.execute(statement).fetchall() == []


def test_the_options_of_export_that_it_shows_are_those_of_the_command() -> None:
    command: Any = main.commands['journal']
    known = {option for each in command.commands['export'].params for option in each.opts}
    shown = re.findall(r'wazo-busd journal export([^`\n|>]*)', PAGE)

    assert {word for line in shown for word in re.findall(r'--\w+', line)} <= known
