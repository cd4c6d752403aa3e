# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The page docs/handlers/README.md: every family of Wazo's page is served, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wazo_busd import catalogue
from wazo_busd.catalogue import Entry
from wazo_busd.loader import Loader

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'handlers' / 'README.md').read_text()
ROWS = [
    [cell.strip() for cell in line.strip('|').split('|')]
    for line in PAGE.split('## What serves which events')[1].splitlines()
    if line.startswith('| ') and not line.startswith('| family')
]
SERVED = [row for row in ROWS if row[2]]


def events_of(row: list[str]) -> list[str]:
    return re.findall(r'`(.*?)`', row[1])


def takes(pattern: str, entry: Entry) -> bool:
    """Whether what a plugin declares takes an event of the catalogue, or one of a family."""
    if pattern in (entry.name, *entry.aliases):
        return True
    matched = catalogue.find(pattern)
    if entry.is_family and matched is not None:
        return any(entry.comes_on(key) for key in matched.keys)
    return matched is None and entry.comes_on(pattern)


def test_every_event_of_wazos_page_is_in_one_row() -> None:
    listed = sorted(name for row in ROWS for name in events_of(row))

    assert listed == sorted(entry.name for entry in catalogue.entries() if entry.on_page)


@pytest.mark.parametrize('row', SERVED, ids=lambda row: row[0])
def test_what_serves_a_family_takes_each_of_its_events(row: list[str]) -> None:
    declared = Loader([]).load(row[2]).match
    entries = [entry for name in events_of(row) if (entry := catalogue.find(name)) is not None]

    assert [entry.name for entry in entries if not any(takes(pattern, entry) for pattern in declared)] == []


@pytest.mark.parametrize('row', SERVED, ids=lambda row: row[0])
def test_the_test_that_shows_it_is_there(row: list[str]) -> None:
    file, name = row[3].strip('`').split('::')

    assert re.search(rf'^(async )?def {name}\(', (ROOT / file).read_text(), re.MULTILINE)


def test_what_nothing_serves_is_sent_by_no_host() -> None:
    (row,) = [row for row in ROWS if not row[2]]

    assert [name for name in events_of(row) if not (entry := catalogue.find(name)) or entry.routing_keys] == []


@pytest.mark.parametrize('page', sorted((ROOT / 'docs' / 'handlers').glob('*.md')), ids=lambda page: page.stem)
def test_every_page_of_a_handler_is_linked(page: Path) -> None:
    assert page.stem == 'README' or f']({page.name})' in PAGE
