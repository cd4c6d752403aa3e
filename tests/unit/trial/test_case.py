# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The case: what a file of cases can say, and every mistake with its line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

import pytest

from wazo_busd.codec import Limits
from wazo_busd.trial import Cases, moment, read_cases

TEN = datetime(2026, 11, 25, 9, tzinfo=UTC).timestamp()


EARLIER = """
x:
  - {event: call_ended, at: 2026-02-03 10:00, sent: []}
  - {event: call_ended, at: 2026-02-03 09:00, sent: []}
"""


def read(directory: Path, text: str) -> Cases:
    """The cases of a text whose first line is line 1."""
    (directory / 'cases.yml').write_text(dedent(text).strip() + '\n')
    return read_cases(directory / 'cases.yml', ('crm', 'mail'), Limits())


@pytest.mark.parametrize(
    'written',
    [
        '2026-11-25 10:00 Europe/Paris',
        '2026-11-25T10:00:00+01:00',
        '2026-11-25 10:00:00 +01:00',
        '2026-11-25 09:00Z',
        '"2026-11-25 9:00 UTC"',
    ],
)
def test_a_time_can_be_written_in_many_ways(written: str, tmp_path: Path) -> None:
    found = read(tmp_path, f'x: {{event: call_created, at: {written}, sent: []}}')

    assert [(each.problems, each.cases[0].moments[0].at) for each in [found]] == [([], TEN)]


def test_a_time_without_a_zone_is_that_of_the_host() -> None:
    assert moment('2026-11-25 10:00') == datetime(2026, 11, 25, 10).astimezone().timestamp()


@pytest.mark.parametrize('sent', ['crm', '[crm]', '{crm: {}}', '{crm: }'])
def test_who_runs_can_be_written_in_many_ways(sent: str, tmp_path: Path) -> None:
    found = read(tmp_path, f'x: {{event: call_created, sent: {sent}}}')

    assert ([str(each) for each in found.problems], [*found.cases[0].moments[0].step.sent]) == ([], ['crm'])


def test_several_events_come_one_after_the_other(tmp_path: Path) -> None:
    text = """
    x:
      - {event: call_created, at: 2026-11-25 09:00Z, sent: []}
      - {event: call_ended, after: 5m, sent: []}
      - {event: call_ended, sent: []}
      - {event: call_ended, after: 1h, sent: []}
    """
    (case,) = read(tmp_path, text).cases

    assert [each.at - TEN for each in case.moments] == [0.0, 300.0, 300.0, 3900.0]


def test_a_host_of_2019_can_be_asked_for_by_the_year(tmp_path: Path) -> None:
    (case,) = read(tmp_path, 'x: {event: call_ended, era: 2019, sent: []}').cases

    assert case.moments[0].event.exchange == 'xivo'


def test_an_event_that_says_when_it_happened_can_come_late(tmp_path: Path) -> None:
    event = '{name: call_ended, headers: {timestamp: "2026-11-25T08:00:00+00:00"}}'
    (case,) = read(tmp_path, f'x: {{event: {event}, at: 2026-11-25 09:00Z, sent: []}}').cases
    found = case.moments[0].event

    assert (found.timestamp, found.received_at) == (datetime(2026, 11, 25, 8, tzinfo=UTC), TEN)


def test_a_case_knows_its_place(tmp_path: Path) -> None:
    found = read(tmp_path, '# cases\na claim:\n  event: call_ended\n  sent: []\n').cases

    assert [(each.name, each.line, Path(each.file).name) for each in found] == [('a claim', 2, 'cases.yml')]


@pytest.mark.parametrize(
    ('text', 'line', 'said'),
    [
        ('x:\n  evnt: call_ended\n  event: call_ended\n  sent: []', 2, "x.evnt: unknown key (did you mean 'event'?)"),
        ('x:\n  event: call_ended', 1, "x: the key 'sent' is missing (add a line sent: …)"),
        ('x:\n  event: call_endd\n  sent: []', 2, 'x.event: no event is called call_endd'),
        ('x:\n  event:\n    nam: call_ended\n  sent: []', 3, "x.event.nam: unknown key (did you mean 'name'?)"),
        ('x:\n  event: {data: {}}\n  sent: []', 2, 'x.event: an event has a name, or a routing_key'),
        ('x:\n  event: call_ended\n  sent: [crn]', 3, "there is no handler 'crn' in the configuration (did you mean"),
        ('x:\n  event: call_ended\n  sent:\n    crn: {}', 4, "there is no handler 'crn'"),
        ('x:\n  event: call_ended\n  sent: 5', 3, 'expected names of handlers, or a map of them'),
        ('x:\n  event: call_ended\n  sent: {crm: {a: "~("}}', 3, '~ is not followed by a regular expression'),
        ('x:\n  event: call_ended\n  at: tomorrow\n  sent: []', 3, 'x.at: expected a date and a time'),
        ('x:\n  event: call_ended\n  at: 2026-02-30 10:00\n  sent: []', 3, 'x.at: there is no such day'),
        ('x:\n  event: call_ended\n  at: 2026-02-03 10:00 Mars/X\n  sent: []', 3, 'x.at: there is no such time zone'),
        ('x:\n  event: call_ended\n  after: 5m\n  sent: []', 3, 'x.after: there is no event before it'),
        ('x:\n  event: call_ended\n  era: 2020\n  sent: []', 3, "x.era: expected 'now' or '2019'"),
        ('x:\n  event: call_ended\n  fields: {a..b: 1}\n  sent: []', 2, "'a..b' is no field"),
        ('x:\n  event: call_ended\n  handlers: mail\n  sent: crm', 4, 'crm is not among the handlers'),
        ('x:\n  - event: call_ended\n    at: tomorrow\n    sent: []', 3, 'x[0].at: expected a date and a time'),
        ('x:\n  - event: call_ended\n    snt: []\n    sent: []', 3, "x[0].snt: unknown key (did you mean 'sent'?)"),
        ('x: []', 1, 'a case has at least one event'),
        ('x: call_ended', 1, 'x: expected a map'),
        ('- x', 1, 'the file is no map'),
        (
            EARLIER,
            3,
            'x[1].at: it is before the event before it',
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, said: str, tmp_path: Path) -> None:
    problems = read(tmp_path, text).problems

    assert [(each.line, said in str(each)) for each in problems] == [(line, True)], [*map(str, problems)]
