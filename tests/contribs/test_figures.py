# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What Prometheus reads at the end of the sample day: whole, named as it should be, few, and nothing of people."""

from __future__ import annotations

import re

import pytest

from plugins.audit.risks import KINDS
from tests.contribs.exported import families
from tests.contribs.figures import after, before, text, watcher
from wazo_busd import catalogue
from wazo_busd.demo.day import people
from wazo_busd.http.exposition import exposition

MOST_SERIES = 1000
"""As many a host of two queues has at most, each bucket of a histogram counted."""
UUID = re.compile(r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', re.IGNORECASE)
NUMBER = re.compile(r'\d{3,}')
NAMES = {*people._FIRST_NAMES, *people._LAST_NAMES}


def values() -> set[str]:
    """The values of all labels that are no bounds and no versions."""
    return {
        value
        for family in families().values()
        for sample in family.samples
        for label, value in sample.labels.items()
        if label not in ('le', 'version')
    }


def test_all_figures_are_there_and_each_once() -> None:
    names = re.findall(r'^# TYPE (\S+) ', text(), re.MULTILINE)
    shown = {figure.name for figures in after().values() for figure in figures}

    assert sorted(name for name in names if name.startswith('wazo_busd_')) == sorted(shown)


def test_every_figure_has_a_meaning_and_a_type() -> None:
    lacking = [each.name for each in families().values() if not each.documentation or each.type == 'unknown']

    assert lacking == []


def test_counters_and_nothing_else_end_in_total() -> None:
    shown = [figure for figures in after().values() for figure in figures]

    assert [each.name for each in shown if each.name.endswith('_total') != (each.kind == 'counter')] == []


def test_a_name_has_one_meaning() -> None:
    shown = {
        (figure.name, figure.kind, figure.labels, figure.meaning) for figures in after().values() for figure in figures
    }

    assert len(shown) == len({name for name, *_ in shown})


def test_meanings_are_sentences() -> None:
    meanings = [figure.meaning for figures in after().values() for figure in figures]

    assert [each for each in meanings if not re.fullmatch(r'[A-Z].*[.]', each)] == []


def test_no_label_is_a_number_that_people_dial() -> None:
    assert [each for each in values() if NUMBER.search(each)] == []


def test_no_label_is_a_uuid() -> None:
    assert [each for each in values() if UUID.search(each)] == []


def test_no_label_has_the_name_of_somebody() -> None:
    assert [each for each in values() if NAMES & set(re.split(r'[\s_.,]+', each))] == []


def test_the_names_of_the_day_would_be_found() -> None:
    assert {'Alice', 'Roy'} <= NAMES


def test_there_are_not_many_series() -> None:
    assert 0 < sum(len(family.samples) for family in families().values()) < MOST_SERIES


def test_what_is_there_at_the_end_is_there_at_the_beginning() -> None:
    shown = {figure.name: figure.labels for figures in after().values() for figure in figures}

    assert {figure.name: figure.labels for figures in before().values() for figure in figures} == shown


def test_what_is_read_before_anything_has_happened_is_whole() -> None:
    assert exposition(before()).decode().endswith('\n')


@pytest.mark.parametrize('handler', ['calls', 'conferences', 'faxes', 'voicemails', 'audit'])
def test_counters_of_kinds_that_are_known_begin_at_zero(handler: str) -> None:
    begun = {each.name: set(each.values.values()) for each in watcher(handler)._figures() if each.kind == 'counter'}

    # What people changed has too many kinds to show those that never happen.
    assert {name: each for name, each in begun.items() if each != {0}} == (
        {'wazo_busd_audit_changes_total': set()} if handler == 'audit' else {}
    )


def test_the_kinds_of_risks_are_those_of_the_catalogue() -> None:
    entry = catalogue.find('busd.guard.risky')

    assert entry is not None
    assert set(entry.fields['kind'].values) == set(KINDS)
