# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""The manual pages say what the help says."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest

from tools.man_pages import pages
from wazo_busd.cli import main

PAGES = pages()


def names(command: click.Command, name: str) -> Iterator[str]:
    yield f'{name}.1'
    if isinstance(command, click.Group):
        for word, each in command.commands.items():
            yield from names(each, f'{name}-{word}')


def shown(page: str) -> str:
    """What `man` shows of it; what it complains of fails the test."""
    if shutil.which('groff') is None:
        pytest.skip('groff is missing; as root: apt install groff')
    done = subprocess.run(
        ['groff', '-man', '-Tutf8', '-ww', '-rLL=200n'], input=page.encode(), capture_output=True, check=True
    )
    assert done.stderr == b''
    return done.stdout.decode().replace('\N{HYPHEN}', '-')


def test_every_command_has_a_page() -> None:
    assert sorted(PAGES) == sorted(names(main, 'wazo-busd'))


@pytest.mark.parametrize('name', sorted(PAGES))
def test_every_page_names_what_it_is_of(name: str) -> None:
    page = PAGES[name]

    assert page.split('.SH NAME\n')[1].startswith(name.removesuffix('.1').replace('-', '\\-') + ' \\- ')


def test_the_examples_stand_there_as_they_are_typed() -> None:
    assert 'wazo\\-busd emit fax_outbound_failed error=\\(aqno answer\\(aq extension=1234' in PAGES['wazo-busd-emit.1']


def test_every_option_has_its_meaning() -> None:
    assert '.B \\-\\-dry\\-run\nShow what would be published, and publish nothing.' in PAGES['wazo-busd-emit.1']


def test_no_line_of_a_text_is_taken_for_a_command_of_roff() -> None:
    known = {'.TH', '.SH', '.B', '.BR', '.I', '.PP', '.TP', '.EX', '.EE'}

    assert {line.split()[0] for page in PAGES.values() for line in page.splitlines() if line.startswith('.')} == known


def test_the_same_source_makes_the_same_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '0')

    assert '"1970\\-01\\-01"' in pages()['wazo-busd.1'] or '"1970-01-01"' in pages()['wazo-busd.1']


def test_man_shows_all_pages_without_complaint() -> None:
    assert 'wazo-busd-dead-list' in shown('\n'.join(PAGES.values()))
