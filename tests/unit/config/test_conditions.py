# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""Conditions, schedules and names in the configuration, with every mistake explained."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.unit.config.conftest import Files, only

FAX = 'handlers:\n  fax:\n    plugin: log\n    '


def test_conditions_are_read(files: Files) -> None:
    handler = files.load(
        FAX + 'where: {data.error: ["!busy", "~x"], data.pages: 3}\n    when: data.pages > 2\n    expires_after: 20s\n'
    ).config.handlers['fax']

    assert (handler.where, handler.when, handler.expires_after) == (
        {'data.error': ['!busy', '~x'], 'data.pages': 3},
        'data.pages > 2',
        20.0,
    )


@pytest.mark.parametrize('wish', ['office', '"!office"'])
def test_a_handler_names_a_schedule(files: Files, wish: str) -> None:
    assert (
        files.load(f'{FAX}schedule: {wish}\nschedules: {{office: {{hours: {{mon: "08:00-12:00"}}}}}}\n').problems == ()
    )


def test_a_schedule_is_ready_to_be_asked(files: Files) -> None:
    written = 'schedules: {office: {timezone: UTC, hours: {mon-fri: "08:00-12:00"}, closed: [2026-11-24, "11-25"]}}\n'
    office = files.load(written).config.schedules['office'].compiled()

    found = [office.is_open(datetime(2026, 11, day, 9, tzinfo=UTC).timestamp()) for day in (23, 24, 25, 26)]
    assert found == [True, False, False, True]


def test_names_of_several_files_are_one_map(files: Files) -> None:
    files.write('conf.d/10-a.yml', 'names: {"1001": Anna}\n')
    files.write('conf.d/20-b.yml', 'names: {"1001": Berta, "1002": Carl}\n')

    assert files.load('names: {}\n').config.names == {'1001': 'Anna', '1002': 'Carl'}


@pytest.mark.parametrize('section', ['names', 'schedules'])
def test_a_section_all_of_which_is_commented_out_is_empty(files: Files, section: str) -> None:
    assert files.load(f'{section}:\n').problems == ()


@pytest.mark.parametrize(
    ('text', 'line', 'message', 'hint'),
    [
        (
            FAX + 'where: {dta.error: busy}\n',
            4,
            'handlers.fax.where.dta.error: expected a field of the event, as in data.error',
            'it begins with one of data, headers',
        ),
        (
            FAX + 'where:\n      data.error: busy\n      data.number: "~(["\n',
            6,
            'handlers.fax.where.data.number: ~ is not followed by a regular expression',
            "as in '~^06[0-9]{8}$'",
        ),
        (
            FAX + 'where: {data.number: 0606}\n',
            4,
            'handlers.fax.where.data.number: YAML reads 0606 as the number 390',
            "put it in quotes: data.number: '0606'",
        ),
        (FAX + 'where: [data.error]\n', 4, 'handlers.fax.where: expected a map of keys to values', ''),
        (
            FAX + 'when: data.error = "busy"\n',
            4,
            'handlers.fax.when: this is no expression: expected an operator',
            'two equals: data.error == "busy"',
        ),
        (
            FAX + 'when: |\n      data.a == 1 and\n      dta.b == 2\n',
            4,
            "handlers.fax.when: line 2 of it: there is no 'dta' in an event",
            "did you mean 'data'?",
        ),
        (
            FAX + 'when: true\n',
            4,
            'handlers.fax.when: expected text, found true or false',
            "put it in quotes: when: 'true'",
        ),
        (FAX + 'expires_after: 0s\n', 4, 'handlers.fax.expires_after: expected at least 1s and at most 30d', ''),
        (
            FAX + 'schedule: offise\nschedules: {office: {hours: {mon: "08:00-12:00"}}}\n',
            4,
            "handlers.fax.schedule: there is no schedule 'offise'",
            "did you mean 'office'?",
        ),
        (
            FAX + 'schedule: office\n',
            4,
            "handlers.fax.schedule: there is no schedule 'office'",
            'schedules: {office: {hours: {mon-fri: "08:00-18:00"}}}',
        ),
        (FAX + 'schedule: Office hours\n', 4, 'handlers.fax.schedule: expected the name of a schedule', 'as in office'),
        (
            'schedules:\n  "!office": {hours: {mon: "08:00-12:00"}}\n',
            2,
            'schedules.!office: a schedule is named by small letters, digits, - and _',
            'for example office',
        ),
        ('schedules: {office: {}}\n', 1, "schedules.office: the key 'hours' is missing", 'add a line hours: …'),
        ('schedules: {office: {hours: {}}}\n', 1, 'schedules.office.hours: expected at least 1 item', ''),
        (
            'schedules: {office: {hours: {mon: 8-12}}}\n',
            1,
            'schedules.office.hours.mon: expected hours from one time to another',
            'as in "08:00-12:00"',
        ),
        (
            'schedules: {office: {hours: {monday: "08:00-12:00"}}}\n',
            1,
            'schedules.office.hours.monday: expected days: mon, tue, wed, thu, fri, sat, sun',
            'as in mon-fri',
        ),
        (
            'schedules:\n  office:\n    hours:\n      mon-fri: ["08:00-12:00"]\n      fri: ["08:00-12:00"]\n',
            3,
            "schedules.office.hours: fri is in 'mon-fri' and in 'fri'",
            'give each day its hours once',
        ),
        (
            'schedules: {office: {hours: {mon: "08:00-12:00"}, timezone: Paris}}\n',
            1,
            'schedules.office.timezone: there is no such time zone',
            'timedatectl list-timezones shows them',
        ),
        (
            'schedules:\n  office:\n    hours: {mon: "08:00-12:00"}\n    closed:\n      - 2026-12-25\n      - 30-12\n',
            6,
            'schedules.office.closed[1]: there is no such day',
            'a date is the year, the month and the day: 2026-12-25',
        ),
        ('names: {1001: Anna}\n', 1, 'names: YAML reads the key 1001 as 1001, which is no text', "quotes: '1001':"),
        ('names: {"1001": 5}\n', 1, 'names.1001: expected text, found a number', "put it in quotes: 1001: '5'"),
        ('names: {"1001": ""}\n', 1, 'names.1001: expected a text that is not empty', ''),
        ('region: fr\n', 1, 'region: expected the two letters of a country', 'as in region: FR'),
        ('schedule: {}\n', 1, 'schedule: unknown key', "did you mean 'schedules'?"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_cure(
    files: Files, text: str, line: int, message: str, hint: str
) -> None:
    problem = only(files.load(text).problems)

    assert (problem.line, problem.message[: len(message)], hint in problem.hint) == (line, message, True)


def test_a_schedule_that_is_wrong_is_not_told_to_be_missing(files: Files) -> None:
    problem = only(files.load(f'{FAX}schedule: office\nschedules: {{office: {{hours: {{mon: never}}}}}}\n').problems)

    assert problem.message.startswith('schedules.office.hours.mon')
