# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The wazo-busd Authors
"""What the documents say of the code is so."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wazo_busd.amqp.connection import permissions
from wazo_busd.config import BusConfig
from wazo_busd.middleware import MIDDLEWARE
from wazo_busd.outcome import Outcome

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / 'docs' / 'architecture.md').read_text()
GLOSSARY = (ROOT / 'docs' / 'glossary.md').read_text()
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())
FLOORS = next(each for each in PROJECT['tool']['importlinter']['contracts'] if each['id'] == 'floors')

FORBIDDEN = ('message', 'job', 'envelope', 'subscriber', 'listener', 'manager', 'engine')
"""Words that the glossary has others for."""


def test_the_table_of_floors_names_the_modules_of_the_contract() -> None:
    rows = re.findall(r'^\| \d \w+ \| (.*) \|$', ARCHITECTURE, re.MULTILINE)
    shown = [name.strip('/') for row in rows for name in re.findall(r'`([a-z/]+)`', row)]

    assert sorted(shown) == sorted(name for layer in FLOORS['layers'] for name in layer.split(' | '))


def test_the_middleware_is_shown_in_its_order() -> None:
    shown = re.search(r'\| `middleware` \| ([^,]*),', ARCHITECTURE)

    assert shown
    assert shown[1].split(' → ') == [each.__name__ for each in MIDDLEWARE]


@pytest.mark.parametrize('outcome', Outcome)
def test_every_outcome_is_shown(outcome: Outcome) -> None:
    assert outcome.name in ARCHITECTURE
    assert outcome.name in GLOSSARY


def test_the_rights_that_are_shown_are_those_that_errors_tell() -> None:
    assert permissions(BusConfig(username='wazo-busd')).replace("'/'", '/').replace("'wazo-busd'", 'wazo-busd', 1) in (
        ARCHITECTURE
    )


@pytest.mark.parametrize('path', re.findall(r'`((?:amqp/)?[a-z_]+)(?:\.[a-z_]+)?`', ARCHITECTURE.split('## Start')[0]))
def test_every_module_of_the_journey_is_there(path: str) -> None:
    known = {'match', 'xivo', 'order_by', 'await', 'none'}
    module = ROOT / 'wazo_busd' / path

    assert path in known or module.is_dir() or module.with_suffix('.py').exists()


@pytest.mark.parametrize('word', re.findall(r'^\| \*\*(.+?)\*\* \|', GLOSSARY, re.MULTILINE))
def test_every_word_of_the_glossary_is_used(word: str) -> None:
    texts = [path.read_text().lower() for path in (ROOT / 'wazo_busd').rglob('*.py')]

    assert any(word in text for text in texts)


@pytest.mark.parametrize('path', sorted((ROOT / 'wazo_busd').rglob('*.py')), ids=lambda path: path.name)
def test_no_module_or_class_is_called_by_a_word_that_the_glossary_has_another_for(path: Path) -> None:
    names = [path.stem, *re.findall(r'^class (\w+)', path.read_text(), re.MULTILINE)]

    assert [name for name in names for word in FORBIDDEN if word in name.lower()] == []


def test_the_floors_hold_and_a_planted_violation_is_found(tmp_path: Path) -> None:
    for name in ('wazo_busd', 'plugins'):
        shutil.copytree(ROOT / name, tmp_path / {'plugins': 'wazo_busd_plugins'}.get(name, name))
    shutil.copy(ROOT / 'pyproject.toml', tmp_path)
    with (tmp_path / 'wazo_busd' / 'dispatcher.py').open('a') as module:
        module.write('\nfrom wazo_busd.amqp.bus import AmqpBus\n')

    done = subprocess.run(
        [Path(sys.executable).with_name('lint-imports'), '--no-cache'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, re.findall(r'^(.*) BROKEN$', done.stdout, re.MULTILINE)) == (
        1,
        ['A module imports only from lower floors', 'The dispatcher and what is below it never see AMQP'],
    )
